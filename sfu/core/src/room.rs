//! One visit's peers, and what goes from whom to whom.
//!
//! Nothing of a peer is forwarded, and nothing is forwarded to it, before [`Room::admit`] and after [`Room::hold`]:
//! the one place that decides is [`Seat::open`], looked at for sender and receiver of every packet.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::event::{Demand, EventKind};
use crate::offer::OfferError;
pub use crate::outbox::{Outbox, Tally};
use crate::peer::{Incoming, Peer, Said};
use crate::quality::SlotReport;
use crate::seat::Seat;
pub use crate::settings::{Limits, Settings};
use crate::tap::{Codec, PeerKey, Source};
use crate::tapping::{Tap, arrival};
use crate::track::vp8_width;

/// A connected peer of whom nothing arrives for this long is lost. Browsers send a STUN check at least every 2.5 s.
pub const LOST_AFTER: Duration = Duration::from_millis(4_500);
/// How often slots are looked through for silent screens and louder voices.
const REASSIGN_EVERY: Duration = Duration::from_millis(500);

/// An answered offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The SDP answer.
    pub sdp: String,
    /// A connection was made or replaced: where the peer was known to be before is void.
    pub fresh: bool,
}

/// A room of peers.
pub struct Room {
    settings: Settings,
    seats: Vec<Seat>,
    /// Who is admitted, with a connection or without.
    admitted: Vec<PeerKey>,
    tap: Tap,
    reassign_at: Option<Instant>,
    said: Vec<Said>,
}

impl Room {
    /// An empty room.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            seats: Vec::new(),
            admitted: Vec::new(),
            tap: Tap::default(),
            reassign_at: None,
            said: Vec::new(),
        }
    }

    /// Peers with a connection, made or in the making.
    pub fn peers(&self) -> usize {
        self.seats.len()
    }

    /// Answers an offer: makes the peer, renegotiates it, or replaces it when it comes from a new connection of the
    /// same client. Whether the peer is admitted does not change.
    ///
    /// # Errors
    /// The peer, if there was one, is as it was.
    pub fn offer(
        &mut self,
        key: PeerKey,
        sdp: &str,
        now: Instant,
        out: &mut Outbox,
    ) -> Result<Answered, OfferError> {
        let mut fresh = true;
        let mut said = std::mem::take(&mut self.said);
        let answer = match self.seat(key) {
            Some(at) if self.seats[at].peer.is_from(sdp)? => {
                fresh = false;
                let answer = self.seats[at].peer.renegotiate(sdp, now, &mut said);
                if answer.is_ok() {
                    self.seats[at].lay_out(now);
                }
                answer
            }
            before => {
                if before.is_none() && self.seats.len() >= self.settings.limits.peers_per_room {
                    return Err(OfferError::RoomFull);
                }
                let made = Peer::new(
                    &self.settings.identity,
                    &self.settings.candidates,
                    sdp,
                    now,
                    &mut said,
                );
                made.map(|(peer, answer)| {
                    let admitted = self.admitted.contains(&key);
                    let seat = Seat::new(key, peer, admitted, now);
                    match before {
                        Some(at) => {
                            let mut old = std::mem::replace(&mut self.seats[at], seat);
                            let mut goodbye = Vec::new();
                            old.peer.close(now, &mut goodbye);
                            said.extend(
                                goodbye
                                    .into_iter()
                                    .filter(|s| matches!(s, Said::Transmit(_))),
                            );
                        }
                        None => self.seats.push(seat),
                    }
                    answer
                })
            }
        };
        self.said = said;
        if let Some(at) = self.seat(key) {
            self.process(at, now, out);
        }
        self.reassign(now, out);
        answer.map(|sdp| Answered { sdp, fresh })
    }

    /// The ICE user fragment by which this peer's STUN messages name it.
    pub fn ufrag(&self, key: PeerKey) -> Option<&str> {
        self.seat(key).map(|at| self.seats[at].peer.ufrag.as_str())
    }

    /// Whether a STUN message from a new address proves to come from this peer.
    pub fn accepts(
        &self,
        key: PeerKey,
        from: SocketAddr,
        to: SocketAddr,
        datagram: &[u8],
        now: Instant,
    ) -> bool {
        self.seat(key)
            .is_some_and(|at| self.seats[at].peer.accepts(from, to, datagram, now))
    }

    /// Takes a datagram from where this peer is known to be. What it leads to is queued until [`Room::flush`].
    pub fn receive(
        &mut self,
        key: PeerKey,
        from: SocketAddr,
        to: SocketAddr,
        datagram: &[u8],
        now: Instant,
        out: &mut Outbox,
    ) {
        let Some(at) = self.seat(key) else { return };
        let seat = &mut self.seats[at];
        if !seat.peer.receive(from, to, datagram, now, &mut self.said) {
            out.tally.dropped_guard += 1;
            return;
        }
        seat.heard = now;
        if std::mem::take(&mut seat.lost) {
            out.events.push((key, EventKind::Connected));
        }
        self.process(at, now, out);
    }

    /// Sends everything that is queued.
    pub fn flush(&mut self, now: Instant, out: &mut Outbox) {
        for at in 0..self.seats.len() {
            if std::mem::take(&mut self.seats[at].dirty) {
                self.seats[at].peer.flush(now, &mut self.said);
                self.process(at, now, out);
            }
        }
    }

    /// Opens the room to this peer.
    pub fn admit(&mut self, key: PeerKey, now: Instant, out: &mut Outbox) {
        if !self.admitted.contains(&key) {
            self.admitted.push(key);
        }
        if let Some(at) = self.seat(key) {
            self.seats[at].admitted = true;
            self.reassign(now, out);
            self.flush(now, out);
        }
    }

    /// Closes the room to this peer, which keeps its connection.
    pub fn hold(&mut self, key: PeerKey, now: Instant, out: &mut Outbox) {
        self.admitted.retain(|admitted| *admitted != key);
        if let Some(at) = self.seat(key) {
            self.seats[at].admitted = false;
            self.reassign(now, out);
            self.flush(now, out);
        }
    }

    /// Drops this peer and its admission.
    pub fn close(&mut self, key: PeerKey, now: Instant, out: &mut Outbox) {
        self.admitted.retain(|admitted| *admitted != key);
        if let Some(at) = self.seat(key) {
            let mut seat = self.seats.remove(at);
            seat.peer.close(now, &mut self.said);
            for said in self.said.drain(..) {
                if let Said::Transmit(transmit) = said {
                    out.transmits.push(transmit);
                }
            }
            self.reassign(now, out);
            self.flush(now, out);
        }
    }

    /// Drops everyone.
    pub fn close_all(&mut self, now: Instant, out: &mut Outbox) {
        while let Some(key) = self.seats.last().map(|seat| seat.key) {
            self.close(key, now, out);
        }
        self.admitted.clear();
    }

    /// Sets how wide this peer shows its slots.
    pub fn view(&mut self, key: PeerKey, demands: &[Demand], now: Instant, out: &mut Outbox) {
        if let Some(at) = self.seat(key) {
            self.seats[at].view(demands);
            self.choose_layers(at, now, out);
            self.flush(now, out);
        }
    }

    /// From now on gives the packets of these peers in [`Outbox::taps`].
    pub fn tap(&mut self, peers: Vec<PeerKey>, now: Instant, out: &mut Outbox) {
        self.tap.open(peers);
        for at in 0..self.seats.len() {
            if self.seats[at].admitted && self.tap.covers(self.seats[at].key) {
                for track in 0..self.seats[at].tracks.len() {
                    if let Some(layer) = self.seats[at].tracks[track].best {
                        self.want_keyframe(at, track, layer, now, out);
                    }
                }
            }
        }
        self.flush(now, out);
    }

    /// Ends the tap.
    pub fn untap(&mut self) {
        self.tap.close();
    }

    /// When [`Room::timeout`] is due. `None`: nobody is here.
    pub fn next_timeout(&self) -> Option<Instant> {
        let seats = self.seats.iter().flat_map(|seat| {
            let lost = (seat.connected && !seat.lost).then_some(seat.heard + LOST_AFTER);
            let sum = seat.connected.then(|| seat.meter.due());
            let requests = seat
                .tracks
                .iter()
                .flat_map(|track| &track.layers)
                .filter_map(|layer| layer.requests.due());
            [Some(seat.peer.timeout()), lost, sum]
                .into_iter()
                .flatten()
                .chain(requests)
        });
        seats
            .chain(self.reassign_at.filter(|_| !self.seats.is_empty()))
            .min()
    }

    /// Lets time pass.
    pub fn timeout(&mut self, now: Instant, out: &mut Outbox) {
        for at in 0..self.seats.len() {
            let seat = &mut self.seats[at];
            let key = seat.key;
            if seat.connected && !seat.lost && now >= seat.heard + LOST_AFTER {
                seat.lost = true;
                out.events.push((key, EventKind::Lost));
            }
            if seat.connected && now >= seat.meter.due() {
                for interval in seat.meter.sum(now) {
                    out.events.push((key, EventKind::Quality(interval)));
                }
            }
            let tracks = seat.tracks.iter().enumerate();
            let due: Vec<(usize, usize)> = tracks
                .flat_map(|(t, track)| {
                    track
                        .layers
                        .iter()
                        .enumerate()
                        .map(move |(l, layer)| (t, l, layer))
                })
                .filter(|(.., layer)| layer.requests.due().is_some_and(|due| now >= due))
                .map(|(t, l, _)| (t, l))
                .collect();
            for (track, layer) in due {
                self.want_keyframe(at, track, layer, now, out);
            }
            if self.seats[at].peer.timeout() <= now {
                self.seats[at].dirty = true;
            }
        }
        if self.reassign_at.is_some_and(|due| now >= due) {
            self.reassign(now, out);
        }
        self.flush(now, out);
    }

    fn seat(&self, key: PeerKey) -> Option<usize> {
        self.seats.iter().position(|seat| seat.key == key)
    }

    /// Acts on what seat `at` said.
    fn process(&mut self, at: usize, now: Instant, out: &mut Outbox) {
        let mut said = std::mem::take(&mut self.said);
        for said in said.drain(..) {
            match said {
                Said::Transmit(transmit) => out.transmits.push(transmit),
                Said::Media(packet) => self.forward(at, &packet, now, out),
                Said::Connected => {
                    let seat = &mut self.seats[at];
                    seat.connected = true;
                    seat.lost = false;
                    seat.heard = now;
                    seat.meter = crate::quality::Meter::new(now);
                    out.events.push((seat.key, EventKind::Connected));
                    self.reassign(now, out);
                }
                Said::Closed => {
                    let seat = &mut self.seats[at];
                    if seat.connected && !std::mem::replace(&mut seat.lost, true) {
                        out.events.push((seat.key, EventKind::Lost));
                    }
                    seat.connected = false;
                    self.reassign(now, out);
                }
                Said::KeyframeWanted { line } => self.pass_on_keyframe_wish(at, line, now, out),
                Said::Egress {
                    line,
                    loss,
                    rtt,
                    jitter,
                    nacks,
                    packets,
                    bytes,
                } => {
                    let seat = &mut self.seats[at];
                    seat.meter.rtt(rtt);
                    let audio = seat.peer.lines.get(line).is_some_and(|line| line.audio);
                    let report = SlotReport {
                        line,
                        audio,
                        loss,
                        jitter,
                        packets,
                        bytes,
                        nacks,
                    };
                    let (packets, bytes, nacks) = seat.meter.reported(report);
                    out.tally.nacks += nacks;
                    if let Some(loss) = loss {
                        seat.reported.0 += f64::from(loss) * packets as f64;
                        seat.reported.1 += packets;
                    }
                    seat.reported.2 += bytes;
                }
                Said::Ingress { rtt } => self.seats[at].meter.rtt(rtt),
                // str0m gives this one before the slots' reports of the same second, so it sums up the last.
                Said::Transport { rtt } => {
                    let seat = &mut self.seats[at];
                    seat.meter.rtt(rtt);
                    let (lost, packets, bytes) = std::mem::take(&mut seat.reported);
                    if packets > 0 {
                        seat.budget
                            .report(lost / packets as f64, bytes as f64 * 8.0);
                        self.choose_layers(at, now, out);
                    }
                }
            }
        }
        // Keep the buffer for the next time, unless something nested has put its own back.
        if self.said.is_empty() {
            self.said = said;
        }
    }

    /// Gives a packet to everyone who is shown its track.
    fn forward(&mut self, at: usize, packet: &Incoming, now: Instant, out: &mut Outbox) {
        let seat = &mut self.seats[at];
        seat.meter.arrived(
            packet.ssrc,
            packet.codec,
            packet.seq,
            packet.time,
            packet.payload.len(),
            now,
        );
        let Some(t) = seat
            .tracks
            .iter()
            .position(|track| track.line == packet.line)
        else {
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
        let width = if keyframe {
            vp8_width(&packet.payload)
        } else {
            None
        };
        let silent = !seat.tracks[t].live(now, crate::seat::SLOT_HELD);
        let noted = seat.tracks[t].note(packet, keyframe, width, now);
        if let Some(level) = packet.level {
            seat.loudness += (f32::from(127 - level.min(127)) - seat.loudness) * 0.05;
        }
        if !seat.open() {
            out.tally.dropped_not_admitted += 1;
            return;
        }
        let (from, source) = (seat.key, seat.tracks[t].source);
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
            let shown = receiver
                .slots
                .iter()
                .position(|slot| slot.from == Some((from, source)));
            let Some(slot) = shown else { continue };
            let before = receiver.slots[slot].forwarder.current();
            if receiver.give(slot, noted.layer, packet, &arrival, now) {
                out.tally.forwarded += 1;
            }
            let slot = &receiver.slots[slot];
            let current = slot.forwarder.current();
            waits |=
                (slot.audio || slot.layer == Some(noted.layer)) && current != Some(packet.ssrc);
            begins |= arrival.video && current != before;
        }
        if self.tap.covers(from) {
            let received_us = self.settings.unix_us(now);
            let track = &self.seats[at].tracks[t];
            let taken = self
                .tap
                .take(from, track, noted.layer, packet, &arrival, received_us);
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
    fn catch_up(
        &mut self,
        at: usize,
        t: usize,
        layer: usize,
        start: &Incoming,
        now: Instant,
        out: &mut Outbox,
    ) {
        let late = self.seats[at].tracks[t].layers[layer].after(start);
        let (from, source) = (self.seats[at].key, self.seats[at].tracks[t].source);
        let received_us = self.settings.unix_us(now);
        for packet in &late {
            let Ok(vp8) = str0m::rtp::Vp8Descriptor::parse(&packet.payload) else {
                continue;
            };
            let arrival = arrival(packet, Some(&vp8), now);
            for receiver in &mut self.seats {
                let shown = receiver
                    .slots
                    .iter()
                    .position(|slot| slot.from == Some((from, source)));
                if let Some(slot) = shown.filter(|slot| {
                    receiver.open() && receiver.slots[*slot].forwarder.began(start.seq)
                }) && receiver.give(slot, layer, packet, &arrival, now)
                {
                    out.tally.forwarded += 1;
                }
            }
            if self.tap.covers(from) && self.tap.began(from, source, start.seq) {
                let track = &self.seats[at].tracks[t];
                out.taps.extend(
                    self.tap
                        .take(from, track, layer, packet, &arrival, received_us)
                        .packet,
                );
            }
        }
    }

    /// Someone needs a keyframe of a layer; asks the publisher now or soon.
    fn want_keyframe(
        &mut self,
        at: usize,
        track: usize,
        layer: usize,
        now: Instant,
        out: &mut Outbox,
    ) {
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
    fn pass_on_keyframe_wish(&mut self, at: usize, line: usize, now: Instant, out: &mut Outbox) {
        let Some(slot) = self.seats[at].slots.iter().find(|slot| slot.line == line) else {
            return;
        };
        let (Some((from, source)), current) = (slot.from, slot.forwarder.current()) else {
            return;
        };
        let Some(publisher) = self.seat(from) else {
            return;
        };
        let Some(track) = self.seats[publisher]
            .tracks
            .iter()
            .position(|track| track.source == source)
        else {
            return;
        };
        let layers = &self.seats[publisher].tracks[track].layers;
        if let Some(layer) = layers.iter().position(|layer| Some(layer.ssrc) == current) {
            self.want_keyframe(publisher, track, layer, now, out);
        }
    }

    /// Matches what is offered with everyone's slots.
    fn reassign(&mut self, now: Instant, out: &mut Outbox) {
        self.reassign_at = Some(now + REASSIGN_EVERY);
        let seats = self.seats.iter();
        let offers: Vec<(PeerKey, Source, f32)> = seats
            .flat_map(|seat| {
                seat.offers(now)
                    .into_iter()
                    .map(|(source, weight)| (seat.key, source, weight))
            })
            .collect();
        for at in 0..self.seats.len() {
            let seat = &mut self.seats[at];
            let Some(cleared) = seat.assign(&offers) else {
                continue;
            };
            for line in cleared {
                seat.peer.forget(line, now, &mut self.said);
            }
            out.events.push((seat.key, EventKind::Slots(seat.shown())));
            let held: Vec<Said> = std::mem::take(&mut self.said);
            out.transmits
                .extend(held.into_iter().filter_map(|said| match said {
                    Said::Transmit(transmit) => Some(transmit),
                    _ => None,
                }));
            self.choose_layers(at, now, out);
        }
    }

    /// Chooses the layers of one receiver, and asks for keyframes of those that are new.
    fn choose_layers(&mut self, at: usize, now: Instant, out: &mut Outbox) {
        let mut left = self.seats[at].budget.bps();
        for slot in 0..self.seats[at].slots.len() {
            let Some((from, source)) = self.seats[at].slots[slot].from else {
                continue;
            };
            let Some(publisher) = self.seat(from) else {
                continue;
            };
            let Some(t) = self.seats[publisher]
                .tracks
                .iter()
                .position(|track| track.source == source)
            else {
                continue;
            };
            // Two different seats: a peer is never on its own slots.
            let Ok([receiver, sender]) = self.seats.get_disjoint_mut([at, publisher]) else {
                continue;
            };
            let changed = receiver.choose(slot, sender.tracks.get(t), left);
            let chosen = receiver.slots[slot].layer;
            let layer = chosen.and_then(|layer| sender.tracks[t].layers.get(layer));
            left = left.map(|left| left - layer.map_or(0.0, |layer| layer.bps()));
            let current = receiver.slots[slot].forwarder.current();
            let waits = layer.is_some_and(|layer| Some(layer.ssrc) != current);
            if let Some(layer) = chosen
                && changed
                && waits
                && source != Source::Microphone
            {
                self.want_keyframe(publisher, t, layer, now, out);
            }
        }
    }
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Room")
            .field("peers", &self.seats.len())
            .finish_non_exhaustive()
    }
}
