//! Seals the log: committed rows become leaves of the tree, and each batch ends with a signed checkpoint.
//!
//! Rows of transactions below the oldest one that still runs are final: none of them will ever come or go. Among them,
//! (transaction, number) is an order that only grows at its end, so the place of the last sealed row is all that has to be
//! remembered. A row of a transaction that is still open waits, and with it all younger ones; none is skipped.
//!
//! A seal is committed to the database first and then appended to the journal. After a crash in between, the next sealer
//! finds the journal behind, proves that what the database has continues it, and catches up. A journal ahead of the
//! database, or beside it, is never continued: that would sign a second history.

use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Executor as _};
use time::OffsetDateTime;

use super::checkpoint::{Checkpoint, NoteError};
use super::journal::{Journal, JournalError};
use super::leaves::{self, Key, Leaf};
use super::rows::{self, Rows, Slice};
use super::tree::{Frontier, Hash};
use crate::{Error, Records};

/// Leaves in a seal at most.
pub const BATCH: usize = 1_000;

/// The one sealer of a database: it holds a lock there, which ends with its connection.
pub struct Sealer {
    connection: PgConnection,
    journal: Journal,
    tree: Frontier,
    index: Hash,
    last: Option<Key>,
}

/// A seal as it is stored.
struct Stored {
    tree_size: u64,
    last: Key,
    frontier: Vec<u8>,
    checkpoint: String,
}

impl Sealer {
    /// Becomes the sealer; `None` if another process is.
    ///
    /// # Errors
    /// See [`SealError`]; nothing was signed.
    pub async fn acquire(records: &Records, journal: &Journal) -> Result<Option<Self>, SealError> {
        let mut connection = rows::connect(records).await?;
        let is_mine: bool = sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock(7016) AS "mine!""#)
            .fetch_one(&mut connection)
            .await
            .map_err(Error::from)?;
        if !is_mine {
            return Ok(None);
        }
        let mut sealer = Self {
            connection,
            journal: journal.clone(),
            tree: Frontier::default(),
            index: Hash::default(),
            last: None,
        };
        sealer.resume().await?;
        Ok(Some(sealer))
    }

    /// Leaves in the tree.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Seals the next rows that are final, at most [`BATCH`]; gives how many. After an error, acquire a new sealer.
    ///
    /// # Errors
    /// See [`SealError`].
    pub async fn seal(&mut self, now: OffsetDateTime) -> Result<usize, SealError> {
        let mut tx = self.connection.begin().await.map_err(Error::from)?;
        // In a snapshot of its own, before that of the reading: all below are over when the rows are read.
        let below = sqlx::query_scalar!(r#"SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS "xmin!""#)
            .fetch_one(&mut *tx)
            .await
            .map_err(Error::from)?;
        let below = below.parse().map_err(|_| SealError::Damaged("the transaction number"))?;
        let slice = Slice { after: self.last, below: Some(below), limit: Some(BATCH), to: None };
        let mut batch: Vec<Leaf> = Vec::new();
        {
            let mut found = Rows::open(&mut tx, slice).await?;
            while let Some(leaf) = found.leaf().await? {
                batch.push(leaf);
            }
        }
        let Some(last) = batch.last().map(|leaf| leaf.key) else {
            tx.rollback().await.map_err(Error::from)?;
            return Ok(0);
        };
        let mut tree = self.tree.clone();
        batch.iter().for_each(|leaf| tree.push(leaf.hash));
        let packed = leaves::pack(&batch);
        let index = leaves::chain(&self.index, &packed);
        let time = i64::try_from(now.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX);
        let note = self.journal.key().sign(&Checkpoint { size: tree.size(), root: tree.root(), index, time });
        sqlx::query!(
            "INSERT INTO audit_seal (first_leaf, tree_size, last_xid, last_seq, leaves, frontier, checkpoint, sealed_at)
             VALUES ($1, $2, ($3::text)::xid8, $4, $5, $6, $7, $8)",
            self.tree.size() as i64,
            tree.size() as i64,
            last.xid.to_string(),
            last.seq,
            packed,
            tree.to_bytes(),
            note,
            now,
        )
        .execute(&mut *tx)
        .await
        .map_err(Error::from)?;
        tx.commit().await.map_err(Error::from)?;
        self.journal.append(&[note])?;
        (self.tree, self.index, self.last) = (tree, index, Some(last));
        Ok(batch.len())
    }

    /// Finds where the last sealer stopped, and makes sure that it may be continued.
    async fn resume(&mut self) -> Result<(), SealError> {
        let key = self.journal.key().public().clone();
        let kept = match self.journal.last()? {
            None => None,
            Some(note) => Some(Checkpoint::open(&note, &key).map_err(SealError::OtherKey)?),
        };
        let stored = self.last_seal(None).await?;
        let Some(stored) = stored else {
            return match kept {
                None => Ok(()),
                Some(kept) => Err(SealError::DatabaseBehind { sealed: kept.size, found: 0 }),
            };
        };
        let checkpoint = Checkpoint::open(&stored.checkpoint, &key).map_err(SealError::OtherKey)?;
        let tree = proved(&stored, &checkpoint)?;
        self.same_cluster(stored.last).await?;
        match kept {
            Some(kept) if kept.size > checkpoint.size => {
                return Err(SealError::DatabaseBehind { sealed: kept.size, found: checkpoint.size });
            }
            Some(kept) if kept.size == checkpoint.size => {
                if kept != checkpoint {
                    return Err(SealError::Forked { size: kept.size });
                }
            }
            kept => self.catch_up(kept, &checkpoint).await?,
        }
        (self.tree, self.index, self.last) = (tree, checkpoint.index, Some(stored.last));
        Ok(())
    }

    /// Copies to the journal what the database has beyond `kept`, after making sure that it continues it.
    async fn catch_up(&mut self, kept: Option<Checkpoint>, last: &Checkpoint) -> Result<(), SealError> {
        let key = self.journal.key().public().clone();
        let (mut tree, mut index) = (Frontier::default(), Hash::default());
        if let Some(kept) = &kept {
            let stored = self.last_seal(Some(kept.size)).await?.ok_or(SealError::Forked { size: kept.size })?;
            tree = proved(&stored, kept)?;
            index = kept.index;
        }
        while tree.size() < last.size {
            let next =
                sqlx::query!("SELECT leaves, checkpoint FROM audit_seal WHERE first_leaf = $1", tree.size() as i64)
                    .fetch_optional(&mut self.connection)
                    .await
                    .map_err(Error::from)?
                    .ok_or(SealError::Damaged("a seal is missing"))?;
            let checkpoint = Checkpoint::open(&next.checkpoint, &key).map_err(SealError::OtherKey)?;
            let batch = leaves::unpack(&next.leaves).ok_or(SealError::Damaged("a seal's leaves"))?;
            batch.iter().for_each(|leaf| tree.push(leaf.hash));
            index = leaves::chain(&index, &next.leaves);
            if (tree.size(), tree.root(), index) != (checkpoint.size, checkpoint.root, checkpoint.index) {
                return Err(SealError::Forked { size: checkpoint.size });
            }
            self.journal.append(&[next.checkpoint])?;
        }
        Ok(())
    }

    async fn last_seal(&mut self, size: Option<u64>) -> Result<Option<Stored>, SealError> {
        let row = sqlx::query!(
            r#"SELECT tree_size, last_xid::text AS "last_xid!", last_seq, frontier, checkpoint FROM audit_seal
               WHERE $1::bigint IS NULL OR tree_size = $1 ORDER BY tree_size DESC LIMIT 1"#,
            size.map(|size| size as i64),
        )
        .fetch_optional(&mut self.connection)
        .await
        .map_err(Error::from)?;
        row.map(|row| {
            Ok(Stored {
                tree_size: row.tree_size as u64,
                last: Key {
                    xid: row.last_xid.parse().map_err(|_| SealError::Damaged("the transaction number"))?,
                    seq: row.last_seq,
                },
                frontier: row.frontier,
                checkpoint: row.checkpoint,
            })
        })
        .transpose()
    }

    /// A copy of the database in another server counts its transactions anew: rows would come before sealed ones.
    async fn same_cluster(&mut self, last: Key) -> Result<(), SealError> {
        let goes_on = sqlx::query_scalar!(
            r#"SELECT pg_snapshot_xmax(pg_current_snapshot()) > ($1::text)::xid8 AS "on!""#,
            last.xid.to_string(),
        )
        .fetch_one(&mut self.connection)
        .await
        .map_err(Error::from)?;
        if goes_on { Ok(()) } else { Err(SealError::OtherServer) }
    }

    /// Gives the lock back.
    ///
    /// # Errors
    /// The database can't be reached; the lock is gone then, too.
    pub async fn release(mut self) -> Result<(), SealError> {
        self.connection.execute("SELECT pg_advisory_unlock(7016)").await.map_err(Error::from)?;
        self.connection.close().await.map_err(|error| Error::from(error).into())
    }
}

/// The stored subtrees, if they are those that `checkpoint` signs.
fn proved(stored: &Stored, checkpoint: &Checkpoint) -> Result<Frontier, SealError> {
    Frontier::from_bytes(stored.tree_size, &stored.frontier)
        .filter(|tree| tree.size() == checkpoint.size && tree.root() == checkpoint.root)
        .ok_or(SealError::Forked { size: checkpoint.size })
}

/// Nothing is sealed until somebody looks.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
    /// See [`JournalError`].
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The last checkpoint is another key's.
    #[error(
        "the audit log was sealed with another key ({0}); put the audit key of the node that sealed it into this data folder's audit/audit.key"
    )]
    OtherKey(NoteError),
    /// The journal is ahead: the database was put back to an earlier state, or its end was cut off.
    #[error(
        "the audit log has {found} sealed rows, but {sealed} were signed; if the database was restored from a backup, run: bedside audit accept-restore; if not, somebody cut it off: bedside audit verify"
    )]
    DatabaseBehind {
        /// Leaves that were signed.
        sealed: u64,
        /// Leaves there are.
        found: u64,
    },
    /// The database's history is not the one that was signed.
    #[error("the audit log is not the one that was signed up to row {size} of it; run: bedside audit verify")]
    Forked {
        /// Leaves.
        size: u64,
    },
    /// A value that is never written.
    #[error("the audit log's seals are damaged ({0}); run: bedside audit verify")]
    Damaged(&'static str),
    /// The transactions' numbers have begun anew.
    #[error(
        "the audit log was written in another PostgreSQL server whose transaction numbers are ahead; move databases as a whole (pg_upgrade, base backup), not by a dump"
    )]
    OtherServer,
}
