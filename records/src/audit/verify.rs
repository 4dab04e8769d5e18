//! Verifies the whole log in the database against its seals and the journal, in a stream.

use std::iter::Peekable;

use futures_util::TryStreamExt as _;
use sqlx::{Connection as _, Executor as _};
use time::OffsetDateTime;
use uuid::Uuid;

use super::checkpoint::{Checkpoint, VerifyingKey};
use super::examine::{Dropped, Examiner, Seal, Start};
use super::findings::Report;
use super::journal::{Journal, JournalError, Notes};
use super::leaves::{Key, Leaf};
use super::restored;
use super::rows::{self, Rows, Slice};
use crate::action::{ReadSeals, VerifySeals};
use crate::{Authorized, Error, Pending, Records, RequestContext, Tx};

/// Reads every row and every seal. `progress` is told how many rows were read.
///
/// # Errors
/// See [`VerifyError`]; what is wrong with the log is in the report, not here.
pub async fn verify(
    records: &Records,
    journal: &Journal,
    mut progress: impl FnMut(u64) + Send,
) -> Result<Report, VerifyError> {
    let key = journal.key().public().clone();
    let (mut for_seals, mut for_rows) = (rows::connect(records).await?, rows::connect(records).await?);
    let dropped = dropped(records).await?;
    let mut seals_tx = for_seals.begin().await.map_err(Error::from)?;
    seals_tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await.map_err(Error::from)?;
    let total = sqlx::query_scalar!("SELECT max(tree_size) FROM audit_seal")
        .fetch_one(&mut *seals_tx)
        .await
        .map_err(Error::from)?;
    let mut witnesses = Witnesses { notes: journal.notes()?.peekable(), last: None };
    let mut examiner = Examiner::new(key.clone(), Start::default(), dropped);
    // Begun after the seals' snapshot: every sealed row is there.
    let mut rows = Rows::open(&mut for_rows, Slice::default()).await?;
    let mut pending = rows.leaf().await?;
    let mut read = 0;
    let mut seals = sqlx::query!(
        r#"SELECT first_leaf, tree_size, last_xid::text AS "last_xid!", last_seq, leaves, frontier, checkpoint FROM audit_seal
           ORDER BY first_leaf"#
    )
        .fetch(&mut *seals_tx);
    while let Some(row) = seals.try_next().await.map_err(Error::from)? {
        let size = row.tree_size as u64;
        let witness = witnesses.at(size, &key, &mut examiner)?;
        let seal = Seal {
            first: row.first_leaf as u64,
            leaves: &row.leaves,
            last: row.last_xid.parse().ok().map(|xid| Key { xid, seq: row.last_seq }),
            frontier: &row.frontier,
            checkpoint: &row.checkpoint,
            witness: witness.as_deref(),
            hidden: &[],
            prove: Some(row.tree_size) == total,
        };
        let to = examiner.begin(&seal);
        while let Some(leaf) = pending.filter(|leaf: &Leaf| to.is_some_and(|to| leaf.key <= to)) {
            examiner.row(leaf);
            pending = rows.leaf().await?;
            read += 1;
            if read % 65_536 == 0 {
                progress(read);
            }
        }
        examiner.end(&seal);
    }
    while pending.is_some() {
        examiner.unsealed();
        pending = rows.leaf().await?;
    }
    witnesses.rest(&key, &mut examiner)?;
    drop(seals);
    let mut report = examiner.finish();
    restored::examine(&mut seals_tx, journal, &mut report).await?;
    Ok(report)
}

/// The months whose rows were dropped, if they were old enough to be.
pub(super) async fn dropped(records: &Records) -> Result<Vec<Dropped>, Error> {
    let months =
        sqlx::query!("SELECT from_at, to_at FROM audit_month_dropped WHERE dropped_at >= to_at + interval '7 years'")
            .fetch_all(&mut *records.single().await?)
            .await?;
    let micros = |at: OffsetDateTime| i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX);
    Ok(months.into_iter().map(|month| Dropped { from: micros(month.from_at), to: micros(month.to_at) }).collect())
}

/// The journal, read beside the seals.
struct Witnesses {
    notes: Peekable<Notes>,
    last: Option<u64>,
}

impl Witnesses {
    /// The note for `size`; those for smaller trees have no seal.
    fn at(&mut self, size: u64, key: &VerifyingKey, examiner: &mut Examiner) -> Result<Option<String>, JournalError> {
        while let Some(note) = self.notes.next_if(|note| note.as_ref().map_or(true, |note| size_of(note) <= size)) {
            let note = note?;
            let said = size_of(&note);
            self.last = Some(said);
            if said == size {
                return Ok(Some(note));
            }
            if Checkpoint::open(&note, key).is_ok() {
                examiner.unknown_witness(said);
            } else {
                examiner.witness_altered(said);
            }
        }
        if self.notes.peek().is_some() {
            // The journal goes on, but this one is not in it.
            examiner.witness_altered(size);
        }
        Ok(None)
    }

    /// What the journal has beyond the last seal.
    fn rest(self, key: &VerifyingKey, examiner: &mut Examiner) -> Result<(), JournalError> {
        let mut ahead: Option<Checkpoint> = None;
        for note in self.notes {
            let note = note?;
            match Checkpoint::open(&note, key) {
                Ok(checkpoint) => ahead = Some(checkpoint),
                Err(_) => examiner.witness_altered(size_of(&note)),
            }
        }
        if let Some(ahead) = ahead.filter(|ahead| ahead.size > examiner.size()) {
            examiner.truncated(&ahead);
        }
        Ok(())
    }
}

/// What a note says about its size, even if it is damaged otherwise; 0 if not even that can be read.
fn size_of(note: &str) -> u64 {
    note.split('\n').nth(1).and_then(|size| size.parse().ok()).unwrap_or(0)
}

/// Writes down how a verification of everything ended.
///
/// # Errors
/// The database can't be reached.
pub async fn remember(
    records: &Records,
    report: &Report,
    started: OffsetDateTime,
    finished: OffsetDateTime,
) -> Result<(), Error> {
    let faults: Vec<String> = report.faults.iter().take(100).map(ToString::to_string).collect();
    sqlx::query!(
        "INSERT INTO audit_verification (audit_verification_id, started_at, finished_at, tree_size, row_count, unsealed, dropped, fault_count, faults)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        Uuid::now_v7(),
        started,
        finished,
        report.sealed as i64,
        report.rows as i64,
        report.unsealed as i64,
        report.dropped as i64,
        report.count as i64,
        serde_json::json!(faults),
    )
    .execute(&mut *records.single().await?)
    .await?;
    Ok(())
}

/// How everything stood when it was last verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Begun.
    pub started_at: OffsetDateTime,
    /// Done.
    pub finished_at: OffsetDateTime,
    /// Leaves in the tree then.
    pub tree_size: u64,
    /// Rows that were read.
    pub rows: u64,
    /// Leaves whose rows were dropped after their retention.
    pub dropped: u64,
    /// How much was wrong.
    pub fault_count: u64,
    /// What, in words; the first hundred.
    pub faults: Vec<String>,
}

/// The state of the seals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealState {
    /// Leaves in the tree.
    pub tree_size: u64,
    /// When the last seal was made.
    pub sealed_at: Option<OffsetDateTime>,
    /// The last checkpoint, a signed note.
    pub checkpoint: Option<String>,
    /// The key that checks it, if this process has it.
    pub key: Option<String>,
    /// The last verification of everything.
    pub verification: Option<Verification>,
    /// Months whose rows were dropped after their retention.
    pub dropped_months: Vec<DroppedMonth>,
}

/// A month whose rows are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedMonth {
    /// Its first day.
    pub month: time::Date,
    /// How many rows.
    pub rows: u64,
    /// When.
    pub dropped_at: OffsetDateTime,
}

/// How the seals stand.
///
/// # Errors
/// The database can't be reached.
pub async fn seal_state(tx: &mut Tx, may: &Authorized<ReadSeals>) -> Result<Pending<SealState>, Error> {
    tx.proved(may)?;
    let key = tx.records().journal().map(|journal| journal.key().public().to_vkey());
    let connection = tx.connection()?;
    let last = sqlx::query!("SELECT tree_size, sealed_at, checkpoint FROM audit_seal ORDER BY tree_size DESC LIMIT 1")
        .fetch_optional(&mut *connection)
        .await?;
    let verification = sqlx::query!(
        "SELECT started_at, finished_at, tree_size, row_count, dropped, fault_count, faults FROM audit_verification
         ORDER BY finished_at DESC LIMIT 1"
    )
    .fetch_optional(&mut *connection)
    .await?;
    let months = sqlx::query!("SELECT month, row_count, dropped_at FROM audit_month_dropped ORDER BY month")
        .fetch_all(&mut *connection)
        .await?;
    let verification = verification.map(|row| Verification {
        started_at: row.started_at,
        finished_at: row.finished_at,
        tree_size: row.tree_size.unsigned_abs(),
        rows: row.row_count.unsigned_abs(),
        dropped: row.dropped.unsigned_abs(),
        fault_count: row.fault_count.unsigned_abs(),
        faults: serde_json::from_value(row.faults).unwrap_or_default(),
    });
    let dropped_months = months
        .into_iter()
        .map(|row| DroppedMonth { month: row.month, rows: row.row_count.unsigned_abs(), dropped_at: row.dropped_at })
        .collect();
    let (tree_size, sealed_at, checkpoint) = match last {
        Some(row) => (row.tree_size.unsigned_abs(), Some(row.sealed_at), Some(row.checkpoint)),
        None => (0, None, None),
    };
    Ok(Pending(SealState { tree_size, sealed_at, checkpoint, key, verification, dropped_months }))
}

/// Leaves up to which a page may ask for a verification and wait for it.
pub const SMALL: u64 = 200_000;

/// Verifies everything for somebody who waits for it, and writes down what came out. Only while the log is small; else
/// the nightly run and `bedside audit verify` do it.
///
/// # Errors
/// See [`VerifyNowError`].
pub async fn verify_now(records: &Records, context: RequestContext) -> Result<Report, VerifyNowError> {
    let mut tx = records.begin(context).await?;
    tx.authorize(VerifySeals).await?;
    let size = sqlx::query_scalar!("SELECT max(tree_size) FROM audit_seal").fetch_one(tx.connection()?).await;
    let size = size.map_err(Error::from)?.unwrap_or(0).unsigned_abs();
    // Logged before it is answered, and no transaction is open while it runs.
    tx.commit(Pending(())).await?;
    if size > SMALL {
        return Err(VerifyNowError::TooLarge);
    }
    let journal = records.journal().ok_or(VerifyNowError::NoKey)?;
    let started = OffsetDateTime::now_utc();
    let report = verify(records, journal, |_| {}).await?;
    remember(records, &report, started, OffsetDateTime::now_utc()).await?;
    Ok(report)
}

/// Nothing was verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyNowError {
    /// Not while somebody waits.
    #[error(
        "the log is too large to be verified while you wait; it is verified every night, and by: bedside audit verify"
    )]
    TooLarge,
    /// This process has no audit folder.
    #[error("this server has no audit key; run: bedside audit verify on the machine that has it")]
    NoKey,
    /// See [`VerifyError`].
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}

/// The log could not be verified at all.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
    /// See [`JournalError`].
    #[error(transparent)]
    Journal(#[from] JournalError),
}
