//! ICE-TCP (RFC 6544): for networks that let no UDP out. One listener on the worker's media port; each connection
//! carries the packets of one client, framed by RFC 4571.
//!
//! A connection says nothing of who it is: its first packets have to prove that by STUN, as those of an unknown UDP
//! source do, and soon. What a client does not take in time is dropped, pictures before sound.

use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, RawFd};
use std::time::{Duration, Instant};

use sfu_core::{Path, Transport};

use crate::framing::{Deframer, frame};
use crate::handle::TcpLimits;
use crate::sys::{self, Interest, Readiness};

/// A connection that says nothing for so long is closed; ICE checks consent every few seconds (RFC 7675).
const SILENT: Duration = Duration::from_secs(30);
/// What a departed client is still sent, before its connection is closed.
const FAREWELL: Duration = Duration::from_secs(1);
/// Pictures wait at most so long for a client that does not read, sound a little longer: then they are of no use.
pub(crate) const PICTURES_WAIT: Duration = Duration::from_millis(300);
pub(crate) const SOUND_WAITS: Duration = Duration::from_secs(2);
/// Packets up to this size count as sound (or as something small that is needed): 20 ms of Opus stay below it.
pub(crate) const SMALL: usize = 400;
/// Bytes that wait for one client at most.
const PENDING: usize = 512 << 10;
/// Bytes that the kernel holds unsent for one client: what waits here can still be dropped, what waits there can't.
pub(crate) const UNSENT: u32 = 32 << 10;
/// Bytes that are read from one connection in one round, so that none starves the others.
const READ: usize = 16 << 10;
/// Connections that are taken in one round, for the same reason.
const ACCEPT: usize = 64;
/// Memory that a client keeps for what waits, once nothing does.
const KEPT: usize = 16 << 10;
const SWEEP_EVERY: Duration = Duration::from_secs(1);

struct Stream {
    socket: TcpStream,
    path: Path,
    deframer: Deframer,
    outgoing: Vec<u8>,
    /// Of `outgoing`: sent already.
    sent: usize,
    /// Since when something waits.
    stalled: Option<Instant>,
    awaits_room: bool,
    proved: bool,
    heard: Instant,
    close_at: Option<Instant>,
}

/// The listener and its connections.
pub(crate) struct Streams {
    listener: TcpListener,
    readiness: Readiness,
    streams: Vec<Option<Stream>>,
    free: Vec<usize>,
    by_remote: HashMap<SocketAddr, usize>,
    networks: HashMap<[u8; 16], usize>,
    candidates: Vec<SocketAddr>,
    limits: TcpLimits,
    buffer: Vec<u8>,
    sweep_at: Instant,
    /// The system gave no connection (out of descriptors): not asked again before the next sweep.
    paused: bool,
    /// Connections that ended since the caller last looked.
    pub ended: Vec<SocketAddr>,
    /// Packets that were dropped because a client did not take them.
    pub dropped: u64,
    /// Connections that were not taken, or did not prove in time whose they are.
    pub refused: u64,
}

/// The listener's token; connection `n` has `n + 1`.
const LISTENER: u64 = 0;

impl Streams {
    pub(crate) fn new(
        listener: TcpListener,
        candidates: Vec<SocketAddr>,
        limits: TcpLimits,
        now: Instant,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let readiness = Readiness::new()?;
        readiness.add(listener.as_raw_fd(), LISTENER, Interest::Read)?;
        Ok(Self {
            listener,
            readiness,
            streams: Vec::new(),
            free: Vec::new(),
            by_remote: HashMap::new(),
            networks: HashMap::new(),
            candidates,
            limits,
            buffer: vec![0; READ],
            sweep_at: now + SWEEP_EVERY,
            paused: false,
            ended: Vec::new(),
            dropped: 0,
            refused: 0,
        })
    }

    /// Can be waited for: readable when something here wants attention.
    pub(crate) fn fd(&self) -> RawFd {
        self.readiness.fd()
    }

    /// When to come at the latest, if there are connections to look after.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        (self.paused || !self.by_remote.is_empty()).then_some(self.sweep_at)
    }

    /// Accepts, reads, and writes what waited. `packet` says whether a packet came from somebody known or proved to.
    pub(crate) fn turn(&mut self, now: Instant, mut packet: impl FnMut(Path, &[u8]) -> bool) {
        for (token, interest) in self.readiness.ready() {
            if token == LISTENER {
                self.accept(now);
                continue;
            }
            let n = usize::try_from(token - 1).unwrap_or(usize::MAX);
            let alive = self.streams.get_mut(n).and_then(Option::as_mut).is_none_or(|stream| {
                (interest == Interest::Read || stream.write(&self.readiness, token, now))
                    && stream.read(&mut self.buffer, now, &mut packet)
            });
            if !alive {
                self.close(n);
            }
        }
        if now >= self.sweep_at {
            self.sweep_at = now + SWEEP_EVERY;
            self.sweep(now);
        }
    }

    /// Sends a packet to the client at `to`, or drops it if the client does not take what it gets.
    pub(crate) fn send(&mut self, to: SocketAddr, packet: &[u8], now: Instant) {
        let Some(n) = self.by_remote.get(&to).copied() else {
            self.dropped += 1;
            return;
        };
        let Some(stream) = &mut self.streams[n] else { return };
        if !stream.queue(packet, now) {
            self.dropped += 1;
        } else if !stream.write(&self.readiness, n as u64 + 1, now) {
            self.close(n);
        }
    }

    /// The client at `remote` has left: it is told so, then its connection goes.
    pub(crate) fn left(&mut self, remote: SocketAddr, now: Instant) {
        if let Some(Some(stream)) = self.by_remote.get(&remote).map(|n| &mut self.streams[*n]) {
            stream.close_at = Some(now + FAREWELL);
        }
    }

    /// Connections now.
    pub(crate) fn open(&self) -> usize {
        self.by_remote.len()
    }

    fn accept(&mut self, now: Instant) {
        for _ in 0..ACCEPT {
            match self.listener.accept() {
                Ok((socket, remote)) => {
                    let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
                    // Whatever fails here failed for one connection, not for the listener.
                    self.refused += u64::from(self.admit(socket, remote, now).is_none());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    // The listener stays readable: without a pause this thread would do nothing else.
                    tracing::warn!(%error, "media by TCP: no connection could be taken");
                    self.paused = self.readiness.change(self.listener.as_raw_fd(), LISTENER, Interest::None).is_ok();
                    return;
                }
            }
        }
    }

    /// Takes a connection, or drops it: `None`.
    fn admit(&mut self, socket: TcpStream, remote: SocketAddr, now: Instant) -> Option<()> {
        let crowd = self.networks.get(&network(remote.ip())).copied().unwrap_or_default();
        // A client with the same port on two of our addresses would be two clients with one name.
        if self.by_remote.len() >= self.limits.connections
            || crowd >= self.limits.per_network
            || self.by_remote.contains_key(&remote)
        {
            return None;
        }
        let here = socket.local_addr().ok()?.ip().to_canonical();
        let named = self.candidates.iter().find(|candidate| candidate.ip() == here);
        let local = *named.or(self.candidates.first())?;
        socket.set_nonblocking(true).ok()?;
        socket.set_nodelay(true).ok()?;
        sys::limit_unsent(&socket, UNSENT).ok()?;
        let n = self.free.last().copied().unwrap_or(self.streams.len());
        self.readiness.add(socket.as_raw_fd(), n as u64 + 1, Interest::Read).ok()?;
        if self.free.pop().is_none() {
            self.streams.push(None);
        }
        *self.networks.entry(network(remote.ip())).or_default() += 1;
        self.by_remote.insert(remote, n);
        self.streams[n] = Some(Stream {
            socket,
            path: Path { transport: Transport::Tcp, remote, local },
            deframer: Deframer::default(),
            outgoing: Vec::new(),
            sent: 0,
            stalled: None,
            awaits_room: false,
            proved: false,
            heard: now,
            close_at: Some(now + self.limits.proof_within),
        });
        Some(())
    }

    fn sweep(&mut self, now: Instant) {
        if self.paused {
            self.paused = self.readiness.change(self.listener.as_raw_fd(), LISTENER, Interest::Read).is_err();
        }
        for n in 0..self.streams.len() {
            let over = self.streams[n].as_ref().is_some_and(|stream| {
                now >= stream.heard + SILENT || stream.close_at.is_some_and(|deadline| now >= deadline)
            });
            if over {
                self.close(n);
            }
        }
    }

    fn close(&mut self, n: usize) {
        // Dropping the socket takes it out of the readiness list.
        let Some(stream) = self.streams[n].take() else { return };
        self.refused += u64::from(!stream.proved);
        let remote = stream.path.remote;
        self.by_remote.remove(&remote);
        if let Some(crowd) = self.networks.get_mut(&network(remote.ip())) {
            *crowd -= 1;
            if *crowd == 0 {
                self.networks.remove(&network(remote.ip()));
            }
        }
        self.free.push(n);
        self.ended.push(remote);
    }
}

impl Stream {
    /// Reads once. False: the connection is over.
    fn read(&mut self, buffer: &mut [u8], now: Instant, packet: &mut impl FnMut(Path, &[u8]) -> bool) -> bool {
        let count = match self.socket.read(buffer) {
            Ok(0) => return false,
            Ok(count) => count,
            Err(error) => return matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
        };
        self.heard = now;
        let path = self.path;
        let mut proved = false;
        let framed = self.deframer.push(&buffer[..count], |bytes| proved |= packet(path, bytes));
        if proved && !std::mem::replace(&mut self.proved, true) {
            self.close_at = None;
        }
        framed.is_ok()
    }

    /// False: dropped.
    fn queue(&mut self, packet: &[u8], now: Instant) -> bool {
        let waits = self.stalled.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let longest = if packet.len() > SMALL { PICTURES_WAIT } else { SOUND_WAITS };
        if waits > longest || self.outgoing.len() - self.sent + packet.len() > PENDING {
            return false;
        }
        frame(packet, &mut self.outgoing)
    }

    /// Writes what waits, as far as the kernel takes it. False: the connection is over.
    fn write(&mut self, readiness: &Readiness, token: u64, now: Instant) -> bool {
        while self.sent < self.outgoing.len() {
            match self.socket.write(&self.outgoing[self.sent..]) {
                Ok(0) => return false,
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return false,
            }
        }
        if self.sent == self.outgoing.len() {
            self.outgoing.clear();
            self.outgoing.shrink_to(KEPT);
            self.sent = 0;
            self.stalled = None;
        } else {
            self.stalled.get_or_insert(now);
            if self.sent > PENDING {
                self.outgoing.drain(..self.sent);
                self.sent = 0;
            }
        }
        let waits = self.stalled.is_some();
        if waits != std::mem::replace(&mut self.awaits_room, waits) {
            let interest = if waits { Interest::ReadAndWrite } else { Interest::Read };
            return readiness.change(self.socket.as_raw_fd(), token, interest).is_ok();
        }
        true
    }
}

/// What counts as one place: an IPv4 address, or an IPv6 /64.
pub(crate) fn network(ip: IpAddr) -> [u8; 16] {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection whose other end reads nothing, with so much written that nothing more is taken.
    fn stalled(now: Instant) -> (Stream, Readiness, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let other = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, remote) = listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        sys::limit_unsent(&socket, UNSENT).unwrap();
        let readiness = Readiness::new().unwrap();
        readiness.add(socket.as_raw_fd(), 1, Interest::Read).unwrap();
        let path = Path { transport: Transport::Tcp, remote, local: socket.local_addr().unwrap() };
        let mut stream = Stream {
            socket,
            path,
            deframer: Deframer::default(),
            outgoing: Vec::new(),
            sent: 0,
            stalled: None,
            awaits_room: false,
            proved: true,
            heard: now,
            close_at: None,
        };
        while stream.stalled.is_none() {
            assert!(stream.queue(&[7; 1_200], now) && stream.write(&readiness, 1, now));
        }
        (stream, readiness, other)
    }

    #[test]
    fn pictures_are_dropped_before_sound_and_sound_before_it_is_old() {
        let now = Instant::now();
        let (mut stream, ..) = stalled(now);
        assert!(stream.queue(&[1; 1_200], now + PICTURES_WAIT) && stream.queue(&[1; 100], now + PICTURES_WAIT));
        let later = now + PICTURES_WAIT + Duration::from_millis(1);
        assert!(!stream.queue(&[1; 1_200], later), "a picture waits no longer");
        assert!(stream.queue(&[1; 100], later) && stream.queue(&[1; 100], now + SOUND_WAITS), "sound waits on");
        assert!(!stream.queue(&[1; 100], now + SOUND_WAITS + Duration::from_millis(1)));
    }

    #[test]
    fn what_waits_is_bounded_and_all_that_was_queued_arrives_whole() {
        let now = Instant::now();
        let (mut stream, readiness, mut other) = stalled(now);
        let mut queued = 0;
        while stream.queue(&[7; 1_200], now) {
            queued += 1;
        }
        assert!(queued > 0 && stream.outgoing.len() - stream.sent <= PENDING + 2);
        other.set_nonblocking(true).unwrap();
        let (mut deframer, mut buffer, mut frames) = (Deframer::default(), vec![0; READ], 0u64);
        while stream.stalled.is_some() {
            assert!(stream.write(&readiness, 1, now));
            while let Ok(count) = other.read(&mut buffer) {
                let whole = |packet: &[u8]| {
                    assert_eq!(packet, [7; 1_200]);
                    frames += 1;
                };
                deframer.push(&buffer[..count], whole).unwrap();
            }
        }
        assert!(frames >= queued - 1, "{frames} of {queued} or more");
        assert!(stream.outgoing.capacity() <= KEPT, "memory is given back");
        assert!(stream.queue(&[1; 1_200], now + Duration::from_secs(60)), "and it is as new");
    }

    #[test]
    fn addresses_of_one_home_count_together() {
        let home = |text: &str| network(text.parse().unwrap());
        assert_eq!(home("2001:db8:1:2:3::4"), home("2001:db8:1:2:5::6"));
        assert_ne!(home("2001:db8:1:2::"), home("2001:db8:1:3::"));
        assert_ne!(home("192.0.2.1"), home("192.0.2.2"));
        assert_eq!(home("::ffff:192.0.2.1"), home("192.0.2.1"));
    }
}
