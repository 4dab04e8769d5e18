//! `GET /staff/{id}/sessions`: where somebody is signed in.

use axum::Json;
use axum::extract::State;
use records::action::ReadSessions;
use records::identity::account;
use visit::StaffId;

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn};
use crate::extract::Id;
use crate::problem::Problem;
use crate::session::Staff;
use crate::v1::account::SessionList;

/// Where somebody is signed in
#[utoipa::path(
    get,
    path = "/staff/{id}/sessions",
    operation_id = "sessions_of",
    tag = "staff",
    params(("id" = uuid::Uuid, Path, description = "Member of staff")),
    security(("staff" = [])),
    responses((status = 200, body = SessionList), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn sessions(
    State(state): State<AppState>,
    staff: Staff,
    Id(id): Id<StaffId>,
) -> Result<Json<SessionList>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReadSessions(id)).await?;
    let found = account::sessions_of(&mut tx, &may).await?;
    Ok(Json(SessionList::of(tx.commit(found).await?, staff.session.session_id)))
}
