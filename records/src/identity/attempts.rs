//! Counts failed tries per account, whether it exists or not.

use time::{Duration, OffsetDateTime};

use crate::sign_in::{FAILURES_PER_MINUTE, FAILURES_TO_LOCK, LOCKED_FOR};
use crate::token::sha256;
use crate::{Error, Origin, Records, Tx};

/// How long failures are remembered.
const KEPT: Duration = Duration::days(1);

/// An account as it is counted, whether it exists or not.
pub(crate) struct Account {
    pub email: String,
    hash: [u8; 32],
}

/// A try that counts as a failure until it is forgiven: many at once can't get around the count.
pub(crate) struct Attempt {
    account: [u8; 32],
    failure: i64,
}

/// No try now.
pub(crate) enum Stop {
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
    /// Letters' case does not tell accounts apart. Dots and the like do: `m.chen@` and `mchen@` are two accounts, of
    /// which at most one exists, so that writing an address differently does not give more tries at the same one.
    pub(crate) fn of(email: &str) -> Self {
        let email = email.trim().to_lowercase();
        Self { hash: sha256(email.as_bytes()), email }
    }

    /// Counts a try against the account, from wherever it comes: many addresses share one count.
    pub(crate) async fn begin_attempt(
        &self,
        records: &Records,
        origin: &Origin,
        now: OffsetDateTime,
    ) -> Result<Attempt, Stop> {
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
            r#"SELECT count(*) AS "failures!", min(at) AS first FROM sign_in_failure WHERE account_hash = $1 AND at > $2"#,
            &self.hash[..],
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
    pub(crate) async fn forget(&self, tx: &mut Tx) -> Result<(), Error> {
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
    pub(crate) async fn forgive(self, tx: &mut Tx) -> Result<(), Error> {
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
