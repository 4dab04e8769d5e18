//! What goes into and comes out of a peer connection.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use str0m::media::Rid;
use str0m::rtp::Vp8Patch;

use crate::net::Transmit;
use crate::tap::Codec;

/// A packet that a client sent, authenticated and decrypted.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    pub line: usize,
    pub rid: Option<Rid>,
    pub ssrc: u32,
    pub codec: Codec,
    pub seq: u64,
    pub time: u64,
    pub marker: bool,
    pub payload: Arc<[u8]>,
    /// RFC 6464: 0 is loudest, 127 silence.
    pub level: Option<u8>,
    pub voice: Option<bool>,
    pub rotation: Option<str0m::rtp::VideoOrientation>,
    /// From the sender's last report: this RTP time was at that wall-clock time.
    pub report: Option<(u64, SystemTime)>,
}

/// What came out of a change.
#[derive(Debug)]
pub(crate) enum Said {
    Transmit(Transmit),
    Connected,
    /// The client closed DTLS, or the connection failed for good.
    Closed,
    Media(Incoming),
    /// A receiver cannot decode what is on this m-line.
    KeyframeWanted {
        line: usize,
    },
    Egress {
        line: usize,
        loss: Option<f32>,
        rtt: Option<Duration>,
        jitter: u32,
        nacks: u64,
        packets: u64,
        bytes: u64,
    },
    Ingress {
        rtt: Option<Duration>,
    },
    Transport {
        rtt: Option<Duration>,
    },
    /// What the way to this client takes, bits per second, by its transport-wide feedback.
    Estimate {
        bps: f64,
    },
}

/// A packet to write on a slot.
#[derive(Debug)]
pub(crate) struct Outgoing<'a> {
    pub packet: &'a Incoming,
    pub seq: u64,
    pub time: u32,
    pub patch: Option<Vp8Patch>,
}
