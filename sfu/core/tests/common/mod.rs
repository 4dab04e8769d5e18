//! Rooms and clients over a network of seeded delay and loss, in virtual time.

#![expect(dead_code, reason = "each test file uses a part")]

pub mod client;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use client::{Client, Metronome};
use sfu_core::event::EventKind;
use sfu_core::room::{Limits, Outbox, Room, Settings};
use sfu_core::stun;
use sfu_core::tap::{PeerKey, TapPacket};
use sfu_core::{Candidates, Path};

pub const SERVER: &str = "10.0.0.1:3478";

/// How much time's worth of packets waits before a narrow link.
const QUEUE: Duration = Duration::from_millis(300);
/// IPv4 and UDP headers.
const HEADERS: usize = 28;

/// xorshift64*.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % below
    }
}

struct Flying {
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

pub struct World {
    pub start: Instant,
    pub now: Instant,
    pub rooms: Vec<Room>,
    pub clients: Vec<Client>,
    /// Room of each client.
    pub homes: Vec<usize>,
    pub metronomes: Vec<Metronome>,
    /// Does this client send media?
    pub sends: Vec<bool>,
    pub loudness: Vec<i8>,
    pub shares: Vec<bool>,
    /// Lost, per mille, of packets longer than a handshake's: (up, down).
    pub loss: (u64, u64),
    /// Loss hits whole milliseconds: which ones depends on the seed alone, not on the order of packets.
    pub bursts: bool,
    /// Packets overtake each other.
    pub reorders: bool,
    /// Nothing reaches or leaves this client.
    pub cut_off: Option<usize>,
    /// What the way to a client carries, bits per second; more waits in a queue of [`QUEUE`], the rest is lost.
    pub band: BTreeMap<usize, u64>,
    /// When the way to a client is free again.
    free_at: BTreeMap<usize, Instant>,
    seed: u64,
    last_arrival: BTreeMap<(SocketAddr, SocketAddr), Instant>,
    pub dice: Dice,
    pub out: Outbox,
    pub events: Vec<(Duration, usize, PeerKey, EventKind)>,
    pub taps: Vec<TapPacket>,
    /// Media datagrams that left the server for this client.
    pub rtp_to: BTreeMap<u8, u64>,
    flying: BTreeMap<(Instant, u64), Flying>,
    serial: u64,
    ufrags: BTreeMap<String, (usize, PeerKey)>,
    routes: BTreeMap<SocketAddr, (usize, PeerKey)>,
}

pub fn key(id: u8) -> PeerKey {
    PeerKey(u128::from(id))
}

impl World {
    pub fn new(rooms: usize, seed: u64) -> Self {
        Self::with_limits(rooms, seed, Limits::default())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant can't be made otherwise; only differences to it are used"
    )]
    pub fn with_limits(rooms: usize, seed: u64, limits: Limits) -> Self {
        let start = Instant::now();
        let settings =
            Settings::new(Candidates { udp: vec![SERVER.parse().unwrap()], tcp: vec![] }, limits, start, 1_000_000);
        Self {
            start,
            now: start,
            rooms: (0..rooms).map(|_| Room::new(settings.clone())).collect(),
            clients: vec![],
            homes: vec![],
            metronomes: vec![],
            sends: vec![],
            loudness: vec![],
            shares: vec![],
            loss: (0, 0),
            bursts: false,
            reorders: false,
            cut_off: None,
            band: BTreeMap::new(),
            free_at: BTreeMap::new(),
            seed,
            last_arrival: BTreeMap::new(),
            dice: Dice(seed | 1),
            out: Outbox::default(),
            events: vec![],
            taps: vec![],
            rtp_to: BTreeMap::new(),
            flying: BTreeMap::new(),
            serial: 0,
            ufrags: BTreeMap::new(),
            routes: BTreeMap::new(),
        }
    }

    /// A client that offers and sends; returns its index. Its id is the index plus one.
    pub fn join(&mut self, room: usize) -> usize {
        let n = self.clients.len();
        let id = n as u8 + 1;
        let address = SocketAddr::from(([10, 0, 1, id], 5_000));
        self.clients.push(Client::new(id, address, self.now));
        self.homes.push(room);
        self.metronomes.push(Metronome::new(self.now));
        self.sends.push(true);
        self.loudness.push(-30);
        self.shares.push(false);
        self.connect(n, key(id));
        n
    }

    /// The client offers and takes the answer.
    pub fn connect(&mut self, n: usize, key: PeerKey) {
        let room = self.homes[n];
        let (offer, pending) = self.clients[n].offer();
        let answered = self.rooms[room].offer(key, &offer, self.now, &mut self.out).unwrap();
        let ufrag = self.rooms[room].ufrag(key).unwrap().to_owned();
        self.ufrags.insert(ufrag, (room, key));
        if answered.fresh {
            self.routes.retain(|_, known| *known != (room, key));
        }
        self.clients[n].answer(pending, &answered.sdp, self.now);
        self.collect(room);
    }

    pub fn admit(&mut self, n: usize) {
        let room = self.homes[n];
        self.rooms[room].admit(key(self.clients[n].id), self.now, &mut self.out);
        self.collect(room);
    }

    pub fn hold(&mut self, n: usize) {
        let room = self.homes[n];
        self.rooms[room].hold(key(self.clients[n].id), self.now, &mut self.out);
        self.collect(room);
    }

    /// The client's seat is given up; its connection is gone.
    pub fn leave(&mut self, n: usize) {
        let (room, key) = (self.homes[n], key(self.clients[n].id));
        self.rooms[room].close(key, self.now, &mut self.out);
        self.routes.retain(|_, known| *known != (room, key));
        self.ufrags.retain(|_, known| *known != (room, key));
        self.sends[n] = false;
        self.collect(room);
    }

    pub fn tap(&mut self, room: usize, ids: &[u8]) {
        self.rooms[room].tap(ids.iter().map(|id| key(*id)).collect(), self.now, &mut self.out);
        self.collect(room);
    }

    /// A datagram to the server from anywhere.
    pub fn inject(&mut self, from: SocketAddr, datagram: &[u8]) {
        self.arrive_at_server(from, datagram);
    }

    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
        }
    }

    /// Until `done`, at most a minute of virtual time.
    pub fn run_until(&mut self, what: &str, mut done: impl FnMut(&World) -> bool) {
        let end = self.now + Duration::from_secs(60);
        while !done(self) {
            assert!(self.now < end, "never came: {what}");
            self.step();
        }
    }

    pub fn run_until_connected(&mut self) {
        self.run_until("all clients connect", |world| world.clients.iter().all(|client| client.connected));
    }

    fn step(&mut self) {
        self.now += Duration::from_millis(1);
        let now = self.now;
        while let Some(entry) = self.flying.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let Flying { from, to, bytes } = entry.remove();
            if to == SERVER.parse().unwrap() {
                self.arrive_at_server(from, &bytes);
            } else if let Some(client) = self.clients.iter_mut().find(|client| client.address == to) {
                client.receive(from, &bytes, now);
            }
        }
        for room in 0..self.rooms.len() {
            if self.rooms[room].next_timeout().is_some_and(|due| due <= now) {
                self.rooms[room].timeout(now, &mut self.out);
            }
            self.rooms[room].flush(now, &mut self.out);
            self.collect(room);
        }
        for n in 0..self.clients.len() {
            let (voice, film) = self.metronomes[n].due(now);
            if self.clients[n].deadline <= now {
                self.clients[n].tick(now);
            }
            if self.sends[n] {
                if voice {
                    self.clients[n].speak(self.loudness[n], now);
                }
                if film {
                    self.clients[n].film(now);
                }
            }
            if self.shares[n] && film {
                self.clients[n].share(now);
            }
            let address = self.clients[n].address;
            for (to, bytes) in std::mem::take(&mut self.clients[n].outgoing) {
                self.send(address, to, bytes, self.loss.0);
            }
        }
    }

    fn arrive_at_server(&mut self, from: SocketAddr, bytes: &[u8]) {
        let path = Path::udp(from, SERVER.parse().unwrap());
        if stun::is_stun(bytes)
            && let Some(named) = stun::named_ufrag(bytes).and_then(|ufrag| self.ufrags.get(ufrag)).copied()
            && self.rooms[named.0].accepts(named.1, path, bytes, self.now)
        {
            self.routes.insert(from, named);
        }
        let Some((room, key)) = self.routes.get(&from).copied() else {
            return;
        };
        self.rooms[room].receive(key, path, bytes, self.now, &mut self.out);
        self.collect(room);
    }

    fn collect(&mut self, room: usize) {
        for (peer, kind) in self.out.events.drain(..) {
            self.events.push((self.now - self.start, room, peer, kind));
        }
        self.taps.append(&mut self.out.taps);
        for transmit in std::mem::take(&mut self.out.transmits) {
            let rtp = (128..192).contains(&transmit.contents[0]) && !(64..96).contains(&(transmit.contents[1] & 0x7f));
            if rtp && let Some(client) = self.clients.iter().find(|client| client.address == transmit.path.remote) {
                *self.rtp_to.entry(client.id).or_default() += 1;
            }
            self.send(transmit.path.local, transmit.path.remote, transmit.contents.to_vec(), self.loss.1);
        }
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>, loss: u64) {
        let media = (128..192).contains(&bytes[0]);
        let lost = if self.bursts {
            let ms = (self.now - self.start).as_millis() as u64;
            let direction = u64::from(from.port());
            Dice(self.seed ^ (ms << 20) ^ direction | 1).roll(1_000) < loss
        } else {
            self.dice.roll(1_000) < loss
        };
        let cut = self.cut_off.map(|n| self.clients[n].address);
        if (media && lost) || cut == Some(from) || cut == Some(to) {
            return;
        }
        let mut sent = self.now;
        let receiver = self.clients.iter().position(|client| client.address == to);
        if let Some((n, bits)) = receiver.and_then(|n| Some((n, *self.band.get(&n)?))) {
            let free = self.free_at.get(&n).copied().unwrap_or(self.now).max(self.now);
            if free - self.now > QUEUE {
                return;
            }
            sent = free + Duration::from_secs_f64(((bytes.len() + HEADERS) * 8) as f64 / bits as f64);
            self.free_at.insert(n, sent);
        }
        let mut arrival = sent + Duration::from_micros(10_000 + self.dice.roll(2_000));
        let last = self.last_arrival.entry((from, to)).or_insert(arrival);
        if !self.reorders {
            arrival = arrival.max(*last);
        }
        *last = arrival;
        self.serial += 1;
        self.flying.insert((arrival, self.serial), Flying { from, to, bytes });
    }
}
