//! The recorder as a virtual receiver: best layer, renumbered, continuous.

use std::time::Instant;

use bytes::Bytes;
use str0m::rtp::Vp8Descriptor;

use crate::forwarder::{Arrival, Forwarder};
use crate::peer::Incoming;
use crate::tap::{PeerKey, Source, TapPacket};
use crate::track::Track;

#[derive(Debug)]
struct Stream {
    peer: PeerKey,
    source: Source,
    forwarder: Forwarder,
}

/// What the tap made of a packet.
#[derive(Debug)]
pub(crate) struct Taken {
    pub packet: Option<TapPacket>,
    /// It waits for a keyframe of this packet's layer.
    pub waits: bool,
    /// This packet began an epoch.
    pub begins: bool,
}

/// Numbering outlives an interrupted tap, so that a paused recording goes on where it stood.
#[derive(Debug, Default)]
pub(crate) struct Tap {
    peers: Vec<PeerKey>,
    streams: Vec<Stream>,
}

impl Tap {
    pub(crate) fn open(&mut self, peers: Vec<PeerKey>) {
        self.close();
        self.peers = peers;
    }

    pub(crate) fn close(&mut self) {
        self.peers.clear();
        for stream in &mut self.streams {
            stream.forwarder.pause();
        }
    }

    pub(crate) fn covers(&self, peer: PeerKey) -> bool {
        self.peers.contains(&peer)
    }

    /// Whether the stream's epoch began with the publisher's packet of this number.
    pub(crate) fn began(&self, peer: PeerKey, source: Source, seq: u64) -> bool {
        self.streams.iter().any(|s| s.peer == peer && s.source == source && s.forwarder.began(seq))
    }

    /// Takes a packet for the recorder.
    pub(crate) fn take(
        &mut self,
        peer: PeerKey,
        track: &Track,
        layer: usize,
        packet: &Incoming,
        arrival: &Arrival<'_>,
        received_us: i64,
    ) -> Taken {
        if !self.covers(peer) {
            return Taken { packet: None, waits: false, begins: false };
        }
        let at = match self.streams.iter().position(|s| s.peer == peer && s.source == track.source) {
            Some(at) => at,
            None => {
                self.streams.push(Stream { peer, source: track.source, forwarder: Forwarder::new(0) });
                self.streams.len() - 1
            }
        };
        let forwarder = &mut self.streams[at].forwarder;
        let wanted = !arrival.video || track.best == Some(layer);
        let before = forwarder.current();
        let place = forwarder.place(arrival, wanted);
        let begins = forwarder.current() != before;
        let waits = wanted && forwarder.current() != Some(packet.ssrc);
        let taken = place.map(|place| TapPacket {
            peer,
            source: track.source,
            codec: packet.codec,
            seq: place.seq,
            rtp_time: place.time,
            marker: packet.marker,
            payload: Bytes::from_owner(packet.payload.clone()),
            received_us,
        });
        Taken { packet: taken, waits, begins }
    }
}

/// Describes a packet for a forwarder.
pub(crate) fn arrival<'a>(packet: &'a Incoming, vp8: Option<&'a Vp8Descriptor>, now: Instant) -> Arrival<'a> {
    let video = packet.codec != crate::tap::Codec::Opus;
    Arrival {
        ssrc: packet.ssrc,
        seq: packet.seq,
        time: packet.time,
        clock: if video { 90_000 } else { 48_000 },
        video,
        vp8,
        start: !video || vp8.is_some_and(|vp8| vp8.starts_keyframe(&packet.payload)),
        at: now,
        report: packet.report,
    }
}
