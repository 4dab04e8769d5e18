//! What can go wrong with any transaction.

/// A transaction could not be done; nothing of it remains.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such row, or it belongs to another clinic or to a patient without a care relationship: all look alike.
    #[error("there is no such record")]
    NotFound,
    /// The role alone refuses this, whatever the row.
    #[error("your role does not allow this; ask your clinic's administrator if you need it")]
    Forbidden,
    /// Allowed, but only with a second factor that was given just now.
    #[error("this needs your second factor again; confirm it and repeat the request")]
    StaleFactor,
    /// A proof that another transaction made: a fault of the program.
    #[error("a proof was used outside of the transaction that made it")]
    ForeignProof,
    /// PostgreSQL refused, or can't be reached.
    #[error("the database did not do it: {0}")]
    Database(#[from] sqlx::Error),
    /// A stored value does not open: wrong key ring, destroyed key, or somebody moved or changed it.
    #[error("a stored value does not open ({0}); check that the key ring is the one this database was written with")]
    Sealed(&'static str),
    /// The key-encryption keys can't be asked right now, or refuse.
    #[error(transparent)]
    Keys(crate::key_ring::KeyServiceError),
    /// A stored value is not one that this version writes.
    #[error("a stored value of {0} is unknown to this version; run the newer version")]
    UnknownValue(&'static str),
    /// The transaction ended with a refusal before.
    #[error("this request was refused before; send it again")]
    Over,
}
