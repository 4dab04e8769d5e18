//! `GET /portal/visits/{id}/recordings` and `GET /portal/recordings/{id}/media`: recordings of one's own visits, if the clinic
//! lets patients play them.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use records::action::ListRecordings;
use records::recordings;
use visit::{PatientId, RecordingId, VisitId};

use super::OfPatient;
use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn, TakesQuery};
use crate::extract::{Id, Query};
use crate::problem::Problem;
use crate::session::Portal;
use crate::v1::recordings::list::Recordings;
use crate::v1::recordings::media::play;

/// Recordings of one's visit
#[utoipa::path(
    get,
    path = "/portal/visits/{id}/recordings",
    operation_id = "portal_recordings",
    tag = "portal",
    params(("id" = uuid::Uuid, Path, description = "Visit"), OfPatient),
    security(("portal" = [])),
    responses((status = 200, body = Recordings), TakesQuery, Addressed, SignedIn, Anyone)
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    portal: Portal,
    Id(visit): Id<VisitId>,
    Query(of): Query<OfPatient>,
) -> Result<Json<Recordings>, Problem> {
    let mut tx = state.records.begin(portal.context_for(PatientId(of.patient))).await?;
    let may = tx.authorize(ListRecordings(visit)).await?;
    let found = recordings::list(&mut tx, &may).await?;
    let items = tx.commit(found).await?.into_iter().map(Into::into).collect();
    Ok(Json(Recordings { items }))
}

/// Play a recording of one's visit
#[utoipa::path(
    get,
    path = "/portal/recordings/{id}/media",
    operation_id = "portal_play_recording",
    tag = "portal",
    params(
        ("id" = uuid::Uuid, Path, description = "Recording"),
        OfPatient,
        ("Range" = Option<String>, Header, description = "One range of bytes, e.g. `bytes=0-65535`"),
    ),
    security(("portal" = [])),
    responses(
        (status = 200, content_type = "video/webm", body = Vec<u8>, description = "All of it"),
        (status = 206, content_type = "video/webm", body = Vec<u8>, description = "The range that was asked for",
            headers(("Content-Range" = String))),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`recording.not_ready`: there is no playable file, or not yet"),
        (status = 416, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`range.unsatisfiable`: past the end",
            headers(("Content-Range" = String))),
        TakesQuery, Addressed, SignedIn, Anyone
    )
)]
pub(crate) async fn media(
    State(state): State<AppState>,
    portal: Portal,
    Id(recording): Id<RecordingId>,
    Query(of): Query<OfPatient>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    play(&state, portal.context_for(PatientId(of.patient)), &portal.token, recording, &headers).await
}
