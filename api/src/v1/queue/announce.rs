//! `POST /announcements`, `DELETE /announcements/{id}`: says something to all who wait, and takes it back.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use records::action::Announce;
use records::{Phi, queue};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use visit::StaffId;

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn, TakesBody};
use crate::extract::{Body, Id};
use crate::problem::Problem;
use crate::session::Staff;

/// Something to say.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAnnouncement {
    /// To whose patients; null: to everybody's.
    #[schema(required)]
    provider_id: Option<Uuid>,
    /// 1 to 500 characters.
    #[schema(max_length = 500)]
    words: String,
}

/// It is said.
#[derive(Serialize, ToSchema)]
pub(crate) struct Announced {
    announcement_id: Uuid,
}

/// Say something to all who wait
///
/// It stands for 8 hours, or until it is ended.
#[utoipa::path(
    post,
    path = "/announcements",
    operation_id = "announce",
    tag = "queue",
    request_body = NewAnnouncement,
    security(("staff" = [])),
    responses(
        (status = 201, body = Announced),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`queue.not_said`: no such provider, or too many stand"),
        TakesBody, SignedIn, Anyone
    )
)]
pub(crate) async fn announce(
    State(state): State<AppState>,
    staff: Staff,
    Body(new): Body<NewAnnouncement>,
) -> Result<(StatusCode, Json<Announced>), Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(Announce).await?;
    let said = queue::announce(&mut tx, &may, new.provider_id.map(StaffId), &Phi::from(new.words)).await?;
    let announcement_id = tx.commit(said).await?;
    state.changed(staff.session.clinic.id);
    Ok((StatusCode::CREATED, Json(Announced { announcement_id })))
}

/// End an announcement
#[utoipa::path(
    delete,
    path = "/announcements/{id}",
    operation_id = "end_announcement",
    tag = "queue",
    params(("id" = Uuid, Path, description = "Announcement")),
    security(("staff" = [])),
    responses((status = 204, description = "Ended, now or before"), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn end(State(state): State<AppState>, staff: Staff, Id(id): Id<Uuid>) -> Result<StatusCode, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(Announce).await?;
    let ended = queue::end_announcement(&mut tx, &may, id).await?;
    tx.commit(ended).await?;
    state.changed(staff.session.clinic.id);
    Ok(StatusCode::NO_CONTENT)
}
