//! `PUT /staff/{id}/role`: another role.

use axum::extract::State;
use axum::http::StatusCode;
use records::action::ChangeRole;
use records::identity::roster;
use serde::Deserialize;
use utoipa::ToSchema;
use visit::{Person, Role, StaffId};

use crate::AppState;
use crate::document::{Addressed, Anyone, Changes, SignedIn, TakesBody};
use crate::extract::{Body, Id};
use crate::problem::Problem;
use crate::session::Staff;
use crate::words;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRole {
    #[schema(schema_with = words::invited_role)]
    role: Role,
}

/// Give somebody another role
///
/// Their sessions and websockets end within a second. Needs a fresh second factor.
#[utoipa::path(
    put,
    path = "/staff/{id}/role",
    operation_id = "change_role",
    tag = "staff",
    params(("id" = uuid::Uuid, Path, description = "Member of staff")),
    request_body = NewRole,
    security(("staff" = [])),
    responses(
        (status = 204, description = "Changed"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`staff.last_admin`: the clinic would have no administrator"),
        TakesBody, Addressed, SignedIn, Changes, Anyone
    )
)]
pub(crate) async fn role(
    State(state): State<AppState>,
    staff: Staff,
    Id(id): Id<StaffId>,
    Body(body): Body<NewRole>,
) -> Result<StatusCode, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ChangeRole(id)).await?;
    let changed = roster::change_role(&mut tx, &may, body.role).await?;
    tx.commit(changed).await?;
    state.person_ended(Person::Staff(id));
    Ok(StatusCode::NO_CONTENT)
}
