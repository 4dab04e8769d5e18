//! What happened in visits, as the room machine says it: stored before its effect, and read to rebuild a room.

use sqlx::postgres::types::PgInterval;
use time::OffsetDateTime;
use uuid::Uuid;
use visit::fact::{LeaveReason, StopReason};
use visit::{ClinicId, Fact, GuestId, Now, ParticipantId, PatientId, Person, RecordingId, Role, StaffId, VisitId};

use crate::action::Resource;
use crate::audit::Entry;
use crate::consents::TextKind;
use crate::queue::PLACE_KEPT;
use crate::seal::Place;
use crate::{Actor, Error, Origin, Pending, Phi, Records, RequestContext, Tx};

/// One stored fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFact {
    /// From 1, without gaps, per visit.
    pub seq: u64,
    /// When it happened.
    pub at: Now,
    /// What.
    pub fact: Fact,
    /// Who did it; `None` for the server's own.
    pub by: Option<Person>,
}

/// Stores one fact durably, in a transaction of its own, with all that follows from it: the visit's state and times,
/// consents, the recording's row, the audit log. When this returns `Ok`, it survives a crash.
///
/// # Errors
/// See [`AppendError`].
pub async fn append(
    records: &Records,
    clinic: ClinicId,
    visit: VisitId,
    seq: u64,
    at: Now,
    fact: &Fact,
    by: Option<Person>,
) -> Result<(), AppendError> {
    let conflict = AppendError::SeqConflict { seq };
    let Ok(stored_seq) = i64::try_from(seq) else {
        return Err(conflict);
    };
    let moment = moment(at)?;
    let mut tx = records.begin(RequestContext::system("room", clinic, moment)).await?;

    // Takes the visit's row, so that facts of one visit are stored one after the other.
    let by_seat = by.map(|person| ParticipantId::of(visit, person).0);
    let row = sqlx::query!(
        r#"SELECT v.patient_id, v.last_seq,
                  (SELECT s.role FROM visit_participant s WHERE s.visit_id = v.visit_id AND s.participant_id = $2) AS role
           FROM visit v WHERE v.visit_id = $1 FOR UPDATE"#,
        visit.0,
        by_seat,
    )
    .fetch_optional(tx.connection()?)
    .await
    .map_err(Error::from)?
    .ok_or(Error::NotFound)?;
    if row.last_seq + 1 != stored_seq {
        return Err(conflict);
    }
    let patient = PatientId(row.patient_id);
    let role = match fact {
        Fact::Joined { role, .. } => Some(*role),
        _ => row.role.as_deref().and_then(Role::parse),
    };
    tx.act_as(actor(by, role, visit, clinic), Origin::default());

    let (json, text) = split(fact)?;
    let chat_text = match &text {
        Some(text) => Some(tx.patient_keys(patient).await?.seal_text(chat_place(visit, stored_seq), text)?),
        None => None,
    };
    let by_columns = Columns::of(by);
    sqlx::query!(
        "INSERT INTO visit_event (visit_id, seq, clinic_id, at, fact, chat_text, by_staff, by_patient, by_guest)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        visit.0,
        stored_seq,
        clinic.0,
        moment,
        json,
        chat_text,
        by_columns.staff,
        by_columns.patient,
        by_columns.guest,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    move_visit(&mut tx, visit, patient, stored_seq, fact).await?;
    follow(&mut tx, visit, patient, fact).await?;

    let (action, resource) = audited(fact, visit);
    tx.log(Entry { patient: Some(patient), detail: Some(json), ..Entry::new(action, resource) });
    tx.commit(Pending(())).await?;
    Ok(())
}

/// All facts of a visit, in order; empty if nothing has happened.
///
/// # Errors
/// [`Error::NotFound`] if the clinic has no such visit; a chat text does not open.
pub async fn load(records: &Records, clinic: ClinicId, visit: VisitId) -> Result<Vec<StoredFact>, Error> {
    let mut tx = records.begin(RequestContext::system("room", clinic, OffsetDateTime::now_utc())).await?;
    let patient = sqlx::query_scalar!("SELECT patient_id FROM visit WHERE visit_id = $1", visit.0)
        .fetch_optional(tx.connection()?)
        .await?
        .ok_or(Error::NotFound)?;
    let rows = sqlx::query!(
        "SELECT seq, at, fact, chat_text, by_staff, by_patient, by_guest FROM visit_event WHERE visit_id = $1 ORDER BY seq",
        visit.0
    )
    .fetch_all(tx.connection()?)
    .await?;
    let mut facts = Vec::with_capacity(rows.len());
    for row in rows {
        let mut fact: Fact = serde_json::from_value(row.fact).map_err(|_| Error::UnknownValue("visit_event.fact"))?;
        if let (Fact::ChatPosted { text, .. }, Some(sealed)) = (&mut fact, &row.chat_text) {
            let keys = tx.patient_keys(PatientId(patient)).await?;
            text.clone_from(keys.open_text(chat_place(visit, row.seq), sealed)?.expose());
        }
        let by = row
            .by_staff
            .map(|id| Person::Staff(StaffId(id)))
            .or(row.by_patient.map(|id| Person::Patient(PatientId(id))))
            .or(row.by_guest.map(|id| Person::Guest(GuestId(id))));
        let at = i64::try_from(row.at.unix_timestamp_nanos() / 1_000_000)
            .map_err(|_| Error::UnknownValue("visit_event.at"))?;
        facts.push(StoredFact {
            seq: u64::try_from(row.seq).map_err(|_| Error::UnknownValue("visit_event.seq"))?,
            at: Now(at),
            fact,
            by,
        });
    }
    if !facts.is_empty() {
        tx.log(Entry { patient: Some(PatientId(patient)), ..Entry::new("visit.rebuilt", Resource::Visit(visit)) });
    }
    tx.commit(Pending(facts)).await
}

/// Where the text of a chat line is sealed.
pub(crate) fn chat_place(visit: VisitId, seq: i64) -> Place {
    Place::part("visit_event.chat_text", visit.0, seq)
}

/// Milliseconds since the epoch as a timestamp.
pub(crate) fn moment(at: Now) -> Result<OffsetDateTime, Error> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.0) * 1_000_000).map_err(|_| Error::UnknownValue("time"))
}

/// The columns of a row that name a person: one of them, or none.
#[derive(Default)]
struct Columns {
    staff: Option<Uuid>,
    patient: Option<Uuid>,
    guest: Option<Uuid>,
}

impl Columns {
    fn of(person: Option<Person>) -> Self {
        match person {
            Some(Person::Staff(id)) => Self { staff: Some(id.0), ..Self::default() },
            Some(Person::Patient(id)) => Self { patient: Some(id.0), ..Self::default() },
            Some(Person::Guest(id)) => Self { guest: Some(id.0), ..Self::default() },
            None => Self::default(),
        }
    }
}

/// Who is logged as having done it. Staff and guests without a seat (their role is not known) are logged as the room.
fn actor(by: Option<Person>, role: Option<Role>, visit: VisitId, clinic: ClinicId) -> Actor {
    match (by, role) {
        (Some(Person::Staff(id)), Some(role)) => Actor::Staff { id, role, clinic },
        (Some(Person::Guest(id)), Some(role)) => Actor::Guest { id, role, visit, clinic },
        (Some(Person::Patient(id)), _) => Actor::Patient { id, visit, clinic },
        _ => Actor::System { job: "room", clinic },
    }
}

/// The fact for the row, and apart from it the words that only the patient's key may open.
fn split(fact: &Fact) -> Result<(serde_json::Value, Option<Phi<String>>), Error> {
    let (bare, text) = match fact {
        Fact::ChatPosted { id, participant, text } => (
            Fact::ChatPosted { id: *id, participant: *participant, text: String::new() },
            Some(Phi::from(text.as_str())),
        ),
        other => (other.clone(), None),
    };
    let json = serde_json::to_value(bare).map_err(|_| Error::UnknownValue("visit_event.fact"))?;
    Ok((json, text))
}

/// Moves the visit on. It follows the patient, not the hosts or guests.
async fn move_visit(tx: &mut Tx, visit: VisitId, patient: PatientId, seq: i64, fact: &Fact) -> Result<(), Error> {
    let patients_seat = ParticipantId::of(visit, Person::Patient(patient));
    let step = match fact {
        Fact::Waiting { participant } | Fact::ReturnedToWaiting { participant, .. }
            if *participant == patients_seat =>
        {
            "wait"
        }
        Fact::Admitted { participant, .. } if *participant == patients_seat => "admit",
        Fact::Left { participant, why } if *participant == patients_seat && *why != LeaveReason::VisitEnded => "leave",
        Fact::Ended { .. } => "end",
        _ => "stay",
    };
    let at = tx.context().at;
    let kept = PgInterval::try_from(PLACE_KEPT).map_err(|_| Error::UnknownValue("time"))?;
    sqlx::query!(
        "UPDATE visit SET last_seq = $2,
             state = CASE WHEN $3 = 'wait' THEN 'waiting' WHEN $3 = 'admit' THEN 'in_visit' WHEN $3 = 'end' THEN 'ended'
                          WHEN $3 = 'leave' AND state = 'waiting' THEN 'checking_in' ELSE state END,
             waiting_since = CASE WHEN $3 = 'wait' AND line_left_at > $4::timestamptz - $5::interval THEN coalesce(line_since, $4)
                                  WHEN $3 = 'wait' THEN $4 WHEN $3 = 'stay' THEN waiting_since END,
             line_since = CASE WHEN $3 = 'leave' AND state = 'waiting' THEN waiting_since WHEN $3 IN ('leave', 'stay') THEN line_since END,
             line_left_at = CASE WHEN $3 = 'leave' AND state = 'waiting' THEN $4 WHEN $3 IN ('leave', 'stay') THEN line_left_at END,
             held_since = CASE WHEN $3 IN ('admit', 'end') THEN NULL ELSE held_since END,
             hold_words = CASE WHEN $3 IN ('admit', 'end') THEN NULL ELSE hold_words END,
             queue_version = queue_version + CASE WHEN $3 = 'stay' THEN 0 ELSE 1 END,
             started_at = CASE WHEN $3 = 'admit' THEN coalesce(started_at, $4) ELSE started_at END,
             ended_at = CASE WHEN $3 = 'end' THEN $4 ELSE ended_at END
         WHERE visit_id = $1",
        visit.0,
        seq,
        step,
        at,
        kept,
    )
    .execute(tx.connection()?)
    .await?;
    Ok(())
}

/// Writes the rows that stand for this fact elsewhere.
async fn follow(tx: &mut Tx, visit: VisitId, patient: PatientId, fact: &Fact) -> Result<(), Error> {
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    match fact {
        Fact::Joined { participant, person, role } => {
            let columns = Columns::of(Some(*person));
            sqlx::query!(
                "INSERT INTO visit_participant (visit_id, participant_id, clinic_id, role, staff_id, patient_id, visit_guest_id, joined_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
                visit.0,
                participant.0,
                clinic,
                role.as_str(),
                columns.staff,
                columns.patient,
                columns.guest,
                at,
            )
            .execute(tx.connection()?)
            .await?;
        }
        Fact::RecordingAllowed { recording, participant, text_version } => {
            consent(tx, visit, *recording, *participant, "accepted", Some(text_version)).await?;
        }
        Fact::RecordingRefused { recording, participant, text_version } => {
            consent(tx, visit, *recording, *participant, "refused", Some(text_version)).await?;
        }
        Fact::RecordingWithdrawn { recording, participant } => {
            consent(tx, visit, *recording, *participant, "withdrawn", None).await?;
        }
        Fact::RecordingStarted { recording } => {
            sqlx::query!(
                "INSERT INTO recording (recording_id, clinic_id, visit_id, patient_id, state, started_at) VALUES ($1, $2, $3, $4, 'capturing', $5)",
                recording.0,
                clinic,
                visit.0,
                patient.0,
                at,
            )
            .execute(tx.connection()?)
            .await?;
        }
        Fact::RecordingStopped { recording, why } => {
            sqlx::query!(
                "UPDATE recording SET stopped_at = $2, stop_reason = $3 WHERE recording_id = $1 AND stopped_at IS NULL",
                recording.0,
                at,
                stop_word(*why),
            )
            .execute(tx.connection()?)
            .await?;
        }
        _ => {}
    }
    Ok(())
}

/// An answer to the recording question. One who withdraws has read the text that they once allowed.
async fn consent(
    tx: &mut Tx,
    visit: VisitId,
    recording: RecordingId,
    participant: ParticipantId,
    decision: &str,
    text_version: Option<&String>,
) -> Result<(), Error> {
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    let stored = sqlx::query!(
        "INSERT INTO consent (consent_id, clinic_id, visit_id, kind, decision, patient_id, staff_id, visit_guest_id, recording_id, text_version, lang, at)
         SELECT $1, $2, $3, $4, $5, s.patient_id, s.staff_id, s.visit_guest_id, $6,
                coalesce($7, (SELECT c.text_version FROM consent c WHERE c.recording_id = $6 AND c.visit_id = $3
                              AND (c.patient_id = s.patient_id OR c.staff_id = s.staff_id OR c.visit_guest_id = s.visit_guest_id) ORDER BY c.at DESC LIMIT 1), 'unknown'), 'und', $8
         FROM visit_participant s WHERE s.visit_id = $3 AND s.participant_id = $9",
        Uuid::now_v7(),
        clinic,
        visit.0,
        TextKind::Recording.as_str(),
        decision,
        recording.0,
        text_version,
        at,
        participant.0,
    )
    .execute(tx.connection()?)
    .await?;
    // An answer of somebody who never took a seat can't be evidence of anything.
    if stored.rows_affected() == 1 { Ok(()) } else { Err(Error::NotFound) }
}

fn stop_word(why: StopReason) -> &'static str {
    match why {
        StopReason::Stopped => "stopped",
        StopReason::Refused => "refused",
        StopReason::Withdrawn => "withdrawn",
        StopReason::VisitEnded => "visit_ended",
        StopReason::Failed => "failed",
        StopReason::Interrupted => "interrupted",
    }
}

/// How a fact stands in the audit log.
fn audited(fact: &Fact, visit: VisitId) -> (&'static str, Resource) {
    let on_visit = Resource::Visit(visit);
    match fact {
        Fact::Joined { .. } => ("visit.joined", on_visit),
        Fact::Waiting { .. } => ("visit.waiting", on_visit),
        Fact::Admitted { .. } => ("visit.admitted", on_visit),
        Fact::ReturnedToWaiting { .. } => ("visit.returned_to_waiting", on_visit),
        Fact::Left { .. } => ("visit.left", on_visit),
        Fact::RecordingAsked { recording, .. } => ("recording.asked", Resource::Recording(*recording)),
        Fact::RecordingAllowed { recording, .. } => ("recording.allowed", Resource::Recording(*recording)),
        Fact::RecordingRefused { recording, .. } => ("recording.refused", Resource::Recording(*recording)),
        Fact::RecordingWithdrawn { recording, .. } => ("recording.withdrawn", Resource::Recording(*recording)),
        Fact::RecordingStarted { recording } => ("recording.started", Resource::Recording(*recording)),
        Fact::RecordingPaused { recording, .. } => ("recording.paused", Resource::Recording(*recording)),
        Fact::RecordingResumed { recording } => ("recording.resumed", Resource::Recording(*recording)),
        Fact::RecordingStopped { recording, .. } => ("recording.stopped", Resource::Recording(*recording)),
        Fact::ChatPosted { .. } => ("chat.posted", on_visit),
        Fact::Ended { .. } => ("visit.ended", on_visit),
    }
}

/// A fact was not stored.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The sequence number is taken, or leaves a gap: another node runs this room, or it was rebuilt from too little.
    #[error("fact {seq} does not follow the last one stored; rebuild the room from its facts")]
    SeqConflict {
        /// The number that was refused.
        seq: u64,
    },
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
