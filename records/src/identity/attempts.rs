//! Counts failed tries per account, whether it exists or not: at the password by where they come from, so that nobody who
//! knows an address of e-mail keeps its owner out; at the second factor from anywhere, since those know the password.

use time::{Duration, OffsetDateTime};

use crate::context::network;
use crate::identity::devices::Known;
use crate::sign_in::{FAILURES_BY_STRANGERS_PER_HOUR, FAILURES_PER_MINUTE, FAILURES_TO_LOCK, LOCKED_FOR};
use crate::token::sha256;
use crate::{Error, Origin, Records, Tx};

/// How long failures are remembered.
const KEPT: Duration = Duration::days(1);
/// How long a stranger's failure counts for all strangers.
const STRANGERS_WINDOW: Duration = Duration::hours(1);

/// What is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Password,
    Factor,
}

/// Who tries at an account, as far as they are counted apart.
pub(crate) struct Tries {
    account: String,
    /// The browser's token, hashed, if it was seen to be one of the account's.
    device: Option<([u8; 32], Known)>,
    network: [u8; 16],
}

/// A try that counts as a failure until it is forgiven: many at once can't get around the count.
pub(crate) struct Attempt {
    count: [u8; 32],
    failures: Vec<i64>,
}

/// No try now.
pub(crate) enum Stop {
    TooFast {
        retry_after_s: i64,
    },
    Locked {
        until: OffsetDateTime,
    },
    /// Strangers have tried too often; browsers that are known may still come.
    Guarded {
        until: OffsetDateTime,
    },
    Failed(Error),
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Letters' case does not tell accounts apart. Dots and the like do: `m.chen@` and `mchen@` are two accounts, of which at
/// most one exists, so that writing an address differently does not give more tries at the same one.
pub(crate) fn folded(email: &str) -> String {
    email.trim().to_lowercase()
}

impl Tries {
    pub(crate) fn at(email: &str, origin: &Origin, known: Known) -> Self {
        let device = origin.device.as_ref().filter(|_| known != Known::No).map(|token| (token.hash(), known));
        Self { account: folded(email), device, network: origin.address.map_or([0; 16], network) }
    }

    /// A known browser has a count of its own at the password, and at the second factor if it has given one before. All
    /// others count by where they come from at the password, and together at the second factor.
    fn count(&self, door: Door) -> [u8; 32] {
        match (door, &self.device) {
            (Door::Password, Some((token, _))) => self.named(b"password, device", token),
            (Door::Password, None) => self.named(b"password, network", &self.network),
            (Door::Factor, Some((token, Known::SignedIn))) => self.named(b"factor, device", token),
            (Door::Factor, _) => self.named(b"factor", &[]),
        }
    }

    fn strangers(&self) -> [u8; 32] {
        self.named(b"strangers", &[])
    }

    fn named(&self, what: &[u8], place: &[u8]) -> [u8; 32] {
        sha256(&[what, b"\0", place, b"\0", self.account.as_bytes()].concat())
    }

    /// Counts a try.
    pub(crate) async fn begin(
        &self,
        door: Door,
        records: &Records,
        origin: &Origin,
        now: OffsetDateTime,
    ) -> Result<Attempt, Stop> {
        let address = origin.address.map_or_else(String::new, |address| address.to_string());
        let count = self.count(door);
        let mut tx = records.begin_without_clinic().await.map_err(Stop::Failed)?;
        // Locks the count's row: attempts on one count go one after the other.
        let row = lock(&mut tx, &count, now).await?;
        if let Some(until) = row.1.filter(|until| *until > now) {
            tx.commit().await?;
            return Err(Stop::Locked { until });
        }
        let minute = Duration::minutes(1);
        let (recent, first) = failures(&mut tx, &count, now - minute).await?;
        if recent >= FAILURES_PER_MINUTE {
            tx.commit().await?;
            let wait = first.map_or(minute, |first| first + minute - now);
            return Err(Stop::TooFast { retry_after_s: wait.whole_seconds().max(0) + 1 });
        }
        let mut counted = vec![count];
        if door == Door::Password && self.device.is_none() {
            let strangers = self.strangers();
            lock(&mut tx, &strangers, now).await?;
            let (all, first) = failures(&mut tx, &strangers, now - STRANGERS_WINDOW).await?;
            if all >= FAILURES_BY_STRANGERS_PER_HOUR {
                tx.commit().await?;
                return Err(Stop::Guarded { until: first.unwrap_or(now) + STRANGERS_WINDOW });
            }
            counted.push(strangers);
        }
        // The lock begins with the attempt that fills the count; the next one after it starts counting anew.
        let locks = row.0 + 1 >= FAILURES_TO_LOCK;
        sqlx::query!(
            "UPDATE sign_in_account SET failures = $2, locked_until = $3 WHERE account_hash = $1",
            &count[..],
            if locks { 0 } else { row.0 + 1 },
            locks.then_some(now + LOCKED_FOR),
        )
        .execute(&mut *tx)
        .await?;
        let mut failures = Vec::new();
        for count in &counted {
            let failure = sqlx::query_scalar!(
                "INSERT INTO sign_in_failure (account_hash, address, at) VALUES ($1, $2, $3) RETURNING sign_in_failure_id",
                &count[..],
                address,
                now,
            )
            .fetch_one(&mut *tx)
            .await?;
            failures.push(failure);
        }
        sqlx::query!("DELETE FROM sign_in_failure WHERE at < $1", now - KEPT).execute(&mut *tx).await?;
        sqlx::query!("DELETE FROM sign_in_account WHERE last_at < $1", now - KEPT).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(Attempt { count, failures })
    }

    /// Both factors were right: this place's failures before don't count any more. What strangers tried still does.
    pub(crate) async fn forget(&self, tx: &mut Tx) -> Result<(), Error> {
        self.forget_at(tx, &[Door::Password, Door::Factor]).await
    }

    /// The same, at these doors alone.
    pub(crate) async fn forget_at(&self, tx: &mut Tx, doors: &[Door]) -> Result<(), Error> {
        let counts: Vec<Vec<u8>> = doors.iter().map(|door| self.count(*door).to_vec()).collect();
        sqlx::query!(
            "UPDATE sign_in_account SET failures = 0, locked_until = NULL WHERE account_hash = ANY($1)",
            &counts
        )
        .execute(tx.connection()?)
        .await?;
        sqlx::query!("DELETE FROM sign_in_failure WHERE account_hash = ANY($1)", &counts)
            .execute(tx.connection()?)
            .await?;
        Ok(())
    }
}

impl Attempt {
    /// This one was no failure. Those before it still count, until the second factor is given as well.
    pub(crate) async fn forgive(self, tx: &mut Tx) -> Result<(), Error> {
        let gone = sqlx::query!("DELETE FROM sign_in_failure WHERE sign_in_failure_id = ANY($1)", &self.failures)
            .execute(tx.connection()?)
            .await?;
        if gone.rows_affected() > 0 {
            sqlx::query!(
                "UPDATE sign_in_account SET failures = CASE WHEN locked_until IS NULL THEN greatest(failures - 1, 0) ELSE $2 - 1 END, locked_until = NULL
                 WHERE account_hash = $1",
                &self.count[..],
                FAILURES_TO_LOCK,
            )
            .execute(tx.connection()?)
            .await?;
        }
        Ok(())
    }
}

/// Failures in a row, and until when it is locked. Holds the row.
async fn lock(
    tx: &mut sqlx::PgConnection,
    count: &[u8; 32],
    now: OffsetDateTime,
) -> Result<(i32, Option<OffsetDateTime>), sqlx::Error> {
    let row = sqlx::query!(
        "INSERT INTO sign_in_account (account_hash, last_at) VALUES ($1, $2)
         ON CONFLICT (account_hash) DO UPDATE SET last_at = $2 RETURNING failures, locked_until",
        &count[..],
        now,
    )
    .fetch_one(tx)
    .await?;
    Ok((row.failures, row.locked_until))
}

/// Failures since then, and when the first of them was.
async fn failures(
    tx: &mut sqlx::PgConnection,
    count: &[u8; 32],
    since: OffsetDateTime,
) -> Result<(i64, Option<OffsetDateTime>), sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "failures!", min(at) AS first FROM sign_in_failure WHERE account_hash = $1 AND at > $2"#,
        &count[..],
        since,
    )
    .fetch_one(tx)
    .await?;
    Ok((row.failures, row.first))
}
