//! One visit's room: inputs in, outputs out, both plain data.
//!
//! Calling order: after every [`Room::handle`] or [`Room::handle_timeout`], drain [`Room::poll_output`]
//! until `None`, then sleep until [`Room::poll_timeout`].
//!
//! Evidence first: whatever lets more happen (a seat, admission, capture, a delivered chat line, the end) waits
//! until its fact is stored. Whatever lets less happen (capture stops or stands still, media of one who left is
//! dropped) is done at once, and its fact is stored as soon as the store can.
//!
//! [`ledger`] is what is proven; `evidence` is the one door to the store; `admission`, `recording`, `chat`, `media`
//! answer inputs; `presence` and `view` are what people see. Sockets, SDP and SQL are elsewhere.

mod admission;
mod chat;
mod evidence;
mod io;
pub mod ledger;
mod media;
mod presence;
mod recording;
mod view;

use std::collections::{BTreeMap, VecDeque};

pub use io::{ConnId, Identity, Input, MediaEvent, Output, RecorderCommand, RecorderEvent, SfuCommand};

use crate::wire::{ClientMessage, CloseReason, RefusalCode, ServerMessage};
use crate::{ClinicId, Fact, Now, ParticipantId, VisitId};
use admission::Arrival;
use evidence::{Asker, Evidence};
use ledger::{Illegal, Ledger};
use presence::Presence;
use recording::Capture;

/// Seats in one visit unless configured otherwise.
pub const DEFAULT_SEATS: usize = 8;

/// What a room is told about the clinic's rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomSettings {
    /// The version of the recording consent text that is in force.
    pub recording_text_version: String,
    /// How many people may have a seat at one time.
    pub seats: usize,
}

/// Why a room can't be rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RebuildError {
    /// A fact is missing: what follows it proves nothing.
    #[error("fact {expected} of the visit is missing (found {found}): restore visit_event from a backup")]
    Gap {
        /// The sequence number that should come.
        expected: u64,
        /// The one that came.
        found: u64,
    },
}

/// The room machine of one visit. See the module's doc for the calling order.
#[derive(Debug)]
pub struct Room {
    visit: VisitId,
    clinic: ClinicId,
    settings: RoomSettings,
    ledger: Ledger,
    evidence: Evidence,
    /// Said hello; their seat is not proven yet.
    arrivals: Vec<Arrival>,
    /// Everyone with a seat.
    presence: BTreeMap<ParticipantId, Presence>,
    /// Whose a connection is.
    conns: BTreeMap<ConnId, ParticipantId>,
    /// Shown names: never stored here, so unknown after a restart until the person is back.
    names: BTreeMap<ParticipantId, String>,
    capture: Capture,
    outputs: VecDeque<Output>,
    version: u64,
    closed: bool,
}

impl Room {
    /// A room that nobody has entered yet.
    #[must_use]
    pub fn new(visit: VisitId, clinic: ClinicId, settings: RoomSettings) -> Self {
        Self {
            visit,
            clinic,
            settings,
            ledger: Ledger::default(),
            evidence: Evidence::default(),
            arrivals: Vec::new(),
            presence: BTreeMap::new(),
            conns: BTreeMap::new(),
            names: BTreeMap::new(),
            capture: Capture::default(),
            outputs: VecDeque::new(),
            version: 0,
            closed: false,
        }
    }

    /// The room that these facts tell of. Everyone with a seat is reconnecting and has the full time to come back;
    /// a recording that ran is interrupted. Drain the outputs, or hand in the first input before.
    ///
    /// # Errors
    /// [`RebuildError::Gap`] when a sequence number is missing.
    pub fn rebuild(
        visit: VisitId,
        clinic: ClinicId,
        settings: RoomSettings,
        facts: impl IntoIterator<Item = (u64, Now, Fact)>,
        now: Now,
    ) -> Result<Self, RebuildError> {
        let mut room = Self::new(visit, clinic, settings);
        for (seq, at, fact) in facts {
            let expected = room.ledger.last_seq + 1;
            if seq != expected {
                return Err(RebuildError::Gap { expected, found: seq });
            }
            room.ledger.apply(seq, at, &fact);
        }
        room.presence = room
            .ledger
            .seats
            .keys()
            .filter(|id| room.ledger.seated(**id).is_some())
            .map(|id| (*id, Presence::lost(now)))
            .collect();
        room.interrupt_recording();
        room.settle(now);
        Ok(room)
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input, now: Now) {
        match input {
            Input::Connected { conn, who } => self.connected(conn, who),
            Input::Disconnected { conn } => self.disconnected(conn, now),
            Input::Revoked { person } => self.revoked(person),
            Input::Message { conn, message } => self.message(conn, message, now),
            Input::Persisted { seq } => self.persisted(seq, now),
            Input::PersistFailed { seq } => self.persist_failed(seq, now),
            Input::Media(event) => self.media_event(event),
            Input::Recorder(event) => self.recorder_event(event, now),
        }
        self.settle(now);
        self.publish();
        self.close_when_empty();
    }

    /// The next thing that should happen, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Room::handle_timeout`] wants to be called; `None` when nothing is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Now> {
        let seats = self.presence.values().filter_map(Presence::held_until);
        seats.chain(self.retry_at()).min()
    }

    /// Takes the time. Harmless when called early.
    pub fn handle_timeout(&mut self, now: Now) {
        self.empty_overdue_seats(now);
        self.settle(now);
        self.publish();
        self.close_when_empty();
    }

    /// What is proven so far.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The clinic.
    #[must_use]
    pub fn clinic(&self) -> ClinicId {
        self.clinic
    }

    fn message(&mut self, conn: ConnId, message: ClientMessage, now: Now) {
        let asker = Asker { conn, about: message.name() };
        let Some(&from) = self.conns.get(&conn) else {
            if self.arrivals.iter().any(|arrival| arrival.conn == conn) {
                self.refuse(asker, RefusalCode::BadMessage, "Wait for `welcome` before anything else.");
            }
            return;
        };
        let result = match message {
            ClientMessage::Offer { sdp } => self.offer(from, sdp),
            ClientMessage::JoinWaitingRoom => self.join_waiting_room(from, asker),
            ClientMessage::Admit { participant } => self.ask(asker, Fact::Admitted { participant, by: from }),
            ClientMessage::ReturnToWaiting { participant } => {
                self.ask(asker, Fact::ReturnedToWaiting { participant, by: from })
            }
            ClientMessage::Leave => self.leave(from),
            ClientMessage::EndVisit => self.ask(asker, Fact::Ended { by: from }),
            ClientMessage::SetMuted { audio, video, interrupted } => self.set_muted(from, audio, video, interrupted),
            ClientMessage::Chat { id, text } => self.chat(from, asker, id, text, now),
            ClientMessage::StartRecording => self.start_recording(from, asker),
            ClientMessage::StopRecording => self.stop_recording(from),
            ClientMessage::AnswerRecording { recording, allow, text_version } => {
                self.answer_recording(from, asker, recording, allow, text_version)
            }
            ClientMessage::View { slots } => self.demand(from, slots),
            ClientMessage::Hello { .. } | ClientMessage::Quality(_) | ClientMessage::Ping { .. } => {
                Err(Refusal(RefusalCode::BadMessage, "That is not said here. Reload the page.".into()))
            }
        };
        if let Err(Refusal(code, message)) = result {
            self.refuse(asker, code, &message);
        }
    }

    fn refuse(&mut self, asker: Asker, code: RefusalCode, message: &str) {
        if self.conns.contains_key(&asker.conn) || self.arrivals.iter().any(|arrival| arrival.conn == asker.conn) {
            let message = ServerMessage::Refused { code, message: message.into(), about: asker.about.into() };
            self.outputs.push_back(Output::Send { conn: asker.conn, message });
        }
    }

    /// Says the last message of a connection and forgets it.
    fn close(&mut self, conn: ConnId, reason: CloseReason) {
        self.conns.remove(&conn);
        self.arrivals.retain(|arrival| arrival.conn != conn);
        self.outputs.push_back(Output::Send { conn, message: ServerMessage::Closed { reason } });
        self.outputs.push_back(Output::Close { conn, reason });
    }

    fn close_when_empty(&mut self) {
        let busy = self.evidence.busy() || !self.arrivals.is_empty() || !self.presence.is_empty();
        if busy || self.recording_owes() || self.closed {
            return;
        }
        self.closed = true;
        self.outputs.push_back(Output::Sfu(SfuCommand::CloseRoom));
        self.outputs.push_back(Output::Closed);
    }
}

/// Why a message is not done: the stable code and words for its sender.
struct Refusal(RefusalCode, String);

impl From<Illegal> for Refusal {
    fn from(illegal: Illegal) -> Self {
        Self(illegal.code(), illegal.to_string())
    }
}
