//! Staff sign-in: password, then a one-time code. Wrong ones are counted per account, whether it exists or not.

use time::{Duration, OffsetDateTime};

use crate::sessions::StaffSession;
use crate::{Error, Origin, Phi, Records, SessionToken};

/// Failures per minute, per account and address, after which the next try has to wait.
pub const FAILURES_PER_MINUTE: i64 = 5;
/// Failures in a row, over any time, that lock the account.
pub const FAILURES_TO_LOCK: i32 = 10;
/// For how long it is locked.
pub const LOCKED_FOR: Duration = Duration::minutes(15);

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
    _records: &Records,
    _origin: &Origin,
    _email: &str,
    _password: Phi<String>,
    _now: OffsetDateTime,
) -> Result<SessionToken, PasswordError> {
    Err(Error::Unfinished.into())
}

/// Checks the one-time code (RFC 6238, 30 s, one step either way, each code once) and begins the session.
///
/// # Errors
/// See [`TotpError`].
pub async fn totp(
    _records: &Records,
    _origin: &Origin,
    _pending: &SessionToken,
    _code: &str,
    _now: OffsetDateTime,
) -> Result<SignedIn, TotpError> {
    Err(Error::Unfinished.into())
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
