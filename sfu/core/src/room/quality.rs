//! What each receiver is sent, what each publisher is asked for, and who speaks.

use std::time::{Duration, Instant};

use super::{Outbox, Room};
use crate::allocator::{Allocator, Want};
use crate::event::EventKind;
use crate::tap::{PeerKey, Source};

/// How often it is looked at who speaks.
pub(super) const SETTLE_EVERY: Duration = Duration::from_millis(100);

impl Room {
    /// Chooses the layers of one receiver, asks for keyframes of those that are new, and tells it what is held back.
    pub(super) fn choose_layers(&mut self, at: usize, now: Instant, out: &mut Outbox) {
        let receiver = &self.seats[at];
        let voices = receiver.slots.iter().filter(|slot| slot.audio && slot.from.is_some()).count();
        let mut wants = Vec::with_capacity(receiver.slots.len());
        let mut tracks = Vec::with_capacity(receiver.slots.len());
        for (n, slot) in receiver.slots.iter().enumerate().filter(|(_, slot)| !slot.audio) {
            let Some((from, source)) = slot.from else { continue };
            let Some(publisher) = self.seat(from) else { continue };
            let Some(t) = self.seats[publisher].tracks.iter().position(|track| track.source == source) else {
                continue;
            };
            let layers = self.seats[publisher].tracks[t].views(now);
            // While nothing is live the choice stands: the layer may come back.
            if slot.width > 0 && !layers.iter().any(|layer| layer.live) {
                continue;
            }
            let screen = source == Source::Screen;
            wants.push(Want { slot: n, screen, width: slot.width, layers, current: slot.layer });
            tracks.push((publisher, t));
        }
        let receiver = &mut self.seats[at];
        receiver.chosen();
        let choices = receiver.allocator.allocate(&wants, voices, receiver.limit(), now);
        receiver.peer.desire(Allocator::desired(&wants, voices));
        for ((want, (publisher, t)), choice) in wants.iter().zip(tracks).zip(choices) {
            let changed = self.seats[at].follow(want.slot, choice);
            let slot = &self.seats[at].slots[want.slot];
            let (Some(layer), true) = (slot.layer, changed) else { continue };
            let current = slot.forwarder.current();
            let ssrc = self.seats[publisher].tracks[t].layers.get(layer).map(|layer| layer.ssrc);
            if ssrc.is_some() && ssrc != current {
                self.want_keyframe(publisher, t, layer, now, out);
            }
        }
        let receiver = &mut self.seats[at];
        let held_back = receiver.held_back();
        if held_back != receiver.told_held_back {
            receiver.told_held_back.clone_from(&held_back);
            out.events.push((receiver.key, EventKind::HeldBack(held_back)));
        }
    }

    /// Lets time pass for what was decided: pictures come back, layers that nobody watches are switched off.
    pub(super) fn review(&mut self, now: Instant, out: &mut Outbox) {
        for at in 0..self.seats.len() {
            if self.seats[at].open() {
                self.choose_layers(at, now, out);
            }
        }
        self.ask_publishers(now, out);
        self.settle_speakers(now, out);
    }

    /// Tells publishers which of their layers are watched.
    pub(super) fn ask_publishers(&mut self, now: Instant, out: &mut Outbox) {
        for publisher in 0..self.seats.len() {
            // Who waits to be let in keeps sending everything: the first picture must not wait for a layer.
            if !self.seats[publisher].open() {
                continue;
            }
            let key = self.seats[publisher].key;
            for t in 0..self.seats[publisher].tracks.len() {
                let track = &self.seats[publisher].tracks[t];
                let (source, count) = (track.source, track.layers.len());
                if source != Source::Camera || count < 2 {
                    continue;
                }
                let mut watched = vec![false; count];
                let slots = self.seats.iter().filter(|seat| seat.open()).flat_map(|seat| &seat.slots);
                for layer in slots.filter(|slot| slot.from == Some((key, source))).filter_map(|slot| slot.layer) {
                    watched.get_mut(layer).into_iter().for_each(|watched| *watched = true);
                }
                if self.tap.covers(key) {
                    watched[count - 1] = true;
                }
                let track = &mut self.seats[publisher].tracks[t];
                if track.follow(&watched, now) {
                    out.events.push((key, EventKind::Asked(track.asked())));
                }
            }
        }
    }

    /// Says again how a client's media stands that offered anew on the same connection.
    pub(super) fn repeat(&mut self, at: usize, out: &mut Outbox) {
        let seat = &self.seats[at];
        let camera = seat.tracks.iter().find(|track| track.source == Source::Camera);
        let asked = camera.filter(|track| track.layers.len() > 1).map(|track| EventKind::Asked(track.asked()));
        let held_back = EventKind::HeldBack(seat.told_held_back.clone());
        out.events.extend(asked.into_iter().chain([held_back]).map(|kind| (seat.key, kind)));
    }

    /// Looks who speaks, and tells everyone if that changed.
    pub(super) fn settle_speakers(&mut self, now: Instant, out: &mut Outbox) {
        self.settle_at = now + SETTLE_EVERY;
        if !self.speakers.settle(now) {
            return;
        }
        let speaking: Vec<PeerKey> = self.speakers.speaking().to_vec();
        let open = self.seats.iter().filter(|seat| seat.open());
        out.events.extend(open.map(|seat| (seat.key, EventKind::Speaking(speaking.clone()))));
        self.reassign(now, out);
    }
}
