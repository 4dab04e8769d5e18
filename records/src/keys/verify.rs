//! Opens every sealed value and every data key once: after a restore, a renewal, or an accident.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::key_ring::{Bound, Wrapped};
use crate::sealed_columns::{Found, SEALED, SealedColumn};
use crate::{Error, Pending, Records, RequestContext, Tx, clinics};

/// Values in one transaction.
const BATCH: i64 = 500;

/// A value that does not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unopened {
    /// `table.column`.
    pub column: &'static str,
    /// The row's id.
    pub row: Uuid,
    /// Tells rows with the same id apart.
    pub part: i64,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Data keys that unwrap.
    pub data_keys: u64,
    /// Values that open.
    pub values: u64,
    /// Values whose owner's key was destroyed on purpose, so that nobody can open them.
    pub destroyed: u64,
    /// Data keys that do not unwrap, by id.
    pub bad_keys: Vec<Uuid>,
    /// Values that do not open though their key is there.
    pub bad_values: Vec<Unopened>,
}

/// Opens everything, [`BATCH`] values at a time. Values are compared with nothing and go nowhere.
///
/// # Errors
/// The database or the key service can't be reached.
pub async fn verify(records: &Records, now: &impl Fn() -> OffsetDateTime) -> Result<Verified, Error> {
    let mut all = Verified::default();
    for clinic in clinics::list(records).await? {
        let begin = || records.begin(RequestContext::system("keys", clinic.id, now()));
        let mut after = Uuid::nil();
        loop {
            let mut tx = begin().await?;
            let Some(last) = some_keys(&mut tx, after, &mut all).await? else { break };
            tx.commit(Pending(())).await?;
            after = last;
        }
        for column in SEALED {
            let mut after = "(0,0)".to_owned();
            loop {
                let mut tx = begin().await?;
                let found = column.all(&mut tx, &after, BATCH).await?;
                let Some(last) = found.last() else { break };
                after.clone_from(&last.at);
                open(&mut tx, column, found, &mut all).await?;
                tx.commit(Pending(())).await?;
            }
        }
    }
    Ok(all)
}

async fn some_keys(tx: &mut Tx, after: Uuid, all: &mut Verified) -> Result<Option<Uuid>, Error> {
    let rows = sqlx::query!(
        r#"SELECT data_key_id, purpose, owner_id, version, wrapping_key, wrapped AS "wrapped!" FROM data_key
           WHERE clinic_id = current_clinic() AND wrapped IS NOT NULL AND data_key_id > $1 ORDER BY data_key_id LIMIT $2"#,
        after,
        BATCH,
    )
    .fetch_all(tx.connection()?)
    .await?;
    let last = rows.last().map(|row| row.data_key_id);
    for row in rows {
        let wrapped = Wrapped { wrapping_key: row.wrapping_key, bytes: row.wrapped };
        let bound = Bound { purpose: &row.purpose, owner: row.owner_id, version: row.version };
        match tx.records().keys().unwrap(&wrapped, bound).await.map_err(Error::from) {
            Ok(_) => all.data_keys += 1,
            Err(Error::Sealed(_)) => all.bad_keys.push(row.data_key_id),
            Err(error) => return Err(error),
        }
    }
    Ok(last)
}

async fn open(tx: &mut Tx, column: &SealedColumn, found: Vec<Found>, all: &mut Verified) -> Result<(), Error> {
    let mut owners: Vec<Uuid> = found.iter().map(|one| one.owner).collect();
    owners.sort_unstable();
    owners.dedup();
    let forgotten = sqlx::query_scalar!(
        r#"SELECT owner_id FROM data_key WHERE clinic_id = current_clinic() AND purpose = $1 AND owner_id = ANY($2)
           GROUP BY owner_id HAVING bool_and(wrapped IS NULL)"#,
        column.purpose(),
        &owners,
    )
    .fetch_all(tx.connection()?)
    .await?;
    for one in found {
        if forgotten.contains(&one.owner) {
            all.destroyed += 1;
            continue;
        }
        let opened = match tx.load_keys(column.purpose(), &[one.owner]).await {
            Ok(()) => tx.known_keys(one.owner).and_then(|keys| keys.open(one.place, &one.sealed)),
            Err(error) => Err(error),
        };
        match opened {
            Ok(_) => all.values += 1,
            Err(Error::Sealed(_)) => {
                all.bad_values.push(Unopened { column: column.name, row: one.place.row, part: one.place.part });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
