//! The writer is killed, the disk is full: what was said to be durable is there.

mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::*;
use recorder::*;
use sfu_core::tap::Source;
use visit::Now;
use visit::fact::StopReason;

const DIR: &str = "BEDSIDE_TEST_CAPTURE_DIR";

/// This test program again, running one ignored test as a process of its own.
fn again(test: &str, dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", test, "--nocapture"])
        .env(DIR, dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn child_dir() -> std::path::PathBuf {
    std::env::var_os(DIR).expect("runs only as the child of another test").into()
}

fn wall_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64
}

/// Waits without holding a core.
fn pace(until_us: i64) {
    let (_hold, wait) = channel::<()>();
    let left = until_us - wall_us();
    if left > 0 {
        let _ = wait.recv_timeout(Duration::from_micros(left as u64));
    }
}

#[test]
#[ignore = "a child of sigkill_in_mid_recording_costs_at_most_a_second"]
fn records_until_killed() {
    let mut camera = Sender::new(&provider(), Source::Camera);
    let mut voice = Sender::new(&patient(), Source::Microphone);
    let film = by_arrival([camera.video(&picture("testsrc=s=320x180:r=25:d=20"), 0), voice.tone(440.0, 0, 20_000)]);
    let started = Now(wall_us() / 1_000);
    let spec = CaptureSpec { started, ..spec(&child_dir(), vec![provider(), patient()]) };
    let (capture, mut events) = Capture::start(spec).unwrap();
    let sink = capture.sink();
    let shift = started.0 * 1_000 - at_us(0);
    let mut durable = false;
    for mut packet in film {
        packet.received_us += shift;
        pace(packet.received_us);
        let received_us = packet.received_us;
        assert!(sink.offer(packet));
        durable |= matches!(events.try_recv(), Ok(CaptureEvent::FirstBytesDurable));
        println!("offered {received_us} {durable}");
    }
}

#[test]
fn sigkill_in_mid_recording_costs_at_most_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = again("records_until_killed", dir.path());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let offered = |line: &str| {
        let mut words = line.strip_prefix("offered ")?.split(' ');
        Some((words.next()?.parse::<i64>().ok()?, words.next()? == "true"))
    };
    let mut durable_since = None;
    let mut last_us = 0;
    for line in lines.by_ref().map_while(Result::ok) {
        let Some((us, durable)) = offered(&line) else {
            continue;
        };
        last_us = us;
        if durable && us > *durable_since.get_or_insert(us) + 3_170_000 {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What was still in the pipe was offered too.
    last_us = lines.map_while(Result::ok).filter_map(|line| offered(&line)).map(|(us, _)| us).max().unwrap_or(last_us);
    assert!(durable_since.is_some(), "the first bytes were never durable");

    let before = std::fs::read(dir.path().join("capture.journal")).unwrap();
    let summary = recover(dir.path(), &key()).unwrap();
    assert_eq!(summary.why, StopReason::Interrupted);
    assert_ne!(summary.tail, Tail::Complete);
    assert_eq!(summary.damage, []);
    let lost_us = last_us - summary.stopped.0 * 1_000;
    assert!(lost_us <= 1_000_000, "{lost_us} us are lost");

    let out = dir.path().join("object");
    let composed = compose(dir.path(), &key(), &ComposeOptions::default(), &out).unwrap();
    assert_eq!(composed.duration_ms, summary.duration_ms);
    assert_eq!(std::fs::read(dir.path().join("capture.journal")).unwrap(), before, "the capture was changed");
    let plain = dir.path().join("plain.webm");
    unsealed(&out, &plain);
    let (codecs, seconds) = probed(&plain);
    assert_eq!(codecs, ["vp8", "opus"]);
    assert!((seconds - summary.duration_ms as f64 / 1_000.0).abs() < 0.1);
    assert!(half(&pictures(&plain)[50], 0).1 > 15.0);
    assert!(amplitude(&sound(&plain), 440.0, 500, 2_500) > 0.2);
}

#[test]
#[ignore = "a child of a_full_disk_is_said_at_once_and_keeps_what_is_there"]
fn records_onto_a_full_disk() {
    let limit = libc::rlimit { rlim_cur: 700_000, rlim_max: 700_000 };
    // SAFETY: plain calls; the limit is a local that outlives them.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &limit), 0);
    }
    let (capture, mut events) = Capture::start(spec(&child_dir(), vec![provider(), patient()])).unwrap();
    let mut camera = Sender::new(&provider(), Source::Camera);
    let noise: Vec<Vec<u8>> =
        (0..2_000).map(|n| [vec![0x10, 2, 0, 0x9d, 1, 0x2a], vec![n as u8; 3_000]].concat()).collect();
    let mut rest = camera.video(&noise, 0).into_iter();
    let failure = loop {
        if let Some(packet) = rest.next() {
            while !capture.sink().offer(packet.clone()) {
                if events.is_closed() || !events.is_empty() {
                    break;
                }
                std::thread::yield_now();
            }
        }
        match events.try_recv() {
            Ok(CaptureEvent::Failed { why }) => break why,
            Ok(CaptureEvent::Stopped { .. }) => panic!("it stopped by itself"),
            _ => {}
        }
    };
    println!("failed {failure:?}");
    std::io::stdout().flush().unwrap();
}

#[test]
fn a_full_disk_is_said_at_once_and_keeps_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let child = again("records_onto_a_full_disk", dir.path());
    let out = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{said}");
    assert!(said.contains("failed DiskFull"), "{said}");
    let summary = recover(dir.path(), &key()).unwrap();
    assert!(summary.packets > 100, "{summary:?}");
    assert_eq!(summary.damage, []);
    assert_eq!(summary.tail, Tail::Torn);
    let out = dir.path().join("object");
    assert!(compose(dir.path(), &key(), &ComposeOptions::default(), &out).is_ok());
}

#[test]
fn too_little_space_is_said_before_anything_begins() {
    let dir = tempfile::tempdir().unwrap();
    let spec = CaptureSpec { min_free_bytes: u64::MAX, ..spec(dir.path(), vec![provider()]) };
    let error = Capture::start(spec).unwrap_err();
    assert!(matches!(error, StartError::NoSpace { .. }), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_capture_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    captured(dir.path(), &[], 100);
    let before = std::fs::read(dir.path().join("capture.journal")).unwrap();
    let error = Capture::start(spec(dir.path(), vec![provider()])).unwrap_err();
    assert!(matches!(error, StartError::Exists), "{error}");
    assert_eq!(std::fs::read(dir.path().join("capture.journal")).unwrap(), before);
}

#[test]
fn packets_of_others_are_refused_and_withdrawing_takes_effect_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (capture, events) = Capture::start(spec(dir.path(), vec![provider(), patient()])).unwrap();
    let stranger = person(9, "stranger");
    let mut voices: Vec<Sender> =
        [provider(), patient(), stranger].iter().map(|who| Sender::new(who, Source::Microphone)).collect();
    let mut say = |from_ms| voices.iter_mut().flat_map(|voice| voice.tone(440.0, from_ms, 100)).collect::<Vec<_>>();
    send(&capture.sink(), &say(0));
    capture.consent(patient().id, "en-1".into(), false, Now(STARTED.0 + 100));
    // The mark stands in the queue before what follows: both are taken in order.
    capture.resume(vec![provider()], Now(STARTED.0 + 100));
    capture.stop(StopReason::Withdrawn, Now(STARTED.0 + 300));
    for packet in say(300) {
        assert!(!capture.sink().offer(packet), "taken after the end");
    }
    let Some(CaptureEvent::Stopped { summary }) = finished(events).pop() else { panic!("not stopped") };
    assert_eq!((summary.packets, summary.refused, summary.dropped), (10, 5, 0));
    assert_eq!(summary.why, StopReason::Withdrawn);
    assert_eq!((summary.tail, summary.duration_ms), (Tail::Complete, 300));
}

#[test]
fn a_capture_that_is_let_go_of_is_closed_as_interrupted() {
    let dir = tempfile::tempdir().unwrap();
    let (capture, events) = Capture::start(spec(dir.path(), vec![provider()])).unwrap();
    drop(capture);
    let Some(CaptureEvent::Stopped { summary }) = finished(events).pop() else { panic!("not stopped") };
    assert_eq!((summary.why, summary.tail), (StopReason::Interrupted, Tail::Complete));
}
