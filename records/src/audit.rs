//! The audit log: who did or saw what, in the same transaction as the thing itself.

use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;
use visit::{ClinicId, PatientId};

use crate::action::{Resource, SearchAudit};
use crate::text_enum::text_enum;
use crate::{Authorized, Error, Origin, Pending, Records, RequestContext, Tx};

/// Rows on a page.
const PAGE: i64 = 100;
/// Characters that are kept of a `User-Agent`.
const USER_AGENT_CHARS: usize = 200;

text_enum! {
    /// How it ended.
    Outcome {
        /// It was done.
        Allowed = "allowed",
        /// It was refused.
        Denied = "denied",
        /// It was tried and failed, e.g. a wrong password.
        Failed = "failed",
    }
}

/// What to look for; all that is given must match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Done by this person.
    pub actor: Option<Uuid>,
    /// About this patient, alone or in a list.
    pub patient: Option<PatientId>,
    /// Exactly this action, e.g. `note.read`.
    pub action: Option<String>,
    /// Done to this kind of thing, e.g. `visit`.
    pub resource_type: Option<String>,
    /// Not before.
    pub from: Option<OffsetDateTime>,
    /// Before.
    pub to: Option<OffsetDateTime>,
}

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Grows with every event of the installation.
    pub seq: i64,
    /// When.
    pub at: OffsetDateTime,
    /// Who; `None` for the server and for unknown accounts.
    pub actor_id: Option<Uuid>,
    /// Name, for members of staff.
    pub actor_name: Option<String>,
    /// Role then, or the server's job.
    pub actor_role: String,
    /// What.
    pub action: String,
    /// To what kind of thing.
    pub resource_type: String,
    /// To which.
    pub resource_id: Option<Uuid>,
    /// Whose data it was.
    pub patient_id: Option<PatientId>,
    /// Whose data it was, if it was a list.
    pub patient_ids: Vec<PatientId>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, a short word.
    pub reason: Option<String>,
    /// From where.
    pub address: Option<String>,
    /// With what.
    pub user_agent: Option<String>,
    /// Under which request.
    pub request_id: Option<String>,
    /// More, e.g. a recording's hash; no patient data.
    pub detail: Option<Value>,
}

/// One page of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct EventPage {
    /// Newest first.
    pub items: Vec<Event>,
    /// Hand this in for the next page; `None` on the last one.
    pub next_cursor: Option<String>,
}

/// Rows that match, newest first, 100 at a time. The search itself is logged.
///
/// # Errors
/// [`SearchError::BadCursor`]; the database can't be reached.
pub async fn search(
    tx: &mut Tx,
    may: &Authorized<SearchAudit>,
    filter: &Filter,
    cursor: Option<&str>,
) -> Result<Pending<EventPage>, SearchError> {
    tx.proved(may)?;
    let before = match cursor {
        None => i64::MAX,
        Some(cursor) => cursor.parse().map_err(|_| SearchError::BadCursor)?,
    };
    let patient = filter.patient.map(|patient| patient.0);
    if let Some(entry) = tx.last_logged() {
        entry.patient = filter.patient;
    }
    let rows = sqlx::query!(
        r#"SELECT e.seq, e.at, e.actor_id, s.name AS "actor_name?", e.actor_role, e.action, e.resource_type, e.resource_id, e.patient_id,
                  e.patient_ids, e.outcome, e.reason, e.address, e.user_agent, e.request_id, e.detail
           FROM audit_event e LEFT JOIN staff s ON s.staff_id = e.actor_id
           WHERE e.clinic_id = current_clinic() AND e.seq < $1
             AND ($2::uuid IS NULL OR e.actor_id = $2)
             AND ($3::uuid IS NULL OR e.patient_id = $3 OR e.patient_ids @> ARRAY[$3])
             AND ($4::text IS NULL OR e.action = $4)
             AND ($5::text IS NULL OR e.resource_type = $5)
             AND ($6::timestamptz IS NULL OR e.at >= $6)
             AND ($7::timestamptz IS NULL OR e.at < $7)
           ORDER BY e.seq DESC LIMIT $8"#,
        before,
        filter.actor,
        patient,
        filter.action.as_deref(),
        filter.resource_type.as_deref(),
        filter.from,
        filter.to,
        PAGE + 1,
    )
    .fetch_all(tx.connection()?)
    .await
    .map_err(Error::from)?;

    let more = rows.len() > PAGE as usize;
    let mut items = Vec::with_capacity(rows.len());
    for row in rows.into_iter().take(PAGE as usize) {
        items.push(Event {
            seq: row.seq,
            at: row.at,
            actor_id: row.actor_id,
            actor_name: row.actor_name,
            actor_role: row.actor_role,
            action: row.action,
            resource_type: row.resource_type,
            resource_id: row.resource_id,
            patient_id: row.patient_id.map(PatientId),
            patient_ids: row.patient_ids.unwrap_or_default().into_iter().map(PatientId).collect(),
            outcome: Outcome::parse(&row.outcome)?,
            reason: row.reason,
            address: row.address,
            user_agent: row.user_agent,
            request_id: row.request_id,
            detail: row.detail,
        });
    }
    let next_cursor = items.last().filter(|_| more).map(|last| last.seq.to_string());
    Ok(Pending(EventPage { items, next_cursor }))
}

/// Writes something that the server itself did, in a transaction of its own.
///
/// # Errors
/// The database can't be reached.
pub async fn append(
    records: &Records,
    job: &'static str,
    clinic: ClinicId,
    at: OffsetDateTime,
    action: &'static str,
    resource: Resource,
    detail: Option<Value>,
) -> Result<(), Error> {
    let mut tx = records.begin(RequestContext::system(job, clinic, at)).await?;
    tx.log(Entry { detail, ..Entry::new(action, resource) });
    tx.commit(Pending(())).await
}

/// The log was not searched.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The cursor is not one that a search gave.
    #[error("this cursor is not one of ours; begin again without one")]
    BadCursor,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}

/// A row to write; the context says the rest.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub action: &'static str,
    pub resource: Resource,
    pub patient: Option<PatientId>,
    pub patients: Vec<Uuid>,
    pub outcome: Outcome,
    pub reason: Option<&'static str>,
    pub detail: Option<Value>,
    /// Made when the action was allowed, before it was known what exactly would be done.
    pub general: bool,
}

impl Entry {
    pub(crate) fn new(action: &'static str, resource: Resource) -> Self {
        Self {
            action,
            resource,
            patient: None,
            patients: Vec::new(),
            outcome: Outcome::Allowed,
            reason: None,
            detail: None,
            general: false,
        }
    }
}

/// Writes `entry` into the running transaction.
pub(crate) async fn write(connection: &mut PgConnection, context: &RequestContext, entry: &Entry) -> Result<(), Error> {
    let (actor, origin) = (&context.actor, &context.origin);
    sqlx::query!(
        "INSERT INTO audit_event (at, clinic_id, actor_kind, actor_id, actor_role, action, resource_type, resource_id, patient_id, patient_ids,
                                  outcome, reason, address, user_agent, request_id, detail)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, nullif($10::uuid[], '{}'), $11, $12, $13, $14, $15, $16)",
        context.at,
        actor.clinic().0,
        actor.kind_name(),
        actor.id(),
        actor.role_name(),
        entry.action,
        entry.resource.kind(),
        entry.resource.id(),
        entry.patient.map(|patient| patient.0),
        &entry.patients,
        entry.outcome.as_str(),
        entry.reason,
        origin.address.map(|address| address.to_string()),
        user_agent(origin),
        Some(origin.request_id.as_str()).filter(|id| !id.is_empty()),
        entry.detail.as_ref(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes a failed sign-in to an account that does not exist: it belongs to no clinic.
pub(crate) async fn write_unknown(
    connection: &mut PgConnection,
    at: OffsetDateTime,
    origin: &Origin,
    action: &'static str,
    reason: &'static str,
) -> Result<(), Error> {
    sqlx::query!(
        "INSERT INTO audit_event (at, actor_kind, actor_role, action, resource_type, outcome, reason, address, user_agent, request_id)
         VALUES ($1, 'unknown', 'unknown', $2, 'staff', 'failed', $3, $4, $5, $6)",
        at,
        action,
        reason,
        origin.address.map(|address| address.to_string()),
        user_agent(origin),
        Some(origin.request_id.as_str()).filter(|id| !id.is_empty()),
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(crate) fn user_agent(origin: &Origin) -> Option<String> {
    origin.user_agent.as_ref().map(|text| text.chars().take(USER_AGENT_CHARS).collect())
}
