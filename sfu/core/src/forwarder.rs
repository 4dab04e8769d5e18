//! Packets in, renumbered packets out: makes one continuous stream for one receiver out of whatever layers and
//! publishers are put on its slot. No crypto, no clock.
//!
//! Within an *epoch* (one SSRC from a start packet on) numbering is the publisher's plus a constant, so losses stay
//! holes that the receiver asks for again, and repaired packets find their place. A new epoch begins at a keyframe
//! and continues sequence numbers, timestamps and VP8 picture ids where the last one ended.

use std::time::{Duration, Instant, SystemTime};

use str0m::rtp::{Vp8Descriptor, Vp8Patch};

/// A packet as the forwarder needs it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival<'a> {
    pub ssrc: u32,
    pub seq: u64,
    pub time: u64,
    /// RTP clock, ticks per second.
    pub clock: u32,
    pub video: bool,
    /// VP8 only.
    pub vp8: Option<&'a Vp8Descriptor>,
    /// A stream may begin here: first packet of a keyframe, or any audio packet.
    pub start: bool,
    pub at: Instant,
    /// Sender report: this RTP time was at that wall-clock time.
    pub report: Option<(u64, SystemTime)>,
}

/// Where the packet goes in the outgoing stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Place {
    pub seq: u64,
    pub time: u64,
    pub patch: Option<Vp8Patch>,
}

#[derive(Debug, Clone, Copy)]
struct Epoch {
    ssrc: u32,
    first_seq: u64,
    seq_shift: u64,
    time_shift: u64,
    picture_shift: u16,
    tl0_shift: u8,
}

/// The last packet in sending order.
#[derive(Debug, Clone, Copy)]
struct Last {
    seq: u64,
    time: u64,
    picture: Option<u16>,
    tl0: Option<u8>,
    at: Instant,
    /// The sender's wall clock for this packet.
    wall: Option<SystemTime>,
}

#[derive(Debug, Default)]
pub(crate) struct Forwarder {
    first: u64,
    epoch: Option<Epoch>,
    /// The epoch before, for packets that fill its holes late, and the first number of the present one.
    previous: Option<(Epoch, u64)>,
    last: Option<Last>,
}

impl Forwarder {
    /// Begins numbering at `first`.
    pub(crate) fn new(first: u64) -> Self {
        Self { first, ..Self::default() }
    }

    /// The SSRC that is being forwarded.
    pub(crate) fn current(&self) -> Option<u32> {
        self.epoch.map(|epoch| epoch.ssrc)
    }

    /// Whether the epoch began with the publisher's packet of this number.
    pub(crate) fn began(&self, seq: u64) -> bool {
        self.epoch.is_some_and(|epoch| epoch.first_seq == seq)
    }

    /// Ends the epoch: nothing passes until the next start packet.
    pub(crate) fn pause(&mut self) {
        self.epoch = None;
        self.previous = None;
    }

    /// Places a packet; `wanted`: this packet's layer is the one to switch to. `None`: it is not forwarded.
    pub(crate) fn place(&mut self, packet: &Arrival<'_>, wanted: bool) -> Option<Place> {
        let same = self.epoch.is_some_and(|epoch| epoch.ssrc == packet.ssrc);
        let mut late = None;
        if !same {
            if wanted && packet.start {
                let epoch = self.begin(packet);
                self.previous = self.epoch.replace(epoch).map(|old| (old, packet.seq.wrapping_add(epoch.seq_shift)));
            } else {
                // A hole in what was sent before the switch can still be filled.
                let (old, end) = self.previous.filter(|_| self.epoch.is_some())?;
                if old.ssrc != packet.ssrc || packet.seq.wrapping_add(old.seq_shift) >= end {
                    return None;
                }
                late = Some(old);
            }
        }
        let epoch = late.or(self.epoch)?;
        if packet.seq < epoch.first_seq {
            return None;
        }
        let seq = packet.seq.wrapping_add(epoch.seq_shift);
        let time = packet.time.wrapping_add(epoch.time_shift);
        let picture =
            packet.vp8.and_then(Vp8Descriptor::picture_id).map(|id| id.wrapping_add(epoch.picture_shift) & 0x7fff);
        let tl0 = packet.vp8.and_then(Vp8Descriptor::tl0_pic_idx).map(|id| id.wrapping_add(epoch.tl0_shift));
        if self.last.is_none_or(|last| seq > last.seq) {
            let wall = wall(packet);
            self.last = Some(Last { seq, time, picture, tl0, at: packet.at, wall });
        }
        Some(Place { seq, time, patch: packet.vp8.and_then(|vp8| patch(vp8, picture, tl0)) })
    }

    fn begin(&self, packet: &Arrival<'_>) -> Epoch {
        let picture_in = packet.vp8.and_then(Vp8Descriptor::picture_id).unwrap_or(0);
        let tl0_in = packet.vp8.and_then(Vp8Descriptor::tl0_pic_idx).unwrap_or(0);
        let (seq, time, picture, tl0) = match self.last {
            None => (self.first, packet.time, picture_in, tl0_in),
            Some(last) => {
                // Between two layers of one sender its own reports tell the distance exactly; otherwise
                // the time of arrival has to do.
                let passed = match (last.wall, wall(packet)) {
                    (Some(before), Some(after)) => after.duration_since(before).unwrap_or(Duration::ZERO),
                    _ => packet.at.saturating_duration_since(last.at),
                };
                let arrived = packet.at.saturating_duration_since(last.at);
                let passed = if passed > arrived + Duration::from_secs(2) { arrived } else { passed };
                let ticks = (passed.as_secs_f64() * f64::from(packet.clock)) as u64;
                let picture = last.picture.map_or(picture_in, |id| id.wrapping_add(1) & 0x7fff);
                let tl0 = last.tl0.map_or(tl0_in, |id| id.wrapping_add(1));
                (last.seq + 1, last.time.wrapping_add(ticks.max(1)), picture, tl0)
            }
        };
        Epoch {
            ssrc: packet.ssrc,
            first_seq: packet.seq,
            seq_shift: seq.wrapping_sub(packet.seq),
            time_shift: time.wrapping_sub(packet.time),
            picture_shift: picture.wrapping_sub(picture_in),
            tl0_shift: tl0.wrapping_sub(tl0_in),
        }
    }
}

fn wall(packet: &Arrival<'_>) -> Option<SystemTime> {
    let (time, at) = packet.report?;
    let since = |ticks: u64| Duration::from_secs_f64(ticks as f64 / f64::from(packet.clock));
    if packet.time >= time {
        at.checked_add(since(packet.time - time))
    } else {
        at.checked_sub(since(time - packet.time))
    }
}

/// Rewrites picture id and TL0PICIDX where the descriptor has them; a 7-bit picture id wraps within its width.
fn patch(vp8: &Vp8Descriptor, picture: Option<u16>, tl0: Option<u8>) -> Option<Vp8Patch> {
    let mut wide = vp8.patch();
    let mut narrow = vp8.patch();
    if let Some(picture) = picture {
        wide = wide.picture_id(picture);
        narrow = narrow.picture_id(picture & 0x7f);
    }
    if let Some(tl0) = tl0 {
        wide = wide.tl0_pic_idx(tl0);
        narrow = narrow.tl0_pic_idx(tl0);
    }
    wide.build().or_else(|_too_wide| narrow.build()).ok()
}
