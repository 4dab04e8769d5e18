//! `POST /patients/{id}/export`: the whole record as one file, made while it is sent.

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use records::action::ExportPatient;
use records::patients::export::{self, Everything};
use serde::Deserialize;
use utoipa::ToSchema;
use visit::{ClinicId, PatientId};

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn, TakesBody};
use crate::export::{File, Lang, body};
use crate::extract::{Body, Id};
use crate::problem::Problem;
use crate::session::Staff;

/// What to export.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Export {
    /// Language of the PDFs and the README.
    pub lang: Lang,
    /// With the files of recordings, if the clinic shares them; else with their list only.
    #[serde(default)]
    pub recordings: bool,
}

/// Export the whole record
///
/// A ZIP with `fhir/bundle.json` (FHIR R4), `summary.pdf`, a PDF per signed note, the documents on record, `more.json`,
/// `README.txt`, `SHA256SUMS` and, if asked for and shared, recordings. Needs a second factor within the last five minutes. It is in the audit log before the first byte leaves.
#[utoipa::path(
    post,
    path = "/patients/{id}/export",
    operation_id = "export_patient",
    tag = "patients",
    request_body = Export,
    params(("id" = uuid::Uuid, Path, description = "Patient")),
    security(("staff" = [])),
    responses(
        (status = 200, content_type = "application/zip", body = Vec<u8>, description = "The file",
            headers(("Content-Disposition" = String))),
        Addressed, TakesBody, SignedIn, Anyone
    )
)]
pub(crate) async fn export(
    State(state): State<AppState>,
    staff: Staff,
    Id(patient): Id<PatientId>,
    Body(wanted): Body<Export>,
) -> Result<Response, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ExportPatient(patient)).await?;
    let everything = export::everything(&mut tx, &may).await?;
    let everything = tx.commit(everything).await?;
    answer(&state, staff.session.clinic.id, everything, &wanted).await
}

/// The file, for whoever may have it.
pub(crate) async fn answer(
    state: &AppState,
    clinic: ClinicId,
    everything: Everything,
    wanted: &Export,
) -> Result<Response, Problem> {
    let mut files: Vec<File> = Vec::new();
    if wanted.recordings && everything.clinic.shares_recordings {
        for recording in everything.recordings.iter().filter(|recording| recording.state == "ready") {
            let id = recording.id;
            match state.media.open(clinic, id).await {
                Ok(Some(media)) => files.push((id, media)),
                missing => {
                    tracing::error!(recording = %id, error = missing.err().map(tracing::field::display), "a recording that is ready can't be exported");
                    return Err(Problem::internal());
                }
            }
        }
    }
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/zip")),
        (CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"record.zip\"")),
    ];
    Ok((headers, body(everything, files, state.attachments.clone(), wanted.lang)).into_response())
}
