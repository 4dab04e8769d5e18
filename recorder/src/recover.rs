//! What is intact of a capture, however it ended.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use visit::fact::StopReason;
use visit::{Now, RecordingId, VisitId};

use crate::journal::JournalError;
use crate::track::scan;
use crate::{Damage, Mark, ObjectKey, Tail};

/// Why nothing can be said of a capture. The file is left as it is.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The folder holds no capture.
    #[error("there is no capture in this folder: nothing was recorded, or it was deleted after composing")]
    Missing,
    /// Not a journal of this version.
    #[error("the file in this folder is not a capture of this version: use the version that wrote it")]
    NotACapture,
    /// Not one chunk opens.
    #[error(
        "nothing in this capture can be opened: the key is not this recording's, or the file was damaged from its start"
    )]
    NothingReadable,
    /// The disk refuses.
    #[error("the capture cannot be read ({0}): check the disk, then try again")]
    Io(#[from] io::Error),
}

impl From<JournalError> for RecoverError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Missing => Self::Missing,
            JournalError::NotACapture => Self::NotACapture,
            JournalError::Io(error) => Self::Io(error),
        }
    }
}

/// What there is of a capture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureSummary {
    /// The recording.
    pub recording: RecordingId,
    /// Of which visit.
    pub visit: VisitId,
    /// When it began.
    pub started: Now,
    /// When it ended: when it was stopped, else when the last intact packet came.
    pub stopped: Now,
    /// Why it ended; [`StopReason::Interrupted`] if its writer was ended.
    pub why: StopReason,
    /// Length without pauses, milliseconds.
    pub duration_ms: u64,
    /// Intact packets.
    pub packets: u64,
    /// Packets that did not fit into the queue; unknown (0) if its writer was ended.
    pub dropped: u64,
    /// Packets of people who were not to be captured; unknown (0) if its writer was ended.
    pub refused: u64,
    /// Intact chunks.
    pub chunks: u64,
    /// Length of the journal, bytes.
    pub bytes: u64,
    /// Hash chain after the last intact chunk, hexadecimal SHA-256. Kept elsewhere, it shows later cuts and changes.
    pub chain: String,
    /// How the file ends.
    pub tail: Tail,
    /// What is not as it was written.
    pub damage: Vec<Damage>,
}

/// Reads a capture from front to back and says what is intact. Changes nothing: a torn tail is passed over, not cut off.
///
/// # Errors
/// [`RecoverError`] if there is nothing to read.
pub fn recover(dir: &Path, key: &ObjectKey) -> Result<CaptureSummary, RecoverError> {
    let scan = scan(dir, key)?;
    if scan.chunks == 0 {
        return Err(RecoverError::NothingReadable);
    }
    let (mut why, mut dropped, mut refused) = (StopReason::Interrupted, 0, 0);
    for timed in &scan.marks {
        if let Mark::Stopped { why: said, dropped: d, refused: r } = &timed.mark {
            (why, dropped, refused) = (*said, *d, *r);
        }
    }
    Ok(CaptureSummary {
        recording: scan.identity.recording,
        visit: scan.identity.visit,
        started: scan.identity.started,
        stopped: scan.timeline.stopped(),
        why,
        duration_ms: scan.timeline.duration_us() as u64 / 1_000,
        packets: scan.packets,
        dropped,
        refused,
        chunks: scan.chunks,
        bytes: scan.bytes,
        chain: scan.chain,
        tail: scan.tail,
        damage: scan.damage,
    })
}
