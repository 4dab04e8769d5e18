//! A TURN server (RFC 8656) for clients whose network lets nothing out but what it takes for HTTPS: it lends addresses
//! from which packets go to the media workers of this process, and to nothing else.
//!
//! By UDP and TCP it listens itself; streams that somebody else has accepted (TLS) are given to [`Turn::serve`].

mod allowance;
mod credentials;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod message;
mod relay;
mod stream;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

pub use credentials::Credentials;

use crate::handle::Sfu;
use crate::worker::FromMedia;
use credentials::Secret;
use relay::{Act, Flow, Relay};
use stream::{Crowd, Outgoing, Queue};

/// What the relay's clients may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Addresses that are lent at once.
    pub allocations: usize,
    /// To one person: a browser takes one for each way that it tries.
    pub per_user: usize,
    /// Each way, for each address.
    pub bytes_per_second: usize,
    /// Addresses in one request for permission.
    pub peers_per_request: usize,
    /// Connections that the relay's own listener takes.
    pub connections: usize,
    /// Of these, from one network (an IPv4 address, an IPv6 /64).
    pub per_network: usize,
    /// Within this time a connection has to get an address.
    pub proof_within: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            allocations: 2_000,
            per_user: 10,
            bytes_per_second: 1_250_000,
            peers_per_request: 16,
            connections: 4_096,
            per_network: 256,
            proof_within: Duration::from_secs(10),
        }
    }
}

/// Totals since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TurnCounters {
    /// Addresses lent now.
    pub allocations: u64,
    /// Addresses that were lent.
    pub allocated: u64,
    /// Requests with expired, forged or wrong credentials.
    pub refused_credentials: u64,
    /// Requests beyond a limit.
    pub refused_quota: u64,
    /// Requests to reach something else than media.
    pub forbidden: u64,
    /// Packets from clients to media.
    pub packets_to_media: u64,
    /// Packets from media to clients.
    pub packets_to_clients: u64,
    /// Packets that were dropped: not permitted, beyond a limit, of nobody, or not taken.
    pub dropped: u64,
}

/// The relay. Clones are handles to the same one.
#[derive(Clone)]
pub struct Turn(Arc<Shared>);

struct Shared {
    sfu: Sfu,
    secret: Secret,
    limits: Limits,
    relay: Mutex<Relay>,
    streams: Mutex<HashMap<u64, Queue>>,
    next_stream: Mutex<u64>,
    udp: Mutex<Option<Arc<UdpSocket>>>,
    crowd: Crowd,
    tasks: Mutex<Vec<AbortHandle>>,
}

/// How often what was not renewed is taken back.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
const LONGEST_DATAGRAM: usize = 2_048;

impl Turn {
    /// A relay to this SFU's media ports. Only one has its packets: `None` for a second.
    pub fn new(sfu: &Sfu, limits: Limits) -> Option<Self> {
        let from_media = sfu.take_relayed()?;
        let secret = Secret::new();
        let relay = Mutex::new(Relay::new(secret.clone(), limits, sfu.candidates()));
        let turn = Self(Arc::new(Shared {
            sfu: sfu.clone(),
            secret,
            limits,
            relay,
            streams: Mutex::default(),
            next_stream: Mutex::default(),
            udp: Mutex::default(),
            crowd: Crowd::new(limits),
            tasks: Mutex::default(),
        }));
        turn.run(turn.clone().carry_from_media(from_media));
        turn.run(turn.clone().sweep_forever());
        Some(turn)
    }

    /// Listens by UDP and TCP. Returns where: port 0 lets the system choose.
    ///
    /// # Errors
    /// What the system says.
    pub async fn listen(&self, address: SocketAddr) -> io::Result<SocketAddr> {
        let udp = Arc::new(UdpSocket::bind(address).await?);
        let bound = udp.local_addr()?;
        let tcp = TcpListener::bind(bound).await?;
        *lock(&self.0.udp) = Some(udp.clone());
        self.run(self.clone().take_datagrams(udp));
        self.run(stream::take_connections(self.clone(), tcp));
        Ok(bound)
    }

    /// Credentials for `whom` (no name of a person: it is sent in clear text) that are good for so long.
    pub fn credentials(&self, whom: &str, good_for: Duration) -> Credentials {
        self.0.secret.issue(whom, unix_s() + good_for.as_secs())
    }

    /// Totals since the start.
    pub fn counters(&self) -> TurnCounters {
        lock(&self.0.relay).counters
    }

    /// Ends listening and all that was accepted.
    pub fn close(&self) {
        lock(&self.0.tasks).drain(..).for_each(|task| task.abort());
        lock(&self.0.streams).clear();
    }

    fn run(&self, task: impl Future<Output = ()> + Send + 'static) {
        let task = tokio::spawn(task);
        let mut tasks = lock(&self.0.tasks);
        tasks.retain(|task| !task.is_finished());
        tasks.push(task.abort_handle());
    }

    async fn take_datagrams(self, socket: Arc<UdpSocket>) {
        let mut buffer = [0; LONGEST_DATAGRAM];
        loop {
            // What fails is an earlier send, told by ICMP.
            let Ok((count, from)) = socket.recv_from(&mut buffer).await else { continue };
            let source = SocketAddr::new(from.ip().to_canonical(), from.port());
            if let Some(reply) = self.packet(Flow::Udp(from), source, &buffer[..count]) {
                // A reply that the system does not take now is asked for again.
                let _dropped: io::Result<usize> = socket.try_send_to(&reply, from);
            }
        }
    }

    /// One packet of a client; what it is answered.
    fn packet(&self, flow: Flow, source: SocketAddr, packet: &[u8]) -> Option<Vec<u8>> {
        let act = lock(&self.0.relay).of_client(flow, source, packet, Instant::now(), unix_s());
        match act {
            Act::Nothing => None,
            Act::Reply(reply) => Some(reply),
            Act::Media { relayed, to, packet } => {
                if !self.0.sfu.inject(relayed, to, packet) {
                    lock(&self.0.relay).counters.dropped += 1;
                }
                None
            }
        }
    }

    async fn carry_from_media(self, mut from_media: mpsc::Receiver<Vec<FromMedia>>) {
        while let Some(batch) = from_media.recv().await {
            let now = Instant::now();
            for FromMedia { relayed, from, packet } in batch {
                let Some((flow, bytes)) = lock(&self.0.relay).of_media(relayed, from, &packet, now) else { continue };
                if !self.send(flow, Outgoing::media(bytes, now)) {
                    lock(&self.0.relay).counters.dropped += 1;
                }
            }
        }
    }

    fn send(&self, flow: Flow, outgoing: Outgoing) -> bool {
        match flow {
            Flow::Udp(to) => {
                let socket = lock(&self.0.udp).clone();
                socket.is_some_and(|socket| socket.try_send_to(&outgoing.bytes, to).is_ok())
            }
            Flow::Stream(n) => lock(&self.0.streams).get(&n).is_some_and(|queue| queue.put(outgoing)),
        }
    }

    async fn sweep_forever(self) {
        let mut every = tokio::time::interval(SWEEP_EVERY);
        loop {
            every.tick().await;
            lock(&self.0.relay).sweep(Instant::now());
        }
    }
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn").field("counters", &self.counters()).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
