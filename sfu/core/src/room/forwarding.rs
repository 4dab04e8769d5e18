//! The way of one packet through a room, and the choice of what goes on which slot.

use std::time::Instant;

use super::{Outbox, REASSIGN_EVERY, Room};
use crate::event::EventKind;
use crate::peer::{Incoming, Said};
use crate::tap::{Codec, PeerKey, Source};
use crate::tapping::arrival;
use crate::track::vp8_width;

impl Room {
    /// Gives a packet to everyone who is shown its track.
    pub(super) fn forward(&mut self, at: usize, packet: &Incoming, now: Instant, out: &mut Outbox) {
        let seat = &mut self.seats[at];
        seat.meter.arrived(packet.ssrc, packet.codec, packet.seq, packet.time, packet.payload.len(), now);
        let Some(t) = seat.tracks.iter().position(|track| track.line == packet.line) else {
            return;
        };
        let vp8 = match packet.codec {
            Codec::Vp8 => match str0m::rtp::Vp8Descriptor::parse(&packet.payload) {
                Ok(vp8) => Some(vp8),
                Err(_malformed) => return,
            },
            _ => None,
        };
        let arrival = arrival(packet, vp8.as_ref(), now);
        let keyframe = arrival.video && arrival.start;
        let width = if keyframe { vp8_width(&packet.payload) } else { None };
        let silent = !seat.tracks[t].live(now, crate::seat::SLOT_HELD);
        let noted = seat.tracks[t].note(packet, keyframe, width, now);
        if !seat.open() {
            out.tally.dropped_not_admitted += 1;
            return;
        }
        let (from, source) = (seat.key, seat.tracks[t].source);
        if let Some(level) = packet.level {
            self.speakers.heard(from, level, packet.voice, now);
            if now >= self.settle_at {
                self.settle_speakers(now, out);
            }
        }
        if silent && source == Source::Screen {
            self.reassign(now, out);
        }
        if noted.changed {
            for other in 0..self.seats.len() {
                self.choose_layers(other, now, out);
            }
        }
        let mut waits = false;
        let mut begins = false;
        for receiver in &mut self.seats {
            if !receiver.open() {
                continue;
            }
            let shown = receiver.slots.iter().position(|slot| slot.from == Some((from, source)));
            let Some(slot) = shown else { continue };
            let before = receiver.slots[slot].forwarder.current();
            if receiver.give(slot, noted.layer, packet, &arrival, now) {
                out.tally.forwarded += 1;
            }
            let slot = &receiver.slots[slot];
            let current = slot.forwarder.current();
            waits |= (slot.audio || slot.layer == Some(noted.layer)) && current != Some(packet.ssrc);
            begins |= arrival.video && current != before;
        }
        if self.tap.covers(from) {
            let received_us = self.settings.unix_us(now);
            let track = &self.seats[at].tracks[t];
            let taken = self.tap.take(from, track, noted.layer, packet, &arrival, received_us);
            out.taps.extend(taken.packet);
            waits |= taken.waits;
            begins |= arrival.video && taken.begins;
        }
        if begins {
            self.catch_up(at, t, noted.layer, packet, now, out);
        }
        let Some(layer) = self.seats[at].tracks[t].layers.get_mut(noted.layer) else {
            return;
        };
        if waits {
            layer.keep(packet);
            self.want_keyframe(at, t, noted.layer, now, out);
        } else {
            layer.let_go();
        }
    }

    /// A keyframe's first packet came after some of the others: gives those to everyone for whom they are new.
    fn catch_up(&mut self, at: usize, t: usize, layer: usize, start: &Incoming, now: Instant, out: &mut Outbox) {
        let late = self.seats[at].tracks[t].layers[layer].after(start);
        let (from, source) = (self.seats[at].key, self.seats[at].tracks[t].source);
        let received_us = self.settings.unix_us(now);
        for packet in &late {
            let Ok(vp8) = str0m::rtp::Vp8Descriptor::parse(&packet.payload) else {
                continue;
            };
            let arrival = arrival(packet, Some(&vp8), now);
            for receiver in &mut self.seats {
                let shown = receiver.slots.iter().position(|slot| slot.from == Some((from, source)));
                if let Some(slot) =
                    shown.filter(|slot| receiver.open() && receiver.slots[*slot].forwarder.began(start.seq))
                    && receiver.give(slot, layer, packet, &arrival, now)
                {
                    out.tally.forwarded += 1;
                }
            }
            if self.tap.covers(from) && self.tap.began(from, source, start.seq) {
                let track = &self.seats[at].tracks[t];
                out.taps.extend(self.tap.take(from, track, layer, packet, &arrival, received_us).packet);
            }
        }
    }

    /// Someone needs a keyframe of a layer; asks the publisher now or soon.
    pub(super) fn want_keyframe(&mut self, at: usize, track: usize, layer: usize, now: Instant, out: &mut Outbox) {
        let seat = &mut self.seats[at];
        let Some(track) = seat.tracks.get_mut(track) else {
            return;
        };
        let Some(layer) = track.layers.get_mut(layer) else {
            return;
        };
        if layer.requests.want(now) && seat.peer.request_keyframe(track.line, layer.rid) {
            seat.dirty = true;
            out.tally.plis += 1;
        }
    }

    /// A receiver cannot decode what is on a slot.
    pub(super) fn pass_on_keyframe_wish(&mut self, at: usize, line: usize, now: Instant, out: &mut Outbox) {
        let Some(slot) = self.seats[at].slots.iter().find(|slot| slot.line == line) else {
            return;
        };
        let (Some((from, source)), current) = (slot.from, slot.forwarder.current()) else {
            return;
        };
        let Some(publisher) = self.seat(from) else {
            return;
        };
        let Some(track) = self.seats[publisher].tracks.iter().position(|track| track.source == source) else {
            return;
        };
        let layers = &self.seats[publisher].tracks[track].layers;
        if let Some(layer) = layers.iter().position(|layer| Some(layer.ssrc) == current) {
            self.want_keyframe(publisher, track, layer, now, out);
        }
    }

    /// Matches what is offered with everyone's slots.
    pub(super) fn reassign(&mut self, now: Instant, out: &mut Outbox) {
        self.reassign_at = Some(now + REASSIGN_EVERY);
        let seats = self.seats.iter();
        let offers: Vec<(PeerKey, Source, f32)> = seats
            .flat_map(|seat| {
                seat.offers(&self.speakers, now).into_iter().map(|(source, weight)| (seat.key, source, weight))
            })
            .collect();
        for at in 0..self.seats.len() {
            let seat = &mut self.seats[at];
            let Some(cleared) = seat.assign(&offers) else {
                continue;
            };
            let fed = seat.slots.iter().any(|slot| slot.from.is_some());
            if fed && !std::mem::replace(&mut seat.fed, fed) {
                seat.peer.explore();
            }
            seat.fed = fed;
            // What was queued goes now or never: sent after the cache was emptied it could be asked for again.
            if !cleared.is_empty() {
                seat.peer.flush(now, &mut self.said);
            }
            for line in cleared {
                seat.peer.forget(line, now, &mut self.said);
            }
            out.events.push((seat.key, EventKind::Slots(seat.shown())));
            let held: Vec<Said> = std::mem::take(&mut self.said);
            out.transmits.extend(held.into_iter().filter_map(|said| match said {
                Said::Transmit(transmit) if fed || !transmit.is_rtp() => Some(transmit),
                _ => None,
            }));
            self.choose_layers(at, now, out);
        }
    }
}
