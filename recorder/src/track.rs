//! A capture's tracks: found in a first pass over the journal, then read in order, one pass per track.
//!
//! Passes instead of memory: an hour of two people is over two gigabytes, and opening a chunk costs next to nothing
//! beside decoding it.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use sfu_core::tap::{Codec, TapPacket};

use crate::clock::{ClockMap, rtp_us};
use crate::journal::{Entry, Identity, Journal, JournalError, Tail, TrackKey};
use crate::timeline::Timeline;
use crate::{Damage, ObjectKey, TimedMark};

/// How long a missing packet is waited for, microseconds of arrival: a retransmission comes within a few round trips.
const REORDER_US: i64 = 1_500_000;
/// The same before the first packet of a stretch, where it is unknown whether any is missing.
const REORDER_FIRST_US: i64 = 200_000;
/// Packets that wait for a missing one, at most.
const MAX_WAITING: usize = 4_096;
/// A leap of sequence numbers beyond which a sender has begun anew.
const MAX_LEAP: u64 = 20_000;
/// A leap of arrival against RTP time beyond which a sender's clock has begun anew, microseconds.
const MAX_CLOCK_LEAP_US: i64 = 3_000_000;
/// Stretches of one track, at most: more is not a track but noise, and is left out.
const MAX_STRETCHES: usize = 10_000;

/// The RTP clock of a codec, Hz.
pub(crate) fn clock_rate(codec: Codec) -> u32 {
    match codec {
        Codec::Opus => 48_000,
        Codec::Vp8 | Codec::H264 => 90_000,
    }
}

/// What the first pass finds.
pub(crate) struct Scan {
    pub identity: Identity,
    pub marks: Vec<TimedMark>,
    pub tracks: BTreeMap<TrackKey, Track>,
    pub timeline: Timeline,
    pub packets: u64,
    pub chunks: u64,
    pub bytes: u64,
    pub chain: String,
    pub tail: Tail,
    pub damage: Vec<Damage>,
}

/// One track: how its stretches lie on the wall clock.
#[derive(Debug, Default)]
pub(crate) struct Track {
    stretches: Vec<ClockMap>,
    cutter: Cutter,
    pub packets: u64,
}

impl Track {
    /// When a packet was sent, by the server's clock, microseconds since the Unix epoch.
    pub fn wall_us(&self, stretch: usize, rtp_us: i64) -> i64 {
        self.stretches[stretch].wall_us(rtp_us)
    }
}

/// Cuts a track into stretches with continuous sequence numbers and one clock. Both passes see packets in the same
/// order, so both cut alike.
#[derive(Debug, Clone, Default)]
struct Cutter {
    stretch: Option<(usize, u32)>,
    newest_seq: u64,
    offset_us: i64,
}

impl Cutter {
    /// The stretch of the next packet, `None` if there are too many.
    fn stretch_of(&mut self, epoch: u32, packet: &TapPacket, rtp_us: i64) -> Option<usize> {
        let offset_us = packet.received_us.saturating_sub(rtp_us);
        let begins = match self.stretch {
            None => Some(0),
            Some((stretch, of)) => {
                let leap = packet.seq.abs_diff(self.newest_seq) > MAX_LEAP
                    || offset_us.abs_diff(self.offset_us) > MAX_CLOCK_LEAP_US as u64;
                (of != epoch || leap).then_some(stretch + 1)
            }
        };
        if let Some(stretch) = begins {
            self.stretch = Some((stretch, epoch));
        }
        if begins.is_some() || packet.seq >= self.newest_seq {
            self.newest_seq = packet.seq;
            self.offset_us = offset_us;
        }
        self.stretch.map(|(stretch, _)| stretch).filter(|&stretch| stretch < MAX_STRETCHES)
    }
}

/// The first pass.
pub(crate) fn scan(dir: &Path, key: &ObjectKey) -> Result<Scan, JournalError> {
    let mut journal = Journal::open(dir, key)?;
    let mut marks = Vec::new();
    let mut tracks: BTreeMap<TrackKey, Track> = BTreeMap::new();
    let mut packets = 0;
    let mut last_us = i64::MIN;
    while let Some(entry) = journal.next()? {
        match entry {
            Entry::Mark(mark) => marks.push(mark),
            Entry::Packet { epoch, packet } => {
                packets += 1;
                last_us = last_us.max(packet.received_us);
                let key = TrackKey { peer: packet.peer, source: packet.source, codec: packet.codec };
                let track = tracks.entry(key).or_default();
                let at = rtp_us(packet.rtp_time, clock_rate(packet.codec));
                if let Some(stretch) = track.cutter.stretch_of(epoch, &packet, at) {
                    if stretch == track.stretches.len() {
                        track.stretches.push(ClockMap::starting(at));
                    }
                    track.stretches[stretch].observe(at, packet.received_us);
                    track.packets += 1;
                }
            }
        }
    }
    for track in tracks.values_mut() {
        track.stretches.iter_mut().for_each(ClockMap::settle);
    }
    let timeline = Timeline::new(journal.identity().started, &marks, last_us);
    Ok(Scan {
        identity: journal.identity(),
        marks,
        tracks,
        timeline,
        packets,
        chunks: journal.chunks(),
        bytes: journal.len(),
        chain: hex::encode(journal.chain()),
        tail: journal.tail(),
        damage: journal.damage().to_vec(),
    })
}

/// A packet in its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ordered {
    pub packet: TapPacket,
    pub stretch: usize,
    /// Its RTP time, microseconds.
    pub rtp_us: i64,
    /// Packets of this stretch that are missing before it.
    pub missing: u64,
}

/// A track's packets in order of their sequence numbers, stretch after stretch.
pub(crate) struct TrackPackets {
    journal: Journal,
    key: TrackKey,
    cutter: Cutter,
    order: Reorder,
    /// The first packet of the next stretch.
    next: Option<(usize, i64, TapPacket)>,
    ended: bool,
}

impl TrackPackets {
    pub fn open(dir: &Path, key: &ObjectKey, track: TrackKey) -> Result<Self, JournalError> {
        Ok(Self {
            journal: Journal::open(dir, key)?,
            key: track,
            cutter: Cutter::default(),
            order: Reorder::default(),
            next: None,
            ended: false,
        })
    }

    /// The next packet, or `None` at the end.
    pub fn next(&mut self) -> io::Result<Option<Ordered>> {
        loop {
            let flush = self.ended || self.next.is_some();
            if let Some(ordered) = self.order.pop(flush) {
                return Ok(Some(ordered));
            }
            if let Some((stretch, at, packet)) = self.next.take() {
                self.order = Reorder { stretch, ..Reorder::default() };
                self.order.push(packet, at);
            } else if self.ended {
                return Ok(None);
            } else {
                self.fill()?;
            }
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let Some(entry) = self.journal.next()? else {
            self.ended = true;
            return Ok(());
        };
        let Entry::Packet { epoch, packet } = entry else {
            return Ok(());
        };
        if (TrackKey { peer: packet.peer, source: packet.source, codec: packet.codec }) != self.key {
            return Ok(());
        }
        let at = rtp_us(packet.rtp_time, clock_rate(packet.codec));
        if let Some(stretch) = self.cutter.stretch_of(epoch, &packet, at) {
            if stretch == self.order.stretch {
                self.order.push(packet, at);
            } else {
                self.next = Some((stretch, at, packet));
            }
        }
        Ok(())
    }
}

/// Puts the packets of one stretch in order.
#[derive(Debug, Default)]
struct Reorder {
    stretch: usize,
    waiting: BTreeMap<u64, (TapPacket, i64)>,
    expected: Option<u64>,
    newest_us: i64,
}

impl Reorder {
    fn push(&mut self, packet: TapPacket, rtp_us: i64) {
        if self.expected.is_some_and(|expected| packet.seq < expected) {
            return;
        }
        self.newest_us =
            if self.waiting.is_empty() { packet.received_us } else { self.newest_us.max(packet.received_us) };
        self.waiting.entry(packet.seq).or_insert((packet, rtp_us));
    }

    fn pop(&mut self, flush: bool) -> Option<Ordered> {
        let (&seq, (packet, _)) = self.waiting.first_key_value()?;
        let missing = self.expected.map_or(0, |expected| seq - expected);
        let patience = match self.expected {
            None => REORDER_FIRST_US,
            Some(_) if missing == 0 => 0,
            Some(_) => REORDER_US,
        };
        let waited = self.newest_us.saturating_sub(packet.received_us);
        if waited < patience && self.waiting.len() < MAX_WAITING && !flush {
            return None;
        }
        let (packet, rtp_us) = self.waiting.pop_first().map(|(_, waiting)| waiting)?;
        self.expected = Some(seq.saturating_add(1));
        Some(Ordered { packet, stretch: self.stretch, rtp_us, missing })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;
    use sfu_core::tap::{PeerKey, Source};

    fn packet(seq: u64, received_us: i64) -> TapPacket {
        TapPacket {
            peer: PeerKey(1),
            source: Source::Microphone,
            codec: Codec::Opus,
            seq,
            rtp_time: seq * 960,
            marker: false,
            payload: Bytes::from_static(b"x"),
            received_us,
        }
    }

    fn ordered(arrivals: &[(u64, i64)]) -> Vec<(u64, u64)> {
        let mut order = Reorder::default();
        let mut out = Vec::new();
        for &(seq, received_us) in arrivals {
            order.push(packet(seq, received_us), 0);
            while let Some(ordered) = order.pop(false) {
                out.push((ordered.packet.seq, ordered.missing));
            }
        }
        while let Some(ordered) = order.pop(true) {
            out.push((ordered.packet.seq, ordered.missing));
        }
        out
    }

    #[test]
    fn a_late_packet_is_put_in_its_place() {
        let arrivals = [(1, 0), (2, 20_000), (4, 60_000), (5, 80_000), (3, 400_000), (6, 410_000)];
        assert_eq!(ordered(&arrivals), [(1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0)]);
    }

    #[test]
    fn a_lost_packet_is_given_up_and_counted() {
        let arrivals = [(1, 0), (2, 20_000), (5, 80_000), (6, 2_000_000), (3, 2_100_000)];
        assert_eq!(ordered(&arrivals), [(1, 0), (2, 0), (5, 2), (6, 0)]);
    }

    #[test]
    fn the_first_packets_may_come_out_of_order() {
        assert_eq!(ordered(&[(3, 0), (1, 5_000), (2, 9_000)]), [(1, 0), (2, 0), (3, 0)]);
    }

    #[test]
    fn a_packet_that_comes_twice_is_given_out_once() {
        assert_eq!(ordered(&[(1, 0), (2, 1), (2, 2), (1, 3)]), [(1, 0), (2, 0)]);
    }

    #[test]
    fn a_sender_that_begins_anew_begins_a_new_stretch() {
        let mut cutter = Cutter::default();
        let at = |p: &TapPacket| rtp_us(p.rtp_time, 48_000);
        let mut stretch = |epoch, p: TapPacket| cutter.stretch_of(epoch, &p, at(&p)).unwrap();
        assert_eq!(stretch(0, packet(10, 200_000)), 0);
        assert_eq!(stretch(0, packet(9, 1_200_000)), 0, "a retransmission");
        assert_eq!(stretch(0, packet(11, 220_000)), 0);
        assert_eq!(stretch(0, packet(1, 30_000_000)), 1, "another clock");
        assert_eq!(stretch(1, packet(2, 30_020_000)), 2, "after a pause");
        assert_eq!(stretch(1, packet(900_000, 30_040_000)), 3, "other sequence numbers");
    }

    proptest! {
        #[test]
        fn whatever_arrives_comes_out_once_and_in_order(
            arrivals in prop::collection::vec((0..300_u64, 0..5_000_000_i64), 1..200)
        ) {
            let out = ordered(&arrivals);
            prop_assert!(out.windows(2).all(|pair| pair[0].0 < pair[1].0));
            let mut expected = out[0].0;
            for (seq, missing) in out {
                prop_assert_eq!(seq, expected + missing);
                expected = seq + 1;
            }
        }
    }
}
