//! Brings a database to this version's schema.

use sqlx::migrate::Migrator;
use sqlx::{Connection, PgConnection};

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// Runs the migrations that `owner_url`'s database lacks; the first one makes the role `bedside_app` if it is missing.
///
/// # Errors
/// See [`MigrateError`]; the database is as it was before, or as the last migration that worked left it.
pub async fn migrate(owner_url: &str) -> Result<(), MigrateError> {
    let mut owner = PgConnection::connect(owner_url).await?;
    let mut outcome = MIGRATIONS.run_direct(None, &mut owner, false).await;
    if outcome.is_ok() {
        // A server that was off for months finds its months.
        let made = sqlx::query("SELECT make_audit_months_ahead()").execute(&mut owner).await;
        outcome = made.map(|_| ()).map_err(sqlx::migrate::MigrateError::Execute);
    }
    // The lock is the session's: closing it gives the lock back also after an error.
    let closed = owner.close().await;
    outcome.map_err(|error| match error {
        sqlx::migrate::MigrateError::VersionMissing(version) => MigrateError::Newer(version),
        sqlx::migrate::MigrateError::VersionMismatch(version) => MigrateError::Changed(version),
        other => MigrateError::Failed(other.to_string()),
    })?;
    Ok(closed?)
}

/// The schema was not brought up.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A newer Bedside wrote this database.
    #[error("the database was made by a newer version (migration {0} is unknown here); run that version or newer")]
    Newer(i64),
    /// A migration was edited after it had run.
    #[error("migration {0} is not the one that this database ran; use an unchanged build")]
    Changed(i64),
    /// It does not answer, or refuses us.
    #[error("the database can't be reached: {0}")]
    Unreachable(#[from] sqlx::Error),
    /// Anything else.
    #[error("the database could not be brought up to date: {0}")]
    Failed(String),
}

/// Names this version's schema.
#[cfg(feature = "testing")]
pub(crate) fn fingerprint() -> String {
    let all: Vec<u8> = MIGRATIONS.iter().flat_map(|migration| migration.checksum.iter().copied()).collect();
    hex::encode(&crate::token::sha256(&all)[..6])
}
