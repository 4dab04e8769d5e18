//! One peer's place in a room: what it publishes, what is on its slots, how it is doing.

use std::time::{Duration, Instant};

use crate::allocator::{Budget, choose};
use crate::event::{Demand, Slot};
use crate::forwarder::{Arrival, Forwarder};
use crate::offer::LineUse;
use crate::peer::{FIRST_SEQ, Incoming, Outgoing, Peer};
use crate::quality::Meter;
use crate::tap::{PeerKey, Source};
use crate::track::Track;

/// What a slot shows until the client says how wide.
const DEFAULT_WIDTH: u32 = 1_280;
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
    pub budget: Budget,
    /// Since the last budget step: lost packets, packets, bytes, and when.
    pub reported: (f64, u64, u64),
    /// Loudness of late, 0 (silence) to 127.
    pub loudness: f32,
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
            budget: Budget::default(),
            reported: (0.0, 0, 0),
            loudness: 0.0,
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

    /// The sources that others may be shown now, with the most important first.
    pub(crate) fn offers(&self, now: Instant) -> Vec<(Source, f32)> {
        if !self.open() {
            return Vec::new();
        }
        let mut offers = Vec::with_capacity(3);
        for track in &self.tracks {
            match track.source {
                // A microphone keeps its place while muted; who speaks goes first.
                Source::Microphone => offers.push((Source::Microphone, self.loudness)),
                Source::Screen if track.live(now, SLOT_HELD) => offers.push((Source::Screen, 1_000.0)),
                Source::Camera => offers.push((Source::Camera, 0.0)),
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
                slot.layer = None;
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
            slot.layer = None;
            slot.forwarder.pause();
            changed = true;
        }
        changed.then_some(cleared)
    }

    /// The slot that has to make room: for a voice the quietest one if it is clearly quieter, for a screen any camera.
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

    /// Chooses the layer of one slot; true if it changed.
    pub(crate) fn choose(&mut self, at: usize, track: Option<&Track>, budget: Option<f64>) -> bool {
        let slot = &mut self.slots[at];
        let chosen = match track {
            None => None,
            Some(_) if slot.audio => Some(0),
            Some(track) => {
                let views = track.views();
                // While nothing is live the choice stands: the layer may come back.
                if slot.width > 0 && !views.iter().any(|view| view.live) {
                    return false;
                }
                choose(&views, slot.width, budget)
            }
        };
        if chosen.is_none() && slot.layer.is_some() {
            slot.forwarder.pause();
        }
        std::mem::replace(&mut slot.layer, chosen) != chosen
    }
}
