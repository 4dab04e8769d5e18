//! The documents of one's record in the portal: the list, sending one, taking one out. Taking off is the clinic's.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use records::action::ListAttachments;
use records::attachments;
use visit::{AttachmentId, PatientId};

use super::OfPatient;
use crate::AppState;
use crate::document::{Addressed, Anyone, Changes, SignedIn, TakesQuery};
use crate::extract::{Id, Query};
use crate::problem::Problem;
use crate::session::Portal;
use crate::v1::attachments::download::hand_out;
use crate::v1::attachments::list::Attachments;
use crate::v1::attachments::upload::{UploadQuery, Uploaded, take};

/// Documents of one's record
#[utoipa::path(
    get,
    path = "/portal/patients/{id}/attachments",
    operation_id = "portal_attachments",
    tag = "portal",
    params(("id" = uuid::Uuid, Path, description = "Patient")),
    security(("portal" = [])),
    responses((status = 200, body = Attachments), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    portal: Portal,
    Id(patient): Id<PatientId>,
) -> Result<Json<Attachments>, Problem> {
    let mut tx = state.records.begin(portal.context_for(patient)).await?;
    let may = tx.authorize(ListAttachments(patient)).await?;
    let found = attachments::list(&mut tx, &may).await?;
    let items = tx.commit(found).await?.into_iter().map(Into::into).collect();
    Ok(Json(Attachments { items }))
}

/// Send a document to the clinic
///
/// JPEG, PNG, WebP or PDF, as the body; checked as the clinic's own are. A picture is kept without anything but its pixels.
#[utoipa::path(
    post,
    path = "/portal/patients/{id}/attachments",
    operation_id = "portal_upload_attachment",
    tag = "portal",
    params(
        ("id" = uuid::Uuid, Path, description = "Patient"),
        UploadQuery,
        ("X-File-Name" = Option<String>, Header, description = "The file's name, percent-encoded UTF-8"),
        ("Content-Length" = u64, Header, description = "Required"),
    ),
    request_body(
        content((Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png"), (Vec<u8> = "image/webp"), (Vec<u8> = "application/pdf")),
    ),
    security(("portal" = [])),
    responses(
        (status = 201, body = Uploaded, description = "On record"),
        (status = 400, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`request.malformed`: it ended too early"),
        (status = 411, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`upload.length_required`"),
        (status = 413, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`upload.too_large`; `max_bytes` says how large it may be"),
        (status = 415, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`upload.type_not_allowed`"),
        (status = 422, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`upload.refused`: `reason` says why; `request.invalid`"),
        Addressed, Changes, SignedIn, Anyone
    )
)]
pub(crate) async fn send(
    State(state): State<AppState>,
    portal: Portal,
    Id(patient): Id<PatientId>,
    Query(query): Query<UploadQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Uploaded>), Problem> {
    take(&state, portal.context_for(patient), &portal.token, patient, &query, &headers, body).await
}

/// A document of one's record, as a download
#[utoipa::path(
    get,
    path = "/portal/attachments/{id}",
    operation_id = "portal_download_attachment",
    tag = "portal",
    params(("id" = uuid::Uuid, Path, description = "Document"), OfPatient),
    security(("portal" = [])),
    responses(
        (status = 200, description = "The document",
            content((Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png"), (Vec<u8> = "application/pdf")),
            headers(("Content-Disposition" = String))),
        TakesQuery, Addressed, SignedIn, Anyone
    )
)]
pub(crate) async fn download(
    State(state): State<AppState>,
    portal: Portal,
    Id(attachment): Id<AttachmentId>,
    Query(of): Query<OfPatient>,
) -> Result<Response<Body>, Problem> {
    hand_out(&state, portal.context_for(PatientId(of.patient)), attachment).await
}
