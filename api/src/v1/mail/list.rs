//! `GET /mail`: the newest messages, without their texts.

use axum::Json;
use axum::extract::State;
use records::action::ManageMail;
use records::outbox::{self, Kind, Listed, State as Stands};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::AppState;
use crate::document::{Anyone, SignedIn, TakesQuery};
use crate::extract::Query;
use crate::problem::Problem;
use crate::session::Staff;
use crate::v1::shapes::shown;
use crate::words;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MailQuery {
    /// Only those that stand there.
    #[param(schema_with = words::mail_state)]
    state: Option<Stands>,
}

/// The newest messages.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MailList {
    /// Newest first, at most 100.
    items: Vec<MailMessage>,
}

/// A message on its way, or one that was.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MailMessage {
    id: Uuid,
    #[schema(schema_with = words::mail_kind)]
    kind: Kind,
    /// Whom it is about, if it is about a patient.
    #[schema(required)]
    patient_id: Option<Uuid>,
    /// To whom; null once it is delivered, or too old.
    #[schema(required)]
    recipient: Option<String>,
    #[schema(schema_with = words::mail_state)]
    state: Stands,
    /// How often it was tried.
    attempts: i32,
    /// Why the last try failed: `refused`, `not_now`, `unsendable`, `expired`.
    #[schema(required)]
    failure: Option<String>,
    /// What the mail server said then, RFC 5321.
    #[schema(required)]
    smtp_code: Option<i16>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// Not tried before, while it waits.
    #[serde(with = "time::serde::rfc3339")]
    due_at: OffsetDateTime,
    /// Delivered or given up.
    #[schema(required)]
    #[serde(with = "time::serde::rfc3339::option")]
    settled_at: Option<OffsetDateTime>,
}

impl From<Listed> for MailMessage {
    fn from(message: Listed) -> Self {
        Self {
            id: message.id,
            kind: message.kind,
            patient_id: message.patient.map(|patient| patient.0),
            recipient: message.recipient.as_ref().map(shown),
            state: message.state,
            attempts: message.attempts,
            failure: message.failure,
            smtp_code: message.smtp_code,
            created_at: message.created_at,
            due_at: message.due_at,
            settled_at: message.settled_at,
        }
    }
}

/// Mail that goes out
#[utoipa::path(
    get,
    path = "/mail",
    operation_id = "list_mail",
    tag = "mail",
    params(MailQuery),
    security(("staff" = [])),
    responses((status = 200, body = MailList), TakesQuery, SignedIn, Anyone)
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    staff: Staff,
    Query(query): Query<MailQuery>,
) -> Result<Json<MailList>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ManageMail).await?;
    let listed = outbox::list(&mut tx, &may, query.state).await?;
    let items = tx.commit(listed).await?.into_iter().map(Into::into).collect();
    Ok(Json(MailList { items }))
}
