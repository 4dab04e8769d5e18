//! `POST /invitation/accept`: a password by an invitation's link. What follows is a second factor, at `/enrol`.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum_extra::extract::CookieJar;
use records::identity::invitations::{self, AcceptError};
use records::identity::passwords::MAX_PASSWORD_CHARS;
use records::{Phi, sessions};
use serde::Deserialize;
use utoipa::ToSchema;

use super::not_usable;
use crate::AppState;
use crate::document::{Anyone, Changes, TakesBody};
use crate::extract::{Body, bounded};
use crate::problem::Problem;
use crate::session::{STAFF_COOKIE, Visitor, cookie, token};
use crate::v1::auth::second_factor::NextFactor;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordByLink {
    /// What follows `/invitation/` or `/reset/` in the link.
    pub token: String,
    /// 12 characters or more; not one's name or address.
    #[schema(min_length = 12)]
    pub password: String,
}

/// Accept an invitation
///
/// Uses the link up. The session that begins is good for setting up a second factor only.
#[utoipa::path(
    post,
    path = "/invitation/accept",
    operation_id = "accept_invitation",
    tag = "auth",
    request_body = PasswordByLink,
    responses(
        (status = 202, body = NextFactor, description = "`next` is `enrol`; sets the cookie"),
        (status = 404, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`link.not_usable`: unknown, used, expired or withdrawn, all alike"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`password.short`, `password.long`, `password.like_account`, `password.breached`: choose another one; the link still works"),
        TakesBody, Changes, Anyone
    )
)]
pub(crate) async fn accept(
    State(state): State<AppState>,
    visitor: Visitor,
    headers: HeaderMap,
    jar: CookieJar,
    Body(body): Body<PasswordByLink>,
) -> Result<(StatusCode, CookieJar, Json<NextFactor>), Problem> {
    bounded("password", &body.password, MAX_PASSWORD_CHARS)?;
    let password = Phi::from(body.password);
    let accepted = invitations::accept(&state.records, &visitor.origin, &body.token, password, visitor.at).await?;
    if let Some(former) = token(&headers, STAFF_COOKIE) {
        state.limits.session_is_over(&former);
        sessions::end(&state.records, &former, &visitor.origin, visitor.at).await?;
    }
    Ok((StatusCode::ACCEPTED, jar.add(cookie(STAFF_COOKIE, &accepted)), Json(NextFactor::ENROL)))
}

impl From<AcceptError> for Problem {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::NotUsable => not_usable(),
            AcceptError::Password(rule) => rule.into(),
            AcceptError::Failed(error) => error.into(),
        }
    }
}
