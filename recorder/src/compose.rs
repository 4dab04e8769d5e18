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
mod video;
mod voice;

use ffmpeg::{Ffmpeg, Killable};
use picture::{BACKGROUND, Grid};
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
    #[error(
        "the capture cannot be opened: the key is not this recording's, or a newer version wrote it"
    )]
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
    #[error(
        "ffmpeg cannot be started at {path}: install it or correct the path, then compose again ({source})"
    )]
    NoFfmpeg {
        /// Where it was looked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The encoder ended early.
    #[error(
        "ffmpeg failed while encoding ({0}): compose again; if it fails again, check ffmpeg's version"
    )]
    Encoder(String),
    /// A child process did nothing for a minute.
    #[error(
        "ffmpeg made no progress for a minute and was ended: compose again when the machine is less busy"
    )]
    Stalled,
    /// It was asked to end.
    #[error("composing was cancelled: compose again later")]
    Cancelled,
    /// The file that was written does not read back.
    #[error(
        "the composed file does not read back as written ({0}): check the disk, then compose again"
    )]
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
pub fn compose(
    dir: &Path,
    key: &ObjectKey,
    options: &ComposeOptions,
    out: &Path,
) -> Result<Composed, ComposeError> {
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
        return Err(ComposeError::TooLong {
            hours: duration_us / 3_600_000_000,
        });
    }
    let participants = participants(&scan);
    let mut gaps = Vec::new();
    Studio {
        dir,
        key,
        options,
        scan: &scan,
        places: places(&scan, &participants),
    }
    .run(out, &mut gaps)?;

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
        let key = TrackKey {
            peer: participant.peer(),
            source,
            codec: Codec::Vp8,
        };
        scan.tracks.contains_key(&key).then_some(key)
    };
    let cameras = participants.iter().map(|participant| Place {
        participant: participant.id,
        source: Source::Camera,
        track: track(participant, Source::Camera),
    });
    let screens = participants.iter().filter_map(|participant| {
        let track = Some(track(participant, Source::Screen)?);
        Some(Place {
            participant: participant.id,
            source: Source::Screen,
            track,
        })
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

enum Block {
    Video { at_ms: u64, data: Vec<u8> },
    Audio { at_ms: u64, data: Vec<u8> },
    VideoEnded,
    AudioEnded,
}

/// What one run of [`compose`] works with.
struct Studio<'a> {
    dir: &'a Path,
    key: &'a ObjectKey,
    options: &'a ComposeOptions,
    scan: &'a Scan,
    places: Vec<Place>,
}

/// A decoder with its tile.
struct Channel {
    place: usize,
    ffmpeg: Ffmpeg,
    tile: Tile,
}

impl Studio<'_> {
    fn run(&self, out: &Path, gaps: &mut Vec<Gap>) -> Result<(), ComposeError> {
        let (tile_width, tile_height) = self.options.tile;
        let grid = Grid::new(self.places.len(), tile_width, tile_height);
        let mut mixer = Mixer::new()?;
        let sealed = SealWriter::create(out, self.key, self.scan.identity.recording)?;
        let rate = self.options.frames_per_second.max(1);
        let webm = WebmWriter::new(
            sealed,
            &Shape {
                width: grid.width() as u32,
                height: grid.height() as u32,
                frame_ns: 1_000_000_000 / u64::from(rate),
                opus_pre_skip: mixer.pre_skip()?,
            },
        )?;
        let mut encoder = self.start(&self.encoder_args(&grid))?;
        let mut channels = Vec::new();
        let mut feeds = Vec::new();
        for (index, place) in self.places.iter().enumerate() {
            if let Some(track) = place.track {
                let (channel, feed) = self.channel(index, track, &grid)?;
                channels.push(channel);
                feeds.push((index, feed));
            }
        }
        let mut voices = self.voices()?;

        let children: Vec<Killable> = channels
            .iter()
            .map(|channel| channel.ffmpeg.killable())
            .chain([encoder.killable()])
            .collect();
        let pictures_in = encoder.input.take().expect("its input is a pipe");
        let pictures_out = encoder.output.take().expect("its output is a pipe");
        let (blocks, blocks_in) = sync_channel(64);
        let pictures = AtomicU64::new(0);
        let (done, watched) = channel::<()>();

        let (stopped_by, shown, muxed, fed) = thread::scope(|scope| {
            let watch = scope.spawn({
                let (children, pictures) = (&children, &pictures);
                move || self.watch(children, pictures, &watched)
            });
            let mux = scope.spawn(move || mux(webm, blocks_in, self.scan.timeline.duration_us()));
            let coded = blocks.clone();
            scope.spawn(move || read_coded(pictures_out, rate, &coded));
            let feeding: Vec<_> = feeds
                .into_iter()
                .map(|(place, feed)| (place, scope.spawn(move || feed.run())))
                .collect();

            let shown = self.show(
                &grid,
                &mut channels,
                &mut voices,
                &mut mixer,
                pictures_in,
                &blocks,
                &pictures,
            );
            drop(blocks);
            // What a decoder still has to give is beyond the end: closing its pipe ends it, and its feed.
            let cut: Vec<(usize, Option<i64>)> = channels
                .drain(..)
                .map(|channel| {
                    let Channel {
                        place,
                        ffmpeg,
                        tile,
                    } = channel;
                    let ended_us = tile.ended_us;
                    drop((tile, ffmpeg));
                    (place, ended_us)
                })
                .collect();
            let fed: Vec<(usize, Option<i64>, io::Result<Fed>)> = feeding
                .into_iter()
                .zip(cut)
                .map(|((place, feeding), (_, ended_us))| {
                    let panicked = || Err(io::Error::other("a decoder's feed broke"));
                    (
                        place,
                        ended_us,
                        feeding.join().unwrap_or_else(|_| panicked()),
                    )
                })
                .collect();
            let muxed = mux
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("the muxer broke")));
            drop(done);
            (watch.join().unwrap_or(None), shown, muxed, fed)
        });
        if let Some(error) = stopped_by {
            return Err(error);
        }
        // Whoever fails closes its pipes, so that the others fail after it: the cause is asked for first.
        let encoded = encoder.finish();
        let webm = match muxed {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error.into()),
            webm => webm,
        };
        encoded.map_err(ComposeError::Encoder)?;
        shown?;
        let webm = webm?;
        for (place, ended_us, fed) in fed {
            self.note(&self.places[place], ended_us, fed?, gaps);
        }
        for (participant, spans) in voices {
            gaps.extend(
                spans
                    .gaps
                    .iter()
                    .map(|&span| gap(participant, Source::Microphone, span)),
            );
        }
        self.note_unsupported(gaps);
        Ok(webm.finish(self.scan.timeline.duration_us() as f64 / 1_000.0)?)
    }

    fn start(&self, args: &[String]) -> Result<Ffmpeg, ComposeError> {
        let cpu_s = 120 + 4 * self.scan.timeline.duration_us() as u64 / 1_000_000;
        Ffmpeg::start(&self.options.ffmpeg, args, cpu_s).map_err(|source| ComposeError::NoFfmpeg {
            path: self.options.ffmpeg.clone(),
            source,
        })
    }

    fn encoder_args(&self, grid: &Grid) -> Vec<String> {
        let rate = self.options.frames_per_second.max(1);
        let keyframes = (rate * KEYFRAME_S).to_string();
        let size = format!("{}x{}", grid.width(), grid.height());
        let bits = u64::from(self.options.bits_per_second) * self.places.len().max(1) as u64;
        let (rate, bits, threads) = (
            rate.to_string(),
            bits.to_string(),
            self.options.threads.to_string(),
        );
        let input = [
            "-f",
            "rawvideo",
            "-pix_fmt",
            "yuv420p",
            "-video_size",
            &size,
            "-framerate",
            &rate,
            "-i",
            "pipe:0",
        ];
        let coding = [
            "-an",
            "-c:v",
            "libvpx",
            "-deadline",
            "realtime",
            "-cpu-used",
            "16",
            "-static-thresh",
            "100",
        ];
        let flow = [
            "-auto-alt-ref",
            "0",
            "-lag-in-frames",
            "0",
            "-b:v",
            &bits,
            "-threads",
            &threads,
        ];
        let output = [
            "-g",
            &keyframes,
            "-keyint_min",
            &keyframes,
            "-f",
            "ivf",
            "pipe:1",
        ];
        [&input[..], &coding, &flow, &output]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect()
    }

    fn decoder_args(&self) -> Vec<String> {
        let (width, height) = self.options.tile;
        let fit = format!(
            "scale={width}:{height}:force_original_aspect_ratio=decrease:force_divisible_by=2:flags=bilinear,\
             pad={width}:{height}:(ow-iw)/2:(oh-ih)/2:{BACKGROUND},format=yuv420p"
        );
        let rate = self.options.frames_per_second.max(1).to_string();
        let input = [
            "-f",
            "ivf",
            "-probesize",
            "32",
            "-analyzeduration",
            "0",
            "-c:v",
            "vp8",
            "-threads",
            "1",
            "-i",
            "pipe:0",
        ];
        let output = [
            "-an",
            "-vf",
            &fit,
            "-r",
            &rate,
            "-fps_mode",
            "cfr",
            "-f",
            "rawvideo",
            "pipe:1",
        ];
        [&input[..], &output]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect()
    }

    fn channel(
        &self,
        place: usize,
        track: TrackKey,
        grid: &Grid,
    ) -> Result<(Channel, Feed<'_>), ComposeError> {
        let mut ffmpeg = self.start(&self.decoder_args())?;
        let decoder = ffmpeg.input.take().expect("its input is a pipe");
        let pictures = ffmpeg.output.take().expect("its output is a pipe");
        let shown = Arc::new(Mutex::new(Shown::default()));
        let (first, first_in) = channel();
        let tile = Tile::new(pictures, first_in, shown.clone(), grid.tile_len());
        let feed = Feed {
            packets: TrackPackets::open(self.dir, self.key, track)?,
            track: &self.scan.tracks[&track],
            timeline: &self.scan.timeline,
            decoder,
            first,
            shown,
        };
        Ok((
            Channel {
                place,
                ffmpeg,
                tile,
            },
            feed,
        ))
    }

    fn voices(&self) -> Result<Vec<(ParticipantId, Voice<'_>)>, ComposeError> {
        let mut voices = Vec::new();
        for (&key, track) in &self.scan.tracks {
            if key.source == Source::Microphone && key.codec == Codec::Opus {
                let packets = TrackPackets::open(self.dir, self.key, key)?;
                let participant = ParticipantId(uuid::Uuid::from_u128(key.peer.0));
                voices.push((
                    participant,
                    Voice::new(packets, track, &self.scan.timeline)?,
                ));
            }
        }
        Ok(voices)
    }

    /// Shows every picture of the file to the encoder, and hands the mix out beside it.
    #[expect(
        clippy::too_many_arguments,
        reason = "the ends of all pipes meet here, once"
    )]
    fn show(
        &self,
        grid: &Grid,
        channels: &mut [Channel],
        voices: &mut [(ParticipantId, Voice<'_>)],
        mixer: &mut Mixer,
        mut encoder: impl Write,
        blocks: &SyncSender<Block>,
        pictures: &AtomicU64,
    ) -> io::Result<()> {
        let duration_us = self.scan.timeline.duration_us();
        let rate = i64::from(self.options.frames_per_second.max(1));
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        let mut canvas = grid.canvas();
        let dark = grid.dark_tile();
        let mut was_dark = vec![true; self.places.len()];
        for number in 0.. {
            let at_us = number * 1_000_000 / rate;
            if at_us >= duration_us {
                break;
            }
            for channel in &mut *channels {
                let place = channel.place;
                match channel.tile.picture(at_us, 1_000_000 / rate) {
                    Some(picture) => {
                        grid.put(&mut canvas, place, picture);
                        was_dark[place] = false;
                    }
                    None if was_dark[place] => {}
                    None => {
                        grid.put(&mut canvas, place, &dark);
                        was_dark[place] = true;
                    }
                }
            }
            encoder.write_all(&canvas)?;
            let until_us = ((number + 1) * 1_000_000 / rate).min(duration_us);
            while mixer.at_us() < until_us {
                let at_ms = mixer.at_us() as u64 / 1_000;
                let data = mixer.packet(voices)?;
                blocks.send(Block::Audio { at_ms, data }).map_err(gone)?;
            }
            pictures.fetch_add(1, Ordering::Relaxed);
        }
        blocks.send(Block::AudioEnded).map_err(gone)
    }

    /// Until composing ends: ends it if it was cancelled or hangs.
    fn watch(
        &self,
        children: &[Killable],
        pictures: &AtomicU64,
        done: &Receiver<()>,
    ) -> Option<ComposeError> {
        let (mut seen, mut since) = (0, Instant::now());
        while done.recv_timeout(WATCH) == Err(RecvTimeoutError::Timeout) {
            let now = pictures.load(Ordering::Relaxed);
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
            let cancelled = self
                .options
                .cancel
                .as_ref()
                .is_some_and(|cancel| cancel.load(Ordering::Relaxed));
            if cancelled || since.elapsed() > STALL {
                children.iter().for_each(Killable::kill);
                return Some(if cancelled {
                    ComposeError::Cancelled
                } else {
                    ComposeError::Stalled
                });
            }
        }
        None
    }

    fn note(&self, place: &Place, ended_us: Option<i64>, fed: Fed, gaps: &mut Vec<Gap>) {
        gaps.extend(
            fed.gaps
                .iter()
                .map(|&span| gap(place.participant, place.source, span)),
        );
        if fed.cut_short
            && let Some(from_us) = ended_us
        {
            let to_us = self.scan.timeline.duration_us();
            gaps.push(gap(
                place.participant,
                place.source,
                Span {
                    from_us,
                    to_us,
                    why: GapReason::DecoderFailed,
                },
            ));
        }
    }

    fn note_unsupported(&self, gaps: &mut Vec<Gap>) {
        let to_us = self.scan.timeline.duration_us();
        for key in self.scan.tracks.keys() {
            let supported = matches!(
                (key.source, key.codec),
                (Source::Microphone, Codec::Opus) | (_, Codec::Vp8)
            );
            if !supported {
                let participant = ParticipantId(uuid::Uuid::from_u128(key.peer.0));
                let span = Span {
                    from_us: 0,
                    to_us,
                    why: GapReason::UnsupportedCodec,
                };
                gaps.push(gap(participant, key.source, span));
            }
        }
    }
}

fn gap(participant: ParticipantId, source: Source, span: Span) -> Gap {
    Gap {
        participant,
        source: source_name(source).into(),
        from_ms: span.from_us.max(0) as u64 / 1_000,
        to_ms: span.to_us.max(0) as u64 / 1_000,
        why: span.why,
    }
}

/// Passes the encoder's frames on. When it fails, it ends; the encoder's own end says why.
fn read_coded(from: ChildStdout, rate: u32, blocks: &SyncSender<Block>) {
    let mut from = BufReader::with_capacity(1 << 16, from);
    if ivf::read_header(&mut from).is_ok() {
        while let Ok(Some((number, data))) = ivf::read_frame(&mut from) {
            let at_ms = number * 1_000 / u64::from(rate);
            if blocks.send(Block::Video { at_ms, data }).is_err() {
                return;
            }
        }
    }
    let _ = blocks.send(Block::VideoEnded);
}

/// Puts video and audio in one order of time.
fn mux(mut webm: WebmWriter, blocks: Receiver<Block>, duration_us: i64) -> io::Result<WebmWriter> {
    let (mut video, mut audio) = (VecDeque::new(), VecDeque::new());
    let (mut video_ended, mut audio_ended) = (false, false);
    let duration_ms = duration_us as u64 / 1_000;
    for block in blocks {
        match block {
            Block::Video { at_ms, data } => video.push_back((at_ms, data)),
            Block::Audio { at_ms, data } => audio.push_back((at_ms, data)),
            Block::VideoEnded => video_ended = true,
            Block::AudioEnded => audio_ended = true,
        }
        loop {
            let video_first = match (video.front(), audio.front()) {
                (Some((video_ms, _)), Some((audio_ms, _))) => video_ms <= audio_ms,
                (Some(_), None) if audio_ended => true,
                (None, Some(_)) if video_ended => false,
                _ => break,
            };
            let next = if video_first {
                video.pop_front()
            } else {
                audio.pop_front()
            };
            let Some((at_ms, data)) = next else { break };
            if at_ms > duration_ms {
                continue;
            }
            if video_first {
                // RFC 6386, 9.1: the lowest bit of a keyframe's first byte is 0.
                let key = data.first().is_some_and(|first| first & 1 == 0);
                webm.video(at_ms, key, &data)?;
            } else {
                webm.audio(at_ms, &data)?;
            }
        }
    }
    if video_ended && audio_ended {
        Ok(webm)
    } else {
        Err(io::Error::from(io::ErrorKind::UnexpectedEof))
    }
}
