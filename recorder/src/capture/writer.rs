//! The thread that owns a capture's journal.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sfu_core::tap::{PeerKey, TapPacket};
use tokio::sync::mpsc::UnboundedSender;
use visit::Now;
use visit::fact::StopReason;

use super::{CaptureEvent, CaptureFailure, CaptureSpec, Gate, QUEUE};
use crate::journal::{JournalWriter, MAX_PAYLOAD};
use crate::{Mark, Participant, TimedMark, recover};

/// How long packets gather before they are taken over together. The writer waits on its control channel, so that
/// handing over a packet never has to wake a thread: the packet path pays for no system call.
const GATHER: Duration = Duration::from_millis(20);
/// The same while nothing is captured.
const GATHER_PAUSED: Duration = Duration::from_millis(500);
/// Longest time from a packet's arrival to the start of its `fsync`.
const SYNC_EVERY: Duration = Duration::from_millis(400);
/// After this long without any media the opening marks count as the first durable bytes: everyone may be muted.
const SILENT_START: Duration = Duration::from_secs(1);
/// Frames are sealed into a chunk at this size, bytes, even when no `fsync` is due.
const CHUNK_BYTES: usize = 256 << 10;

/// What the capture is told.
#[derive(Debug)]
pub(super) struct Control(pub TimedMark);

pub(super) struct Writer {
    journal: JournalWriter<File>,
    spec: CaptureSpec,
    allowed: BTreeSet<PeerKey>,
    gate: Arc<Gate>,
    packets: Receiver<TapPacket>,
    control: Receiver<Control>,
    events: UnboundedSender<CaptureEvent>,
    epoch: u32,
    paused: bool,
    refused: u64,
    started: Instant,
    synced: Instant,
    unsynced: bool,
    announced: bool,
    had_media: bool,
}

impl Writer {
    pub fn new(
        journal: JournalWriter<File>,
        spec: CaptureSpec,
        allowed: BTreeSet<PeerKey>,
        gate: Arc<Gate>,
        packets: Receiver<TapPacket>,
        control: Receiver<Control>,
        events: UnboundedSender<CaptureEvent>,
    ) -> Self {
        let now = Instant::now();
        Self {
            journal,
            spec,
            allowed,
            gate,
            packets,
            control,
            events,
            epoch: 0,
            paused: false,
            refused: 0,
            started: now,
            synced: now,
            unsynced: false,
            announced: false,
            had_media: false,
        }
    }

    /// Until stopped or failed.
    pub fn run(mut self) {
        let outcome = self.write_until_stopped();
        self.gate.end();
        let event = match outcome.and_then(|()| self.summary()) {
            Ok(event) => event,
            Err(error) => {
                tracing::warn!(recording = %self.spec.recording, error = %error.kind(), "capture failed");
                CaptureEvent::Failed { why: failure(&error) }
            }
        };
        let _ = self.events.send(event);
    }

    fn summary(&self) -> io::Result<CaptureEvent> {
        let summary = recover(&self.spec.dir, &self.spec.key).map_err(io::Error::other)?;
        Ok(CaptureEvent::Stopped { summary })
    }

    fn write_until_stopped(&mut self) -> io::Result<()> {
        loop {
            let wait = if self.paused { GATHER_PAUSED } else { GATHER };
            match self.control.recv_timeout(wait) {
                Ok(Control(mark)) => {
                    if self.take_mark(mark)? {
                        return Ok(());
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.drain(i64::MAX)?,
                Err(RecvTimeoutError::Disconnected) => {
                    let mark = Mark::Stopped { why: StopReason::Interrupted, dropped: 0, refused: 0 };
                    self.take_mark(TimedMark { at: wall_clock(), mark })?;
                    return Ok(());
                }
            }
            self.keep_durable()?;
        }
    }

    /// Writes a mark in its place among the packets; true if it was the last.
    fn take_mark(&mut self, mut timed: TimedMark) -> io::Result<bool> {
        let before_us = timed.at.0.saturating_mul(1_000);
        match &mut timed.mark {
            Mark::Started { .. } => {}
            Mark::Consent { participant, allowed, .. } => {
                self.drain(i64::MAX)?;
                if !*allowed {
                    self.allowed.remove(&PeerKey(participant.0.as_u128()));
                }
            }
            Mark::Paused { .. } => {
                self.gate.set_open(false);
                self.drain(before_us)?;
                self.paused = true;
            }
            Mark::Resumed { participants } => {
                // What slipped in while the gate was closing was never meant to be kept.
                while self.packets.try_recv().is_ok() {}
                self.allowed = participants.iter().map(Participant::peer).collect();
                self.paused = false;
                self.epoch += 1;
                self.gate.set_open(true);
            }
            Mark::Stopped { dropped, refused, .. } => {
                self.drain(before_us)?;
                *dropped = self.gate.dropped.load(Ordering::Relaxed);
                *refused = self.refused;
                self.journal.mark(&timed);
                self.journal.write_chunk(true)?;
                self.journal.get_ref().sync_all()?;
                return Ok(true);
            }
        }
        self.journal.mark(&timed);
        // A consent and the end of one are evidence: they do not wait for the next round.
        self.sync()?;
        Ok(false)
    }

    /// Takes over what has gathered, as far as it arrived before `before_us`.
    fn drain(&mut self, before_us: i64) -> io::Result<()> {
        for _ in 0..QUEUE {
            let Ok(packet) = self.packets.try_recv() else {
                break;
            };
            if self.paused || packet.received_us >= before_us {
                continue;
            }
            if !self.allowed.contains(&packet.peer) || packet.payload.len() > MAX_PAYLOAD {
                self.refused += 1;
                continue;
            }
            self.journal.packet(self.epoch, &packet);
            self.had_media = true;
            if self.journal.buffered() >= CHUNK_BYTES {
                self.journal.write_chunk(false)?;
                self.unsynced = true;
            }
        }
        Ok(())
    }

    fn keep_durable(&mut self) -> io::Result<()> {
        let waiting = self.unsynced || self.journal.buffered() > 0;
        let first = !self.announced && self.had_media;
        if waiting && (first || self.synced.elapsed() >= SYNC_EVERY) {
            self.sync()?;
        }
        if !self.announced && (self.had_media || self.started.elapsed() >= SILENT_START) {
            self.announced = true;
            let _ = self.events.send(CaptureEvent::FirstBytesDurable);
        }
        if !waiting {
            self.synced = Instant::now();
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.journal.buffered() > 0 {
            self.journal.write_chunk(false)?;
        }
        // Never tried again after an error: the kernel may already have thrown the pages away.
        self.journal.get_ref().sync_data()?;
        self.unsynced = false;
        self.synced = Instant::now();
        Ok(())
    }
}

fn wall_clock() -> Now {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn failure(error: &io::Error) -> CaptureFailure {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            CaptureFailure::DiskFull
        }
        kind => CaptureFailure::Disk(kind.to_string()),
    }
}
