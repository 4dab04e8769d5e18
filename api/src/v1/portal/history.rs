//! `GET /portal/patients/{id}/accesses`: who looked at the record.

use axum::Json;
use axum::extract::State;
use records::action::ReadOwnViewers;
use records::portal::record::{self, HistoryError};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use visit::PatientId;

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn, TakesQuery};
use crate::extract::{Id, Query, unknown_cursor};
use crate::problem::Problem;
use crate::session::Portal;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    /// From the former page.
    cursor: Option<String>,
}

/// One page of who looked.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PortalAccesses {
    /// Latest first.
    items: Vec<PortalAccess>,
    /// Null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Somebody looked at the record, or changed it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PortalAccess {
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// Null for guests, whose names are not in the log.
    #[schema(required)]
    who: Option<String>,
    /// Role then.
    role: String,
    /// As the audit log calls it, e.g. `note.read`.
    action: String,
}

/// Who looked at a patient's record
#[utoipa::path(
    get,
    path = "/portal/patients/{id}/accesses",
    operation_id = "portal_accesses",
    tag = "portal",
    params(("id" = uuid::Uuid, Path, description = "Patient"), HistoryQuery),
    security(("portal" = [])),
    responses((status = 200, body = PortalAccesses), TakesQuery, Addressed, SignedIn, Anyone)
)]
pub(crate) async fn history(
    State(state): State<AppState>,
    portal: Portal,
    Id(patient): Id<PatientId>,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<PortalAccesses>, Problem> {
    let mut tx = state.records.begin(portal.context_for(patient)).await?;
    let may = tx.authorize(ReadOwnViewers(patient)).await?;
    let page = record::accesses(&mut tx, &may, query.cursor.as_deref()).await?;
    let page = tx.commit(page).await?;
    let items = page.items.into_iter().map(|access| PortalAccess {
        at: access.at,
        who: access.who,
        role: access.role,
        action: access.action,
    });
    Ok(Json(PortalAccesses { items: items.collect(), next_cursor: page.next_cursor }))
}

impl From<HistoryError> for Problem {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::BadCursor => unknown_cursor(),
            HistoryError::Failed(error) => error.into(),
        }
    }
}
