//! A day's visits, as the clinic's staff see them.

use time::{Date, OffsetDateTime};
use uuid::Uuid;
use visit::{AppointmentId, PatientId, StaffId, VisitId};

use crate::action::{Kind, ReadSchedule};
use crate::appointments::VisitType;
use crate::join_links::{self, LinkRow, LinkState};
use crate::notes::NoteState;
use crate::seal::Place;
use crate::visits::VisitState;
use crate::{Actor, Authorized, Error, Pending, Phi, Tx};

/// One day.
pub struct Day {
    /// In the clinic's time zone.
    pub date: Date,
    /// IANA name of that zone.
    pub time_zone: String,
    /// By start. A provider's own, those of patients assigned to the asker, those that the asker is asked into; everybody's for the other roles.
    pub items: Vec<DayItem>,
}

/// One slot of a day.
pub struct DayItem {
    /// The slot.
    pub appointment_id: AppointmentId,
    /// The visit.
    pub visit_id: VisitId,
    /// The patient.
    pub patient_id: PatientId,
    /// Their name.
    pub patient_name: Phi<String>,
    /// With whom.
    pub provider_id: StaffId,
    /// Their name.
    pub provider_name: String,
    /// From.
    pub starts_at: OffsetDateTime,
    /// To.
    pub ends_at: OffsetDateTime,
    /// How.
    pub visit_type: VisitType,
    /// Why; `None` for roles that may not know.
    pub reason: Option<Phi<String>>,
    /// Where the visit stands.
    pub state: VisitState,
    /// In the waiting room since.
    pub waiting_since: Option<OffsetDateTime>,
    /// Where the note stands.
    pub note_state: NoteState,
    /// Where the link stands.
    pub link_state: LinkState,
}

/// The slots of `date`, or of today in the clinic's time zone.
///
/// # Errors
/// The database can't be reached.
pub async fn day(tx: &mut Tx, may: &Authorized<ReadSchedule>, date: Option<Date>) -> Result<Pending<Day>, Error> {
    tx.proved(may)?;
    let Actor::Staff { id: staff, clinic, .. } = tx.context().actor else {
        return Err(Error::Forbidden);
    };
    let now = tx.context().at;
    let day = sqlx::query!(
        r#"SELECT d.day AS "day!", c.time_zone,
                  (d.day::timestamp AT TIME ZONE c.time_zone) AS "begins!", ((d.day + 1)::timestamp AT TIME ZONE c.time_zone) AS "ends!"
           FROM clinic c, LATERAL (SELECT coalesce($2::date, ($3::timestamptz AT TIME ZONE c.time_zone)::date) AS day) d
           WHERE c.clinic_id = $1"#,
        clinic.0,
        date,
        now,
    )
    .fetch_optional(tx.connection()?)
    .await?
    .ok_or(Error::NotFound)?;

    // Whose slots: NULL for everybody's.
    let only = (!tx.also(may, Kind::ReadWholeSchedule)).then_some(staff.0);
    let sees_reasons = tx.also(may, Kind::ReadReasons);
    let rows = sqlx::query!(
        r#"SELECT a.appointment_id, v.visit_id, a.patient_id AS sealed_for, p.patient_id, p.name AS patient_name, a.provider_id, s.name AS provider_name, a.starts_at, a.ends_at,
                  a.visit_type, a.reason, a.state AS appointment_state, v.state, v.waiting_since, n.state AS "note_state?",
                  l.revoked_at AS "link_revoked_at?", l.locked_at AS "link_locked_at?", l.expires_at AS "link_expires_at?"
           FROM appointment a
           JOIN visit v USING (appointment_id)
           JOIN patient p ON p.patient_id = patient_root(a.patient_id) AND p.destroyed_at IS NULL
           JOIN staff s ON s.staff_id = a.provider_id
           LEFT JOIN note n ON n.visit_id = v.visit_id
           LEFT JOIN LATERAL (SELECT k.revoked_at, k.locked_at, k.expires_at FROM join_link k WHERE k.appointment_id = a.appointment_id
                              ORDER BY k.revoked_at IS NULL DESC, k.created_at DESC LIMIT 1) l ON true
           WHERE a.clinic_id = $1 AND a.starts_at >= $2 AND a.starts_at < $3
             AND ($4::uuid IS NULL OR a.provider_id = $4
                  OR EXISTS (SELECT FROM care_assignment c WHERE c.staff_id = $4 AND c.patient_id IN (SELECT patient_family(a.patient_id))
                             AND c.from_at <= $5 AND (c.until_at IS NULL OR c.until_at > $5))
                  OR EXISTS (SELECT FROM visit_guest g WHERE g.staff_id = $4 AND g.visit_id = v.visit_id AND g.ended_at IS NULL AND g.expires_at > $5))
           ORDER BY a.starts_at, a.appointment_id"#,
        clinic.0,
        day.begins,
        day.ends,
        only,
        now,
    )
    .fetch_all(tx.connection()?)
    .await?;
    let patients: Vec<Uuid> = rows.iter().map(|row| row.patient_id).collect();
    let sealed_for: Vec<Uuid> = rows.iter().map(|row| row.sealed_for).collect();
    tx.load_patient_keys(&patients).await?;
    tx.load_patient_keys(&sealed_for).await?;

    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        let keys = tx.known_keys(row.patient_id)?;
        let reason = sees_reasons
            .then(|| {
                let keys = tx.known_keys(row.sealed_for)?;
                keys.open_text(Place::new("appointment.reason", row.appointment_id), &row.reason)
            })
            .transpose()?;
        let state =
            if row.appointment_state == "cancelled" { VisitState::Cancelled } else { VisitState::parse(&row.state)? };
        let link = row.link_expires_at.map(|expires_at| LinkRow {
            revoked_at: row.link_revoked_at,
            locked_at: row.link_locked_at,
            expires_at,
        });
        items.push(DayItem {
            appointment_id: AppointmentId(row.appointment_id),
            visit_id: VisitId(row.visit_id),
            patient_id: PatientId(row.patient_id),
            patient_name: keys.open_text(Place::new("patient.name", row.patient_id), &row.patient_name)?,
            provider_id: StaffId(row.provider_id),
            provider_name: row.provider_name,
            starts_at: row.starts_at,
            ends_at: row.ends_at,
            visit_type: VisitType::parse(&row.visit_type)?,
            reason,
            state,
            waiting_since: row.waiting_since,
            note_state: row.note_state.as_deref().map_or(Ok(NoteState::None), NoteState::parse)?,
            link_state: join_links::state(link.as_ref(), now),
        });
    }
    if let Some(entry) = tx.last_logged() {
        entry.patients = patients;
    }
    Ok(Pending(Day { date: day.day, time_zone: day.time_zone, items }))
}
