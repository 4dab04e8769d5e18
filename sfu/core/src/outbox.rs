//! What comes out of rooms.

use crate::event::EventKind;
use crate::net::Transmit;
use crate::tap::{PeerKey, TapPacket};

/// Counts since the outbox was made; the caller may reset them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Media packets written to a receiver.
    pub forwarded: u64,
    /// Media packets dropped because their sender is not admitted.
    pub dropped_not_admitted: u64,
    /// Datagrams that the SSRC guard refused.
    pub dropped_guard: u64,
    /// NACKs from receivers.
    pub nacks: u64,
    /// Keyframe requests to publishers.
    pub plis: u64,
}

/// What comes out of rooms. The caller empties it.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Packets to send, in order.
    pub transmits: Vec<Transmit>,
    /// What happened, in order.
    pub events: Vec<(PeerKey, EventKind)>,
    /// For the recorder.
    pub taps: Vec<TapPacket>,
    /// Counts.
    pub tally: Tally,
}
