//! Recordings: their state, hashes and keys. Their bytes are the recorder's.

use serde_json::Value;
use time::OffsetDateTime;
use visit::{ClinicId, RecordingId, VisitId};
use zeroize::Zeroizing;

use crate::action::{ListRecordings, PlayRecording};
use crate::text_enum::text_enum;
use crate::{Authorized, Error, Pending, Records, Tx};

text_enum! {
    /// Where a recording stands.
    RecordingState {
        /// Being captured.
        Capturing = "capturing",
        /// Capture is closed; not composed yet.
        Captured = "captured",
        /// Being composed.
        Composing = "composing",
        /// There is a playable file.
        Ready = "ready",
        /// There will be none.
        Failed = "failed",
        /// The server went down during capture; to be composed from what is durable.
        Interrupted = "interrupted",
    }
}

/// One recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Which.
    pub recording_id: RecordingId,
    /// Of which visit.
    pub visit_id: VisitId,
    /// Where it stands.
    pub state: RecordingState,
    /// Everyone had allowed it.
    pub started_at: OffsetDateTime,
    /// Capture ended.
    pub stopped_at: Option<OffsetDateTime>,
    /// Of the playable file, milliseconds.
    pub duration_ms: Option<i64>,
    /// Of the playable file.
    pub bytes: Option<i64>,
    /// Of the playable file, before encryption; lower-case hex.
    pub sha256: Option<String>,
    /// Stretches that are missing in it.
    pub gaps: Option<i32>,
}

/// What happened to a recording.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Capture is closed.
    Captured,
    /// The server found it unfinished at its start.
    Interrupted,
    /// Composing began.
    Composing,
    /// The playable file is stored and verified. Its hash goes to the audit log as `recording.sealed`.
    Ready {
        /// Milliseconds.
        duration_ms: i64,
        /// Of the plain file.
        bytes: i64,
        /// SHA-256 of the plain file.
        sha256: [u8; 32],
        /// Stretches that are missing.
        gaps: i32,
        /// The recorder's manifest; no patient data but ids.
        manifest: Value,
    },
    /// There will be no file.
    Failed {
        /// A short word for the audit log, no patient data.
        reason: &'static str,
    },
}

/// A recording that is not done yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Of which clinic.
    pub clinic: ClinicId,
    /// Of which visit.
    pub visit: VisitId,
    /// Which.
    pub recording: RecordingId,
    /// Where it stands.
    pub state: RecordingState,
}

/// The recordings of a visit, in order.
///
/// # Errors
/// The database can't be reached.
pub async fn list(_tx: &mut Tx, _may: &Authorized<ListRecordings>) -> Result<Pending<Vec<Recording>>, Error> {
    Err(Error::Unfinished)
}

/// One recording, to be played: written to the audit log. Once per opening, not per range.
///
/// # Errors
/// The database can't be reached.
pub async fn open(_tx: &mut Tx, _may: &Authorized<PlayRecording>) -> Result<Pending<Recording>, Error> {
    Err(Error::Unfinished)
}

/// The same for the further ranges of a playback that [`open`] has logged: authorized again, not logged again.
///
/// # Errors
/// The database can't be reached.
pub async fn reopen(_tx: &mut Tx, _may: &Authorized<PlayRecording>) -> Result<Pending<Recording>, Error> {
    Err(Error::Unfinished)
}

/// The key that this recording's bytes are encrypted with; made if there is none yet. The row exists since the fact
/// `RecordingStarted` was stored.
///
/// # Errors
/// [`Error::NotFound`] if the clinic has no such recording.
pub async fn create_key(_records: &Records, _clinic: ClinicId, _recording: RecordingId) -> Result<Zeroizing<[u8; 32]>, Error> {
    Err(Error::Unfinished)
}

/// The key of a recording that has one.
///
/// # Errors
/// [`Error::NotFound`] if there is none; [`Error::Sealed`] if it was destroyed.
pub async fn open_key(_records: &Records, _clinic: ClinicId, _recording: RecordingId) -> Result<Zeroizing<[u8; 32]>, Error> {
    Err(Error::Unfinished)
}

/// Stores what happened to a recording.
///
/// # Errors
/// See [`ChangeError`].
pub async fn change(_records: &Records, _clinic: ClinicId, _recording: RecordingId, _change: &Change, _at: OffsetDateTime) -> Result<(), ChangeError> {
    Err(Error::Unfinished.into())
}

/// Recordings of all clinics that are neither `ready` nor `failed`: the work to take up after a start.
///
/// # Errors
/// The database can't be reached.
pub async fn unfinished(_records: &Records) -> Result<Vec<Unfinished>, Error> {
    Err(Error::Unfinished)
}

/// A change was refused.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// A recording that is `ready` or `failed` stays so.
    #[error("the recording is already {0:?}")]
    Done(RecordingState),
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
