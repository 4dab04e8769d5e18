//! Brings a database to this version's schema.

/// Runs the migrations that `owner_url`'s database lacks, and makes the role `bedside_app` if it is missing.
///
/// # Errors
/// See [`MigrateError`]; the database is as it was before.
pub async fn migrate(_owner_url: &str) -> Result<(), MigrateError> {
    Err(MigrateError::Failed(crate::Error::Unfinished))
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
    /// Anything else.
    #[error("the database could not be brought up to date: {0}")]
    Failed(crate::Error),
}
