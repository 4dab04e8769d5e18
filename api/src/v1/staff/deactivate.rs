//! `POST /staff/{id}/deactivate`: end somebody's access at once.

use axum::extract::State;
use axum::http::StatusCode;
use records::action::DeactivateStaff;
use records::identity::roster;
use visit::{Person, StaffId};

use crate::AppState;
use crate::document::{Addressed, Anyone, Changes, SignedIn};
use crate::extract::Id;
use crate::problem::Problem;
use crate::session::Staff;

/// End somebody's access
///
/// Their sessions and websockets end within a second. What they wrote stays. Needs a fresh second factor.
#[utoipa::path(
    post,
    path = "/staff/{id}/deactivate",
    operation_id = "deactivate_staff",
    tag = "staff",
    params(("id" = uuid::Uuid, Path, description = "Member of staff")),
    security(("staff" = [])),
    responses(
        (status = 204, description = "Deactivated"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`staff.last_admin`: the clinic would have no administrator; `staff.changed`: the account does not work now"),
        Addressed, SignedIn, Changes, Anyone
    )
)]
pub(crate) async fn deactivate(
    State(state): State<AppState>,
    staff: Staff,
    Id(id): Id<StaffId>,
) -> Result<StatusCode, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(DeactivateStaff(id)).await?;
    let done = roster::deactivate(&mut tx, &may).await?;
    tx.commit(done).await?;
    state.person_ended(Person::Staff(id));
    Ok(StatusCode::NO_CONTENT)
}
