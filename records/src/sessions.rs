//! Sessions: opaque tokens, stored as hashes, ended by idleness, by age, or by hand.

use time::{Duration, OffsetDateTime};
use visit::{AppointmentId, ClinicId, PatientId, Person, Role, StaffId, VisitId};

use crate::clinics::Clinic;
use crate::{Actor, Error, Origin, Records, SessionToken};

/// Without activity for this long, a session ends.
pub const IDLE: Duration = Duration::minutes(15);
/// How long a password alone is good for, waiting for the second factor.
pub const SECOND_FACTOR_WITHIN: Duration = Duration::minutes(5);
/// Activity is written at most this often, so a session may end this much early.
pub const TOUCH_EVERY: Duration = Duration::seconds(30);

/// Longest life of a session, whatever its activity.
#[must_use]
pub fn longest_life(role: Role) -> Duration {
    match role {
        Role::Patient | Role::Guardian | Role::Interpreter => Duration::hours(24),
        Role::Provider | Role::Nurse | Role::FrontDesk => Duration::hours(8),
        Role::ClinicAdmin | Role::Compliance | Role::SuperAdmin => Duration::hours(4),
    }
}

/// Whether a request counts as activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// A person did something: the idle time begins anew.
    User,
    /// A page asked by itself: it does not.
    Background,
}

/// A member of staff, signed in with both factors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaffSession {
    /// Who.
    pub staff_id: StaffId,
    /// Shown name.
    pub name: String,
    /// In which role.
    pub role: Role,
    /// Of which clinic.
    pub clinic: Clinic,
    /// Ends then without activity.
    pub idle_expires_at: OffsetDateTime,
    /// Ends then in any case.
    pub expires_at: OffsetDateTime,
}

impl StaffSession {
    /// For a [`crate::RequestContext`].
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::Staff { id: self.staff_id, role: self.role, clinic: self.clinic.id }
    }
}

/// A patient who came by link and knew the date of birth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinSession {
    /// Who.
    pub patient_id: PatientId,
    /// For which visit only.
    pub visit_id: VisitId,
    /// Its slot.
    pub appointment_id: AppointmentId,
    /// Of which clinic.
    pub clinic: Clinic,
    /// Ends then without activity.
    pub idle_expires_at: OffsetDateTime,
    /// Ends then in any case.
    pub expires_at: OffsetDateTime,
}

impl JoinSession {
    /// For a [`crate::RequestContext`].
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::Patient { id: self.patient_id, visit: self.visit_id, clinic: self.clinic.id }
    }
}

/// The staff session of this token, if it is alive and both factors were given.
///
/// # Errors
/// The database can't be reached.
pub async fn staff(_records: &Records, _token: &SessionToken, _activity: Activity, _now: OffsetDateTime) -> Result<Option<StaffSession>, Error> {
    Err(Error::Unfinished)
}

/// The patient's session of this token, if it is alive.
///
/// # Errors
/// The database can't be reached.
pub async fn patient(_records: &Records, _token: &SessionToken, _activity: Activity, _now: OffsetDateTime) -> Result<Option<JoinSession>, Error> {
    Err(Error::Unfinished)
}

/// Ends a session, of either kind; nothing happens if it is over already.
///
/// # Errors
/// The database can't be reached.
pub async fn end(_records: &Records, _token: &SessionToken, _origin: &Origin, _now: OffsetDateTime) -> Result<(), Error> {
    Err(Error::Unfinished)
}

/// A call is activity: keeps all living sessions of `person` from idling out. Call it about every minute.
///
/// # Errors
/// The database can't be reached.
pub async fn touch(_records: &Records, _clinic: ClinicId, _person: Person, _now: OffsetDateTime) -> Result<(), Error> {
    Err(Error::Unfinished)
}
