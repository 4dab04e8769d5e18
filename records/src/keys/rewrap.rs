//! Every data key under the newest key-encryption key: after `bedside keys add`, or when KMS takes over from the ring.
//! Recordings' keys too: their files stay as they are.

use time::OffsetDateTime;
use uuid::Uuid;
use visit::ClinicId;

use super::rotate::RotateError;
use super::wait;
use crate::action::Resource;
use crate::audit::Entry;
use crate::key_ring::{Bound, Wrapped};
use crate::{Error, Pending, Records, RequestContext, clinics};

/// Data keys in one transaction.
const BATCH: i64 = 100;

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrapped {
    /// Data keys that were wrapped again.
    pub data_keys: u64,
    /// The key-encryption key that wraps all of them now.
    pub wrapping_key: String,
}

/// Wraps with the newest key-encryption key every data key that another one wraps. When this returns, nothing in the
/// database needs the others.
///
/// # Errors
/// See [`RotateError`]; what was done is kept, and calling it again does the rest.
pub async fn rewrap(records: &Records, now: &impl Fn() -> OffsetDateTime) -> Result<Rewrapped, RotateError> {
    let newest = records.keys().newest().await.map_err(Error::from)?;
    let mut data_keys = 0;
    loop {
        // A transaction that is open now may have wrapped with an older key already and commit only later.
        wait::for_older_transactions(records).await?;
        let mut done = 0;
        for clinic in clinics::list(records).await? {
            done += rewrap_clinic(records, clinic.id, &newest, now).await?;
        }
        data_keys += done;
        if done == 0 {
            return Ok(Rewrapped { data_keys, wrapping_key: newest });
        }
    }
}

async fn rewrap_clinic(
    records: &Records,
    clinic: ClinicId,
    newest: &str,
    now: &impl Fn() -> OffsetDateTime,
) -> Result<u64, Error> {
    let (mut done, mut after) = (0, Uuid::nil());
    loop {
        let mut tx = records.begin(RequestContext::system("keys", clinic, now())).await?;
        let old = sqlx::query!(
            r#"SELECT data_key_id, purpose, owner_id, version, wrapping_key, wrapped AS "wrapped!" FROM data_key
               WHERE clinic_id = current_clinic() AND wrapped IS NOT NULL AND wrapping_key <> $1 AND data_key_id > $2
               ORDER BY data_key_id LIMIT $3"#,
            newest,
            after,
            BATCH,
        )
        .fetch_all(tx.connection()?)
        .await?;
        tx.commit(Pending(())).await?;
        let Some(last) = old.last() else { return Ok(done) };
        after = last.data_key_id;
        // The key service is asked while no transaction is open.
        let mut fresh = Vec::with_capacity(old.len());
        for row in old {
            let bound = Bound { purpose: &row.purpose, owner: row.owner_id, version: row.version };
            let before = Wrapped { wrapping_key: row.wrapping_key, bytes: row.wrapped };
            fresh.push((row.data_key_id, records.keys().rewrap(&before, bound).await?, before.bytes));
        }
        let mut tx = records.begin(RequestContext::system("keys", clinic, now())).await?;
        let mut changed = 0;
        for (id, wrapped, before) in fresh {
            // Unless it was destroyed meanwhile.
            let one = sqlx::query!(
                "UPDATE data_key SET wrapping_key = $2, wrapped = $3 WHERE data_key_id = $1 AND wrapped = $4",
                id,
                wrapped.wrapping_key,
                wrapped.bytes,
                before,
            )
            .execute(tx.connection()?)
            .await?;
            changed += one.rows_affected();
        }
        let detail = Some(serde_json::json!({ "data_keys": changed, "wrapping_key": newest }));
        tx.log(Entry { detail, ..Entry::new("data_keys.rewrapped", Resource::Clinic) });
        tx.commit(Pending(())).await?;
        done += changed;
    }
}
