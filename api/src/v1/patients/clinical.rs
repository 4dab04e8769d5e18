//! A patient's clinical lists: allergies, conditions, medications, immunisations, surgical history.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use records::Phi;
use records::action::{ReadClinical, WriteClinical};
use records::chart::Clinical;
use records::chart::allergies;
use records::chart::entries;
use serde::Deserialize;
use utoipa::ToSchema;
use visit::PatientId;

use super::mark::Mark;
use super::shapes::{AllergyStatement, ClinicalEntry, ClinicalHistory, ClinicalLists};
use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn, TakesBody};
use crate::extract::{Body, Id, InPatient};
use crate::problem::{Problem, ProblemBody};
use crate::session::Staff;
use crate::versioned::{Versioned, if_match};

/// A patient's clinical lists
#[utoipa::path(
    get,
    path = "/patients/{id}/clinical",
    operation_id = "list_clinical",
    tag = "patients",
    params(("id" = uuid::Uuid, Path, description = "Patient")),
    security(("staff" = [])),
    responses((status = 200, body = ClinicalLists), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    staff: Staff,
    Id(patient): Id<PatientId>,
) -> Result<Json<ClinicalLists>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReadClinical(patient)).await?;
    let found = entries::all::<Clinical>(&mut tx, &may).await?;
    let known = allergies::state(&mut tx, &may, &found).await?;
    let (found, known) = tx.commit(found.and(known)).await?;
    let items = found.into_iter().map(ClinicalEntry::from).collect();
    Ok(Json(ClinicalLists { allergies: known.into(), items }))
}

/// Enter or change an entry of a clinical list
///
/// The client chooses the id of a new one and sends `If-Match: "0"`, so that a request that is repeated enters it once.
#[utoipa::path(
    put,
    path = "/patients/{id}/clinical/{entry}",
    operation_id = "save_clinical_entry",
    tag = "patients",
    request_body = Clinical,
    params(
        ("id" = uuid::Uuid, Path, description = "Patient"),
        ("entry" = uuid::Uuid, Path, description = "Entry; new: a random one"),
        ("If-Match" = String, Header, description = "The version that was read, in quotes; `\"0\"` for a new one"),
    ),
    security(("staff" = [])),
    responses(
        (status = 200, body = ClinicalEntry, headers(("ETag" = String, description = "The version, in quotes"))),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`chart.in_error`: restore it first; `chart.full`"),
        (status = 412, body = ProblemBody, content_type = "application/problem+json", description = "`chart.changed_elsewhere`, with the stored `version`"),
        (status = 428, body = ProblemBody, content_type = "application/problem+json", description = "`if_match.missing`"),
        Addressed, TakesBody, SignedIn, Anyone
    )
)]
pub(crate) async fn save(
    State(state): State<AppState>,
    staff: Staff,
    InPatient(patient, entry): InPatient,
    headers: HeaderMap,
    Body(document): Body<Clinical>,
) -> Result<Versioned<ClinicalEntry>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(WriteClinical(patient)).await?;
    let version = if_match(&headers)?;
    let saved = entries::save(&mut tx, &may, entry, version, document).await?;
    let saved = tx.commit(saved).await?;
    Ok(Versioned(saved.version, saved.into()))
}

/// Mark an entry of a clinical list as entered in error, or restore it
#[utoipa::path(
    put,
    path = "/patients/{id}/clinical/{entry}/error",
    operation_id = "mark_clinical_entry",
    tag = "patients",
    request_body = Mark,
    params(
        ("id" = uuid::Uuid, Path, description = "Patient"),
        ("entry" = uuid::Uuid, Path, description = "Entry"),
        ("If-Match" = String, Header, description = "The version that was read, in quotes"),
    ),
    security(("staff" = [])),
    responses(
        (status = 200, body = ClinicalEntry, headers(("ETag" = String, description = "The version, in quotes"))),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`chart.marked_already`"),
        (status = 412, body = ProblemBody, content_type = "application/problem+json", description = "`chart.changed_elsewhere`, with the stored `version`"),
        (status = 428, body = ProblemBody, content_type = "application/problem+json", description = "`if_match.missing`"),
        Addressed, TakesBody, SignedIn, Anyone
    )
)]
pub(crate) async fn mark(
    State(state): State<AppState>,
    staff: Staff,
    InPatient(patient, entry): InPatient,
    headers: HeaderMap,
    Body(mark): Body<Mark>,
) -> Result<Versioned<ClinicalEntry>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(WriteClinical(patient)).await?;
    let version = if_match(&headers)?;
    let reason = mark.reason.map(Phi::from);
    let marked =
        entries::mark::<Clinical>(&mut tx, &may, entry, version, mark.entered_in_error, reason.as_ref()).await?;
    let marked = tx.commit(marked).await?;
    Ok(Versioned(marked.version, marked.into()))
}

/// Every version of an entry of a clinical list
#[utoipa::path(
    get,
    path = "/patients/{id}/clinical/{entry}/history",
    operation_id = "read_clinical_history",
    tag = "patients",
    params(
        ("id" = uuid::Uuid, Path, description = "Patient"),
        ("entry" = uuid::Uuid, Path, description = "Entry"),
    ),
    security(("staff" = [])),
    responses((status = 200, body = ClinicalHistory), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn history(
    State(state): State<AppState>,
    staff: Staff,
    InPatient(patient, entry): InPatient,
) -> Result<Json<ClinicalHistory>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReadClinical(patient)).await?;
    let revisions = entries::history::<Clinical>(&mut tx, &may, entry).await?;
    Ok(Json(tx.commit(revisions).await?.into()))
}

/// Whether there are no known allergies.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoneKnown {
    /// True: somebody asked, and there are none. False: that is taken back.
    none_known: bool,
}

/// State that there are no known allergies, or take it back
#[utoipa::path(
    put,
    path = "/patients/{id}/allergies/none-known",
    operation_id = "state_no_known_allergies",
    tag = "patients",
    request_body = NoneKnown,
    params(
        ("id" = uuid::Uuid, Path, description = "Patient"),
        ("If-Match" = String, Header, description = "The statement's version that was read, in quotes; `\"0\"` if it was never made"),
    ),
    security(("staff" = [])),
    responses(
        (status = 200, body = AllergyStatement, headers(("ETag" = String, description = "The version, in quotes"))),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`chart.allergies_listed`; `chart.full`"),
        (status = 412, body = ProblemBody, content_type = "application/problem+json", description = "`chart.changed_elsewhere`, with the stored `version`"),
        (status = 428, body = ProblemBody, content_type = "application/problem+json", description = "`if_match.missing`"),
        Addressed, TakesBody, SignedIn, Anyone
    )
)]
pub(crate) async fn none_known(
    State(state): State<AppState>,
    staff: Staff,
    Id(patient): Id<PatientId>,
    headers: HeaderMap,
    Body(body): Body<NoneKnown>,
) -> Result<Versioned<AllergyStatement>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(WriteClinical(patient)).await?;
    let version = if_match(&headers)?;
    let stated = allergies::set_none_known(&mut tx, &may, version, body.none_known).await?;
    let stated = tx.commit(stated).await?;
    Ok(Versioned(stated.version, stated.into()))
}
