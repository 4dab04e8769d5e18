//! One visit's room: who is in it, in which phase, what they may do, and what is said on the wire.
//!
//! Pure: no clock, no randomness, no I/O, no async. Time comes in as [`Now`], everything that should
//! happen comes out as data ([`room::Output`]). `signaling` turns the outputs into websocket frames,
//! media commands and stored facts.
//!
//! What lives here: ids, roles, the wire protocol `bedside.v1`, facts, the room machine, the order of those who wait.
//! What deliberately does not: sockets, SQL, SDP, anything about a patient's record.

pub mod document;
pub mod fact;
pub mod ids;
pub mod queue;
pub mod role;
pub mod room;
pub mod wire;

pub use fact::Fact;
pub use ids::{
    AppointmentId, AttachmentId, ClinicId, EmergencyAccessId, GuardianId, GuestId, NoteId, ParticipantId, PatientId,
    Person, RecordingId, StaffId, VisitId,
};
pub use role::Role;

/// Milliseconds since the Unix epoch, always handed in by the caller.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct Now(pub i64);

impl Now {
    /// This instant and `millis` more.
    #[must_use]
    pub fn plus(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}
