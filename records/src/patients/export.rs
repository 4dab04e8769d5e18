//! Everything that is on record of one patient, gathered for their own export.
//!
//! What others wrote for themselves is not in it: drafts of notes, reasons of emergency access. The forms that it is
//! given in (FHIR, PDF) are made outside.

use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;
use visit::{PatientId, RecordingId, VisitId};

use super::record::{self, Record};
use crate::action::ExportPatient;
use crate::attachments::{self, Opened};
use crate::chart::allergies::{self, AllergyState};
use crate::chart::entries::{self, Entry};
use crate::chart::{Clinical, Coverage};
use crate::notes::{self, Note};
use crate::seal::Place;
use crate::{Authorized, Error, Pending, Phi, Tx};

/// Everything.
pub struct Everything {
    /// The clinic.
    pub clinic: Clinic,
    /// When it was gathered.
    pub at: OffsetDateTime,
    /// Who the patient is.
    pub record: Record,
    /// Every version of that, newest first.
    pub history: Vec<record::Revision>,
    /// Insurance, also what was entered in error.
    pub coverages: Vec<Entry<Coverage>>,
    /// Clinical lists, also what was entered in error.
    pub clinical: Vec<Entry<Clinical>>,
    /// What is known about allergies.
    pub allergies: AllergyState,
    /// Appointments with their visits, in order.
    pub visits: Vec<Visit>,
    /// Signed notes, in order.
    pub notes: Vec<(VisitId, Phi<String>, Note)>,
    /// What was agreed to or refused, in order.
    pub consents: Vec<Consent>,
    /// Recordings, in order.
    pub recordings: Vec<Recording>,
    /// Documents, in order, with the keys of their files.
    pub documents: Vec<Opened>,
    /// What was written in visits' chats, in order.
    pub chat: Vec<ChatLine>,
    /// Who saw or changed the record, in order.
    pub accesses: Vec<Access>,
}

/// The clinic that kept the record.
pub struct Clinic {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its telephone.
    pub phone: String,
    /// IANA name of its zone.
    pub time_zone: String,
    /// Whether it gives recordings out.
    pub shares_recordings: bool,
}

/// An appointment and its visit.
pub struct Visit {
    /// The appointment.
    pub appointment_id: Uuid,
    /// The visit.
    pub visit_id: VisitId,
    /// Slot begins.
    pub starts_at: OffsetDateTime,
    /// Slot ends.
    pub ends_at: OffsetDateTime,
    /// `video`, `phone` or `in_person`.
    pub visit_type: String,
    /// Why the patient came.
    pub reason: Phi<String>,
    /// `booked` or `cancelled`.
    pub appointment_state: String,
    /// Where the visit stands.
    pub state: String,
    /// It began.
    pub started_at: Option<OffsetDateTime>,
    /// It ended.
    pub ended_at: Option<OffsetDateTime>,
    /// The provider.
    pub provider_id: Uuid,
    /// The provider's name.
    pub provider: String,
    /// Where the patient said they were: state, call-back number, emergency address.
    pub location: Option<[Phi<String>; 3]>,
}

/// Something that was agreed to, refused or withdrawn.
pub struct Consent {
    /// Its id.
    pub id: Uuid,
    /// In which visit.
    pub visit_id: VisitId,
    /// `telehealth_consent` or `recording_consent`.
    pub kind: String,
    /// `accepted`, `refused` or `withdrawn`.
    pub decision: String,
    /// Version of the text.
    pub text_version: String,
    /// Language of the text.
    pub lang: String,
    /// When.
    pub at: OffsetDateTime,
}

/// A recording.
pub struct Recording {
    /// Its id.
    pub id: RecordingId,
    /// Of which visit.
    pub visit_id: VisitId,
    /// Where it stands; only `ready` ones have a file.
    pub state: String,
    /// It began.
    pub started_at: OffsetDateTime,
    /// Milliseconds.
    pub duration_ms: Option<i64>,
    /// Bytes of the file.
    pub bytes: Option<i64>,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: Option<String>,
}

/// A line of a chat.
pub struct ChatLine {
    /// In which visit.
    pub visit_id: VisitId,
    /// When.
    pub at: OffsetDateTime,
    /// Who wrote it; `None` for the patient.
    pub by: Option<String>,
    /// The text.
    pub text: Phi<String>,
}

/// An entry of the audit log.
pub struct Access {
    /// Its number.
    pub seq: i64,
    /// When.
    pub at: OffsetDateTime,
    /// Who, by id.
    pub actor_id: Option<Uuid>,
    /// Who, by name, if it was a member of staff.
    pub actor_name: Option<String>,
    /// In which role.
    pub role: String,
    /// What was done.
    pub action: String,
    /// How it ended.
    pub outcome: String,
}

/// Gathers everything. One row of the log says so.
///
/// # Errors
/// The database can't be reached, or a value does not open.
pub async fn everything(tx: &mut Tx, may: &Authorized<ExportPatient>) -> Result<Pending<Everything>, Error> {
    tx.proved(may)?;
    let patient = may.patient().ok_or(Error::NotFound)?;
    let at = tx.context().at;
    let record = record::load(tx, patient).await?;
    let history = record::revisions(tx, patient).await?;
    let clinical = entries::load::<Clinical>(tx, patient, None).await?;
    let coverages = entries::load::<Coverage>(tx, patient, None).await?;
    let allergies = allergies::known(tx, patient, &clinical).await?;
    let visits = visits(tx, patient).await?;
    let everything = Everything {
        clinic: clinic(tx).await?,
        at,
        history,
        coverages,
        clinical,
        allergies,
        notes: signed_notes(tx, patient).await?,
        consents: consents(tx, patient).await?,
        recordings: recordings(tx, patient).await?,
        documents: attachments::for_export(tx, patient).await?,
        chat: chat(tx, patient).await?,
        accesses: accesses(tx, patient).await?,
        record,
        visits,
    };
    if let Some(logged) = tx.last_logged() {
        logged.detail = Some(Value::from_iter([
            ("visits", Value::from(everything.visits.len())),
            ("notes", Value::from(everything.notes.len())),
            ("recordings", Value::from(everything.recordings.len())),
            ("documents", Value::from(everything.documents.len())),
        ]));
    }
    Ok(Pending(everything))
}

async fn clinic(tx: &mut Tx) -> Result<Clinic, Error> {
    let row = sqlx::query!(
        "SELECT clinic_id, name, phone, time_zone, shares_recordings FROM clinic WHERE clinic_id = current_clinic()"
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(Clinic {
        id: row.clinic_id,
        name: row.name,
        phone: row.phone,
        time_zone: row.time_zone,
        shares_recordings: row.shares_recordings,
    })
}

async fn visits(tx: &mut Tx, patient: PatientId) -> Result<Vec<Visit>, Error> {
    let rows = sqlx::query!(
        r#"SELECT a.appointment_id, v.visit_id, v.patient_id, a.starts_at, a.ends_at, a.visit_type, a.reason, a.state AS appointment_state, v.state,
                  v.started_at, v.ended_at, a.provider_id, s.name AS provider,
                  l.region AS "region?", l.callback_phone AS "callback_phone?", l.emergency_address AS "emergency_address?"
           FROM appointment a JOIN visit v USING (appointment_id) JOIN staff s ON s.staff_id = a.provider_id
           LEFT JOIN visit_location l ON l.visit_id = v.visit_id
           WHERE a.patient_id IN (SELECT patient_family($1)) ORDER BY a.starts_at, a.appointment_id"#,
        patient.0,
    )
    .fetch_all(tx.connection()?)
    .await?;
    tx.load_patient_keys(&rows.iter().map(|row| row.patient_id).collect::<Vec<_>>()).await?;
    let mut visits = Vec::with_capacity(rows.len());
    for row in rows {
        let keys = tx.known_keys(row.patient_id)?;
        let open = |column, sealed: &[u8]| keys.open_text(Place::new(column, row.visit_id), sealed);
        let location = match (row.region, row.callback_phone, row.emergency_address) {
            (Some(region), Some(phone), Some(address)) => Some([
                open("visit_location.region", &region)?,
                open("visit_location.callback_phone", &phone)?,
                open("visit_location.emergency_address", &address)?,
            ]),
            _ => None,
        };
        visits.push(Visit {
            appointment_id: row.appointment_id,
            visit_id: VisitId(row.visit_id),
            starts_at: row.starts_at,
            ends_at: row.ends_at,
            visit_type: row.visit_type,
            reason: keys.open_text(Place::new("appointment.reason", row.appointment_id), &row.reason)?,
            appointment_state: row.appointment_state,
            state: row.state,
            started_at: row.started_at,
            ended_at: row.ended_at,
            provider_id: row.provider_id,
            provider: row.provider,
            location,
        });
    }
    Ok(visits)
}

async fn signed_notes(tx: &mut Tx, patient: PatientId) -> Result<Vec<(VisitId, Phi<String>, Note)>, Error> {
    let rows = sqlx::query!(
        "SELECT n.visit_id, n.patient_id FROM note n
         WHERE n.patient_id IN (SELECT patient_family($1)) AND n.state = 'signed' ORDER BY n.signed_at, n.note_id",
        patient.0,
    )
    .fetch_all(tx.connection()?)
    .await?;
    let mut signed = Vec::with_capacity(rows.len());
    for row in rows {
        let visit = VisitId(row.visit_id);
        let note = notes::open(tx, visit, PatientId(row.patient_id)).await?;
        let by = Phi::from(note.signed_by.clone().unwrap_or_default());
        signed.push((visit, by, note));
    }
    Ok(signed)
}

async fn consents(tx: &mut Tx, patient: PatientId) -> Result<Vec<Consent>, Error> {
    let rows = sqlx::query!(
        "SELECT consent_id, visit_id, kind, decision, text_version, lang, at FROM consent
         WHERE patient_id IN (SELECT patient_family($1)) ORDER BY at, consent_id",
        patient.0,
    )
    .fetch_all(tx.connection()?)
    .await?;
    let consents = rows.into_iter().map(|row| Consent {
        id: row.consent_id,
        visit_id: VisitId(row.visit_id),
        kind: row.kind,
        decision: row.decision,
        text_version: row.text_version,
        lang: row.lang,
        at: row.at,
    });
    Ok(consents.collect())
}

async fn recordings(tx: &mut Tx, patient: PatientId) -> Result<Vec<Recording>, Error> {
    let rows = sqlx::query!(
        "SELECT recording_id, visit_id, state, started_at, duration_ms, bytes, sha256 FROM recording
         WHERE patient_id IN (SELECT patient_family($1)) ORDER BY started_at, recording_id",
        patient.0,
    )
    .fetch_all(tx.connection()?)
    .await?;
    let recordings = rows.into_iter().map(|row| Recording {
        id: RecordingId(row.recording_id),
        visit_id: VisitId(row.visit_id),
        state: row.state,
        started_at: row.started_at,
        duration_ms: row.duration_ms,
        bytes: row.bytes,
        sha256: row.sha256.map(hex::encode),
    });
    Ok(recordings.collect())
}

async fn chat(tx: &mut Tx, patient: PatientId) -> Result<Vec<ChatLine>, Error> {
    let rows = sqlx::query!(
        r#"SELECT e.visit_id, e.seq, e.at, v.patient_id, e.chat_text AS "chat_text!", s.name AS "by?",
                  g.visit_guest_id AS "guest?", g.name AS "guest_name?"
           FROM visit_event e JOIN visit v USING (visit_id) LEFT JOIN staff s ON s.staff_id = e.by_staff
           LEFT JOIN visit_guest g ON g.visit_guest_id = e.by_guest
           WHERE v.patient_id IN (SELECT patient_family($1)) AND e.chat_text IS NOT NULL ORDER BY e.at, e.visit_id, e.seq"#,
        patient.0,
    )
    .fetch_all(tx.connection()?)
    .await?;
    tx.load_patient_keys(&rows.iter().map(|row| row.patient_id).collect::<Vec<_>>()).await?;
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        let visit_id = VisitId(row.visit_id);
        let keys = tx.known_keys(row.patient_id)?;
        let text = keys.open_text(crate::facts::chat_place(visit_id, row.seq), &row.chat_text)?;
        let by = match (row.by, row.guest.zip(row.guest_name)) {
            (None, Some((guest, name))) => {
                Some(keys.open_text(Place::new("visit_guest.name", guest), &name)?.expose().clone())
            }
            (by, _) => by,
        };
        lines.push(ChatLine { visit_id, at: row.at, by, text });
    }
    Ok(lines)
}

async fn accesses(tx: &mut Tx, patient: PatientId) -> Result<Vec<Access>, Error> {
    let rows = sqlx::query!(
        r#"SELECT e.seq, e.at, e.actor_id, s.name AS "actor_name?", e.actor_role, e.action, e.outcome
           FROM audit_event e LEFT JOIN staff s ON s.staff_id = e.actor_id
           WHERE e.clinic_id = current_clinic()
             AND (e.patient_id IN (SELECT patient_family($1)) OR e.patient_ids && ARRAY(SELECT patient_family($1)))
           ORDER BY e.seq"#,
        patient.0,
    )
    .fetch_all(tx.connection()?)
    .await?;
    let accesses = rows.into_iter().map(|row| Access {
        seq: row.seq,
        at: row.at,
        actor_id: row.actor_id,
        actor_name: row.actor_name,
        role: row.actor_role,
        action: row.action,
        outcome: row.outcome,
    });
    Ok(accesses.collect())
}
