//! The door to the database.

use crate::{Error, KeyRing, RequestContext, Tx};

/// The system of record: a pool of connections and the keys. Cheap to clone.
#[derive(Clone)]
pub struct Records {
    #[expect(dead_code, reason = "used as the tables come in")]
    keys: KeyRing,
}

impl Records {
    /// Connects as the app role, which must own nothing and must not be able to go around row-level security.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(_app_url: &str, keys: KeyRing) -> Result<Self, ConnectError> {
        Ok(Self { keys })
    }

    /// Begins a transaction for `context`'s actor and clinic: the only way to the tables.
    ///
    /// # Errors
    /// The database can't be reached.
    pub async fn begin(&self, _context: RequestContext) -> Result<Tx, Error> {
        Err(Error::Unfinished)
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<(), Error> {
        Err(Error::Unfinished)
    }

    /// Closes all connections.
    pub async fn close(&self) {}
}

/// The database can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// It does not answer, or refuses us.
    #[error("the database can't be reached: {0}")]
    Unreachable(#[from] sqlx::Error),
    /// The role could see other clinics' rows.
    #[error("the database role {0} may go around row-level security; connect as bedside_app")]
    TooPowerful(String),
}
