//! `POST /enrol/webauthn/options`: a challenge for a new security key.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use records::identity::enrolment;
use serde_json::Value;

use super::enrolling;
use crate::AppState;
use crate::document::{Anyone, Changes, SignedIn};
use crate::problem::Problem;
use crate::session::Visitor;
use crate::v1::auth::second_factor::{no_keys_here, options};

/// A challenge for a new security key
///
/// For `navigator.credentials.create`, as `PublicKeyCredentialCreationOptionsJSON` (WebAuthn level 3). Good for one
/// answer within five minutes.
#[utoipa::path(
    post,
    path = "/enrol/webauthn/options",
    operation_id = "enrol_webauthn_options",
    tag = "auth",
    security(("staff" = [])),
    responses(
        (status = 200, body = Object, description = "`PublicKeyCredentialCreationOptionsJSON`"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`webauthn.unavailable`: the site has no domain name"),
        SignedIn, Changes, Anyone
    )
)]
pub(crate) async fn webauthn_options(
    State(state): State<AppState>,
    visitor: Visitor,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    let token = enrolling(&headers)?;
    let party = state.party.as_deref().ok_or_else(no_keys_here)?;
    let asked = enrolment::new_key_options(&state.records, &visitor.origin, party, &token, visitor.at).await?;
    options(&asked).map(Json)
}
