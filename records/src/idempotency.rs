//! The same creating request, sent twice, is done once and answered twice.

use serde::Serialize;
use serde::de::DeserializeOwned;
use time::Duration;
use uuid::Uuid;
use visit::StaffId;

use crate::seal::Place;
use crate::token::sha256;
use crate::{Error, Tx};

/// How long an answer is kept.
const KEPT: Duration = Duration::hours(24);

/// What is known of a key.
pub(crate) enum Repeat<T> {
    /// Nothing: do it, then [`remember`].
    First,
    /// It was done; this was the answer.
    Again(T),
    /// It was used for another request.
    Reused,
}

/// Claims `key` for `staff` and a request with this content. A second request with the same key waits here until the
/// first one is over.
pub(crate) async fn claim<T: DeserializeOwned>(
    tx: &mut Tx,
    staff: StaffId,
    key: &str,
    content: &[u8],
) -> Result<Repeat<T>, Error> {
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    let hash = sha256(content);
    sqlx::query!(
        "DELETE FROM idempotency_key WHERE clinic_id = $1 AND staff_id = $2 AND created_at < $3",
        clinic,
        staff.0,
        at - KEPT
    )
    .execute(tx.connection()?)
    .await?;
    let claimed = sqlx::query!(
        "INSERT INTO idempotency_key (clinic_id, staff_id, key, request_hash, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        clinic,
        staff.0,
        key,
        &hash[..],
        at,
    )
    .execute(tx.connection()?)
    .await?;
    if claimed.rows_affected() == 1 {
        return Ok(Repeat::First);
    }
    let row = sqlx::query!(
        "SELECT request_hash, response FROM idempotency_key WHERE clinic_id = $1 AND staff_id = $2 AND key = $3",
        clinic,
        staff.0,
        key
    )
    .fetch_one(tx.connection()?)
    .await?;
    match row.response {
        Some(response) if row.request_hash == hash => {
            let opened = tx.clinic_keys().await?.open(place(staff, key), &response)?;
            serde_json::from_slice(opened.expose())
                .map(Repeat::Again)
                .map_err(|_| Error::UnknownValue("idempotency_key.response"))
        }
        _ => Ok(Repeat::Reused),
    }
}

/// Keeps the answer, sealed: it may hold a link's token.
pub(crate) async fn remember<T: Serialize>(tx: &mut Tx, staff: StaffId, key: &str, answer: &T) -> Result<(), Error> {
    let clinic = tx.context().actor.clinic().0;
    let json = serde_json::to_vec(answer).map_err(|_| Error::UnknownValue("idempotency_key.response"))?;
    let sealed = tx.clinic_keys().await?.seal(place(staff, key), &json)?;
    sqlx::query!(
        "UPDATE idempotency_key SET response = $4 WHERE clinic_id = $1 AND staff_id = $2 AND key = $3",
        clinic,
        staff.0,
        key,
        sealed
    )
    .execute(tx.connection()?)
    .await?;
    Ok(())
}

fn place(staff: StaffId, key: &str) -> Place {
    Place::new("idempotency_key.response", Uuid::new_v5(&staff.0, key.as_bytes()))
}
