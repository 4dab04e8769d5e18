//! TURN on a byte stream: TCP, or what somebody has taken out of TLS.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::relay::Flow;
use super::{Limits, Turn, lock};
use crate::streams::{PICTURES_WAIT, SMALL, SOUND_WAITS, UNSENT, network};
use crate::sys;

/// Longest message that is taken; media and requests stay below 1,500 bytes.
const LONGEST: usize = 2_048;
/// Bytes that wait for one client at most.
const PENDING: usize = 512 << 10;
/// A client that takes nothing for so long is gone.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);
/// After a failed accept (no file descriptors left, say).
const BREATHE: Duration = Duration::from_millis(50);

/// Something to send.
pub(super) struct Outgoing {
    pub bytes: Vec<u8>,
    since: Instant,
    /// Late media is worth nothing; an answer is.
    media: bool,
}

impl Outgoing {
    pub(super) fn media(bytes: Vec<u8>, since: Instant) -> Self {
        Self { bytes, since, media: true }
    }

    fn answer(bytes: Vec<u8>) -> Self {
        Self { bytes, since: Instant::now(), media: false }
    }

    /// Pictures before sound.
    fn is_stale(&self, now: Instant) -> bool {
        let longest = if self.bytes.len() > SMALL { PICTURES_WAIT } else { SOUND_WAITS };
        self.media && now.saturating_duration_since(self.since) > longest
    }
}

/// What waits for one client.
#[derive(Clone, Default)]
pub(super) struct Queue(Arc<Waiting>);

#[derive(Default)]
struct Waiting {
    all: Mutex<(VecDeque<Outgoing>, usize)>,
    more: Notify,
}

impl Queue {
    /// False: there is no room.
    pub(super) fn put(&self, outgoing: Outgoing) -> bool {
        let mut all = lock(&self.0.all);
        if all.1 + outgoing.bytes.len() > PENDING {
            return false;
        }
        all.1 += outgoing.bytes.len();
        all.0.push_back(outgoing);
        drop(all);
        self.0.more.notify_one();
        true
    }

    /// Everything that is not too late, one after the other; and how many were.
    fn take(&self, now: Instant) -> (Vec<u8>, u64) {
        let mut all = lock(&self.0.all);
        let (mut bytes, mut late) = (Vec::with_capacity(all.1), 0);
        for outgoing in all.0.drain(..) {
            if outgoing.is_stale(now) {
                late += 1;
            } else {
                bytes.extend_from_slice(&outgoing.bytes);
            }
        }
        all.1 = 0;
        (bytes, late)
    }
}

/// How many connections each network has.
pub(super) struct Crowd {
    limits: Limits,
    networks: Mutex<(HashMap<[u8; 16], usize>, usize)>,
}

impl Crowd {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, networks: Mutex::default() }
    }

    fn enter(&self, ip: IpAddr) -> bool {
        let mut networks = lock(&self.networks);
        let here = networks.0.get(&network(ip)).copied().unwrap_or_default();
        if networks.1 >= self.limits.connections || here >= self.limits.per_network {
            return false;
        }
        networks.1 += 1;
        networks.0.insert(network(ip), here + 1);
        true
    }

    fn leave(&self, ip: IpAddr) {
        let mut networks = lock(&self.networks);
        networks.1 -= 1;
        if let Some(here) = networks.0.get_mut(&network(ip)) {
            *here -= 1;
            if *here == 0 {
                networks.0.remove(&network(ip));
            }
        }
    }
}

pub(super) async fn take_connections(turn: Turn, listener: TcpListener) {
    loop {
        let Ok((stream, from)) = listener.accept().await else {
            tokio::time::sleep(BREATHE).await;
            continue;
        };
        // Failing, they only make things slower.
        let _slower: [std::io::Result<()>; 2] = [stream.set_nodelay(true), sys::limit_unsent(&stream, UNSENT)];
        let again = turn.clone();
        turn.run(async move { again.serve_counted(stream, from).await });
    }
}

impl Turn {
    /// Serves one client on a stream that somebody has accepted, until it ends or has no address in time.
    pub async fn serve<S>(&self, stream: S, from: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let n = {
            let mut next = lock(&self.0.next_stream);
            *next += 1;
            *next
        };
        let queue = Queue::default();
        lock(&self.0.streams).insert(n, queue.clone());
        // However this ends, by being cut off as well, nothing of it stays.
        let _tidy = Tidy { turn: self.clone(), n };
        let source = SocketAddr::new(from.ip().to_canonical(), from.port());
        let (reads, writes) = tokio::io::split(stream);
        tokio::select! {
            () = self.read(reads, Flow::Stream(n), source, &queue) => {}
            () = self.write(writes, &queue) => {}
        }
    }

    /// The same within this relay's bounds for connections, for streams that nobody else has counted.
    pub async fn serve_counted<S>(&self, stream: S, from: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let Some(_place) = Place::take(self, from.ip()) else {
            lock(&self.0.relay).counters.refused_quota += 1;
            return;
        };
        self.serve(stream, from).await;
    }

    async fn read(&self, mut stream: impl AsyncRead + Unpin, flow: Flow, source: SocketAddr, queue: &Queue) {
        let mut buffer = Vec::with_capacity(2 * LONGEST);
        let mut look_at = tokio::time::Instant::now() + self.0.limits.proof_within;
        loop {
            match tokio::time::timeout_at(look_at, stream.read_buf(&mut buffer)).await {
                Ok(Ok(1..)) => {}
                Ok(_ended) => return,
                Err(_elapsed) if lock(&self.0.relay).knows(flow) => look_at += self.0.limits.proof_within,
                Err(_elapsed) => return,
            }
            if tokio::time::Instant::now() >= look_at && !lock(&self.0.relay).knows(flow) {
                return;
            }
            let mut at = 0;
            loop {
                match message(&buffer[at..]) {
                    Found::Whole { packet, taken } => {
                        if let Some(answer) = self.packet(flow, source, &buffer[at..at + packet])
                            && !queue.put(Outgoing::answer(answer))
                        {
                            return;
                        }
                        at += taken;
                    }
                    Found::Part => break,
                    Found::Bad => return,
                }
            }
            buffer.drain(..at);
        }
    }

    async fn write(&self, mut stream: impl AsyncWrite + Unpin, queue: &Queue) {
        loop {
            let (bytes, late) = queue.take(Instant::now());
            if late > 0 {
                lock(&self.0.relay).counters.dropped += late;
            }
            if bytes.is_empty() {
                queue.0.more.notified().await;
                continue;
            }
            let written = async {
                stream.write_all(&bytes).await?;
                stream.flush().await
            };
            if !matches!(tokio::time::timeout(TAKEN_WITHIN, written).await, Ok(Ok(()))) {
                return;
            }
        }
    }
}

/// One of the connections that a network may have.
struct Place {
    turn: Turn,
    ip: IpAddr,
}

impl Place {
    fn take(turn: &Turn, ip: IpAddr) -> Option<Self> {
        turn.0.crowd.enter(ip).then(|| Self { turn: turn.clone(), ip })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.turn.0.crowd.leave(self.ip);
    }
}

struct Tidy {
    turn: Turn,
    n: u64,
}

impl Drop for Tidy {
    fn drop(&mut self) {
        lock(&self.turn.0.streams).remove(&self.n);
        lock(&self.turn.0.relay).gone(Flow::Stream(self.n));
    }
}

/// What stands at the beginning of the bytes that have come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A message of so many bytes, and how many it takes with its padding.
    Whole {
        packet: usize,
        taken: usize,
    },
    Part,
    /// Neither STUN nor channel data, or longer than anything that is taken.
    Bad,
}

/// RFC 8656, 3.1 and 12.5.
pub(super) fn message(bytes: &[u8]) -> Found {
    let [first, _, high, low, ..] = bytes else {
        return if bytes.first().is_some_and(|first| !matches!(first, 0..=3 | 0x40..=0x4f)) {
            Found::Bad
        } else {
            Found::Part
        };
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let (packet, taken) = match first {
        0..=3 if length.is_multiple_of(4) => (20 + length, 20 + length),
        0x40..=0x4f => (4 + length, 4 + length.next_multiple_of(4)),
        _ => return Found::Bad,
    };
    match packet {
        0..=LONGEST if bytes.len() >= taken => Found::Whole { packet, taken },
        0..=LONGEST => Found::Part,
        _ => Found::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_by_their_length_and_nothing_else_is_waited_for() {
        assert_eq!(message(&[]), Found::Part);
        assert_eq!(message(&[0, 1, 0]), Found::Part);
        assert_eq!(message(b"GET / HTTP/1.1"), Found::Bad);
        assert_eq!(message(b"G"), Found::Part, "it could be channel data");
        assert_eq!(message(&[0x16, 3, 1]), Found::Bad);
        assert_eq!(message(&[0, 1, 0, 3]), Found::Bad, "not a multiple of four");
        assert_eq!(message(&[0, 1, 0x7f, 0xfc]), Found::Bad, "too long");
        assert_eq!(message(&[0x40, 0, 0xff, 0xff]), Found::Bad, "too long");
        assert_eq!(message(&[0x40, 0, 0, 1, 9]), Found::Part, "its padding is missing");
        assert_eq!(message(&[0x40, 0, 0, 1, 9, 0, 0, 0, 7]), Found::Whole { packet: 5, taken: 8 });
        assert_eq!(message(&[0x40, 0, 0, 0]), Found::Whole { packet: 4, taken: 4 });
        let mut stun = vec![0, 1, 0, 4];
        stun.resize(25, 0);
        assert_eq!(message(&stun), Found::Whole { packet: 24, taken: 24 });
    }

    #[test]
    fn what_waits_is_bounded_and_grows_old_pictures_first() {
        let now = Instant::now();
        let queue = Queue::default();
        let mut taken = 0;
        while queue.put(Outgoing::media(vec![1; 1_000], now)) {
            taken += 1;
        }
        assert_eq!(taken, PENDING / 1_000);
        let (bytes, late) = queue.take(now);
        assert_eq!((bytes.len(), late), (taken * 1_000, 0));
        for size in [1_000, 100] {
            assert!(queue.put(Outgoing::media(vec![1; size], now)));
        }
        assert!(queue.put(Outgoing { bytes: vec![2; 1_000], since: now, media: false }));
        let (bytes, late) = queue.take(now + PICTURES_WAIT + Duration::from_millis(1));
        assert_eq!((bytes.len(), late), (1_100, 1), "the picture is late, sound and answer are not");
    }
}
