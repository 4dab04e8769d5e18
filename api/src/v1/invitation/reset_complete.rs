//! `POST /auth/password-reset/complete`: a new password by a mailed link. The second factor is still needed to sign in.

use axum::extract::State;
use axum::http::StatusCode;
use axum_extra::extract::CookieJar;
use records::Phi;
use records::identity::passwords::MAX_PASSWORD_CHARS;
use records::identity::reset::{self, ResetError};
use visit::Person;

use super::accept::PasswordByLink;
use super::not_usable;
use crate::AppState;
use crate::document::{Anyone, Changes, TakesBody};
use crate::extract::{Body, bounded};
use crate::problem::Problem;
use crate::session::{Visitor, device_cookie};

/// Choose a new password by a mailed link
///
/// Uses the link up, with all others to a new password, and ends all sessions of the account. Does not sign in, but this
/// browser is one that the account knows from here on.
#[utoipa::path(
    post,
    path = "/auth/password-reset/complete",
    operation_id = "complete_password_reset",
    tag = "auth",
    request_body = PasswordByLink,
    responses(
        (status = 204, description = "Changed: sign in with it and a second factor"),
        (status = 404, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`link.not_usable`: unknown, used, expired or replaced, all alike"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`password.short`, `password.long`, `password.like_account`, `password.breached`: choose another one; the link still works"),
        TakesBody, Changes, Anyone
    )
)]
pub(crate) async fn reset_complete(
    State(state): State<AppState>,
    visitor: Visitor,
    jar: CookieJar,
    Body(body): Body<PasswordByLink>,
) -> Result<(StatusCode, CookieJar), Problem> {
    bounded("password", &body.password, MAX_PASSWORD_CHARS)?;
    let password = Phi::from(body.password);
    let (staff, device) = reset::complete(&state.records, &visitor.origin, &body.token, password, visitor.at).await?;
    state.person_ended(Person::Staff(staff));
    let jar = device.iter().fold(jar, |jar, device| jar.add(device_cookie(device)));
    Ok((StatusCode::NO_CONTENT, jar))
}

impl From<ResetError> for Problem {
    fn from(error: ResetError) -> Self {
        match error {
            ResetError::NotUsable => not_usable(),
            ResetError::Password(rule) => rule.into(),
            ResetError::Failed(error) => error.into(),
        }
    }
}
