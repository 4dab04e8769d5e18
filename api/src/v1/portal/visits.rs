//! `GET /portal/patients/{id}/visits`: what is to come and what was.

use axum::Json;
use axum::extract::State;
use records::action::ReadPortal;
use records::appointments::VisitType;
use records::portal::record::{self, PortalVisit as Stored};
use records::visits::VisitState;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;
use visit::PatientId;

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn};
use crate::extract::Id;
use crate::problem::Problem;
use crate::session::Portal;
use crate::words;

/// The patient's visits.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PortalVisits {
    /// Latest first.
    items: Vec<PortalVisit>,
}

/// A visit, to come or past.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PortalVisit {
    visit_id: Uuid,
    #[serde(with = "time::serde::rfc3339")]
    starts_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    ends_at: OffsetDateTime,
    #[schema(schema_with = words::visit_type)]
    visit_type: VisitType,
    #[schema(schema_with = words::visit_state)]
    state: VisitState,
    provider_name: String,
    /// There is a signed note to read.
    has_note: bool,
    /// There is a recording to play, and the clinic lets patients play them.
    has_recording: bool,
    /// The waiting room can be entered now.
    can_join: bool,
    /// From then on it can be.
    #[serde(with = "time::serde::rfc3339")]
    joinable_from: OffsetDateTime,
}

impl From<Stored> for PortalVisit {
    fn from(visit: Stored) -> Self {
        Self {
            visit_id: visit.visit.0,
            starts_at: visit.starts_at,
            ends_at: visit.ends_at,
            visit_type: visit.visit_type,
            state: visit.state,
            provider_name: visit.provider,
            has_note: visit.has_note,
            has_recording: visit.has_recording,
            can_join: visit.can_join,
            joinable_from: visit.joinable_from,
        }
    }
}

/// A patient's visits
#[utoipa::path(
    get,
    path = "/portal/patients/{id}/visits",
    operation_id = "portal_visits",
    tag = "portal",
    params(("id" = uuid::Uuid, Path, description = "Patient")),
    security(("portal" = [])),
    responses((status = 200, body = PortalVisits), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn visits(
    State(state): State<AppState>,
    portal: Portal,
    Id(patient): Id<PatientId>,
) -> Result<Json<PortalVisits>, Problem> {
    let mut tx = state.records.begin(portal.context_for(patient)).await?;
    let may = tx.authorize(ReadPortal(patient)).await?;
    let visits = record::visits(&mut tx, &may).await?;
    let items = tx.commit(visits).await?.into_iter().map(Into::into).collect();
    Ok(Json(PortalVisits { items }))
}
