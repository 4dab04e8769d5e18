//! Who viewed a patient: for compliance, and for the patient.

use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;
use visit::{PatientId, StaffId};

use crate::action::{ReadOwnViewers, ReadViewers};
use crate::{Authorized, Error, Pending, Tx};

/// Somebody who had a patient's data before them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    /// Who.
    pub staff_id: StaffId,
    /// Their name today.
    pub name: String,
    /// In which role.
    pub role: String,
    /// For the first time.
    pub first_at: OffsetDateTime,
    /// For the last time.
    pub last_at: OffsetDateTime,
    /// How often, lists included.
    pub count: u64,
    /// How often only as one name in a list.
    pub in_lists: u64,
    /// What they did, in the log's words, most often first.
    pub actions: Vec<String>,
}

/// Who viewed this patient between `from` and `to`, the last one first. Asking is itself logged.
///
/// # Errors
/// The database can't be reached.
pub async fn viewers_of(
    tx: &mut Tx,
    may: &Authorized<ReadViewers>,
    from: Option<OffsetDateTime>,
    to: Option<OffsetDateTime>,
) -> Result<Pending<Vec<Viewer>>, Error> {
    tx.proved(may)?;
    find(tx, may.action().0, from, to).await
}

/// Who viewed the patient who asks.
///
/// # Errors
/// The database can't be reached.
pub async fn own_viewers(
    tx: &mut Tx,
    may: &Authorized<ReadOwnViewers>,
    from: Option<OffsetDateTime>,
    to: Option<OffsetDateTime>,
) -> Result<Pending<Vec<Viewer>>, Error> {
    tx.proved(may)?;
    find(tx, may.action().0, from, to).await
}

async fn find(
    tx: &mut Tx,
    patient: PatientId,
    from: Option<OffsetDateTime>,
    to: Option<OffsetDateTime>,
) -> Result<Pending<Vec<Viewer>>, Error> {
    let rows = sqlx::query!(
        r#"WITH seen AS (
               SELECT e.actor_id, e.actor_role, e.action, e.at, e.patient_id IS NULL AS listed
               FROM audit_event e
               WHERE e.clinic_id = current_clinic() AND e.actor_kind = 'staff' AND e.outcome = 'allowed'
                 AND (e.patient_id IN (SELECT patient_family($1)) OR e.patient_ids && ARRAY(SELECT patient_family($1)))
                 AND ($2::timestamptz IS NULL OR e.at >= $2) AND ($3::timestamptz IS NULL OR e.at < $3)
           ), done AS (
               SELECT actor_id, actor_role, action, count(*) AS times, count(*) FILTER (WHERE listed) AS listed, min(at) AS first_at, max(at) AS last_at
               FROM seen GROUP BY actor_id, actor_role, action
           )
           SELECT s.staff_id, s.name, d.actor_role, min(d.first_at) AS "first_at!", max(d.last_at) AS "last_at!", sum(d.times)::bigint AS "times!",
                  sum(d.listed)::bigint AS "listed!", jsonb_agg(d.action ORDER BY d.times DESC, d.action) AS "actions!: Json<Vec<String>>"
           FROM done d JOIN staff s ON s.staff_id = d.actor_id
           GROUP BY s.staff_id, s.name, d.actor_role ORDER BY 5 DESC LIMIT 1000"#,
        patient.0 as Uuid,
        from,
        to,
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok(Pending(
        rows.into_iter()
            .map(|row| Viewer {
                staff_id: StaffId(row.staff_id),
                name: row.name,
                role: row.actor_role,
                first_at: row.first_at,
                last_at: row.last_at,
                count: row.times.unsigned_abs(),
                in_lists: row.listed.unsigned_abs(),
                actions: row.actions.0,
            })
            .collect(),
    ))
}
