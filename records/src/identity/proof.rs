//! A second factor, checked: the one place where codes and security keys are looked at.

use time::OffsetDateTime;
use totp_rs::{Algorithm, Builder};
use visit::StaffId;

use crate::identity::factors::{FactorKind, SECRET};
use crate::identity::webauthn::{self, RelyingParty};
use crate::seal::Place;
use crate::sessions::SessionId;
use crate::{Error, Tx};

/// What a person shows as second factor.
#[derive(Clone, Copy)]
pub enum Proof<'a> {
    /// Six digits.
    Totp(&'a str),
    /// An authenticator's answer to the session's challenge.
    WebAuthn {
        /// `AuthenticationResponseJSON`.
        answer: &'a [u8],
        /// To whom.
        party: &'a RelyingParty,
    },
}

impl Proof<'_> {
    pub(crate) fn kind(&self) -> FactorKind {
        match self {
            Self::Totp(_) => FactorKind::Totp,
            Self::WebAuthn { .. } => FactorKind::WebAuthn,
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checked {
    Good,
    /// Why not, a word for the audit log. What was used up by trying stays used up: commit it.
    Bad(&'static str),
}

/// Checks `proof` for `staff` within `session`, and uses it up.
pub(crate) async fn check(
    tx: &mut Tx,
    staff: StaffId,
    session: SessionId,
    proof: &Proof<'_>,
) -> Result<Checked, Error> {
    match proof {
        Proof::Totp(code) => check_code(tx, staff, code).await,
        Proof::WebAuthn { answer, party } => webauthn::check(tx, party, staff, session, answer).await,
    }
}

async fn check_code(tx: &mut Tx, staff: StaffId, code: &str) -> Result<Checked, Error> {
    let at = tx.context().at;
    let rows = sqlx::query!(
        r#"SELECT second_factor_id, totp_secret AS "secret!" FROM second_factor
           WHERE staff_id = $1 AND clinic_id = current_clinic() AND kind = 'totp' AND confirmed_at IS NOT NULL AND removed_at IS NULL
           ORDER BY created_at, second_factor_id"#,
        staff.0,
    )
    .fetch_all(tx.connection()?)
    .await?;
    let keys = tx.clinic_keys().await?;
    let mut bad = "wrong";
    for row in rows {
        let secret = keys.open(Place::new(SECRET, row.second_factor_id), &row.secret)?;
        let Some(step) = matching_step(secret.expose(), code, at) else { continue };
        // Only a later step than any used before: of two who send the same code at once, one row update wins.
        let taken = sqlx::query!(
            "UPDATE second_factor SET totp_last_step = $2, last_used_at = $3
             WHERE second_factor_id = $1 AND clinic_id = current_clinic() AND removed_at IS NULL
               AND (totp_last_step IS NULL OR totp_last_step < $2)",
            row.second_factor_id,
            step,
            at,
        )
        .execute(tx.connection()?)
        .await?;
        if taken.rows_affected() == 1 {
            return Ok(Checked::Good);
        }
        bad = "used_before";
    }
    Ok(Checked::Bad(bad))
}

/// The step whose code this is (RFC 6238, 30 s): the current one, or one to either side.
pub(crate) fn matching_step(secret: &[u8], code: &str, now: OffsetDateTime) -> Option<i64> {
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
