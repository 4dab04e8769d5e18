//! What goes into a room and what comes out: plain data that tests compare.

use crate::wire::{ClientMessage, CloseReason, ServerMessage, Slot, SlotDemand};
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
    Connected {
        /// The connection.
        conn: ConnId,
        /// Whose it is.
        who: Identity,
    },
    /// A connection is gone.
    Disconnected {
        /// The connection.
        conn: ConnId,
    },
    /// This person's session or link was revoked: out at once, media too.
    Revoked {
        /// Whose.
        person: Person,
    },
    /// A connection said something (never `Hello`, `Quality`, `Ping`: the shell answers those).
    Message {
        /// The connection.
        conn: ConnId,
        /// What it said.
        message: ClientMessage,
    },
    /// The fact with this sequence number is durable.
    Persisted {
        /// The one of [`Output::Persist`].
        seq: u64,
    },
    /// The fact with this sequence number could not be stored.
    PersistFailed {
        /// The one of [`Output::Persist`].
        seq: u64,
    },
    /// Something about media.
    Media(MediaEvent),
    /// Something about the recording.
    Recorder(RecorderEvent),
}

/// What the SFU says about a participant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaEvent {
    /// The offer was taken.
    Answered {
        /// Who offered.
        participant: ParticipantId,
        /// The SDP answer.
        sdp: String,
    },
    /// The offer was not taken.
    OfferRefused {
        /// Who offered.
        participant: ParticipantId,
        /// For people, without anything from the SDP.
        why: String,
    },
    /// ICE and DTLS are up.
    Connected {
        /// Who.
        participant: ParticipantId,
    },
    /// No packets any more.
    Lost {
        /// Who.
        participant: ParticipantId,
    },
    /// This participant's receive slots changed.
    Slots {
        /// Who receives.
        participant: ParticipantId,
        /// All slots in use.
        slots: Vec<Slot>,
    },
    /// Which layers of its camera are watched.
    Layers {
        /// Who sends.
        participant: ParticipantId,
        /// Their `rid`s.
        rids: Vec<String>,
    },
    /// Which pictures are held back from this participant.
    HeldBack {
        /// Who receives.
        participant: ParticipantId,
        /// The `mid`s of their slots.
        mids: Vec<String>,
    },
    /// Who speaks, as this participant is to be told.
    Speaking {
        /// Who is told.
        participant: ParticipantId,
        /// Whoever holds the floor first.
        speakers: Vec<ParticipantId>,
    },
}

/// What the recorder says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecorderEvent {
    /// First bytes are on disk.
    Durable {
        /// Which.
        recording: RecordingId,
    },
    /// It can't go on.
    Failed {
        /// Which.
        recording: RecordingId,
    },
    /// All is written and closed.
    Stopped {
        /// Which.
        recording: RecordingId,
    },
}

/// What should happen.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send this to that connection.
    Send {
        /// The connection.
        conn: ConnId,
        /// What to say.
        message: ServerMessage,
    },
    /// Close that connection, after what was sent before.
    Close {
        /// The connection.
        conn: ConnId,
        /// What its last message said.
        reason: CloseReason,
    },
    /// Tell the SFU.
    Sfu(SfuCommand),
    /// Tell the recorder.
    Recorder(RecorderCommand),
    /// Store this fact with this time, then answer [`Input::Persisted`] or [`Input::PersistFailed`].
    /// There is never more than one unanswered. After a failure the same `seq` is used again, for any fact.
    Persist {
        /// From 1, without gaps, per visit.
        seq: u64,
        /// When it happened.
        at: Now,
        /// What happened.
        fact: Fact,
        /// Who did it; `None` when the room itself did.
        by: Option<Person>,
    },
    /// The room is empty or ended and can be forgotten.
    Closed,
}

/// What the SFU is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SfuCommand {
    /// Make or re-negotiate the peer. Nothing is forwarded to or from it until `Admit`.
    /// Every offer is answered by one [`MediaEvent::Answered`] or [`MediaEvent::OfferRefused`], in order.
    Offer {
        /// Who.
        participant: ParticipantId,
        /// The SDP offer.
        sdp: String,
    },
    /// Open the map for this peer. Sent when it is admitted and again after every offer of an admitted peer;
    /// it means nothing for a peer that has not offered yet.
    Admit {
        /// Who.
        participant: ParticipantId,
    },
    /// Close the map, keep the transport (back to waiting).
    Hold {
        /// Who.
        participant: ParticipantId,
    },
    /// How large this peer shows its video slots.
    View {
        /// Who.
        participant: ParticipantId,
        /// One entry per video slot in use.
        slots: Vec<SlotDemand>,
    },
    /// Drop the peer.
    Close {
        /// Who.
        participant: ParticipantId,
    },
    /// Drop all peers.
    CloseRoom,
}

/// What the recorder is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecorderCommand {
    /// Begin to capture these participants' media.
    Start {
        /// Which.
        recording: RecordingId,
        /// Whose media; all of them have allowed it.
        participants: Vec<ParticipantId>,
    },
    /// Capture nothing, keep the recording open.
    Pause {
        /// Which.
        recording: RecordingId,
    },
    /// Capture exactly these: after a pause, or while it runs because someone left or came back.
    Resume {
        /// Which.
        recording: RecordingId,
        /// Whose media; all of them have allowed it.
        participants: Vec<ParticipantId>,
    },
    /// Close it.
    Stop {
        /// Which.
        recording: RecordingId,
    },
}
