//! `GET /visits/{id}/recordings`: which recordings a visit has and where they stand.

use axum::Json;
use axum::extract::State;
use records::action::ListRecordings;
use records::recordings::{self, RecordingState};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;
use visit::VisitId;

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn};
use crate::extract::Id;
use crate::problem::Problem;
use crate::session::Staff;
use crate::words;

/// The recordings of a visit.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Recordings {
    /// In order.
    pub(in crate::v1) items: Vec<RecordingItem>,
}

/// One recording. What is known of the file is null until it is `ready`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordingItem {
    recording_id: Uuid,
    #[schema(schema_with = words::recording_state)]
    state: RecordingState,
    /// Everyone had allowed it.
    #[serde(with = "time::serde::rfc3339")]
    started_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    stopped_at: Option<OffsetDateTime>,
    #[schema(required)]
    duration_ms: Option<i64>,
    #[schema(required)]
    bytes: Option<i64>,
    /// Of the playable file, lower-case hex; the same stands in the audit log.
    #[schema(required)]
    sha256: Option<String>,
    /// Stretches that are missing.
    #[schema(required)]
    gaps: Option<i32>,
}

impl From<recordings::Recording> for RecordingItem {
    fn from(recording: recordings::Recording) -> Self {
        Self {
            recording_id: recording.recording_id.0,
            state: recording.state,
            started_at: recording.started_at,
            stopped_at: recording.stopped_at,
            duration_ms: recording.duration_ms,
            bytes: recording.bytes,
            sha256: recording.sha256,
            gaps: recording.gaps,
        }
    }
}

/// Recordings of a visit
#[utoipa::path(
    get,
    path = "/visits/{id}/recordings",
    operation_id = "recordings",
    tag = "visits",
    params(("id" = Uuid, Path, description = "Visit")),
    security(("staff" = [])),
    responses((status = 200, body = Recordings), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    staff: Staff,
    Id(visit): Id<VisitId>,
) -> Result<Json<Recordings>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ListRecordings(visit)).await?;
    let found = recordings::list(&mut tx, &may).await?;
    let items = tx.commit(found).await?.into_iter().map(Into::into).collect();
    Ok(Json(Recordings { items }))
}
