//! `GET /portal/patients/{id}/details`: who the clinic says that one is. `PUT /portal/patients/{id}/contact`: where one is reached.

use axum::extract::State;
use axum::http::HeaderMap;
use records::Phi;
use records::action::{ReadDemographics, WriteDemographics};
use records::patients::{ContactDetails, record};
use visit::PatientId;

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn, TakesBody};
use crate::extract::{Body, Id};
use crate::problem::{Problem, ProblemBody};
use crate::session::Portal;
use crate::v1::patients::shapes::PatientRecord;
use crate::versioned::{Versioned, if_match};

/// A patient's own details
#[utoipa::path(
    get,
    path = "/portal/patients/{id}/details",
    operation_id = "portal_details",
    tag = "portal",
    params(("id" = uuid::Uuid, Path, description = "Patient")),
    security(("portal" = [])),
    responses((status = 200, body = PatientRecord, headers(("ETag" = String, description = "The version, in quotes"))), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn read(
    State(state): State<AppState>,
    portal: Portal,
    Id(patient): Id<PatientId>,
) -> Result<Versioned<PatientRecord>, Problem> {
    let mut tx = state.records.begin(portal.context_for(patient)).await?;
    let may = tx.authorize(ReadDemographics(patient)).await?;
    let found = record::read(&mut tx, &may).await?;
    let found: PatientRecord = tx.commit(found).await?.into();
    Ok(Versioned(found.version, found))
}

/// Change where a patient is reached
///
/// Telephones, e-mail and postal addresses, each list as it shall stand. Names, the date of birth and all else stay as they are.
#[utoipa::path(
    put,
    path = "/portal/patients/{id}/contact",
    operation_id = "portal_save_contact",
    tag = "portal",
    request_body = ContactDetails,
    params(
        ("id" = uuid::Uuid, Path, description = "Patient"),
        ("If-Match" = String, Header, description = "The version that was read, in quotes"),
    ),
    security(("portal" = [])),
    responses(
        (status = 200, body = PatientRecord, headers(("ETag" = String, description = "The version, in quotes"))),
        (status = 412, body = ProblemBody, content_type = "application/problem+json", description = "`chart.changed_elsewhere`, with the stored `version`"),
        (status = 428, body = ProblemBody, content_type = "application/problem+json", description = "`if_match.missing`"),
        Addressed, TakesBody, SignedIn, Anyone
    )
)]
pub(crate) async fn save(
    State(state): State<AppState>,
    portal: Portal,
    Id(patient): Id<PatientId>,
    headers: HeaderMap,
    Body(contact): Body<ContactDetails>,
) -> Result<Versioned<PatientRecord>, Problem> {
    let mut tx = state.records.begin(portal.context_for(patient)).await?;
    let may = tx.authorize(WriteDemographics(patient)).await?;
    let version = if_match(&headers)?;
    let saved = record::save_contact(&mut tx, &may, version, &Phi::new(contact)).await?;
    let saved: PatientRecord = tx.commit(saved).await?.into();
    state.changed(portal.session.clinic.id);
    Ok(Versioned(saved.version, saved))
}
