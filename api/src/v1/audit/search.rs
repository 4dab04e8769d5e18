//! `GET /audit`: who did what. The search itself is logged.

use axum::Json;
use axum::extract::State;
use records::action::SearchAudit;
use records::audit::{self, Event, EventPage, Filter, Outcome, SearchError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use visit::PatientId;

use crate::AppState;
use crate::document::{Anyone, SignedIn, TakesQuery};
use crate::extract::{Query, printable, unknown_cursor};
use crate::problem::Problem;
use crate::session::Staff;
use crate::words;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// Done by this person.
    actor: Option<Uuid>,
    /// About this patient.
    patient_id: Option<Uuid>,
    /// Exactly this action, e.g. `note.read`.
    action: Option<String>,
    /// That ended like this.
    #[param(schema_with = words::outcome)]
    outcome: Option<Outcome>,
    /// Done to this kind of thing, e.g. `visit`.
    resource_type: Option<String>,
    /// Not before.
    #[serde(default, with = "time::serde::rfc3339::option")]
    from: Option<OffsetDateTime>,
    /// Before.
    #[serde(default, with = "time::serde::rfc3339::option")]
    to: Option<OffsetDateTime>,
    /// From the former page.
    cursor: Option<String>,
}

/// One page of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditPage {
    /// Newest first.
    items: Vec<AuditEvent>,
    /// Null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// One row of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditEvent {
    /// Grows with every event.
    seq: i64,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// Null for the server itself and for unknown accounts.
    #[schema(required)]
    actor_id: Option<Uuid>,
    /// For members of staff.
    #[schema(required)]
    actor_name: Option<String>,
    /// Role then, or the server's job.
    actor_role: String,
    action: String,
    resource_type: String,
    #[schema(required)]
    resource_id: Option<Uuid>,
    /// Whose data it was.
    #[schema(required)]
    patient_id: Option<Uuid>,
    /// Whose data it was, if it was a list.
    patient_ids: Vec<Uuid>,
    #[schema(schema_with = words::outcome)]
    outcome: Outcome,
    /// Why, a short word.
    #[schema(required)]
    reason: Option<String>,
    /// From where.
    #[schema(required)]
    address: Option<String>,
    #[schema(required)]
    user_agent: Option<String>,
    #[schema(required)]
    request_id: Option<String>,
    /// More, e.g. a recording's hash.
    #[schema(required, value_type = Option<Object>)]
    detail: Option<Value>,
    /// Free text that was given, e.g. a reason.
    #[schema(required)]
    private: Option<String>,
}

impl From<Event> for AuditEvent {
    fn from(event: Event) -> Self {
        Self {
            seq: event.seq,
            at: event.at,
            actor_id: event.actor_id,
            actor_name: event.actor_name,
            actor_role: event.actor_role,
            action: event.action,
            resource_type: event.resource_type,
            resource_id: event.resource_id,
            patient_id: event.patient_id.map(|patient| patient.0),
            patient_ids: event.patient_ids.into_iter().map(|patient| patient.0).collect(),
            outcome: event.outcome,
            reason: event.reason,
            address: event.address,
            user_agent: event.user_agent,
            request_id: event.request_id,
            detail: event.detail,
            private: event.private.map(|text| text.expose().clone()),
        }
    }
}

impl From<EventPage> for AuditPage {
    fn from(page: EventPage) -> Self {
        Self { items: page.items.into_iter().map(Into::into).collect(), next_cursor: page.next_cursor }
    }
}

/// Search the audit log
#[utoipa::path(
    get,
    path = "/audit",
    operation_id = "search_audit",
    tag = "audit",
    params(AuditQuery),
    security(("staff" = [])),
    responses((status = 200, body = AuditPage), TakesQuery, SignedIn, Anyone)
)]
pub(crate) async fn search(
    State(state): State<AppState>,
    staff: Staff,
    Query(query): Query<AuditQuery>,
) -> Result<Json<AuditPage>, Problem> {
    for (field, text) in [("action", &query.action), ("resource_type", &query.resource_type)] {
        printable(field, text.as_deref().unwrap_or_default(), 100)?;
    }
    let filter = Filter {
        actor: query.actor,
        patient: query.patient_id.map(PatientId),
        action: query.action,
        resource_type: query.resource_type,
        outcome: query.outcome,
        from: query.from,
        to: query.to,
    };
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(SearchAudit).await?;
    let page = audit::search(&mut tx, &may, &filter, query.cursor.as_deref()).await?;
    Ok(Json(tx.commit(page).await?.into()))
}

impl From<SearchError> for Problem {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::BadCursor => unknown_cursor(),
            SearchError::Failed(error) => error.into(),
        }
    }
}
