//! `POST /auth/totp`: the second factor. The session's token changes with it, so that one who planted the first has nothing.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum_extra::extract::CookieJar;
use records::sign_in::{self, TotpError};
use serde::Deserialize;
use utoipa::ToSchema;

use super::sign_in::locked;
use crate::AppState;
use crate::document::{Anyone, Changes, TakesBody};
use crate::extract::{Body, bounded};
use crate::problem::Problem;
use crate::session::{STAFF_COOKIE, Visitor, cookie, token};
use crate::v1::shapes::Me;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Code {
    /// Six digits, RFC 6238; each can be used once.
    #[schema(pattern = "^[0-9]{6}$")]
    code: String,
}

/// The second factor: a code from the authenticator
#[utoipa::path(
    post,
    path = "/auth/totp",
    operation_id = "totp",
    tag = "auth",
    request_body = Code,
    security(("staff" = [])),
    responses(
        (status = 200, body = Me, description = "Signed in; sets a new cookie"),
        (status = 401, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`totp.failed`: wrong or used before; `signed_out`: no password was given, or too long ago"),
        (status = 423, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`sign_in.locked`: too many failures in a row"),
        TakesBody, Changes, Anyone
    )
)]
pub(crate) async fn totp(
    State(state): State<AppState>,
    visitor: Visitor,
    headers: HeaderMap,
    jar: CookieJar,
    Body(body): Body<Code>,
) -> Result<(CookieJar, Json<Me>), Problem> {
    let pending = token(&headers, STAFF_COOKIE).ok_or_else(Problem::signed_out)?;
    bounded("code", &body.code, 16)?;
    let code: String = body.code.chars().filter(|char| !char.is_whitespace()).collect();
    let signed_in = sign_in::totp(&state.records, &visitor.origin, &pending, &code, visitor.at).await?;
    state.limits.session_is_good(&signed_in.token);
    Ok((jar.add(cookie(STAFF_COOKIE, &signed_in.token)), Json(signed_in.session.into())))
}

impl From<TotpError> for Problem {
    fn from(error: TotpError) -> Self {
        match error {
            TotpError::Wrong => Self::new(
                StatusCode::UNAUTHORIZED,
                "totp.failed",
                "The code is wrong or was used before. Wait for the next one and try again.",
            ),
            TotpError::SignedOut => Self::signed_out(),
            TotpError::TooFast { retry_after_s } => Self::rate_limited(retry_after_s.unsigned_abs()),
            TotpError::Locked { .. } => locked(),
            TotpError::Failed(error) => error.into(),
        }
    }
}
