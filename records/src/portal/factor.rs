//! The portal's optional second factor: a code from an authenticator app (RFC 6238), switched on and off by its owner.

use aws_lc_rs::rand;
use time::{Duration, OffsetDateTime};
use totp_rs::{Algorithm, Builder};
use uuid::Uuid;
use visit::{GuardianId, PatientId};
use zeroize::Zeroizing;

use super::{PortalSession, sessions};
use crate::action::{ManagePortalAccess, Resource};
use crate::audit::{Entry, Outcome};
use crate::seal::Place;
use crate::sessions::Activity;
use crate::{Authorized, Error, Origin, Pending, Records, SessionToken, Tx};

/// Wrong codes in a row after which none is taken for a while.
pub const FAILURES_TO_LOCK: i32 = 5;
/// For that long.
pub const LOCKED_FOR: Duration = Duration::minutes(15);
/// 160 bits, as RFC 4226 recommends.
const SECRET_BYTES: usize = 20;
const SECRET: &str = "portal_factor.totp_secret";

/// A code was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// Wrong, or used already.
    #[error("the code is wrong or was used already; wait for the next one")]
    Wrong,
    /// Too many wrong ones.
    #[error("too many wrong codes; wait a quarter of an hour")]
    Locked,
    /// The link was used too long ago, or not at all.
    #[error("ask for a new link")]
    SignedOut,
    /// There is nothing to confirm or to switch off.
    #[error("there is no second factor to confirm; begin again")]
    NotBegun,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}

/// Whether one of the two has switched it on.
pub(super) async fn is_on(
    tx: &mut Tx,
    patient: Option<PatientId>,
    guardian: Option<GuardianId>,
) -> Result<bool, Error> {
    let on = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM portal_factor WHERE clinic_id = current_clinic() AND (patient_id = $1 OR guardian_id = $2)
                          AND confirmed_at IS NOT NULL AND removed_at IS NULL) AS "on!""#,
        patient.map(|id| id.0),
        guardian.map(|id| id.0),
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(on)
}

/// Whether it is on.
///
/// # Errors
/// The database can't be reached.
pub async fn state(
    tx: &mut Tx,
    may: &Authorized<ManagePortalAccess>,
    session: &PortalSession,
) -> Result<Pending<bool>, Error> {
    tx.proved(may)?;
    Ok(Pending(is_on(tx, session.patient, session.guardian).await?))
}

/// Makes a secret for an authenticator app, in base32. It counts only once a code of it was given.
///
/// # Errors
/// [`CodeError::NotBegun`] if it is on already: switch it off first.
pub async fn begin(
    tx: &mut Tx,
    may: &Authorized<ManagePortalAccess>,
    session: &PortalSession,
) -> Result<Pending<Zeroizing<String>>, CodeError> {
    tx.proved(may)?;
    if is_on(tx, session.patient, session.guardian).await? {
        return Err(CodeError::NotBegun);
    }
    remove_rows(tx, session).await?;
    let mut secret = Zeroizing::new([0u8; SECRET_BYTES]);
    rand::fill(&mut *secret).map_err(|_| Error::Sealed("second factor"))?;
    let id = Uuid::now_v7();
    let sealed = tx.clinic_keys().await?.seal(Place::new(SECRET, id), &*secret)?;
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    let (patient, guardian) = owner(session);
    sqlx::query!(
        "INSERT INTO portal_factor (portal_factor_id, clinic_id, patient_id, guardian_id, totp_secret, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
        id,
        clinic,
        patient,
        guardian,
        sealed,
        at,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    Ok(Pending(Zeroizing::new(totp_rs::Secret::from(*secret).to_base32())))
}

/// Switches it on: the code shows that the app has the secret.
///
/// # Errors
/// See [`CodeError`].
pub async fn confirm(
    records: &Records,
    origin: &Origin,
    session: &PortalSession,
    code: &str,
    now: OffsetDateTime,
) -> Result<(), CodeError> {
    let mut tx = records.begin(session.context(origin, now)).await?;
    tx.authorize(ManagePortalAccess).await?;
    let checked = check(&mut tx, session, code, false).await?;
    if let Some(id) = settled(checked)? {
        sqlx::query!("UPDATE portal_factor SET confirmed_at = $2 WHERE portal_factor_id = $1", id, now)
            .execute(tx.connection()?)
            .await
            .map_err(Error::from)?;
        sqlx::query!(
            "UPDATE portal_session SET second_factor_at = $2 WHERE portal_session_id = $1 AND clinic_id = current_clinic()",
            session.id,
            now
        )
        .execute(tx.connection()?)
        .await
        .map_err(Error::from)?;
        tx.logged_as(entry(session, "portal.second_factor_on"));
        return Ok(tx.commit(Pending(())).await?);
    }
    wrong(tx, session, "portal.second_factor_on").await
}

/// Switches it off; a code shows that it is its owner who does it.
///
/// # Errors
/// See [`CodeError`].
pub async fn remove(
    records: &Records,
    origin: &Origin,
    session: &PortalSession,
    code: &str,
    now: OffsetDateTime,
) -> Result<(), CodeError> {
    let mut tx = records.begin(session.context(origin, now)).await?;
    tx.authorize(ManagePortalAccess).await?;
    let checked = check(&mut tx, session, code, true).await?;
    if settled(checked)?.is_some() {
        remove_rows(&mut tx, session).await?;
        tx.logged_as(entry(session, "portal.second_factor_off"));
        return Ok(tx.commit(Pending(())).await?);
    }
    wrong(tx, session, "portal.second_factor_off").await
}

/// The code after the link: gives a full session in place of the one that waited.
///
/// # Errors
/// See [`CodeError`].
pub async fn sign_in(
    records: &Records,
    origin: &Origin,
    pending: &SessionToken,
    code: &str,
    now: OffsetDateTime,
) -> Result<SessionToken, CodeError> {
    let found = sessions::open(records, pending, Activity::Background, now).await?;
    let (_, session) = found.filter(|(full, _)| !full).ok_or(CodeError::SignedOut)?;
    let mut tx = records.begin(session.context(origin, now)).await?;
    let checked = check(&mut tx, &session, code, true).await?;
    if settled(checked)?.is_none() {
        return wrong(tx, &session, "portal.second_factor").await;
    }
    if !sessions::close(&mut tx, session.id).await? {
        return Err(CodeError::SignedOut);
    }
    let token = sessions::insert(&mut tx, session.patient, session.guardian, false, Some(now)).await?;
    tx.log(entry(&session, "portal.second_factor"));
    Ok(tx.commit(Pending(token)).await?)
}

enum Checked {
    Good(Uuid),
    Wrong,
    Locked,
    None,
}

fn settled(checked: Checked) -> Result<Option<Uuid>, CodeError> {
    match checked {
        Checked::Good(id) => Ok(Some(id)),
        Checked::Wrong => Ok(None),
        Checked::Locked => Err(CodeError::Locked),
        Checked::None => Err(CodeError::NotBegun),
    }
}

/// Compares the code with the current factor, and counts. The rows are locked: of two who send the same code, one wins.
async fn check(tx: &mut Tx, session: &PortalSession, code: &str, confirmed: bool) -> Result<Checked, Error> {
    let at = tx.context().at;
    let rows = sqlx::query!(
        r#"SELECT portal_factor_id, totp_secret AS "totp_secret!", last_step, failures, locked_until FROM portal_factor
           WHERE clinic_id = current_clinic() AND (patient_id = $1 OR guardian_id = $2) AND removed_at IS NULL
             AND (confirmed_at IS NOT NULL) = $3 ORDER BY portal_factor_id FOR UPDATE"#,
        session.patient.map(|id| id.0),
        session.guardian.map(|id| id.0),
        confirmed,
    )
    .fetch_all(tx.connection()?)
    .await?;
    if rows.is_empty() {
        return Ok(Checked::None);
    }
    if rows.iter().any(|row| row.locked_until.is_some_and(|until| until > at)) {
        return Ok(Checked::Locked);
    }
    let keys = tx.clinic_keys().await?;
    for row in &rows {
        let secret = keys.open(Place::new(SECRET, row.portal_factor_id), &row.totp_secret)?;
        let step = matching_step(secret.expose(), code, at);
        if let Some(step) = step.filter(|step| row.last_step.is_none_or(|last| *step > last)) {
            sqlx::query!(
                "UPDATE portal_factor SET last_step = $2, failures = 0, locked_until = NULL WHERE portal_factor_id = $1",
                row.portal_factor_id,
                step,
            )
            .execute(tx.connection()?)
            .await?;
            return Ok(Checked::Good(row.portal_factor_id));
        }
    }
    for row in &rows {
        let locks = row.failures + 1 >= FAILURES_TO_LOCK;
        sqlx::query!(
            "UPDATE portal_factor SET failures = $2, locked_until = $3 WHERE portal_factor_id = $1",
            row.portal_factor_id,
            if locks { 0 } else { row.failures + 1 },
            locks.then_some(at + LOCKED_FOR),
        )
        .execute(tx.connection()?)
        .await?;
    }
    Ok(Checked::Wrong)
}

/// The step whose code this is: the current one, or one to either side.
fn matching_step(secret: &[u8], code: &str, now: OffsetDateTime) -> Option<i64> {
    let now = u64::try_from(now.unix_timestamp()).ok()?;
    let totp = Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(6)
        .with_skew(1)
        .with_step_duration(30)
        .with_secret(secret.to_vec())
        .build_noncompliant();
    i64::try_from(totp.check(code.trim(), now)?).ok()
}

/// A wrong code is counted and logged: the transaction is committed.
async fn wrong<T>(mut tx: Tx, session: &PortalSession, action: &'static str) -> Result<T, CodeError> {
    tx.logged_as(Entry { outcome: Outcome::Failed, reason: Some("wrong"), ..entry(session, action) });
    tx.commit(Pending(())).await?;
    Err(CodeError::Wrong)
}

fn entry(session: &PortalSession, action: &'static str) -> Entry {
    let resource = session.patient.map_or(Resource::Clinic, Resource::Patient);
    Entry { patient: session.patient, ..Entry::new(action, resource) }
}

/// Whose it is: the patient's, if somebody is both.
fn owner(session: &PortalSession) -> (Option<Uuid>, Option<Uuid>) {
    let patient = session.patient.map(|id| id.0);
    (patient, session.guardian.map(|id| id.0).filter(|_| patient.is_none()))
}

async fn remove_rows(tx: &mut Tx, session: &PortalSession) -> Result<(), Error> {
    let at = tx.context().at;
    sqlx::query!(
        "UPDATE portal_factor SET removed_at = $3, totp_secret = NULL
         WHERE clinic_id = current_clinic() AND (patient_id = $1 OR guardian_id = $2) AND removed_at IS NULL",
        session.patient.map(|id| id.0),
        session.guardian.map(|id| id.0),
        at,
    )
    .execute(tx.connection()?)
    .await?;
    Ok(())
}
