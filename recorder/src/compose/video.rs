//! One participant's picture: frames into a decoder on one thread, pictures at a steady rate out of it on another.

use std::io::{self, BufReader, Read, Write};
use std::process::{ChildStdin, ChildStdout};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use super::{GapReason, Span};
use crate::ivf;
use crate::timeline::Timeline;
use crate::track::{Track, TrackPackets};
use crate::vp8::{Assembled, Frame, FrameAssembler};

/// A picture older than this is not shown any more: the camera is off, and a still face would say otherwise.
const STALE_US: i64 = 3_000_000;
/// After a loss a picture stands still until a keyframe comes, but no longer than this: then it goes on from what
/// there is, with the smears that a missing frame leaves.
const FREEZE_US: i64 = 2_000_000;

/// What the feeding side tells the showing side. It is always ahead, since nothing is decoded before it is fed.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// Stretches of the composed file in which the last picture is stale.
    stale: Vec<(i64, i64)>,
    /// Place of the last frame that was fed, microseconds.
    last_us: i64,
    ended: bool,
}

impl Shown {
    fn shows(&self, at_us: i64) -> bool {
        let after_the_end = self.ended && at_us > self.last_us.saturating_add(STALE_US);
        let within = |&(from, to): &(i64, i64)| from <= at_us && at_us < to;
        // Only the newest few can be meant.
        !after_the_end && !self.stale.iter().rev().take(8).any(within)
    }
}

/// What became of a track.
#[derive(Debug, Default)]
pub(super) struct Fed {
    pub gaps: Vec<Span>,
    pub frames: u64,
    /// The decoder ended before its input.
    pub cut_short: bool,
}

pub(super) struct Feed<'a> {
    pub packets: TrackPackets,
    pub track: &'a Track,
    pub timeline: &'a Timeline,
    pub decoder: ChildStdin,
    pub first: Sender<i64>,
    pub shown: Arc<Mutex<Shown>>,
}

impl Feed<'_> {
    /// Feeds the decoder until the track ends.
    pub fn run(mut self) -> io::Result<Fed> {
        let mut fed = Fed::default();
        let outcome = self.feed(&mut fed);
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
        match outcome {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => fed.cut_short = true,
            other => other?,
        }
        Ok(fed)
    }

    fn feed(&mut self, fed: &mut Fed) -> io::Result<()> {
        let mut assembler = FrameAssembler::default();
        let mut stretch = 0;
        // Since when, and from which place on, there are no frames to show.
        let mut broken: Option<Break> = Some(Break { why: GapReason::NoKeyframe, from_us: None, since_us: None });
        let mut begin_us = None;
        let mut smeared_from = None;
        let mut last_us = 0;
        while let Some(next) = self.packets.next()? {
            let wall_us = self.track.wall_us(next.stretch, next.rtp_us);
            let place_us = self.timeline.nearest(wall_us);
            if next.stretch != stretch {
                stretch = next.stretch;
                assembler = FrameAssembler::default();
                broken.get_or_insert(Break { why: GapReason::NoKeyframe, from_us: Some(place_us), since_us: None });
            }
            if let Some(pause) = &mut broken {
                pause.from_us.get_or_insert(place_us);
                pause.since_us.get_or_insert(wall_us);
            }
            match assembler.push(&next.packet, next.missing > 0) {
                Assembled::Nothing => {}
                Assembled::Broken => {
                    broken.get_or_insert(Break {
                        why: GapReason::PacketsLost,
                        from_us: Some(last_us),
                        since_us: Some(wall_us),
                    });
                }
                Assembled::Frame(frame) => {
                    if let Some(pause) = &broken {
                        let waited = wall_us - pause.since_us.unwrap_or(wall_us);
                        if frame.key.is_none() && (begin_us.is_none() || waited < FREEZE_US) {
                            continue;
                        }
                        if frame.key.is_none() {
                            smeared_from.get_or_insert(place_us);
                        }
                        fed.gaps.extend(broken.take().map(|pause| pause.span(place_us)));
                    }
                    if frame.key.is_some()
                        && let Some(from_us) = smeared_from.take()
                    {
                        fed.gaps.push(Span { from_us, to_us: place_us, why: GapReason::Smeared });
                    }
                    let begin_us = *begin_us.get_or_insert(place_us);
                    last_us = self.write(&frame, begin_us, place_us, last_us, fed.frames == 0)?;
                    fed.frames += 1;
                }
            }
        }
        let end_us = self.timeline.duration_us();
        if let Some(from_us) = smeared_from {
            fed.gaps.push(Span { from_us, to_us: last_us.max(from_us), why: GapReason::Smeared });
        }
        fed.gaps.extend(broken.filter(|pause| pause.from_us.is_some()).map(|pause| pause.span(end_us)));
        self.decoder.flush()
    }

    /// Writes a frame and returns its place, which is later than the one before.
    fn write(&mut self, frame: &Frame, begin_us: i64, place_us: i64, last_us: i64, first: bool) -> io::Result<i64> {
        let place_us = if first { place_us } else { place_us.max(last_us + 1_000) };
        {
            let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            if !first && place_us > last_us + STALE_US {
                shown.stale.push((last_us + STALE_US, place_us));
            }
            shown.last_us = place_us;
        }
        if first {
            let (width, height) = frame.key.unwrap_or((640, 480));
            self.decoder.write_all(&ivf::header(width, height, 1_000))?;
            // Nobody waits for it any more once composing has failed.
            let _ = self.first.send(place_us);
        }
        let pts_ms = (place_us - begin_us) as u64 / 1_000;
        self.decoder.write_all(&ivf::frame_header(frame.data.len(), pts_ms))?;
        self.decoder.write_all(&frame.data)?;
        Ok(place_us)
    }
}

#[derive(Debug)]
struct Break {
    why: GapReason,
    from_us: Option<i64>,
    since_us: Option<i64>,
}

impl Break {
    fn span(self, to_us: i64) -> Span {
        Span { from_us: self.from_us.unwrap_or(to_us), to_us, why: self.why }
    }
}

/// The showing side of a tile.
pub(super) struct Tile {
    decoder: BufReader<ChildStdout>,
    first: Receiver<i64>,
    begin_us: Option<Option<i64>>,
    shown: Arc<Mutex<Shown>>,
    picture: Vec<u8>,
    next: Vec<u8>,
    has_picture: bool,
    ended: bool,
    /// Where the decoder had nothing more to give.
    pub ended_us: Option<i64>,
}

impl Tile {
    pub fn new(decoder: ChildStdout, first: Receiver<i64>, shown: Arc<Mutex<Shown>>, picture_len: usize) -> Self {
        Self {
            decoder: BufReader::with_capacity(1 << 16, decoder),
            first,
            begin_us: None,
            shown,
            picture: vec![0; picture_len],
            next: vec![0; picture_len],
            has_picture: false,
            ended: false,
            ended_us: None,
        }
    }

    /// The picture at `at_us`, if there is one to show. Call it for every picture of the file, in order: the decoder
    /// gives one for each from its first on.
    pub fn picture(&mut self, at_us: i64, frame_us: i64) -> Option<&[u8]> {
        // The sender goes away without a word if the track has no frame that can be decoded.
        let first = &self.first;
        let begin_us = (*self.begin_us.get_or_insert_with(|| first.recv().ok()))?;
        if at_us + frame_us / 2 < begin_us {
            return None;
        }
        if !self.ended {
            match self.decoder.read_exact(&mut self.next) {
                Ok(()) => {
                    std::mem::swap(&mut self.picture, &mut self.next);
                    self.has_picture = true;
                }
                Err(_) => {
                    self.ended = true;
                    self.ended_us = Some(at_us);
                }
            }
        }
        let shows = self.has_picture && self.shown.lock().unwrap_or_else(PoisonError::into_inner).shows(at_us);
        shows.then_some(&self.picture)
    }
}
