//! `GET /portal/patients/{id}/insurance` and `/clinical`: one's insurance, allergies, conditions, medications and the rest, to read.

use axum::Json;
use axum::extract::State;
use records::action::{ReadClinical, ReadInsurance};
use records::chart::{Clinical, Coverage, allergies, entries};
use visit::PatientId;

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn};
use crate::extract::Id;
use crate::problem::Problem;
use crate::session::Portal;
use crate::v1::patients::shapes::{ClinicalEntry, ClinicalLists, CoverageEntry, Insurance};

/// A patient's own insurance
#[utoipa::path(
    get,
    path = "/portal/patients/{id}/insurance",
    operation_id = "portal_insurance",
    tag = "portal",
    params(("id" = uuid::Uuid, Path, description = "Patient")),
    security(("portal" = [])),
    responses((status = 200, body = Insurance), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn insurance(
    State(state): State<AppState>,
    portal: Portal,
    Id(patient): Id<PatientId>,
) -> Result<Json<Insurance>, Problem> {
    let mut tx = state.records.begin(portal.context_for(patient)).await?;
    let may = tx.authorize(ReadInsurance(patient)).await?;
    let found = entries::all::<Coverage>(&mut tx, &may).await?;
    let items = tx.commit(found).await?.into_iter().map(CoverageEntry::from).collect();
    Ok(Json(Insurance { items }))
}

/// A patient's own clinical lists
#[utoipa::path(
    get,
    path = "/portal/patients/{id}/clinical",
    operation_id = "portal_clinical",
    tag = "portal",
    params(("id" = uuid::Uuid, Path, description = "Patient")),
    security(("portal" = [])),
    responses((status = 200, body = ClinicalLists), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn clinical(
    State(state): State<AppState>,
    portal: Portal,
    Id(patient): Id<PatientId>,
) -> Result<Json<ClinicalLists>, Problem> {
    let mut tx = state.records.begin(portal.context_for(patient)).await?;
    let may = tx.authorize(ReadClinical(patient)).await?;
    let found = entries::all::<Clinical>(&mut tx, &may).await?;
    let known = allergies::state(&mut tx, &may, &found).await?;
    let (found, known) = tx.commit(found.and(known)).await?;
    let items = found.into_iter().map(ClinicalEntry::from).collect();
    Ok(Json(ClinicalLists { allergies: known.into(), items }))
}
