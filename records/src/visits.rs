//! Visits: what came of an appointment, and what happened in it.

use serde_json::Value;
use time::OffsetDateTime;
use visit::room::Identity;
use visit::{AppointmentId, ClinicId, PatientId, Person, VisitId};

use crate::action::{Kind, ReadTimeline, ReadVisit, TakeSeat};
use crate::facts::chat_place;
use crate::join::{GivenConsent, Location, SeatError, open_location};
use crate::seal::Place;
use crate::text_enum::text_enum;
use crate::{Actor, Authorized, Error, Pending, Phi, Records, RequestContext, Tx, clinics};

text_enum! {
    /// Where a visit stands.
    VisitState {
        /// Nobody has come yet.
        Booked = "booked",
        /// The patient is checking in.
        CheckingIn = "checking_in",
        /// The patient is in the waiting room.
        Waiting = "waiting",
        /// The patient was let in.
        InVisit = "in_visit",
        /// A host ended it.
        Ended = "ended",
        /// The appointment was cancelled.
        Cancelled = "cancelled",
        /// The patient did not come.
        NoShow = "no_show",
    }
}

/// One visit with its patient.
pub struct VisitDetail {
    /// The visit.
    pub visit_id: VisitId,
    /// Its slot.
    pub appointment_id: AppointmentId,
    /// Where it stands.
    pub state: VisitState,
    /// The patient.
    pub patient_id: PatientId,
    /// Their name.
    pub patient_name: Phi<String>,
    /// `YYYY-MM-DD`.
    pub date_of_birth: Phi<String>,
    /// Where the patient said they are, for this visit.
    pub location: Option<Location>,
    /// With whom.
    pub provider_name: String,
    /// Booked from.
    pub starts_at: OffsetDateTime,
    /// Booked to.
    pub ends_at: OffsetDateTime,
    /// The patient was first let in.
    pub started_at: Option<OffsetDateTime>,
    /// A host ended it.
    pub ended_at: Option<OffsetDateTime>,
    /// Why the patient comes; `None` for roles that may not know.
    pub reason: Option<Phi<String>>,
    /// The patient's consent to telehealth.
    pub consent: Option<GivenConsent>,
    /// Whether the asker may read the note: a colleague who was asked in may not.
    pub sees_note: bool,
}

/// One thing that happened.
pub struct TimelineItem {
    /// From 1, without gaps.
    pub seq: u64,
    /// When.
    pub at: OffsetDateTime,
    /// The fact's name, e.g. `admitted`.
    pub fact: String,
    /// Who did it: a member of staff, the patient or a guest by name, nobody for the server's own.
    pub by_name: Option<Phi<String>>,
    /// The fact's other fields; ids, reasons, versions. No chat text.
    pub detail: Value,
    /// Chat text, for those who may read it.
    pub chat_text: Option<Phi<String>>,
}

/// One visit.
///
/// # Errors
/// The database can't be reached, or a value does not open.
pub async fn detail(tx: &mut Tx, may: &Authorized<ReadVisit>) -> Result<Pending<VisitDetail>, Error> {
    let visit = tx.proved(may)?.0;
    let row = sqlx::query!(
        r#"SELECT a.appointment_id, a.starts_at, a.ends_at, a.reason, a.state AS appointment_state, v.state, v.started_at, v.ended_at,
                  v.patient_id AS sealed_for, p.patient_id, p.name AS patient_name, p.date_of_birth, s.name AS provider_name,
                  l.region AS "region?", l.callback_phone AS "callback_phone?", l.emergency_address AS "emergency_address?",
                  k.text_version AS "consent_version?", k.at AS "consent_at?"
           FROM visit v
           JOIN appointment a USING (appointment_id)
           JOIN patient p ON p.patient_id = patient_root(v.patient_id)
           JOIN staff s ON s.staff_id = a.provider_id
           LEFT JOIN visit_location l ON l.visit_id = v.visit_id
           LEFT JOIN LATERAL (SELECT t.text_version, t.at FROM consent t
                              WHERE t.visit_id = v.visit_id AND t.kind = 'telehealth_consent' AND t.decision = 'accepted'
                              ORDER BY t.at DESC LIMIT 1) k ON true
           WHERE v.visit_id = $1"#,
        visit.0,
    )
    .fetch_one(tx.connection()?)
    .await?;
    let patient = PatientId(row.patient_id);
    let keys = tx.patient_keys(patient).await?;
    // After a merge, what was said about this visit is still sealed for the record it was made for.
    let said = tx.patient_keys(PatientId(row.sealed_for)).await?;
    let reason = tx
        .also(may, Kind::ReadReason)
        .then(|| said.open_text(Place::new("appointment.reason", row.appointment_id), &row.reason))
        .transpose()?;
    Ok(Pending(VisitDetail {
        visit_id: visit,
        appointment_id: AppointmentId(row.appointment_id),
        state: if row.appointment_state == "cancelled" {
            VisitState::Cancelled
        } else {
            VisitState::parse(&row.state)?
        },
        patient_id: patient,
        patient_name: keys.open_text(Place::new("patient.name", patient.0), &row.patient_name)?,
        date_of_birth: keys.open_text(Place::new("patient.date_of_birth", patient.0), &row.date_of_birth)?,
        location: open_location(&said, visit, row.region, row.callback_phone, row.emergency_address)?,
        provider_name: row.provider_name,
        starts_at: row.starts_at,
        ends_at: row.ends_at,
        started_at: row.started_at,
        ended_at: row.ended_at,
        reason,
        consent: row
            .consent_version
            .zip(row.consent_at)
            .map(|(version, accepted_at)| GivenConsent { version, accepted_at }),
        sees_note: tx.also(may, Kind::ReadNote),
    }))
}

/// Everything that happened, in order.
///
/// # Errors
/// The database can't be reached, or a value does not open.
pub async fn timeline(tx: &mut Tx, may: &Authorized<ReadTimeline>) -> Result<Pending<Vec<TimelineItem>>, Error> {
    let (visit, patient) = (tx.proved(may)?.0, may.patient().ok_or(Error::NotFound)?);
    let sees_chat = tx.also(may, Kind::ReadChat);
    let rows = sqlx::query!(
        r#"SELECT e.seq, e.at, e.fact, e.chat_text, s.name AS "staff_name?", (e.by_patient IS NOT NULL) AS "by_the_patient!", p.name AS patient_name,
                  g.visit_guest_id AS "guest?", g.name AS "guest_name?"
           FROM visit_event e
           JOIN visit v USING (visit_id)
           JOIN patient p ON p.patient_id = v.patient_id
           LEFT JOIN staff s ON s.staff_id = e.by_staff
           LEFT JOIN visit_guest g ON g.visit_guest_id = e.by_guest
           WHERE e.visit_id = $1 ORDER BY e.seq"#,
        visit.0,
    )
    .fetch_all(tx.connection()?)
    .await?;
    let keys = tx.patient_keys(patient).await?;
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        let by_name = match (row.staff_name, row.guest.zip(row.guest_name)) {
            (Some(name), _) => Some(Phi::from(name)),
            (None, Some((guest, name))) => Some(keys.open_text(Place::new("visit_guest.name", guest), &name)?),
            (None, None) if row.by_the_patient => {
                Some(keys.open_text(Place::new("patient.name", patient.0), &row.patient_name)?)
            }
            (None, None) => None,
        };
        let mut detail = row.fact;
        let fact = match detail.as_object_mut() {
            Some(fields) => {
                fields.remove("text");
                fields.remove("fact").and_then(|fact| fact.as_str().map(str::to_owned))
            }
            None => None,
        };
        let chat_text = match row.chat_text {
            Some(sealed) if sees_chat => Some(keys.open_text(chat_place(visit, row.seq), &sealed)?),
            _ => None,
        };
        items.push(TimelineItem {
            seq: u64::try_from(row.seq).map_err(|_| Error::UnknownValue("visit_event.seq"))?,
            at: row.at,
            fact: fact.ok_or(Error::UnknownValue("visit_event.fact"))?,
            by_name,
            detail,
            chat_text,
        });
    }
    Ok(Pending(items))
}

/// Visits of all clinics in which something has happened and which are not over: their rooms are revived after a start.
///
/// # Errors
/// The database can't be reached.
pub async fn in_progress(records: &Records) -> Result<Vec<(ClinicId, VisitId)>, Error> {
    let mut all = Vec::new();
    for clinic in clinics::list(records).await? {
        let mut tx = records.begin(RequestContext::system("room", clinic.id, OffsetDateTime::now_utc())).await?;
        let rows = sqlx::query_scalar!(
            "SELECT visit_id FROM visit WHERE clinic_id = $1 AND last_seq > 0 AND state IN ('booked', 'checking_in', 'waiting', 'in_visit')
             ORDER BY visit_id",
            clinic.id.0,
        )
        .fetch_all(tx.connection()?)
        .await?;
        tx.commit(Pending(())).await?;
        all.extend(rows.into_iter().map(|visit| (clinic.id, VisitId(visit))));
    }
    Ok(all)
}

/// The host's seat.
///
/// # Errors
/// [`SeatError::Over`] if the visit ended or was cancelled.
pub async fn seat(tx: &mut Tx, may: &Authorized<TakeSeat>) -> Result<Pending<Identity>, SeatError> {
    let visit = tx.proved(may)?.0;
    let Actor::Staff { id, role, clinic } = tx.context().actor else {
        return Err(Error::Forbidden.into());
    };
    let row = sqlx::query!(
        r#"SELECT s.name, (v.state IN ('ended', 'cancelled', 'no_show') OR a.state = 'cancelled') AS "over!"
           FROM visit v JOIN appointment a USING (appointment_id) JOIN staff s ON s.staff_id = $2
           WHERE v.visit_id = $1"#,
        visit.0,
        id.0,
    )
    .fetch_one(tx.connection()?)
    .await
    .map_err(Error::from)?;
    if row.over {
        return Err(SeatError::Over);
    }
    Ok(Pending(Identity { clinic, visit, person: Person::Staff(id), role, name: row.name }))
}
