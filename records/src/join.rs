//! The patient's way in: link, date of birth, location, consent, seat.

mod refusals;

pub use refusals::{ConsentError, IdentifyError, SeatError};

use subtle::ConstantTimeEq;
use time::{Date, OffsetDateTime};
use uuid::Uuid;
use visit::room::Identity;
use visit::{AppointmentId, ClinicId, PatientId, Person, Role, VisitId};

use crate::action::{CheckIn, Resource};
use crate::audit::{Entry, Outcome};
use crate::consents::{self, TextKind};
use crate::patients::iso_date;
use crate::seal::{DataKeys, Place};
use crate::sessions::longest_life;
use crate::token::{hash_token, well_formed};
use crate::visits::VisitState;
use crate::{Actor, Authorized, Error, Origin, Pending, Phi, Records, RequestContext, SessionToken, Tx};

/// Wrong dates of birth until a link is locked.
pub const DATE_OF_BIRTH_TRIES: i16 = 5;

/// What a link shows before anybody has said who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkPage {
    /// The clinic's name.
    pub clinic_name: String,
    /// Whom to call.
    pub clinic_phone: String,
}

/// Where the patient is during the visit; licences and ambulances depend on it.
#[derive(Clone)]
pub struct Location {
    /// State or region, e.g. `IL`.
    pub region: Phi<String>,
    /// Where to call back if the connection fails.
    pub callback_phone: Phi<String>,
    /// Where to send help.
    pub emergency_address: Phi<String>,
}

/// A consent as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenConsent {
    /// Version of the text that was accepted.
    pub version: String,
    /// When.
    pub accepted_at: OffsetDateTime,
}

/// How far the patient has come.
pub struct JoinState {
    /// The visit.
    pub visit_id: VisitId,
    /// Its slot.
    pub appointment_id: AppointmentId,
    /// The patient.
    pub patient_id: PatientId,
    /// Their name.
    pub patient_name: Phi<String>,
    /// Whom they will see.
    pub provider_name: String,
    /// The clinic.
    pub clinic_name: String,
    /// Whom to call.
    pub clinic_phone: String,
    /// Slot begins.
    pub starts_at: OffsetDateTime,
    /// Slot ends.
    pub ends_at: OffsetDateTime,
    /// Said for this visit.
    pub location: Option<Location>,
    /// Given for this visit.
    pub consent: Option<GivenConsent>,
    /// Where the visit stands.
    pub visit_state: VisitState,
    /// Why the clinic sent them away with a new link; `None` if it did not, or they came by that link.
    pub declined: Option<Phi<String>>,
}

/// Somebody who came by a good link and knew the date of birth.
pub struct Identified {
    /// For the cookie.
    pub token: SessionToken,
    /// How far they have come.
    pub state: JoinState,
}

/// What a link shows; `None` if it can't be used (unknown, revoked, expired, too early, locked: all alike). Uses nothing up.
///
/// # Errors
/// The database can't be reached.
pub async fn open(records: &Records, token: &str, now: OffsetDateTime) -> Result<Option<LinkPage>, Error> {
    let Some(link) = find(records, token).await?.filter(|link| link.usable(now)) else {
        return Ok(None);
    };
    let mut tx = records.begin(RequestContext::system("link", link.clinic, now)).await?;
    let row = sqlx::query!("SELECT name, phone FROM clinic WHERE clinic_id = $1", link.clinic.0)
        .fetch_one(tx.connection()?)
        .await?;
    tx.commit(Pending(Some(LinkPage { clinic_name: row.name, clinic_phone: row.phone }))).await
}

/// Checks the date of birth and begins a session for this one visit. Counted and logged, right or wrong.
///
/// # Errors
/// See [`IdentifyError`].
pub async fn identify(
    records: &Records,
    origin: &Origin,
    token: &str,
    date_of_birth: Date,
    now: OffsetDateTime,
) -> Result<Identified, IdentifyError> {
    let link = find(records, token).await?.ok_or(IdentifyError::NotUsable)?;
    let actor = Actor::Patient { id: link.patient, visit: link.visit, clinic: link.clinic };
    let mut tx =
        records.begin(RequestContext { actor, at: now, origin: origin.clone(), second_factor_at: None }).await?;
    // Locks the link: tries go one after the other, so that many at once don't get around the count.
    let row = sqlx::query!(
        "SELECT failed_tries, locked_at, revoked_at, opens_at, expires_at FROM join_link WHERE join_link_id = $1 FOR UPDATE",
        link.id,
    )
    .fetch_one(tx.connection()?)
    .await
    .map_err(Error::from)?;
    let entry = Entry { patient: Some(link.patient), ..Entry::new("visit.identify", Resource::Visit(link.visit)) };
    let refusal = if row.revoked_at.is_some() || row.opens_at > now || row.expires_at <= now {
        Some(("link_not_usable", IdentifyError::NotUsable))
    } else if row.locked_at.is_some() {
        Some(("link_locked", IdentifyError::Locked))
    } else {
        None
    };
    if let Some((reason, refusal)) = refusal {
        tx.log(Entry { outcome: Outcome::Denied, reason: Some(reason), ..entry });
        tx.commit(Pending(())).await?;
        return Err(refusal);
    }

    // That of the surviving record, if the link's was merged.
    let patient = sqlx::query!(
        "SELECT patient_id, date_of_birth FROM patient WHERE patient_id = patient_root($1)",
        link.patient.0
    )
    .fetch_one(tx.connection()?)
    .await
    .map_err(Error::from)?;
    let keys = tx.patient_keys(visit::PatientId(patient.patient_id)).await?;
    let on_record = keys.open(Place::new("patient.date_of_birth", patient.patient_id), &patient.date_of_birth)?;
    let said = Phi::from(iso_date(date_of_birth));
    if !bool::from(on_record.expose().as_slice().ct_eq(said.expose().as_bytes())) {
        let tries = row.failed_tries + 1;
        let locks = tries >= DATE_OF_BIRTH_TRIES;
        sqlx::query!(
            "UPDATE join_link SET failed_tries = $2, locked_at = $3 WHERE join_link_id = $1",
            link.id,
            tries,
            locks.then_some(now)
        )
        .execute(tx.connection()?)
        .await
        .map_err(Error::from)?;
        let reason = if locks { "link_locked" } else { "wrong_date_of_birth" };
        tx.log(Entry { outcome: Outcome::Failed, reason: Some(reason), ..entry });
        tx.commit(Pending(())).await?;
        return Err(if locks {
            IdentifyError::Locked
        } else {
            IdentifyError::Mismatch { tries_left: DATE_OF_BIRTH_TRIES - tries }
        });
    }

    let session = SessionToken::generate();
    sqlx::query!(
        "INSERT INTO session (token_hash, clinic_id, kind, patient_id, visit_id, join_link_id, created_at, last_seen_at, expires_at)
         VALUES ($1, $2, 'patient', $3, $4, $5, $6, $6, $7)",
        &session.hash()[..],
        link.clinic.0,
        link.patient.0,
        link.visit.0,
        link.id,
        now,
        now + longest_life(Role::Patient),
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    sqlx::query!("UPDATE join_link SET failed_tries = 0 WHERE join_link_id = $1", link.id)
        .execute(tx.connection()?)
        .await
        .map_err(Error::from)?;
    // Whoever comes back by the link that was sent after being declined is expected.
    sqlx::query!(
        "UPDATE visit SET state = 'checking_in', declined_at = NULL, queue_version = queue_version + 1 WHERE visit_id = $1 AND state = 'booked'",
        link.visit.0
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    tx.log(entry);
    let state = read_state(&mut tx, link.visit, link.patient).await?;
    let state = tx.commit(Pending(state)).await?;
    Ok(Identified { token: session, state })
}

/// How far the patient has come.
///
/// # Errors
/// The database can't be reached.
pub async fn state(tx: &mut Tx, may: &Authorized<CheckIn>) -> Result<Pending<JoinState>, Error> {
    let (visit, patient) = (tx.proved(may)?.0, may.patient().ok_or(Error::NotFound)?);
    read_state(tx, visit, patient).await.map(Pending)
}

/// Stores where the patient is, for this visit; replaces what was said before.
///
/// # Errors
/// The database can't be reached.
pub async fn set_location(tx: &mut Tx, may: &Authorized<CheckIn>, location: &Location) -> Result<Pending<()>, Error> {
    let (visit, patient) = (tx.proved(may)?.0, may.patient().ok_or(Error::NotFound)?);
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    let keys = tx.patient_keys(patient).await?;
    let seal = |column, text: &Phi<String>| keys.seal_text(Place::new(column, visit.0), text);
    sqlx::query!(
        "INSERT INTO visit_location (visit_id, clinic_id, patient_id, region, callback_phone, emergency_address, stated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (visit_id) DO UPDATE SET region = $4, callback_phone = $5, emergency_address = $6, stated_at = $7",
        visit.0,
        clinic,
        patient.0,
        seal("visit_location.region", &location.region)?,
        seal("visit_location.callback_phone", &location.callback_phone)?,
        seal("visit_location.emergency_address", &location.emergency_address)?,
        at,
    )
    .execute(tx.connection()?)
    .await?;
    tx.logged_as(Entry { patient: Some(patient), ..Entry::new("location.stated", Resource::Visit(visit)) });
    Ok(Pending(()))
}

/// Stores the consent to telehealth, if `text_version` is still the current text and there is one in `lang`.
///
/// # Errors
/// [`ConsentError::TextChanged`]: show the current text and ask again.
pub async fn accept_consent(
    tx: &mut Tx,
    may: &Authorized<CheckIn>,
    text_version: &str,
    lang: &str,
) -> Result<Pending<()>, ConsentError> {
    let (visit, patient) = (tx.proved(may)?.0, may.patient().ok_or(Error::NotFound)?);
    if !consents::is_current(tx, TextKind::Telehealth, text_version, lang).await? {
        return Err(ConsentError::TextChanged);
    }
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    sqlx::query!(
        "INSERT INTO consent (consent_id, clinic_id, visit_id, kind, decision, patient_id, text_version, lang, at)
         VALUES ($1, $2, $3, $4, 'accepted', $5, $6, $7, $8)",
        Uuid::now_v7(),
        clinic,
        visit.0,
        TextKind::Telehealth.as_str(),
        patient.0,
        text_version,
        lang,
        at,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    let detail = Some(serde_json::json!({ "text_version": text_version, "lang": lang }));
    tx.logged_as(Entry { patient: Some(patient), detail, ..Entry::new("consent.accepted", Resource::Visit(visit)) });
    Ok(Pending(()))
}

/// The patient's seat, once location and consent are there.
///
/// # Errors
/// See [`SeatError`].
pub async fn seat(tx: &mut Tx, may: &Authorized<CheckIn>) -> Result<Pending<Identity>, SeatError> {
    let (visit, patient) = (tx.proved(may)?.0, may.patient().ok_or(Error::NotFound)?);
    let state = read_state(tx, visit, patient).await?;
    if matches!(state.visit_state, VisitState::Ended | VisitState::Cancelled | VisitState::NoShow) {
        return Err(SeatError::Over);
    }
    if state.declined.is_some() {
        return Err(SeatError::Declined);
    }
    if state.location.is_none() || state.consent.is_none() {
        return Err(SeatError::Incomplete);
    }
    Ok(Pending(Identity {
        clinic: tx.context().actor.clinic(),
        visit,
        person: Person::Patient(patient),
        role: Role::Patient,
        name: state.patient_name.expose().clone(),
    }))
}

async fn read_state(tx: &mut Tx, visit: VisitId, patient: PatientId) -> Result<JoinState, Error> {
    let row = sqlx::query!(
        r#"SELECT a.appointment_id, a.starts_at, a.ends_at, a.state AS appointment_state, v.state, v.declined_at, v.decline_words, p.name AS patient_name, s.name AS provider_name,
                  c.name AS clinic_name, c.phone AS clinic_phone,
                  l.region AS "region?", l.callback_phone AS "callback_phone?", l.emergency_address AS "emergency_address?",
                  k.text_version AS "consent_version?", k.at AS "consent_at?"
           FROM visit v
           JOIN appointment a USING (appointment_id)
           JOIN patient p ON p.patient_id = v.patient_id
           JOIN staff s ON s.staff_id = a.provider_id
           JOIN clinic c ON c.clinic_id = v.clinic_id
           LEFT JOIN visit_location l ON l.visit_id = v.visit_id
           LEFT JOIN LATERAL (SELECT t.text_version, t.at FROM consent t
                              WHERE t.visit_id = v.visit_id AND t.kind = 'telehealth_consent' AND t.decision = 'accepted'
                              ORDER BY t.at DESC LIMIT 1) k ON true
           WHERE v.visit_id = $1 AND v.patient_id = $2"#,
        visit.0,
        patient.0,
    )
    .fetch_optional(tx.connection()?)
    .await?
    .ok_or(Error::NotFound)?;
    let keys = tx.patient_keys(patient).await?;
    let declined = row
        .declined_at
        .and(row.decline_words)
        .map(|sealed| keys.open_text(Place::new("visit.decline_words", visit.0), &sealed))
        .transpose()?;
    Ok(JoinState {
        visit_id: visit,
        declined,
        appointment_id: AppointmentId(row.appointment_id),
        patient_id: patient,
        patient_name: keys.open_text(Place::new("patient.name", patient.0), &row.patient_name)?,
        provider_name: row.provider_name,
        clinic_name: row.clinic_name,
        clinic_phone: row.clinic_phone,
        starts_at: row.starts_at,
        ends_at: row.ends_at,
        location: open_location(&keys, visit, row.region, row.callback_phone, row.emergency_address)?,
        consent: row
            .consent_version
            .zip(row.consent_at)
            .map(|(version, accepted_at)| GivenConsent { version, accepted_at }),
        visit_state: if row.appointment_state == "cancelled" {
            VisitState::Cancelled
        } else {
            VisitState::parse(&row.state)?
        },
    })
}

/// The location that was sealed for `visit`, if there is one.
pub(crate) fn open_location(
    keys: &DataKeys,
    visit: VisitId,
    region: Option<Vec<u8>>,
    callback_phone: Option<Vec<u8>>,
    emergency_address: Option<Vec<u8>>,
) -> Result<Option<Location>, Error> {
    let (Some(region), Some(callback_phone), Some(emergency_address)) = (region, callback_phone, emergency_address)
    else {
        return Ok(None);
    };
    let open = |column, sealed: &[u8]| keys.open_text(Place::new(column, visit.0), sealed);
    Ok(Some(Location {
        region: open("visit_location.region", &region)?,
        callback_phone: open("visit_location.callback_phone", &callback_phone)?,
        emergency_address: open("visit_location.emergency_address", &emergency_address)?,
    }))
}

/// A link that exists, whatever its state.
struct Link {
    id: Uuid,
    clinic: ClinicId,
    visit: VisitId,
    patient: PatientId,
    opens_at: OffsetDateTime,
    expires_at: OffsetDateTime,
    withdrawn: bool,
}

impl Link {
    fn usable(&self, now: OffsetDateTime) -> bool {
        !self.withdrawn && self.opens_at <= now && now < self.expires_at
    }
}

/// The link of `token`: its clinic is not known before, so the row is found by the token alone.
async fn find(records: &Records, token: &str) -> Result<Option<Link>, Error> {
    if !well_formed(token) {
        return Ok(None);
    }
    let hash = hash_token(token);
    let mut tx = records.begin_without_clinic().await?;
    sqlx::query!("SELECT set_config('bedside.token_hash', $1, true)", hex::encode(hash)).fetch_one(&mut *tx).await?;
    let row = sqlx::query!(
        r#"SELECT join_link_id, clinic_id, visit_id, patient_id, opens_at, expires_at, (revoked_at IS NOT NULL OR locked_at IS NOT NULL) AS "withdrawn!"
           FROM join_link WHERE token_hash = $1"#,
        &hash[..],
    )
    .fetch_optional(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(row.map(|row| Link {
        id: row.join_link_id,
        clinic: ClinicId(row.clinic_id),
        visit: VisitId(row.visit_id),
        patient: PatientId(row.patient_id),
        opens_at: row.opens_at,
        expires_at: row.expires_at,
        withdrawn: row.withdrawn,
    }))
}
