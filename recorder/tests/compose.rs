//! From packets to a file that plays: real codecs, real ffmpeg, looked at and listened to.

mod common;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use common::*;
use recorder::*;
use sfu_core::tap::{Codec, Source, TapPacket};
use tempfile::TempDir;
use visit::Now;
use visit::fact::StopReason;

struct Film {
    _dir: TempDir,
    composed: Composed,
    file: PathBuf,
}

/// Composes what is in `dir` and unseals it for looking at.
fn film(dir: TempDir) -> Film {
    let object = dir.path().join("object");
    let composed = compose(dir.path(), &key(), &ComposeOptions::default(), &object).unwrap();
    let file = dir.path().join("plain.webm");
    unsealed(&object, &file);
    Film { _dir: dir, composed, file }
}

/// Six seconds of two people: a landscape camera and a portrait phone, two tones.
fn two_people(seconds: usize) -> Vec<Vec<TapPacket>> {
    let (provider, patient) = (provider(), patient());
    vec![
        Sender::new(&provider, Source::Camera).video(&picture(&format!("testsrc=s=320x180:r=25:d={seconds}")), 0),
        Sender::new(&patient, Source::Camera).video(&picture(&format!("testsrc2=s=180x320:r=25:d={seconds}")), 0),
        Sender::new(&provider, Source::Microphone).tone(440.0, 0, seconds as i64 * 1_000),
        Sender::new(&patient, Source::Microphone).tone(1_000.0, 0, seconds as i64 * 1_000),
    ]
}

#[test]
fn two_people_are_seen_side_by_side_and_heard_together() {
    let dir = tempfile::tempdir().unwrap();
    captured(dir.path(), &by_arrival(two_people(6)), 6_000);
    let film = film(dir);

    let (codecs, seconds) = probed(&film.file);
    assert_eq!(codecs, ["vp8", "opus"]);
    assert!((seconds - 6.0).abs() < 0.1, "{seconds} s");
    assert_eq!(film.composed.duration_ms, 6_000);
    assert_eq!(film.composed.gaps, []);
    let pictures = pictures(&film.file);
    assert_eq!(pictures.len(), 150);
    for at in [5, 75, 145] {
        for side in [0, 1] {
            assert!(half(&pictures[at], side).1 > 15.0, "nothing to be seen in half {side} of picture {at}");
        }
    }
    assert_ne!(pictures[75], pictures[100], "it moves");
    let sound = sound(&film.file);
    for (hertz, least) in [(440.0, 0.2), (1_000.0, 0.2)] {
        assert!(amplitude(&sound, hertz, 500, 5_500) > least, "{hertz} Hz is not heard");
    }
    assert!(amplitude(&sound, 700.0, 500, 5_500) < 0.02, "something is heard that nobody said");
}

#[test]
fn the_file_can_be_sought_to_every_second_second() {
    let dir = tempfile::tempdir().unwrap();
    captured(dir.path(), &by_arrival(two_people(5)), 5_000);
    let film = film(dir);
    let plain = std::fs::read(&film.file).unwrap();
    // A cue point is BB, a size of four bytes, then its time: B3, a size of four bytes, the number.
    let cues: Vec<u64> = plain
        .windows(12)
        .filter(|w| w[0] == 0xBB && w[1] == 0x10 && w[5..9] == [0xB3, 0x10, 0, 0])
        .map(|w| w[10..].iter().take(w[9].into()).fold(0, |time, &byte| time << 8 | u64::from(byte)))
        .collect();
    assert_eq!(cues.first(), Some(&0));
    assert!(cues.windows(2).all(|pair| (1..=2_000).contains(&(pair[1] - pair[0]))), "{cues:?}");
    assert!(cues.last() >= Some(&4_000), "{cues:?}");
    let out = std::process::Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-read_intervals",
            "4%+#1",
            "-select_streams",
            "v",
            "-show_entries",
            "packet=pts_time,flags",
        ])
        .args(["-of", "csv=p=0"])
        .arg(&film.file)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&out.stdout).trim(), "4.000000,K_");
}

#[test]
fn a_flash_and_a_beep_stay_together() {
    let dir = tempfile::tempdir().unwrap();
    let flash = "color=black:s=320x240:r=25:d=3[a];color=white:s=320x240:r=25:d=0.2[b];color=black:s=320x240:r=25:d=2[c];[a][b][c]concat=n=3:v=1:a=0";
    let provider = provider();
    let mut voice = Sender::new(&provider, Source::Microphone);
    let beep = [voice.tone(0.0, 0, 3_000), voice.tone(1_000.0, 3_000, 200), voice.tone(0.0, 3_200, 2_000)].concat();
    let mut camera = Sender::new(&provider, Source::Camera);
    captured(dir.path(), &by_arrival([camera.video(&picture(flash), 0), beep]), 5_200);
    let film = film(dir);
    let pictures = pictures(&film.file);
    let lit = pictures.iter().position(|picture| half(picture, 0).0 > 150.0).unwrap() as i64 * 40;
    let sound = sound(&film.file);
    let heard = sound.iter().position(|sample| sample.abs() > 0.1).unwrap() as i64 / 48;
    assert!((lit - 3_000).abs() <= 60, "flash at {lit} ms");
    assert!((heard - 3_000).abs() <= 60, "beep at {heard} ms");
    assert!((lit - heard).abs() <= 60, "flash at {lit} ms, beep at {heard} ms");
}

#[test]
fn losses_are_named_and_change_neither_length_nor_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut packets = by_arrival(two_people(8));
    // One in 25 is lost for good, one in 11 comes 400 ms late, neighbours change places.
    packets.retain(|packet| packet.seq * 31 % 25 != 7);
    for packet in &mut packets {
        if packet.seq % 11 == 3 {
            packet.received_us += 400_000;
        }
    }
    packets.sort_by_key(|packet| packet.received_us);
    for n in (0..packets.len() - 1).step_by(9) {
        packets.swap(n, n + 1);
    }
    captured(dir.path(), &packets, 8_000);
    let film = film(dir);
    let (_, seconds) = probed(&film.file);
    assert!((seconds - 8.0).abs() < 0.1, "{seconds} s");
    for source in ["camera", "microphone"] {
        let named = film.composed.gaps.iter().filter(|gap| gap.source == source && gap.why == GapReason::PacketsLost);
        assert!(named.count() > 3, "{source}: {:?}", film.composed.gaps);
    }
    assert!(film.composed.gaps.iter().all(|gap| gap.from_ms <= gap.to_ms && gap.to_ms <= 8_000));
    // One lost packet in 25 is made up for by the decoder.
    assert!(amplitude(&sound(&film.file), 440.0, 500, 7_500) > 0.2);
}

#[test]
fn a_pause_for_a_late_joiner_is_cut_out_and_the_late_joiner_seen_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let at = |ms| Now(STARTED.0 + ms);
    let (capture, events) = Capture::start(spec(dir.path(), vec![provider()])).unwrap();
    let all = two_people(8);
    let patient_peer = patient().peer();
    let between = |from: i64, to: i64, patient_too: bool| {
        let mut part = by_arrival(all.clone());
        part.retain(|p| (at_us(from)..at_us(to)).contains(&p.received_us) && (patient_too || p.peer != patient_peer));
        part
    };
    capture.consent(provider().id, "en-1".into(), true, at(0));
    send(&capture.sink(), &between(0, 2_000, false));
    capture.pause(Some(patient().id), at(2_000));
    for packet in between(2_000, 4_000, true) {
        assert!(!capture.sink().offer(packet), "taken in a pause");
    }
    capture.consent(patient().id, "en-1".into(), true, at(3_900));
    capture.resume(vec![provider(), patient()], at(4_000));
    send(&capture.sink(), &between(4_000, 8_000, true));
    capture.stop(StopReason::Stopped, at(8_000));
    let events = finished(events);
    assert_eq!(events.first(), Some(&CaptureEvent::FirstBytesDurable));

    let film = film(dir);
    let (_, seconds) = probed(&film.file);
    assert!((seconds - 6.0).abs() < 0.1, "{seconds} s");
    let pictures = pictures(&film.file);
    assert!(half(&pictures[25], 0).1 > 15.0);
    assert!(half(&pictures[25], 1).1 < 3.0, "the patient is seen before having allowed it");
    assert!(half(&pictures[125], 1).1 > 15.0, "the patient is not seen after it");
    let sound = sound(&film.file);
    assert!(amplitude(&sound, 1_000.0, 200, 1_900) < 0.01, "the patient is heard before having allowed it");
    assert!(amplitude(&sound, 1_000.0, 2_300, 5_800) > 0.2);

    let manifest: serde_json::Value = serde_json::from_str(&film.composed.manifest_json).unwrap();
    assert_eq!(manifest["pauses"][0]["from"], STARTED.0 + 2_000);
    assert_eq!(manifest["pauses"][0]["to"], STARTED.0 + 4_000);
    assert_eq!(manifest["consents"][1]["participant"], patient().id.to_string());
    assert_eq!(manifest["consents"][1]["at"], STARTED.0 + 3_900);
    assert_eq!(manifest["file"]["sha256"], film.composed.sha256);
    assert_eq!(manifest["duration_ms"], 6_000);
}

#[test]
fn a_camera_that_is_turned_off_leaves_no_still_face() {
    let dir = tempfile::tempdir().unwrap();
    let mut camera = Sender::new(&provider(), Source::Camera);
    let mut voice = Sender::new(&provider(), Source::Microphone);
    let video = camera.video(&picture("testsrc=s=320x180:r=25:d=2"), 0);
    captured(dir.path(), &by_arrival([video, voice.tone(440.0, 0, 8_000)]), 8_000);
    let film = film(dir);
    let pictures = pictures(&film.file);
    assert_eq!(pictures.len(), 200);
    assert!(half(&pictures[60], 0).1 > 15.0);
    assert!(half(&pictures[180], 0).1 < 3.0);
}

#[test]
fn what_is_not_composed_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut packets = by_arrival(two_people(2));
    for packet in packets.iter_mut().filter(|packet| packet.peer == patient().peer() && packet.codec == Codec::Vp8) {
        packet.codec = Codec::H264;
    }
    captured(dir.path(), &packets, 2_000);
    let film = film(dir);
    let named = |gap: &Gap| gap.participant == patient().id && gap.why == GapReason::UnsupportedCodec;
    assert!(film.composed.gaps.iter().any(named), "{:?}", film.composed.gaps);
}

#[test]
fn garbage_for_media_still_composes() {
    let dir = tempfile::tempdir().unwrap();
    let mut packets = by_arrival(two_people(3));
    let mut state = 5_u64;
    for packet in &mut packets {
        let noise: Vec<u8> = packet
            .payload
            .iter()
            .map(|&byte| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                // The first bytes stay, so that it is taken for frames and reaches the decoders.
                if state >> 60 < 3 { (state >> 33) as u8 } else { byte }
            })
            .collect();
        packet.payload = Bytes::from(noise);
        if state.is_multiple_of(17) {
            packet.rtp_time = state;
        }
    }
    captured(dir.path(), &packets, 3_000);
    let film = film(dir);
    let (codecs, seconds) = probed(&film.file);
    assert_eq!(codecs, ["vp8", "opus"]);
    assert!((seconds - 3.0).abs() < 0.1, "{seconds} s");
}

#[test]
fn without_anyone_sending_the_silence_is_composed() {
    let dir = tempfile::tempdir().unwrap();
    captured(dir.path(), &[], 1_000);
    let (codecs, seconds) = probed(&film(dir).file);
    assert_eq!(codecs, ["vp8", "opus"]);
    assert!((seconds - 1.0).abs() < 0.1, "{seconds} s");
}

#[test]
fn composing_that_fails_says_why_and_leaves_the_capture() {
    let dir = tempfile::tempdir().unwrap();
    captured(dir.path(), &by_arrival(two_people(1)), 1_000);
    let out = dir.path().join("object");
    let options = ComposeOptions { ffmpeg: "/nowhere/ffmpeg".into(), ..ComposeOptions::default() };
    let error = compose(dir.path(), &key(), &options, &out).unwrap_err();
    assert!(matches!(error, ComposeError::NoFfmpeg { .. }), "{error}");
    let options = ComposeOptions { ffmpeg: "/bin/false".into(), ..ComposeOptions::default() };
    let error = compose(dir.path(), &key(), &options, &out).unwrap_err();
    assert!(matches!(error, ComposeError::Encoder(_)), "{error}");
    let options = ComposeOptions {
        cancel: Some(Arc::new(AtomicBool::new(true))),
        ffmpeg: "/bin/cat".into(),
        ..ComposeOptions::default()
    };
    let error = compose(dir.path(), &key(), &options, &out).unwrap_err();
    assert!(matches!(error, ComposeError::Cancelled | ComposeError::Encoder(_)), "{error}");
    let error = compose(dir.path(), &ObjectKey::new([1; 32]), &ComposeOptions::default(), &out).unwrap_err();
    assert!(matches!(error, ComposeError::Unreadable), "{error}");
    assert!(!out.exists());
    assert!(compose(dir.path(), &key(), &ComposeOptions::default(), &out).is_ok());
}

#[test]
fn the_proof_of_a_composed_file_lets_its_chunks_go() {
    let dir = tempfile::tempdir().unwrap();
    captured(dir.path(), &by_arrival(two_people(1)), 1_000);
    let out = dir.path().join("object");
    let composed = compose(dir.path(), &key(), &ComposeOptions::default(), &out).unwrap();
    let verified = verify_object(&out, &key(), RECORDING, Some(&composed.sha256)).unwrap();
    delete_capture(dir.path(), &verified).unwrap();
    assert!(matches!(recover(dir.path(), &key()), Err(RecoverError::Missing)));
    assert!(SealedObject::open(&out, &key(), RECORDING).is_ok());
}
