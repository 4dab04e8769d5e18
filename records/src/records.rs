//! The door to the database.

use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Postgres, Row, Transaction};
use time::OffsetDateTime;
use tokio::sync::Semaphore;

use crate::audit::{Journal, Pulse};
use crate::key_ring::Keys;
use crate::policy::{self, PolicyError};
use crate::{Error, Pending, RequestContext, Tx, clinics, data_key, identity};

/// Connections to PostgreSQL. More than a few per core only makes them wait for each other.
const CONNECTIONS: u32 = 16;
/// How long a request waits for one of them.
const ACQUIRE_WITHIN: Duration = Duration::from_secs(5);
/// Passwords that are checked at once: each takes a core and 19 MiB for a while.
const PASSWORDS_AT_ONCE: usize = 2;
/// Where links in mails lead if nobody has said where the site is: nowhere.
const UNKNOWN_SITE: &str = "http://site.invalid";

/// The system of record: a pool of connections and the keys. Cheap to clone.
#[derive(Clone)]
pub struct Records {
    pool: PgPool,
    keys: Keys,
    password_checks: Arc<Semaphore>,
    identity: Arc<identity::Settings>,
    base_url: Arc<str>,
    pulse: Arc<Pulse>,
    journal: Arc<OnceLock<Journal>>,
}

impl Records {
    /// Connects as the app role, which must own nothing and must not be able to go around row-level security.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(app_url: &str, keys: impl Into<Keys>) -> Result<Self, ConnectError> {
        policy::load().map_err(|error| ConnectError::Policies(error.clone()))?;
        let pool = pool_options().connect_lazy_with(connect_options(app_url)?);
        let records = Self {
            pool,
            keys: keys.into(),
            password_checks: Arc::new(Semaphore::new(PASSWORDS_AT_ONCE)),
            identity: Arc::default(),
            base_url: Arc::from(UNKNOWN_SITE),
            pulse: Arc::default(),
            journal: Arc::default(),
        };
        records.check_role().await?;
        records.check_keys().await?;
        Ok(records)
    }

    /// The same with these decisions about identity.
    #[must_use]
    pub fn with_identity(self, settings: identity::Settings) -> Self {
        Self { identity: Arc::new(settings), ..self }
    }

    /// What this installation decided about identity.
    #[must_use]
    pub fn identity(&self) -> &identity::Settings {
        &self.identity
    }

    /// The same, with links in mails leading to the site at `base_url` (scheme and host, no slash at the end).
    #[must_use]
    pub fn reached_at(self, base_url: &str) -> Self {
        Self { base_url: Arc::from(base_url), ..self }
    }

    /// Where people reach the site.
    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Begins a transaction for `context`'s actor and clinic: the only way to the tables.
    ///
    /// # Errors
    /// The database can't be reached.
    pub async fn begin(&self, context: RequestContext) -> Result<Tx, Error> {
        let clinic = context.actor.clinic();
        let begun =
            self.begin_with(format!("{BEGIN}; SELECT set_config('bedside.clinic_id', '{clinic}', true)")).await?;
        Ok(Tx::new(begun, self.clone(), context))
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<(), Error> {
        Ok(self.single().await?.ping().await?)
    }

    /// Closes all connections, once those in use are given back.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Where checkpoints of the audit log are kept outside the database, and the key that signs. Said once, by the server.
    pub fn keep_journal(&self, journal: Journal) {
        let _ = self.journal.set(journal);
    }

    /// What [`Records::keep_journal`] said.
    #[must_use]
    pub fn journal(&self) -> Option<&Journal> {
        self.journal.get()
    }

    /// Waits until this process has committed so many rows of the audit log that a seal is full.
    pub async fn seal_is_full(&self) {
        self.pulse.full().await;
        self.pulse.reset();
    }

    pub(crate) fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// A transaction that has said no clinic, and so sees only what it has a secret for.
    pub(crate) async fn begin_without_clinic(&self) -> Result<Transaction<'static, Postgres>, Error> {
        self.begin_with(BEGIN.to_owned()).await
    }

    /// A connection for single statements that say no clinic: it answers, and no transaction is open on it.
    pub(crate) async fn single(&self) -> Result<PoolConnection<Postgres>, Error> {
        loop {
            let mut connection = self.pool.acquire().await?;
            match clean(&mut connection).await {
                Ok(()) => return Ok(connection),
                // As it goes out of sight, the pool finds it broken and drops it.
                Err(error) if is_lost(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// How to connect once more, beside the pool.
    pub(crate) fn connect_options(&self) -> Arc<PgConnectOptions> {
        self.pool.connect_options()
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    pub(crate) fn password_checks(&self) -> &Arc<Semaphore> {
        &self.password_checks
    }

    /// Begins on a task of its own: a request that is dropped in the middle can't leave a half-begun transaction behind
    /// (a fault of `sqlx` 0.9.0: the cancelled `begin` does not know that the server has begun).
    ///
    /// Whether the connection is still there and clean is not asked before, which would be a round trip for every
    /// transaction: [`BEGIN`] cleans, and when it is not answered nothing was done yet, so another connection is taken.
    async fn begin_with(&self, statement: String) -> Result<Transaction<'static, Postgres>, Error> {
        let pool = self.pool.clone();
        let begun = tokio::spawn(async move {
            // After so many, none of those that the pool held is left: the pool drops what is broken.
            for _ in 0..CONNECTIONS {
                match pool.begin_with(AssertSqlSafe(statement.clone())).await {
                    Err(error) if is_lost(&error) => {}
                    begun => return begun,
                }
            }
            pool.begin_with(AssertSqlSafe(statement)).await
        });
        match begun.await {
            Ok(begun) => Ok(begun?),
            Err(_) => Err(sqlx::Error::WorkerCrashed.into()),
        }
    }

    /// A lost key ring must be noticed before a new one seals anything beside what the lost one sealed.
    async fn check_keys(&self) -> Result<(), ConnectError> {
        for clinic in clinics::list(self).await.map_err(ConnectError::of)? {
            let context = RequestContext::system("start", clinic.id, OffsetDateTime::now_utc());
            let mut tx = self.begin(context).await.map_err(ConnectError::of)?;
            let wrapping_key = sqlx::query_scalar!(
                "SELECT wrapping_key FROM data_key WHERE purpose = 'clinic' AND owner_id = $1 AND activated_at IS NOT NULL AND retired_at IS NULL",
                clinic.id.0,
            )
            .fetch_optional(tx.connection().map_err(ConnectError::of)?)
            .await?;
            if wrapping_key.is_some_and(|key| !self.keys.has(&key)) {
                return Err(ConnectError::OtherKeyRing);
            }
            data_key::ensure_index_key(&mut tx).await.map_err(ConnectError::of)?;
            tx.commit(Pending(())).await.map_err(ConnectError::of)?;
        }
        Ok(())
    }

    async fn check_role(&self) -> Result<(), ConnectError> {
        let role = self
            .pool
            .fetch_one(
                "SELECT current_user::text AS name, r.rolsuper OR r.rolbypassrls
                        OR EXISTS (SELECT FROM pg_class c WHERE c.relowner = r.oid AND c.relkind IN ('r', 'p')) AS powerful
                 FROM pg_roles r WHERE r.rolname = current_user",
            )
            .await?;
        if role.try_get::<bool, _>("powerful")? {
            return Err(ConnectError::TooPowerful(role.try_get("name")?));
        }
        Ok(())
    }
}

fn pool_options() -> PgPoolOptions {
    PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(ACQUIRE_WITHIN).test_before_acquire(false)
}

fn connect_options(url: &str) -> Result<PgConnectOptions, sqlx::Error> {
    // `BEGIN` below warns when there is nothing to roll back, that is always.
    let quiet = [("client_min_messages", "error")];
    Ok(PgConnectOptions::from_str(url)?.application_name("bedside").statement_cache_capacity(256).options(quiet))
}

/// Begins a transaction, and gives up one that was left open on the connection: what it did would be committed with
/// this one, for another clinic.
const BEGIN: &str = "ROLLBACK; BEGIN";

/// Makes sure that a connection answers and that no transaction is open on it. In a statement of its own, a transaction
/// begins with the statement; in one that was left open, it began before.
async fn clean(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let row = connection.fetch_one(sqlx::raw_sql("SELECT transaction_timestamp() <> statement_timestamp()")).await?;
    if row.try_get::<bool, _>(0)? {
        tracing::warn!("a transaction was left open on a pooled connection and is rolled back");
        connection.execute(sqlx::raw_sql("ROLLBACK")).await?;
    }
    Ok(())
}

/// Whether the connection is gone, so that another one may be better.
fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        // PostgreSQL says that it shuts down, or that an administrator has ended this connection.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code.starts_with("57P0")),
        _ => false,
    }
}

/// The database can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// It does not answer, or refuses us.
    #[error("the database can't be reached: {0}")]
    Unreachable(#[from] sqlx::Error),
    /// This program's policies can't be used: a fault of the build.
    #[error("{0}; install a build that was tested")]
    Policies(PolicyError),
    /// The database was written with keys that this ring does not have.
    #[error(
        "the key ring is not the one that this database was written with; restore its file from your backup: without it the records can't be read"
    )]
    OtherKeyRing,
    /// The key service can't be asked, or refuses.
    #[error(transparent)]
    Keys(crate::key_ring::KeyServiceError),
    /// The role could see other clinics' rows.
    #[error("the database role {0} may go around row-level security; connect as bedside_app")]
    TooPowerful(String),
}

impl ConnectError {
    fn of(error: Error) -> Self {
        match error {
            Error::Keys(error) => Self::Keys(error),
            Error::Database(error) => Self::Unreachable(error.into_inner()),
            other => Self::Unreachable(sqlx::Error::Protocol(other.to_string())),
        }
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::testing::TestDatabase;

    #[tokio::test]
    async fn a_transaction_that_was_left_open_on_a_connection_is_gone_when_it_is_given_out_again() {
        let db = TestDatabase::new().await;
        let pool = pool_options().max_connections(1).connect_lazy_with(connect_options(&db.app_url()).unwrap());
        let records = Records { pool: pool.clone(), ..db.records() };
        // Behind sqlx's back, as a cancelled begin does; with a write that must not be kept.
        let leave_open = async || {
            let mut connection = pool.acquire().await.unwrap();
            let open = "BEGIN; SELECT set_config('bedside.clinic_id', gen_random_uuid()::text, true);
                        INSERT INTO audit_event (at, actor_kind, actor_role, action, resource_type, outcome)
                        VALUES (now(), 'unknown', 'unknown', 'test.left_open', 'staff', 'failed')";
            connection.execute(sqlx::raw_sql(open)).await.unwrap();
        };
        leave_open().await;
        let mut single = records.single().await.unwrap();
        let clinic: Option<uuid::Uuid> =
            sqlx::query_scalar("SELECT current_clinic()").fetch_one(&mut *single).await.unwrap();
        assert_eq!(clinic, None);
        drop(single);
        leave_open().await;
        let mut begun = records.begin_without_clinic().await.unwrap();
        let clinic: Option<uuid::Uuid> =
            sqlx::query_scalar("SELECT current_clinic()").fetch_one(&mut *begun).await.unwrap();
        assert_eq!(clinic, None);
        begun.commit().await.unwrap();
        let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM audit_event WHERE action = 'test.left_open'")
            .fetch_one(&mut db.owner().await)
            .await
            .unwrap();
        assert_eq!(kept, 0);
    }

    #[tokio::test]
    async fn a_connection_that_was_ended_meanwhile_is_not_noticed_by_who_begins() {
        let db = TestDatabase::new().await;
        let pool = pool_options().connect_lazy_with(connect_options(&db.app_url()).unwrap());
        let records = Records { pool: pool.clone(), ..db.records() };
        for single in [true, false] {
            let held = futures_util::future::join_all((0..CONNECTIONS).map(|_| pool.acquire())).await;
            let mut pids: Vec<i32> = Vec::new();
            for connection in held {
                let mut connection = connection.unwrap();
                pids.push(sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *connection).await.unwrap());
            }
            while pool.num_idle() < CONNECTIONS as usize {
                tokio::task::yield_now().await;
            }
            sqlx::query("SELECT pg_terminate_backend(pid, 60000) FROM unnest($1::int[]) pid")
                .bind(&pids)
                .execute(&mut db.owner().await)
                .await
                .unwrap();
            if single {
                records.single().await.unwrap();
            } else {
                records.begin_without_clinic().await.unwrap().commit().await.unwrap();
            }
        }
    }
}
