//! Staff sign-in: password, then a one-time code. Wrong ones are counted per account, whether it exists or not.

use time::{Duration, OffsetDateTime};
use totp_rs::{Algorithm, Builder};
use visit::{ClinicId, Role, StaffId};

use crate::action::Resource;
use crate::audit::{self, Entry, Outcome};
use crate::seal::Place;
use crate::sessions::{self, Activity, StaffSession};
use crate::token::sha256;
use crate::{Actor, Error, Origin, Pending, Phi, Records, RequestContext, SessionToken, Tx};

/// Failures per minute, per account and address, after which the next try has to wait.
pub const FAILURES_PER_MINUTE: i64 = 5;
/// Failures in a row, over any time, that lock the account.
pub const FAILURES_TO_LOCK: i32 = 10;
/// For how long it is locked.
pub const LOCKED_FOR: Duration = Duration::minutes(15);
/// How long failures are remembered.
const KEPT: Duration = Duration::days(1);

/// Both factors were given.
pub struct SignedIn {
    /// For the cookie, instead of the one that was pending.
    pub token: SessionToken,
    /// Who.
    pub session: StaffSession,
}

/// Checks a password; the answer is a token that is good for [`totp`] only. Takes equally long for unknown accounts.
///
/// # Errors
/// See [`PasswordError`].
pub async fn password(
    records: &Records,
    origin: &Origin,
    email: &str,
    password: Phi<String>,
    now: OffsetDateTime,
) -> Result<SessionToken, PasswordError> {
    let account = Account::of(email);
    let attempt = account.begin_attempt(records, origin, now).await.map_err(|stop| match stop {
        Stop::TooFast { retry_after_s } => PasswordError::TooFast { retry_after_s },
        Stop::Locked { until } => PasswordError::Locked { until },
        Stop::Failed(error) => PasswordError::Failed(error),
    })?;
    let known = find(records, &account.email).await?;
    let hash = known.as_ref().map(|staff| staff.password_hash.clone());
    if !crate::password::verify(records, password, hash).await? {
        log_wrong(records, origin, known.as_ref(), "sign_in.password", now).await?;
        return Err(PasswordError::Wrong);
    }
    let Some(staff) = known else {
        return Err(PasswordError::Wrong);
    };

    let mut tx = records.begin(staff.context(origin, now)).await?;
    attempt.forgive(&mut tx).await?;
    let token = SessionToken::generate();
    insert_session(&mut tx, &token, "pending", staff.id, now + sessions::SECOND_FACTOR_WITHIN).await?;
    tx.log(Entry::new("sign_in.password", Resource::Staff(staff.id)));
    tx.commit(Pending(())).await?;
    Ok(token)
}

/// Checks the one-time code (RFC 6238, 30 s, one step either way, each code once) and begins the session.
///
/// # Errors
/// See [`TotpError`].
pub async fn totp(
    records: &Records,
    origin: &Origin,
    pending: &SessionToken,
    code: &str,
    now: OffsetDateTime,
) -> Result<SignedIn, TotpError> {
    let row = sessions::open(records, pending, Activity::Background, now)
        .await?
        .filter(|row| row.kind == "pending")
        .ok_or(TotpError::SignedOut)?;
    let session = sessions::staff_session(row)?;
    let context = RequestContext { actor: session.actor(), at: now, origin: origin.clone(), second_factor_at: None };
    let resource = Resource::Staff(session.staff_id);

    let mut tx = records.begin(context.clone()).await?;
    let staff = sqlx::query!(
        "SELECT email, totp_secret FROM staff WHERE staff_id = $1 AND clinic_id = current_clinic()",
        session.staff_id.0
    )
    .fetch_one(tx.connection()?)
    .await
    .map_err(Error::from)?;
    let keys = tx.clinic_keys().await?;
    drop(tx);

    let account = Account::of(&staff.email);
    account.begin_attempt(records, origin, now).await.map_err(|stop| match stop {
        Stop::TooFast { retry_after_s } => TotpError::TooFast { retry_after_s },
        Stop::Locked { until } => TotpError::Locked { until },
        Stop::Failed(error) => TotpError::Failed(error),
    })?;
    let secret = keys.open(Place::new("staff.totp_secret", session.staff_id.0), &staff.totp_secret)?;
    let step = matching_step(secret.expose(), code, now);

    let mut tx = records.begin(context.clone()).await?;
    let accepted = match step {
        None => false,
        // Only a later step than any used before: of two who send the same code at once, one row update wins.
        Some(step) => {
            let taken = sqlx::query!(
                "UPDATE staff SET totp_last_step = $2 WHERE staff_id = $1 AND (totp_last_step IS NULL OR totp_last_step < $2)",
                session.staff_id.0,
                step,
            )
            .execute(tx.connection()?)
            .await
            .map_err(Error::from)?;
            taken.rows_affected() == 1
        }
    };
    if !accepted {
        let reason = if step.is_some() { "used_before" } else { "wrong" };
        tx.log(Entry { outcome: Outcome::Failed, reason: Some(reason), ..Entry::new("sign_in.totp", resource) });
        tx.commit(Pending(())).await?;
        return Err(TotpError::Wrong);
    }
    if !sessions::close(&mut tx, pending).await? {
        return Err(TotpError::SignedOut);
    }
    account.forget(&mut tx).await?;
    let token = SessionToken::generate();
    let expires_at = now + sessions::longest_life(session.role);
    insert_session(&mut tx, &token, "staff", session.staff_id, expires_at).await?;
    tx.log(Entry::new("sign_in.totp", resource));
    tx.commit(Pending(())).await?;
    Ok(SignedIn { token, session: StaffSession { idle_expires_at: now + sessions::IDLE, expires_at, ..session } })
}

/// The step whose code this is: the current one, or one to either side.
fn matching_step(secret: &[u8], code: &str, now: OffsetDateTime) -> Option<i64> {
    let now = u64::try_from(now.unix_timestamp()).ok()?;
    let totp = Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(6)
        .with_skew(1)
        .with_step_duration(30)
        .with_secret(secret.to_vec())
        .build_noncompliant();
    i64::try_from(totp.check(code.trim(), now)?).ok()
}

/// An account as it is counted, whether it exists or not.
struct Account {
    email: String,
    hash: [u8; 32],
}

/// A try that counts as a failure until it is forgiven: many at once can't get around the count.
struct Attempt {
    account: [u8; 32],
    failure: i64,
}

enum Stop {
    TooFast { retry_after_s: i64 },
    Locked { until: OffsetDateTime },
    Failed(Error),
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl Account {
    fn of(email: &str) -> Self {
        let email = email.trim().to_lowercase();
        Self { hash: sha256(email.as_bytes()), email }
    }

    async fn begin_attempt(&self, records: &Records, origin: &Origin, now: OffsetDateTime) -> Result<Attempt, Stop> {
        let address = origin.address.map_or_else(String::new, |address| address.to_string());
        let mut tx = records.begin_without_clinic().await.map_err(Stop::Failed)?;
        // Locks the account's row: attempts on one account go one after the other.
        let row = sqlx::query!(
            "INSERT INTO sign_in_account (account_hash, last_at) VALUES ($1, $2)
             ON CONFLICT (account_hash) DO UPDATE SET last_at = $2 RETURNING failures, locked_until",
            &self.hash[..],
            now,
        )
        .fetch_one(&mut *tx)
        .await?;
        if let Some(until) = row.locked_until.filter(|until| *until > now) {
            tx.commit().await?;
            return Err(Stop::Locked { until });
        }
        let minute = Duration::minutes(1);
        let recent = sqlx::query!(
            r#"SELECT count(*) AS "failures!", min(at) AS first FROM sign_in_failure WHERE account_hash = $1 AND address = $2 AND at > $3"#,
            &self.hash[..],
            address,
            now - minute,
        )
        .fetch_one(&mut *tx)
        .await?;
        if recent.failures >= FAILURES_PER_MINUTE {
            tx.commit().await?;
            let wait = recent.first.map_or(minute, |first| first + minute - now);
            return Err(Stop::TooFast { retry_after_s: wait.whole_seconds().max(0) + 1 });
        }
        // The lock begins with the attempt that fills the count; the next one after it starts counting anew.
        let locks = row.failures + 1 >= FAILURES_TO_LOCK;
        sqlx::query!(
            "UPDATE sign_in_account SET failures = $2, locked_until = $3 WHERE account_hash = $1",
            &self.hash[..],
            if locks { 0 } else { row.failures + 1 },
            locks.then_some(now + LOCKED_FOR),
        )
        .execute(&mut *tx)
        .await?;
        let failure = sqlx::query_scalar!(
            "INSERT INTO sign_in_failure (account_hash, address, at) VALUES ($1, $2, $3) RETURNING sign_in_failure_id",
            &self.hash[..],
            address,
            now,
        )
        .fetch_one(&mut *tx)
        .await?;
        sqlx::query!("DELETE FROM sign_in_failure WHERE at < $1", now - KEPT).execute(&mut *tx).await?;
        sqlx::query!("DELETE FROM sign_in_account WHERE last_at < $1", now - KEPT).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(Attempt { account: self.hash, failure })
    }

    /// Both factors were right: the failures before don't count any more.
    async fn forget(&self, tx: &mut Tx) -> Result<(), Error> {
        sqlx::query!(
            "UPDATE sign_in_account SET failures = 0, locked_until = NULL WHERE account_hash = $1",
            &self.hash[..]
        )
        .execute(tx.connection()?)
        .await?;
        sqlx::query!("DELETE FROM sign_in_failure WHERE account_hash = $1", &self.hash[..])
            .execute(tx.connection()?)
            .await?;
        Ok(())
    }
}

impl Attempt {
    /// This one was no failure. Those before it still count, until the second factor is given as well.
    async fn forgive(self, tx: &mut Tx) -> Result<(), Error> {
        let gone = sqlx::query!("DELETE FROM sign_in_failure WHERE sign_in_failure_id = $1", self.failure)
            .execute(tx.connection()?)
            .await?;
        if gone.rows_affected() == 1 {
            sqlx::query!(
                "UPDATE sign_in_account SET failures = CASE WHEN locked_until IS NULL THEN greatest(failures - 1, 0) ELSE $2 - 1 END, locked_until = NULL
                 WHERE account_hash = $1",
                &self.account[..],
                FAILURES_TO_LOCK,
            )
            .execute(tx.connection()?)
            .await?;
        }
        Ok(())
    }
}

/// An account that exists.
struct Known {
    id: StaffId,
    clinic: ClinicId,
    role: Role,
    password_hash: String,
}

impl Known {
    fn context(&self, origin: &Origin, now: OffsetDateTime) -> RequestContext {
        RequestContext {
            actor: Actor::Staff { id: self.id, role: self.role, clinic: self.clinic },
            at: now,
            origin: origin.clone(),
            second_factor_at: None,
        }
    }
}

async fn find(records: &Records, email: &str) -> Result<Option<Known>, Error> {
    let mut tx = records.begin_without_clinic().await?;
    sqlx::query!("SELECT set_config('bedside.email', $1, true)", email).fetch_one(&mut *tx).await?;
    let row = sqlx::query!(
        "SELECT staff_id, clinic_id, role, password_hash FROM staff WHERE lower(email) = $1 AND active",
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

async fn insert_session(
    tx: &mut Tx,
    token: &SessionToken,
    kind: &str,
    staff: StaffId,
    expires_at: OffsetDateTime,
) -> Result<(), Error> {
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    sqlx::query!(
        "INSERT INTO session (token_hash, clinic_id, kind, staff_id, created_at, last_seen_at, expires_at) VALUES ($1, $2, $3, $4, $5, $5, $6)",
        &token.hash()[..],
        clinic,
        kind,
        staff.0,
        at,
        expires_at,
    )
    .execute(tx.connection()?)
    .await?;
    Ok(())
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
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}

/// The one-time code was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum TotpError {
    /// Wrong, or used already.
    #[error("the code is wrong or was used already; wait for the next one")]
    Wrong,
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
