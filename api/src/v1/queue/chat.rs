//! `/visits/{id}/waiting-chat`: what a patient who waits and staff write to each other.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use records::Phi;
use records::action::{ReadWaitingChat, WriteWaitingChat};
use records::queue::{self, ChatError};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;
use visit::VisitId;

use super::bad_words;
use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn, TakesBody};
use crate::extract::{Body, Id};
use crate::problem::Problem;
use crate::session::Staff;
use crate::v1::shapes::shown;

/// What was written, in order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Messages {
    items: Vec<Message>,
}

/// One line.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Message {
    message_id: Uuid,
    /// Who of the staff wrote it; null: the patient.
    #[schema(required)]
    by_name: Option<String>,
    words: String,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
}

/// A line to write.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewMessage {
    /// Chosen by the sender; sent twice, it is written once.
    pub(crate) message_id: Uuid,
    /// 1 to 500 characters.
    #[schema(max_length = 500)]
    pub(crate) words: String,
}

impl From<queue::Message> for Message {
    fn from(message: queue::Message) -> Self {
        Self { message_id: message.message_id, by_name: message.by_name, words: shown(&message.words), at: message.at }
    }
}

impl From<Vec<queue::Message>> for Messages {
    fn from(messages: Vec<queue::Message>) -> Self {
        Self { items: messages.into_iter().map(Into::into).collect() }
    }
}

/// What a patient who waits and staff wrote
#[utoipa::path(
    get,
    path = "/visits/{id}/waiting-chat",
    operation_id = "waiting_chat",
    tag = "queue",
    params(("id" = Uuid, Path, description = "Visit")),
    security(("staff" = [])),
    responses((status = 200, body = Messages), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn read(
    State(state): State<AppState>,
    staff: Staff,
    Id(visit): Id<VisitId>,
) -> Result<Json<Messages>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReadWaitingChat(visit)).await?;
    let messages = queue::read_chat(&mut tx, &may).await?;
    Ok(Json(tx.commit(messages).await?.into()))
}

/// Write to a patient who waits
///
/// What the patient wrote before counts as read.
#[utoipa::path(
    post,
    path = "/visits/{id}/waiting-chat",
    operation_id = "write_waiting_chat",
    tag = "queue",
    request_body = NewMessage,
    params(("id" = Uuid, Path, description = "Visit")),
    security(("staff" = [])),
    responses(
        (status = 204, description = "Written, now or before"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`waiting_chat.not_waiting`; `waiting_chat.full`; `waiting_chat.id_taken`"),
        Addressed, TakesBody, SignedIn, Anyone
    )
)]
pub(crate) async fn write(
    State(state): State<AppState>,
    staff: Staff,
    Id(visit): Id<VisitId>,
    Body(message): Body<NewMessage>,
) -> Result<StatusCode, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(WriteWaitingChat(visit)).await?;
    let written = queue::staff_writes(&mut tx, &may, message.message_id, &Phi::from(message.words)).await?;
    tx.commit(written).await?;
    state.changed(staff.session.clinic.id);
    Ok(StatusCode::NO_CONTENT)
}

/// Say that what the patient wrote was read
#[utoipa::path(
    post,
    path = "/visits/{id}/waiting-chat/seen",
    operation_id = "saw_waiting_chat",
    tag = "queue",
    params(("id" = Uuid, Path, description = "Visit")),
    security(("staff" = [])),
    responses((status = 204, description = "Noted"), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn seen(
    State(state): State<AppState>,
    staff: Staff,
    Id(visit): Id<VisitId>,
) -> Result<StatusCode, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(WriteWaitingChat(visit)).await?;
    let seen = queue::seen(&mut tx, &may).await?;
    tx.commit(seen).await?;
    state.changed(staff.session.clinic.id);
    Ok(StatusCode::NO_CONTENT)
}

impl From<ChatError> for Problem {
    fn from(error: ChatError) -> Self {
        match error {
            ChatError::Words => bad_words(),
            ChatError::NotWaiting => Self::new(
                StatusCode::CONFLICT,
                "waiting_chat.not_waiting",
                "The patient is not waiting now. In the visit there is a chat of its own.",
            ),
            ChatError::Full => Self::new(
                StatusCode::CONFLICT,
                "waiting_chat.full",
                "No more messages can be written here. Call instead.",
            ),
            ChatError::IdTaken => Self::new(
                StatusCode::CONFLICT,
                "waiting_chat.id_taken",
                "This message could not be sent. Write it again.",
            ),
            ChatError::Failed(error) => error.into(),
        }
    }
}
