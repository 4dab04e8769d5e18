//! `GET /join/waiting`: what is said to the patient while they wait. `GET /join/events` says when to ask again.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use records::action::CheckIn;
use records::{Phi, queue};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::AppState;
use crate::document::{Anyone, SignedIn, TakesBody};
use crate::extract::Body;
use crate::problem::Problem;
use crate::session::Patient;
use crate::v1::queue::{Messages, NewMessage};
use crate::v1::shapes::shown;

/// What is said to one who waits.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WaitingWords {
    /// With whom, by now.
    provider_name: String,
    /// With whom before; null if the patient was not moved.
    #[schema(required)]
    moved_from: Option<String>,
    /// Said with the hold; null if not on hold.
    #[schema(required)]
    hold: Option<String>,
    /// To all who wait, newest first.
    announcements: Vec<WaitingAnnouncement>,
    /// To and from this patient.
    messages: Messages,
}

/// Something that is said to all who wait.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WaitingAnnouncement {
    announcement_id: Uuid,
    words: String,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
}

/// What is said to the patient while they wait
#[utoipa::path(
    get,
    path = "/join/waiting",
    operation_id = "waiting_words",
    tag = "join",
    security(("patient" = [])),
    responses((status = 200, body = WaitingWords), SignedIn, Anyone)
)]
pub(crate) async fn waiting(State(state): State<AppState>, patient: Patient) -> Result<Json<WaitingWords>, Problem> {
    let mut tx = state.records.begin(patient.context()).await?;
    let may = tx.authorize(CheckIn(patient.session.visit_id)).await?;
    let words = queue::patient_words(&mut tx, &may).await?;
    let words = tx.commit(words).await?;
    let announcements = words.announcements.into_iter().map(|said| WaitingAnnouncement {
        announcement_id: said.announcement_id,
        words: shown(&said.words),
        at: said.at,
    });
    Ok(Json(WaitingWords {
        provider_name: words.provider_name,
        moved_from: words.moved_from,
        hold: words.hold.as_ref().map(shown),
        announcements: announcements.collect(),
        messages: words.messages.into(),
    }))
}

/// Write to the clinic while waiting
#[utoipa::path(
    post,
    path = "/join/messages",
    operation_id = "write_while_waiting",
    tag = "join",
    request_body = NewMessage,
    security(("patient" = [])),
    responses(
        (status = 204, description = "Written, now or before"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`waiting_chat.not_waiting`; `waiting_chat.full`; `waiting_chat.id_taken`"),
        TakesBody, SignedIn, Anyone
    )
)]
pub(crate) async fn write(
    State(state): State<AppState>,
    patient: Patient,
    Body(message): Body<NewMessage>,
) -> Result<StatusCode, Problem> {
    let mut tx = state.records.begin(patient.context()).await?;
    let may = tx.authorize(CheckIn(patient.session.visit_id)).await?;
    let written = queue::patient_writes(&mut tx, &may, message.message_id, &Phi::from(message.words)).await?;
    tx.commit(written).await?;
    state.changed(patient.session.clinic.id);
    Ok(StatusCode::NO_CONTENT)
}
