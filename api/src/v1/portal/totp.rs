//! `POST /portal/totp`: the second factor of those who have switched it on.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum_extra::extract::CookieJar;
use records::portal::factor::{self, CodeError};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::AppState;
use crate::document::{Anyone, Changes, TakesBody};
use crate::extract::Body;
use crate::problem::Problem;
use crate::session::{PORTAL_COOKIE, Visitor, cookie, token};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PortalCode {
    /// Six digits.
    pub(super) code: String,
}

/// The code from the authenticator
#[utoipa::path(
    post,
    path = "/portal/totp",
    operation_id = "portal_totp",
    tag = "portal",
    request_body = PortalCode,
    responses(
        (status = 204, description = "Signed in; sets the cookie anew"),
        (status = 401, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`portal.code_wrong`; `signed_out`"),
        (status = 423, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`portal.code_locked`"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`portal.no_second_factor`"),
        TakesBody, Changes, Anyone
    )
)]
pub(crate) async fn totp(
    State(state): State<AppState>,
    visitor: Visitor,
    headers: HeaderMap,
    jar: CookieJar,
    Body(said): Body<PortalCode>,
) -> Result<(CookieJar, StatusCode), Problem> {
    let pending = token(&headers, PORTAL_COOKIE).ok_or_else(Problem::signed_out)?;
    let full = factor::sign_in(&state.records, &visitor.origin, &pending, &said.code, visitor.at).await?;
    Ok((jar.add(cookie(PORTAL_COOKIE, &full)), StatusCode::NO_CONTENT))
}

impl From<CodeError> for Problem {
    fn from(error: CodeError) -> Self {
        match error {
            CodeError::Wrong => Self::new(
                StatusCode::UNAUTHORIZED,
                "portal.code_wrong",
                "The code is wrong or was used already. Wait for the next one in your authenticator app.",
            ),
            CodeError::Locked => Self::new(
                StatusCode::LOCKED,
                "portal.code_locked",
                "Too many wrong codes. Wait 15 minutes and try again, or call the clinic.",
            ),
            CodeError::SignedOut => Self::signed_out(),
            CodeError::NotBegun => Self::new(
                StatusCode::CONFLICT,
                "portal.no_second_factor",
                "The second factor is not in the state that you think it is. Reload the page and look again.",
            ),
            CodeError::Failed(error) => error.into(),
        }
    }
}
