//! Who asks, from where, and when.

use std::net::{IpAddr, Ipv6Addr};

use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use visit::{ClinicId, GuardianId, GuestId, PatientId, Person, Role, StaffId, VisitId};

use crate::DeviceToken;

/// How long a second factor counts as just given, for acts that ask for it again.
pub const FRESH_FACTOR: Duration = Duration::minutes(5);

/// Who acts. Made from a session ([`crate::sessions`]), or by the server for its own work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// A member of staff, signed in with both factors.
    Staff {
        /// Who.
        id: StaffId,
        /// In which role.
        role: Role,
        /// Of which clinic.
        clinic: ClinicId,
    },
    /// A patient who came by link; sees one visit.
    Patient {
        /// Who.
        id: PatientId,
        /// The one visit.
        visit: VisitId,
        /// Of which clinic.
        clinic: ClinicId,
    },
    /// A patient signed in to the portal; sees their own record.
    PortalPatient {
        /// Who.
        id: PatientId,
        /// Of which clinic.
        clinic: ClinicId,
    },
    /// Somebody who acts for patients, their wards.
    Guardian {
        /// Who.
        id: GuardianId,
        /// The one visit, if they came by its link; `None` if they are signed in to the portal.
        visit: Option<VisitId>,
        /// Of which clinic.
        clinic: ClinicId,
    },
    /// An interpreter, a specialist: invited into one visit, and sees nothing else.
    Guest {
        /// Which invitation.
        id: GuestId,
        /// As what.
        role: Role,
        /// The one visit.
        visit: VisitId,
        /// Of which clinic.
        clinic: ClinicId,
    },
    /// The server itself.
    System {
        /// What it is doing, as it stands in the audit log: `room`, `recorder`, `demo`, ...
        job: &'static str,
        /// For which clinic.
        clinic: ClinicId,
    },
}

impl Actor {
    /// The clinic whose rows this actor can reach at all.
    #[must_use]
    pub fn clinic(&self) -> ClinicId {
        match *self {
            Self::Staff { clinic, .. }
            | Self::Patient { clinic, .. }
            | Self::PortalPatient { clinic, .. }
            | Self::Guardian { clinic, .. }
            | Self::Guest { clinic, .. }
            | Self::System { clinic, .. } => clinic,
        }
    }

    /// The member of staff, patient or guest; `None` for guardians and the server itself.
    #[must_use]
    pub fn person(&self) -> Option<Person> {
        match *self {
            Self::Staff { id, .. } => Some(Person::Staff(id)),
            Self::Patient { id, .. } | Self::PortalPatient { id, .. } => Some(Person::Patient(id)),
            Self::Guest { id, .. } => Some(Person::Guest(id)),
            Self::Guardian { .. } | Self::System { .. } => None,
        }
    }

    /// Whose name stands in the audit log, unless it is the server itself.
    #[must_use]
    pub fn id(&self) -> Option<Uuid> {
        match *self {
            Self::Staff { id, .. } => Some(id.0),
            Self::Patient { id, .. } | Self::PortalPatient { id, .. } => Some(id.0),
            Self::Guardian { id, .. } => Some(id.0),
            Self::Guest { id, .. } => Some(id.0),
            Self::System { .. } => None,
        }
    }

    /// The role as it stands in the audit log.
    #[must_use]
    pub fn role_name(&self) -> &'static str {
        match self {
            Self::Staff { role, .. } | Self::Guest { role, .. } => role.as_str(),
            Self::Patient { .. } | Self::PortalPatient { .. } => Role::Patient.as_str(),
            Self::Guardian { .. } => Role::Guardian.as_str(),
            Self::System { job, .. } => job,
        }
    }

    pub(crate) fn kind_name(&self) -> &'static str {
        match self {
            Self::Staff { .. } => "staff",
            Self::Patient { .. } | Self::PortalPatient { .. } => "patient",
            Self::Guardian { .. } => "guardian",
            Self::Guest { .. } => "guest",
            Self::System { .. } => "system",
        }
    }
}

/// What counts as one place: an IPv4 address, or an IPv6 /64, which one subscriber has to themselves.
#[must_use]
pub fn network(address: IpAddr) -> [u8; 16] {
    let v6 = match address.to_canonical() {
        IpAddr::V4(v4) => return v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6,
    };
    Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).octets()
}

/// Where a request came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The client's address, after trusted proxies.
    pub address: Option<IpAddr>,
    /// The client's `User-Agent`; only its first 200 characters are kept.
    pub user_agent: Option<String>,
    /// The browser's own token, if it has signed somebody in before.
    pub device: Option<DeviceToken>,
    /// The request's id, as in its logs and its answer.
    pub request_id: String,
}

/// Everything a transaction has to know about who asks. Handed in, never looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestContext {
    /// Who.
    pub actor: Actor,
    /// When, by the server's clock: the time of every row that is written, and what deadlines are compared with.
    pub at: OffsetDateTime,
    /// From where.
    pub origin: Origin,
    /// When the actor last gave a second factor in this session; sensitive actions need it to be fresh.
    pub second_factor_at: Option<OffsetDateTime>,
}

impl RequestContext {
    /// Whether the second factor was given within [`FRESH_FACTOR`].
    #[must_use]
    pub fn has_fresh_factor(&self) -> bool {
        self.second_factor_at.is_some_and(|given| given <= self.at && self.at - given < FRESH_FACTOR)
    }

    /// The server itself does something for `clinic`.
    #[must_use]
    pub fn system(job: &'static str, clinic: ClinicId, at: OffsetDateTime) -> Self {
        Self { actor: Actor::System { job, clinic }, at, origin: Origin::default(), second_factor_at: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staff_patients_and_guests_are_persons_and_nobody_else_is() {
        let (id, clinic) = (Uuid::from_u128(7), ClinicId(Uuid::from_u128(1)));
        let (visit, patient) = (VisitId(Uuid::from_u128(2)), PatientId(id));
        let staff = Actor::Staff { id: StaffId(id), role: Role::Nurse, clinic };
        assert_eq!(staff.person(), Some(Person::Staff(StaffId(id))));
        for actor in [Actor::Patient { id: patient, visit, clinic }, Actor::PortalPatient { id: patient, clinic }] {
            assert_eq!(actor.person(), Some(Person::Patient(patient)));
        }
        let guardian = Actor::Guardian { id: GuardianId(id), visit: None, clinic };
        let guest = Actor::Guest { id: GuestId(id), role: Role::Interpreter, visit, clinic };
        assert_eq!(guest.person(), Some(Person::Guest(GuestId(id))));
        for actor in [guardian, Actor::System { job: "test", clinic }] {
            assert_eq!(actor.person(), None);
        }
    }
}
