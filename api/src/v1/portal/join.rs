//! `POST /portal/visits/{id}/join`: from the portal to the waiting room.

use axum::Json;
use axum::extract::State;
use records::action::JoinFromPortal;
use records::portal::record;
use serde::Serialize;
use utoipa::ToSchema;
use visit::{PatientId, VisitId};

use super::OfPatient;
use crate::AppState;
use crate::document::{Addressed, Anyone, Changes, SignedIn, TakesQuery};
use crate::extract::{Id, Query};
use crate::problem::Problem;
use crate::session::Portal;

/// Where to go.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PortalJoin {
    /// A fresh link; the one that was mailed before stops working, and this one is mailed as well.
    link: String,
}

/// Go to a visit
///
/// From 60 minutes before to 4 hours after its start; at other times it is as if it were not there.
#[utoipa::path(
    post,
    path = "/portal/visits/{id}/join",
    operation_id = "portal_join",
    tag = "portal",
    params(("id" = uuid::Uuid, Path, description = "Visit"), OfPatient),
    security(("portal" = [])),
    responses((status = 200, body = PortalJoin), TakesQuery, Addressed, SignedIn, Changes, Anyone)
)]
pub(crate) async fn join(
    State(state): State<AppState>,
    portal: Portal,
    Id(visit): Id<VisitId>,
    Query(of): Query<OfPatient>,
) -> Result<Json<PortalJoin>, Problem> {
    let mut tx = state.records.begin(portal.context_for(PatientId(of.patient))).await?;
    let may = tx.authorize(JoinFromPortal(visit)).await?;
    let link = record::join(&mut tx, &may).await?;
    let link = tx.commit(link).await?;
    state.links_withdrawn(may.patient());
    Ok(Json(PortalJoin { link: state.patient_link(&link.token) }))
}
