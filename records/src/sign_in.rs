//! Staff sign-in: password, then a second factor. Wrong ones are counted per account, whether it exists or not, and by where
//! they come from ([`crate::identity`], `attempts`).

use time::{Duration, OffsetDateTime};
use visit::{ClinicId, Role, StaffId};

use crate::action::Resource;
use crate::audit::{self, Entry, Outcome};
use crate::identity::attempts::{Door, Stop, Tries, folded};
use crate::identity::factors::{self, FactorKind};
use crate::identity::proof::{self, Checked};
use crate::identity::webauthn::{self, RelyingParty};
use crate::identity::{Proof, devices, letters, recovery, roster};
use crate::sessions::{self, Activity, NewSession, StaffSession};
use crate::{Actor, DeviceToken, Error, Origin, Pending, Phi, Records, RequestContext, SessionToken, Tx};

/// Failures per minute, per account and place (at the second factor: from anywhere), after which the next try has to wait.
pub const FAILURES_PER_MINUTE: i64 = 5;
/// Failures in a row, over any time, that lock the account for that place (at the second factor: for everybody but browsers
/// that signed in before).
pub const FAILURES_TO_LOCK: i32 = 10;
/// Wrong passwords per account and hour from all places together, after which only browsers that are known may try. More
/// than one place can reach before it is locked.
pub const FAILURES_BY_STRANGERS_PER_HOUR: i64 = 50;
/// The word in the audit log for a recovery code.
const RECOVERY: &str = "sign_in.recovery_code";
/// For how long it is locked.
pub const LOCKED_FOR: Duration = Duration::minutes(15);

/// The password was right.
#[derive(Debug)]
pub struct FirstFactor {
    /// For the cookie; good for the next step only.
    pub token: SessionToken,
    /// What comes next.
    pub next: Next,
}

/// What comes after the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// A second factor of one of these kinds.
    SecondFactor(Vec<FactorKind>),
    /// An invited person sets up a second factor first.
    Enrol,
}

/// Both factors were given.
pub struct SignedIn {
    /// For the cookie, instead of the one that was pending.
    pub token: SessionToken,
    /// Who.
    pub session: StaffSession,
    /// For the browser's own cookie, if it was not known before.
    pub device: Option<DeviceToken>,
}

/// What a second factor opens.
pub enum Entered {
    /// The clinic.
    In(Box<SignedIn>),
    /// Only the way to another second factor: this one was the last of its kind that helps, or is not enough for the role.
    Enrol(SessionToken),
}

/// Checks a password; the answer is a token that is good for [`second_factor`] only. Takes equally long for unknown accounts.
///
/// # Errors
/// See [`PasswordError`].
pub async fn password(
    records: &Records,
    origin: &Origin,
    email: &str,
    password: Phi<String>,
    now: OffsetDateTime,
) -> Result<FirstFactor, PasswordError> {
    let known = find(records, &folded(email)).await?;
    let device = devices::known(records, origin, known.as_ref().map(|staff| (staff.clinic, staff.id)), now).await?;
    let tries = Tries::at(email, origin, device);
    let attempt = tries.begin(Door::Password, records, origin, now).await.map_err(|stop| match stop {
        Stop::TooFast { retry_after_s } => PasswordError::TooFast { retry_after_s },
        Stop::Locked { until } => PasswordError::Locked { until },
        Stop::Guarded { until } => PasswordError::Guarded { until },
        Stop::Failed(error) => PasswordError::Failed(error),
    })?;
    let hash = known.as_ref().and_then(|staff| staff.password_hash.clone());
    if !crate::password::verify(records, password, hash).await? {
        log_wrong(records, origin, known.as_ref(), "sign_in.password", now).await?;
        return Err(PasswordError::Wrong);
    }
    let Some(staff) = known else {
        return Err(PasswordError::Wrong);
    };

    let mut tx = records.begin(staff.context(origin, now)).await?;
    let factors = if staff.active { kinds(&mut tx, staff.id).await? } else { Vec::new() };
    let enrolling = factors.is_empty();
    let may = !enrolling
        || if staff.active { was_reset(&mut tx, staff.id).await? } else { may_enrol(&mut tx, staff.id).await? };
    if !may {
        drop(tx);
        log_wrong(records, origin, Some(&staff), "sign_in.password", now).await?;
        return Err(PasswordError::Wrong);
    }
    attempt.forgive(&mut tx).await?;
    let next = if enrolling { Next::Enrol } else { Next::SecondFactor(factors) };
    let token = SessionToken::generate();
    let new = if enrolling { NewSession::enrolling(now) } else { NewSession::pending(now) };
    sessions::insert(&mut tx, &token, staff.id, &new).await?;
    tx.log(Entry::new("sign_in.password", Resource::Staff(staff.id)));
    tx.commit(Pending(())).await?;
    Ok(FirstFactor { token, next })
}

/// What an authenticator is to be asked, for the session that waits for a second factor.
///
/// # Errors
/// See [`SecondFactorError`].
pub async fn webauthn_options(
    records: &Records,
    origin: &Origin,
    party: &RelyingParty,
    pending: &SessionToken,
    now: OffsetDateTime,
) -> Result<String, SecondFactorError> {
    let session = pending_session(records, pending, now).await?;
    let mut tx = records.begin(context(&session, origin, now)).await?;
    let options = webauthn::begin_authentication(&mut tx, party, session.staff_id, session.session_id).await?;
    tx.commit(Pending(options)).await?.ok_or(SecondFactorError::Wrong)
}

/// Checks a second factor and begins the session.
///
/// # Errors
/// See [`SecondFactorError`].
pub async fn second_factor(
    records: &Records,
    origin: &Origin,
    pending: &SessionToken,
    proof: Proof<'_>,
    now: OffsetDateTime,
) -> Result<Entered, SecondFactorError> {
    let session = pending_session(records, pending, now).await?;
    let tries = attempt(records, origin, &session, now).await?;
    let mut tx = records.begin(context(&session, origin, now)).await?;
    let (staff, resource) = (session.staff_id, Resource::Staff(session.staff_id));
    if let Checked::Bad(reason) = proof::check(&mut tx, staff, session.session_id, &proof).await? {
        tx.log(Entry {
            outcome: Outcome::Failed,
            reason: Some(reason),
            ..Entry::new(proof.kind().sign_in_action(), resource)
        });
        tx.commit(Pending(())).await?;
        return Err(SecondFactorError::Wrong);
    }
    if !sessions::close(&mut tx, pending).await? {
        return Err(SecondFactorError::SignedOut);
    }
    let role = factors::lock(&mut tx, staff).await?;
    if !factors::usable(&tx, role, proof.kind()) {
        // The role needs a security key. Whoever has one must use it; whoever has none sets one up now.
        let has_key = factors::of(&mut tx, staff).await?.iter().any(|factor| factor.kind == FactorKind::WebAuthn);
        if has_key {
            tx.log(Entry {
                outcome: Outcome::Failed,
                reason: Some("needs_key"),
                ..Entry::new(proof.kind().sign_in_action(), resource)
            });
            tx.commit(Pending(())).await?;
            return Err(SecondFactorError::NeedsKey);
        }
        let token = SessionToken::generate();
        sessions::insert(&mut tx, &token, staff, &NewSession::enrolling(now)).await?;
        tx.log(Entry { reason: Some("needs_key"), ..Entry::new(proof.kind().sign_in_action(), resource) });
        tx.commit(Pending(())).await?;
        return Ok(Entered::Enrol(token));
    }
    tries.forget(&mut tx).await?;
    let entered = enter(&mut tx, session, proof.kind(), now).await?;
    tx.log(Entry::new(proof.kind().sign_in_action(), resource));
    Ok(Entered::In(Box::new(tx.commit(Pending(entered)).await?)))
}

/// A recovery code in the place of a second factor: opens only the way to a new factor.
///
/// # Errors
/// See [`SecondFactorError`].
pub async fn recovery(
    records: &Records,
    origin: &Origin,
    pending: &SessionToken,
    code: &str,
    now: OffsetDateTime,
) -> Result<SessionToken, SecondFactorError> {
    let session = pending_session(records, pending, now).await?;
    let tries = attempt(records, origin, &session, now).await?;
    let mut tx = records.begin(context(&session, origin, now)).await?;
    let resource = Resource::Staff(session.staff_id);
    if !recovery::spend(&mut tx, session.staff_id, code).await? {
        tx.log(Entry { outcome: Outcome::Failed, reason: Some("wrong"), ..Entry::new(RECOVERY, resource) });
        tx.commit(Pending(())).await?;
        return Err(SecondFactorError::Wrong);
    }
    if !sessions::close(&mut tx, pending).await? {
        return Err(SecondFactorError::SignedOut);
    }
    tries.forget(&mut tx).await?;
    let token = SessionToken::generate();
    sessions::insert(&mut tx, &token, session.staff_id, &NewSession::enrolling(now)).await?;
    let left = recovery::left(&mut tx, session.staff_id).await?;
    letters::recovery_used(&mut tx, session.staff_id, left).await?;
    tx.log(Entry::new(RECOVERY, resource));
    Ok(tx.commit(Pending(token)).await?)
}

/// Begins the session of somebody who has given all there is to give.
pub(crate) async fn enter(
    tx: &mut Tx,
    session: StaffSession,
    factor: FactorKind,
    now: OffsetDateTime,
) -> Result<SignedIn, Error> {
    let token = SessionToken::generate();
    let expires_at = now + sessions::longest_life(session.role);
    let new = NewSession::full(now, expires_at, factor);
    let session_id = sessions::insert(tx, &token, session.staff_id, &new).await?;
    let device = devices::recognise(tx, session.staff_id).await?;
    if device.as_ref().is_some_and(|device| !device.first) {
        letters::new_device(tx, session.staff_id).await?;
    }
    let session = StaffSession {
        session_id,
        second_factor_at: Some(now),
        idle_expires_at: now + sessions::IDLE,
        expires_at,
        ..session
    };
    Ok(SignedIn { token, session, device: device.and_then(|device| device.token) })
}

/// The living session of `token`, if it waits for a second factor.
async fn pending_session(
    records: &Records,
    token: &SessionToken,
    now: OffsetDateTime,
) -> Result<StaffSession, SecondFactorError> {
    let row = sessions::open(records, token, Activity::Background, now)
        .await?
        .filter(|row| row.kind == "pending" && !row.enrolling)
        .ok_or(SecondFactorError::SignedOut)?;
    Ok(sessions::staff_session(row)?)
}

/// Counts a try at the second factor of the session's account.
pub(crate) async fn attempt(
    records: &Records,
    origin: &Origin,
    session: &StaffSession,
    now: OffsetDateTime,
) -> Result<Tries, SecondFactorError> {
    let mut tx = records.begin(context(session, origin, now)).await?;
    let email = sqlx::query_scalar!(
        "SELECT email FROM staff WHERE staff_id = $1 AND clinic_id = current_clinic()",
        session.staff_id.0
    )
    .fetch_one(tx.connection()?)
    .await
    .map_err(Error::from)?;
    drop(tx);
    let device = devices::known(records, origin, Some((session.clinic.id, session.staff_id)), now).await?;
    let tries = Tries::at(&email, origin, device);
    tries.begin(Door::Factor, records, origin, now).await.map_err(|stop| match stop {
        Stop::TooFast { retry_after_s } => SecondFactorError::TooFast { retry_after_s },
        Stop::Locked { until } | Stop::Guarded { until } => SecondFactorError::Locked { until },
        Stop::Failed(error) => SecondFactorError::Failed(error),
    })?;
    Ok(tries)
}

pub(crate) fn context(session: &StaffSession, origin: &Origin, now: OffsetDateTime) -> RequestContext {
    let second_factor_at = session.second_factor_at;
    RequestContext { actor: session.actor(), at: now, origin: origin.clone(), second_factor_at }
}

pub(crate) async fn kinds(tx: &mut Tx, staff: StaffId) -> Result<Vec<FactorKind>, Error> {
    let mut kinds: Vec<FactorKind> = factors::of(tx, staff).await?.iter().map(|factor| factor.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    Ok(kinds)
}

/// Whether an invited person, who chose a password by the invitation's link, may still set up the second factor.
async fn may_enrol(tx: &mut Tx, staff: StaffId) -> Result<bool, Error> {
    let at = tx.context().at;
    let may = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM staff_link WHERE staff_id = $1 AND clinic_id = current_clinic() AND purpose = 'invitation'
                          AND used_at IS NOT NULL AND revoked_at IS NULL AND expires_at > $2) AS "may!""#,
        staff.0,
        at,
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(may)
}

/// Whether an administrator took this person's factors away lately: the password opens the way to a new one.
pub(crate) async fn was_reset(tx: &mut Tx, staff: StaffId) -> Result<bool, Error> {
    let at = tx.context().at;
    let was = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM staff WHERE staff_id = $1 AND clinic_id = current_clinic() AND active
                          AND factors_reset_at > $2) AS "was!""#,
        staff.0,
        at - roster::ENROL_AGAIN_WITHIN,
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(was)
}

/// An account that exists, active or invited.
pub(crate) struct Known {
    pub id: StaffId,
    clinic: ClinicId,
    role: Role,
    password_hash: Option<String>,
    pub active: bool,
}

impl Known {
    pub(crate) fn context(&self, origin: &Origin, now: OffsetDateTime) -> RequestContext {
        RequestContext {
            actor: Actor::Staff { id: self.id, role: self.role, clinic: self.clinic },
            at: now,
            origin: origin.clone(),
            second_factor_at: None,
        }
    }
}

pub(crate) async fn find(records: &Records, email: &str) -> Result<Option<Known>, Error> {
    let mut tx = records.begin_without_clinic().await?;
    sqlx::query!("SELECT set_config('bedside.email', $1, true)", email).fetch_one(&mut *tx).await?;
    let row = sqlx::query!(
        "SELECT staff_id, clinic_id, role, password_hash, active FROM staff
         WHERE lower(email) = $1 AND (active OR (activated_at IS NULL AND deactivated_at IS NULL))",
        email
    )
    .fetch_optional(&mut *tx)
    .await?;
    tx.commit().await?;
    let Some(row) = row else { return Ok(None) };
    let role = Role::parse(&row.role).ok_or(Error::UnknownValue("staff.role"))?;
    Ok(Some(Known {
        id: StaffId(row.staff_id),
        clinic: ClinicId(row.clinic_id),
        role,
        password_hash: row.password_hash,
        active: row.active,
    }))
}

async fn log_wrong(
    records: &Records,
    origin: &Origin,
    known: Option<&Known>,
    action: &'static str,
    now: OffsetDateTime,
) -> Result<(), Error> {
    match known {
        Some(staff) => {
            let mut tx = records.begin(staff.context(origin, now)).await?;
            tx.log(Entry {
                outcome: Outcome::Failed,
                reason: Some("wrong"),
                ..Entry::new(action, Resource::Staff(staff.id))
            });
            tx.commit(Pending(())).await
        }
        None => {
            let mut tx = records.begin_without_clinic().await?;
            audit::write_unknown(&mut tx, now, origin, action, "unknown_account").await?;
            Ok(tx.commit().await?)
        }
    }
}

/// The password was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Unknown account or wrong password: alike.
    #[error("e-mail or password is wrong; try again, or ask your clinic's administrator")]
    Wrong,
    /// Too many failures within a minute.
    #[error("too many tries; wait {retry_after_s} s")]
    TooFast {
        /// Seconds.
        retry_after_s: i64,
    },
    /// Too many failures in a row.
    #[error("the account is locked until {until} after too many tries; wait, or ask your clinic's administrator")]
    Locked {
        /// Until when.
        until: OffsetDateTime,
    },
    /// Too many failures from everywhere; browsers that are known may still come.
    #[error("until {until} this account opens only in browsers that are known; use one, or a link to a new password")]
    Guarded {
        /// Until when.
        until: OffsetDateTime,
    },
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}

/// The second factor was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum SecondFactorError {
    /// Wrong, or used already.
    #[error("the code or key is wrong or was used already; try again")]
    Wrong,
    /// A code is right, but this role has to use its security key.
    #[error("your role signs in with a security key; use it instead of a code")]
    NeedsKey,
    /// The password was given too long ago, or not at all.
    #[error("sign in with your password again")]
    SignedOut,
    /// Too many failures within a minute.
    #[error("too many tries; wait {retry_after_s} s")]
    TooFast {
        /// Seconds.
        retry_after_s: i64,
    },
    /// Too many failures in a row.
    #[error("the account is locked until {until} after too many tries; wait, or ask your clinic's administrator")]
    Locked {
        /// Until when.
        until: OffsetDateTime,
    },
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
