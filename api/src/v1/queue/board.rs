//! `GET /queue`: who checks in and waits, beside the day's list, where the names are.

use axum::Json;
use axum::extract::State;
use records::action::ReadSchedule;
use records::queue;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::AppState;
use crate::document::{Anyone, SignedIn};
use crate::problem::Problem;
use crate::session::Staff;
use crate::v1::shapes::{WaitMinutes, shown};
use crate::words;

/// The lines that one may see.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueueBoard {
    /// Visits that are not over, by start.
    items: Vec<QueueItem>,
    /// Everybody who treats.
    providers: Vec<QueueProvider>,
    /// What is said to all who wait, newest first.
    announcements: Vec<Announcement>,
}

/// One patient on the way in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueueItem {
    visit_id: Uuid,
    /// Goes back with a deed, as `If-Match` in quotes.
    version: i32,
    provider_id: Uuid,
    /// From 1; null while not waiting, or on hold.
    #[schema(required)]
    place: Option<u32>,
    /// Null if there is nothing to learn from yet.
    #[schema(required)]
    wait: Option<WaitMinutes>,
    /// In the waiting room since.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    waiting_since: Option<OffsetDateTime>,
    /// Put on hold then.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    held_since: Option<OffsetDateTime>,
    /// Sent away then with a new link, and not back yet.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    declined_at: Option<OffsetDateTime>,
    /// Moved here then from another provider.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    moved_at: Option<OffsetDateTime>,
    /// Lines that the patient wrote and nobody has read.
    unread: i64,
    ready: QueueReady,
    /// From then on, who has not come is probably not coming.
    #[serde(with = "time::serde::rfc3339")]
    no_show_from: OffsetDateTime,
}

/// What a patient has done on the way in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueueReady {
    /// Said where they are.
    location: bool,
    /// Agreed to the visit by video.
    consent: bool,
    /// What the device check found; null if it was not made.
    #[schema(required)]
    devices: Option<QueueDevices>,
}

/// What a device check found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueueDevices {
    #[schema(schema_with = words::part_works)]
    camera: queue::PartWorks,
    #[schema(schema_with = words::part_works)]
    microphone: queue::PartWorks,
    #[schema(schema_with = words::network)]
    network: queue::Network,
}

/// Somebody who treats.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueueProvider {
    staff_id: Uuid,
    name: String,
    /// How late, minutes: as was said, or else learned from who waits; null if not late.
    #[schema(required)]
    late_min: Option<u32>,
    /// It was said, and can be taken back.
    said: bool,
}

/// Something that is said to all who wait.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Announcement {
    announcement_id: Uuid,
    /// For whose patients; null: everybody's.
    #[schema(required)]
    provider_id: Option<Uuid>,
    words: String,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
}

impl From<queue::Announcement> for Announcement {
    fn from(said: queue::Announcement) -> Self {
        Self {
            announcement_id: said.announcement_id,
            provider_id: said.provider_id.map(|id| id.0),
            words: shown(&said.words),
            at: said.at,
        }
    }
}

impl From<queue::BoardItem> for QueueItem {
    fn from(item: queue::BoardItem) -> Self {
        let stand = item.stand;
        Self {
            visit_id: item.visit_id.0,
            version: item.version,
            provider_id: item.provider_id.0,
            place: stand.and_then(|stand| stand.standing?.place),
            wait: stand.and_then(|stand| stand.wait_min()).map(WaitMinutes::from),
            waiting_since: stand.and_then(|stand| stand.waiting_since),
            held_since: item.held_since,
            declined_at: item.declined_at,
            moved_at: item.moved_at,
            unread: item.unread,
            ready: QueueReady {
                location: item.ready.location,
                consent: item.ready.consent,
                devices: item.ready.devices.map(|devices| QueueDevices {
                    camera: devices.camera,
                    microphone: devices.microphone,
                    network: devices.network,
                }),
            },
            no_show_from: item.no_show_from,
        }
    }
}

/// The lines
///
/// `GET /events` says when to ask again.
#[utoipa::path(
    get,
    path = "/queue",
    operation_id = "queue",
    tag = "queue",
    security(("staff" = [])),
    responses((status = 200, body = QueueBoard), SignedIn, Anyone)
)]
pub(crate) async fn board(State(state): State<AppState>, staff: Staff) -> Result<Json<QueueBoard>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReadSchedule).await?;
    let board = queue::board(&mut tx, &may).await?;
    let board = tx.commit(board).await?;
    let providers = board.providers.into_iter().map(|one| QueueProvider {
        staff_id: one.staff_id.0,
        name: one.name,
        late_min: one.late_min,
        said: one.said,
    });
    Ok(Json(QueueBoard {
        items: board.items.into_iter().map(Into::into).collect(),
        providers: providers.collect(),
        announcements: board.announcements.into_iter().map(Into::into).collect(),
    }))
}
