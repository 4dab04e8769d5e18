//! `DELETE /account/sessions/{id}`: sign out somewhere else.

use axum::extract::State;
use axum::http::StatusCode;
use records::SessionId;
use records::action::EndOwnSessions;
use records::identity::account;

use crate::AppState;
use crate::document::{Addressed, Anyone, Changes, SignedIn};
use crate::extract::Id;
use crate::problem::Problem;
use crate::session::Staff;

/// End one of one's own sessions
///
/// Its pages and websockets close within a second.
#[utoipa::path(
    delete,
    path = "/account/sessions/{id}",
    operation_id = "end_session",
    tag = "account",
    params(("id" = uuid::Uuid, Path, description = "Session")),
    security(("staff" = [])),
    responses((status = 204, description = "Ended"), Addressed, SignedIn, Changes, Anyone)
)]
pub(crate) async fn end_session(
    State(state): State<AppState>,
    staff: Staff,
    Id(session): Id<SessionId>,
) -> Result<StatusCode, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(EndOwnSessions(staff.session.staff_id)).await?;
    let ended = account::end_own_session(&mut tx, &may, session).await?;
    tx.commit(ended).await?;
    state.session_ended(session);
    Ok(StatusCode::NO_CONTENT)
}
