//! What the SFU says about its peers, and the little that it is told.

use crate::tap::{PeerKey, Source};

/// How wide a client shows one of its video slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// The slot's `mid` in the client's own offer.
    pub mid: String,
    /// Shown width in device pixels; 0 = hidden, nothing is sent on this slot.
    pub width: u32,
}

/// One receive slot in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The m-line's `mid` in the receiving client's own offer.
    pub mid: String,
    /// What it carries.
    pub source: Source,
    /// Whose it is.
    pub from: PeerKey,
}

/// Which way packets went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Client to server.
    Up,
    /// Server to client.
    Down,
}

/// What was measured of one peer in one direction, over about five seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    /// Which way.
    pub direction: Direction,
    /// Round trip between server and client, milliseconds; `None` while no report allows to tell.
    pub rtt_ms: Option<f32>,
    /// Share of packets that did not arrive (after retransmission), 0 to 1.
    pub loss: f32,
    /// Inter-arrival jitter (RFC 3550, 6.4.1) in milliseconds, of audio where there is audio.
    pub jitter_ms: f32,
    /// RTP payload bits per second.
    pub bitrate_bps: u64,
    /// RTP packets counted at the server.
    pub packets: u64,
    /// Length of the interval, milliseconds.
    pub interval_ms: u32,
    /// Estimated mean opinion score of the voice, 1 to 4.5 (see [`crate::quality::mos`]); `None` without audio.
    pub mos: Option<f32>,
}

/// What happened to one peer.
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind {
    /// ICE and DTLS are up (also: up again after [`EventKind::Lost`]).
    Connected,
    /// Nothing arrived for [`crate::room::LOST_AFTER`], or the client closed its connection. The peer is kept
    /// until it is closed, and comes back by itself if packets arrive again.
    Lost,
    /// All slots of this peer that are in use now; a mid that is absent is empty.
    Slots(Vec<Slot>),
    /// The layers of its camera that anyone watches, by `rid`: it should send these only. All, until this is said.
    Asked(Vec<String>),
    /// The video slots (by `mid`) whose pictures are held back because its network does not carry them; voice goes on.
    HeldBack(Vec<String>),
    /// Who speaks now, whoever holds the floor first. Said to everyone in the room.
    Speaking(Vec<PeerKey>),
    /// Measurements, every five seconds in each direction.
    Quality(Interval),
}
