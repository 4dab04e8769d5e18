//! How somebody becomes a member of staff: invited by an administrator, a link by mail, a password, a second factor.

use time::OffsetDateTime;
use uuid::Uuid;
use visit::{Role, StaffId};

use crate::action::{InviteStaff, ManageInvitation, Resource};
use crate::audit::Entry;
use crate::identity::links::{self, Purpose};
use crate::identity::passwords::{self, PasswordRule};
use crate::identity::{letters, roster};
use crate::sessions::{self, NewSession};
use crate::{Actor, Authorized, Error, Origin, Pending, Phi, Records, RequestContext, SessionToken, Tx};

/// Roles that can be given by invitation. The installation's operator is made on its command line.
pub const ROLES: [Role; 5] = [Role::Provider, Role::Nurse, Role::FrontDesk, Role::ClinicAdmin, Role::Compliance];
/// Longest shown name, characters.
pub const MAX_NAME_CHARS: usize = 100;
/// Longest address, RFC 5321.
const MAX_EMAIL_CHARS: usize = 254;

/// Somebody to invite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitee {
    /// Where the link goes, and what they sign in with.
    pub email: String,
    /// Shown name.
    pub name: String,
    /// In which role.
    pub role: Role,
}

/// Invites somebody: an account that does not work yet, and a link by mail that makes it work.
///
/// # Errors
/// See [`InviteError`].
pub async fn invite(
    tx: &mut Tx,
    may: &Authorized<InviteStaff>,
    invitee: &Invitee,
) -> Result<Pending<StaffId>, InviteError> {
    tx.proved(may)?;
    let (id, token) = insert(tx, invitee).await?;
    letters::invitation(tx, id, &token, Purpose::Invitation.life()).await?;
    tx.logged_as(Entry {
        detail: Some(serde_json::json!({"role": invitee.role.as_str()})),
        ..Entry::new("staff.invite", Resource::Staff(id))
    });
    Ok(Pending(id))
}

/// Invites somebody on the installation's own command line, e.g. a clinic's first administrator. Gives the link's token
/// out instead of mailing it. An account that was invited before and does not work yet gets a new link.
///
/// # Errors
/// See [`InviteError`].
pub async fn invite_by_operator(tx: &mut Tx, invitee: &Invitee) -> Result<Pending<String>, InviteError> {
    tx.only_system()?;
    let invited = sqlx::query_scalar!(
        "SELECT staff_id FROM staff WHERE lower(email) = lower($1) AND clinic_id = current_clinic() AND activated_at IS NULL AND role = $2",
        invitee.email.trim(),
        invitee.role.as_str(),
    )
    .fetch_optional(tx.connection()?)
    .await
    .map_err(Error::from)?;
    let (id, token) = match invited {
        Some(id) => (StaffId(id), renew(tx, StaffId(id)).await?),
        None => insert(tx, invitee).await?,
    };
    tx.log(Entry {
        detail: Some(serde_json::json!({"role": invitee.role.as_str()})),
        ..Entry::new("staff.invite", Resource::Staff(id))
    });
    Ok(Pending(token))
}

/// Sends a new link in the place of the former one.
///
/// # Errors
/// See [`ResendError`].
pub async fn resend(tx: &mut Tx, may: &Authorized<ManageInvitation>) -> Result<Pending<()>, ResendError> {
    let staff = tx.proved(may)?.0;
    still_invited(tx, staff).await?;
    let token = renew(tx, staff).await?;
    letters::invitation(tx, staff, &token, Purpose::Invitation.life()).await?;
    tx.logged_as(Entry::new("staff.invitation_sent", Resource::Staff(staff)));
    Ok(Pending(()))
}

/// Withdraws an invitation: its link and what hangs on it end.
///
/// # Errors
/// See [`ResendError`].
pub async fn revoke(tx: &mut Tx, may: &Authorized<ManageInvitation>) -> Result<Pending<()>, ResendError> {
    let staff = tx.proved(may)?.0;
    still_invited(tx, staff).await?;
    links::revoke(tx, staff, Purpose::Invitation).await?;
    sessions::end_all_of(tx, staff, None).await?;
    tx.logged_as(Entry::new("staff.invitation_revoked", Resource::Staff(staff)));
    Ok(Pending(()))
}

/// What the page of an invitation shows before anything is typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Who is invited.
    pub name: String,
    /// What they will sign in with.
    pub email: String,
    /// In which role.
    pub role: Role,
    /// By which clinic.
    pub clinic: String,
    /// The link works until then.
    pub expires_at: OffsetDateTime,
}

/// The invitation of this link; `None` if it can't be used, whatever the reason. Looking uses nothing up.
///
/// # Errors
/// The database can't be reached.
pub async fn open(records: &Records, token: &str, now: OffsetDateTime) -> Result<Option<Invitation>, Error> {
    let Some(link) = links::find(records, token, Purpose::Invitation, now).await? else {
        return Ok(None);
    };
    let mut tx = records.begin(RequestContext::system("invitation", link.clinic, now)).await?;
    let row = sqlx::query!(
        "SELECT s.name, s.email, s.role, c.name AS clinic FROM staff s JOIN clinic c ON c.clinic_id = s.clinic_id
         WHERE s.staff_id = $1 AND s.clinic_id = current_clinic()",
        link.staff.0,
    )
    .fetch_one(tx.connection()?)
    .await?;
    let role = Role::parse(&row.role).ok_or(Error::UnknownValue("staff.role"))?;
    let (name, email, clinic, expires_at) = (row.name, row.email, row.clinic, link.expires_at);
    tx.commit(Pending(Some(Invitation { name, email, role, clinic, expires_at }))).await
}

/// Takes a password from whoever has the link. The token given back is good for setting up a second factor only.
///
/// # Errors
/// See [`AcceptError`].
pub async fn accept(
    records: &Records,
    origin: &Origin,
    token: &str,
    password: Phi<String>,
    now: OffsetDateTime,
) -> Result<SessionToken, AcceptError> {
    let link = links::find(records, token, Purpose::Invitation, now).await?.ok_or(AcceptError::NotUsable)?;
    let (staff, clinic) = (link.staff, link.clinic);
    let mut tx = records.begin(RequestContext::system("invitation", clinic, now)).await?;
    let known = sqlx::query!(
        "SELECT email, name, role FROM staff
         WHERE staff_id = $1 AND clinic_id = current_clinic() AND activated_at IS NULL AND deactivated_at IS NULL FOR UPDATE",
        staff.0
    )
    .fetch_optional(tx.connection()?)
    .await
    .map_err(Error::from)?
    .ok_or(AcceptError::NotUsable)?;
    let role = Role::parse(&known.role).ok_or(Error::UnknownValue("staff.role"))?;
    passwords::check(records, &password, &known.email, &known.name).await??;
    tx.act_as(Actor::Staff { id: staff, role, clinic }, origin.clone());
    if !links::spend(&mut tx, &link).await? {
        return Err(AcceptError::NotUsable);
    }
    passwords::store(&mut tx, staff, password).await?;
    let token = SessionToken::generate();
    sessions::insert(&mut tx, &token, staff, &NewSession::enrolling(now)).await?;
    tx.log(Entry::new("staff.invitation_accepted", Resource::Staff(staff)));
    Ok(tx.commit(Pending(token)).await?)
}

async fn insert(tx: &mut Tx, invitee: &Invitee) -> Result<(StaffId, String), InviteError> {
    let (email, name) = (invitee.email.trim(), invitee.name.trim());
    if !looks_like_an_address(email) {
        return Err(InviteError::BadEmail);
    }
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        return Err(InviteError::BadName);
    }
    let by_server = matches!(tx.context().actor, Actor::System { .. });
    let may_have = ROLES.contains(&invitee.role) || by_server && invitee.role == Role::SuperAdmin;
    if !may_have {
        return Err(InviteError::BadRole);
    }
    let id = StaffId(Uuid::now_v7());
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    let made = sqlx::query!(
        "INSERT INTO staff (staff_id, clinic_id, email, name, role, active, created_at) VALUES ($1, $2, $3, $4, $5, false, $6)
         ON CONFLICT ((lower(email))) DO NOTHING",
        id.0,
        clinic,
        email,
        name,
        invitee.role.as_str(),
        at,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    if made.rows_affected() != 1 {
        return Err(InviteError::EmailTaken);
    }
    let token = links::issue(tx, id, Purpose::Invitation).await?;
    Ok((id, token))
}

/// A new link; what came of the former one ends.
async fn renew(tx: &mut Tx, staff: StaffId) -> Result<String, Error> {
    sqlx::query!(
        "UPDATE staff SET password_hash = NULL, deactivated_at = NULL WHERE staff_id = $1 AND clinic_id = current_clinic() AND activated_at IS NULL",
        staff.0,
    )
    .execute(tx.connection()?)
    .await?;
    sessions::end_all_of(tx, staff, None).await?;
    links::issue(tx, staff, Purpose::Invitation).await
}

async fn still_invited(tx: &mut Tx, staff: StaffId) -> Result<(), ResendError> {
    match roster::standing(tx, staff).await? {
        roster::Standing::Invited => Ok(()),
        _ => Err(ResendError::NotInvited),
    }
}

/// No proof that mail arrives there; that is what the link is for.
pub(crate) fn looks_like_an_address(email: &str) -> bool {
    let Some((local, domain)) = email.rsplit_once('@') else { return false };
    !local.is_empty()
        && !domain.is_empty()
        && !domain.starts_with('.')
        && !domain.ends_with('.')
        && email.chars().count() <= MAX_EMAIL_CHARS
        && !email
            .chars()
            .any(|char| char.is_whitespace() || char.is_control() || matches!(char, '<' | '>' | ',' | ';' | '"'))
}

/// Nobody was invited.
#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    /// There is an account with this address.
    #[error("there is an account with this e-mail address already; use another one, or send its invitation again")]
    EmailTaken,
    /// Not an address.
    #[error("this is not an e-mail address; check it")]
    BadEmail,
    /// Not a name that can be shown.
    #[error("give a name of at most {MAX_NAME_CHARS} characters")]
    BadName,
    /// This role is not given by invitation.
    #[error("this role can't be given by invitation; choose another one")]
    BadRole,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}

/// An invitation was not sent again or withdrawn.
#[derive(Debug, thiserror::Error)]
pub enum ResendError {
    /// The account works already, or did.
    #[error("this account is not waiting for its invitation any more; reload the list")]
    NotInvited,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}

/// An invitation was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// Unknown, used, expired or withdrawn: all alike.
    #[error("this link can't be used; ask your clinic's administrator for a new one")]
    NotUsable,
    /// The password is not taken.
    #[error(transparent)]
    Password(#[from] PasswordRule),
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
