//! The clinic's staff: who there is, in which role, and who still works here.

use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use visit::{Role, StaffId};

use crate::action::{ChangeRole, DeactivateStaff, ReactivateStaff, ReadStaff, ResetFactors, Resource};
use crate::audit::Entry;
use crate::identity::invitations::ROLES;
use crate::identity::links::{self, Purpose};
use crate::identity::{FactorKind, factors, letters, recovery};
use crate::text_enum::text_enum;
use crate::{Authorized, Error, Pending, Phi, Tx, sessions};

/// How long after [`reset_factors`] a password leads to a new second factor.
pub const ENROL_AGAIN_WITHIN: Duration = Duration::hours(72);
/// Shortest reason for it, characters.
pub const MIN_REASON_CHARS: usize = 5;
/// Longest.
pub const MAX_REASON_CHARS: usize = 500;

text_enum! {
    /// How an account stands.
    Standing {
        /// It has never worked: the second factor is not set up yet.
        Invited = "invited",
        /// It works.
        Active = "active",
        /// Its owner has left.
        Deactivated = "deactivated",
    }
}

text_enum! {
    /// How an invitation stands.
    InvitationState {
        /// The link can be used.
        Open = "open",
        /// A password was chosen, a second factor not yet.
        Accepted = "accepted",
        /// It is too late.
        Expired = "expired",
        /// It was withdrawn.
        Revoked = "revoked",
    }
}

/// One account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub id: StaffId,
    /// Shown name.
    pub name: String,
    /// To sign in with.
    pub email: String,
    /// In which role.
    pub role: Role,
    /// How the account stands.
    pub standing: Standing,
    /// How the invitation stands, of those who are invited.
    pub invitation: Option<InvitationState>,
    /// When the invitation ends, of those who are invited.
    pub invitation_expires_at: Option<OffsetDateTime>,
    /// Kinds of second factors that work.
    pub factors: Vec<FactorKind>,
    /// Last session that began.
    pub last_sign_in_at: Option<OffsetDateTime>,
}

/// Everybody, by name.
///
/// # Errors
/// The database can't be reached.
pub async fn list(tx: &mut Tx, may: &Authorized<ReadStaff>) -> Result<Pending<Vec<Member>>, Error> {
    tx.proved(may)?;
    let at = tx.context().at;
    let rows = sqlx::query!(
        r#"SELECT s.staff_id, s.name, s.email, s.role, s.active, s.activated_at, l.used_at AS "used_at?", l.revoked_at AS "revoked_at?",
                  l.expires_at AS "expires_at?",
                  (SELECT max(x.created_at) FROM session x WHERE x.clinic_id = s.clinic_id AND x.staff_id = s.staff_id AND x.kind = 'staff') AS last_sign_in_at,
                  ARRAY(SELECT DISTINCT f.kind FROM second_factor f WHERE f.clinic_id = s.clinic_id AND f.staff_id = s.staff_id
                        AND f.confirmed_at IS NOT NULL AND f.removed_at IS NULL ORDER BY f.kind) AS "kinds!"
           FROM staff s
           LEFT JOIN LATERAL (SELECT i.used_at, i.revoked_at, i.expires_at FROM staff_link i
                              WHERE i.clinic_id = s.clinic_id AND i.staff_id = s.staff_id AND i.purpose = 'invitation'
                              ORDER BY i.created_at DESC, i.staff_link_id DESC LIMIT 1) l ON true
           WHERE s.clinic_id = current_clinic() ORDER BY lower(s.name), s.staff_id"#,
    )
    .fetch_all(tx.connection()?)
    .await?;
    let mut members = Vec::with_capacity(rows.len());
    for row in rows {
        let standing = stands(row.active, row.activated_at);
        let invitation = (standing == Standing::Invited).then(|| match (row.revoked_at, row.used_at, row.expires_at) {
            (Some(_), ..) => InvitationState::Revoked,
            (None, _, Some(until)) if until <= at => InvitationState::Expired,
            (None, Some(_), _) => InvitationState::Accepted,
            (None, None, Some(_)) => InvitationState::Open,
            (None, None, None) => InvitationState::Revoked,
        });
        members.push(Member {
            id: StaffId(row.staff_id),
            name: row.name,
            email: row.email,
            role: Role::parse(&row.role).ok_or(Error::UnknownValue("staff.role"))?,
            standing,
            invitation,
            invitation_expires_at: row.expires_at.filter(|_| standing == Standing::Invited),
            factors: row.kinds.iter().map(|kind| FactorKind::parse(kind)).collect::<Result<_, _>>()?,
            last_sign_in_at: row.last_sign_in_at,
        });
    }
    Ok(Pending(members))
}

/// Gives somebody another role, and ends their sessions: the next one has the new rights.
///
/// # Errors
/// See [`RosterError`].
pub async fn change_role(tx: &mut Tx, may: &Authorized<ChangeRole>, role: Role) -> Result<Pending<()>, RosterError> {
    let staff = tx.proved(may)?.0;
    if !ROLES.contains(&role) {
        return Err(RosterError::BadRole);
    }
    let former = lock_role(tx, staff).await?;
    if former == Role::ClinicAdmin && role != former {
        keep_an_admin(tx, staff).await?;
    }
    sqlx::query!(
        "UPDATE staff SET role = $2 WHERE staff_id = $1 AND clinic_id = current_clinic()",
        staff.0,
        role.as_str()
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    if role != former {
        sessions::end_all_of(tx, staff, None).await?;
    }
    tx.logged_as(Entry {
        detail: Some(serde_json::json!({"from": former.as_str(), "to": role.as_str()})),
        ..Entry::new("staff.role", Resource::Staff(staff))
    });
    Ok(Pending(()))
}

/// Ends somebody's access at once: account, sessions, links.
///
/// # Errors
/// See [`RosterError`].
pub async fn deactivate(tx: &mut Tx, may: &Authorized<DeactivateStaff>) -> Result<Pending<()>, RosterError> {
    let staff = tx.proved(may)?.0;
    if lock_role(tx, staff).await? == Role::ClinicAdmin {
        keep_an_admin(tx, staff).await?;
    }
    let at = tx.context().at;
    let left = sqlx::query!(
        "UPDATE staff SET active = false, deactivated_at = $2 WHERE staff_id = $1 AND clinic_id = current_clinic() AND active",
        staff.0,
        at,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    if left.rows_affected() != 1 {
        return Err(RosterError::OtherStanding);
    }
    sessions::end_all_of(tx, staff, None).await?;
    links::revoke(tx, staff, Purpose::PasswordReset).await?;
    tx.logged_as(Entry::new("staff.deactivate", Resource::Staff(staff)));
    Ok(Pending(()))
}

/// Lets somebody back in who was deactivated, with the password and factors of before.
///
/// # Errors
/// See [`RosterError`].
pub async fn reactivate(tx: &mut Tx, may: &Authorized<ReactivateStaff>) -> Result<Pending<()>, RosterError> {
    let staff = tx.proved(may)?.0;
    let back = sqlx::query!(
        "UPDATE staff SET active = true, deactivated_at = NULL
         WHERE staff_id = $1 AND clinic_id = current_clinic() AND NOT active AND activated_at IS NOT NULL",
        staff.0,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    if back.rows_affected() != 1 {
        return Err(RosterError::OtherStanding);
    }
    tx.logged_as(Entry::new("staff.reactivate", Resource::Staff(staff)));
    Ok(Pending(()))
}

/// Takes all second factors and recovery codes of somebody away, ends their sessions and tells them by mail. For
/// [`ENROL_AGAIN_WITHIN`] their password opens the way to a new factor, and nothing else. Says why in the log.
///
/// # Errors
/// See [`RosterError`].
pub async fn reset_factors(
    tx: &mut Tx,
    may: &Authorized<ResetFactors>,
    reason: &Phi<String>,
) -> Result<Pending<()>, RosterError> {
    let staff = tx.proved(may)?.0;
    let chars = reason.expose().trim().chars().count();
    if !(MIN_REASON_CHARS..=MAX_REASON_CHARS).contains(&chars) {
        return Err(RosterError::Reason);
    }
    factors::lock(tx, staff).await?;
    let at = tx.context().at;
    let reset = sqlx::query!(
        "UPDATE staff SET factors_reset_at = $2 WHERE staff_id = $1 AND clinic_id = current_clinic() AND active",
        staff.0,
        at,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    if reset.rows_affected() != 1 {
        return Err(RosterError::OtherStanding);
    }
    factors::destroy(tx, staff, None).await?;
    recovery::void(tx, staff).await?;
    sessions::end_all_of(tx, staff, None).await?;
    letters::factors_reset(tx, staff).await?;
    let mut entry = Entry::new("staff.reset_factors", Resource::Staff(staff));
    tx.private_detail(&mut entry, reason).await?;
    tx.logged_as(entry);
    Ok(Pending(()))
}

/// How an account stands.
pub(crate) async fn standing(tx: &mut Tx, staff: StaffId) -> Result<Standing, Error> {
    let row = sqlx::query!(
        "SELECT active, activated_at FROM staff WHERE staff_id = $1 AND clinic_id = current_clinic() FOR UPDATE",
        staff.0
    )
    .fetch_optional(tx.connection()?)
    .await?
    .ok_or(Error::NotFound)?;
    Ok(stands(row.active, row.activated_at))
}

fn stands(active: bool, activated_at: Option<OffsetDateTime>) -> Standing {
    match (active, activated_at) {
        (true, _) => Standing::Active,
        (false, Some(_)) => Standing::Deactivated,
        (false, None) => Standing::Invited,
    }
}

async fn lock_role(tx: &mut Tx, staff: StaffId) -> Result<Role, Error> {
    // Two administrators who remove each other do it one after the other, so that the second one finds the last.
    let clinic: Uuid = tx.context().actor.clinic().0;
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended('roster ' || $1::text, 0))", clinic.to_string())
        .execute(tx.connection()?)
        .await?;
    factors::lock(tx, staff).await
}

async fn keep_an_admin(tx: &mut Tx, but: StaffId) -> Result<(), RosterError> {
    let others = sqlx::query_scalar!(
        r#"SELECT count(*) AS "others!" FROM staff WHERE clinic_id = current_clinic() AND role = 'clinic_admin' AND active AND staff_id <> $1"#,
        but.0,
    )
    .fetch_one(tx.connection()?)
    .await
    .map_err(Error::from)?;
    if others == 0 { Err(RosterError::LastAdmin) } else { Ok(()) }
}

/// An account was not changed.
#[derive(Debug, thiserror::Error)]
pub enum RosterError {
    /// The clinic would have no administrator.
    #[error("this is the clinic's last administrator; make somebody else one first")]
    LastAdmin,
    /// Not a role that is given here.
    #[error("this role can't be given here; choose another one")]
    BadRole,
    /// Too short or too long.
    #[error("say why in {MIN_REASON_CHARS} to {MAX_REASON_CHARS} characters")]
    Reason,
    /// It was changed in the meantime.
    #[error("the account has changed in the meantime; reload the list")]
    OtherStanding,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
