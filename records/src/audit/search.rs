//! Searching the log. The search itself is logged.

use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;
use visit::{PatientId, StaffId};

use super::Outcome;
use super::private::DetailPlace;
use crate::action::SearchAudit;
use crate::{Authorized, Error, Pending, Phi, Tx};

/// Rows on a page.
const PAGE: i64 = 100;

/// What to look for; all that is given must match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Done by this person.
    pub actor: Option<Uuid>,
    /// About this patient, alone or in a list.
    pub patient: Option<PatientId>,
    /// Exactly this action, e.g. `note.read`.
    pub action: Option<String>,
    /// That ended like this.
    pub outcome: Option<Outcome>,
    /// Done to this kind of thing, e.g. `visit`.
    pub resource_type: Option<String>,
    /// Not before.
    pub from: Option<OffsetDateTime>,
    /// Before.
    pub to: Option<OffsetDateTime>,
}

/// One row.
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
    /// Free text that was given, e.g. a reason; gone with the patient's key.
    pub private: Option<Phi<String>>,
}

/// One page of the log.
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
                  e.patient_ids, e.outcome, e.reason, e.address, e.user_agent, e.request_id, e.detail, e.detail_sealed
           FROM audit_event e LEFT JOIN staff s ON s.staff_id = e.actor_id
           WHERE e.clinic_id = current_clinic() AND e.seq < $1
             AND ($2::uuid IS NULL OR e.actor_id = $2)
             AND ($3::uuid IS NULL OR e.patient_id IN (SELECT patient_family($3)) OR e.patient_ids && ARRAY(SELECT patient_family($3)))
             AND ($4::text IS NULL OR e.action = $4)
             AND ($5::text IS NULL OR e.resource_type = $5)
             AND ($6::timestamptz IS NULL OR e.at >= $6)
             AND ($7::timestamptz IS NULL OR e.at < $7)
             AND ($8::text IS NULL OR e.outcome = $8)
           ORDER BY e.seq DESC LIMIT $9"#,
        before,
        filter.actor,
        patient,
        filter.action.as_deref(),
        filter.resource_type.as_deref(),
        filter.from,
        filter.to,
        filter.outcome.map(Outcome::as_str),
        PAGE + 1,
    )
    .fetch_all(tx.connection()?)
    .await
    .map_err(Error::from)?;

    let more = rows.len() > PAGE as usize;
    let mut items = Vec::with_capacity(rows.len());
    for row in rows.into_iter().take(PAGE as usize) {
        let private = match row.detail_sealed {
            None => None,
            Some(sealed) => {
                let place = DetailPlace {
                    at: row.at,
                    action: &row.action,
                    actor: row.actor_id,
                    resource: row.resource_id,
                    patient: row.patient_id.map(PatientId),
                };
                tx.open_detail(&place, &sealed).await?
            }
        };
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
            private,
        });
    }
    let next_cursor = items.last().filter(|_| more).map(|last| last.seq.to_string());
    Ok(Pending(EventPage { items, next_cursor }))
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

/// Somebody whose doings can be searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Who.
    pub staff_id: StaffId,
    /// Name.
    pub name: String,
    /// Role today.
    pub role: String,
    /// Whether they still work here.
    pub active: bool,
}

/// The clinic's staff, also those who left.
///
/// # Errors
/// The database can't be reached.
pub async fn people(tx: &mut Tx, may: &Authorized<SearchAudit>) -> Result<Pending<Vec<Person>>, Error> {
    tx.proved(may)?;
    let rows = sqlx::query!(
        "SELECT staff_id, name, role, active FROM staff WHERE clinic_id = current_clinic() ORDER BY lower(name), staff_id"
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok(Pending(
        rows.into_iter()
            .map(|row| Person { staff_id: StaffId(row.staff_id), name: row.name, role: row.role, active: row.active })
            .collect(),
    ))
}
