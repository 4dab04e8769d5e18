//! A database that was put back from a backup is behind what was signed. An operator who knows why accepts that: what was
//! signed beyond it is set aside, never deleted, the log says so itself, and sealing goes on from what there is.

use sqlx::Executor as _;
use sqlx::postgres::PgConnection;
use time::OffsetDateTime;

use super::findings::{Fault, GivenUp, Report};
use super::journal::{Journal, JournalError};
use super::verify::{VerifyError, verify};
use super::{append, rows};
use crate::action::Resource;
use crate::{Error, Records, clinics};

/// As it stands in the log.
const ACTION: &str = "audit.restore_accepted";

/// Accepts that the database was put back: gives what was given up. Everything that is left must be as it was signed.
///
/// # Errors
/// See [`AcceptError`]; nothing was given up.
pub async fn accept_restore(records: &Records, journal: &Journal, now: OffsetDateTime) -> Result<GivenUp, AcceptError> {
    let mut connection = rows::connect(records).await?;
    let is_alone: bool = sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock(7016) AS "mine!""#)
        .fetch_one(&mut connection)
        .await
        .map_err(Error::from)?;
    if !is_alone {
        return Err(AcceptError::Sealing);
    }
    let accepted = accept(&mut connection, records, journal, now).await;
    connection.execute("SELECT pg_advisory_unlock(7016)").await.map_err(Error::from)?;
    accepted
}

async fn accept(
    connection: &mut PgConnection,
    records: &Records,
    journal: &Journal,
    now: OffsetDateTime,
) -> Result<GivenUp, AcceptError> {
    let report = verify(records, journal, |_| {}).await?;
    // What the log said of earlier restores may have gone with this one, and is said again.
    let (unlogged, faults): (Vec<&Fault>, Vec<&Fault>) =
        report.faults.iter().partition(|fault| matches!(fault, Fault::AsideUnlogged(_)));
    let given_up = match faults[..] {
        [] => return Err(AcceptError::NotBehind),
        [Fault::Truncated { size: 0, .. }] => return Err(AcceptError::Empty),
        [Fault::Truncated { size, sealed, .. }] => GivenUp { from: *size, to: *sealed },
        _ => return Err(AcceptError::Damaged(report.count)),
    };
    // In this order: cut off at any point, it can be done again, and nothing is set aside without a word in the log.
    journal.set_aside(given_up)?;
    for fault in unlogged {
        if let Fault::AsideUnlogged(earlier) = fault {
            log(connection, records, *earlier, now).await?;
        }
    }
    log(connection, records, given_up, now).await?;
    journal.cut(given_up.from)?;
    Ok(given_up)
}

/// For the installation, and where each clinic's compliance sees it.
async fn log(
    connection: &mut PgConnection,
    records: &Records,
    given_up: GivenUp,
    now: OffsetDateTime,
) -> Result<(), Error> {
    let detail = serde_json::json!({ "from": given_up.from, "to": given_up.to });
    for clinic in clinics::list(records).await? {
        append(records, "operator", clinic.id, now, ACTION, Resource::Clinic, Some(detail.clone())).await?;
    }
    sqlx::query!(
        "INSERT INTO audit_event (at, actor_kind, actor_role, action, resource_type, outcome, detail)
         VALUES ($1, 'system', 'operator', $2, 'audit', 'allowed', $3)",
        now,
        ACTION,
        detail,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Compares what was set aside with what the log says of it.
pub(super) async fn examine(
    connection: &mut PgConnection,
    journal: &Journal,
    report: &mut Report,
) -> Result<(), VerifyError> {
    let said = sqlx::query!(
        r#"SELECT DISTINCT (detail->>'from')::bigint AS "from!", (detail->>'to')::bigint AS "to!" FROM audit_event
           WHERE action = $1 AND clinic_id IS NULL ORDER BY 1, 2"#,
        ACTION,
    )
    .fetch_all(connection)
    .await
    .map_err(Error::from)?;
    let said: Vec<GivenUp> =
        said.iter().map(|row| GivenUp { from: row.from.unsigned_abs(), to: row.to.unsigned_abs() }).collect();
    let aside = journal.aside()?;
    for one in &said {
        report.given_up.push(*one);
        if !aside.contains(one) {
            report.push(Fault::AsideMissing(*one));
        }
    }
    for one in aside.into_iter().filter(|one| !said.contains(one)) {
        report.push(Fault::AsideUnlogged(one));
    }
    Ok(())
}

/// Nothing was accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// A running server seals this log: it has nothing to complain of.
    #[error("the log is being sealed, so it is not behind; nothing is to be accepted")]
    Sealing,
    /// The database has all that was signed.
    #[error("the database has everything that was signed; nothing is to be accepted")]
    NotBehind,
    /// No seal at all.
    #[error(
        "the database has no sealed row, so it is no backup of this log; restore the database that belongs to this data folder"
    )]
    Empty,
    /// More is wrong than an end that is missing.
    #[error(
        "more is wrong with the log than an end that is missing ({0} faults); run: bedside audit verify, and restore a backup that is intact"
    )]
    Damaged(u64),
    /// See [`VerifyError`].
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// See [`JournalError`].
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
