//! `DELETE /staff/{id}/sessions`: sign somebody out everywhere.

use axum::extract::State;
use axum::http::StatusCode;
use records::action::EndSessions;
use records::identity::account;
use visit::{Person, StaffId};

use crate::AppState;
use crate::document::{Addressed, Anyone, Changes, SignedIn};
use crate::extract::Id;
use crate::problem::Problem;
use crate::session::Staff;

/// Sign somebody out everywhere
///
/// Pages and websockets close within a second. They can sign in again. Needs a fresh second factor.
#[utoipa::path(
    delete,
    path = "/staff/{id}/sessions",
    operation_id = "end_sessions_of",
    tag = "staff",
    params(("id" = uuid::Uuid, Path, description = "Member of staff")),
    security(("staff" = [])),
    responses((status = 204, description = "Ended"), Addressed, SignedIn, Changes, Anyone)
)]
pub(crate) async fn end_sessions(
    State(state): State<AppState>,
    staff: Staff,
    Id(id): Id<StaffId>,
) -> Result<StatusCode, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(EndSessions(id)).await?;
    let ended = account::end_sessions_of(&mut tx, &may).await?;
    tx.commit(ended).await?;
    state.person_ended(Person::Staff(id));
    Ok(StatusCode::NO_CONTENT)
}
