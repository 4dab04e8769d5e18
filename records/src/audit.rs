//! The audit log: who did or saw what, in the same transaction as the thing itself.

use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;
use visit::{ClinicId, PatientId};

use crate::action::{Resource, SearchAudit};
use crate::text_enum::text_enum;
use crate::{Authorized, Error, Pending, Records, Tx};

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
pub async fn search(_tx: &mut Tx, _may: &Authorized<SearchAudit>, _filter: &Filter, _cursor: Option<&str>) -> Result<Pending<EventPage>, SearchError> {
    Err(Error::Unfinished.into())
}

/// Writes something that the server itself did, in a transaction of its own.
///
/// # Errors
/// The database can't be reached.
pub async fn append(
    _records: &Records,
    _job: &'static str,
    _clinic: ClinicId,
    _at: OffsetDateTime,
    _action: &'static str,
    _resource: Resource,
    _detail: Option<Value>,
) -> Result<(), Error> {
    Err(Error::Unfinished)
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
