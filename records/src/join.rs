//! The patient's way in: link, date of birth, location, consent, seat.

use time::{Date, OffsetDateTime};
use visit::room::Identity;
use visit::{AppointmentId, PatientId, VisitId};

use crate::action::CheckIn;
use crate::visits::VisitState;
use crate::{Authorized, Error, Origin, Pending, Phi, Records, SessionToken, Tx};

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
pub async fn open(_records: &Records, _token: &str, _now: OffsetDateTime) -> Result<Option<LinkPage>, Error> {
    Err(Error::Unfinished)
}

/// Checks the date of birth and begins a session for this one visit. Counted and logged, right or wrong.
///
/// # Errors
/// See [`IdentifyError`].
pub async fn identify(
    _records: &Records,
    _origin: &Origin,
    _token: &str,
    _date_of_birth: Date,
    _now: OffsetDateTime,
) -> Result<Identified, IdentifyError> {
    Err(Error::Unfinished.into())
}

/// How far the patient has come.
///
/// # Errors
/// The database can't be reached.
pub async fn state(_tx: &mut Tx, _may: &Authorized<CheckIn>) -> Result<Pending<JoinState>, Error> {
    Err(Error::Unfinished)
}

/// Stores where the patient is, for this visit; replaces what was said before.
///
/// # Errors
/// The database can't be reached.
pub async fn set_location(_tx: &mut Tx, _may: &Authorized<CheckIn>, _location: &Location) -> Result<Pending<()>, Error> {
    Err(Error::Unfinished)
}

/// Stores the consent to telehealth, if `text_version` is still the current text of `lang`.
///
/// # Errors
/// [`ConsentError::TextChanged`]: show the current text and ask again.
pub async fn accept_consent(_tx: &mut Tx, _may: &Authorized<CheckIn>, _text_version: &str, _lang: &str) -> Result<Pending<()>, ConsentError> {
    Err(Error::Unfinished.into())
}

/// The patient's seat, once location and consent are there.
///
/// # Errors
/// See [`SeatError`].
pub async fn seat(_tx: &mut Tx, _may: &Authorized<CheckIn>) -> Result<Pending<Identity>, SeatError> {
    Err(Error::Unfinished.into())
}

/// The date of birth was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum IdentifyError {
    /// Unknown, revoked, expired or too early.
    #[error("this link can't be used; ask the clinic for a new one")]
    NotUsable,
    /// Not the date of birth on record.
    #[error("the date of birth does not match; {tries_left} tries left")]
    Mismatch {
        /// Until the link is locked.
        tries_left: i16,
    },
    /// Too many wrong dates.
    #[error("the link is locked after too many wrong dates of birth; call the clinic for a new one")]
    Locked,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}

/// A consent was not stored.
#[derive(Debug, thiserror::Error)]
pub enum ConsentError {
    /// The text is not the current one any more, or never was.
    #[error("the text has changed; read the current one and agree again")]
    TextChanged,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}

/// There is no seat yet, or none any more.
#[derive(Debug, thiserror::Error)]
pub enum SeatError {
    /// Location or consent is missing.
    #[error("location and consent come first")]
    Incomplete,
    /// The visit ended or was cancelled.
    #[error("this visit is over; ask the clinic for a new appointment")]
    Over,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
