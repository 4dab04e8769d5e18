//! Recordings: their state, hashes and keys. Their bytes are the recorder's.

use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;
use visit::{ClinicId, PatientId, RecordingId, VisitId};
use zeroize::Zeroizing;

use crate::action::{ListRecordings, PlayRecording, Resource};
use crate::audit::Entry;
use crate::data_key::{self, Owner};
use crate::text_enum::text_enum;
use crate::{Authorized, Error, Pending, Records, RequestContext, Tx, clinics};

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
pub async fn list(tx: &mut Tx, may: &Authorized<ListRecordings>) -> Result<Pending<Vec<Recording>>, Error> {
    let visit = tx.proved(may)?.0;
    let rows = sqlx::query_as!(
        RecordingRow,
        "SELECT recording_id, visit_id, state, started_at, stopped_at, duration_ms, bytes, sha256, gaps
         FROM recording WHERE visit_id = $1 ORDER BY started_at, recording_id",
        visit.0,
    )
    .fetch_all(tx.connection()?)
    .await?;
    rows.into_iter().map(Recording::try_from).collect::<Result<_, _>>().map(Pending)
}

/// One recording, to be played: written to the audit log. Once per opening, not per range.
///
/// # Errors
/// The database can't be reached.
pub async fn open(tx: &mut Tx, may: &Authorized<PlayRecording>) -> Result<Pending<Recording>, Error> {
    let id = tx.proved(may)?.0;
    read(tx, id).await.map(Pending)
}

/// The same for the further ranges of a playback that [`open`] has logged: authorized again, not logged again.
///
/// # Errors
/// The database can't be reached.
pub async fn reopen(tx: &mut Tx, may: &Authorized<PlayRecording>) -> Result<Pending<Recording>, Error> {
    let id = tx.proved(may)?.0;
    tx.logged_before();
    read(tx, id).await.map(Pending)
}

/// The key that this recording's bytes are encrypted with; made if there is none yet. The row exists since the fact
/// `RecordingStarted` was stored.
///
/// # Errors
/// [`Error::NotFound`] if the clinic has no such recording.
pub async fn create_key(
    records: &Records,
    clinic: ClinicId,
    recording: RecordingId,
) -> Result<Zeroizing<[u8; 32]>, Error> {
    let mut tx = begin(records, clinic, OffsetDateTime::now_utc()).await?;
    // The recording's row is locked, so that two who ask at once get the same key.
    let patient =
        sqlx::query_scalar!("SELECT patient_id FROM recording WHERE recording_id = $1 FOR UPDATE", recording.0)
            .fetch_optional(tx.connection()?)
            .await?
            .ok_or(Error::NotFound)?;
    let owner = Owner::Recording(recording);
    let key = match data_key::bare(&mut tx, owner).await? {
        Some(key) => key,
        None => {
            tx.log(Entry {
                patient: Some(PatientId(patient)),
                ..Entry::new("recording.key_created", Resource::Recording(recording))
            });
            data_key::create(&mut tx, owner).await?
        }
    };
    tx.commit(Pending(key)).await
}

/// The key of a recording that has one.
///
/// # Errors
/// [`Error::NotFound`] if there is none; [`Error::Sealed`] if it was destroyed.
pub async fn open_key(
    records: &Records,
    clinic: ClinicId,
    recording: RecordingId,
) -> Result<Zeroizing<[u8; 32]>, Error> {
    let mut tx = begin(records, clinic, OffsetDateTime::now_utc()).await?;
    let key = data_key::bare(&mut tx, Owner::Recording(recording)).await?.ok_or(Error::NotFound)?;
    tx.commit(Pending(key)).await
}

/// Stores what happened to a recording.
///
/// # Errors
/// See [`ChangeError`].
pub async fn change(
    records: &Records,
    clinic: ClinicId,
    recording: RecordingId,
    change: &Change,
    at: OffsetDateTime,
) -> Result<(), ChangeError> {
    let mut tx = begin(records, clinic, at).await?;
    let row = sqlx::query!("SELECT patient_id, state FROM recording WHERE recording_id = $1 FOR UPDATE", recording.0)
        .fetch_optional(tx.connection()?)
        .await
        .map_err(Error::from)?
        .ok_or(Error::NotFound)?;
    let before = RecordingState::parse(&row.state)?;
    if matches!(before, RecordingState::Ready | RecordingState::Failed) {
        return Err(ChangeError::Done(before));
    }
    let mut entry = Entry {
        patient: Some(PatientId(row.patient_id)),
        ..Entry::new("recording.sealed", Resource::Recording(recording))
    };
    let state = match change {
        Change::Captured => RecordingState::Captured,
        Change::Interrupted => RecordingState::Interrupted,
        Change::Composing => RecordingState::Composing,
        Change::Ready { .. } => RecordingState::Ready,
        Change::Failed { .. } => RecordingState::Failed,
    };
    if let Change::Ready { duration_ms, bytes, sha256, gaps, manifest } = change {
        sqlx::query!(
            "UPDATE recording SET state = 'ready', duration_ms = $2, bytes = $3, sha256 = $4, gaps = $5, manifest = $6 WHERE recording_id = $1",
            recording.0,
            duration_ms,
            bytes,
            &sha256[..],
            gaps,
            manifest,
        )
        .execute(tx.connection()?)
        .await
        .map_err(Error::from)?;
        entry.detail = Some(
            serde_json::json!({ "sha256": hex::encode(sha256), "bytes": bytes, "duration_ms": duration_ms, "gaps": gaps }),
        );
    } else {
        let failure = if let Change::Failed { reason } = change { Some(*reason) } else { None };
        sqlx::query!(
            "UPDATE recording SET state = $2, failure = $3, stopped_at = CASE WHEN $2 IN ('captured', 'interrupted', 'failed') THEN coalesce(stopped_at, $4)
                                                                            ELSE stopped_at END
             WHERE recording_id = $1",
            recording.0,
            state.as_str(),
            failure,
            at,
        )
        .execute(tx.connection()?)
        .await
        .map_err(Error::from)?;
        entry.action = match state {
            RecordingState::Captured => "recording.captured",
            RecordingState::Interrupted => "recording.interrupted",
            RecordingState::Composing => "recording.composing",
            _ => "recording.failed",
        };
        entry.reason = failure;
    }
    tx.log(entry);
    Ok(tx.commit(Pending(())).await?)
}

/// Recordings of all clinics that are neither `ready` nor `failed`: the work to take up after a start.
///
/// # Errors
/// The database can't be reached.
pub async fn unfinished(records: &Records) -> Result<Vec<Unfinished>, Error> {
    let mut all = Vec::new();
    for clinic in clinics::list(records).await? {
        let mut tx = begin(records, clinic.id, OffsetDateTime::now_utc()).await?;
        let rows = sqlx::query!(
            "SELECT recording_id, visit_id, state FROM recording
             WHERE clinic_id = $1 AND state NOT IN ('ready', 'failed') ORDER BY started_at, recording_id",
            clinic.id.0,
        )
        .fetch_all(tx.connection()?)
        .await?;
        tx.commit(Pending(())).await?;
        for row in rows {
            all.push(Unfinished {
                clinic: clinic.id,
                visit: VisitId(row.visit_id),
                recording: RecordingId(row.recording_id),
                state: RecordingState::parse(&row.state)?,
            });
        }
    }
    Ok(all)
}

/// A recording and whose it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Catalogued {
    /// Of which clinic.
    pub clinic: ClinicId,
    /// The recording.
    pub recording: Recording,
}

/// All recordings of all clinics, newest first, for the operator's `recordings list` and `verify`.
///
/// # Errors
/// The database can't be reached.
pub async fn catalogue(records: &Records) -> Result<Vec<Catalogued>, Error> {
    let mut all = Vec::new();
    for clinic in clinics::list(records).await? {
        let mut tx = begin(records, clinic.id, OffsetDateTime::now_utc()).await?;
        let rows = sqlx::query_as!(
            RecordingRow,
            "SELECT recording_id, visit_id, state, started_at, stopped_at, duration_ms, bytes, sha256, gaps FROM recording WHERE clinic_id = $1",
            clinic.id.0,
        )
        .fetch_all(tx.connection()?)
        .await?;
        tx.commit(Pending(())).await?;
        for row in rows {
            all.push(Catalogued { clinic: clinic.id, recording: row.try_into()? });
        }
    }
    all.sort_by_key(|one| std::cmp::Reverse((one.recording.started_at, one.recording.recording_id)));
    Ok(all)
}

struct RecordingRow {
    recording_id: Uuid,
    visit_id: Uuid,
    state: String,
    started_at: OffsetDateTime,
    stopped_at: Option<OffsetDateTime>,
    duration_ms: Option<i64>,
    bytes: Option<i64>,
    sha256: Option<Vec<u8>>,
    gaps: Option<i32>,
}

impl TryFrom<RecordingRow> for Recording {
    type Error = Error;

    fn try_from(row: RecordingRow) -> Result<Self, Error> {
        Ok(Self {
            recording_id: RecordingId(row.recording_id),
            visit_id: VisitId(row.visit_id),
            state: RecordingState::parse(&row.state)?,
            started_at: row.started_at,
            stopped_at: row.stopped_at,
            duration_ms: row.duration_ms,
            bytes: row.bytes,
            sha256: row.sha256.map(hex::encode),
            gaps: row.gaps,
        })
    }
}

async fn read(tx: &mut Tx, recording: RecordingId) -> Result<Recording, Error> {
    let row = sqlx::query_as!(
        RecordingRow,
        "SELECT recording_id, visit_id, state, started_at, stopped_at, duration_ms, bytes, sha256, gaps FROM recording WHERE recording_id = $1",
        recording.0,
    )
    .fetch_optional(tx.connection()?)
    .await?
    .ok_or(Error::NotFound)?;
    row.try_into()
}

async fn begin(records: &Records, clinic: ClinicId, at: OffsetDateTime) -> Result<Tx, Error> {
    records.begin(RequestContext::system("recorder", clinic, at)).await
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
