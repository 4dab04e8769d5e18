//! `POST /account/sessions/end-others`: stay signed in here and nowhere else.

use axum::extract::State;
use axum::http::StatusCode;
use records::action::EndOwnSessions;
use records::identity::account;

use crate::AppState;
use crate::document::{Anyone, Changes, SignedIn};
use crate::problem::Problem;
use crate::session::Staff;

/// End all of one's own other sessions
///
/// Their pages and websockets close within a second.
#[utoipa::path(
    post,
    path = "/account/sessions/end-others",
    operation_id = "end_other_sessions",
    tag = "account",
    security(("staff" = [])),
    responses((status = 204, description = "Ended"), SignedIn, Changes, Anyone)
)]
pub(crate) async fn end_other_sessions(State(state): State<AppState>, staff: Staff) -> Result<StatusCode, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(EndOwnSessions(staff.session.staff_id)).await?;
    let ended = account::end_other_sessions(&mut tx, &may, staff.session.session_id).await?;
    for session in tx.commit(ended).await? {
        state.session_ended(session);
    }
    Ok(StatusCode::NO_CONTENT)
}
