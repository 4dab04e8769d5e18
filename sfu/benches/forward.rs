//! What forwarding costs, against the floor: a thread that only receives, opens, seals and sends the same packets.
//!
//! `cargo bench -p sfu` writes `target/bench/sfu.json`. Figures are processor time of the worker thread per packet that
//! arrived at a receiver, so a server that drops looks dear, not fast; packets per second and core are its inverse
//! at the load that the clients of this machine could make, not an extrapolation of an idle one.

#[path = "../tests/common/mod.rs"]
mod common;
#[expect(dead_code, reason = "the floor uses the same waiting and sending as a worker, and no more of it")]
#[path = "../src/sys.rs"]
mod sys;

use std::io::{IoSliceMut, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use common::client::Client;
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSockRef, UdpSocketState};
use sfu::{Config, Limits, PeerKey, RoomKey, Sfu};

const RUNS: usize = 5;
const RUN: Duration = Duration::from_secs(3);
const PAYLOAD: usize = 920;

/// Rooms, peers in each, how many of them send, the pause between two frames of five packets of one sender (zero: as
/// fast as it goes), and how many frames it sends at once.
#[derive(Clone, Copy)]
struct Load {
    rooms: usize,
    peers: usize,
    senders: usize,
    pause: Duration,
    frames: usize,
}

const FRAME: Duration = Duration::from_micros(16_667);
/// 6,000 packets a second, the senders' frames spread evenly over time.
const CLINIC: Load = Load { rooms: 10, peers: 2, senders: 2, pause: FRAME, frames: 1 };
/// All that one core of clients can make, in trains that fill the server's batches as a saturated socket would.
const BUSY: Load = Load { rooms: 10, peers: 2, senders: 2, pause: Duration::ZERO, frames: 6 };
const FAN_OUT: Load = Load { rooms: 1, peers: 41, senders: 1, pause: FRAME, frames: 1 };

impl Load {
    /// When sender `n` begins, so that frames do not come all at once.
    fn phase(&self, n: usize) -> Duration {
        self.pause.mul_f64(n as f64 / (self.rooms * self.peers) as f64)
    }
}

struct Figure {
    name: &'static str,
    unit: &'static str,
    /// What it must not exceed (or, for rates, not fall below).
    target: Option<f64>,
    values: Vec<f64>,
}

fn main() {
    // `cargo test` runs benches too, with --test: there is nothing to check.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut figures = vec![];
    let mut add = |name, unit, target, values: Vec<f64>| figures.push(Figure { name, unit, target, values });
    let mut results = vec![];
    // Ours and the floor by turns, so that what else the machine does meets both.
    for _ in 0..RUNS {
        let floor = (floor(CLINIC).0, floor(BUSY).0);
        let ours = runtime.block_on(async { (measure(CLINIC).await, measure(BUSY).await, measure(FAN_OUT).await) });
        results.push((floor, ours));
    }
    let of = |pick: fn(&Round) -> f64| results.iter().map(pick).collect::<Vec<f64>>();
    add("P1", "packets/s per core", Some(250_000.0), of(|(_, ours)| 1e6 / ours.1.cpu_us));
    add("P1.floor", "packets/s per core", None, of(|(floor, _)| 1e6 / floor.1));
    add("P1.load", "packets/s", None, of(|(_, ours)| ours.1.rate));
    add("P2", "us per packet", None, of(|(_, ours)| ours.0.cpu_us));
    add("P2.floor", "us per packet", None, of(|(floor, _)| floor.0));
    add("P2.over_floor", "ratio", Some(1.5), of(|(floor, ours)| ours.0.cpu_us / floor.0));
    add("P2.fan_out_40", "us per packet", Some(8.0), of(|(_, ours)| ours.2.cpu_us));
    add("P4.p50", "ms", Some(0.10), of(|(_, ours)| ours.0.delay_ms.0));
    add("P4.p99", "ms", Some(0.30), of(|(_, ours)| ours.0.delay_ms.1));
    write(&figures);
}

/// The floor at clinic load and busy, and ours at clinic load, busy and fanning out.
type Round = ((f64, f64), (Run, Run, Run));

/// What one run gave.
#[derive(Clone, Copy)]
struct Run {
    /// The worker's processor time per packet that arrived.
    cpu_us: f64,
    /// Packets that arrived per second.
    rate: f64,
    /// From the sender's system call to the kernel's time of arrival at the receiver: median and 99th percentile.
    delay_ms: (f64, f64),
}

#[expect(clippy::disallowed_methods, reason = "a load generator keeps a rate")]
fn pause() {
    std::thread::sleep(Duration::from_micros(300));
}

/// The system's clock, nanoseconds.
fn wall() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64
}

/// Asks the kernel to say when each datagram arrived.
fn stamp_arrivals(socket: &UdpSocket) {
    let on: libc::c_int = 1;
    // SAFETY: the option's value is an int that outlives the call.
    let done = unsafe {
        let size = size_of::<libc::c_int>() as libc::socklen_t;
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, (&raw const on).cast(), size)
    };
    assert_eq!(done, 0);
}

/// One datagram, its length and when it arrived; `None`: nothing is there.
fn receive_stamped(socket: &UdpSocket, buffer: &mut [u8]) -> Option<(usize, u64)> {
    let mut control = [0u64; 16];
    let mut vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all-zero is valid for a msghdr; every pointer in it outlives the call; the control messages are walked by
    // the system's own macros within what it filled.
    unsafe {
        let mut header: libc::msghdr = std::mem::zeroed();
        header.msg_iov = &raw mut vector;
        header.msg_iovlen = 1;
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = size_of_val(&control);
        let length = libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT);
        let length = usize::try_from(length).ok()?;
        let mut message = libc::CMSG_FIRSTHDR(&raw const header);
        while let Some(found) = message.as_ref() {
            if found.cmsg_level == libc::SOL_SOCKET && found.cmsg_type == libc::SCM_TIMESTAMPNS {
                let at = libc::CMSG_DATA(message).cast::<libc::timespec>().read_unaligned();
                return Some((length, at.tv_sec as u64 * 1_000_000_000 + at.tv_nsec as u64));
            }
            message = libc::CMSG_NXTHDR(&raw const header, message);
        }
        Some((length, wall()))
    }
}

struct Sender {
    client: Client,
    socket: UdpSocket,
    how: sys::Sending,
    sends: bool,
    due: Instant,
}

/// What the clients saw, as far as it went.
#[derive(Default)]
struct Seen {
    connected: bool,
    received: u64,
    delays: Vec<u32>,
}

/// The offer of a client that gives no transport-wide feedback.
fn without_estimates(offer: &str) -> String {
    let told = |line: &&str| !line.contains("transport-wide-cc") && !line.ends_with("transport-cc");
    offer.split_inclusive("\r\n").filter(|line| told(&line.trim_end())).collect()
}

/// One run against a server of its own.
async fn measure(load: Load) -> Run {
    let bind = "127.0.0.1:0".parse().unwrap();
    let config = Config { bind, public: vec![], workers: 1, udp: true, tcp: None, limits: Limits::default() };
    let (sfu, mut events) = Sfu::start(config).unwrap();
    let server = sfu.addresses()[0];
    let drain = tokio::spawn(async move { while events.recv().await.is_some() {} });
    let mut clients = vec![];
    for n in 0..load.rooms * load.peers {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        stamp_arrivals(&socket);
        let now = Instant::now();
        let mut client = Client::new((n % 250) as u8, socket.local_addr().unwrap(), now);
        client.live = [false, false, true];
        let (room, key) = (RoomKey((n / load.peers) as u128), PeerKey(n as u128));
        let (offer, pending) = client.offer();
        // One thread of clients that takes all of its core hears late, and would rightly be sent less and less.
        let offer = if load.pause.is_zero() { without_estimates(&offer) } else { offer };
        let answer = sfu.offer(room, key, offer).await.unwrap();
        client.answer(pending, &answer.sdp, now);
        sfu.admit(room, key);
        let how = sys::Sending { fd: socket.as_raw_fd(), v6: false, pin_source: false, segments: true };
        clients.push(Sender { client, socket, how, sends: n % load.peers < load.senders, due: now });
    }
    let stop = Arc::new(AtomicBool::new(false));
    let seen = Arc::new(Mutex::new(Seen::default()));
    let thread = {
        let (stop, seen) = (stop.clone(), seen.clone());
        std::thread::spawn(move || drive(load, server, clients, &stop, &seen))
    };
    let warm = |seen: &Seen| seen.connected && seen.received > 1_000;
    while !warm(&seen.lock().unwrap()) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = std::mem::take(&mut *seen.lock().unwrap());
    drop(before);
    let (cpu, began) = (sfu.counters().cpu_us, Instant::now());
    tokio::time::sleep(RUN).await;
    let cpu = (sfu.counters().cpu_us - cpu) as f64;
    let Seen { received, mut delays, .. } = std::mem::take(&mut *seen.lock().unwrap());
    let rate = received as f64 / began.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    thread.join().unwrap();
    sfu.shutdown().await;
    drain.await.unwrap();
    assert!(received > 0, "nothing arrived for {RUN:?}");
    delays.sort_unstable();
    let at = |share: f64| f64::from(delays[((delays.len() - 1) as f64 * share) as usize]) / 1e6;
    Run { cpu_us: cpu / received as f64, rate, delay_ms: (at(0.5), at(0.99)) }
}

/// The clients of a run, on one thread.
fn drive(load: Load, server: SocketAddr, mut clients: Vec<Sender>, stop: &AtomicBool, seen: &Mutex<Seen>) {
    let mut buffer = [0u8; 2_048];
    let mut began = false;
    // By client: when the packet of each number left.
    let mut left = vec![vec![0u64; 1 << 14]; clients.len()];
    let mut here = Seen::default();
    while !stop.load(Ordering::Relaxed) {
        let connected = clients.iter().all(|sender| sender.client.connected);
        if connected && !began {
            began = true;
            let now = Instant::now();
            clients.iter_mut().enumerate().for_each(|(n, sender)| sender.due = now + load.phase(n));
        }
        for (n, sender) in clients.iter_mut().enumerate() {
            let client = &mut sender.client;
            while let Some((length, at)) = receive_stamped(&sender.socket, &mut buffer) {
                client.receive(server, &buffer[..length], Instant::now());
                for packet in client.received.drain(..) {
                    here.received += 1;
                    let from = n / load.peers * load.peers;
                    let author = (from..from + load.peers).find(|other| (*other % 250) as u8 == packet.from);
                    let sent = author.map_or(0, |author| left[author][packet.n as usize & ((1 << 14) - 1)]);
                    here.delays.push(u32::try_from(at.saturating_sub(sent)).unwrap_or(u32::MAX));
                }
            }
            let now = Instant::now();
            let first = client.written;
            if sender.sends && began && now >= sender.due {
                sender.due = if load.pause.is_zero() { now } else { sender.due + load.pause };
                (0..load.frames).for_each(|_| client.film(now));
            }
            if client.deadline <= now {
                client.tick(now);
            }
            let leaving: Vec<sfu_core::Transmit> = (client.outgoing.drain(..))
                .map(|(to, bytes)| sfu_core::Transmit { path: sfu_core::Path::udp(to, server), contents: bytes.into() })
                .collect();
            if !leaving.is_empty() {
                let at = wall();
                (first..client.written).for_each(|number| left[n][number as usize & ((1 << 14) - 1)] = at);
                sys::send_all(&mut sender.how, &leaving);
            }
        }
        {
            let mut seen = seen.lock().unwrap();
            seen.connected |= connected;
            seen.received += std::mem::take(&mut here.received);
            seen.delays.append(&mut here.delays);
        }
        if !load.pause.is_zero() {
            pause();
        }
    }
}

/// The same packets through a thread without routing, sessions or timers: AES-128-GCM as in SRTP, the same batched
/// socket calls. Gives CPU microseconds per packet received at the other end, and packets per second.
fn floor(load: Load) -> (f64, f64) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = socket.local_addr().unwrap();
    let ends: Vec<UdpSocket> = (0..load.rooms * load.peers)
        .map(|_| {
            let end = UdpSocket::bind("127.0.0.1:0").unwrap();
            end.set_nonblocking(true).unwrap();
            end
        })
        .collect();
    let addresses: Vec<SocketAddr> = ends.iter().map(|end| end.local_addr().unwrap()).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let cpu = Arc::new(AtomicU64::new(0));
    let thread = {
        let (stop, cpu) = (stop.clone(), cpu.clone());
        std::thread::spawn(move || forward_blindly(&socket, &addresses, &stop, &cpu))
    };
    let mut packet = vec![0u8; PAYLOAD];
    let nonce = || Nonce::assume_unique_for_key([0; 12]);
    key().seal_in_place_append_tag(nonce(), Aad::from([0u8; 12]), &mut packet).unwrap();
    let mut due: Vec<Instant> = (0..ends.len()).map(|n| Instant::now() + load.phase(n)).collect();
    let (mut received, mut buffer) = (0u64, [0u8; 2_048]);
    let (mut began, mut cpu_before, mut warm) = (Instant::now(), 0, false);
    loop {
        for (n, end) in ends.iter().enumerate() {
            while end.recv_from(&mut buffer).is_ok() {
                received += 1;
            }
            if n % load.peers < load.senders && Instant::now() >= due[n] {
                due[n] = if load.pause.is_zero() { Instant::now() } else { due[n] + load.pause };
                let leaving: Vec<sfu_core::Transmit> = (0..5 * load.frames)
                    .map(|_| sfu_core::Transmit {
                        path: sfu_core::Path::udp(server, server),
                        contents: packet.clone().into(),
                    })
                    .collect();
                let mut how = sys::Sending { fd: end.as_raw_fd(), v6: false, pin_source: false, segments: true };
                sys::send_all(&mut how, &leaving);
            }
        }
        if !load.pause.is_zero() {
            pause();
        }
        if !warm && began.elapsed() > Duration::from_millis(500) {
            (began, cpu_before, received, warm) = (Instant::now(), cpu.load(Ordering::Relaxed), 0, true);
        }
        if warm && began.elapsed() > RUN {
            break;
        }
    }
    let used = (cpu.load(Ordering::Relaxed) - cpu_before) as f64;
    let rate = received as f64 / began.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    ends[0].send_to(&packet, server).unwrap();
    thread.join().unwrap();
    (used / received as f64, rate)
}

fn key() -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[7; 16]).unwrap())
}

fn forward_blindly(socket: &UdpSocket, to: &[SocketAddr], stop: &AtomicBool, cpu: &AtomicU64) {
    let state = UdpSocketState::new(UdpSockRef::from(socket)).unwrap();
    let from = socket.local_addr().unwrap();
    let waker = sys::Waker::new().unwrap();
    let fd = socket.as_raw_fd();
    let mut how = sys::Sending { fd, v6: false, pin_source: false, segments: state.max_gso_segments() > 1 };
    let size = 2_048 * state.gro_segments().max(1);
    let mut storage = vec![0u8; size * BATCH_SIZE];
    let mut metas = vec![RecvMeta::default(); BATCH_SIZE];
    let key = key();
    let mut out = vec![];
    while !stop.load(Ordering::Relaxed) {
        let mut slices: Vec<IoSliceMut<'_>> = storage.chunks_exact_mut(size).map(IoSliceMut::new).collect();
        match state.recv(UdpSockRef::from(socket), &mut slices, &mut metas) {
            Ok(count) => {
                for (slice, meta) in slices.iter_mut().zip(&metas[..count]) {
                    let at = to.iter().position(|address| *address == meta.addr).unwrap_or(0);
                    for datagram in slice[..meta.len].chunks_mut(meta.stride.max(1)) {
                        let nonce = || Nonce::assume_unique_for_key([0; 12]);
                        let Ok(plain) = key.open_in_place(nonce(), Aad::from([0u8; 12]), datagram) else {
                            continue;
                        };
                        let mut contents = plain.to_vec();
                        key.seal_in_place_append_tag(nonce(), Aad::from([0u8; 12]), &mut contents).unwrap();
                        let path = sfu_core::Path::udp(to[at ^ 1], from);
                        out.push(sfu_core::Transmit { path, contents: contents.into() });
                    }
                }
                sys::send_all(&mut how, &out);
                out.clear();
            }
            Err(_nothing) => {
                cpu.store(sys::thread_cpu_us(), Ordering::Relaxed);
                sys::wait([fd, -1], &waker, Duration::from_secs(1));
            }
        }
    }
    cpu.store(sys::thread_cpu_us(), Ordering::Relaxed);
}

fn write(figures: &[Figure]) {
    let mut lines = vec![];
    for Figure { name, unit, target, values } in figures {
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let (low, median, high) = (sorted[0], sorted[sorted.len() / 2], sorted[sorted.len() - 1]);
        println!("{name:36} {median:12.2} {unit} ({low:.2} to {high:.2})");
        let target = target.map_or(String::new(), |target| {
            let met = if unit.contains("/s") { median >= target } else { median <= target };
            format!(r#", "target": {target}, "met": {met}"#)
        });
        lines.push(format!(
            r#"  {{"name": "{name}", "value": {median:.3}, "unit": "{unit}"{target}, "runs": {}, "spread": [{low:.3}, {high:.3}], "how": "cargo bench -p sfu"}}"#,
            values.len()
        ));
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bench");
    std::fs::create_dir_all(folder).unwrap();
    let mut file = std::fs::File::create(format!("{folder}/sfu.json")).unwrap();
    writeln!(file, "[\n{}\n]", lines.join(",\n")).unwrap();
}
