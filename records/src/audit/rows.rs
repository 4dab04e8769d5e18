//! Rows of the log as PostgreSQL streams them.

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions as _, Executor as _};

use super::canonical::{BadTuple, COLUMNS, LAST, Tuple};
use super::leaves::{Key, Leaf};
use crate::{Error, Records};

/// What every binary COPY begins with: signature, flags, length of the extension.
const HEADER: usize = 19;
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// The hash of a row that can't even be encoded, because somebody wrote a value that the server never writes.
const UNREADABLE: [u8; 32] = [0; 32];

/// A connection of its own that reads the log of all clinics.
pub(super) async fn connect(records: &Records) -> Result<PgConnection, Error> {
    let mut connection = records.connect_options().as_ref().clone().connect().await?;
    // Rows come in the order of their index, one after the other: never sorted, which would fill the disk with a copy.
    connection
        .execute(
            "SELECT set_config('bedside.audit_sealer', 'on', false), set_config('enable_sort', 'off', false),
                    set_config('enable_seqscan', 'off', false), set_config('max_parallel_workers_per_gather', '0', false)",
        )
        .await?;
    Ok(connection)
}

/// Which rows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Slice {
    /// After this one.
    pub after: Option<Key>,
    /// Up to and with this one.
    pub to: Option<Key>,
    /// Of transactions before this one.
    pub below: Option<u64>,
    /// At most so many.
    pub limit: Option<usize>,
}

impl Slice {
    fn statement(&self) -> String {
        let mut conditions = vec!["true".to_owned()];
        if let Some(Key { xid, seq }) = self.after {
            conditions.push(format!("(xid, seq) > ('{xid}'::xid8, {seq})"));
        }
        if let Some(Key { xid, seq }) = self.to {
            conditions.push(format!("(xid, seq) <= ('{xid}'::xid8, {seq})"));
        }
        if let Some(xid) = self.below {
            conditions.push(format!("xid < '{xid}'::xid8"));
        }
        let limit = self.limit.map_or_else(String::new, |limit| format!(" LIMIT {limit}"));
        let (columns, conditions) = (COLUMNS.join(", "), conditions.join(" AND "));
        format!(
            "COPY (SELECT {columns}, {LAST} FROM audit_event WHERE {conditions} ORDER BY xid, seq{limit}) TO STDOUT (FORMAT binary)"
        )
    }
}

/// A stream of rows in the order of sealing.
pub(super) struct Rows<'c> {
    stream: BoxStream<'c, sqlx::Result<bytes::Bytes>>,
    scratch: Vec<u8>,
}

impl<'c> Rows<'c> {
    pub(super) async fn open(connection: &'c mut PgConnection, slice: Slice) -> Result<Self, Error> {
        let stream = connection.copy_out_raw(&slice.statement()).await?;
        Ok(Self { stream, scratch: Vec::with_capacity(1_024) })
    }

    /// The next row as it was sent.
    pub(super) async fn tuple(&mut self) -> Result<Option<bytes::Bytes>, Error> {
        while let Some(chunk) = self.stream.next().await {
            let mut chunk = chunk?;
            if chunk.starts_with(SIGNATURE) && chunk.len() >= HEADER {
                chunk = chunk.slice(HEADER..);
            }
            // Each message is one row; the last one is -1 and no row.
            if !chunk.is_empty() && chunk[..] != [0xff, 0xff] {
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }

    /// The next row's leaf.
    pub(super) async fn leaf(&mut self) -> Result<Option<Leaf>, Error> {
        match self.tuple().await? {
            None => Ok(None),
            Some(bytes) => leaf(&bytes, &mut self.scratch).map(Some),
        }
    }
}

/// The leaf of a row as it was sent.
pub(super) fn leaf(bytes: &[u8], scratch: &mut Vec<u8>) -> Result<Leaf, Error> {
    let unreadable = |_: BadTuple| Error::UnknownValue("audit_event");
    let tuple = Tuple::parse(bytes).map_err(unreadable)?;
    match tuple.leaf(scratch) {
        Ok(leaf) => Ok(leaf),
        Err(BadTuple) => {
            Ok(Leaf { key: tuple.key().map_err(unreadable)?, at: tuple.at().map_err(unreadable)?, hash: UNREADABLE })
        }
    }
}
