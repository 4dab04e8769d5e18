//! `GET /audit/patients/{id}/viewers`: who viewed this patient. Asking is itself logged.

use axum::Json;
use axum::extract::State;
use records::action::ReadViewers;
use records::audit::{self, Viewer};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use visit::PatientId;

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn, TakesQuery};
use crate::extract::{Id, Query};
use crate::problem::Problem;
use crate::session::Staff;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ViewersQuery {
    /// Not before.
    #[serde(default, with = "time::serde::rfc3339::option")]
    from: Option<OffsetDateTime>,
    /// Before.
    #[serde(default, with = "time::serde::rfc3339::option")]
    to: Option<OffsetDateTime>,
}

/// Who viewed a patient.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PatientViewers {
    /// Who looked last comes first.
    items: Vec<PatientViewer>,
}

/// A member of staff who had this patient's data before them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PatientViewer {
    staff_id: Uuid,
    name: String,
    role: String,
    #[serde(with = "time::serde::rfc3339")]
    first_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    last_at: OffsetDateTime,
    /// How often, lists included.
    count: u64,
    /// How often only as one name in a list.
    in_lists: u64,
    /// What they did, in the log's words, most often first.
    actions: Vec<String>,
}

impl From<Viewer> for PatientViewer {
    fn from(viewer: Viewer) -> Self {
        Self {
            staff_id: viewer.staff_id.0,
            name: viewer.name,
            role: viewer.role,
            first_at: viewer.first_at,
            last_at: viewer.last_at,
            count: viewer.count,
            in_lists: viewer.in_lists,
            actions: viewer.actions,
        }
    }
}

/// See who viewed a patient
#[utoipa::path(
    get,
    path = "/audit/patients/{id}/viewers",
    operation_id = "patient_viewers",
    tag = "audit",
    params(("id" = uuid::Uuid, Path, description = "Patient"), ViewersQuery),
    security(("staff" = [])),
    responses((status = 200, body = PatientViewers), Addressed, TakesQuery, SignedIn, Anyone)
)]
pub(crate) async fn viewers(
    State(state): State<AppState>,
    staff: Staff,
    Id(patient): Id<PatientId>,
    Query(query): Query<ViewersQuery>,
) -> Result<Json<PatientViewers>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReadViewers(patient)).await?;
    let viewers = audit::viewers_of(&mut tx, &may, query.from, query.to).await?;
    let items = tx.commit(viewers).await?.into_iter().map(Into::into).collect();
    Ok(Json(PatientViewers { items }))
}
