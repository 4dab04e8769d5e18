//! `POST /staff/{id}/reactivate`: let somebody back in.

use axum::extract::State;
use axum::http::StatusCode;
use records::action::ReactivateStaff;
use records::identity::roster;
use visit::StaffId;

use crate::AppState;
use crate::document::{Addressed, Anyone, Changes, SignedIn};
use crate::extract::Id;
use crate::problem::Problem;
use crate::session::Staff;

/// Let somebody back in
///
/// With the password and second factors of before. Needs a fresh second factor.
#[utoipa::path(
    post,
    path = "/staff/{id}/reactivate",
    operation_id = "reactivate_staff",
    tag = "staff",
    params(("id" = uuid::Uuid, Path, description = "Member of staff")),
    security(("staff" = [])),
    responses(
        (status = 204, description = "Reactivated"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`staff.changed`: the account is not deactivated"),
        Addressed, SignedIn, Changes, Anyone
    )
)]
pub(crate) async fn reactivate(
    State(state): State<AppState>,
    staff: Staff,
    Id(id): Id<StaffId>,
) -> Result<StatusCode, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReactivateStaff(id)).await?;
    let done = roster::reactivate(&mut tx, &may).await?;
    tx.commit(done).await?;
    Ok(StatusCode::NO_CONTENT)
}
