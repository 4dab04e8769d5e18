//! `POST /auth/sign-in`: the first factor. The session that it begins is good for the second factor only.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum_extra::extract::CookieJar;
use records::sign_in::{self, PasswordError};
use records::{Phi, sessions};
use serde::Deserialize;
use utoipa::ToSchema;

use super::second_factor::NextFactor;
use crate::AppState;
use crate::document::{Anyone, Changes, TakesBody};
use crate::extract::{Body, bounded};
use crate::problem::Problem;
use crate::session::{STAFF_COOKIE, Visitor, cookie, token};

/// Longest address of e-mail, RFC 5321.
const MAX_EMAIL_CHARS: usize = 254;
/// Longest password.
const MAX_PASSWORD_CHARS: usize = 1_024;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    email: String,
    password: String,
}

/// The first factor: e-mail and password
///
/// An unknown account answers like a wrong password, and takes as long.
#[utoipa::path(
    post,
    path = "/auth/sign-in",
    operation_id = "sign_in",
    tag = "auth",
    request_body = Credentials,
    responses(
        (status = 200, body = NextFactor, description = "Right so far; sets the cookie"),
        (status = 401, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`sign_in.failed`"),
        (status = 423, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`sign_in.locked`: too many failures in a row from here; `sign_in.guarded`: too many from elsewhere, which keeps out browsers that are not known"),
        TakesBody, Changes, Anyone
    )
)]
pub(crate) async fn sign_in(
    State(state): State<AppState>,
    visitor: Visitor,
    headers: HeaderMap,
    jar: CookieJar,
    Body(credentials): Body<Credentials>,
) -> Result<(CookieJar, Json<NextFactor>), Problem> {
    bounded("email", &credentials.email, MAX_EMAIL_CHARS)?;
    bounded("password", &credentials.password, MAX_PASSWORD_CHARS)?;
    state.limits.sign_in(&credentials.email, visitor.address.0, visitor.origin.device.as_ref()).await?;
    let password = Phi::from(credentials.password);
    let first = sign_in::password(&state.records, &visitor.origin, &credentials.email, password, visitor.at).await?;
    if let Some(former) = token(&headers, STAFF_COOKIE) {
        state.limits.session_is_over(&former);
        sessions::end(&state.records, &former, &visitor.origin, visitor.at).await?;
    }
    Ok((jar.add(cookie(STAFF_COOKIE, &first.token)), Json(first.next.into())))
}

impl From<PasswordError> for Problem {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Wrong => Self::new(
                StatusCode::UNAUTHORIZED,
                "sign_in.failed",
                "E-mail or password is wrong. Try again, or ask your clinic's administrator.",
            ),
            PasswordError::TooFast { retry_after_s } => Self::rate_limited(retry_after_s.unsigned_abs()),
            PasswordError::Locked { .. } => locked(),
            PasswordError::Guarded { .. } => Self::new(
                StatusCode::LOCKED,
                "sign_in.guarded",
                "Too many failed tries at this account from elsewhere: for now it opens only in browsers that signed in before. Use one of those, or choose a new password by mail (Forgot your password?), which opens it in this one.",
            ),
            PasswordError::Failed(error) => error.into(),
        }
    }
}

pub(super) fn locked() -> Problem {
    Problem::new(
        StatusCode::LOCKED,
        "sign_in.locked",
        "Too many failed tries: this account can't sign in from here for a while. Wait 15 minutes, or ask your clinic's administrator.",
    )
}
