//! `GET` and `PUT /patients/{id}`: who a patient is. `GET /patients/{id}/history`: every version of that.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use records::Phi;
use records::action::{ReadDemographics, WriteDemographics};
use records::patients::{Demographics, record};
use visit::PatientId;

use super::shapes::{DemographicsHistory, PatientRecord};
use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn, TakesBody};
use crate::extract::{Body, Id};
use crate::problem::{Problem, ProblemBody};
use crate::session::Staff;
use crate::versioned::{Versioned, if_match};

/// Who a patient is
///
/// Asked for a record that was merged into another one, answers with that other one.
#[utoipa::path(
    get,
    path = "/patients/{id}",
    operation_id = "read_patient",
    tag = "patients",
    params(("id" = uuid::Uuid, Path, description = "Patient")),
    security(("staff" = [])),
    responses((status = 200, body = PatientRecord, headers(("ETag" = String, description = "The version, in quotes"))), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn read(
    State(state): State<AppState>,
    staff: Staff,
    Id(patient): Id<PatientId>,
) -> Result<Versioned<PatientRecord>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReadDemographics(patient)).await?;
    let found = record::read(&mut tx, &may).await?;
    let found: PatientRecord = tx.commit(found).await?.into();
    Ok(Versioned(found.version, found))
}

/// Change who a patient is
#[utoipa::path(
    put,
    path = "/patients/{id}",
    operation_id = "save_patient",
    tag = "patients",
    request_body = Demographics,
    params(
        ("id" = uuid::Uuid, Path, description = "Patient"),
        ("If-Match" = String, Header, description = "The version that was read, in quotes"),
    ),
    security(("staff" = [])),
    responses(
        (status = 200, body = PatientRecord, headers(("ETag" = String, description = "The version, in quotes"))),
        (status = 412, body = ProblemBody, content_type = "application/problem+json", description = "`chart.changed_elsewhere`, with the stored `version`"),
        (status = 428, body = ProblemBody, content_type = "application/problem+json", description = "`if_match.missing`"),
        Addressed, TakesBody, SignedIn, Anyone
    )
)]
pub(crate) async fn save(
    State(state): State<AppState>,
    staff: Staff,
    Id(patient): Id<PatientId>,
    headers: HeaderMap,
    Body(demographics): Body<Demographics>,
) -> Result<Versioned<PatientRecord>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(WriteDemographics(patient)).await?;
    let version = if_match(&headers)?;
    let saved = record::save(&mut tx, &may, version, &Phi::new(demographics)).await?;
    let saved: PatientRecord = tx.commit(saved).await?.into();
    state.changed(staff.session.clinic.id);
    Ok(Versioned(saved.version, saved))
}

/// Every version of who a patient is
#[utoipa::path(
    get,
    path = "/patients/{id}/history",
    operation_id = "read_patient_history",
    tag = "patients",
    params(("id" = uuid::Uuid, Path, description = "Patient")),
    security(("staff" = [])),
    responses((status = 200, body = DemographicsHistory), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn history(
    State(state): State<AppState>,
    staff: Staff,
    Id(patient): Id<PatientId>,
) -> Result<Json<DemographicsHistory>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReadDemographics(patient)).await?;
    let revisions = record::history(&mut tx, &may).await?;
    Ok(Json(tx.commit(revisions).await?.into()))
}
