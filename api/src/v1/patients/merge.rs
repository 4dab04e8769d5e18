//! Two records of one person: who could be the same, making one of two, and taking that back.

use axum::Json;
use axum::extract::State;
use records::Phi;
use records::action::MergePatients;
use records::patients::{Demographics, merge};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use visit::PatientId;

use super::shapes::{Candidates, PatientRecord};
use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn, TakesBody};
use crate::extract::{Body, Id};
use crate::problem::{Problem, ProblemBody};
use crate::session::Staff;
use crate::versioned::Versioned;

/// Who could be the same person
///
/// Born on the same day, with a word of the name in common.
#[utoipa::path(
    get,
    path = "/patients/{id}/duplicates",
    operation_id = "list_duplicates",
    tag = "patients",
    params(("id" = uuid::Uuid, Path, description = "Patient")),
    security(("staff" = [])),
    responses((status = 200, body = Candidates), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn duplicates(
    State(state): State<AppState>,
    staff: Staff,
    Id(patient): Id<PatientId>,
) -> Result<Json<Candidates>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(MergePatients(patient)).await?;
    let found = merge::candidates(&mut tx, &may).await?;
    Ok(Json(tx.commit(found).await?.into()))
}

/// Which record is merged, and what the surviving one says from then on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Merge {
    /// The record that becomes an alias.
    merged_id: Uuid,
    /// Its version that was read.
    merged_version: i32,
    /// The surviving record's version that was read.
    version: i32,
    /// What was chosen from both.
    demographics: Demographics,
}

/// Merge another record into this one
///
/// The other one becomes an alias: its id and number lead here. Nothing is moved or changed; it can be undone.
#[utoipa::path(
    post,
    path = "/patients/{id}/merge",
    operation_id = "merge_patients",
    tag = "patients",
    request_body = Merge,
    params(("id" = uuid::Uuid, Path, description = "Patient whose record survives")),
    security(("staff" = [])),
    responses(
        (status = 200, body = PatientRecord, headers(("ETag" = String, description = "The version, in quotes"))),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`merge.same_record`"),
        (status = 412, body = ProblemBody, content_type = "application/problem+json", description = "`chart.changed_elsewhere`, with the stored `version`"),
        Addressed, TakesBody, SignedIn, Anyone
    )
)]
pub(crate) async fn merge(
    State(state): State<AppState>,
    staff: Staff,
    Id(patient): Id<PatientId>,
    Body(body): Body<Merge>,
) -> Result<Versioned<PatientRecord>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let survivor = tx.authorize(MergePatients(patient)).await?;
    let other = tx.authorize(MergePatients(PatientId(body.merged_id))).await?;
    let versions = (body.version, body.merged_version);
    let merged = merge::merge(&mut tx, &survivor, &other, versions, &Phi::new(body.demographics)).await?;
    let merged: PatientRecord = tx.commit(merged).await?.into();
    state.changed(staff.session.clinic.id);
    Ok(Versioned(merged.version, merged))
}

/// Which alias is taken out.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unmerge {
    /// The alias.
    merged_id: Uuid,
}

/// What undoing a merge left.
#[derive(Serialize, ToSchema)]
pub(crate) struct Unmerged {
    patient: PatientRecord,
    /// Whether demographics are again what they were before the merge; false: they were changed since, and stay.
    demographics_restored: bool,
}

/// Take a merged record out again
///
/// Visits and entries go with the record that they were made for.
#[utoipa::path(
    post,
    path = "/patients/{id}/unmerge",
    operation_id = "unmerge_patients",
    tag = "patients",
    request_body = Unmerge,
    params(("id" = uuid::Uuid, Path, description = "Patient whose record survived")),
    security(("staff" = [])),
    responses(
        (status = 200, body = Unmerged),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`merge.not_merged`"),
        (status = 412, body = ProblemBody, content_type = "application/problem+json", description = "`chart.changed_elsewhere`: at this very moment; try again"),
        Addressed, TakesBody, SignedIn, Anyone
    )
)]
pub(crate) async fn unmerge(
    State(state): State<AppState>,
    staff: Staff,
    Id(patient): Id<PatientId>,
    Body(body): Body<Unmerge>,
) -> Result<Json<Unmerged>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(MergePatients(patient)).await?;
    let undone = merge::unmerge(&mut tx, &may, PatientId(body.merged_id)).await?;
    let (record, undone) = tx.commit(undone).await?;
    state.changed(staff.session.clinic.id);
    Ok(Json(Unmerged { patient: record.into(), demographics_restored: undone == merge::Undone::Restored }))
}
