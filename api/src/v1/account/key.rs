//! `POST /account/webauthn`: another security key.

use axum::extract::State;
use axum::http::StatusCode;
use records::action::ChangeFactors;
use records::identity::account;
use records::identity::factors::FactorError;

use crate::AppState;
use crate::document::{Anyone, Changes, SignedIn, TakesBody};
use crate::extract::{Body, bounded};
use crate::problem::Problem;
use crate::session::Staff;
use crate::v1::auth::second_factor::{answer_bytes, no_keys_here};
use crate::v1::enrol::{MAX_NAME_CHARS, NewKey};

/// Add another security key
#[utoipa::path(
    post,
    path = "/account/webauthn",
    operation_id = "add_key",
    tag = "account",
    request_body = NewKey,
    security(("staff" = [])),
    responses(
        (status = 204, description = "It works"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`webauthn.refused`: not a good answer to the last challenge; `webauthn.unavailable`: the site has no domain name"),
        TakesBody, SignedIn, Changes, Anyone
    )
)]
pub(crate) async fn key(
    State(state): State<AppState>,
    staff: Staff,
    Body(body): Body<NewKey>,
) -> Result<StatusCode, Problem> {
    bounded("name", &body.name, MAX_NAME_CHARS)?;
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ChangeFactors(staff.session.staff_id)).await?;
    let party = state.party.as_deref().ok_or_else(no_keys_here)?;
    let answer = answer_bytes(&body.answer);
    let added = account::add_key(&mut tx, &may, party, staff.session.session_id, &body.name, &answer).await?;
    if tx.commit(added).await? { Ok(StatusCode::NO_CONTENT) } else { Err(FactorError::BadAnswer.into()) }
}
