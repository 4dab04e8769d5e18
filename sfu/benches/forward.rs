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
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use common::client::Client;
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSockRef, UdpSocketState};
use sfu::{Config, Limits, PeerKey, RoomKey, Sfu};

const RUNS: usize = 5;
const RUN: Duration = Duration::from_secs(3);
const PAYLOAD: usize = 920;

/// Rooms, peers in each, how many of them send, and the pause between two bursts of five packets of one sender
/// (zero: as fast as it goes).
#[derive(Clone, Copy)]
struct Load {
    rooms: usize,
    peers: usize,
    senders: usize,
    pause: Duration,
}

const CLINIC: Load = Load { rooms: 10, peers: 2, senders: 2, pause: Duration::from_micros(16_667) };
const BUSY: Load = Load { rooms: 10, peers: 2, senders: 2, pause: Duration::ZERO };
const FAN_OUT: Load = Load { rooms: 1, peers: 41, senders: 1, pause: Duration::from_micros(16_667) };

struct Figure {
    name: &'static str,
    unit: &'static str,
    how: &'static str,
    values: Vec<f64>,
}

fn main() {
    // `cargo test` runs benches too, with --test: there is nothing to check.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut figures = vec![];
    let how = "cargo bench -p sfu";
    let mut add = |name, unit, values: Vec<f64>| figures.push(Figure { name, unit, how, values });
    let (floor_clinic, _) = repeat(|| floor(CLINIC));
    let (floor_busy, floor_rate) = repeat(|| floor(BUSY));
    let (clinic, _) = runtime.block_on(async { measure(CLINIC).await });
    let (busy, rate) = runtime.block_on(async { measure(BUSY).await });
    let (fan_out, _) = runtime.block_on(async { measure(FAN_OUT).await });
    add("sfu.cpu_per_1000_forwarded", "ms", clinic.clone());
    add("sfu.cpu_per_packet.clinic", "us", clinic.clone());
    add("sfu.cpu_per_packet.busy", "us", busy.clone());
    add("sfu.cpu_per_packet.fan_out_40", "us", fan_out);
    add("sfu.packets_per_cpu_second.busy", "packets/s", busy.iter().map(|us| 1e6 / us).collect());
    add("sfu.packets_per_second.busy", "packets/s", rate);
    add("floor.cpu_per_packet.clinic", "us", floor_clinic.clone());
    add("floor.cpu_per_packet.busy", "us", floor_busy);
    add("floor.packets_per_second.busy", "packets/s", floor_rate);
    let ratio = clinic.iter().zip(&floor_clinic).map(|(ours, floor)| ours / floor).collect();
    add("sfu.over_floor.clinic", "ratio", ratio);
    write(&figures);
}

fn repeat(mut once: impl FnMut() -> (f64, f64)) -> (Vec<f64>, Vec<f64>) {
    (0..RUNS).map(|_| once()).unzip()
}

#[expect(clippy::disallowed_methods, reason = "a load generator keeps a rate")]
fn pause() {
    std::thread::sleep(Duration::from_micros(300));
}

/// CPU microseconds per packet received, and packets received per second, for each run.
async fn measure(load: Load) -> (Vec<f64>, Vec<f64>) {
    let bind = "127.0.0.1:0".parse().unwrap();
    let config = Config { bind, public: vec![], workers: 1, udp: true, tcp: None, limits: Limits::default() };
    let (sfu, mut events) = Sfu::start(config).unwrap();
    let drain = tokio::spawn(async move { while events.recv().await.is_some() {} });
    let mut clients = vec![];
    for n in 0..load.rooms * load.peers {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let now = Instant::now();
        let mut client = Client::new((n % 250) as u8, socket.local_addr().unwrap(), now);
        client.live = [false, false, true];
        let (room, key) = (RoomKey((n / load.peers) as u128), PeerKey(n as u128));
        let (offer, pending) = client.offer();
        let answer = sfu.offer(room, key, offer).await.unwrap();
        client.answer(pending, &answer.sdp, now);
        sfu.admit(room, key);
        clients.push((client, socket, n % load.peers < load.senders, now));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let received = Arc::new(AtomicU64::new(0));
    let all = Arc::new(AtomicBool::new(false));
    let thread = {
        let (stop, received, all) = (stop.clone(), received.clone(), all.clone());
        std::thread::spawn(move || {
            let mut buffer = [0u8; 2_048];
            while !stop.load(Ordering::Relaxed) {
                for (client, socket, sends, due) in &mut clients {
                    while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                        client.receive(from, &buffer[..length], Instant::now());
                    }
                    let now = Instant::now();
                    if *sends && client.connected && now >= *due {
                        *due = if load.pause.is_zero() { now } else { *due + load.pause };
                        client.film(now);
                    }
                    if client.deadline <= now {
                        client.tick(now);
                    }
                    for (to, bytes) in client.outgoing.drain(..) {
                        let _full: std::io::Result<usize> = socket.send_to(&bytes, to);
                    }
                    received.fetch_add(client.received.len() as u64, Ordering::Relaxed);
                    client.received.clear();
                }
                if !all.load(Ordering::Relaxed) && clients.iter().all(|(client, ..)| client.connected) {
                    all.store(true, Ordering::Relaxed);
                }
                if !load.pause.is_zero() {
                    pause();
                }
            }
        })
    };
    while !all.load(Ordering::Relaxed) || received.load(Ordering::Relaxed) < 1_000 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut results = (vec![], vec![]);
    for _ in 0..RUNS {
        let (cpu, packets, began) = (sfu.counters().cpu_us, received.load(Ordering::Relaxed), Instant::now());
        tokio::time::sleep(RUN).await;
        let cpu = (sfu.counters().cpu_us - cpu) as f64;
        let packets = (received.load(Ordering::Relaxed) - packets) as f64;
        results.0.push(cpu / packets);
        results.1.push(packets / began.elapsed().as_secs_f64());
    }
    stop.store(true, Ordering::Relaxed);
    thread.join().unwrap();
    sfu.shutdown().await;
    drain.await.unwrap();
    results
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
    let mut due = vec![Instant::now(); ends.len()];
    let (mut received, mut buffer) = (0u64, [0u8; 2_048]);
    let (mut began, mut cpu_before, mut warm) = (Instant::now(), 0, false);
    loop {
        for (n, end) in ends.iter().enumerate() {
            while end.recv_from(&mut buffer).is_ok() {
                received += 1;
            }
            if n % load.peers < load.senders && Instant::now() >= due[n] {
                due[n] = if load.pause.is_zero() { Instant::now() } else { due[n] + load.pause };
                for _ in 0..5 {
                    let _full: std::io::Result<usize> = end.send_to(&packet, server);
                }
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
    for Figure { name, unit, how, values } in figures {
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let (low, median, high) = (sorted[0], sorted[sorted.len() / 2], sorted[sorted.len() - 1]);
        println!("{name:36} {median:12.2} {unit} ({low:.2} to {high:.2})");
        lines.push(format!(
            r#"  {{"name": "{name}", "value": {median:.3}, "unit": "{unit}", "runs": {}, "spread": [{low:.3}, {high:.3}], "how": "{how}"}}"#,
            values.len()
        ));
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bench");
    std::fs::create_dir_all(folder).unwrap();
    let mut file = std::fs::File::create(format!("{folder}/sfu.json")).unwrap();
    writeln!(file, "[\n{}\n]", lines.join(",\n")).unwrap();
}
