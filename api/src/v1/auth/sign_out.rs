//! `POST /auth/sign-out`: ends the session, whichever state it is in, and what hangs on it.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum_extra::extract::CookieJar;
use records::sessions::{self, Activity};

use crate::AppState;
use crate::document::{Anyone, Changes};
use crate::problem::Problem;
use crate::session::{STAFF_COOKIE, Visitor, token, without};

/// Sign out
///
/// Also closes the session's websockets and withdraws its unused tickets. Signing out twice is fine.
#[utoipa::path(
    post,
    path = "/auth/sign-out",
    operation_id = "sign_out",
    tag = "auth",
    security(("staff" = []), ()),
    responses((status = 204, description = "Signed out"), Changes, Anyone)
)]
pub(crate) async fn sign_out(
    State(state): State<AppState>,
    visitor: Visitor,
    headers: HeaderMap,
    jar: CookieJar,
) -> Result<(CookieJar, StatusCode), Problem> {
    if let Some(token) = token(&headers, STAFF_COOKIE) {
        let session = sessions::staff(&state.records, &token, Activity::Background, visitor.at).await?;
        sessions::end(&state.records, &token, &visitor.origin, visitor.at).await?;
        state.limits.session_is_over(&token);
        if let Some(session) = session {
            state.session_ended(session.session_id);
        }
    }
    Ok((without(jar, STAFF_COOKIE), StatusCode::NO_CONTENT))
}
