//! A guest's way in: the link, a name, the consent, the seat. The holder of the link is the guest: it is for one person and
//! one visit, and whoever comes by it waits until a host lets them in.

use time::OffsetDateTime;
use uuid::Uuid;
use visit::room::Identity;
use visit::{ClinicId, GuestId, PatientId, Person, Role, VisitId};

use crate::action::{Attend, Resource};
use crate::audit::Entry;
use crate::consents::{self, TextKind};
use crate::join::{ConsentError, GivenConsent, SeatError};
use crate::seal::Place;
use crate::sessions::longest_life;
use crate::token::{hash_token, well_formed};
use crate::visits::VisitState;
use crate::{Actor, Authorized, Error, Origin, Pending, Phi, Records, RequestContext, SessionToken, Tx};

/// What an invitation shows before its guest has come in.
pub struct InvitationPage {
    /// The clinic's name.
    pub clinic_name: String,
    /// Whom to call.
    pub clinic_phone: String,
    /// As what.
    pub role: Role,
    /// The name that was given with the invitation.
    pub name: Phi<String>,
}

/// How far a guest has come. Says nothing of the patient.
pub struct GuestProgress {
    /// The visit.
    pub visit_id: VisitId,
    /// Shown name.
    pub name: Phi<String>,
    /// As what.
    pub role: Role,
    /// Who holds the visit.
    pub provider_name: String,
    /// The clinic.
    pub clinic_name: String,
    /// Whom to call.
    pub clinic_phone: String,
    /// Slot begins.
    pub starts_at: OffsetDateTime,
    /// Slot ends.
    pub ends_at: OffsetDateTime,
    /// Given for this visit.
    pub consent: Option<GivenConsent>,
    /// Where the visit stands.
    pub visit_state: VisitState,
}

/// Somebody who came by a good link.
pub struct Arrived {
    /// For the cookie.
    pub token: SessionToken,
    /// How far they have come.
    pub progress: GuestProgress,
}

/// What a link shows; `None` if it can't be used (unknown, revoked, expired, too early: all alike). Uses nothing up.
///
/// # Errors
/// The database can't be reached.
pub async fn open(records: &Records, token: &str, now: OffsetDateTime) -> Result<Option<InvitationPage>, Error> {
    let Some(link) = find(records, token, now).await? else { return Ok(None) };
    let mut tx = records.begin(RequestContext::system("link", link.clinic, now)).await?;
    let row = sqlx::query!(
        "SELECT c.name AS clinic, c.phone, g.name FROM visit_guest g JOIN clinic c USING (clinic_id) WHERE g.visit_guest_id = $1",
        link.guest.0
    )
    .fetch_one(tx.connection()?)
    .await?;
    let keys = tx.patient_keys(link.patient).await?;
    let name = keys.open_text(Place::new("visit_guest.name", link.guest.0), &row.name)?;
    let page = InvitationPage { clinic_name: row.clinic, clinic_phone: row.phone, role: link.role, name };
    tx.commit(Pending(Some(page))).await
}

/// Begins a session for this one visit, under the name that the guest gives. `None`: the link can't be used.
///
/// # Errors
/// The database can't be reached.
pub async fn arrive(
    records: &Records,
    origin: &Origin,
    token: &str,
    name: &Phi<String>,
    now: OffsetDateTime,
) -> Result<Option<Arrived>, Error> {
    let Some(link) = find(records, token, now).await? else { return Ok(None) };
    let actor = Actor::Guest { id: link.guest, role: link.role, visit: link.visit, clinic: link.clinic };
    let mut tx =
        records.begin(RequestContext { actor, at: now, origin: origin.clone(), second_factor_at: None }).await?;
    let sealed = tx.patient_keys(link.patient).await?.seal_text(Place::new("visit_guest.name", link.guest.0), name)?;
    // Once more under a lock: it may have been taken back since it was found.
    let still = sqlx::query!(
        "UPDATE visit_guest SET name = $3, opened_at = coalesce(opened_at, $2)
         WHERE visit_guest_id = $1 AND clinic_id = current_clinic() AND ended_at IS NULL AND opens_at <= $2 AND expires_at > $2",
        link.guest.0,
        now,
        sealed,
    )
    .execute(tx.connection()?)
    .await?;
    if still.rows_affected() == 0 {
        return Ok(None);
    }
    let session = SessionToken::generate();
    sqlx::query!(
        "INSERT INTO session (token_hash, clinic_id, kind, visit_id, visit_guest_id, created_at, last_seen_at, expires_at)
         VALUES ($1, $2, 'guest', $3, $4, $5, $5, $6)",
        &session.hash()[..],
        link.clinic.0,
        link.visit.0,
        link.guest.0,
        now,
        link.expires_at.min(now + longest_life(link.role)),
    )
    .execute(tx.connection()?)
    .await?;
    tx.log(entry("guest.opened", link.visit, link.patient, serde_json::json!({ "guest": link.guest.0 })));
    let progress = read(&mut tx, link.visit, link.guest, link.patient).await?;
    tx.commit(Pending(Some(Arrived { token: session, progress }))).await
}

/// How far the guest has come.
///
/// # Errors
/// The database can't be reached.
pub async fn progress(tx: &mut Tx, may: &Authorized<Attend>) -> Result<Pending<GuestProgress>, Error> {
    let visit = tx.proved(may)?.0;
    let (guest, patient) = who(tx, may)?;
    read(tx, visit, guest, patient).await.map(Pending)
}

/// Stores the guest's consent, if `text_version` is still the current text and there is one in `lang`.
///
/// # Errors
/// [`ConsentError::TextChanged`]: show the current text and ask again.
pub async fn consent(
    tx: &mut Tx,
    may: &Authorized<Attend>,
    text_version: &str,
    lang: &str,
) -> Result<Pending<()>, ConsentError> {
    let visit = tx.proved(may)?.0;
    let (guest, patient) = who(tx, may)?;
    if !consents::is_current(tx, TextKind::Guest, text_version, lang).await? {
        return Err(ConsentError::TextChanged);
    }
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    sqlx::query!(
        "INSERT INTO consent (consent_id, clinic_id, visit_id, kind, decision, visit_guest_id, text_version, lang, at)
         VALUES ($1, $2, $3, $4, 'accepted', $5, $6, $7, $8)",
        Uuid::now_v7(),
        clinic,
        visit.0,
        TextKind::Guest.as_str(),
        guest.0,
        text_version,
        lang,
        at,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    let detail = serde_json::json!({ "guest": guest.0, "text_version": text_version, "lang": lang });
    tx.logged_as(entry("guest.consented", visit, patient, detail));
    Ok(Pending(()))
}

/// The guest's seat, once the consent is there.
///
/// # Errors
/// See [`SeatError`].
pub async fn seat(tx: &mut Tx, may: &Authorized<Attend>) -> Result<Pending<Identity>, SeatError> {
    let visit = tx.proved(may)?.0;
    let (guest, patient) = who(tx, may)?;
    let clinic = tx.context().actor.clinic();
    let state = read(tx, visit, guest, patient).await?;
    if matches!(state.visit_state, VisitState::Ended | VisitState::Cancelled | VisitState::NoShow) {
        return Err(SeatError::Over);
    }
    if state.consent.is_none() {
        return Err(SeatError::Incomplete);
    }
    let (person, role, name) = (Person::Guest(guest), state.role, state.name.expose().clone());
    Ok(Pending(Identity { clinic, visit, person, role, name }))
}

fn who(tx: &Tx, may: &Authorized<Attend>) -> Result<(GuestId, PatientId), Error> {
    match tx.context().actor {
        Actor::Guest { id, .. } => Ok((id, may.patient().ok_or(Error::NotFound)?)),
        _ => Err(Error::Forbidden),
    }
}

fn entry(action: &'static str, visit: VisitId, patient: PatientId, detail: serde_json::Value) -> Entry {
    Entry { patient: Some(patient), detail: Some(detail), ..Entry::new(action, Resource::Visit(visit)) }
}

async fn read(tx: &mut Tx, visit: VisitId, guest: GuestId, patient: PatientId) -> Result<GuestProgress, Error> {
    let row = sqlx::query!(
        r#"SELECT g.name, g.role, a.starts_at, a.ends_at, a.state AS appointment_state, v.state, s.name AS provider, c.name AS clinic, c.phone,
                  k.text_version AS "consent_version?", k.at AS "consent_at?"
           FROM visit_guest g JOIN visit v USING (visit_id) JOIN appointment a USING (appointment_id)
           JOIN staff s ON s.staff_id = a.provider_id JOIN clinic c ON c.clinic_id = v.clinic_id
           LEFT JOIN LATERAL (SELECT t.text_version, t.at FROM consent t
                              WHERE t.visit_guest_id = g.visit_guest_id AND t.kind = 'guest_consent' AND t.decision = 'accepted'
                              ORDER BY t.at DESC LIMIT 1) k ON true
           WHERE g.visit_guest_id = $1 AND g.visit_id = $2"#,
        guest.0,
        visit.0,
    )
    .fetch_optional(tx.connection()?)
    .await?
    .ok_or(Error::NotFound)?;
    let keys = tx.patient_keys(patient).await?;
    let cancelled = row.appointment_state == "cancelled";
    Ok(GuestProgress {
        visit_id: visit,
        name: keys.open_text(Place::new("visit_guest.name", guest.0), &row.name)?,
        role: Role::parse(&row.role).ok_or(Error::UnknownValue("visit_guest.role"))?,
        provider_name: row.provider,
        clinic_name: row.clinic,
        clinic_phone: row.phone,
        starts_at: row.starts_at,
        ends_at: row.ends_at,
        consent: row
            .consent_version
            .zip(row.consent_at)
            .map(|(version, accepted_at)| GivenConsent { version, accepted_at }),
        visit_state: if cancelled { VisitState::Cancelled } else { VisitState::parse(&row.state)? },
    })
}

/// An invitation that can be used now.
struct Link {
    guest: GuestId,
    clinic: ClinicId,
    visit: VisitId,
    patient: PatientId,
    role: Role,
    expires_at: OffsetDateTime,
}

/// The invitation of `token`: its clinic is not known before, so the row is found by the token alone.
async fn find(records: &Records, token: &str, now: OffsetDateTime) -> Result<Option<Link>, Error> {
    if !well_formed(token) {
        return Ok(None);
    }
    let hash = hash_token(token);
    let mut tx = records.begin_without_clinic().await?;
    sqlx::query!("SELECT set_config('bedside.token_hash', $1, true)", hex::encode(hash)).fetch_one(&mut *tx).await?;
    let row = sqlx::query!(
        "SELECT visit_guest_id, clinic_id, visit_id, patient_id, role, expires_at FROM visit_guest
         WHERE token_hash = $1 AND ended_at IS NULL AND opens_at <= $2 AND expires_at > $2",
        &hash[..],
        now,
    )
    .fetch_optional(&mut *tx)
    .await?;
    tx.commit().await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Link {
        guest: GuestId(row.visit_guest_id),
        clinic: ClinicId(row.clinic_id),
        visit: VisitId(row.visit_id),
        patient: PatientId(row.patient_id),
        role: Role::parse(&row.role).ok_or(Error::UnknownValue("visit_guest.role"))?,
        expires_at: row.expires_at,
    }))
}
