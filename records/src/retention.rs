//! How long a patient's record is kept, legal holds, and the end: destroying the data keys, so that nothing of the patient
//! opens any more, here or in a backup that is made from then on.

use time::OffsetDateTime;
use uuid::Uuid;
use visit::PatientId;

use crate::action::{DestroyPatient, LiftLegalHold, PlaceLegalHold, ReadRetention, Resource};
use crate::audit::Entry;
use crate::blind_index;
use crate::seal::Place;
use crate::{Actor, Authorized, Error, Pending, Phi, Tx};

/// Longest reason of a legal hold, bytes of UTF-8.
pub const MAX_REASON_BYTES: usize = 2_000;

/// Where a patient's record stands.
pub struct Retention {
    /// Their name, to be sure who it is.
    pub name: Phi<String>,
    /// The clinic's own number for them.
    pub mrn: Phi<String>,
    /// The last thing that happened to them: put on record, booked for, seen, written about.
    pub last_activity: OffsetDateTime,
    /// Years that the clinic keeps a record after that.
    pub years: i32,
    /// Until then it can't be destroyed.
    pub kept_until: OffsetDateTime,
    /// The hold that stands.
    pub hold: Option<LegalHold>,
    /// It may be destroyed now.
    pub may_be_destroyed: bool,
}

/// A hold that stands.
pub struct LegalHold {
    /// Why.
    pub reason: Phi<String>,
    /// Placed by whom.
    pub placed_by: String,
    /// Since.
    pub placed_at: OffsetDateTime,
}

/// What was destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destroyed {
    /// Versions of the patient's data key.
    pub data_keys: u64,
    /// Keys of the patient's recordings and attachments.
    pub object_keys: u64,
}

/// Where a patient's record stands.
///
/// # Errors
/// The database can't be reached, or the record does not open.
pub async fn read(tx: &mut Tx, may: &Authorized<ReadRetention>) -> Result<Pending<Retention>, Error> {
    let patient = root(tx, tx.proved(may)?.0).await?;
    let family = family(tx, patient).await?;
    let kept = kept(tx, &family).await?;
    let keys = tx.patient_keys(patient).await?;
    let row = sqlx::query!("SELECT name, mrn FROM patient WHERE patient_id = $1 AND destroyed_at IS NULL", patient.0)
        .fetch_optional(tx.connection()?)
        .await?
        .ok_or(Error::NotFound)?;
    let hold = sqlx::query!(
        "SELECT h.legal_hold_id, h.patient_id, h.reason, h.placed_at, s.name FROM legal_hold h JOIN staff s ON s.staff_id = h.placed_by
         WHERE h.clinic_id = current_clinic() AND h.patient_id = ANY($1) AND h.lifted_at IS NULL
         ORDER BY h.placed_at, h.legal_hold_id LIMIT 1",
        &family,
    )
    .fetch_optional(tx.connection()?)
    .await?;
    let hold = match hold {
        None => None,
        Some(hold) => {
            let place = Place::new("legal_hold.reason", hold.legal_hold_id);
            let reason = tx.patient_keys(PatientId(hold.patient_id)).await?.open_text(place, &hold.reason)?;
            Some(LegalHold { reason, placed_by: hold.name, placed_at: hold.placed_at })
        }
    };
    Ok(Pending(Retention {
        name: keys.open_text(Place::new("patient.name", patient.0), &row.name)?,
        mrn: keys.open_text(Place::new("patient.mrn", patient.0), &row.mrn)?,
        last_activity: kept.last_activity,
        years: kept.years,
        kept_until: kept.until,
        may_be_destroyed: hold.is_none() && kept.until <= tx.context().at,
        hold,
    }))
}

/// Places a hold: nothing of the patient is destroyed while it stands.
///
/// # Errors
/// See [`HoldError`].
pub async fn place_hold(
    tx: &mut Tx,
    may: &Authorized<PlaceLegalHold>,
    reason: &Phi<String>,
) -> Result<Pending<()>, HoldError> {
    let (asked, staff) = (tx.proved(may)?.0, staff(tx)?);
    if reason.expose().trim().is_empty() || reason.expose().len() > MAX_REASON_BYTES {
        return Err(HoldError::Reason);
    }
    let patient = lock(tx, asked).await?;
    let family = family(tx, patient).await?;
    if held(tx, &family).await? {
        return Err(HoldError::AlreadyHeld);
    }
    let (id, clinic, at) = (Uuid::now_v7(), tx.context().actor.clinic().0, tx.context().at);
    let sealed = tx.patient_keys(patient).await?.seal_text(Place::new("legal_hold.reason", id), reason)?;
    let placed = sqlx::query!(
        "INSERT INTO legal_hold (legal_hold_id, clinic_id, patient_id, reason, placed_by, placed_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (patient_id) WHERE lifted_at IS NULL DO NOTHING",
        id,
        clinic,
        patient.0,
        sealed,
        staff,
        at,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    if placed.rows_affected() == 1 { Ok(Pending(())) } else { Err(HoldError::AlreadyHeld) }
}

/// Lifts the hold that stands: the one that [`read`] shows. Records that were merged may have one each.
///
/// # Errors
/// [`HoldError::NotHeld`] if none does.
pub async fn lift_hold(tx: &mut Tx, may: &Authorized<LiftLegalHold>) -> Result<Pending<()>, HoldError> {
    let (asked, staff, at) = (tx.proved(may)?.0, staff(tx)?, tx.context().at);
    let patient = lock(tx, asked).await?;
    let family = family(tx, patient).await?;
    let lifted = sqlx::query!(
        "UPDATE legal_hold SET lifted_by = $2, lifted_at = $3 WHERE legal_hold_id =
             (SELECT legal_hold_id FROM legal_hold WHERE clinic_id = current_clinic() AND patient_id = ANY($1) AND lifted_at IS NULL
              ORDER BY placed_at, legal_hold_id LIMIT 1)",
        &family,
        staff,
        at,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    if lifted.rows_affected() == 1 { Ok(Pending(())) } else { Err(HoldError::NotHeld) }
}

/// Destroys the data keys of the patient, of every record that was merged into theirs, and of their recordings, forgets
/// what they were found by, and ends their sessions, links and mail. The keys of documents are sealed under the patient's,
/// so they go with it. Rows stay where they are; nothing that is sealed in them opens again. Can't be undone.
///
/// # Errors
/// See [`DestroyError`].
pub async fn destroy(
    tx: &mut Tx,
    may: &Authorized<DestroyPatient>,
    mrn: &Phi<String>,
) -> Result<Pending<Destroyed>, DestroyError> {
    let asked = tx.proved(may)?.0;
    let at = tx.context().at;
    let patient = lock(tx, asked).await?;
    let family = family(tx, patient).await?;
    if held(tx, &family).await? {
        return Err(DestroyError::Held);
    }
    let kept = kept(tx, &family).await?;
    if kept.until > at {
        return Err(DestroyError::TooEarly { until: kept.until });
    }
    let sealed = sqlx::query_scalar!("SELECT mrn FROM patient WHERE patient_id = $1", patient.0)
        .fetch_one(tx.connection()?)
        .await
        .map_err(Error::from)?;
    let on_record = tx.patient_keys(patient).await?.open_text(Place::new("patient.mrn", patient.0), &sealed)?;
    if blind_index::mrn(on_record.expose()) != blind_index::mrn(mrn.expose()) {
        return Err(DestroyError::OtherNumber);
    }
    let destroyed = destroy_keys(tx, &family).await?;
    for statement in FORGET {
        sqlx::query(*statement).bind(&family).bind(at).execute(tx.connection()?).await.map_err(Error::from)?;
    }
    let detail = Some(serde_json::json!({ "data_keys": destroyed.data_keys, "object_keys": destroyed.object_keys }));
    tx.logged_as(Entry {
        patient: Some(patient),
        detail,
        ..Entry::new("patient.destroyed", Resource::Patient(patient))
    });
    Ok(Pending(destroyed))
}

/// What else goes with the keys of the patients `$1`, at `$2`.
const FORGET: &[&str] = &[
    "DELETE FROM patient_index WHERE clinic_id = current_clinic() AND patient_id = ANY($1) AND $2::timestamptz IS NOT NULL",
    "UPDATE session SET ended_at = $2 WHERE clinic_id = current_clinic() AND patient_id = ANY($1) AND ended_at IS NULL",
    "UPDATE portal_session SET ended_at = $2 WHERE clinic_id = current_clinic() AND patient_id = ANY($1) AND ended_at IS NULL",
    "UPDATE portal_link SET used_at = $2 WHERE clinic_id = current_clinic() AND patient_id = ANY($1) AND used_at IS NULL",
    "UPDATE portal_factor SET totp_secret = NULL, removed_at = $2 WHERE clinic_id = current_clinic() AND patient_id = ANY($1) AND removed_at IS NULL",
    "UPDATE join_link SET revoked_at = $2 WHERE clinic_id = current_clinic() AND patient_id = ANY($1) AND revoked_at IS NULL",
    "UPDATE visit_guest SET ended_at = $2 WHERE clinic_id = current_clinic() AND patient_id = ANY($1) AND ended_at IS NULL",
    "UPDATE outbox_message SET recipient = NULL, subject = NULL, body = NULL, calendar = NULL, settled_at = coalesce(settled_at, $2),
            failure = CASE WHEN state = 'waiting' THEN 'expired' ELSE failure END, state = CASE WHEN state = 'waiting' THEN 'dead' ELSE state END
     WHERE clinic_id = current_clinic() AND patient_id = ANY($1)",
    "UPDATE patient SET destroyed_at = $2 WHERE clinic_id = current_clinic() AND patient_id = ANY($1)",
];

async fn destroy_keys(tx: &mut Tx, family: &[Uuid]) -> Result<Destroyed, Error> {
    let at = tx.context().at;
    let rows = sqlx::query!(
        r#"UPDATE data_key SET wrapped = NULL, destroyed_at = $2, activated_at = coalesce(activated_at, $2), retired_at = coalesce(retired_at, $2)
           WHERE clinic_id = current_clinic() AND wrapped IS NOT NULL
             AND ((purpose = 'patient' AND owner_id = ANY($1))
                  OR (purpose = 'recording' AND owner_id IN (SELECT recording_id FROM recording WHERE clinic_id = current_clinic() AND patient_id = ANY($1))))
           RETURNING purpose"#,
        family,
        at,
    )
    .fetch_all(tx.connection()?)
    .await?;
    let documents = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM attachment WHERE clinic_id = current_clinic() AND patient_id = ANY($1)"#,
        family,
    )
    .fetch_one(tx.connection()?)
    .await?;
    let data_keys = rows.iter().filter(|row| row.purpose == "patient").count() as u64;
    Ok(Destroyed { data_keys, object_keys: rows.len() as u64 - data_keys + documents.unsigned_abs() })
}

/// The record that is meant, after merges.
async fn root(tx: &mut Tx, patient: PatientId) -> Result<PatientId, Error> {
    let root = sqlx::query_scalar!("SELECT patient_root($1)", patient.0).fetch_one(tx.connection()?).await?;
    root.map(PatientId).ok_or(Error::NotFound)
}

/// The record that is meant, locked: whoever is about to change the patient, to merge them or to place a hold is waited
/// for, and whoever comes later finds what was done here.
async fn lock(tx: &mut Tx, patient: PatientId) -> Result<PatientId, Error> {
    let root = root(tx, patient).await?;
    let locked = sqlx::query_scalar!(
        "SELECT patient_id FROM patient WHERE patient_id = $1 AND destroyed_at IS NULL AND merged_into IS NULL FOR UPDATE",
        root.0,
    )
    .fetch_optional(tx.connection()?)
    .await?;
    locked.map(PatientId).ok_or(Error::NotFound)
}

/// All records that are the patient's.
async fn family(tx: &mut Tx, patient: PatientId) -> Result<Vec<Uuid>, Error> {
    let family = sqlx::query_scalar!(r#"SELECT patient_family($1) AS "patient_id!""#, patient.0)
        .fetch_all(tx.connection()?)
        .await?;
    Ok(family)
}

/// Whether a hold stands on any of them.
async fn held(tx: &mut Tx, family: &[Uuid]) -> Result<bool, Error> {
    let held = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM legal_hold WHERE clinic_id = current_clinic() AND patient_id = ANY($1) AND lifted_at IS NULL) AS "held!""#,
        family,
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(held)
}

struct Kept {
    last_activity: OffsetDateTime,
    years: i32,
    until: OffsetDateTime,
}

/// Until when the record has to be kept. What happened to any of the patient's records counts:
/// registered, changed, booked for (cancelled or not), seen, recorded, written about, documents, charts, consents.
async fn kept(tx: &mut Tx, family: &[Uuid]) -> Result<Kept, Error> {
    let row = sqlx::query!(
        r#"SELECT l.last AS "last!", c.retention_years, l.last + make_interval(years => c.retention_years) AS "until!"
           FROM clinic c, LATERAL (SELECT greatest(
               (SELECT max(created_at) FROM patient WHERE patient_id = ANY($1)),
               (SELECT max(ends_at) FROM appointment WHERE clinic_id = c.clinic_id AND patient_id = ANY($1)),
               (SELECT max(greatest(started_at, ended_at, waiting_since)) FROM visit WHERE clinic_id = c.clinic_id AND patient_id = ANY($1)),
               (SELECT max(e.at) FROM visit_event e JOIN visit v USING (visit_id) WHERE v.clinic_id = c.clinic_id AND v.patient_id = ANY($1)),
               (SELECT max(r.at) FROM note_revision r JOIN note n USING (note_id) WHERE n.clinic_id = c.clinic_id AND n.patient_id = ANY($1)),
               (SELECT max(a.at) FROM note_addendum a JOIN note n USING (note_id) WHERE n.clinic_id = c.clinic_id AND n.patient_id = ANY($1)),
               (SELECT max(greatest(started_at, stopped_at)) FROM recording WHERE clinic_id = c.clinic_id AND patient_id = ANY($1)),
               (SELECT max(r.at) FROM chart_revision r JOIN chart_entry e USING (chart_entry_id) WHERE e.clinic_id = c.clinic_id AND e.patient_id = ANY($1)),
               (SELECT max(at) FROM patient_revision WHERE clinic_id = c.clinic_id AND patient_id = ANY($1)),
               (SELECT max(greatest(uploaded_at, deleted_at)) FROM attachment WHERE clinic_id = c.clinic_id AND patient_id = ANY($1)),
               (SELECT max(granted_at) FROM emergency_access WHERE clinic_id = c.clinic_id AND patient_id = ANY($1)),
               (SELECT max(at) FROM consent WHERE clinic_id = c.clinic_id AND patient_id = ANY($1))) AS last) l
           WHERE c.clinic_id = current_clinic()"#,
        family,
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(Kept { last_activity: row.last, years: row.retention_years, until: row.until })
}

fn staff(tx: &Tx) -> Result<Uuid, Error> {
    match tx.context().actor {
        Actor::Staff { id, .. } => Ok(id.0),
        _ => Err(Error::Forbidden),
    }
}

/// A hold was neither placed nor lifted.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// No reason, or longer than [`MAX_REASON_BYTES`].
    #[error("say why, in at most {MAX_REASON_BYTES} bytes")]
    Reason,
    /// One stands already.
    #[error("a legal hold stands already; lift that one first")]
    AlreadyHeld,
    /// None stands.
    #[error("no legal hold stands")]
    NotHeld,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}

/// Nothing was destroyed.
#[derive(Debug, thiserror::Error)]
pub enum DestroyError {
    /// A legal hold stands.
    #[error("a legal hold stands; it must be lifted before anything is destroyed")]
    Held,
    /// The record has to be kept longer.
    #[error("the record has to be kept until {until}")]
    TooEarly {
        /// Until then.
        until: OffsetDateTime,
    },
    /// The number that was typed is another patient's, or nobody's.
    #[error("this is not the record number of this patient")]
    OtherNumber,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
