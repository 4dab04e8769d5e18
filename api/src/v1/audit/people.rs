//! `GET /audit/people`: whose doings can be searched for: the clinic's staff, also those who left.

use axum::Json;
use axum::extract::State;
use records::action::SearchAudit;
use records::audit;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::AppState;
use crate::document::{Anyone, SignedIn};
use crate::problem::Problem;
use crate::session::Staff;

/// Whose doings can be searched for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditPeople {
    /// By name.
    items: Vec<AuditPerson>,
}

/// A member of staff.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditPerson {
    staff_id: Uuid,
    name: String,
    role: String,
    /// Whether they still work here.
    active: bool,
}

/// List people to search the audit log for
#[utoipa::path(
    get,
    path = "/audit/people",
    operation_id = "audit_people",
    tag = "audit",
    security(("staff" = [])),
    responses((status = 200, body = AuditPeople), SignedIn, Anyone)
)]
pub(crate) async fn people(State(state): State<AppState>, staff: Staff) -> Result<Json<AuditPeople>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(SearchAudit).await?;
    let people = audit::people(&mut tx, &may).await?;
    let items = tx
        .commit(people)
        .await?
        .into_iter()
        .map(|one| AuditPerson { staff_id: one.staff_id.0, name: one.name, role: one.role, active: one.active })
        .collect();
    Ok(Json(AuditPeople { items }))
}
