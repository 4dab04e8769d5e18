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
    Database(DatabaseError),
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

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(DatabaseError(error))
    }
}

/// What PostgreSQL or the way to it said, fit for logs: its own text may quote values (`invalid input syntax for type
/// date: "..."`), so only codes and names of the schema are shown.
pub struct DatabaseError(sqlx::Error);

impl std::fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            sqlx::Error::Database(error) => {
                write!(f, "SQLSTATE {}", error.code().unwrap_or_default())?;
                error.table().map_or(Ok(()), |table| write!(f, ", table {table}"))?;
                error.constraint().map_or(Ok(()), |constraint| write!(f, ", constraint {constraint}"))
            }
            sqlx::Error::Io(error) => write!(f, "connection: {}", error.kind()),
            sqlx::Error::Tls(_) => f.write_str("TLS"),
            sqlx::Error::Protocol(_) => f.write_str("protocol"),
            sqlx::Error::RowNotFound => f.write_str("a row is missing"),
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => f.write_str("a value can't be decoded"),
            sqlx::Error::PoolTimedOut => f.write_str("no connection was free in time"),
            sqlx::Error::PoolClosed => f.write_str("closed"),
            sqlx::Error::WorkerCrashed => f.write_str("interrupted"),
            _ => f.write_str("refused"),
        }
    }
}

impl std::fmt::Debug for DatabaseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for DatabaseError {}

impl DatabaseError {
    /// PostgreSQL's code for it (SQLSTATE), if it was PostgreSQL that refused.
    pub(crate) fn code(&self) -> Option<String> {
        Some(self.0.as_database_error()?.code()?.into_owned())
    }

    /// The whole of it, for those who start the server: nothing was asked with values yet.
    pub(crate) fn into_inner(self) -> sqlx::Error {
        self.0
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use std::error::Error as _;

    use super::*;
    use crate::testing::TestDatabase;

    const CANARY: &str = "canary-Quetzalcoatl";

    /// What PostgreSQL says to `sql`, and what is shown of it in every form that a log or an answer could have.
    async fn said(db: &TestDatabase, sql: &str) -> (String, String) {
        let error =
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut db.owner().await).await.unwrap_err();
        let whole = format!("{error:?}");
        let error = Error::from(error);
        let mut shown = format!("{error} {error:?} {error:#?}");
        let mut cause = error.source();
        while let Some(error) = cause {
            shown.push_str(&format!(" {error} {error:?}"));
            cause = error.source();
        }
        (whole, shown)
    }

    #[tokio::test]
    async fn no_value_is_shown_of_what_postgresql_refused() {
        let db = TestDatabase::empty().await;
        db.execute_as_owner(
            "CREATE TABLE parent (name text PRIMARY KEY);
             CREATE TABLE child (name text NOT NULL UNIQUE REFERENCES parent, born date, note text CHECK (length(note) < 3));
             INSERT INTO parent VALUES ('canary-Quetzalcoatl'), ('x'), ('y');
             INSERT INTO child VALUES ('canary-Quetzalcoatl');",
        )
        .await;
        for (sql, code) in [
            ("INSERT INTO child VALUES ('canary-Quetzalcoatl')", "23505"),
            ("INSERT INTO child VALUES ('canary-Quetzalcoatl-II')", "23503"),
            ("INSERT INTO child (name, note) VALUES ('x', 'canary-Quetzalcoatl')", "23514"),
            ("INSERT INTO child (name, note) VALUES (NULL, 'canary-Quetzalcoatl')", "23502"),
            ("SELECT 'canary-Quetzalcoatl'::date", "22007"),
            (
                "DO $$ BEGIN RAISE EXCEPTION 'canary-Quetzalcoatl' USING DETAIL = 'canary-Quetzalcoatl', HINT = 'canary-Quetzalcoatl'; END $$",
                "P0001",
            ),
        ] {
            let (whole, shown) = said(&db, sql).await;
            assert!(whole.contains(CANARY), "PostgreSQL did quote it, or this shows nothing: {whole}");
            assert!(!shown.contains("canary") && !shown.contains("Quetzalcoatl"), "{sql}: {shown}");
            assert!(shown.contains(code), "and yet it can be told what happened: {shown}");
        }
    }
}
