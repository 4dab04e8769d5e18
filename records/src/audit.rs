//! The audit log: who did or saw what, in the same transaction as the thing itself; and the proof that nobody changed it.
//!
//! What lives here: writing, searching, who viewed a patient, sealing ([`Sealer`]) into a Merkle tree ([`tree`]), verifying
//! ([`verify()`]), export, retention, unusual access. Files without SQL and without files are pure: `tree`, `checkpoint`,
//! `leaves`, `canonical`, `examine`, `findings`. The format is described to the byte in `docs/audit.md`.

pub mod access;
mod canonical;
pub mod checkpoint;
mod examine;
mod export;
mod export_check;
mod export_line;
mod findings;
mod journal;
mod key;
mod leaves;
mod operator;
mod private;
mod pulse;
mod restored;
mod retention;
mod rows;
mod sealer;
mod search;
pub mod tree;
pub mod unusual;
mod verify;
mod viewers;

pub use export::{ExportError, Selection, allow_export, export};
pub use export_check::{CheckError, Checked, check_export};
pub use findings::{Fault, GivenUp, Report};
pub use journal::{Journal, JournalError};
pub use key::{AuditKeyError, SigningKey};
pub use operator::{Line, note, search_all};
pub(crate) use pulse::Pulse;
pub use restored::{AcceptError, accept_restore};
pub use retention::{DropError, drop_month, make_months_ahead, month};
pub use sealer::{BATCH, SealError, Sealer};
pub use search::{Event, EventPage, Filter, Person, SearchError, people, search};
pub use verify::{
    DroppedMonth, SMALL, SealState, Verification, VerifyError, VerifyNowError, remember, seal_state, verify, verify_now,
};
pub use viewers::{Viewer, own_viewers, viewers_of};

use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;
use visit::{ClinicId, PatientId};

use crate::action::Resource;
use crate::text_enum::text_enum;
use crate::{Error, Origin, Pending, Records, RequestContext, Tx};

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

/// A row to write; the context says the rest.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub action: &'static str,
    pub resource: Resource,
    pub patient: Option<PatientId>,
    pub patients: Vec<Uuid>,
    pub outcome: Outcome,
    pub reason: Option<&'static str>,
    /// No patients' data.
    pub detail: Option<Value>,
    /// Free text, and all that may be patients' data: see [`Tx::private_detail`].
    pub detail_sealed: Option<Vec<u8>>,
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
            detail_sealed: None,
            general: false,
        }
    }
}

/// Writes `entry` into the running transaction.
pub(crate) async fn write(connection: &mut PgConnection, context: &RequestContext, entry: &Entry) -> Result<(), Error> {
    let (actor, origin) = (&context.actor, &context.origin);
    sqlx::query!(
        "INSERT INTO audit_event (at, clinic_id, actor_kind, actor_id, actor_role, action, resource_type, resource_id, patient_id, patient_ids,
                                  outcome, reason, address, user_agent, request_id, detail, detail_sealed)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, nullif($10::uuid[], '{}'), $11, $12, $13, $14, $15, $16, $17)",
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
        entry.detail_sealed.as_deref(),
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
