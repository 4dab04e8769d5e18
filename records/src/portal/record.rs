//! What the portal's pages show of one patient: visits, consents, who looked.

use time::OffsetDateTime;
use uuid::Uuid;
use visit::{AppointmentId, PatientId, VisitId};

use super::PortalSession;
use crate::action::{JoinFromPortal, ReadOwnViewers, ReadPortal};
use crate::appointments::VisitType;
use crate::join_links::{self, CLOSES_AFTER, IssuedLink, OPENS_BEFORE};
use crate::seal::Place;
use crate::visits::VisitState;
use crate::{Authorized, Error, Origin, Pending, Phi, Records, Tx, outbox};

/// Visits that a page shows.
const VISITS: i64 = 100;
/// Rows of the access history on a page.
const PAGE: i64 = 50;

/// Somebody whose record can be chosen.
pub struct Whose {
    /// Who.
    pub patient: PatientId,
    /// Name.
    pub name: Phi<String>,
    /// It is the one who is signed in.
    pub oneself: bool,
}

/// Whose records the session may show: one's own, then the wards'. Each is authorized and logged.
///
/// # Errors
/// The database can't be reached.
pub async fn people(
    records: &Records,
    session: &PortalSession,
    origin: &Origin,
    now: OffsetDateTime,
) -> Result<Vec<Whose>, Error> {
    let mut ids: Vec<Uuid> = session.patient.iter().map(|patient| patient.0).collect();
    if let Some(guardian) = session.guardian {
        let mut tx = records.begin(session.context(origin, now)).await?;
        let wards = sqlx::query_scalar!(
            "SELECT DISTINCT patient_id FROM guardianship WHERE guardian_id = $1 AND clinic_id = current_clinic() AND scope = 'record'
               AND from_at <= $2 AND (until_at IS NULL OR until_at > $2) ORDER BY patient_id",
            guardian.0,
            now,
        )
        .fetch_all(tx.connection()?)
        .await?;
        tx.commit(Pending(())).await?;
        ids.extend(wards.into_iter().filter(|ward| session.patient.is_none_or(|patient| patient.0 != *ward)));
    }
    let mut people = Vec::with_capacity(ids.len());
    for patient in ids.into_iter().map(PatientId) {
        let mut tx = records.begin(session.context_for(patient, origin, now)).await?;
        tx.authorize(ReadPortal(patient)).await?;
        let sealed = sqlx::query_scalar!("SELECT name FROM patient WHERE patient_id = $1", patient.0)
            .fetch_one(tx.connection()?)
            .await?;
        let name = tx.patient_keys(patient).await?.open_text(Place::new("patient.name", patient.0), &sealed)?;
        let whose = Whose { patient, name, oneself: session.patient == Some(patient) };
        people.push(tx.commit(Pending(whose)).await?);
    }
    Ok(people)
}

/// A visit, to come or past.
pub struct PortalVisit {
    /// Which.
    pub visit: VisitId,
    /// Slot begins.
    pub starts_at: OffsetDateTime,
    /// Slot ends.
    pub ends_at: OffsetDateTime,
    /// How.
    pub visit_type: VisitType,
    /// Where it stands; a cancelled slot's is `cancelled`.
    pub state: VisitState,
    /// With whom.
    pub provider: String,
    /// There is a signed note to read.
    pub has_note: bool,
    /// There is a recording to play, and the clinic lets patients play them.
    pub has_recording: bool,
    /// The waiting room can be entered now.
    pub can_join: bool,
    /// When it can be.
    pub joinable_from: OffsetDateTime,
}

/// The patient's visits, latest first.
///
/// # Errors
/// The database can't be reached.
pub async fn visits(tx: &mut Tx, may: &Authorized<ReadPortal>) -> Result<Pending<Vec<PortalVisit>>, Error> {
    let patient = tx.proved(may)?.0;
    let at = tx.context().at;
    let rows = sqlx::query!(
        r#"SELECT v.visit_id, a.starts_at, a.ends_at, a.visit_type, a.state AS appointment, v.state, s.name AS provider,
                  EXISTS (SELECT FROM note n WHERE n.visit_id = v.visit_id AND n.state = 'signed') AS "has_note!",
                  c.shares_recordings AND EXISTS (SELECT FROM recording r WHERE r.visit_id = v.visit_id AND r.state = 'ready') AS "has_recording!"
           FROM visit v JOIN appointment a USING (appointment_id) JOIN staff s ON s.staff_id = a.provider_id JOIN clinic c ON c.clinic_id = v.clinic_id
           WHERE v.patient_id = $1 AND v.clinic_id = current_clinic() ORDER BY a.starts_at DESC, v.visit_id LIMIT $2"#,
        patient.0,
        VISITS,
    )
    .fetch_all(tx.connection()?)
    .await?;
    let mut visits = Vec::with_capacity(rows.len());
    for row in rows {
        let visit_type = VisitType::parse(&row.visit_type)?;
        let state = if row.appointment == "cancelled" { VisitState::Cancelled } else { VisitState::parse(&row.state)? };
        let over = matches!(state, VisitState::Ended | VisitState::Cancelled | VisitState::NoShow);
        visits.push(PortalVisit {
            visit: VisitId(row.visit_id),
            starts_at: row.starts_at,
            ends_at: row.ends_at,
            visit_type,
            state,
            provider: row.provider,
            has_note: row.has_note,
            has_recording: row.has_recording,
            can_join: visit_type == VisitType::Video && !over && open_at(row.starts_at, at),
            joinable_from: row.starts_at - OPENS_BEFORE,
        });
    }
    Ok(Pending(visits))
}

fn open_at(starts_at: OffsetDateTime, now: OffsetDateTime) -> bool {
    starts_at - OPENS_BEFORE <= now && now < starts_at + CLOSES_AFTER
}

/// A fresh link to a visit that can be entered now. It replaces the one that was mailed, and is mailed as well.
///
/// # Errors
/// [`Error::NotFound`] if it is too early, too late, or no video visit.
pub async fn join(tx: &mut Tx, may: &Authorized<JoinFromPortal>) -> Result<Pending<IssuedLink>, Error> {
    let visit = tx.proved(may)?.0;
    let at = tx.context().at;
    let row = sqlx::query!(
        "SELECT a.appointment_id, a.patient_id, a.starts_at FROM visit v JOIN appointment a USING (appointment_id)
         WHERE v.visit_id = $1 AND a.state <> 'cancelled' AND v.state NOT IN ('ended', 'cancelled', 'no_show') AND a.visit_type = 'video' FOR UPDATE OF a",
        visit.0,
    )
    .fetch_optional(tx.connection()?)
    .await?
    .filter(|row| open_at(row.starts_at, at))
    .ok_or(Error::NotFound)?;
    let (appointment, patient) = (AppointmentId(row.appointment_id), PatientId(row.patient_id));
    join_links::withdraw(tx, appointment).await?;
    let link = join_links::insert(tx, appointment, visit, patient, row.starts_at).await?;
    outbox::visit_link(tx, patient, appointment, &link).await?;
    Ok(Pending(link))
}

/// A decision on a text.
pub struct GivenConsent {
    /// On what.
    pub kind: String,
    /// How it was decided.
    pub decision: String,
    /// The text's title.
    pub title: Option<String>,
    /// Its version.
    pub version: String,
    /// When.
    pub at: OffsetDateTime,
}

/// The patient's decisions, latest first.
///
/// # Errors
/// The database can't be reached.
pub async fn consents(tx: &mut Tx, may: &Authorized<ReadPortal>) -> Result<Pending<Vec<GivenConsent>>, Error> {
    let patient = tx.proved(may)?.0;
    let rows = sqlx::query_as!(
        GivenConsent,
        r#"SELECT c.kind, c.decision, t.title AS "title?", c.text_version AS version, c.at
           FROM consent c LEFT JOIN consent_text t ON t.kind = c.kind AND t.version = c.text_version AND t.lang = c.lang
           WHERE c.patient_id = $1 AND c.clinic_id = current_clinic() ORDER BY c.at DESC, c.consent_id LIMIT 200"#,
        patient.0,
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok(Pending(rows))
}

/// Somebody looked at the record, or changed it.
pub struct Access {
    /// When.
    pub at: OffsetDateTime,
    /// Name; `None` for guests and for the server itself.
    pub who: Option<String>,
    /// Role then.
    pub role: String,
    /// What, as the audit log calls it.
    pub action: String,
}

/// One page of the access history.
pub struct AccessPage {
    /// Latest first.
    pub items: Vec<Access>,
    /// Hand this in for the next page; `None` on the last one.
    pub next_cursor: Option<String>,
}

/// Everybody but the patient who looked at the record or changed it, from the audit log. No ids.
///
/// # Errors
/// [`HistoryError::BadCursor`]; the database can't be reached.
pub async fn accesses(
    tx: &mut Tx,
    may: &Authorized<ReadOwnViewers>,
    cursor: Option<&str>,
) -> Result<Pending<AccessPage>, HistoryError> {
    let patient = tx.proved(may)?.0;
    let before: i64 = match cursor {
        None => i64::MAX,
        Some(cursor) => cursor.parse().map_err(|_| HistoryError::BadCursor)?,
    };
    let rows = sqlx::query!(
        r#"SELECT e.seq, e.at, e.actor_role, e.action, s.name AS "staff?", g.guardian_id AS "guardian?", g.name AS "guardian_name?",
                  v.visit_guest_id AS "guest?", v.name AS "guest_name?"
           FROM audit_event e LEFT JOIN staff s ON s.staff_id = e.actor_id LEFT JOIN guardian g ON g.guardian_id = e.actor_id
                LEFT JOIN visit_guest v ON v.visit_guest_id = e.actor_id AND v.patient_id = $2
           WHERE e.clinic_id = current_clinic() AND e.seq < $1 AND (e.patient_id = $2 OR e.patient_ids @> ARRAY[$2])
             AND e.outcome = 'allowed' AND e.actor_kind IN ('staff', 'guardian', 'guest')
           ORDER BY e.seq DESC LIMIT $3"#,
        before,
        patient.0,
        PAGE + 1,
    )
    .fetch_all(tx.connection()?)
    .await
    .map_err(Error::from)?;
    let more = rows.len() > PAGE as usize;
    let keys = tx.clinic_keys().await?;
    let own = tx.patient_keys(patient).await?;
    let mut items = Vec::new();
    let mut last = None;
    for row in rows.into_iter().take(PAGE as usize) {
        last = Some(row.seq);
        let guardian = match (row.guardian, row.guardian_name) {
            (Some(id), Some(sealed)) => Some(keys.open_text(Place::new("guardian.name", id), &sealed)?),
            _ => None,
        };
        let guest = match (row.guest, row.guest_name) {
            (Some(id), Some(sealed)) => Some(own.open_text(Place::new("visit_guest.name", id), &sealed)?),
            _ => None,
        };
        let who = row.staff.or_else(|| guardian.or(guest).map(|name| name.expose().clone()));
        items.push(Access { at: row.at, who, role: row.actor_role, action: row.action });
    }
    let next_cursor = last.filter(|_| more).map(|seq| seq.to_string());
    Ok(Pending(AccessPage { items, next_cursor }))
}

/// The history was not read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The cursor is not one that a page gave.
    #[error("this cursor is not one of ours; begin again without one")]
    BadCursor,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
