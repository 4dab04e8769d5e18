//! Sessions of the portal: found by token, listed and ended by their owner.

use time::OffsetDateTime;
use uuid::Uuid;
use visit::{ClinicId, GuardianId, PatientId, Role};

use super::PortalSession;
use crate::action::{ManagePortalAccess, Resource};
use crate::audit::Entry;
use crate::clinics::Clinic;
use crate::sessions::{Activity, IDLE, SECOND_FACTOR_WITHIN, TOUCH_EVERY, longest_life};
use crate::{Authorized, Error, Origin, Pending, Records, SessionToken, Tx};

/// Characters that are kept of a `User-Agent`.
const USER_AGENT_CHARS: usize = 200;

/// The living session of this token, if its second factor was given or is not needed.
///
/// # Errors
/// The database can't be reached.
pub async fn find(
    records: &Records,
    token: &SessionToken,
    activity: Activity,
    now: OffsetDateTime,
) -> Result<Option<PortalSession>, Error> {
    Ok(open(records, token, activity, now).await?.filter(|(full, _)| *full).map(|(_, session)| session))
}

/// The living session of this token, and whether it is a full one.
pub(super) async fn open(
    records: &Records,
    token: &SessionToken,
    activity: Activity,
    now: OffsetDateTime,
) -> Result<Option<(bool, PortalSession)>, Error> {
    let mut tx = records.begin_without_clinic().await?;
    let hash = token.hash();
    sqlx::query!("SELECT set_config('bedside.token_hash', $1, true)", hex::encode(hash)).fetch_one(&mut *tx).await?;
    let row = sqlx::query!(
        "SELECT portal_session_id, clinic_id, patient_id, guardian_id, state, second_factor_at, last_seen_at, expires_at
         FROM portal_session WHERE token_hash = $1 AND ended_at IS NULL AND expires_at > $2 AND last_seen_at > $3",
        &hash[..],
        now,
        now - IDLE,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    sqlx::query!(
        "SELECT set_config('bedside.token_hash', '', true) AS token, set_config('bedside.clinic_id', $1, true) AS clinic",
        row.clinic_id.to_string()
    )
    .fetch_one(&mut *tx)
    .await?;
    let mut last_seen_at = row.last_seen_at;
    if activity == Activity::User && last_seen_at < now - TOUCH_EVERY {
        last_seen_at = now;
        sqlx::query!(
            "UPDATE portal_session SET last_seen_at = $2 WHERE portal_session_id = $1 AND ended_at IS NULL",
            row.portal_session_id,
            now
        )
        .execute(&mut *tx)
        .await?;
    }
    let clinic = sqlx::query!("SELECT name, phone, time_zone FROM clinic WHERE clinic_id = $1", row.clinic_id)
        .fetch_one(&mut *tx)
        .await?;
    tx.commit().await?;
    let session = PortalSession {
        id: row.portal_session_id,
        clinic: Clinic {
            id: ClinicId(row.clinic_id),
            name: clinic.name,
            phone: clinic.phone,
            time_zone: clinic.time_zone,
        },
        patient: row.patient_id.map(PatientId),
        guardian: row.guardian_id.map(GuardianId),
        second_factor_at: row.second_factor_at,
        idle_expires_at: (last_seen_at + IDLE).min(row.expires_at),
        expires_at: row.expires_at,
    };
    Ok(Some((row.state == "full", session)))
}

/// Begins a session: one that waits for the second factor, or a full one.
pub(super) async fn insert(
    tx: &mut Tx,
    patient: Option<PatientId>,
    guardian: Option<GuardianId>,
    pending: bool,
    second_factor_at: Option<OffsetDateTime>,
) -> Result<SessionToken, Error> {
    let token = SessionToken::generate();
    let context = tx.context();
    let (clinic, at) = (context.actor.clinic().0, context.at);
    let user_agent: Option<String> =
        context.origin.user_agent.as_ref().map(|text| text.chars().take(USER_AGENT_CHARS).collect());
    let (state, life) = if pending { ("pending", SECOND_FACTOR_WITHIN) } else { ("full", longest_life(Role::Patient)) };
    sqlx::query!(
        "INSERT INTO portal_session (portal_session_id, clinic_id, patient_id, guardian_id, token_hash, state, second_factor_at, created_at,
                                     last_seen_at, expires_at, user_agent)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, $10)",
        Uuid::now_v7(),
        clinic,
        patient.map(|id| id.0),
        guardian.map(|id| id.0),
        &token.hash()[..],
        state,
        second_factor_at,
        at,
        at + life,
        user_agent,
    )
    .execute(tx.connection()?)
    .await?;
    Ok(token)
}

/// Ends one session; `false` if it was over.
pub(super) async fn close(tx: &mut Tx, id: Uuid) -> Result<bool, Error> {
    let at = tx.context().at;
    let closed = sqlx::query!(
        "UPDATE portal_session SET ended_at = $2 WHERE portal_session_id = $1 AND clinic_id = current_clinic() AND ended_at IS NULL",
        id,
        at,
    )
    .execute(tx.connection()?)
    .await?;
    Ok(closed.rows_affected() == 1)
}

/// Signs out. Nothing happens if the session is over already.
///
/// # Errors
/// The database can't be reached.
pub async fn end(records: &Records, token: &SessionToken, origin: &Origin, now: OffsetDateTime) -> Result<(), Error> {
    let Some((_, session)) = open(records, token, Activity::Background, now).await? else { return Ok(()) };
    let mut tx = records.begin(session.context(origin, now)).await?;
    close(&mut tx, session.id).await?;
    let resource = session.patient.map_or(Resource::Clinic, Resource::Patient);
    tx.log(Entry { patient: session.patient, ..Entry::new("portal.sign_out", resource) });
    tx.commit(Pending(())).await
}

/// A session as its owner sees it.
pub struct ListedSession {
    /// Names it.
    pub id: Uuid,
    /// The browser that it belongs to.
    pub user_agent: Option<String>,
    /// Signed in.
    pub created_at: OffsetDateTime,
    /// Last used.
    pub last_seen_at: OffsetDateTime,
    /// The one that asks.
    pub current: bool,
}

/// One's own living sessions, newest first.
///
/// # Errors
/// The database can't be reached.
pub async fn list(
    tx: &mut Tx,
    may: &Authorized<ManagePortalAccess>,
    session: &PortalSession,
) -> Result<Pending<Vec<ListedSession>>, Error> {
    tx.proved(may)?;
    let at = tx.context().at;
    let rows = sqlx::query!(
        "SELECT portal_session_id, user_agent, created_at, last_seen_at FROM portal_session
         WHERE clinic_id = current_clinic() AND (patient_id = $1 OR guardian_id = $2) AND state = 'full' AND ended_at IS NULL
           AND expires_at > $3 AND last_seen_at > $4 ORDER BY created_at DESC, portal_session_id DESC",
        session.patient.map(|id| id.0),
        session.guardian.map(|id| id.0),
        at,
        at - IDLE,
    )
    .fetch_all(tx.connection()?)
    .await?;
    let listed = rows.into_iter().map(|row| ListedSession {
        id: row.portal_session_id,
        user_agent: row.user_agent,
        created_at: row.created_at,
        last_seen_at: row.last_seen_at,
        current: row.portal_session_id == session.id,
    });
    Ok(Pending(listed.collect()))
}

/// Ends one of one's own sessions.
///
/// # Errors
/// [`Error::NotFound`] if it is somebody else's, or over.
pub async fn revoke(
    tx: &mut Tx,
    may: &Authorized<ManagePortalAccess>,
    session: &PortalSession,
    id: Uuid,
) -> Result<Pending<()>, Error> {
    tx.proved(may)?;
    let at = tx.context().at;
    let ended = sqlx::query!(
        "UPDATE portal_session SET ended_at = $4
         WHERE portal_session_id = $1 AND clinic_id = current_clinic() AND (patient_id = $2 OR guardian_id = $3) AND ended_at IS NULL",
        id,
        session.patient.map(|id| id.0),
        session.guardian.map(|id| id.0),
        at,
    )
    .execute(tx.connection()?)
    .await?;
    if ended.rows_affected() != 1 {
        return Err(Error::NotFound);
    }
    let resource = session.patient.map_or(Resource::Clinic, Resource::Patient);
    tx.logged_as(Entry { patient: session.patient, ..Entry::new("portal.session_revoked", resource) });
    Ok(Pending(()))
}
