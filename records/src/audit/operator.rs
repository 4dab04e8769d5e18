//! Searching the log from the machine that it runs on, over all clinics. Whoever may do so holds the data folder.

use time::OffsetDateTime;
use uuid::Uuid;
use visit::ClinicId;

use super::{Filter, Outcome, append};
use crate::action::Resource;
use crate::{Error, Records, clinics};

/// One row, as an operator sees it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Line {
    /// Its number.
    pub seq: i64,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Of which clinic.
    pub clinic_id: Option<Uuid>,
    /// Who.
    pub actor_id: Option<Uuid>,
    /// In which role, or the server's job.
    pub actor_role: String,
    /// What.
    pub action: String,
    /// To what kind of thing.
    pub resource_type: String,
    /// To which.
    pub resource_id: Option<Uuid>,
    /// Whose data it was.
    pub patient_id: Option<Uuid>,
    /// Whose data it was, if it was a list.
    pub patient_ids: Vec<Uuid>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, a short word.
    pub reason: Option<String>,
    /// From where.
    pub address: Option<String>,
    /// Under which request.
    pub request_id: Option<String>,
}

/// The newest rows that match, at most `limit`. The search is logged for every clinic that it covers.
///
/// # Errors
/// The database can't be reached.
pub async fn search_all(
    records: &Records,
    clinic: Option<ClinicId>,
    filter: &Filter,
    limit: u32,
    now: OffsetDateTime,
) -> Result<Vec<Line>, Error> {
    note(records, clinic, "audit.search", now).await?;
    let mut connection = super::rows::connect(records).await?;
    let rows = sqlx::query!(
        "SELECT e.seq, e.at, e.clinic_id, e.actor_id, e.actor_role, e.action, e.resource_type, e.resource_id, e.patient_id,
                e.patient_ids, e.outcome, e.reason, e.address, e.request_id
         FROM audit_event e
         WHERE ($1::uuid IS NULL OR e.clinic_id = $1)
           AND ($2::uuid IS NULL OR e.actor_id = $2)
           AND ($3::uuid IS NULL OR e.patient_id = $3 OR e.patient_ids @> ARRAY[$3])
           AND ($4::text IS NULL OR e.action = $4)
           AND ($5::timestamptz IS NULL OR e.at >= $5)
           AND ($6::timestamptz IS NULL OR e.at < $6)
           AND ($7::text IS NULL OR e.outcome = $7)
         ORDER BY e.seq DESC LIMIT $8",
        clinic.map(|clinic| clinic.0),
        filter.actor,
        filter.patient.map(|patient| patient.0),
        filter.action.as_deref(),
        filter.from,
        filter.to,
        filter.outcome.map(Outcome::as_str),
        i64::from(limit),
    )
    .fetch_all(&mut connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Line {
                seq: row.seq,
                at: row.at,
                clinic_id: row.clinic_id,
                actor_id: row.actor_id,
                actor_role: row.actor_role,
                action: row.action,
                resource_type: row.resource_type,
                resource_id: row.resource_id,
                patient_id: row.patient_id,
                patient_ids: row.patient_ids.unwrap_or_default(),
                outcome: Outcome::parse(&row.outcome)?,
                reason: row.reason,
                address: row.address,
                request_id: row.request_id,
            })
        })
        .collect()
}

/// Logs what an operator does with the log of `clinic`, or of all.
///
/// # Errors
/// The database can't be reached.
pub async fn note(
    records: &Records,
    clinic: Option<ClinicId>,
    action: &'static str,
    now: OffsetDateTime,
) -> Result<(), Error> {
    for known in clinics::list(records).await? {
        if clinic.is_none_or(|clinic| clinic == known.id) {
            append(records, "operator", known.id, now, action, Resource::Clinic, None).await?;
        }
    }
    Ok(())
}
