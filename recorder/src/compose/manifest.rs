//! The manifest of a composed recording: who consented when, what is in the file, what is missing and why.

use std::collections::BTreeMap;

use serde::Serialize;
use sfu_core::tap::Codec;
use visit::{Now, ParticipantId, RecordingId, VisitId};

use super::{ComposeOptions, Gap, source_name};
use crate::object::VerifiedObject;
use crate::timeline::Pause;
use crate::track::Scan;
use crate::{Damage, Mark, Participant, Tail, TimedMark};

/// Version of the manifest's shape.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Manifest<'a> {
    format: u32,
    recording: RecordingId,
    visit: VisitId,
    /// All times are milliseconds since the Unix epoch by the server's clock, unless they end in `_ms` alone.
    started: Now,
    stopped: Now,
    duration_ms: u64,
    participants: &'a [Participant],
    consents: Vec<&'a TimedMark>,
    events: Vec<&'a TimedMark>,
    /// Cut out of the file.
    pauses: Vec<Pause>,
    tracks: Vec<Track>,
    gaps: &'a [Gap],
    gap_ms_by_reason: BTreeMap<String, u64>,
    capture: Capture<'a>,
    file: File<'a>,
    composed_by: &'static str,
    /// `null`: not signed. The audit log holds the SHA-256 of this manifest, which holds the file's.
    signature: Option<String>,
}

#[derive(Serialize)]
struct Track {
    participant: ParticipantId,
    source: &'static str,
    codec: &'static str,
    packets: u64,
}

#[derive(Serialize)]
struct Capture<'a> {
    chunks: u64,
    packets: u64,
    bytes: u64,
    chain_sha256: &'a str,
    tail: Tail,
    damage: &'a [Damage],
}

#[derive(Serialize)]
struct File<'a> {
    media_type: &'static str,
    bytes: u64,
    sha256: &'a str,
    sealed_bytes: u64,
    sealed_sha256: &'a str,
    tile: (u16, u16),
    frames_per_second: u32,
}

pub(super) fn write(
    scan: &Scan,
    participants: &[Participant],
    gaps: &[Gap],
    verified: &VerifiedObject,
    options: &ComposeOptions,
) -> String {
    let is_consent = |timed: &&TimedMark| matches!(timed.mark, Mark::Consent { .. });
    let mut gap_ms_by_reason = BTreeMap::new();
    for gap in gaps {
        let reason = serde_json::to_value(gap.why).ok().and_then(|name| name.as_str().map(str::to_owned));
        *gap_ms_by_reason.entry(reason.unwrap_or_default()).or_insert(0) += gap.to_ms.saturating_sub(gap.from_ms);
    }
    let manifest = Manifest {
        format: FORMAT,
        recording: scan.identity.recording,
        visit: scan.identity.visit,
        started: scan.identity.started,
        stopped: scan.timeline.stopped(),
        duration_ms: scan.timeline.duration_us() as u64 / 1_000,
        participants,
        consents: scan.marks.iter().filter(is_consent).collect(),
        events: scan.marks.iter().filter(|timed| !is_consent(timed)).collect(),
        pauses: scan.timeline.pauses(),
        tracks: scan
            .tracks
            .iter()
            .map(|(key, track)| Track {
                participant: ParticipantId(uuid::Uuid::from_u128(key.peer.0)),
                source: source_name(key.source),
                codec: match key.codec {
                    Codec::Opus => "opus",
                    Codec::Vp8 => "vp8",
                    Codec::H264 => "h264",
                },
                packets: track.packets,
            })
            .collect(),
        gaps,
        gap_ms_by_reason,
        capture: Capture {
            chunks: scan.chunks,
            packets: scan.packets,
            bytes: scan.bytes,
            chain_sha256: &scan.chain,
            tail: scan.tail,
            damage: &scan.damage,
        },
        file: File {
            media_type: "video/webm",
            bytes: verified.bytes,
            sha256: &verified.sha256,
            sealed_bytes: verified.sealed_bytes,
            sealed_sha256: &verified.sealed_sha256,
            tile: options.tile,
            frames_per_second: options.frames_per_second,
        },
        composed_by: concat!("bedside recorder ", env!("CARGO_PKG_VERSION")),
        signature: None,
    };
    serde_json::to_string_pretty(&manifest).expect("the manifest has string keys only")
}
