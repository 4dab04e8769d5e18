//! `POST /join/identity`: the date of birth, which shows that the link is in the right hands. Five tries.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum_extra::extract::CookieJar;
use records::join::{self, IdentifyError};
use records::sessions;
use serde::Deserialize;
use utoipa::ToSchema;

use super::open::not_usable;
use super::state::JoinState;
use crate::AppState;
use crate::document::{Anyone, TakesBody};
use crate::extract::{Body, date};
use crate::problem::Problem;
use crate::session::{PATIENT_COOKIE, Visitor, cookie, token};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    /// What follows `/v/` in the link.
    token: String,
    /// `YYYY-MM-DD`.
    #[schema(format = Date)]
    date_of_birth: String,
}

/// Confirm the date of birth
///
/// Five wrong dates lock the link; the front desk issues a new one.
#[utoipa::path(
    post,
    path = "/join/identity",
    operation_id = "confirm_identity",
    tag = "join",
    request_body = Identity,
    responses(
        (status = 200, body = JoinState, description = "It is the patient; sets the cookie"),
        (status = 403, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`join.date_of_birth_mismatch` with `tries_left`; `join.locked`; `origin.foreign`"),
        (status = 404, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`link.not_usable`"),
        TakesBody, Anyone
    )
)]
pub(crate) async fn identity(
    State(state): State<AppState>,
    visitor: Visitor,
    headers: HeaderMap,
    jar: CookieJar,
    Body(identity): Body<Identity>,
) -> Result<(CookieJar, Json<JoinState>), Problem> {
    let born = date("date_of_birth", &identity.date_of_birth)?;
    let identified = join::identify(&state.records, &visitor.origin, &identity.token, born, visitor.at).await?;
    if let Some(former) = token(&headers, PATIENT_COOKIE) {
        state.limits.session_is_over(&former);
        sessions::end(&state.records, &former, &visitor.origin, visitor.at).await?;
    }
    state.limits.session_is_good(&identified.token);
    Ok((jar.add(cookie(PATIENT_COOKIE, &identified.token)), Json(identified.state.into())))
}

impl From<IdentifyError> for Problem {
    fn from(error: IdentifyError) -> Self {
        match error {
            IdentifyError::NotUsable => not_usable(),
            IdentifyError::Mismatch { tries_left } => Self::new(
                StatusCode::FORBIDDEN,
                "join.date_of_birth_mismatch",
                "That is not the date of birth that the clinic has on record. Check it and try again, or call the clinic.",
            )
            .with("tries_left", tries_left),
            IdentifyError::Locked => Self::new(
                StatusCode::FORBIDDEN,
                "join.locked",
                "Too many wrong dates: this link can't be used any more. Call the clinic; they will send you a new one.",
            ),
            IdentifyError::Failed(error) => error.into(),
        }
    }
}
