//! Browsers that a person has signed in with before, by a random cookie that opens nothing.

use time::Duration;
use uuid::Uuid;
use visit::StaffId;

use crate::{DeviceToken, Error, Tx};

/// Without a sign-in for this long, a browser counts as new again. Its cookie lives as long.
pub const REMEMBERED_FOR: Duration = Duration::days(365);

/// A browser that a person had not signed in with before.
pub(crate) struct NewDevice {
    /// For its cookie.
    pub token: DeviceToken,
    /// The person had no other: they have just begun.
    pub first: bool,
}

/// Notes that `staff` signs in with the browser of the running request. A browser that was not known gets a token.
pub(crate) async fn recognise(tx: &mut Tx, staff: StaffId) -> Result<Option<NewDevice>, Error> {
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    if let Some(token) = tx.context().origin.device.clone() {
        let known = sqlx::query!(
            "UPDATE known_device SET last_seen_at = $3 WHERE clinic_id = current_clinic() AND staff_id = $1 AND token_hash = $2 AND last_seen_at > $4",
            staff.0,
            &token.hash()[..],
            at,
            at - REMEMBERED_FOR,
        )
        .execute(tx.connection()?)
        .await?;
        if known.rows_affected() == 1 {
            return Ok(None);
        }
    }
    let others = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM known_device WHERE clinic_id = current_clinic() AND staff_id = $1) AS "others!""#,
        staff.0
    )
    .fetch_one(tx.connection()?)
    .await?;
    let token = DeviceToken::generate();
    sqlx::query!(
        "INSERT INTO known_device (known_device_id, clinic_id, staff_id, token_hash, first_seen_at, last_seen_at) VALUES ($1, $2, $3, $4, $5, $5)",
        Uuid::now_v7(),
        clinic,
        staff.0,
        &token.hash()[..],
        at,
    )
    .execute(tx.connection()?)
    .await?;
    Ok(Some(NewDevice { token, first: !others }))
}
