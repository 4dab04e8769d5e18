//! `GET /quality/visits/{id}`: how good one call was, every 5 s, per participant and direction.

use axum::Json;
use axum::extract::State;
use records::action::ReadQuality;
use records::quality::{self, Direction, Measured};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;
use visit::{Role, VisitId};

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn};
use crate::extract::Id;
use crate::problem::Problem;
use crate::session::Staff;
use crate::words;

/// One call's numbers over time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QualitySeries {
    visit_id: Uuid,
    /// How the opinion score is estimated, with its source.
    formula: String,
    series: Vec<Series>,
}

/// One line of a plot.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Series {
    participant_id: Uuid,
    #[schema(schema_with = words::role)]
    role: Role,
    /// `up`: from the participant to the server; `down`: the other way.
    #[schema(schema_with = words::direction)]
    direction: Direction,
    /// In order of time, 5 s apart.
    points: Vec<Point>,
}

/// What was measured over 5 s. Null: not known in that interval.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Point {
    /// End of the interval.
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
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
    /// Times the picture stood still.
    #[schema(required)]
    freezes: Option<i32>,
    /// Share of audio that was made up, 0 to 1.
    #[schema(required)]
    concealed_ratio: Option<f32>,
    /// Estimated mean opinion score, 1 to 4.5.
    #[schema(required)]
    mos: Option<f32>,
}

impl From<quality::Series> for Series {
    fn from(series: quality::Series) -> Self {
        Self {
            participant_id: series.participant_id.0,
            role: series.role,
            direction: series.direction,
            points: series.points.into_iter().map(|(at, measured)| Point::new(at, measured)).collect(),
        }
    }
}

impl Point {
    fn new(at: OffsetDateTime, measured: Measured) -> Self {
        Self {
            at,
            round_trip_ms: measured.round_trip_ms,
            loss: measured.loss,
            jitter_ms: measured.jitter_ms,
            bitrate_bps: measured.bitrate_bps,
            freezes: measured.freezes,
            concealed_ratio: measured.concealed_ratio,
            mos: measured.mos,
        }
    }
}

/// How good one call was
#[utoipa::path(
    get,
    path = "/quality/visits/{id}",
    operation_id = "quality_series",
    tag = "quality",
    params(("id" = Uuid, Path, description = "Visit")),
    security(("staff" = [])),
    responses((status = 200, body = QualitySeries), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn series(
    State(state): State<AppState>,
    staff: Staff,
    Id(visit): Id<VisitId>,
) -> Result<Json<QualitySeries>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReadQuality(visit)).await?;
    let found = quality::series(&mut tx, &may).await?;
    let series = tx.commit(found).await?.into_iter().map(Into::into).collect();
    Ok(Json(QualitySeries { visit_id: visit.0, formula: state.config.mos_formula.clone(), series }))
}
