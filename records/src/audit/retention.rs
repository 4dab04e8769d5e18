//! Retention: a month's rows may go seven years after its end, by the database's own clock. What stays is their hashes.

use time::{Date, Month};

use crate::{Error, Records};

/// Makes the tables of the months to come; the server does so every day.
///
/// # Errors
/// The database can't be reached.
pub async fn make_months_ahead(records: &Records) -> Result<(), Error> {
    sqlx::query!("SELECT make_audit_months_ahead()").execute(&mut *records.single().await?).await?;
    Ok(())
}

/// Drops the rows of the month that begins on `month`; gives how many. The drop is itself in the log.
///
/// # Errors
/// See [`DropError`]; nothing was dropped.
pub async fn drop_month(records: &Records, month: Date) -> Result<u64, DropError> {
    let dropped = sqlx::query_scalar!(r#"SELECT drop_audit_month($1) AS "rows!""#, month)
        .fetch_one(&mut *records.single().await?)
        .await;
    match dropped {
        Ok(rows) => Ok(rows.unsigned_abs()),
        Err(sqlx::Error::Database(error)) => match error.code().as_deref() {
            Some("BA001") => Err(DropError::TooEarly(error.message().to_owned())),
            Some("BA002") => Err(DropError::None),
            Some("BA003") => Err(DropError::Unsealed),
            _ => Err(DropError::Failed(sqlx::Error::Database(error).into())),
        },
        Err(error) => Err(DropError::Failed(error.into())),
    }
}

/// `2026-11` as its first day.
#[must_use]
pub fn month(text: &str) -> Option<Date> {
    let (year, month) = text.split_once('-')?;
    let month = Month::try_from(month.parse::<u8>().ok()?).ok()?;
    Date::from_calendar_date(year.parse().ok()?, month, 1).ok()
}

/// The month is kept.
#[derive(Debug, thiserror::Error)]
pub enum DropError {
    /// Not yet.
    #[error("{0}: seven years have not passed; nothing can shorten that")]
    TooEarly(String),
    /// No rows of that month are stored.
    #[error("the audit log has no such month; it may have been dropped before")]
    None,
    /// Not all of it is in the tree.
    #[error("rows of this month are not sealed yet; start the server, and try again when it has sealed them")]
    Unsealed,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_a_year_and_a_month() {
        assert_eq!(month("2019-02"), Date::from_calendar_date(2019, Month::February, 1).ok());
        for wrong in ["2019", "2019-13", "2019-00", "x-1", ""] {
            assert_eq!(month(wrong), None, "{wrong}");
        }
    }
}
