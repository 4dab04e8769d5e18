//! `POST /portal/patients/{id}/export`: one's whole record as one file.

use axum::extract::State;
use axum::response::Response;
use records::action::ExportPatient;
use records::patients::export;
use visit::PatientId;

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn, TakesBody};
use crate::extract::{Body, Id};
use crate::problem::Problem;
use crate::session::Portal;
use crate::v1::patients::export::{Export, answer};

/// Take one's whole record
///
/// The same file that the clinic exports. It is in the audit log before the first byte leaves.
#[utoipa::path(
    post,
    path = "/portal/patients/{id}/export",
    operation_id = "portal_export",
    tag = "portal",
    request_body = Export,
    params(("id" = uuid::Uuid, Path, description = "Patient")),
    security(("portal" = [])),
    responses(
        (status = 200, content_type = "application/zip", body = Vec<u8>, description = "The file",
            headers(("Content-Disposition" = String))),
        Addressed, TakesBody, SignedIn, Anyone
    )
)]
pub(crate) async fn export(
    State(state): State<AppState>,
    portal: Portal,
    Id(patient): Id<PatientId>,
    Body(wanted): Body<Export>,
) -> Result<Response, Problem> {
    let mut tx = state.records.begin(portal.context_for(patient)).await?;
    let may = tx.authorize(ExportPatient(patient)).await?;
    let everything = export::everything(&mut tx, &may).await?;
    let everything = tx.commit(everything).await?;
    answer(&state, portal.session.clinic.id, everything, &wanted).await
}
