//! The room machine's door: inputs in, outputs out, both plain data.
//!
//! Calling order: after every [`Room::handle`] or [`Room::handle_timeout`], drain [`Room::poll_output`]
//! until `None`, then sleep until [`Room::poll_timeout`].

use crate::wire::{ClientMessage, CloseReason, ServerMessage, Slot};
use crate::{ClinicId, Fact, Now, ParticipantId, Person, RecordingId, Role, VisitId};

/// One websocket, numbered by `signaling`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// Who a redeemed ticket says this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The clinic.
    pub clinic: ClinicId,
    /// The visit.
    pub visit: VisitId,
    /// The person.
    pub person: Person,
    /// Role in this visit.
    pub role: Role,
    /// Shown name (never stored in facts).
    pub name: String,
}

/// What can happen to a room.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A connection said hello with a good ticket.
    Connected { conn: ConnId, who: Identity },
    /// A connection is gone.
    Disconnected { conn: ConnId },
    /// This person's session or link was revoked: out at once, media too.
    Revoked { person: Person },
    /// A connection said something (never `Hello`, `Quality`, `Ping`: the shell answers those).
    Message { conn: ConnId, message: ClientMessage },
    /// The fact with this sequence number is durable.
    Persisted { seq: u64 },
    /// The fact with this sequence number could not be stored.
    PersistFailed { seq: u64 },
    /// Something about media.
    Media(MediaEvent),
    /// Something about the recording.
    Recorder(RecorderEvent),
}

/// What the SFU says about a participant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaEvent {
    /// The offer was taken.
    Answered { participant: ParticipantId, sdp: String },
    /// The offer was not taken.
    OfferRefused { participant: ParticipantId, why: String },
    /// ICE and DTLS are up.
    Connected { participant: ParticipantId },
    /// No packets any more.
    Lost { participant: ParticipantId },
    /// This participant's receive slots changed.
    Slots { participant: ParticipantId, slots: Vec<Slot> },
}

/// What the recorder says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecorderEvent {
    /// First bytes are on disk.
    Durable { recording: RecordingId },
    /// It can't go on.
    Failed { recording: RecordingId },
    /// All is written and closed.
    Stopped { recording: RecordingId },
}

/// What should happen.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send this to that connection.
    Send { conn: ConnId, message: ServerMessage },
    /// Close that connection, after what was sent before.
    Close { conn: ConnId, reason: CloseReason },
    /// Tell the SFU.
    Sfu(SfuCommand),
    /// Tell the recorder.
    Recorder(RecorderCommand),
    /// Store this fact with this time, then answer [`Input::Persisted`] or [`Input::PersistFailed`].
    /// There is never more than one unanswered. After a failure the same `seq` is used again, for any fact.
    Persist { seq: u64, at: Now, fact: Fact, by: Option<Person> },
    /// The room is empty or ended and can be forgotten.
    Closed,
}

/// What the SFU is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SfuCommand {
    /// Make or re-negotiate the peer. Nothing is forwarded to or from it until `Admit`.
    /// Every offer is answered by one [`MediaEvent::Answered`] or [`MediaEvent::OfferRefused`], in order.
    Offer { participant: ParticipantId, sdp: String },
    /// Open the map for this peer. Sent when it is admitted and again after every offer of an admitted peer;
    /// it means nothing for a peer that has not offered yet.
    Admit { participant: ParticipantId },
    /// Close the map, keep the transport (back to waiting).
    Hold { participant: ParticipantId },
    /// How large this peer shows its video slots.
    View { participant: ParticipantId, slots: Vec<crate::wire::SlotDemand> },
    /// Drop the peer.
    Close { participant: ParticipantId },
    /// Drop all peers.
    CloseRoom,
}

/// What the recorder is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecorderCommand {
    /// Begin to capture these participants' media.
    Start { recording: RecordingId, participants: Vec<ParticipantId> },
    /// Capture nothing, keep the recording open.
    Pause { recording: RecordingId },
    /// Capture exactly these: after a pause, or while it runs because someone left or came back.
    Resume { recording: RecordingId, participants: Vec<ParticipantId> },
    /// Close it.
    Stop { recording: RecordingId },
}
