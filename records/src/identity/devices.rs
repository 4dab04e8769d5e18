//! Browsers that a person has signed in with before, by a random cookie that opens nothing.

use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use visit::{ClinicId, StaffId};

use crate::{DeviceToken, Error, Origin, Records, RequestContext, Tx};

/// Without a sign-in for this long, a browser counts as new again. Its cookie lives as long.
pub const REMEMBERED_FOR: Duration = Duration::days(365);

/// A browser that a person had not signed in with before.
pub(crate) struct NewDevice {
    /// For its cookie; `None`: it has one from a mailed link.
    pub token: Option<DeviceToken>,
    /// The person had no other: they have just begun.
    pub first: bool,
}

/// Whether a browser is one of an account's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    No,
    /// Its holder used a link that was mailed to the account's owner.
    ByMail,
    /// It has signed in with both factors.
    SignedIn,
}

/// Whether the browser of `origin` is one of this account's. Asks the database whenever there is a cookie, also where
/// there is no such account: the time it takes tells nothing.
pub(crate) async fn known(
    records: &Records,
    origin: &Origin,
    account: Option<(ClinicId, StaffId)>,
    now: OffsetDateTime,
) -> Result<Known, Error> {
    let Some(token) = origin.device.as_ref() else { return Ok(Known::No) };
    let (clinic, staff) = account.unwrap_or((ClinicId(Uuid::nil()), StaffId(Uuid::nil())));
    let mut tx = records.begin(RequestContext::system("sign_in", clinic, now)).await?;
    let known = sqlx::query_scalar!(
        "SELECT signed_in FROM known_device WHERE clinic_id = current_clinic() AND staff_id = $1 AND token_hash = $2 AND last_seen_at > $3",
        staff.0,
        &token.hash()[..],
        now - REMEMBERED_FOR,
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(match known {
        None => Known::No,
        Some(false) => Known::ByMail,
        Some(true) => Known::SignedIn,
    })
}

/// Notes that `staff` signs in with the browser of the running request. A browser that was not known gets a token.
pub(crate) async fn recognise(tx: &mut Tx, staff: StaffId) -> Result<Option<NewDevice>, Error> {
    let at = tx.context().at;
    let mut has_cookie = false;
    if let Some(token) = tx.context().origin.device.clone() {
        let before = sqlx::query_scalar!(
            r#"UPDATE known_device d SET last_seen_at = $3, signed_in = true FROM known_device was
               WHERE d.clinic_id = current_clinic() AND d.staff_id = $1 AND d.token_hash = $2 AND d.last_seen_at > $4
                 AND was.known_device_id = d.known_device_id
               RETURNING was.signed_in AS "was!""#,
            staff.0,
            &token.hash()[..],
            at,
            at - REMEMBERED_FOR,
        )
        .fetch_optional(tx.connection()?)
        .await?;
        match before {
            Some(true) => return Ok(None),
            Some(false) => has_cookie = true,
            None => {}
        }
    }
    let others = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM known_device WHERE clinic_id = current_clinic() AND staff_id = $1) AS "others!""#,
        staff.0
    )
    .fetch_one(tx.connection()?)
    .await?;
    let token = if has_cookie { None } else { Some(insert(tx, staff, true).await?) };
    Ok(Some(NewDevice { token, first: !others }))
}

/// Notes that whoever holds the browser of the running request reads the mail of `staff`. Gives it a token if it has none.
pub(crate) async fn recognise_by_mail(tx: &mut Tx, staff: StaffId) -> Result<Option<DeviceToken>, Error> {
    let at = tx.context().at;
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
    Ok(Some(insert(tx, staff, false).await?))
}

async fn insert(tx: &mut Tx, staff: StaffId, signed_in: bool) -> Result<DeviceToken, Error> {
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    let token = DeviceToken::generate();
    sqlx::query!(
        "INSERT INTO known_device (known_device_id, clinic_id, staff_id, token_hash, first_seen_at, last_seen_at, signed_in)
         VALUES ($1, $2, $3, $4, $5, $5, $6)",
        Uuid::now_v7(),
        clinic,
        staff.0,
        &token.hash()[..],
        at,
        signed_in,
    )
    .execute(tx.connection()?)
    .await?;
    Ok(token)
}
