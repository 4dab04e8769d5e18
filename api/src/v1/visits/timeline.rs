//! `GET /visits/{id}/timeline`: everything that happened in a visit, in order.

use axum::Json;
use axum::extract::State;
use records::action::ReadTimeline;
use records::visits;
use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;
use visit::VisitId;

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn};
use crate::extract::Id;
use crate::problem::Problem;
use crate::session::Staff;
use crate::v1::shapes::shown;

/// What happened in a visit.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Timeline {
    /// In order.
    items: Vec<TimelineItem>,
}

/// One thing that happened.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TimelineItem {
    /// From 1, without gaps.
    #[schema(minimum = 1)]
    seq: u64,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// E.g. `joined`, `waiting`, `admitted`, `recording_started`, `chat_posted`, `ended`.
    fact: String,
    /// Who did it; null for the server's own.
    #[schema(required)]
    by_name: Option<String>,
    /// The fact's other members: ids, reasons, versions; `text` of a chat message for those who may read it.
    #[schema(value_type = Object)]
    detail: Map<String, Value>,
}

impl From<visits::TimelineItem> for TimelineItem {
    fn from(item: visits::TimelineItem) -> Self {
        let mut detail = match item.detail {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        if let Some(text) = &item.chat_text {
            detail.insert("text".to_owned(), shown(text).into());
        }
        Self { seq: item.seq, at: item.at, fact: item.fact, by_name: item.by_name.as_ref().map(shown), detail }
    }
}

/// What happened in a visit
#[utoipa::path(
    get,
    path = "/visits/{id}/timeline",
    operation_id = "timeline",
    tag = "visits",
    params(("id" = uuid::Uuid, Path, description = "Visit")),
    security(("staff" = [])),
    responses((status = 200, body = Timeline), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn timeline(
    State(state): State<AppState>,
    staff: Staff,
    Id(visit): Id<VisitId>,
) -> Result<Json<Timeline>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReadTimeline(visit)).await?;
    let found = visits::timeline(&mut tx, &may).await?;
    let items = tx.commit(found).await?.into_iter().map(Into::into).collect();
    Ok(Json(Timeline { items }))
}
