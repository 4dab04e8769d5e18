//! One peer's place in a room: what it publishes, what is on its slots, how it is doing.

use std::time::{Duration, Instant};

use crate::allocator::{Allocator, Budget, Choice};
use crate::event::{Demand, Slot};
use crate::forwarder::{Arrival, Forwarder};
use crate::offer::LineUse;
use crate::peer::{FIRST_SEQ, Incoming, Outgoing, Peer};
use crate::quality::Meter;
use crate::speaker::Speakers;
use crate::tap::{PeerKey, Source};
use crate::track::Track;

/// What a slot shows until the client says how wide.
const DEFAULT_WIDTH: u32 = 1_280;
/// A camera stays worth a slot this long after its owner spoke.
const SPOKE_LATELY: Duration = Duration::from_secs(10);
/// An estimate that rose by less than this share since layers were chosen changes nothing.
const WORTH_CHOOSING: f64 = 1.05;
/// A screen or camera that was silent this long gives its slot back.
pub(crate) const SLOT_HELD: Duration = Duration::from_secs(3);

/// One receive-only m-line.
#[derive(Debug)]
pub(crate) struct ReceiveSlot {
    pub line: usize,
    pub mid: String,
    pub audio: bool,
    pub from: Option<(PeerKey, Source)>,
    pub forwarder: Forwarder,
    /// Shown width, pixels.
    pub width: u32,
    /// Chosen layer of the publisher's track.
    pub layer: Option<usize>,
    /// Its picture is held back for want of bandwidth.
    pub held_back: bool,
}

pub(crate) struct Seat {
    pub key: PeerKey,
    pub peer: Peer,
    pub admitted: bool,
    pub connected: bool,
    pub lost: bool,
    pub heard: Instant,
    /// Packets are queued that no flush has sent.
    pub dirty: bool,
    pub tracks: Vec<Track>,
    pub slots: Vec<ReceiveSlot>,
    pub meter: Meter,
    pub allocator: Allocator,
    pub budget: Budget,
    /// What the way to it takes, by its transport-wide feedback, and what it was when layers were last chosen.
    estimate: Option<(f64, f64)>,
    /// Somebody is on one of its slots. Until then it is sent no RTP at all.
    pub fed: bool,
    /// Held-back slots as the client was told.
    pub told_held_back: Vec<String>,
    /// Since the last budget step: lost packets, packets, bytes, and when.
    pub reported: (f64, u64, u64),
}

impl Seat {
    pub(crate) fn new(key: PeerKey, peer: Peer, admitted: bool, now: Instant) -> Self {
        let mut seat = Self {
            key,
            peer,
            admitted,
            connected: false,
            lost: false,
            heard: now,
            dirty: false,
            tracks: Vec::new(),
            slots: Vec::new(),
            meter: Meter::new(now),
            allocator: Allocator::default(),
            budget: Budget::default(),
            estimate: None,
            fed: false,
            told_held_back: Vec::new(),
            reported: (0.0, 0, 0),
        };
        seat.lay_out(now);
        seat
    }

    /// Follows the m-lines after an offer: keeps what was there, adds what is new.
    pub(crate) fn lay_out(&mut self, now: Instant) {
        for (n, line) in self.peer.lines.iter().enumerate() {
            match line.use_ {
                LineUse::Sends(source) => {
                    if !self.tracks.iter().any(|track| track.line == n) {
                        self.tracks.push(Track::new(n, source, now));
                    }
                }
                LineUse::Slot => {
                    if !self.slots.iter().any(|slot| slot.line == n) {
                        self.slots.push(ReceiveSlot {
                            line: n,
                            mid: line.mid.clone(),
                            audio: line.audio,
                            from: None,
                            forwarder: Forwarder::new(FIRST_SEQ),
                            width: DEFAULT_WIDTH,
                            layer: None,
                            held_back: false,
                        });
                    }
                }
                LineUse::None => {}
            }
        }
        let peer = &self.peer;
        self.tracks.retain(|track| peer.line_of(track.source) == Some(track.line));
    }

    /// May send to and receive from others now.
    pub(crate) fn open(&self) -> bool {
        self.admitted && self.connected
    }

    /// Bits per second for everything that it is sent; `None`: no limit known.
    pub(crate) fn limit(&self) -> Option<f64> {
        self.estimate.map_or(self.budget.bps(), |(bps, _)| Some(bps))
    }

    /// The way to this peer takes so much; true if layers should be chosen again.
    pub(crate) fn estimated(&mut self, bps: f64) -> bool {
        let chosen = self.estimate.map_or(f64::INFINITY, |(_, chosen)| chosen);
        self.estimate = Some((bps, chosen));
        bps < chosen || bps > chosen * WORTH_CHOOSING
    }

    /// Layers are being chosen for the estimate as it is.
    pub(crate) fn chosen(&mut self) {
        if let Some((bps, chosen)) = &mut self.estimate {
            *chosen = *bps;
        }
    }

    /// The video slots whose pictures are held back.
    pub(crate) fn held_back(&self) -> Vec<String> {
        self.slots.iter().filter(|slot| slot.held_back).map(|slot| slot.mid.clone()).collect()
    }

    pub(crate) fn view(&mut self, demands: &[Demand]) {
        for demand in demands {
            if let Some(slot) = self.slots.iter_mut().find(|slot| slot.mid == demand.mid) {
                slot.width = demand.width;
            }
        }
    }

    /// The slots in use, as the client is told.
    pub(crate) fn shown(&self) -> Vec<Slot> {
        let used = self.slots.iter().filter_map(|slot| slot.from.map(|from| (slot, from)));
        used.map(|(slot, (from, source))| Slot { mid: slot.mid.clone(), source, from }).collect()
    }

    /// The sources that others may be shown now, and how important each is.
    pub(crate) fn offers(&self, speakers: &Speakers, now: Instant) -> Vec<(Source, f32)> {
        if !self.open() {
            return Vec::new();
        }
        let rank = speakers.speaking().iter().position(|key| *key == self.key);
        let spoke = speakers.spoke(self.key).is_some_and(|at| now.saturating_duration_since(at) < SPOKE_LATELY);
        let mut offers = Vec::with_capacity(3);
        for track in &self.tracks {
            match track.source {
                // A microphone keeps its place while silent; who holds the floor goes first.
                Source::Microphone => {
                    let importance = rank.map_or(0.0, |rank| 1_000.0 - 20.0 * rank.min(40) as f32);
                    offers.push((Source::Microphone, importance));
                }
                Source::Screen if track.live(now, SLOT_HELD) => offers.push((Source::Screen, 2_000.0)),
                Source::Camera => offers.push((Source::Camera, if spoke { 600.0 } else { 0.0 })),
                Source::Screen => {}
            }
        }
        offers
    }

    /// Puts what the others offer on free slots and takes off what they no longer offer; people stay where they are.
    /// Returns the slots that lost or changed what they show, or `None` if nothing changed.
    pub(crate) fn assign(&mut self, offers: &[(PeerKey, Source, f32)]) -> Option<Vec<usize>> {
        let mut cleared = Vec::new();
        let mut changed = false;
        let receiving = self.open();
        let key = self.key;
        let wanted = || offers.iter().filter(move |(from, ..)| receiving && *from != key);
        for slot in &mut self.slots {
            let Some((from, source)) = slot.from else {
                continue;
            };
            if !wanted().any(|offer| (offer.0, offer.1) == (from, source)) {
                slot.from = None;
                (slot.layer, slot.held_back) = (None, false);
                slot.forwarder.pause();
                cleared.push(slot.line);
                changed = true;
            }
        }
        let mut waiting: Vec<_> = wanted()
            .filter(|(from, source, _)| !self.slots.iter().any(|slot| slot.from == Some((*from, *source))))
            .collect();
        waiting.sort_by(|a, b| b.2.total_cmp(&a.2));
        for (from, source, loudness) in waiting {
            let audio = *source == Source::Microphone;
            let free = self.slots.iter().position(|slot| slot.audio == audio && slot.from.is_none());
            let at = free.or_else(|| self.displaced(offers, audio, *loudness));
            let Some(at) = at else { continue };
            let slot = &mut self.slots[at];
            if slot.from.is_some() {
                cleared.push(slot.line);
            }
            slot.from = Some((*from, *source));
            (slot.layer, slot.held_back) = (None, false);
            slot.forwarder.pause();
            changed = true;
        }
        changed.then_some(cleared)
    }

    /// The slot that has to make room: for a voice that holds the floor one that does not speak, or spoke before; for a
    /// screen any camera; for the camera of somebody who speaks that of somebody who was silent for a while.
    fn displaced(&self, offers: &[(PeerKey, Source, f32)], audio: bool, importance: f32) -> Option<usize> {
        let (margin, of_kind) = if audio { (15.0, true) } else { (500.0, false) };
        let weight = |from: Option<(PeerKey, Source)>| {
            offers.iter().find(|offer| Some((offer.0, offer.1)) == from).map_or(0.0, |offer| offer.2)
        };
        let kind = self.slots.iter().enumerate().filter(|(_, slot)| slot.audio == of_kind);
        let (at, least) = kind.map(|(n, slot)| (n, weight(slot.from))).min_by(|a, b| a.1.total_cmp(&b.1))?;
        (importance > least + margin).then_some(at)
    }

    /// Puts a packet of a layer on a slot, if it is the one that the slot shows. True if it was queued.
    pub(crate) fn give(
        &mut self,
        at: usize,
        layer: usize,
        packet: &Incoming,
        arrival: &Arrival<'_>,
        now: Instant,
    ) -> bool {
        let slot = &mut self.slots[at];
        let wanted = slot.audio || slot.layer == Some(layer);
        let Some(place) = slot.forwarder.place(arrival, wanted) else {
            return false;
        };
        let outgoing = Outgoing { packet, seq: place.seq, time: place.time as u32, patch: place.patch };
        let written = self.peer.write(slot.line, outgoing, now);
        self.dirty |= written;
        written
    }

    /// Follows what was decided for one slot; true if its layer changed.
    pub(crate) fn follow(&mut self, at: usize, choice: Choice) -> bool {
        let slot = &mut self.slots[at];
        slot.held_back = choice == Choice::HeldBack;
        let chosen = if let Choice::Layer(layer) = choice { Some(layer) } else { None };
        if chosen.is_none() && slot.layer.is_some() {
            slot.forwarder.pause();
        }
        std::mem::replace(&mut slot.layer, chosen) != chosen
    }
}
