//! What a packet costs inside a room, without sockets, threads or a clock: allocations, instructions, processor time and
//! memory, with real clients' packets over a network without delay.
//!
//! `cargo bench -p sfu-core` writes `target/bench/sfu-core.json`. Only what the server does is counted: everything that
//! a room is asked happens inside [`serve`], and the clients' work outside of it. Instructions are counted by running
//! this program once more under callgrind; without `valgrind` that figure is left out.

#[path = "../tests/common/client.rs"]
#[expect(dead_code, reason = "the tests use more of a client")]
mod client;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use client::Client;
use sfu_core::room::{Limits, Outbox, Room, Settings};
use sfu_core::tap::PeerKey;
use sfu_core::{Candidates, Path};

const SERVER: &str = "10.0.0.1:3478";
/// A tick of the virtual clock.
const TICK: Duration = Duration::from_millis(4);
const RUNS: usize = 5;

thread_local! {
    static COUNTING: Cell<bool> = const { Cell::new(false) };
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static LIVE: Cell<i64> = const { Cell::new(0) };
}

/// The system's allocator, counting what happens inside [`serve`].
struct Counted;

fn note(allocations: u64, bytes: i64) {
    if COUNTING.get() {
        ALLOCATIONS.set(ALLOCATIONS.get() + allocations);
        LIVE.set(LIVE.get() + bytes);
    }
}

// SAFETY: hands everything to the system's allocator; the counters are plain cells without destructors.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(1, layout.size() as i64);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(1, layout.size() as i64);
        // SAFETY: as the caller promised.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(1, size as i64 - layout.size() as i64);
        // SAFETY: as the caller promised.
        unsafe { System.realloc(pointer, layout, size) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(0, -(layout.size() as i64));
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

/// Totals of what happened inside [`serve`].
#[derive(Clone, Copy)]
struct Cost {
    allocations: u64,
    cpu: Duration,
    forwarded: u64,
}

fn thread_cpu() -> Duration {
    // SAFETY: an all-zero timespec is valid, and the call fills it.
    let time = unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time);
        time
    };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

type Datagrams = [(PeerKey, SocketAddr, Vec<u8>)];

/// Everything that a room does in one tick. Callgrind collects from here when it is measured.
#[inline(never)]
fn serve(room: &mut Room, datagrams: &Datagrams, now: Instant, out: &mut Outbox) {
    work(room, datagrams, now, out);
}

/// The same while people connect, under a name that callgrind does not collect.
#[inline(never)]
fn warm_up(room: &mut Room, datagrams: &Datagrams, now: Instant, out: &mut Outbox) {
    work(room, datagrams, now, out);
    std::hint::black_box(out);
}

#[inline(always)]
fn work(room: &mut Room, datagrams: &Datagrams, now: Instant, out: &mut Outbox) {
    let server = SERVER.parse().unwrap();
    for (key, from, bytes) in datagrams {
        room.receive(*key, Path::udp(*from, server), bytes, now, out);
    }
    if room.next_timeout().is_some_and(|due| due <= now) {
        room.timeout(now, out);
    }
    room.flush(now, out);
}

struct House {
    now: Instant,
    rooms: Vec<(Room, Vec<Client>)>,
    senders: usize,
    voice: Instant,
    film: Instant,
    cpu: Duration,
    forwarded: u64,
    measured: bool,
}

#[expect(clippy::disallowed_methods, reason = "an Instant can't be made otherwise; only differences to it are used")]
fn beginning() -> Instant {
    Instant::now()
}

impl House {
    /// Rooms of people who connected; the first `senders` of each room will send.
    fn new(rooms: usize, people: usize, senders: usize) -> Self {
        let now = beginning();
        let candidates = Candidates { udp: vec![SERVER.parse().unwrap()], tcp: vec![] };
        let settings = Settings::new(candidates, Limits::default(), now, 1_000_000);
        let mut made = Vec::with_capacity(rooms);
        for n in 0..rooms {
            let mut room = counted(|| Room::new(settings.clone()));
            let mut clients = vec![];
            for p in 0..people {
                let address = SocketAddr::from(([10, 1 + (n >> 8) as u8, n as u8, p as u8], 5_000));
                let mut client = Client::new(p as u8, address, now);
                client.live = [false, false, true];
                let (offer, pending) = client.offer();
                let mut out = Outbox::default();
                let answer = counted(|| room.offer(PeerKey(p as u128), &offer, now, &mut out)).unwrap();
                client.answer(pending, &answer.sdp, now);
                clients.push(client);
            }
            made.push((room, clients));
        }
        let mut house = Self {
            now,
            rooms: made,
            senders,
            voice: now,
            film: now,
            cpu: Duration::ZERO,
            forwarded: 0,
            measured: false,
        };
        while !house.rooms.iter().all(|(_, clients)| clients.iter().all(|client| client.connected)) {
            house.tick(false);
        }
        house
    }

    fn admit_all(&mut self) {
        let mut out = Outbox::default();
        for (room, clients) in &mut self.rooms {
            for p in 0..clients.len() {
                counted(|| room.admit(PeerKey(p as u128), self.now, &mut out));
            }
        }
    }

    fn run(&mut self, time: Duration, sending: bool) {
        let end = self.now + time;
        while self.now < end {
            self.tick(sending);
        }
    }

    fn tick(&mut self, sending: bool) {
        self.now += TICK;
        let now = self.now;
        let voice = sending && now >= self.voice;
        let film = sending && now >= self.film;
        if voice {
            self.voice = now + Duration::from_millis(20);
        }
        if film {
            self.film = now + Duration::from_millis(33);
        }
        for (room, clients) in &mut self.rooms {
            let mut datagrams = vec![];
            for (p, client) in clients.iter_mut().enumerate() {
                if client.deadline <= now {
                    client.tick(now);
                }
                if voice && p < self.senders {
                    client.speak(-30, now);
                }
                if film && p < self.senders {
                    client.film(now);
                }
                let key = PeerKey(p as u128);
                datagrams.extend(client.outgoing.drain(..).map(|(_, bytes)| (key, client.address, bytes)));
            }
            if datagrams.is_empty() && room.next_timeout().is_none_or(|due| due > now) {
                continue;
            }
            let began = thread_cpu();
            let mut out = counted(|| {
                let mut out = Outbox::default();
                let how = if self.measured { serve } else { warm_up };
                how(room, &datagrams, now, &mut out);
                out
            });
            self.cpu += thread_cpu() - began;
            self.forwarded += out.tally.forwarded;
            for transmit in out.transmits.drain(..) {
                if let Some(client) = clients.iter_mut().find(|client| client.address == transmit.path.remote) {
                    client.receive(transmit.path.local, &transmit.contents, now);
                    client.received.clear();
                }
                counted(|| drop(transmit));
            }
            counted(|| drop(out));
        }
    }

    fn cost(&self) -> Cost {
        Cost { allocations: ALLOCATIONS.get(), cpu: self.cpu, forwarded: self.forwarded }
    }

    /// Per forwarded packet over this long: allocations, and microseconds of processor time.
    fn measure(&mut self, time: Duration) -> (f64, f64) {
        self.measured = true;
        let before = self.cost();
        self.run(time, true);
        let after = self.cost();
        let packets = (after.forwarded - before.forwarded) as f64;
        assert!(packets > 100.0, "the clients' packets were forwarded");
        (
            (after.allocations - before.allocations) as f64 / packets,
            (after.cpu - before.cpu).as_secs_f64() * 1e6 / packets,
        )
    }
}

/// Counts what `act` allocates as the server's.
fn counted<T>(act: impl FnOnce() -> T) -> T {
    COUNTING.set(true);
    let done = act();
    COUNTING.set(false);
    done
}

/// KiB that the server holds for each person.
fn kib_each(before: i64, people: usize) -> f64 {
    (LIVE.get() - before) as f64 / 1_024.0 / people as f64
}

/// Instructions per forwarded packet, by callgrind, and where they went; `None` without it.
fn instructions() -> Option<f64> {
    let file = std::env::temp_dir().join(format!("bedside-callgrind-{}", std::process::id()));
    let ran = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*packet_path*::serve*", "--quiet"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(std::env::current_exe().unwrap())
        .arg("--counted")
        .output()
        .ok()?;
    let collected = std::fs::read_to_string(&file).ok()?;
    if std::env::var_os("BEDSIDE_KEEP_CALLGRIND").is_some() {
        eprintln!("kept {}", file.display());
    } else {
        let _gone: std::io::Result<()> = std::fs::remove_file(&file);
    }
    let total: f64 = collected.lines().find_map(|line| line.strip_prefix("summary: ")?.trim().parse().ok())?;
    let printed = String::from_utf8_lossy(&ran.stdout).into_owned();
    let packets: f64 = printed.lines().find_map(|line| line.strip_prefix("forwarded ")?.parse().ok())?;
    Some(total / packets)
}

struct Figure {
    name: String,
    unit: &'static str,
    values: Vec<f64>,
}

fn main() {
    let has = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    // `cargo test` runs benches too, with --test: there is nothing to check.
    if has("--test") {
        return;
    }
    if has("--counted") {
        let mut house = House::new(1, 2, 2);
        house.admit_all();
        house.run(Duration::from_secs(1), true);
        let before = house.forwarded;
        house.measured = true;
        house.run(Duration::from_secs(4), true);
        println!("forwarded {}", house.forwarded - before);
        return;
    }
    let mut figures = vec![];
    let mut add = |name: &str, unit, values| figures.push(Figure { name: name.to_owned(), unit, values });

    let mut growth = vec![];
    for rooms in [2, 100, 1_000] {
        let before = LIVE.get();
        let mut house = House::new(rooms, 2, 2);
        house.run(Duration::from_secs(2), false);
        let waiting = kib_each(before, rooms * 2);
        house.admit_all();
        // Five seconds fill the packets kept for retransmission.
        house.run(Duration::from_secs(5), true);
        let length = Duration::from_secs(if rooms > 100 { 1 } else { 4 });
        let runs = if rooms > 100 { 3 } else { RUNS };
        let (allocations, cpu): (Vec<f64>, Vec<f64>) = (0..runs).map(|_| house.measure(length)).unzip();
        let visiting = kib_each(before, rooms * 2);
        growth.push((median(&cpu), visiting));
        add(&format!("core.allocations_per_packet.rooms_{rooms}"), "allocations", allocations);
        add(&format!("core.cpu_per_packet.rooms_{rooms}"), "us", cpu);
        add(&format!("core.memory_waiting.rooms_{rooms}"), "KiB", vec![waiting]);
        add(&format!("core.memory_visiting.rooms_{rooms}"), "KiB", vec![visiting]);
    }
    add("core.growth.cpu_1000_over_2", "ratio", vec![growth[2].0 / growth[0].0]);
    add("core.growth.memory_1000_over_2", "ratio", vec![growth[2].1 / growth[0].1]);
    let mut fan = House::new(1, 41, 1);
    fan.admit_all();
    fan.run(Duration::from_secs(3), true);
    let (allocations, cpu): (Vec<f64>, Vec<f64>) = (0..RUNS).map(|_| fan.measure(Duration::from_secs(2))).unzip();
    add("core.allocations_per_packet.fan_out_40", "allocations", allocations);
    add("core.cpu_per_packet.fan_out_40", "us", cpu);
    match instructions() {
        Some(count) => add("core.instructions_per_packet", "instructions", vec![count]),
        None => eprintln!("no valgrind here: instructions were not counted"),
    }
    write(&figures);
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn write(figures: &[Figure]) {
    let mut lines = vec![];
    for Figure { name, unit, values } in figures {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(0.0, f64::max);
        let middle = median(values);
        println!("{name:44} {middle:12.2} {unit} ({low:.2} to {high:.2})");
        lines.push(format!(
            r#"  {{"name": "{name}", "value": {middle:.3}, "unit": "{unit}", "runs": {}, "spread": [{low:.3}, {high:.3}], "how": "cargo bench -p sfu-core"}}"#,
            values.len()
        ));
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/bench");
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(format!("{folder}/sfu-core.json"), format!("[\n{}\n]\n", lines.join(",\n"))).unwrap();
}
