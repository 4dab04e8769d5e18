//! `POST /auth/webauthn/options`: a challenge for the security keys of somebody whose password was right.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use records::sign_in;
use serde_json::Value;

use super::second_factor::{no_keys_here, options};
use crate::AppState;
use crate::document::{Anyone, Changes};
use crate::problem::Problem;
use crate::session::{STAFF_COOKIE, Visitor, token};

/// A challenge for a security key
///
/// For `navigator.credentials.get`, as `PublicKeyCredentialRequestOptionsJSON` (WebAuthn level 3). Good for one answer
/// within five minutes, from the session that asked.
#[utoipa::path(
    post,
    path = "/auth/webauthn/options",
    operation_id = "webauthn_options",
    tag = "auth",
    security(("staff" = [])),
    responses(
        (status = 200, body = Object, description = "`PublicKeyCredentialRequestOptionsJSON`"),
        (status = 401, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`signed_out`: no password was given, or too long ago; `second_factor.failed`: this account has no key"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`webauthn.unavailable`: the site has no domain name"),
        Changes, Anyone
    )
)]
pub(crate) async fn webauthn_options(
    State(state): State<AppState>,
    visitor: Visitor,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    let pending = token(&headers, STAFF_COOKIE).ok_or_else(Problem::signed_out)?;
    let party = state.party.as_deref().ok_or_else(no_keys_here)?;
    let asked = sign_in::webauthn_options(&state.records, &visitor.origin, party, &pending, visitor.at).await?;
    options(&asked).map(Json)
}
