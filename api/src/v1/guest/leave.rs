//! `POST /guest/leave`: ends the guest's session and what hangs on it. The link still leads back.

use axum::extract::State;
use axum::http::StatusCode;
use axum_extra::extract::CookieJar;
use records::sessions;

use crate::AppState;
use crate::document::{Anyone, SignedIn};
use crate::problem::Problem;
use crate::session::{GUEST_COOKIE, Guest, without};

/// End the guest's session
#[utoipa::path(
    post,
    path = "/guest/leave",
    operation_id = "guest_leaves",
    tag = "guest",
    security(("guest" = [])),
    responses((status = 204, description = "Ended"), SignedIn, Anyone)
)]
pub(crate) async fn leave(
    State(state): State<AppState>,
    guest: Guest,
    jar: CookieJar,
) -> Result<(CookieJar, StatusCode), Problem> {
    sessions::end(&state.records, &guest.token, &guest.origin, guest.at).await?;
    state.limits.session_is_over(&guest.token);
    state.session_ended(guest.session.session_id);
    Ok((without(jar, GUEST_COOKIE), StatusCode::NO_CONTENT))
}
