//! Real media for the tests: coded by libvpx and libopus, cut into RTP payloads as a browser does.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use bytes::Bytes;
use opus::{Application, Channels, Encoder};
use recorder::{Capture, CaptureEvent, CaptureEvents, CaptureSpec, ObjectKey, PacketSink, Participant, SealedObject};
use sfu_core::tap::{Codec, PeerKey, Source, TapPacket};
use uuid::Uuid;
use visit::{Now, ParticipantId, RecordingId, VisitId};

pub const STARTED: Now = Now(1_790_000_000_000);
pub const RECORDING: RecordingId = RecordingId(Uuid::from_u128(0x0eec));

pub fn key() -> ObjectKey {
    ObjectKey::new([0x42; 32])
}

pub fn person(n: u128, label: &str) -> Participant {
    Participant { id: ParticipantId(Uuid::from_u128(n)), label: label.into() }
}

pub fn provider() -> Participant {
    person(1, "provider")
}

pub fn patient() -> Participant {
    person(2, "patient")
}

pub fn spec(dir: &Path, participants: Vec<Participant>) -> CaptureSpec {
    CaptureSpec {
        dir: dir.into(),
        recording: RECORDING,
        visit: VisitId(Uuid::from_u128(3)),
        key: key(),
        participants,
        started: STARTED,
        min_free_bytes: 1 << 20,
    }
}

/// Microseconds since the epoch, `ms` after the start.
pub fn at_us(ms: i64) -> i64 {
    (STARTED.0 + ms) * 1_000
}

/// Frames of a picture that ffmpeg makes, VP8 at 25 per second with a keyframe every two seconds.
pub fn picture(source: &str) -> Vec<Vec<u8>> {
    picture_at(source, "1500k")
}

/// The same at this many bits per second.
pub fn picture_at(source: &str, bits: &str) -> Vec<Vec<u8>> {
    let out = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", source, "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8"])
        .args(["-auto-alt-ref", "0", "-lag-in-frames", "0", "-b:v", bits, "-g", "50", "-f", "ivf", "pipe:1"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let mut rest = &out.stdout[32..];
    let mut frames = Vec::new();
    while let Some((header, after)) = rest.split_at_checked(12) {
        let (frame, after) = after.split_at(u32::from_le_bytes(header[..4].try_into().unwrap()) as usize);
        frames.push(frame.to_vec());
        rest = after;
    }
    frames
}

/// One sender's track under way to the recorder.
pub struct Sender {
    pub peer: PeerKey,
    pub source: Source,
    pub seq: u64,
    pub rtp_base: u64,
}

impl Sender {
    pub fn new(of: &Participant, source: Source) -> Self {
        Self { peer: of.peer(), source, seq: 1_000, rtp_base: 777_000 }
    }

    /// The RTP packets of `frames`, the first sent `from_ms` after the start.
    pub fn video(&mut self, frames: &[Vec<u8>], from_ms: i64) -> Vec<TapPacket> {
        let mut packets = Vec::new();
        for (n, frame) in frames.iter().enumerate() {
            let ms = from_ms + n as i64 * 40;
            let parts: Vec<&[u8]> = frame.chunks(1_100).collect();
            for (part, data) in parts.iter().enumerate() {
                let picture_id = (n % 0x7fff) as u16 | 0x8000;
                let begins = if part == 0 { 0x10 } else { 0 };
                let mut payload = vec![0x80 | begins, 0x80];
                payload.extend_from_slice(&picture_id.to_be_bytes());
                payload.extend_from_slice(data);
                let marker = part + 1 == parts.len();
                packets.push(self.packet(Codec::Vp8, ms, 90, marker, payload, part as i64 * 300));
            }
        }
        packets
    }

    /// `duration_ms` of a tone of `hertz` from `from_ms` on.
    pub fn tone(&mut self, hertz: f32, from_ms: i64, duration_ms: i64) -> Vec<TapPacket> {
        let mut encoder = Encoder::new(48_000, Channels::Mono, Application::Voip).unwrap();
        encoder.set_inband_fec(true).unwrap();
        encoder.set_packet_loss_perc(10).unwrap();
        (0..duration_ms / 20)
            .map(|n| {
                let pcm: Vec<f32> = (0..960)
                    .map(|i| ((n * 960 + i) as f32 * hertz * std::f32::consts::TAU / 48_000.0).sin() * 0.3)
                    .collect();
                let payload = encoder.encode_vec_float(&pcm, 1_200).unwrap();
                self.packet(Codec::Opus, from_ms + n * 20, 48, false, payload, 0)
            })
            .collect()
    }

    fn packet(
        &mut self,
        codec: Codec,
        ms: i64,
        per_ms: u64,
        marker: bool,
        payload: Vec<u8>,
        late_us: i64,
    ) -> TapPacket {
        self.seq += 1;
        // Up to 12 ms of jitter that looks random and is the same in every run.
        let jitter_us = (self.seq * 7_919 % 12_000) as i64;
        TapPacket {
            peer: self.peer,
            source: self.source,
            codec,
            seq: self.seq,
            rtp_time: self.rtp_base + ms as u64 * per_ms,
            marker,
            payload: Bytes::from(payload),
            received_us: at_us(ms) + late_us + jitter_us,
        }
    }
}

/// In the order in which the server would have received them.
pub fn by_arrival(tracks: impl IntoIterator<Item = Vec<TapPacket>>) -> Vec<TapPacket> {
    let mut all: Vec<TapPacket> = tracks.into_iter().flatten().collect();
    all.sort_by_key(|packet| packet.received_us);
    all
}

/// Hands packets over as fast as the writer takes them.
pub fn send(sink: &PacketSink, packets: &[TapPacket]) {
    for packet in packets {
        while !sink.offer(packet.clone()) {
            std::thread::yield_now();
        }
    }
}

/// The last event, with the ones before it.
pub fn finished(mut events: CaptureEvents) -> Vec<CaptureEvent> {
    let mut all = Vec::new();
    while let Some(event) = events.blocking_recv() {
        all.push(event);
    }
    all
}

/// Captures `packets` of both people and stops at `stop_ms`.
pub fn captured(dir: &Path, packets: &[TapPacket], stop_ms: i64) {
    let (capture, events) = Capture::start(spec(dir, vec![provider(), patient()])).unwrap();
    send(&capture.sink(), packets);
    capture.stop(visit::fact::StopReason::Stopped, Now(STARTED.0 + stop_ms));
    assert!(matches!(finished(events).last(), Some(CaptureEvent::Stopped { .. })));
}

/// The plain file, written where ffprobe can read it.
pub fn unsealed(object: &Path, into: &Path) {
    let sealed = SealedObject::open(object, &key(), RECORDING).unwrap();
    let mut plain = Vec::new();
    while plain.len() < sealed.len() as usize {
        plain.extend(sealed.read_at(plain.len() as u64, usize::MAX).unwrap());
    }
    std::fs::write(into, plain).unwrap();
}

fn said(program: &str, args: &[&str]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert!(child.wait().unwrap().success(), "{program}: {errors}");
    assert_eq!(errors, "", "{program} complained");
    out
}

/// What ffprobe finds: codec names in order of streams, and seconds.
pub fn probed(file: &Path) -> (Vec<String>, f64) {
    let file = file.to_str().unwrap();
    let out =
        said("ffprobe", &["-v", "warning", "-show_entries", "stream=codec_name:format=duration", "-of", "json", file]);
    let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let codecs = json["streams"].as_array().unwrap().iter().map(|s| s["codec_name"].as_str().unwrap().to_owned());
    (codecs.collect(), json["format"]["duration"].as_str().unwrap().parse().unwrap())
}

/// All pictures, grey, at 320 x 120.
pub fn pictures(file: &Path) -> Vec<Vec<u8>> {
    let args =
        ["-v", "warning", "-i", file.to_str().unwrap(), "-an", "-fps_mode", "passthrough", "-vf", "scale=320:120"];
    let out = said("ffmpeg", &[&args[..], &["-f", "rawvideo", "-pix_fmt", "gray", "pipe:1"]].concat());
    out.chunks(320 * 120).map(<[u8]>::to_vec).collect()
}

/// Mean and spread of the middle of the left (0) or right (1) half.
pub fn half(picture: &[u8], which: usize) -> (f64, f64) {
    let pixels: Vec<f64> = (30..90)
        .flat_map(|line| (60..100).map(move |column| line * 320 + which * 160 + column))
        .map(|at| f64::from(picture[at]))
        .collect();
    let mean = pixels.iter().sum::<f64>() / pixels.len() as f64;
    let spread = (pixels.iter().map(|p| (p - mean).powi(2)).sum::<f64>() / pixels.len() as f64).sqrt();
    (mean, spread)
}

/// The sound, 48,000 samples per second.
pub fn sound(file: &Path) -> Vec<f32> {
    let args =
        ["-v", "warning", "-i", file.to_str().unwrap(), "-vn", "-ac", "1", "-ar", "48000", "-f", "f32le", "pipe:1"];
    said("ffmpeg", &args).chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

/// Amplitude of `hertz` between two times in milliseconds (Goertzel).
pub fn amplitude(sound: &[f32], hertz: f32, from_ms: usize, to_ms: usize) -> f32 {
    let part = &sound[(from_ms * 48).min(sound.len())..(to_ms * 48).min(sound.len())];
    let w = f64::from(hertz) * std::f64::consts::TAU / 48_000.0;
    let (mut a, mut b) = (0.0_f64, 0.0_f64);
    for &sample in part {
        (a, b) = (f64::from(sample) + 2.0 * w.cos() * a - b, a);
    }
    ((a * a + b * b - 2.0 * w.cos() * a * b).sqrt() * 2.0 / part.len().max(1) as f64) as f32
}
