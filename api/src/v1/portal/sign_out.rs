//! `POST /portal/sign-out`.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum_extra::extract::CookieJar;
use records::portal::sessions;

use crate::AppState;
use crate::document::{Anyone, Changes};
use crate::problem::Problem;
use crate::session::{PORTAL_COOKIE, Visitor, token, without};

/// Sign out of the portal
#[utoipa::path(
    post,
    path = "/portal/sign-out",
    operation_id = "portal_sign_out",
    tag = "portal",
    security(("portal" = []), ()),
    responses((status = 204, description = "Signed out"), Changes, Anyone)
)]
pub(crate) async fn sign_out(
    State(state): State<AppState>,
    visitor: Visitor,
    headers: HeaderMap,
    jar: CookieJar,
) -> Result<(CookieJar, StatusCode), Problem> {
    if let Some(token) = token(&headers, PORTAL_COOKIE) {
        sessions::end(&state.records, &token, &visitor.origin, visitor.at).await?;
        state.limits.session_is_over(&token);
    }
    Ok((without(jar, PORTAL_COOKIE), StatusCode::NO_CONTENT))
}
