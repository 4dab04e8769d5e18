//! The websocket protocol `bedside.v1`: JSON text frames, one message each, tagged by `type`.
//!
//! Order of a connection: the client sends [`ClientMessage::Hello`] with a ticket from the HTTP API
//! (single use, 30 s, bound to person, visit and origin); the server answers [`ServerMessage::Welcome`]
//! and then a [`RoomView`] after every change. A client that lost its connection asks for a new ticket
//! and says hello again; within 30 s it has the same seat, still admitted if it was.
//! `docs/signaling.md` and the web client's types are generated from this file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::fact::{LeaveReason, StopReason};
use crate::{Now, ParticipantId, RecordingId, Role, VisitId};

/// The websocket subprotocol.
pub const SUBPROTOCOL: &str = "bedside.v1";
/// Longest accepted message, bytes. An SDP offer with three simulcast layers is about 8 KiB.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// Longest accepted chat text, Unicode scalar values.
pub const MAX_CHAT_CHARS: usize = 2_000;
/// How long a lost connection keeps its seat, milliseconds.
pub const SEAT_HELD_MS: i64 = 30_000;

/// What a client says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientMessage {
    /// The first message of every connection.
    Hello {
        /// From `POST /api/v1/join/ticket`, `POST /api/v1/guest/ticket` or `POST /api/v1/visits/{id}/ticket`.
        ticket: String,
    },
    /// SDP offer of the one peer connection: audio, camera (rids `q`, `h`, `f`), screen, then receive-only slots.
    /// Sent again to restart ICE or to grow slots.
    Offer {
        /// The SDP text (RFC 8829).
        sdp: String,
    },
    /// Patient, guest: check-in and device check are done, put me in line.
    JoinWaitingRoom,
    /// Host: let this person in.
    Admit {
        /// Who.
        participant: ParticipantId,
    },
    /// Host: send this person back to the waiting room.
    ReturnToWaiting {
        /// Who.
        participant: ParticipantId,
    },
    /// Give up my seat.
    Leave,
    /// Host: end the visit for everyone.
    EndVisit,
    /// What I send now; shown to the others.
    SetMuted {
        /// The microphone is off.
        audio: bool,
        /// The camera is off.
        video: bool,
        /// The system took the microphone (a phone call).
        #[serde(default)]
        interrupted: bool,
    },
    /// A chat line.
    Chat {
        /// Chosen by the sender; sending it twice posts it once.
        id: Uuid,
        /// 1 to [`MAX_CHAT_CHARS`] characters.
        text: String,
    },
    /// Host: ask everyone for permission to record.
    StartRecording,
    /// Host: stop recording.
    StopRecording,
    /// My answer to the recording question; `allow: false` later withdraws.
    AnswerRecording {
        /// The recording that was asked for.
        recording: RecordingId,
        /// Yes or no.
        allow: bool,
        /// The version of the text that was on my screen.
        text_version: String,
    },
    /// How large I show what; a layer nobody shows is not sent.
    View {
        /// One entry per video slot in use.
        slots: Vec<SlotDemand>,
    },
    /// What my browser measured in the last 5 s.
    Quality(ClientQuality),
    /// Answered by [`ServerMessage::Pong`].
    Ping {
        /// Any number.
        n: u64,
    },
}

impl ClientMessage {
    /// Its `type` on the wire.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hello { .. } => "hello",
            Self::Offer { .. } => "offer",
            Self::JoinWaitingRoom => "join_waiting_room",
            Self::Admit { .. } => "admit",
            Self::ReturnToWaiting { .. } => "return_to_waiting",
            Self::Leave => "leave",
            Self::EndVisit => "end_visit",
            Self::SetMuted { .. } => "set_muted",
            Self::Chat { .. } => "chat",
            Self::StartRecording => "start_recording",
            Self::StopRecording => "stop_recording",
            Self::AnswerRecording { .. } => "answer_recording",
            Self::View { .. } => "view",
            Self::Quality(_) => "quality",
            Self::Ping { .. } => "ping",
        }
    }
}

/// How large a client shows a video slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlotDemand {
    /// The m-line's `mid`.
    pub mid: String,
    /// Shown width in device pixels; 0 = hidden.
    pub width: u32,
}

/// Receive-side measurements that only the browser has (`getStats`), over the last interval.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientQuality {
    /// Length of the interval, milliseconds.
    pub interval_ms: u32,
    /// `freezeCount` gained.
    pub freezes: u32,
    /// `totalFreezesDuration` gained, milliseconds.
    pub freeze_ms: u32,
    /// `concealedSamples` gained.
    pub concealed_samples: u64,
    /// `totalSamplesReceived` gained.
    pub total_samples: u64,
    /// Video frames decoded.
    pub frames_decoded: u32,
    /// Packets lost on the way to this client.
    pub packets_lost: i64,
    /// Packets received by this client.
    pub packets_received: u64,
    /// Bytes received by this client.
    pub bytes_received: u64,
    /// Mean inter-arrival jitter of audio, milliseconds.
    pub jitter_ms: f32,
    /// Round trip of the selected candidate pair, milliseconds; null when unknown.
    pub round_trip_ms: Option<f32>,
}

/// What the server says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// Hello was accepted.
    Welcome {
        /// Your seat.
        participant: ParticipantId,
        /// The visit.
        visit: VisitId,
        /// A lost connection keeps its seat for this long, milliseconds.
        seat_held_ms: i64,
        /// True when you came back to a seat that you had.
        resumed: bool,
        /// Relays to give to the peer connection, for networks that let little out; none where the server has none.
        #[serde(default)]
        ice_servers: Vec<IceServer>,
    },
    /// The whole room as you may see it, after every change.
    Room(RoomView),
    /// Answer to your offer (ICE-lite; candidates inside).
    Answer {
        /// The SDP text.
        sdp: String,
    },
    /// Who is on which of your receive slots now.
    Slots {
        /// All slots in use; a mid that is absent is empty.
        slots: Vec<Slot>,
    },
    /// Which layers of your camera anyone watches: send these only. Until this is said after an offer, send all.
    Layers {
        /// Their `rid`s.
        rids: Vec<String>,
    },
    /// Pictures that are held back because your network does not carry them. Voices go on, and the pictures come back
    /// by themselves.
    HeldBack {
        /// The `mid`s of their slots; empty: none any more.
        mids: Vec<String>,
    },
    /// Who speaks now.
    Speaking {
        /// Whoever holds the floor first; empty: nobody.
        participants: Vec<ParticipantId>,
    },
    /// A chat line, stored. Also sent to its author; earlier lines are sent again after a reconnect.
    Chat(ChatLine),
    /// What you asked for was not done.
    Refused {
        /// Stable code, e.g. `not_allowed`, `not_admitted`, `bad_message`, `too_fast`.
        code: RefusalCode,
        /// For people: what happened and what to do.
        message: String,
        /// The `type` of the message that was refused.
        about: String,
    },
    /// Last message of a connection.
    Closed {
        /// Why.
        reason: CloseReason,
    },
    /// Answer to ping.
    Pong {
        /// The number that was sent.
        n: u64,
    },
}

/// A TURN relay (RFC 8656) with credentials of your own, in the form that `RTCPeerConnection` takes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IceServer {
    /// `turn:` and `turns:` addresses (RFC 7065).
    pub urls: Vec<String>,
    /// Until when it is good, and your seat.
    pub username: String,
    /// The password.
    pub credential: String,
}

impl std::fmt::Debug for IceServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceServer").field("urls", &self.urls).finish_non_exhaustive()
    }
}

/// Why a message was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// Your role or phase does not allow it.
    NotAllowed,
    /// That person is not in this visit, or not in a phase where this applies.
    NoSuchParticipant,
    /// You are not admitted yet.
    NotAdmitted,
    /// Not JSON of this protocol, or a value out of range.
    BadMessage,
    /// The SDP offer could not be used.
    BadOffer,
    /// Too many messages.
    TooFast,
    /// It could not be stored, so it was not done.
    NotStored,
    /// It does not fit the recording's state.
    RecordingState,
}

/// Why the server closes a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// Ticket unknown, used, expired, for another origin, or for a visit that is not yours.
    BadTicket,
    /// You left.
    Left,
    /// The visit ended.
    VisitEnded,
    /// The same person connected again elsewhere.
    Replaced,
    /// This connection read too slowly.
    TooSlow,
    /// Too many messages or malformed frames.
    Misbehaved,
    /// Session or link was revoked.
    Revoked,
    /// The server is shutting down: reconnect.
    Restarting,
    /// All seats of this visit are taken.
    RoomFull,
}

/// The room as one participant may see it. A person who waits sees only itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RoomView {
    /// Grows with every change.
    pub version: u64,
    /// Your own seat.
    pub you: ParticipantId,
    /// Everyone you may see, yourself included, in order of joining.
    pub participants: Vec<ParticipantView>,
    /// State of the recording.
    pub recording: RecordingView,
}

/// One person in the room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ParticipantView {
    /// The seat.
    pub participant: ParticipantId,
    /// Shown name; empty after a restart of the server until the person is back.
    pub name: String,
    /// Role in this visit.
    pub role: Role,
    /// Where this person is.
    pub phase: PhaseView,
    /// Microphone off.
    pub audio_muted: bool,
    /// Camera off.
    pub video_muted: bool,
}

/// Where a person is on the way into the visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum PhaseView {
    /// Checking devices; not in line yet.
    CheckingIn,
    /// In the waiting room.
    Waiting {
        /// Since when.
        since: Now,
    },
    /// Let in; media not there yet.
    Admitted,
    /// In the visit with media.
    Live,
    /// Connection lost; the seat is held.
    Reconnecting {
        /// Until when.
        until: Now,
    },
    /// The system took the microphone (a phone call).
    Interrupted,
    /// Gone.
    Left {
        /// Why.
        why: LeaveReason,
    },
}

/// The recording as everyone in the room sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum RecordingView {
    /// Not recording.
    Off {
        /// Why the last one ended, if there was one.
        last: Option<StopReason>,
    },
    /// Waiting for answers.
    AwaitingConsent {
        /// The recording.
        recording: RecordingId,
        /// Who has not answered yet.
        missing: Vec<ParticipantId>,
        /// Version of the text to show.
        text_version: String,
    },
    /// Everyone allowed it; not durable yet, so not shown as `Recording`.
    Starting {
        /// The recording.
        recording: RecordingId,
    },
    /// The first bytes are durable.
    On {
        /// The recording.
        recording: RecordingId,
        /// Since when.
        since: Now,
    },
    /// Standing still until a late joiner answers.
    Paused {
        /// The recording.
        recording: RecordingId,
        /// Who has not answered yet.
        missing: Vec<ParticipantId>,
        /// Version of the text to show.
        text_version: String,
    },
    /// Stopping.
    Stopping {
        /// The recording.
        recording: RecordingId,
    },
}

/// One receive slot of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Slot {
    /// The m-line's `mid` in the client's own offer.
    pub mid: String,
    /// What it carries.
    pub source: Source,
    /// Whose it is.
    pub participant: ParticipantId,
}

/// What a track shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A microphone.
    Microphone,
    /// A camera.
    Camera,
    /// A shared screen.
    Screen,
}

/// One stored chat line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChatLine {
    /// The id that the sender chose.
    pub id: Uuid,
    /// Who wrote it.
    pub from: ParticipantId,
    /// What was written.
    pub text: String,
    /// When it was stored.
    pub at: Now,
}
