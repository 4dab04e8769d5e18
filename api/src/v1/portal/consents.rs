//! `GET /portal/patients/{id}/consents`: what was agreed to, refused and withdrawn.

use axum::Json;
use axum::extract::State;
use records::action::ReadPortal;
use records::portal::record;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use visit::PatientId;

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn};
use crate::extract::Id;
use crate::problem::Problem;
use crate::session::Portal;

/// The patient's decisions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PortalConsents {
    /// Latest first.
    items: Vec<PortalConsent>,
}

/// A decision on a text.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PortalConsent {
    /// `telehealth_consent` or `recording_consent`.
    kind: String,
    /// `accepted`, `refused` or `withdrawn`.
    decision: String,
    /// The text's title, in the language that it was read in.
    #[schema(required)]
    title: Option<String>,
    /// The text's version.
    version: String,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
}

/// A patient's consents
#[utoipa::path(
    get,
    path = "/portal/patients/{id}/consents",
    operation_id = "portal_consents",
    tag = "portal",
    params(("id" = uuid::Uuid, Path, description = "Patient")),
    security(("portal" = [])),
    responses((status = 200, body = PortalConsents), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn consents(
    State(state): State<AppState>,
    portal: Portal,
    Id(patient): Id<PatientId>,
) -> Result<Json<PortalConsents>, Problem> {
    let mut tx = state.records.begin(portal.context_for(patient)).await?;
    let may = tx.authorize(ReadPortal(patient)).await?;
    let consents = record::consents(&mut tx, &may).await?;
    let items = tx.commit(consents).await?.into_iter().map(|given| PortalConsent {
        kind: given.kind,
        decision: given.decision,
        title: given.title,
        version: given.version,
        at: given.at,
    });
    Ok(Json(PortalConsents { items: items.collect() }))
}
