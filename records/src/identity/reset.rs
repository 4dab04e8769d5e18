//! A new password for whoever forgot it: a link by mail, which does not take the place of the second factor.

use time::{Duration, OffsetDateTime};
use visit::{Role, StaffId};

use crate::action::Resource;
use crate::audit::{self, Entry, Outcome};
use crate::identity::attempts::{Door, Tries, folded};
use crate::identity::links::{self, Purpose};
use crate::identity::passwords::{self, PasswordRule};
use crate::identity::{devices, letters};
use crate::{Actor, DeviceToken, Error, Origin, Pending, Phi, Records, RequestContext, sessions, sign_in};

/// Another link is mailed at the earliest after this long: nobody's mailbox is filled by strangers.
pub const AGAIN_AFTER: Duration = Duration::minutes(2);

/// Mails a link, if there is a working account with this address. Says nothing about it; call it where the caller does
/// not wait for it, so that time says nothing either.
///
/// # Errors
/// The database can't be reached.
pub async fn request(records: &Records, origin: &Origin, email: &str, now: OffsetDateTime) -> Result<(), Error> {
    let known = sign_in::find(records, &folded(email)).await?.filter(|known| known.active);
    let Some(staff) = known else {
        let mut tx = records.begin_without_clinic().await?;
        audit::write_unknown(&mut tx, now, origin, "password_reset.asked", "unknown_account").await?;
        return Ok(tx.commit().await?);
    };
    let mut tx = records.begin(staff.context(origin, now)).await?;
    let resource = Resource::Staff(staff.id);
    let lately = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM staff_link WHERE staff_id = $1 AND purpose = 'password_reset' AND clinic_id = current_clinic()
                          AND created_at > $2) AS "lately!""#,
        staff.id.0,
        now - AGAIN_AFTER,
    )
    .fetch_one(tx.connection()?)
    .await?;
    if lately {
        tx.log(Entry {
            outcome: Outcome::Denied,
            reason: Some("too_soon"),
            ..Entry::new("password_reset.asked", resource)
        });
        return tx.commit(Pending(())).await;
    }
    let token = links::issue(&mut tx, staff.id, Purpose::PasswordReset).await?;
    letters::password_reset(&mut tx, staff.id, &token, Purpose::PasswordReset.life()).await?;
    tx.log(Entry::new("password_reset.asked", resource));
    tx.commit(Pending(())).await
}

/// Takes a new password from whoever has the link, and ends all sessions of the account. Their browser is known from here
/// on: strangers who keep trying elsewhere do not keep it out.
///
/// # Errors
/// See [`ResetError`].
pub async fn complete(
    records: &Records,
    origin: &Origin,
    token: &str,
    password: Phi<String>,
    now: OffsetDateTime,
) -> Result<(StaffId, Option<DeviceToken>), ResetError> {
    let link = links::find(records, token, Purpose::PasswordReset, now).await?.ok_or(ResetError::NotUsable)?;
    let (staff, clinic) = (link.staff, link.clinic);
    let mut tx = records.begin(RequestContext::system("password_reset", clinic, now)).await?;
    let known = sqlx::query!(
        "SELECT email, name, role FROM staff WHERE staff_id = $1 AND clinic_id = current_clinic() AND active FOR UPDATE",
        staff.0
    )
    .fetch_optional(tx.connection()?)
    .await
    .map_err(Error::from)?
    .ok_or(ResetError::NotUsable)?;
    let role = Role::parse(&known.role).ok_or(Error::UnknownValue("staff.role"))?;
    passwords::check(records, &password, &known.email, &known.name).await??;
    tx.act_as(Actor::Staff { id: staff, role, clinic }, origin.clone());
    if !links::spend(&mut tx, &link).await? {
        return Err(ResetError::NotUsable);
    }
    links::revoke(&mut tx, staff, Purpose::PasswordReset).await?;
    passwords::store(&mut tx, staff, password).await?;
    sessions::end_all_of(&mut tx, staff, None).await?;
    let device = devices::recognise_by_mail(&mut tx, staff).await?;
    Tries::at(&known.email, origin, devices::Known::No).forget_at(&mut tx, &[Door::Password]).await?;
    letters::password_changed(&mut tx, staff).await?;
    tx.log(Entry::new("password_reset.done", Resource::Staff(staff)));
    Ok(tx.commit(Pending((staff, device))).await?)
}

/// The password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// Unknown, used, expired or replaced: all alike.
    #[error("this link can't be used; ask for a new one")]
    NotUsable,
    /// The password is not taken.
    #[error(transparent)]
    Password(#[from] PasswordRule),
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
