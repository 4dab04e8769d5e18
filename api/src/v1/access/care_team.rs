//! `/patients/{id}/care-team`: who is assigned to a patient.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use records::action::{ManageCareTeam, ReadCareTeam};
use records::care_team::{self, AssignError, Assignment};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;
use visit::{PatientId, Role, StaffId};

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn, TakesBody};
use crate::extract::{Body, Id};
use crate::problem::Problem;
use crate::session::Staff;
use crate::words;

/// Who is, or was, assigned.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CareTeam {
    /// Present ones first.
    items: Vec<AssignmentItem>,
}

/// An assignment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AssignmentItem {
    assignment_id: Uuid,
    staff_id: Uuid,
    name: String,
    #[schema(schema_with = words::role)]
    role: Role,
    #[serde(with = "time::serde::rfc3339")]
    from_at: OffsetDateTime,
    /// Null while nobody has ended it.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    until_at: Option<OffsetDateTime>,
}

impl From<Assignment> for AssignmentItem {
    fn from(assignment: Assignment) -> Self {
        Self {
            assignment_id: assignment.assignment_id,
            staff_id: assignment.staff_id.0,
            name: assignment.name,
            role: assignment.role,
            from_at: assignment.from_at,
            until_at: assignment.until_at,
        }
    }
}

/// The care team of a patient
#[utoipa::path(
    get,
    path = "/patients/{id}/care-team",
    operation_id = "care_team",
    tag = "access",
    params(("id" = Uuid, Path, description = "Patient")),
    security(("staff" = [])),
    responses((status = 200, body = CareTeam), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    staff: Staff,
    Id(patient): Id<PatientId>,
) -> Result<Json<CareTeam>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReadCareTeam(patient)).await?;
    let found = care_team::list(&mut tx, &may).await?;
    let items = tx.commit(found).await?.into_iter().map(Into::into).collect();
    Ok(Json(CareTeam { items }))
}

/// Who could be assigned.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Assignables {
    /// By name.
    items: Vec<AssignableItem>,
}

/// Somebody who could be assigned.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AssignableItem {
    staff_id: Uuid,
    name: String,
    #[schema(schema_with = words::role)]
    role: Role,
}

/// Who could be assigned to a patient
#[utoipa::path(
    get,
    path = "/patients/{id}/care-team/candidates",
    operation_id = "care_team_candidates",
    tag = "access",
    params(("id" = Uuid, Path, description = "Patient")),
    security(("staff" = [])),
    responses((status = 200, body = Assignables), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn candidates(
    State(state): State<AppState>,
    staff: Staff,
    Id(patient): Id<PatientId>,
) -> Result<Json<Assignables>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ManageCareTeam(patient)).await?;
    let found = care_team::candidates(&mut tx, &may).await?;
    let items = tx.commit(found).await?.into_iter();
    let items = items.map(|one| AssignableItem { staff_id: one.staff_id.0, name: one.name, role: one.role }).collect();
    Ok(Json(Assignables { items }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAssignment {
    /// A provider or nurse of the clinic.
    staff_id: Uuid,
}

/// The id of a new assignment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MadeAssignment {
    assignment_id: Uuid,
}

/// Assign a member of staff
#[utoipa::path(
    post,
    path = "/patients/{id}/care-team",
    operation_id = "assign_staff",
    tag = "access",
    request_body = NewAssignment,
    params(("id" = Uuid, Path, description = "Patient")),
    security(("staff" = [])),
    responses(
        (status = 201, body = MadeAssignment),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`care_team.assigned`: they are assigned already"),
        Addressed, TakesBody, SignedIn, Anyone
    )
)]
pub(crate) async fn assign(
    State(state): State<AppState>,
    staff: Staff,
    Id(patient): Id<PatientId>,
    Body(request): Body<NewAssignment>,
) -> Result<(StatusCode, Json<MadeAssignment>), Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ManageCareTeam(patient)).await?;
    let made = care_team::assign(&mut tx, &may, StaffId(request.staff_id)).await?;
    let assignment_id = tx.commit(made).await?;
    state.changed(staff.session.clinic.id);
    Ok((StatusCode::CREATED, Json(MadeAssignment { assignment_id })))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AssignmentToEnd {
    assignment_id: Uuid,
}

/// End an assignment
#[utoipa::path(
    post,
    path = "/patients/{id}/care-team/end",
    operation_id = "end_assignment",
    tag = "access",
    request_body = AssignmentToEnd,
    params(("id" = Uuid, Path, description = "Patient")),
    security(("staff" = [])),
    responses((status = 204, description = "Ended"), Addressed, TakesBody, SignedIn, Anyone)
)]
pub(crate) async fn end(
    State(state): State<AppState>,
    staff: Staff,
    Id(patient): Id<PatientId>,
    Body(request): Body<AssignmentToEnd>,
) -> Result<StatusCode, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ManageCareTeam(patient)).await?;
    let ended = care_team::end(&mut tx, &may, request.assignment_id).await?;
    tx.commit(ended).await?;
    state.changed(staff.session.clinic.id);
    Ok(StatusCode::NO_CONTENT)
}

impl From<AssignError> for Problem {
    fn from(error: AssignError) -> Self {
        match error {
            AssignError::DoesNotTreat => Self::invalid("staff_id: choose an active provider or nurse of this clinic"),
            AssignError::AssignedAlready => Self::new(
                StatusCode::CONFLICT,
                "care_team.assigned",
                "This person is assigned to the patient already. Nothing needs to be done.",
            ),
            AssignError::Failed(error) => error.into(),
        }
    }
}
