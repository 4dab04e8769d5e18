//! `POST /auth/webauthn`: the second factor by a security key.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum_extra::extract::CookieJar;
use records::identity::Proof;
use records::sign_in;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::second_factor::{answer_bytes, entered, no_keys_here};
use crate::AppState;
use crate::document::{Anyone, Changes, TakesBody};
use crate::extract::Body;
use crate::problem::Problem;
use crate::session::{STAFF_COOKIE, Visitor, token};
use crate::v1::shapes::Me;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyAnswer {
    /// `AuthenticationResponseJSON`: what `credential.toJSON()` gives.
    #[schema(value_type = Object)]
    answer: Value,
}

/// The second factor: a security key's answer
#[utoipa::path(
    post,
    path = "/auth/webauthn",
    operation_id = "webauthn",
    tag = "auth",
    request_body = KeyAnswer,
    security(("staff" = [])),
    responses(
        (status = 200, body = Me, description = "Signed in; sets a new cookie"),
        (status = 401, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`second_factor.failed`: not a good answer to the session's last challenge; `signed_out`: no password was given, or too long ago"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`webauthn.unavailable`: the site has no domain name"),
        (status = 423, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`sign_in.locked`: too many failures in a row"),
        TakesBody, Changes, Anyone
    )
)]
pub(crate) async fn webauthn(
    State(state): State<AppState>,
    visitor: Visitor,
    headers: HeaderMap,
    jar: CookieJar,
    Body(body): Body<KeyAnswer>,
) -> Result<Response, Problem> {
    let pending = token(&headers, STAFF_COOKIE).ok_or_else(Problem::signed_out)?;
    let party = state.party.as_deref().ok_or_else(no_keys_here)?;
    let answer = answer_bytes(&body.answer);
    let proof = Proof::WebAuthn { answer: &answer, party };
    let done = sign_in::second_factor(&state.records, &visitor.origin, &pending, proof, visitor.at).await?;
    Ok(entered(&state, jar, done))
}
