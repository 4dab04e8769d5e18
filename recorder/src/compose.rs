//! From a capture to one sealed, playable file.
//!
//! ```text
//! journal -> frames -> decoder (child) -> tiles ---> encoder (child) -> \
//! journal -> frames -> decoder (child) -> tiles -/                       WebM -> sealed chunks -> disk
//! journal -> voices -> mix -> Opus ----------------------------------> /
//! ```
//! Everything flows through pipes and bounded queues: memory does not grow with the length of a recording, and no
//! plain picture or sound touches a disk, not even one in memory. Hostile pictures meet only the confined decoders.

use std::collections::VecDeque;
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ChildStdout;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sfu_core::tap::{Codec, Source};
use visit::ParticipantId;

use crate::journal::{JournalError, TrackKey};
use crate::object::{ObjectError, SealWriter, VerifiedObject, verify_object};
use crate::track::{Scan, TrackPackets, scan};
use crate::webm::{Shape, WebmWriter};
use crate::{Mark, ObjectKey, Participant, ivf};

mod ffmpeg;
mod manifest;
mod picture;
mod studio;
mod video;
mod voice;

use ffmpeg::{Ffmpeg, Killable};
use picture::{BACKGROUND, Grid};
use studio::Studio;
use video::{Fed, Feed, Shown, Tile};
use voice::{Mixer, Voice};

/// Without a picture composed for this long, a child process hangs.
const STALL: Duration = Duration::from_secs(60);
/// How often it is looked whether composing was cancelled or hangs.
const WATCH: Duration = Duration::from_millis(200);
/// Seconds between keyframes, which are the places that a player can seek to.
const KEYFRAME_S: u32 = 2;
/// Longest recording, microseconds: two days. Beyond it a clock was wrong.
const MAX_DURATION_US: i64 = 48 * 3_600 * 1_000_000;

/// How to compose.
#[derive(Debug, Clone)]
pub struct ComposeOptions {
    /// The ffmpeg program.
    pub ffmpeg: PathBuf,
    /// Width and height of each participant's tile, pixels, even.
    pub tile: (u16, u16),
    /// Pictures per second.
    pub frames_per_second: u32,
    /// Bits per second of video for each tile.
    pub bits_per_second: u32,
    /// Threads of the encoder.
    pub threads: u32,
    /// Set it to end composing early; the capture stays as it is.
    pub cancel: Option<Arc<AtomicBool>>,
}

impl Default for ComposeOptions {
    fn default() -> Self {
        Self {
            ffmpeg: "/usr/bin/ffmpeg".into(),
            tile: (640, 480),
            frames_per_second: 25,
            bits_per_second: 600_000,
            threads: 1,
            cancel: None,
        }
    }
}

/// Why a capture was not composed. It stays as it is, and composing can be tried again.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// There is no capture.
    #[error("there is no capture to compose: it was deleted, or nothing was recorded")]
    Missing,
    /// Not a journal of this version, or not one chunk opens with this key.
    #[error("the capture cannot be opened: the key is not this recording's, or a newer version wrote it")]
    Unreadable,
    /// It is shorter than one picture.
    #[error("nothing was recorded: the recording was stopped or interrupted as it began")]
    NothingRecorded,
    /// Its times cannot be right.
    #[error(
        "the recording would be {hours} hours long: the server's clock was wrong while it ran; keep the capture and ask for support"
    )]
    TooLong {
        /// How long.
        hours: i64,
    },
    /// ffmpeg cannot be started.
    #[error("ffmpeg cannot be started at {path}: install it or correct the path, then compose again ({source})")]
    NoFfmpeg {
        /// Where it was looked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The encoder ended early.
    #[error("ffmpeg failed while encoding ({0}): compose again; if it fails again, check ffmpeg's version")]
    Encoder(String),
    /// A child process did nothing for a minute.
    #[error("ffmpeg made no progress for a minute and was ended: compose again when the machine is less busy")]
    Stalled,
    /// It was asked to end.
    #[error("composing was cancelled: compose again later")]
    Cancelled,
    /// The file that was written does not read back.
    #[error("the composed file does not read back as written ({0}): check the disk, then compose again")]
    NotVerified(#[from] ObjectError),
    /// Opus could not be set up.
    #[error("the voices cannot be mixed ({0})")]
    Voice(#[from] opus::Error),
    /// The disk refuses.
    #[error("the disk refused while composing ({0}): free space or check it, then compose again")]
    Io(#[from] io::Error),
}

impl From<JournalError> for ComposeError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Missing => Self::Missing,
            JournalError::NotACapture => Self::Unreadable,
            JournalError::Io(error) => Self::Io(error),
        }
    }
}

/// What is missing from a composed file. Times are places in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Whose.
    pub participant: ParticipantId,
    /// Of which track: `microphone`, `camera`, `screen`.
    pub source: String,
    /// From, milliseconds.
    pub from_ms: u64,
    /// To, milliseconds.
    pub to_ms: u64,
    /// Why.
    pub why: GapReason,
}

/// Why something is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// Packets were lost on the way, dropped or damaged: voice was concealed or silent, the picture stood still.
    PacketsLost,
    /// No picture that can be decoded by itself had come yet.
    NoKeyframe,
    /// The picture went on after a loss, with smears.
    Smeared,
    /// Coded in a way that is not composed (H.264).
    UnsupportedCodec,
    /// The decoder ended early.
    DecoderFailed,
}

/// A gap before it is known whose.
#[derive(Debug, Clone, Copy)]
struct Span {
    from_us: i64,
    to_us: i64,
    why: GapReason,
}

/// A composed recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    /// Proof that the sealed file was read back; with hashes and lengths of plain and sealed file.
    pub verified: VerifiedObject,
    /// Hexadecimal SHA-256 of the plain WebM.
    pub sha256: String,
    /// Length of the plain WebM, bytes.
    pub bytes: u64,
    /// Length, milliseconds: from the start of the recording to its end, without pauses.
    pub duration_ms: u64,
    /// What is missing.
    pub gaps: Vec<Gap>,
    /// The manifest (JSON): who consented when, pauses, tracks, gaps, hashes. Not signed yet; it names the WebM's
    /// hash, and its own is [`Composed::manifest_sha256`].
    pub manifest_json: String,
    /// Hexadecimal SHA-256 of the manifest.
    pub manifest_sha256: String,
}

/// One place in the picture.
struct Place {
    participant: ParticipantId,
    source: Source,
    track: Option<TrackKey>,
}

/// Composes the capture in `dir` into the sealed file `out`, which gets its name when it is whole, durable and read
/// back. The capture is not changed: see [`crate::delete_capture`].
///
/// Blocks for a fraction of the recording's length; call it where that is allowed, on a thread that lives on until it
/// returns.
///
/// # Errors
/// [`ComposeError`]; `out` is then as it was before.
pub fn compose(dir: &Path, key: &ObjectKey, options: &ComposeOptions, out: &Path) -> Result<Composed, ComposeError> {
    let scan = scan(dir, key)?;
    let frame_us = i64::from(1_000_000 / options.frames_per_second.max(1));
    let duration_us = scan.timeline.duration_us();
    if scan.chunks == 0 {
        return Err(ComposeError::Unreadable);
    }
    if duration_us < frame_us {
        return Err(ComposeError::NothingRecorded);
    }
    if duration_us > MAX_DURATION_US {
        return Err(ComposeError::TooLong { hours: duration_us / 3_600_000_000 });
    }
    let participants = participants(&scan);
    let mut gaps = Vec::new();
    Studio { dir, key, options, scan: &scan, places: places(&scan, &participants) }.run(out, &mut gaps)?;

    let verified = verify_object(out, key, scan.identity.recording, None)?;
    gaps.retain(|gap| gap.from_ms < gap.to_ms);
    gaps.sort_by_key(|gap| (gap.from_ms, gap.participant, gap.source.clone()));
    let manifest_json = manifest::write(&scan, &participants, &gaps, &verified, options);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, manifest_json.as_bytes());
    Ok(Composed {
        sha256: verified.sha256.clone(),
        bytes: verified.bytes,
        verified,
        duration_ms: duration_us as u64 / 1_000,
        gaps,
        manifest_json,
        manifest_sha256: hex::encode(digest),
    })
}

/// Everyone who was ever captured, in the order in which they came.
fn participants(scan: &Scan) -> Vec<Participant> {
    let mut all: Vec<Participant> = Vec::new();
    for timed in &scan.marks {
        if let Mark::Started { participants } | Mark::Resumed { participants } = &timed.mark {
            for participant in participants {
                if all.iter().all(|known| known.id != participant.id) {
                    all.push(participant.clone());
                }
            }
        }
    }
    all
}

/// Each participant has a tile, dark without a camera; screens come after.
fn places(scan: &Scan, participants: &[Participant]) -> Vec<Place> {
    let track = |participant: &Participant, source| {
        let key = TrackKey { peer: participant.peer(), source, codec: Codec::Vp8 };
        scan.tracks.contains_key(&key).then_some(key)
    };
    let cameras = participants.iter().map(|participant| Place {
        participant: participant.id,
        source: Source::Camera,
        track: track(participant, Source::Camera),
    });
    let screens = participants.iter().filter_map(|participant| {
        let track = Some(track(participant, Source::Screen)?);
        Some(Place { participant: participant.id, source: Source::Screen, track })
    });
    cameras.chain(screens).collect()
}

fn source_name(source: Source) -> &'static str {
    match source {
        Source::Microphone => "microphone",
        Source::Camera => "camera",
        Source::Screen => "screen",
    }
}
