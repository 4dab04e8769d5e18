//! `GET /quality/visits`: how good each call was, on average; the worst participant counts.

use axum::Json;
use axum::extract::State;
use records::action::ListQuality;
use records::quality::{self, ListError, ParticipantQuality, QualityPage, VisitQuality};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use visit::Role;

use crate::AppState;
use crate::document::{Anyone, SignedIn, TakesQuery};
use crate::extract::{Query, unknown_cursor};
use crate::problem::Problem;
use crate::session::Staff;
use crate::words;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct QualityQuery {
    /// Booked to start at or after.
    #[serde(default, with = "time::serde::rfc3339::option")]
    from: Option<OffsetDateTime>,
    /// Booked to start before.
    #[serde(default, with = "time::serde::rfc3339::option")]
    to: Option<OffsetDateTime>,
    /// From the former page.
    cursor: Option<String>,
}

/// One page of visits.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QualityVisits {
    /// Newest first.
    items: Vec<QualityVisit>,
    /// Null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// One visit; no patient's name.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QualityVisit {
    visit_id: Uuid,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    started_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    ended_at: Option<OffsetDateTime>,
    provider_name: String,
    participants: Vec<QualityParticipant>,
    /// The lowest of the participants' means.
    #[schema(required)]
    worst_mos: Option<f32>,
}

/// Means over a visit, both directions. Null: never known.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QualityParticipant {
    participant_id: Uuid,
    #[schema(schema_with = words::role)]
    role: Role,
    /// Estimated mean opinion score, 1 to 4.5.
    #[schema(required)]
    mos: Option<f32>,
    #[schema(required)]
    round_trip_ms: Option<f32>,
    /// Share of packets, 0 to 1.
    #[schema(required)]
    loss: Option<f32>,
    #[schema(required)]
    jitter_ms: Option<f32>,
    /// Bits per second.
    #[schema(required)]
    bitrate_bps: Option<i64>,
}

impl From<QualityPage> for QualityVisits {
    fn from(page: QualityPage) -> Self {
        Self { items: page.items.into_iter().map(Into::into).collect(), next_cursor: page.next_cursor }
    }
}

impl From<VisitQuality> for QualityVisit {
    fn from(visit: VisitQuality) -> Self {
        Self {
            visit_id: visit.visit_id.0,
            started_at: visit.started_at,
            ended_at: visit.ended_at,
            provider_name: visit.provider_name,
            participants: visit.participants.into_iter().map(Into::into).collect(),
            worst_mos: visit.worst_mos,
        }
    }
}

impl From<ParticipantQuality> for QualityParticipant {
    fn from(participant: ParticipantQuality) -> Self {
        let mean = participant.mean;
        Self {
            participant_id: participant.participant_id.0,
            role: participant.role,
            mos: mean.mos,
            round_trip_ms: mean.round_trip_ms,
            loss: mean.loss,
            jitter_ms: mean.jitter_ms,
            bitrate_bps: mean.bitrate_bps,
        }
    }
}

/// How good calls were
#[utoipa::path(
    get,
    path = "/quality/visits",
    operation_id = "quality_visits",
    tag = "quality",
    params(QualityQuery),
    security(("staff" = [])),
    responses((status = 200, body = QualityVisits), TakesQuery, SignedIn, Anyone)
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    staff: Staff,
    Query(query): Query<QualityQuery>,
) -> Result<Json<QualityVisits>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ListQuality).await?;
    let page = quality::visits(&mut tx, &may, query.from, query.to, query.cursor.as_deref()).await?;
    Ok(Json(tx.commit(page).await?.into()))
}

impl From<ListError> for Problem {
    fn from(error: ListError) -> Self {
        match error {
            ListError::BadCursor => unknown_cursor(),
            ListError::Failed(error) => error.into(),
        }
    }
}
