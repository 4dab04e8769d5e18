//! Exports the log: JSON lines that carry everything to verify them without the database. See `docs/audit.md`.

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use serde_json::json;
use sqlx::Connection as _;
use time::OffsetDateTime;
use tokio::sync::mpsc;
use visit::ClinicId;

use super::canonical::Tuple;
use super::export_line::{self, Row};
use super::journal::Journal;
use super::leaves::{self, Key, Leaf};
use super::rows::{self, Rows, Slice};
use crate::action::ExportAudit;
use crate::{Authorized, Error, Pending, Records, Tx};

/// Bytes that are gathered before they are handed on.
const CHUNK: usize = 64 * 1024;

/// Which rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Selection {
    /// Of this clinic only; of all, and of none, if it is not said.
    pub clinic: Option<ClinicId>,
    /// Not before.
    pub from: Option<OffsetDateTime>,
    /// Before.
    pub to: Option<OffsetDateTime>,
}

impl Selection {
    fn takes_time(&self, at: i64) -> bool {
        self.from.is_none_or(|from| at >= micros(from)) && self.to.is_none_or(|to| at < micros(to))
    }
}

fn micros(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)
}

/// Writes the sealed rows of `selection` to `out`, piece by piece; gives how many. Rows that are not sealed yet are left
/// out. The caller has logged it before.
///
/// # Errors
/// See [`ExportError`]; what was handed on then lacks its last line, and does not verify.
pub async fn export(
    records: &Records,
    journal: &Journal,
    selection: Selection,
    now: OffsetDateTime,
    out: mpsc::Sender<Bytes>,
) -> Result<u64, ExportError> {
    let mut out = Out { to: out, buffer: Vec::with_capacity(2 * CHUNK), digest: Context::new(&SHA256) };
    let mut for_seals = rows::connect(records).await?;
    let (first, end) = span(&mut for_seals, &selection).await?;
    header(records, journal, &mut for_seals, &selection, first, now, &mut out).await?;
    let (mut written, mut seals_written) = (0, 0);
    if first < end {
        let after = key_before(&mut for_seals, first).await?;
        let mut for_rows = rows::connect(records).await?;
        let mut tx = for_seals.begin().await.map_err(Error::from)?;
        let mut rows = Rows::open(&mut for_rows, Slice { after, ..Slice::default() }).await?;
        let mut pending = rows.tuple().await?;
        let mut scratch = Vec::new();
        let mut seals = sqlx::query!(
            "SELECT first_leaf, leaves, frontier, checkpoint FROM audit_seal WHERE first_leaf >= $1 AND first_leaf < $2 ORDER BY first_leaf",
            first,
            end,
        )
        .fetch(&mut *tx);
        while let Some(seal) = seals.try_next().await.map_err(Error::from)? {
            let batch = leaves::unpack(&seal.leaves).unwrap_or_default();
            let to = batch.iter().map(|leaf| leaf.key).max();
            let mut shown: Vec<(Key, String)> = Vec::new();
            let mut left_out: Vec<Key> = Vec::new();
            while let Some(bytes) = pending {
                let leaf = rows::leaf(&bytes, &mut scratch)?;
                if to.is_none_or(|to| leaf.key > to) {
                    pending = Some(bytes);
                    break;
                }
                let tuple = Tuple::parse(&bytes).map_err(|_| Error::UnknownValue("audit_event"))?;
                let row = Row::of(&tuple).map_err(|_| Error::UnknownValue("audit_event"))?;
                let is_ours = selection.clinic.is_none_or(|clinic| row.clinic_id == Some(clinic.0));
                if is_ours && selection.takes_time(leaf.at) {
                    shown.push((leaf.key, serde_json::to_string(&row).map_err(|_| ExportError::Form)?));
                } else {
                    left_out.push(leaf.key);
                }
                pending = rows.tuple().await?;
            }
            let hidden = |leaf: &Leaf| !selection.takes_time(leaf.at) || left_out.binary_search(&leaf.key).is_ok();
            let line = json!({
                "type": "seal",
                "first": seal.first_leaf,
                "leaves": STANDARD.encode(&seal.leaves),
                "frontier": STANDARD.encode(&seal.frontier),
                "hidden": export_line::ranges(batch.iter().map(hidden)),
                "checkpoint": seal.checkpoint,
            });
            out.line(&line.to_string()).await?;
            seals_written += 1;
            for (_, line) in shown {
                out.line(&line).await?;
                written += 1;
            }
        }
    }
    let sum = hex::encode(out.digest.clone().finish());
    let signature = journal.key().sign_bytes(&export_line::signed(&sum));
    let end = json!({
        "type": "end", "rows": written, "seals": seals_written, "sha256": sum, "signature": STANDARD.encode(signature),
    });
    out.line(&end.to_string()).await?;
    out.flush().await?;
    Ok(written)
}

/// The first leaf of the first seal that has rows in that time, and the first leaf behind the last one.
async fn span(connection: &mut sqlx::PgConnection, selection: &Selection) -> Result<(i64, i64), Error> {
    let whole = selection.from.is_none() && selection.to.is_none();
    if whole {
        let end = sqlx::query_scalar!("SELECT max(tree_size) FROM audit_seal").fetch_one(connection).await?;
        return Ok((0, end.unwrap_or(0)));
    }
    // A row is sealed after it was written; the server's and the database's clocks may differ a little.
    let since = selection.from.map(|from| from - time::Duration::hours(1));
    let mut seals = sqlx::query!(
        "SELECT first_leaf, tree_size, leaves FROM audit_seal WHERE $1::timestamptz IS NULL OR sealed_at >= $1 ORDER BY first_leaf",
        since,
    )
    .fetch(connection);
    let mut found: Option<(i64, i64)> = None;
    while let Some(seal) = seals.try_next().await? {
        let leaves = leaves::unpack(&seal.leaves).unwrap_or_default();
        if leaves.iter().any(|leaf| selection.takes_time(leaf.at)) {
            found = Some((found.map_or(seal.first_leaf, |(first, _)| first), seal.tree_size));
        }
    }
    Ok(found.unwrap_or((0, 0)))
}

async fn key_before(connection: &mut sqlx::PgConnection, first: i64) -> Result<Option<Key>, Error> {
    let row =
        sqlx::query!(r#"SELECT last_xid::text AS "last_xid!", last_seq FROM audit_seal WHERE tree_size = $1"#, first)
            .fetch_optional(connection)
            .await?;
    row.map(|row| {
        let xid = row.last_xid.parse().map_err(|_| Error::UnknownValue("audit_seal"))?;
        Ok(Key { xid, seq: row.last_seq })
    })
    .transpose()
}

async fn header(
    records: &Records,
    journal: &Journal,
    connection: &mut sqlx::PgConnection,
    selection: &Selection,
    first: i64,
    now: OffsetDateTime,
    out: &mut Out,
) -> Result<(), ExportError> {
    let start = sqlx::query!("SELECT frontier, checkpoint FROM audit_seal WHERE tree_size = $1", first)
        .fetch_optional(connection)
        .await
        .map_err(Error::from)?;
    let dropped: Vec<_> = super::verify::dropped(records)
        .await?
        .into_iter()
        .map(|gap| json!([export_line::moment(gap.from), export_line::moment(gap.to)]))
        .collect();
    let line = json!({
        "type": "bedside.audit.export",
        "format": export_line::FORMAT,
        "key": journal.key().public().to_vkey(),
        "exported_at": export_line::moment(micros(now)),
        "clinic": selection.clinic,
        "from": selection.from.map(|from| export_line::moment(micros(from))),
        "to": selection.to.map(|to| export_line::moment(micros(to))),
        "start": start.map(|start| json!({
            "size": first, "frontier": STANDARD.encode(&start.frontier), "checkpoint": start.checkpoint,
        })),
        "dropped": dropped,
    });
    out.line(&line.to_string()).await
}

/// Lines on their way out, and the sum over all of them.
struct Out {
    to: mpsc::Sender<Bytes>,
    buffer: Vec<u8>,
    digest: Context,
}

impl Out {
    async fn line(&mut self, line: &str) -> Result<(), ExportError> {
        let from = self.buffer.len();
        self.buffer.extend_from_slice(line.as_bytes());
        self.buffer.push(b'\n');
        self.digest.update(&self.buffer[from..]);
        if self.buffer.len() >= CHUNK { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), ExportError> {
        let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(2 * CHUNK));
        self.to.send(full.into()).await.map_err(|_| ExportError::NobodyReads)
    }
}

/// The export is not whole.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
    /// The reader has gone.
    #[error("nobody reads the export any more")]
    NobodyReads,
    /// A row can't be written as JSON.
    #[error("a row can't be written as JSON")]
    Form,
}

/// What somebody who may export gets: their own clinic's rows of that time. Logged when the transaction commits.
///
/// # Errors
/// None yet.
pub fn allow_export(
    tx: &mut Tx,
    may: &Authorized<ExportAudit>,
    from: Option<OffsetDateTime>,
    to: Option<OffsetDateTime>,
) -> Result<Pending<Selection>, Error> {
    tx.proved(may)?;
    let selection = Selection { clinic: Some(tx.context().actor.clinic()), from, to };
    if let Some(entry) = tx.last_logged() {
        let moment = |at: Option<OffsetDateTime>| at.map(|at| export_line::moment(micros(at)));
        entry.detail = Some(json!({ "from": moment(from), "to": moment(to) }));
    }
    Ok(Pending(selection))
}
