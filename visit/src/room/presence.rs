//! What is forgotten on a restart about someone with a seat: connection, media, mute state, what was shown.

use std::collections::VecDeque;

use super::ConnId;
use crate::fact::LeaveReason;
use crate::wire::{RoomView, SEAT_HELD_MS, Slot};
use crate::{Now, ParticipantId};

/// The fleeting half of a seat.
#[derive(Debug)]
pub(super) struct Presence {
    /// The websocket.
    pub link: Link,
    /// The peer connection.
    pub media: Media,
    /// Microphone off.
    pub audio_muted: bool,
    /// Camera off.
    pub video_muted: bool,
    /// The system took the microphone.
    pub interrupted: bool,
    /// How many lines of the chat this connection was brought up to.
    pub chat_seen: usize,
    /// When the latest chat lines were taken.
    pub chat_times: VecDeque<Now>,
    /// The last view that this connection was sent.
    pub shown: Option<RoomView>,
}

/// A seat's websocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// There.
    Up(ConnId),
    /// Gone; the seat is held.
    Lost {
        /// Until when.
        until: Now,
    },
    /// The seat is given up and media is closed; only the fact is missing.
    Leaving(LeaveReason),
}

/// A seat's peer connection.
#[derive(Debug, Default)]
pub(super) struct Media {
    /// An offer was made.
    pub offered: bool,
    /// ICE and DTLS are up.
    pub up: bool,
    /// Who carries what to this person.
    pub slots: Vec<Slot>,
    /// Layers that it was asked for; `None`: all of them, nothing was said since its last offer.
    pub layers: Option<Vec<String>>,
    /// Slots whose pictures are held back.
    pub held_back: Vec<String>,
    /// Who speaks.
    pub speaking: Vec<ParticipantId>,
    /// Whose offers are unanswered, oldest first.
    pub unanswered: VecDeque<ConnId>,
}

impl Presence {
    pub fn new(link: Link) -> Self {
        Self {
            link,
            media: Media::default(),
            audio_muted: false,
            video_muted: false,
            interrupted: false,
            chat_seen: 0,
            chat_times: VecDeque::new(),
            shown: None,
        }
    }

    /// Someone who is not here and may come back.
    pub fn lost(now: Now) -> Self {
        Self::new(Link::Lost { until: now.plus(SEAT_HELD_MS) })
    }

    pub fn conn(&self) -> Option<ConnId> {
        match self.link {
            Link::Up(conn) => Some(conn),
            Link::Lost { .. } | Link::Leaving(_) => None,
        }
    }

    pub fn leaving(&self) -> Option<LeaveReason> {
        match self.link {
            Link::Leaving(why) => Some(why),
            Link::Up(_) | Link::Lost { .. } => None,
        }
    }

    pub fn held_until(&self) -> Option<Now> {
        match self.link {
            Link::Lost { until } => Some(until),
            Link::Up(_) | Link::Leaving(_) => None,
        }
    }
}
