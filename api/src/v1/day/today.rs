//! `GET /today`: a day's visits. Providers see their own, the front desk the clinic's.

use axum::Json;
use axum::extract::State;
use records::action::ReadSchedule;
use records::appointments::VisitType;
use records::join_links::LinkState;
use records::notes::NoteState;
use records::today::{self, Day, DayItem};
use records::visits::VisitState;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::AppState;
use crate::document::{Anyone, SignedIn, TakesQuery};
use crate::extract::{Query, date};
use crate::problem::Problem;
use crate::session::Staff;
use crate::v1::shapes::shown;
use crate::words;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DayQuery {
    /// `YYYY-MM-DD` in the clinic's time zone; today if absent.
    #[param(format = Date)]
    date: Option<String>,
}

/// One day.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Today {
    /// `YYYY-MM-DD`.
    #[schema(format = Date)]
    date: String,
    /// IANA name of the clinic's zone, in which the day is counted.
    time_zone: String,
    /// By start.
    items: Vec<TodayItem>,
}

/// One slot of a day.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TodayItem {
    appointment_id: Uuid,
    visit_id: Uuid,
    patient_name: String,
    provider_id: Uuid,
    provider_name: String,
    #[serde(with = "time::serde::rfc3339")]
    starts_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    ends_at: OffsetDateTime,
    #[schema(schema_with = words::visit_type)]
    visit_type: VisitType,
    /// Why the patient comes; null for roles that may not know.
    #[schema(required)]
    reason: Option<String>,
    #[schema(schema_with = words::visit_state)]
    state: VisitState,
    /// In the waiting room since.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    waiting_since: Option<OffsetDateTime>,
    #[schema(schema_with = words::note_state)]
    note_state: NoteState,
    #[schema(schema_with = words::link_state)]
    link_state: LinkState,
}

impl From<Day> for Today {
    fn from(day: Day) -> Self {
        Self {
            date: day.date.to_string(),
            time_zone: day.time_zone,
            items: day.items.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<DayItem> for TodayItem {
    fn from(item: DayItem) -> Self {
        Self {
            appointment_id: item.appointment_id.0,
            visit_id: item.visit_id.0,
            patient_name: shown(&item.patient_name),
            provider_id: item.provider_id.0,
            provider_name: item.provider_name,
            starts_at: item.starts_at,
            ends_at: item.ends_at,
            visit_type: item.visit_type,
            reason: item.reason.as_ref().map(shown),
            state: item.state,
            waiting_since: item.waiting_since,
            note_state: item.note_state,
            link_state: item.link_state,
        }
    }
}

/// A day's visits
#[utoipa::path(
    get,
    path = "/today",
    operation_id = "today",
    tag = "day",
    params(DayQuery),
    security(("staff" = [])),
    responses((status = 200, body = Today), TakesQuery, SignedIn, Anyone)
)]
pub(crate) async fn today(
    State(state): State<AppState>,
    staff: Staff,
    Query(query): Query<DayQuery>,
) -> Result<Json<Today>, Problem> {
    let date = query.date.map(|text| date("date", &text)).transpose()?;
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReadSchedule).await?;
    let day = today::day(&mut tx, &may, date).await?;
    Ok(Json(tx.commit(day).await?.into()))
}
