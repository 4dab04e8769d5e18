//! `POST /auth/totp`: the second factor. The session's token changes with it, so that one who planted the first has nothing.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum_extra::extract::CookieJar;
use records::identity::Proof;
use records::sign_in::{self, SecondFactorError};
use serde::Deserialize;
use utoipa::ToSchema;

use super::second_factor::{NextFactor, digits, entered};
use crate::AppState;
use crate::document::{Anyone, Changes, TakesBody};
use crate::extract::{Body, bounded};
use crate::problem::Problem;
use crate::session::{STAFF_COOKIE, Visitor, token};
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
        (status = 202, body = NextFactor, description = "Right, but this role needs a security key: set one up; sets a new cookie"),
        (status = 401, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`totp.failed`: wrong or used before; `signed_out`: no password was given, or too long ago"),
        (status = 403, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`second_factor.needs_key`: this role has a security key and must use it; `origin.foreign`: not from our pages"),
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
) -> Result<Response, Problem> {
    let pending = token(&headers, STAFF_COOKIE).ok_or_else(Problem::signed_out)?;
    bounded("code", &body.code, 16)?;
    let code = digits(&body.code);
    let proof = Proof::Totp(&code);
    let done = sign_in::second_factor(&state.records, &visitor.origin, &pending, proof, visitor.at).await;
    done.map(|done| entered(&state, jar, done)).map_err(code_problem)
}

/// As for every second factor, but in the words of codes.
pub(super) fn code_problem(error: SecondFactorError) -> Problem {
    match error {
        SecondFactorError::Wrong => Problem::new(
            StatusCode::UNAUTHORIZED,
            "totp.failed",
            "The code is wrong or was used before. Wait for the next one and try again.",
        ),
        other => other.into(),
    }
}
