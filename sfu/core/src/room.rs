//! One visit's peers, and what goes from whom to whom.
//!
//! Nothing of a peer is forwarded, and nothing is forwarded to it, before [`Room::admit`] and after [`Room::hold`]:
//! the one place that decides is [`Seat::open`], looked at for sender and receiver of every packet.

mod forwarding;
mod quality;

use std::time::{Duration, Instant};

use crate::event::{Demand, EventKind};
use crate::net::Path;
use crate::offer::OfferError;
pub use crate::outbox::{Outbox, Tally};
use crate::peer::{Peer, Said};
use crate::quality::SlotReport;
use crate::seat::Seat;
pub use crate::settings::{Limits, Settings};
use crate::speaker::Speakers;
use crate::tap::PeerKey;
use crate::tapping::Tap;

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
    speakers: Speakers,
    settle_at: Instant,
    said: Vec<Said>,
}

impl Room {
    /// An empty room.
    pub fn new(settings: Settings) -> Self {
        let settle_at = settings.began();
        Self {
            settings,
            seats: Vec::new(),
            admitted: Vec::new(),
            tap: Tap::default(),
            reassign_at: None,
            speakers: Speakers::default(),
            settle_at,
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
    pub fn offer(&mut self, key: PeerKey, sdp: &str, now: Instant, out: &mut Outbox) -> Result<Answered, OfferError> {
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
                let made = Peer::new(&self.settings.identity, &self.settings.candidates, sdp, now, &mut said);
                made.map(|(peer, answer)| {
                    let admitted = self.admitted.contains(&key);
                    let seat = Seat::new(key, peer, admitted, now);
                    match before {
                        Some(at) => {
                            let mut old = std::mem::replace(&mut self.seats[at], seat);
                            let mut goodbye = Vec::new();
                            old.peer.close(now, &mut goodbye);
                            said.extend(goodbye.into_iter().filter(|s| matches!(s, Said::Transmit(_))));
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
        if !fresh
            && answer.is_ok()
            && let Some(at) = self.seat(key)
        {
            self.repeat(at, out);
        }
        answer.map(|sdp| Answered { sdp, fresh })
    }

    /// The ICE user fragment by which this peer's STUN messages name it.
    pub fn ufrag(&self, key: PeerKey) -> Option<&str> {
        self.seat(key).map(|at| self.seats[at].peer.ufrag.as_str())
    }

    /// Whether a STUN message from a new address proves to come from this peer.
    pub fn accepts(&self, key: PeerKey, path: Path, packet: &[u8], now: Instant) -> bool {
        self.seat(key).is_some_and(|at| self.seats[at].peer.accepts(path, packet, now))
    }

    /// Takes a packet from where this peer is known to be. What it leads to is queued until [`Room::flush`].
    pub fn receive(&mut self, key: PeerKey, path: Path, packet: &[u8], now: Instant, out: &mut Outbox) {
        let Some(at) = self.seat(key) else { return };
        let seat = &mut self.seats[at];
        if !seat.peer.receive(path, packet, now, &mut self.said) {
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
            let speaking = self.speakers.speaking();
            if !speaking.is_empty() {
                out.events.push((key, EventKind::Speaking(speaking.to_vec())));
            }
            self.reassign(now, out);
            self.flush(now, out);
        }
    }

    /// Closes the room to this peer, which keeps its connection.
    pub fn hold(&mut self, key: PeerKey, now: Instant, out: &mut Outbox) {
        self.admitted.retain(|admitted| *admitted != key);
        if let Some(at) = self.seat(key) {
            self.seats[at].admitted = false;
            self.speakers.forget(key);
            self.reassign(now, out);
            self.flush(now, out);
        }
    }

    /// Drops this peer and its admission.
    pub fn close(&mut self, key: PeerKey, now: Instant, out: &mut Outbox) {
        self.admitted.retain(|admitted| *admitted != key);
        if let Some(at) = self.seat(key) {
            let mut seat = self.seats.remove(at);
            self.speakers.forget(key);
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
            self.ask_publishers(now, out);
            self.flush(now, out);
        }
    }

    /// From now on gives the packets of these peers in [`Outbox::taps`].
    pub fn tap(&mut self, peers: Vec<PeerKey>, now: Instant, out: &mut Outbox) {
        self.tap.open(peers);
        self.ask_publishers(now, out);
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
            let requests = seat.tracks.iter().flat_map(|track| &track.layers).filter_map(|layer| layer.requests.due());
            [Some(seat.peer.timeout()), lost, sum].into_iter().flatten().chain(requests)
        });
        seats.chain(self.reassign_at.filter(|_| !self.seats.is_empty())).min()
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
                .flat_map(|(t, track)| track.layers.iter().enumerate().map(move |(l, layer)| (t, l, layer)))
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
            self.review(now, out);
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
                Said::Transmit(transmit) => {
                    // Whoever waits or is alone is sent no RTP at all, not even the padding that probes for bandwidth.
                    if self.seats[at].fed || !transmit.is_rtp() {
                        out.transmits.push(transmit);
                    }
                }
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
                Said::Egress { line, loss, rtt, jitter, nacks, packets, bytes } => {
                    let seat = &mut self.seats[at];
                    seat.meter.rtt(rtt);
                    let audio = seat.peer.lines.get(line).is_some_and(|line| line.audio);
                    let report = SlotReport { line, audio, loss, jitter, packets, bytes, nacks };
                    let (packets, bytes, nacks) = seat.meter.reported(report);
                    out.tally.nacks += nacks;
                    if let Some(loss) = loss {
                        seat.reported.0 += f64::from(loss) * packets as f64;
                        seat.reported.1 += packets;
                    }
                    seat.reported.2 += bytes;
                }
                Said::Estimate { bps } => {
                    if self.seats[at].estimated(bps) && self.seats[at].open() {
                        self.choose_layers(at, now, out);
                    }
                }
                Said::Ingress { rtt } => self.seats[at].meter.rtt(rtt),
                // str0m gives this one before the slots' reports of the same second, so it sums up the last.
                Said::Transport { rtt } => {
                    let seat = &mut self.seats[at];
                    seat.meter.rtt(rtt);
                    let (lost, packets, bytes) = std::mem::take(&mut seat.reported);
                    if packets > 0 {
                        seat.budget.report(lost / packets as f64, bytes as f64 * 8.0);
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
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Room").field("peers", &self.seats.len()).finish_non_exhaustive()
    }
}
