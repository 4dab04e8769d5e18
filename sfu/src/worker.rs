//! One thread that owns whole rooms, one socket and one timer heap.
//!
//! A round: due timers, waiting commands, a few batches of datagrams, then every touched room is flushed once and all
//! that came out is sent at once. It waits only when the socket has nothing more.

mod commands;
mod ports;

pub(crate) use commands::Command;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSockRef, UdpSocketState};
use sfu_core::net::is_relayed;
use sfu_core::room::{Limits, Outbox, Room, Settings};
use sfu_core::stun;
use sfu_core::tap::{PeerKey, RoomKey};
use sfu_core::{Candidates, PacketBytes, Path, Transmit, Transport};
use tokio::sync::mpsc;

use crate::handle::{Config, Event, StartError};
use crate::reach::Probe;
use crate::streams::Streams;
use crate::sys::{self, Sending, Waker};
use crate::tally::{Tally, add};
use crate::tap_sink::TapSink;

/// Batches of datagrams taken before rooms are flushed: enough to fill send batches under load, few enough that the
/// first packet does not wait long for the last.
const BATCHES: usize = 4;
/// Longest datagram that is read whole; media stays below 1,500.
const DATAGRAM: usize = 2_048;
/// Longest wait without an event.
const IDLE: Duration = Duration::from_secs(1);
/// How often the thread's processor time is read (a system call).
const CPU_EVERY: Duration = Duration::from_millis(100);
/// Addresses that one peer may be known at: networks it changed between, at once.
const ADDRESSES_PER_PEER: usize = 16;
/// Events that may wait here when the server does not take them.
const EVENTS_HELD: usize = 65_536;

/// A packet of one of the relay's clients.
#[derive(Debug)]
pub(crate) struct ToMedia {
    /// The address that the client was lent.
    pub relayed: SocketAddr,
    /// Which of our candidates it is for.
    pub to: SocketAddr,
    pub packet: Vec<u8>,
}

/// A packet for one of the relay's clients.
#[derive(Debug)]
pub(crate) struct FromMedia {
    pub relayed: SocketAddr,
    /// Which of our candidates it comes from.
    pub from: SocketAddr,
    pub packet: PacketBytes,
}

/// The relay's ends, as a worker has them.
pub(crate) struct Relayed {
    pub packets: Receiver<ToMedia>,
    pub clients: mpsc::Sender<Vec<FromMedia>>,
    pub probe: Arc<Probe>,
}

/// Packets of the relay's clients taken in one round.
const RELAYED: usize = 256;

struct Place {
    key: RoomKey,
    room: Room,
    sink: Option<TapSink>,
    /// The heap has an entry for this time.
    scheduled: Option<Instant>,
    touched: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Route {
    place: usize,
    peer: PeerKey,
}

#[derive(Default)]
struct Whereabouts {
    ufrag: String,
    addresses: Vec<Address>,
}

/// Where a client is.
type Address = (Transport, SocketAddr);

pub(crate) struct Worker {
    socket: UdpSocket,
    state: UdpSocketState,
    /// ICE-TCP, if it is wanted. Taken out while it gives packets to the rooms.
    streams: Option<Streams>,
    relayed: Relayed,
    sending: Sending,
    address: SocketAddr,
    candidates: Vec<SocketAddr>,
    /// Of these, what clients are told.
    told: Candidates,
    settings: Settings,
    limits: Limits,
    queue: Receiver<Command>,
    waker: Waker,
    events: mpsc::Sender<Event>,
    tally: Arc<Tally>,
    places: Vec<Option<Place>>,
    free: Vec<usize>,
    by_key: HashMap<RoomKey, usize>,
    by_address: HashMap<Address, Route>,
    by_ufrag: HashMap<String, Route>,
    whereabouts: HashMap<(usize, PeerKey), Whereabouts>,
    timers: BinaryHeap<Reverse<(Instant, usize)>>,
    touched: Vec<usize>,
    out: Outbox,
    /// Events that the server has not taken yet.
    held: VecDeque<Event>,
}

impl Worker {
    pub(crate) fn bind(
        address: SocketAddr,
        config: &Config,
        queue: Receiver<Command>,
        relayed: Relayed,
        waker: Waker,
        events: mpsc::Sender<Event>,
        tally: Arc<Tally>,
    ) -> Result<Self, StartError> {
        let failed = |source: io::Error| ports::failed(address, "UDP", source);
        let (socket, listener) = ports::open(address, config.tcp.is_some())?;
        let bound = socket.local_addr().map_err(failed)?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket)).map_err(failed)?;
        let unspecified = bound.ip().is_unspecified();
        let local = if unspecified { sys::local_addresses() } else { vec![bound.ip()] };
        let told = if config.public.is_empty() { &local } else { &config.public };
        let candidates: Vec<SocketAddr> = (told.iter().copied())
            .filter(|ip| bound.is_ipv6() || ip.is_ipv4())
            .map(|ip| SocketAddr::new(ip, bound.port()))
            .collect();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let unix_us = i64::try_from(since).unwrap_or(i64::MAX);
        let now = Instant::now();
        let streams = match (listener, config.tcp) {
            (Some(listener), Some(limits)) => {
                Some(Streams::new(listener, candidates.clone(), limits, now).map_err(failed)?)
            }
            _ => None,
        };
        let told = |wanted: bool| if wanted { candidates.clone() } else { Vec::new() };
        let told = Candidates { udp: told(config.udp), tcp: told(streams.is_some()) };
        let settings = Settings::new(told.clone(), config.limits, now, unix_us);
        let sending = Sending {
            fd: socket.as_raw_fd(),
            v6: bound.is_ipv6(),
            // Behind address translation the candidates are not ours to send from.
            pin_source: unspecified && config.public.is_empty(),
            segments: state.max_gso_segments() > 1,
        };
        Ok(Self {
            socket,
            state,
            streams,
            relayed,
            sending,
            address: bound,
            candidates,
            told,
            settings,
            limits: config.limits,
            queue,
            waker,
            events,
            tally,
            places: Vec::new(),
            free: Vec::new(),
            by_key: HashMap::new(),
            by_address: HashMap::new(),
            by_ufrag: HashMap::new(),
            whereabouts: HashMap::new(),
            timers: BinaryHeap::new(),
            touched: Vec::new(),
            out: Outbox::default(),
            held: VecDeque::new(),
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where clients are told to send to.
    pub(crate) fn candidates(&self) -> &Candidates {
        &self.told
    }

    pub(crate) fn run(mut self) {
        let buffer = DATAGRAM * self.state.gro_segments().max(1);
        let mut storage = vec![0u8; buffer * BATCH_SIZE];
        let mut metas = vec![RecvMeta::default(); BATCH_SIZE];
        let mut cpu_read = Instant::now();
        loop {
            let now = Instant::now();
            self.fire_timers(now);
            if !self.run_commands(now) {
                break;
            }
            let mut more = true;
            for _ in 0..BATCHES {
                more = self.receive(&mut storage, buffer, &mut metas);
                if !more {
                    break;
                }
            }
            self.turn_streams(Instant::now());
            more |= self.take_relayed(Instant::now());
            self.finish_round(Instant::now());
            if now.saturating_duration_since(cpu_read) >= CPU_EVERY {
                cpu_read = now;
                self.tally.cpu_us.store(sys::thread_cpu_us(), Ordering::Relaxed);
            }
            if !more {
                let due = self.timers.peek().map(|Reverse((at, _))| at.saturating_duration_since(Instant::now()));
                let held = if self.held.is_empty() { IDLE } else { Duration::from_millis(10) };
                let sweep = self.streams.as_ref().and_then(Streams::next_timeout);
                let sweep = sweep.map_or(IDLE, |at| at.saturating_duration_since(Instant::now()));
                let wait = due.unwrap_or(IDLE).min(held).min(sweep);
                if !wait.is_zero() {
                    // The system skips descriptors below zero.
                    let streams = self.streams.as_ref().map_or(-1, Streams::fd);
                    sys::wait([self.socket.as_raw_fd(), streams], &self.waker, wait);
                }
            }
        }
        let now = Instant::now();
        for at in 0..self.places.len() {
            if let Some(place) = &mut self.places[at] {
                place.room.close_all(now, &mut self.out);
            }
        }
        self.finish_round(now);
    }

    /// Reads one batch. False: it was not full, so the socket has nothing more; asking again would cost a system call.
    fn receive(&mut self, storage: &mut [u8], buffer: usize, metas: &mut [RecvMeta]) -> bool {
        let mut slices: Vec<IoSliceMut<'_>> = storage.chunks_exact_mut(buffer).map(IoSliceMut::new).collect();
        let count = match self.state.recv(UdpSockRef::from(&self.socket), &mut slices, metas) {
            Ok(count) => count,
            // Anything but "nothing there" is an ICMP error of an earlier send, and says nothing of the socket.
            Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
        };
        let now = Instant::now();
        let mut packets = 0;
        let mut bytes = 0;
        for (slice, meta) in slices.iter().zip(&metas[..count]) {
            let from = SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port());
            let to = self.arrived_at(meta.dst_ip);
            for datagram in slice[..meta.len].chunks(meta.stride.max(1)) {
                packets += 1;
                bytes += datagram.len() as u64;
                self.dispatch(Path::udp(from, to), datagram, now);
            }
        }
        add(&self.tally.packets_in, packets);
        add(&self.tally.bytes_in, bytes);
        count == metas.len()
    }

    /// The candidate that a datagram was sent to. Behind address translation it is not the address it arrived at.
    fn arrived_at(&self, ip: Option<IpAddr>) -> SocketAddr {
        let ip = ip.map(|ip| ip.to_canonical());
        let known = self.candidates.iter().find(|candidate| Some(candidate.ip()) == ip);
        known.or(self.candidates.first()).copied().unwrap_or(self.address)
    }

    /// Takes what came by TCP, and lets go of connections that ended.
    fn turn_streams(&mut self, now: Instant) {
        let Some(mut streams) = self.streams.take() else { return };
        let (mut packets, mut bytes) = (0, 0);
        streams.turn(now, |path, packet| {
            packets += 1;
            bytes += packet.len() as u64;
            self.dispatch(path, packet, now)
        });
        for remote in streams.ended.drain(..) {
            let address = (Transport::Tcp, remote);
            if let Some(route) = self.by_address.remove(&address)
                && let Some(about) = self.whereabouts.get_mut(&(route.place, route.peer))
            {
                about.addresses.retain(|known| *known != address);
            }
        }
        add(&self.tally.packets_in, packets);
        add(&self.tally.bytes_in, bytes);
        add(&self.tally.dropped_send, std::mem::take(&mut streams.dropped));
        add(&self.tally.streams_refused, std::mem::take(&mut streams.refused));
        self.tally.streams.store(streams.open() as u64, Ordering::Relaxed);
        self.streams = Some(streams);
    }

    /// Takes what came through the relay. True: there may be more.
    fn take_relayed(&mut self, now: Instant) -> bool {
        for _ in 0..RELAYED {
            let Ok(ToMedia { relayed, to, packet }) = self.relayed.packets.try_recv() else { return false };
            add(&self.tally.packets_in, 1);
            add(&self.tally.bytes_in, packet.len() as u64);
            self.dispatch(Path { transport: Transport::Relay, remote: relayed, local: to }, &packet, now);
        }
        true
    }

    /// Gives a packet to the peer at its source; an unknown source has to prove by STUN whose it is. False: it is
    /// nobody's.
    fn dispatch(&mut self, path: Path, datagram: &[u8], now: Instant) -> bool {
        let known = self.by_address.get(&(path.transport, path.remote)).copied();
        let route = if stun::is_stun(datagram) {
            let named = stun::named_ufrag(datagram).and_then(|ufrag| self.by_ufrag.get(ufrag)).copied();
            match (named, known) {
                (Some(named), Some(known)) if named == known => Some(known),
                (Some(named), _) => self.learn(named, path, datagram, now).then_some(named),
                // Responses and indications carry no name.
                (None, known) => known.filter(|_| stun::named_ufrag(datagram).is_none()),
            }
        } else {
            known
        };
        let Some(route) = route else {
            if !self.relayed.probe.takes(path.transport, datagram) {
                add(&self.tally.dropped_foreign, 1);
            }
            return false;
        };
        self.with(route.place, |room, out| room.receive(route.peer, path, datagram, now, out));
        true
    }

    /// Learns that a peer is at a new address, if the message proves it.
    fn learn(&mut self, route: Route, path: Path, datagram: &[u8], now: Instant) -> bool {
        let Some(Some(place)) = self.places.get(route.place) else {
            return false;
        };
        // By UDP nothing comes from an address that the relay lends, unless it is forged.
        let forged = path.transport != Transport::Relay && is_relayed(path.remote);
        if forged || !place.room.accepts(route.peer, path, datagram, now) {
            return false;
        }
        let from = (path.transport, path.remote);
        let about = self.whereabouts.entry((route.place, route.peer)).or_default();
        if about.addresses.len() >= ADDRESSES_PER_PEER {
            let oldest = about.addresses.remove(0);
            self.by_address.remove(&oldest);
        }
        about.addresses.push(from);
        if let Some(other) = self.by_address.insert(from, route)
            && let Some(about) = self.whereabouts.get_mut(&(other.place, other.peer))
            && other != route
        {
            about.addresses.retain(|address| *address != from);
        }
        true
    }

    fn fire_timers(&mut self, now: Instant) {
        while let Some(Reverse((at, n))) = self.timers.peek().copied() {
            if at > now {
                break;
            }
            self.timers.pop();
            if let Some(Some(place)) = self.places.get_mut(n)
                && place.scheduled == Some(at)
            {
                place.scheduled = None;
                self.with(n, |room, out| room.timeout(now, out));
            }
        }
    }

    /// Flushes what was touched, sends, and hands on.
    fn finish_round(&mut self, now: Instant) {
        let mut touched = std::mem::take(&mut self.touched);
        for n in touched.drain(..) {
            let Some(Some(place)) = self.places.get_mut(n) else {
                continue;
            };
            place.touched = false;
            place.room.flush(now, &mut self.out);
            hand_on(place, &mut self.out, &mut self.held, &self.tally);
            if let Some(next) = place.room.next_timeout()
                && place.scheduled.is_none_or(|scheduled| next < scheduled)
            {
                place.scheduled = Some(next);
                self.timers.push(Reverse((next, n)));
            }
        }
        self.touched = touched;
        let tally = std::mem::take(&mut self.out.tally);
        add(&self.tally.forwarded, tally.forwarded);
        add(&self.tally.dropped_not_admitted, tally.dropped_not_admitted);
        add(&self.tally.dropped_foreign, tally.dropped_guard);
        add(&self.tally.nacks, tally.nacks);
        add(&self.tally.plis, tally.plis);
        let mut for_relay = Vec::new();
        let elsewhere = self.out.transmits.extract_if(.., |transmit| transmit.path.transport != Transport::Udp);
        for Transmit { path, contents } in elsewhere {
            add(&self.tally.packets_out, 1);
            add(&self.tally.bytes_out, contents.len() as u64);
            match (path.transport, &mut self.streams) {
                (Transport::Tcp, Some(streams)) => streams.send(path.remote, &contents, now),
                (Transport::Relay, _) => {
                    for_relay.push(FromMedia { relayed: path.remote, from: path.local, packet: contents });
                }
                _ => add(&self.tally.dropped_send, 1),
            }
        }
        if !for_relay.is_empty()
            && let Err(mpsc::error::TrySendError::Full(batch)) = self.relayed.clients.try_send(for_relay)
        {
            add(&self.tally.dropped_send, batch.len() as u64);
        }
        if !self.out.transmits.is_empty() {
            let sent = sys::send_all(&mut self.sending, &self.out.transmits);
            self.out.transmits.clear();
            add(&self.tally.packets_out, sent.packets);
            add(&self.tally.bytes_out, sent.bytes);
            add(&self.tally.dropped_send, sent.dropped);
        }
        while let Some(event) = self.held.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
                self.held.push_front(event);
                break;
            }
        }
        if self.held.len() > EVENTS_HELD {
            tracing::error!(dropped = self.held.len(), "nobody takes the media server's events");
            self.held.clear();
        }
    }

    fn at(&mut self, key: RoomKey, act: impl FnOnce(&mut Room, &mut Outbox)) {
        if let Some(n) = self.by_key.get(&key).copied() {
            self.with(n, act);
        }
    }

    fn with(&mut self, n: usize, act: impl FnOnce(&mut Room, &mut Outbox)) {
        if let Some(Some(place)) = self.places.get_mut(n) {
            act(&mut place.room, &mut self.out);
            hand_on(place, &mut self.out, &mut self.held, &self.tally);
            touch(place, n, &mut self.touched);
        }
    }
}

/// Hands on events and tapped packets at once: they must not be taken for those of the next room.
fn hand_on(place: &mut Place, out: &mut Outbox, held: &mut VecDeque<Event>, tally: &Tally) {
    let room = place.key;
    held.extend(out.events.drain(..).map(|(peer, kind)| Event { room, peer, kind }));
    let mut refused = 0;
    for packet in out.taps.drain(..) {
        refused += u64::from(!place.sink.as_mut().is_some_and(|sink| sink.offer(packet)));
    }
    add(&tally.dropped_tap, refused);
}

fn touch(place: &mut Place, n: usize, touched: &mut Vec<usize>) {
    if !std::mem::replace(&mut place.touched, true) {
        touched.push(n);
    }
}
