//! What recording costs (P8): capturing two people at 720p as a share of one core, composing as a multiple of real
//! time per core. Counted in processor time, so that other work on the machine disturbs little.
//!
//! Writes `target/bench/recorder.json`.

#[expect(dead_code, reason = "the bench does not look at the file")]
#[path = "../tests/common/mod.rs"]
mod common;

use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use common::*;
use recorder::*;
use sfu_core::tap::{Source, TapPacket};
use visit::Now;
use visit::fact::StopReason;

const CAPTURE_RUNS: usize = 5;
const CAPTURE_S: usize = 10;
const COMPOSE_RUNS: usize = 5;
const COMPOSE_S: usize = 20;
/// How often the bench hands packets over: as the SFU does, whenever some have come.
const BATCH: Duration = Duration::from_millis(10);

fn main() {
    // A moving picture with a camera's noise, so that both coders have to work.
    let camera =
        |test: &str, seconds| picture_at(&format!("{test}=s=1280x720:r=25:d={seconds},noise=alls=10:allf=t"), "2500k");
    let (one, two) = (camera("testsrc2", COMPOSE_S), camera("testsrc", COMPOSE_S));
    let film = two_people([one, two], COMPOSE_S);
    let bits = film.iter().map(|packet| packet.payload.len()).sum::<usize>() * 8 / COMPOSE_S;
    println!("two people send {} kbit/s in {} packets/s", bits / 1_000, film.len() / COMPOSE_S);

    let mut capture: Vec<f64> = (0..CAPTURE_RUNS).map(|_| capture_share(&film)).collect();
    let mut compose: Vec<f64> = (0..COMPOSE_RUNS).map(|_| compose_speed(&film)).collect();
    let figures = serde_json::json!([
        figure(
            "P8_capture",
            "% of one core",
            3.0,
            false,
            &mut capture,
            &format!(
                "two people at 720p, {} kbit/s, paced in real time for {CAPTURE_S} s; processor time of the whole process, with the bench's own pacing",
                bits / 1_000
            )
        ),
        figure(
            "P8_compose",
            "x real time per core",
            4.0,
            true,
            &mut compose,
            &format!(
                "the same two people, {COMPOSE_S} s; length over processor time of the composer and its ffmpeg children"
            )
        ),
    ]);
    let dir = std::env::var_os("BEDSIDE_BENCH_DIR")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bench")), PathBuf::from);
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("recorder.json"), format!("{figures:#}\n")).unwrap();
    println!("{figures:#}");
}

fn figure(name: &str, unit: &str, target: f64, more_is_better: bool, runs: &mut [f64], how: &str) -> serde_json::Value {
    runs.sort_by(f64::total_cmp);
    let median = runs[runs.len() / 2];
    let met = if more_is_better { median >= target } else { median <= target };
    serde_json::json!({
        "name": name, "value": median, "unit": unit, "target": target, "met": met,
        "runs": runs.len(), "spread": [runs[0], runs[runs.len() - 1]],
        "how": format!("cargo bench -p recorder: {how}"),
    })
}

fn two_people(films: [Vec<Vec<u8>>; 2], seconds: usize) -> Vec<TapPacket> {
    let tracks = [provider(), patient()].into_iter().zip(films).flat_map(|(who, frames)| {
        let tone = Sender::new(&who, Source::Microphone).tone(440.0, 0, seconds as i64 * 1_000);
        [Sender::new(&who, Source::Camera).video(&frames, 0), tone]
    });
    by_arrival(tracks)
}

fn capture_share(film: &[TapPacket]) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let (capture, events) = Capture::start(spec(dir.path(), vec![provider(), patient()])).unwrap();
    let sink = capture.sink();
    let (_hold, wait) = channel::<()>();
    let (began, cpu) = (Instant::now(), cpu_s(libc::RUSAGE_SELF));
    let mut packets = film.iter().peekable();
    while began.elapsed().as_secs() < CAPTURE_S as u64 {
        let until = at_us(0) + began.elapsed().as_micros() as i64;
        while let Some(packet) = packets.next_if(|packet| packet.received_us <= until) {
            assert!(sink.offer(packet.clone()), "the writer was too slow");
        }
        let _ = wait.recv_timeout(BATCH);
    }
    let share = (cpu_s(libc::RUSAGE_SELF) - cpu) / began.elapsed().as_secs_f64() * 100.0;
    capture.stop(StopReason::Stopped, Now(STARTED.0 + CAPTURE_S as i64 * 1_000));
    assert!(matches!(finished(events).last(), Some(CaptureEvent::Stopped { .. })));
    share
}

fn compose_speed(film: &[TapPacket]) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    captured(dir.path(), film, COMPOSE_S as i64 * 1_000);
    let both = || cpu_s(libc::RUSAGE_SELF) + cpu_s(libc::RUSAGE_CHILDREN);
    let (cpu, wall) = (both(), Instant::now());
    let composed = compose(dir.path(), &key(), &ComposeOptions::default(), &dir.path().join("object")).unwrap();
    let (cpu, wall) = (both() - cpu, wall.elapsed().as_secs_f64());
    println!(
        "composed {} ms in {wall:.2} s, {cpu:.2} s of processor time, {} bytes",
        composed.duration_ms, composed.bytes
    );
    assert_eq!(composed.gaps, []);
    COMPOSE_S as f64 / cpu
}

fn cpu_s(whose: libc::c_int) -> f64 {
    // SAFETY: the zeroed struct is valid and outlives the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(whose, &mut usage), 0);
        usage
    };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}
