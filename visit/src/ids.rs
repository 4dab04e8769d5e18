//! Identifiers: UUIDs (version 7 when stored, version 5 when derived) that can't be mixed up.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    )*};
}

ids! {
    /// A clinic: the tenant that every row belongs to.
    ClinicId,
    /// A member of staff.
    StaffId,
    /// A patient.
    PatientId,
    /// A booked slot.
    AppointmentId,
    /// The encounter that an appointment leads to; one room.
    VisitId,
    /// One person's seat in one visit.
    ParticipantId,
    /// One recording of a visit, from the first consent to stop.
    RecordingId,
    /// A document of a patient's record.
    AttachmentId,
    /// The note of one visit.
    NoteId,
    /// Somebody who acts for patients.
    GuardianId,
    /// Somebody's invitation into one visit.
    GuestId,
    /// One hour of emergency access to one patient.
    EmergencyAccessId,
}

/// A person who can sit in a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Person {
    /// A member of staff, signed in.
    Staff(StaffId),
    /// The patient, who came by link.
    Patient(PatientId),
    /// Somebody who was invited into this one visit, by their invitation.
    Guest(GuestId),
}

impl Person {
    /// The bare id of whichever kind of person this is.
    #[must_use]
    pub fn uuid(self) -> Uuid {
        match self {
            Self::Staff(id) => id.0,
            Self::Patient(id) => id.0,
            Self::Guest(id) => id.0,
        }
    }
}

impl ParticipantId {
    /// The seat of `person` in `visit`: derived, so that it is the same after a reconnect and after a restart.
    #[must_use]
    pub fn of(visit: VisitId, person: Person) -> Self {
        Self(Uuid::new_v5(&visit.0, person.uuid().as_bytes()))
    }
}

impl RecordingId {
    /// The recording that was asked for by the fact with sequence number `seq` of `visit`.
    #[must_use]
    pub fn of(visit: VisitId, seq: u64) -> Self {
        Self(Uuid::new_v5(&visit.0, format!("recording/{seq}").as_bytes()))
    }
}
