//! The handle through which the rest of the server reaches the workers.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use sfu_core::Candidates;
use sfu_core::event::{Demand, EventKind};
use sfu_core::room::Limits;
use sfu_core::tap::{PeerKey, RoomKey};
use tokio::sync::{mpsc, oneshot};

use crate::TapSink;
use crate::reach::Probe;
use crate::sys::Waker;
use crate::tally::Tally;
use crate::worker::{Command, FromMedia, Relayed, ToMedia, Worker};

/// Commands that may wait for one worker. It drains them between batches of packets, so that more than a few
/// waiting ones mean that the worker is stuck.
const COMMANDS: usize = 4_096;
/// Events that may wait for the server.
const EVENTS: usize = 8_192;
/// Packets that may wait for one worker, and batches that may wait for the relay.
const RELAYED: usize = 1_024;

/// Where the SFU listens and how much it takes on.
#[derive(Debug, Clone)]
pub struct Config {
    /// First UDP (and TCP) address; worker `n` listens on this port plus `n`. Port 0 lets the system choose each.
    pub bind: SocketAddr,
    /// Addresses that clients are told (ICE host candidates). Empty: the bound address, or every address of
    /// this machine if that is unspecified.
    pub public: Vec<IpAddr>,
    /// Worker threads; 0 = one per core.
    pub workers: usize,
    /// Tell clients of UDP. Off where nothing but TCP gets in.
    pub udp: bool,
    /// Listen for ICE-TCP (RFC 6544) on the same ports as well.
    pub tcp: Option<TcpLimits>,
    /// What peers and rooms may take.
    pub limits: Limits,
}

/// What connections of one worker may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpLimits {
    /// All of them.
    pub connections: usize,
    /// Those of one network (an IPv4 address, an IPv6 /64): a clinic behind one address has a few rooms' worth of
    /// people.
    pub per_network: usize,
    /// Within this time a connection has to prove whose it is.
    pub proof_within: Duration,
}

impl Default for TcpLimits {
    fn default() -> Self {
        Self { connections: 4_096, per_network: 256, proof_within: Duration::from_secs(5) }
    }
}

/// Why the SFU did not start. Nothing is left running or bound.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port is in use.
    #[error(
        "port {port} ({transport}) for media is in use by another program: stop it, or choose another with --media"
    )]
    PortTaken {
        /// Which.
        port: u16,
        /// `UDP` or `TCP`.
        transport: &'static str,
    },
    /// The ports base..base+workers do not fit below 65536.
    #[error("{workers} media ports from {base} on go beyond 65535: choose a lower --media port or fewer workers")]
    PortRange {
        /// First port.
        base: u16,
        /// Ports needed.
        workers: usize,
    },
    /// A socket could not be opened or set up.
    #[error("cannot listen for media on {address}: {source}")]
    Socket {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A worker thread could not be started.
    #[error("cannot start a media thread: {0}")]
    Thread(io::Error),
}

/// Why an offer was not answered. The peer, if there was one before, is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// The offer itself.
    #[error(transparent)]
    Refused(#[from] sfu_core::offer::OfferError),
    /// Too much waits for this worker.
    #[error("the media server is overloaded: try again in a few seconds")]
    Busy,
    /// The SFU is shutting down.
    #[error("the media server is shutting down: reconnect in a few seconds")]
    Stopped,
}

/// What goes back to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// SDP answer (RFC 8829) with ICE-lite credentials and host candidates.
    pub sdp: String,
}

/// What happened to a peer of a room.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// In which room.
    pub room: RoomKey,
    /// To whom.
    pub peer: PeerKey,
    /// What.
    pub kind: EventKind,
}

/// Totals since the start, over all workers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams received.
    pub packets_in: u64,
    /// Datagrams sent.
    pub packets_out: u64,
    /// Bytes received (UDP payload).
    pub bytes_in: u64,
    /// Bytes sent (UDP payload).
    pub bytes_out: u64,
    /// Media packets written to a receiver: one packet to two receivers counts twice.
    pub forwarded: u64,
    /// Media packets dropped because their sender is not admitted.
    pub dropped_not_admitted: u64,
    /// Datagrams dropped because no peer is known at their source, or because they failed a guard.
    pub dropped_foreign: u64,
    /// Packets that the system, or a client on TCP, did not take.
    pub dropped_send: u64,
    /// Packets that the recorder's queue had no room for.
    pub dropped_tap: u64,
    /// NACKs received from clients.
    pub nacks: u64,
    /// Keyframe requests sent to publishers.
    pub plis: u64,
    /// Rooms now.
    pub rooms: u64,
    /// Peers now.
    pub peers: u64,
    /// TCP connections now.
    pub streams: u64,
    /// TCP connections that were not taken, or did not prove in time whose they are.
    pub streams_refused: u64,
    /// Processor time of the worker threads, microseconds.
    pub cpu_us: u64,
}

/// A running SFU. Clones are handles to the same one.
#[derive(Clone)]
pub struct Sfu(Arc<Shared>);

struct Shared {
    workers: Vec<Port>,
    /// Which worker has which room. Touched by commands only, never by packets.
    rooms: Mutex<HashMap<RoomKey, usize>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// What goes to the relay's clients, until a relay takes it.
    relayed: Mutex<Option<mpsc::Receiver<Vec<FromMedia>>>>,
}

struct Port {
    address: SocketAddr,
    /// Where clients are told to send to.
    candidates: Candidates,
    probe: Arc<Probe>,
    relayed: SyncSender<ToMedia>,
    commands: SyncSender<Command>,
    waker: Waker,
    tally: Arc<Tally>,
    /// Rooms placed here.
    placed: AtomicU64,
}

impl Sfu {
    /// Binds every port, then starts the workers.
    ///
    /// # Errors
    /// See [`StartError`]; on an error nothing is left running.
    pub fn start(config: Config) -> Result<(Sfu, mpsc::Receiver<Event>), StartError> {
        let count = match config.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        };
        let base = config.bind.port();
        if base != 0 && usize::from(base) + count - 1 > usize::from(u16::MAX) {
            return Err(StartError::PortRange { base, workers: count });
        }
        let (events_in, events) = mpsc::channel(EVENTS);
        let (clients, relayed) = mpsc::channel(RELAYED);
        let mut made = Vec::with_capacity(count);
        for n in 0..count {
            let mut address = config.bind;
            if base != 0 {
                let offset = u16::try_from(n).expect("checked above: base + count fits in u16");
                address.set_port(base + offset);
            }
            let (commands, queue) = sync_channel(COMMANDS);
            let waker = Waker::new().map_err(|source| StartError::Socket { address, source })?;
            let tally = Arc::new(Tally::default());
            let (relayed, packets) = sync_channel(RELAYED);
            let probe = Probe::new();
            let ends = Relayed { packets, clients: clients.clone(), probe: probe.clone() };
            let worker = Worker::bind(address, &config, queue, ends, waker.clone(), events_in.clone(), tally.clone())?;
            let candidates = worker.candidates().clone();
            let address = worker.address();
            let port = Port { address, candidates, probe, relayed, commands, waker, tally, placed: AtomicU64::new(0) };
            made.push((port, worker));
        }
        let mut workers: Vec<Port> = Vec::with_capacity(count);
        let mut threads = Vec::with_capacity(count);
        for (n, (port, worker)) in made.into_iter().enumerate() {
            let spawned = std::thread::Builder::new().name(format!("sfu-{n}")).spawn(move || worker.run());
            match spawned {
                Ok(thread) => {
                    workers.push(port);
                    threads.push(thread);
                }
                Err(error) => {
                    for port in &workers {
                        port.send(Command::Stop);
                    }
                    for thread in threads {
                        let _ended: std::thread::Result<()> = thread.join();
                    }
                    return Err(StartError::Thread(error));
                }
            }
        }
        let relayed = Mutex::new(Some(relayed));
        let shared = Shared { workers, rooms: Mutex::default(), threads: Mutex::new(threads), relayed };
        Ok((Sfu(Arc::new(shared)), events))
    }

    /// The addresses that the workers listen on.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.0.workers.iter().map(|port| port.address).collect()
    }

    /// The UDP addresses that clients are told.
    pub fn candidates(&self) -> Vec<SocketAddr> {
        self.0.workers.iter().flat_map(|port| port.candidates.udp.iter().copied()).collect()
    }

    /// What each worker listens for, and where clients are told that it does.
    pub(crate) fn probes(&self) -> Vec<(Arc<Probe>, Candidates)> {
        self.0.workers.iter().map(|port| (port.probe.clone(), port.candidates.clone())).collect()
    }

    /// Packets to the relay's clients; given once.
    pub(crate) fn take_relayed(&self) -> Option<mpsc::Receiver<Vec<FromMedia>>> {
        self.0.relayed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Hands on a packet of a relay's client. False: that address is not ours, or its worker has too much to do.
    pub(crate) fn inject(&self, relayed: SocketAddr, to: SocketAddr, packet: Vec<u8>) -> bool {
        let Some(port) = self.0.workers.iter().find(|port| port.candidates.udp.contains(&to)) else { return false };
        let taken = port.relayed.try_send(ToMedia { relayed, to, packet }).is_ok();
        if taken {
            port.waker.wake();
        }
        taken
    }

    /// Makes a peer from the client's offer, renegotiates it (same DTLS certificate: more slots, ICE restart), or
    /// replaces it (another certificate: a reloaded page). Whether it is admitted does not change by this.
    ///
    /// # Errors
    /// See [`OfferError`]. A refused offer leaves an earlier peer as it was.
    pub async fn offer(&self, room: RoomKey, peer: PeerKey, sdp: String) -> Result<Answer, OfferError> {
        let (reply, answer) = oneshot::channel();
        self.place(room).try_send(Command::Offer { room, peer, sdp, reply })?;
        answer.await.map_err(|_stopped| OfferError::Stopped)?.map(|sdp| Answer { sdp }).map_err(OfferError::from)
    }

    /// Opens the room to this peer: from now on it is heard and seen, and hears and sees. May come before its offer.
    pub fn admit(&self, room: RoomKey, peer: PeerKey) {
        self.place(room).send(Command::Admit { room, peer });
    }

    /// Closes the room to this peer again and keeps its connection. Media stops with the packet after this.
    pub fn hold(&self, room: RoomKey, peer: PeerKey) {
        self.tell(room, Command::Hold { room, peer });
    }

    /// Drops this peer and its admission.
    pub fn close(&self, room: RoomKey, peer: PeerKey) {
        self.tell(room, Command::Close { room, peer });
    }

    /// Drops the room with all its peers and admissions.
    pub fn close_room(&self, room: RoomKey) {
        let at = self.rooms().remove(&room);
        if let Some(port) = at.and_then(|n| self.0.workers.get(n)) {
            port.placed.fetch_sub(1, Ordering::Relaxed);
            port.send(Command::CloseRoom { room });
        }
    }

    /// Sets how wide this peer shows its video slots. A slot that is not named keeps what was said before.
    pub fn view(&self, room: RoomKey, peer: PeerKey, demands: Vec<Demand>) {
        self.tell(room, Command::View { room, peer, demands });
    }

    /// From now on hands every admitted packet of these peers to `sink`, replacing an earlier tap of this room.
    /// Each tapped video starts with a keyframe. Numbering goes on if the same peers are tapped again in the
    /// same room.
    pub fn tap(&self, room: RoomKey, peers: Vec<PeerKey>, sink: TapSink) {
        self.place(room).send(Command::Tap { room, peers, sink });
    }

    /// Hands out nothing more from this room.
    pub fn untap(&self, room: RoomKey) {
        self.tell(room, Command::Untap { room });
    }

    /// Totals over all workers.
    pub fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        for port in &self.0.workers {
            port.tally.add_to(&mut sum);
        }
        sum
    }

    /// Ends all workers and waits for them. Peers are told by DTLS; sockets are closed when this returns.
    pub async fn shutdown(self) {
        for port in &self.0.workers {
            port.send(Command::Stop);
        }
        let threads = std::mem::take(&mut *self.0.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                if thread.join().is_err() {
                    tracing::error!("a media thread had panicked");
                }
            }
        });
        if joined.await.is_err() {
            tracing::error!("waiting for the media threads failed");
        }
    }

    /// The worker of this room, placing the room on the one with the fewest if it is new.
    fn place(&self, room: RoomKey) -> &Port {
        let mut rooms = self.rooms();
        let n = *rooms.entry(room).or_insert_with(|| {
            let load = |port: &Port| (port.tally.peers(), port.placed.load(Ordering::Relaxed));
            let (n, port) = (self.0.workers.iter().enumerate())
                .min_by_key(|(_, port)| load(port))
                .expect("start makes at least one worker");
            port.placed.fetch_add(1, Ordering::Relaxed);
            n
        });
        &self.0.workers[n]
    }

    /// Sends to the worker of a room that exists.
    fn tell(&self, room: RoomKey, command: Command) {
        let at = self.rooms().get(&room).copied();
        if let Some(n) = at {
            self.0.workers[n].send(command);
        }
    }

    fn rooms(&self) -> std::sync::MutexGuard<'_, HashMap<RoomKey, usize>> {
        self.0.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Sfu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sfu").field("addresses", &self.addresses()).finish()
    }
}

impl Port {
    /// Never loses the command: waits for room in the queue, which a live worker makes within a batch.
    fn send(&self, command: Command) {
        let sent = match self.commands.try_send(command) {
            Err(TrySendError::Full(command)) => {
                self.waker.wake();
                self.commands.send(command).is_ok()
            }
            other => other.is_ok(),
        };
        if sent {
            self.waker.wake();
        }
    }

    fn try_send(&self, command: Command) -> Result<(), OfferError> {
        match self.commands.try_send(command) {
            Ok(()) => {
                self.waker.wake();
                Ok(())
            }
            Err(TrySendError::Full(_)) => Err(OfferError::Busy),
            Err(TrySendError::Disconnected(_)) => Err(OfferError::Stopped),
        }
    }
}
