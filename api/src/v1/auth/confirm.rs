//! `POST /auth/confirm`: the second factor again, within a session. Sensitive actions are open for five minutes after it.

use axum::extract::State;
use axum::http::StatusCode;
use records::identity::{Proof, confirm};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::second_factor::{answer_bytes, digits, no_keys_here};
use super::totp::code_problem;
use crate::AppState;
use crate::document::{Anyone, Changes, SignedIn, TakesBody};
use crate::extract::{Body, bounded};
use crate::problem::Problem;
use crate::session::Staff;

/// One of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Confirmation {
    /// Six digits from an authenticator app.
    code: Option<String>,
    /// `AuthenticationResponseJSON` of a security key.
    #[schema(value_type = Option<Object>)]
    answer: Option<Value>,
}

/// Give a second factor again
///
/// Answers `second_factor.stale` elsewhere are over for five minutes; then the refused request can be repeated.
#[utoipa::path(
    post,
    path = "/auth/confirm",
    operation_id = "confirm",
    tag = "auth",
    request_body = Confirmation,
    security(("staff" = [])),
    responses(
        (status = 204, description = "Confirmed"),
        (status = 403, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`second_factor.needs_key`: this role has to use a security key; `origin.foreign`: not from our pages"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`totp.failed`, `second_factor.failed`: wrong or used before; `webauthn.unavailable`: the site has no domain name"),
        (status = 423, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`sign_in.locked`: too many failures in a row"),
        TakesBody, SignedIn, Changes, Anyone
    )
)]
pub(crate) async fn confirm(
    State(state): State<AppState>,
    staff: Staff,
    Body(body): Body<Confirmation>,
) -> Result<StatusCode, Problem> {
    match (body.code, body.answer) {
        (Some(code), None) => {
            bounded("code", &code, 16)?;
            let code = digits(&code);
            let proof = Proof::Totp(&code);
            confirm::confirm(&state.records, &staff.origin, &staff.session, proof, staff.at)
                .await
                .map_err(|error| code_problem(error).within_a_session())?;
        }
        (None, Some(answer)) => {
            let party = state.party.as_deref().ok_or_else(no_keys_here)?;
            let answer = answer_bytes(&answer);
            let proof = Proof::WebAuthn { answer: &answer, party };
            confirm::confirm(&state.records, &staff.origin, &staff.session, proof, staff.at)
                .await
                .map_err(|error| Problem::from(error).within_a_session())?;
        }
        _ => return Err(Problem::invalid("code, answer: exactly one of the two")),
    }
    Ok(StatusCode::NO_CONTENT)
}
