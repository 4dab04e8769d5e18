//! A patient's insurance: the list, entering and changing one, marking it as an error, its history.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use records::Phi;
use records::action::{ReadInsurance, WriteInsurance};
use records::chart::Coverage;
use records::chart::entries;
use visit::PatientId;

use super::mark::Mark;
use super::shapes::{CoverageEntry, CoverageHistory, Insurance};
use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn, TakesBody};
use crate::extract::{Body, Id, InPatient};
use crate::problem::{Problem, ProblemBody};
use crate::session::Staff;
use crate::versioned::{Versioned, if_match};

/// A patient's insurance
#[utoipa::path(
    get,
    path = "/patients/{id}/insurance",
    operation_id = "list_insurance",
    tag = "patients",
    params(("id" = uuid::Uuid, Path, description = "Patient")),
    security(("staff" = [])),
    responses((status = 200, body = Insurance), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    staff: Staff,
    Id(patient): Id<PatientId>,
) -> Result<Json<Insurance>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReadInsurance(patient)).await?;
    let found = entries::all::<Coverage>(&mut tx, &may).await?;
    let items = tx.commit(found).await?.into_iter().map(CoverageEntry::from).collect();
    Ok(Json(Insurance { items }))
}

/// Enter or change an insurance
///
/// The client chooses the id of a new one and sends `If-Match: "0"`, so that a request that is repeated enters it once.
#[utoipa::path(
    put,
    path = "/patients/{id}/insurance/{entry}",
    operation_id = "save_insurance_entry",
    tag = "patients",
    request_body = Coverage,
    params(
        ("id" = uuid::Uuid, Path, description = "Patient"),
        ("entry" = uuid::Uuid, Path, description = "Entry; new: a random one"),
        ("If-Match" = String, Header, description = "The version that was read, in quotes; `\"0\"` for a new one"),
    ),
    security(("staff" = [])),
    responses(
        (status = 200, body = CoverageEntry, headers(("ETag" = String, description = "The version, in quotes"))),
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
    Body(document): Body<Coverage>,
) -> Result<Versioned<CoverageEntry>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(WriteInsurance(patient)).await?;
    let version = if_match(&headers)?;
    let saved = entries::save(&mut tx, &may, entry, version, document).await?;
    let saved = tx.commit(saved).await?;
    Ok(Versioned(saved.version, saved.into()))
}

/// Mark an insurance as entered in error, or restore it
#[utoipa::path(
    put,
    path = "/patients/{id}/insurance/{entry}/error",
    operation_id = "mark_insurance_entry",
    tag = "patients",
    request_body = Mark,
    params(
        ("id" = uuid::Uuid, Path, description = "Patient"),
        ("entry" = uuid::Uuid, Path, description = "Entry"),
        ("If-Match" = String, Header, description = "The version that was read, in quotes"),
    ),
    security(("staff" = [])),
    responses(
        (status = 200, body = CoverageEntry, headers(("ETag" = String, description = "The version, in quotes"))),
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
) -> Result<Versioned<CoverageEntry>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(WriteInsurance(patient)).await?;
    let version = if_match(&headers)?;
    let reason = mark.reason.map(Phi::from);
    let marked =
        entries::mark::<Coverage>(&mut tx, &may, entry, version, mark.entered_in_error, reason.as_ref()).await?;
    let marked = tx.commit(marked).await?;
    Ok(Versioned(marked.version, marked.into()))
}

/// Every version of an insurance
#[utoipa::path(
    get,
    path = "/patients/{id}/insurance/{entry}/history",
    operation_id = "read_insurance_history",
    tag = "patients",
    params(
        ("id" = uuid::Uuid, Path, description = "Patient"),
        ("entry" = uuid::Uuid, Path, description = "Entry"),
    ),
    security(("staff" = [])),
    responses((status = 200, body = CoverageHistory), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn history(
    State(state): State<AppState>,
    staff: Staff,
    InPatient(patient, entry): InPatient,
) -> Result<Json<CoverageHistory>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReadInsurance(patient)).await?;
    let revisions = entries::history::<Coverage>(&mut tx, &may, entry).await?;
    Ok(Json(tx.commit(revisions).await?.into()))
}
