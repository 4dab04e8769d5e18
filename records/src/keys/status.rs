//! What is wrapped by what, and what is left to renew. Counts only.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::sealed_columns::SEALED;
use crate::{Error, Pending, Records, RequestContext, clinics};

/// Data keys under one key-encryption key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappingKeyCount {
    /// Id of the key-encryption key.
    pub id: String,
    /// It wraps what is new.
    pub newest: bool,
    /// It is in the key ring, or a key service that is configured made it.
    pub known: bool,
    /// Data keys that it wraps.
    pub data_keys: i64,
    /// When the oldest of them was made.
    pub oldest: Option<OffsetDateTime>,
}

/// Data keys of one purpose.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DataKeyCount {
    /// They seal.
    pub active: i64,
    /// A renewal has made them; they seal soon.
    pub prepared: i64,
    /// They only open.
    pub retired: i64,
    /// They only open what is never sealed again: the audit log.
    pub kept: i64,
    /// They open nothing any more.
    pub destroyed: i64,
    /// When the oldest active one was made.
    pub oldest: Option<OffsetDateTime>,
}

/// Values of one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnCount {
    /// `table.column`.
    pub column: &'static str,
    /// Sealed under a retired version.
    pub retired: i64,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyStatus {
    /// By key-encryption key; also the newest one if it wraps nothing yet.
    pub wrapping_keys: Vec<WrappingKeyCount>,
    /// By purpose.
    pub data_keys: BTreeMap<String, DataKeyCount>,
    /// Columns with values under retired versions.
    pub columns: Vec<ColumnCount>,
    /// Renewals that were begun and not finished.
    pub unfinished: i64,
}

impl KeyStatus {
    /// Some data keys can't be unwrapped: their key-encryption key is gone.
    #[must_use]
    pub fn something_is_lost(&self) -> bool {
        self.wrapping_keys.iter().any(|key| !key.known && key.data_keys > 0)
    }

    /// `bedside keys rotate` would have something to do besides making all new: old wrappings, unfinished renewals.
    #[must_use]
    pub fn something_is_left(&self) -> bool {
        self.unfinished > 0
            || self.wrapping_keys.iter().any(|key| !key.newest && key.data_keys > 0)
            || self.data_keys.values().any(|keys| keys.retired + keys.prepared > 0)
            || self.columns.iter().any(|column| column.retired > 0)
    }
}

/// Counts.
///
/// # Errors
/// The database or the key service can't be reached.
pub async fn status(records: &Records, now: OffsetDateTime) -> Result<KeyStatus, Error> {
    let newest = records.keys().newest().await?;
    let mut status = KeyStatus::default();
    let mut wrapping: BTreeMap<String, (i64, Option<OffsetDateTime>)> = BTreeMap::from([(newest.clone(), (0, None))]);
    let mut columns: BTreeMap<&'static str, i64> = BTreeMap::new();
    for clinic in clinics::list(records).await? {
        let mut tx = records.begin(RequestContext::system("keys", clinic.id, now)).await?;
        let rows = sqlx::query!(
            r#"SELECT purpose, wrapping_key, count(*) FILTER (WHERE wrapped IS NOT NULL) AS "wrapped!",
                      min(created_at) FILTER (WHERE wrapped IS NOT NULL) AS oldest,
                      count(*) FILTER (WHERE activated_at IS NOT NULL AND retired_at IS NULL AND wrapped IS NOT NULL) AS "active!",
                      count(*) FILTER (WHERE activated_at IS NULL AND wrapped IS NOT NULL) AS "prepared!",
                      count(*) FILTER (WHERE retired_at IS NOT NULL AND kept_at IS NULL AND wrapped IS NOT NULL) AS "retired!",
                      count(*) FILTER (WHERE kept_at IS NOT NULL AND wrapped IS NOT NULL) AS "kept!",
                      count(*) FILTER (WHERE wrapped IS NULL) AS "destroyed!",
                      min(created_at) FILTER (WHERE activated_at IS NOT NULL AND retired_at IS NULL AND wrapped IS NOT NULL) AS oldest_active
               FROM data_key WHERE clinic_id = current_clinic() GROUP BY purpose, wrapping_key"#,
        )
        .fetch_all(tx.connection()?)
        .await?;
        for row in rows {
            let (data_keys, oldest) = wrapping.entry(row.wrapping_key).or_default();
            *data_keys += row.wrapped;
            *oldest = earlier(*oldest, row.oldest);
            let keys = status.data_keys.entry(row.purpose).or_default();
            keys.active += row.active;
            keys.prepared += row.prepared;
            keys.retired += row.retired;
            keys.kept += row.kept;
            keys.destroyed += row.destroyed;
            keys.oldest = earlier(keys.oldest, row.oldest_active);
        }
        status.unfinished += sqlx::query_scalar!(
            r#"SELECT count(*) AS "open!" FROM key_rotation WHERE clinic_id = current_clinic() AND finished_at IS NULL"#
        )
        .fetch_one(tx.connection()?)
        .await?;
        for column in SEALED {
            *columns.entry(column.name).or_default() += column.count_retired(&mut tx).await?;
        }
        tx.commit(Pending(())).await?;
    }
    let counted = columns.into_iter().filter(|(_, retired)| *retired > 0);
    status.columns = counted.map(|(column, retired)| ColumnCount { column, retired }).collect();
    let made = wrapping.into_iter().filter(|(id, (data_keys, _))| *data_keys > 0 || *id == newest);
    status.wrapping_keys = made
        .map(|(id, (data_keys, oldest))| {
            let known = records.keys().has(&id);
            WrappingKeyCount { newest: id == newest, known, data_keys, oldest, id }
        })
        .collect();
    Ok(status)
}

/// Data keys that this key-encryption key wraps, retired ones too, counted after every open transaction has ended: none,
/// and it may be taken out of the key ring.
///
/// # Errors
/// See [`super::RotateError`].
pub async fn wrapped_by(records: &Records, wrapping_key: &str, now: OffsetDateTime) -> Result<i64, super::RotateError> {
    super::wait::for_older_transactions(records).await?;
    let mut all = 0;
    for clinic in clinics::list(records).await? {
        let mut tx = records.begin(RequestContext::system("keys", clinic.id, now)).await?;
        all += sqlx::query_scalar!(
            r#"SELECT count(*) AS "wrapped!" FROM data_key WHERE clinic_id = current_clinic() AND wrapped IS NOT NULL AND wrapping_key = $1"#,
            wrapping_key,
        )
        .fetch_one(tx.connection()?)
        .await?;
        tx.commit(Pending(())).await?;
    }
    Ok(all)
}

fn earlier(a: Option<OffsetDateTime>, b: Option<OffsetDateTime>) -> Option<OffsetDateTime> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, None) | (None, one) => one,
    }
}
