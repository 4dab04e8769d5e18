//! `POST /auth/recovery`: a recovery code in the place of the second factor. It opens only the way to a new factor.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum_extra::extract::CookieJar;
use records::sign_in::{self, SecondFactorError};
use serde::Deserialize;
use utoipa::ToSchema;

use super::second_factor::NextFactor;
use crate::AppState;
use crate::document::{Anyone, Changes, TakesBody};
use crate::extract::{Body, bounded};
use crate::problem::Problem;
use crate::session::{STAFF_COOKIE, Visitor, cookie, token};

/// Longest code, however it is typed.
const MAX_CODE_CHARS: usize = 40;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecoveryCode {
    /// One of the ten; case, dashes and spaces don't matter.
    #[schema(max_length = 40)]
    code: String,
}

/// A recovery code in the place of the second factor
///
/// Each is good once, and opens only `/enrol`: a new second factor has to be set up.
#[utoipa::path(
    post,
    path = "/auth/recovery",
    operation_id = "recovery",
    tag = "auth",
    request_body = RecoveryCode,
    security(("staff" = [])),
    responses(
        (status = 202, body = NextFactor, description = "Right; `next` is `enrol`; sets a new cookie"),
        (status = 401, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`recovery.failed`: wrong or used before; `signed_out`: no password was given, or too long ago"),
        (status = 423, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`sign_in.locked`: too many failures in a row"),
        TakesBody, Changes, Anyone
    )
)]
pub(crate) async fn recovery(
    State(state): State<AppState>,
    visitor: Visitor,
    headers: HeaderMap,
    jar: CookieJar,
    Body(body): Body<RecoveryCode>,
) -> Result<(StatusCode, CookieJar, Json<NextFactor>), Problem> {
    let pending = token(&headers, STAFF_COOKIE).ok_or_else(Problem::signed_out)?;
    bounded("code", &body.code, MAX_CODE_CHARS)?;
    let done = sign_in::recovery(&state.records, &visitor.origin, &pending, &body.code, visitor.at).await;
    let token = done.map_err(|error| match error {
        SecondFactorError::Wrong => Problem::new(
            StatusCode::UNAUTHORIZED,
            "recovery.failed",
            "That is not one of your unused recovery codes. Check it, or ask your clinic's administrator.",
        ),
        other => other.into(),
    })?;
    Ok((StatusCode::ACCEPTED, jar.add(cookie(STAFF_COOKIE, &token)), Json(NextFactor::ENROL)))
}
