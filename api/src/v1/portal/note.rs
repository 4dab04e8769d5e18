//! `GET /portal/visits/{id}/note`: a signed note, to read.

use axum::Json;
use axum::extract::State;
use records::action::ReadNote;
use records::notes;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use visit::{PatientId, VisitId};

use super::OfPatient;
use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn, TakesQuery};
use crate::extract::{Id, Query};
use crate::problem::Problem;
use crate::session::Portal;
use crate::v1::shapes::shown;

/// A signed note.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PortalNote {
    body: String,
    #[schema(required)]
    #[serde(with = "time::serde::rfc3339::option")]
    signed_at: Option<OffsetDateTime>,
    #[schema(required)]
    signed_by: Option<String>,
    /// What was added later, in order.
    addenda: Vec<PortalAddendum>,
}

/// Added after signing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PortalAddendum {
    body: String,
    author: String,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
}

/// A signed note
///
/// A note that is not signed yet looks like one that does not exist.
#[utoipa::path(
    get,
    path = "/portal/visits/{id}/note",
    operation_id = "portal_note",
    tag = "portal",
    params(("id" = uuid::Uuid, Path, description = "Visit"), OfPatient),
    security(("portal" = [])),
    responses((status = 200, body = PortalNote), TakesQuery, Addressed, SignedIn, Anyone)
)]
pub(crate) async fn note(
    State(state): State<AppState>,
    portal: Portal,
    Id(visit): Id<VisitId>,
    Query(of): Query<OfPatient>,
) -> Result<Json<PortalNote>, Problem> {
    let mut tx = state.records.begin(portal.context_for(PatientId(of.patient))).await?;
    let may = tx.authorize(ReadNote(visit)).await?;
    let note = notes::read(&mut tx, &may).await?;
    let note = tx.commit(note).await?;
    let addenda = note.addenda.iter().map(|addendum| PortalAddendum {
        body: shown(&addendum.body),
        author: addendum.author.clone(),
        at: addendum.at,
    });
    Ok(Json(PortalNote {
        body: shown(&note.body),
        addenda: addenda.collect(),
        signed_at: note.signed_at,
        signed_by: note.signed_by,
    }))
}
