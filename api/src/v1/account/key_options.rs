//! `POST /account/webauthn/options`: a challenge for another security key.

use axum::Json;
use axum::extract::State;
use records::action::ChangeFactors;
use records::identity::account;
use serde_json::Value;

use crate::AppState;
use crate::document::{Anyone, Changes, SignedIn};
use crate::problem::Problem;
use crate::session::Staff;
use crate::v1::auth::second_factor::{no_keys_here, options};

/// A challenge for another security key
///
/// For `navigator.credentials.create`. Good for one answer within five minutes. Needs a fresh second factor.
#[utoipa::path(
    post,
    path = "/account/webauthn/options",
    operation_id = "add_key_options",
    tag = "account",
    security(("staff" = [])),
    responses(
        (status = 200, body = Object, description = "`PublicKeyCredentialCreationOptionsJSON`"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`webauthn.unavailable`: the site has no domain name"),
        SignedIn, Changes, Anyone
    )
)]
pub(crate) async fn key_options(State(state): State<AppState>, staff: Staff) -> Result<Json<Value>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ChangeFactors(staff.session.staff_id)).await?;
    let party = state.party.as_deref().ok_or_else(no_keys_here)?;
    let asked = account::key_options(&mut tx, &may, party, staff.session.session_id).await?;
    options(&tx.commit(asked).await?).map(Json)
}
