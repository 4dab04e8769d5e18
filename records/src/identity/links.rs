//! Links in mails to members of staff: random, stored as hashes, used once, and not for long.

use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use visit::{ClinicId, StaffId};

use crate::token::{hash_token, random_token, well_formed};
use crate::{Error, Records, Tx};

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Invitation,
    PasswordReset,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Invitation => "invitation",
            Self::PasswordReset => "password_reset",
        }
    }

    /// How long a link works.
    pub(crate) fn life(self) -> Duration {
        match self {
            Self::Invitation => Duration::hours(72),
            Self::PasswordReset => Duration::minutes(30),
        }
    }
}

/// A link that was presented.
pub(crate) struct Link {
    pub id: Uuid,
    pub clinic: ClinicId,
    pub staff: StaffId,
    pub expires_at: OffsetDateTime,
}

/// Makes a link. An invitation takes the place of the former one; anybody may ask for a new password, so those before stay
/// good until one is used. The token is for the mail alone.
pub(crate) async fn issue(tx: &mut Tx, staff: StaffId, purpose: Purpose) -> Result<String, Error> {
    if purpose == Purpose::Invitation {
        revoke(tx, staff, purpose).await?;
    }
    let token = random_token();
    let context = tx.context().clone();
    let by = match context.actor {
        crate::Actor::Staff { id, .. } if purpose == Purpose::Invitation => Some(id.0),
        _ => None,
    };
    sqlx::query!(
        "INSERT INTO staff_link (staff_link_id, clinic_id, staff_id, purpose, token_hash, created_by, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        Uuid::now_v7(),
        context.actor.clinic().0,
        staff.0,
        purpose.as_str(),
        &hash_token(&token)[..],
        by,
        context.at,
        context.at + purpose.life(),
    )
    .execute(tx.connection()?)
    .await?;
    Ok(token)
}

/// Withdraws a person's links of this kind. Whether there were any.
pub(crate) async fn revoke(tx: &mut Tx, staff: StaffId, purpose: Purpose) -> Result<bool, Error> {
    let at = tx.context().at;
    let revoked = sqlx::query!(
        "UPDATE staff_link SET revoked_at = $3 WHERE staff_id = $1 AND purpose = $2 AND clinic_id = current_clinic() AND revoked_at IS NULL
         AND (used_at IS NULL OR purpose = 'invitation')",
        staff.0,
        purpose.as_str(),
        at,
    )
    .execute(tx.connection()?)
    .await?;
    Ok(revoked.rows_affected() > 0)
}

/// The link of this token, if it can be used. Looking uses nothing up: mail scanners do it.
pub(crate) async fn find(
    records: &Records,
    token: &str,
    purpose: Purpose,
    now: OffsetDateTime,
) -> Result<Option<Link>, Error> {
    if !well_formed(token) {
        return Ok(None);
    }
    let hash = hash_token(token);
    let mut tx = records.begin_without_clinic().await?;
    sqlx::query!("SELECT set_config('bedside.token_hash', $1, true)", hex::encode(hash)).fetch_one(&mut *tx).await?;
    let row = sqlx::query!(
        "SELECT staff_link_id, clinic_id, staff_id, expires_at FROM staff_link
         WHERE token_hash = $1 AND purpose = $2 AND used_at IS NULL AND revoked_at IS NULL AND expires_at > $3",
        &hash[..],
        purpose.as_str(),
        now,
    )
    .fetch_optional(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(row.map(|row| Link {
        id: row.staff_link_id,
        clinic: ClinicId(row.clinic_id),
        staff: StaffId(row.staff_id),
        expires_at: row.expires_at,
    }))
}

/// Uses a link up: of two who do it at once, one gets `true`.
pub(crate) async fn spend(tx: &mut Tx, link: &Link) -> Result<bool, Error> {
    let at = tx.context().at;
    let spent = sqlx::query!(
        "UPDATE staff_link SET used_at = $2
         WHERE staff_link_id = $1 AND clinic_id = current_clinic() AND used_at IS NULL AND revoked_at IS NULL AND expires_at > $2",
        link.id,
        at,
    )
    .execute(tx.connection()?)
    .await?;
    Ok(spent.rows_affected() == 1)
}
