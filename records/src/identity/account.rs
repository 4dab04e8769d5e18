//! One's own account, and what an administrator may see of another's: sessions, sign-ins, factors.

use time::OffsetDateTime;
use uuid::Uuid;
use visit::StaffId;

use crate::action::{ChangeFactors, EndOwnSessions, EndSessions, ReadAccount, ReadSessions, ReadSignIns, Resource};
use crate::audit::{Entry, Outcome};
use crate::identity::factors::{self, Confirmed, Factor, FactorError, FactorKind, NewTotp};
use crate::identity::webauthn::{self, RelyingParty};
use crate::identity::{letters, recovery};
use crate::sessions::{self, IDLE, SessionId};
use crate::{Authorized, Error, Pending, Phi, Tx};

/// Sign-ins on a page.
const PAGE: i64 = 50;

/// What a person can prove themselves with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Factors {
    /// Oldest first.
    pub factors: Vec<Factor>,
    /// Recovery codes that were not used.
    pub recovery_codes_left: i64,
}

/// One's own factors.
///
/// # Errors
/// The database can't be reached.
pub async fn list_factors(tx: &mut Tx, may: &Authorized<ReadAccount>) -> Result<Pending<Factors>, Error> {
    let staff = tx.proved(may)?.0;
    let factors = factors::of(tx, staff).await?;
    Ok(Pending(Factors { factors, recovery_codes_left: recovery::left(tx, staff).await? }))
}

/// Begins to set up an authenticator app: it counts once a code of it was given.
///
/// # Errors
/// See [`FactorError`].
pub async fn begin_totp(
    tx: &mut Tx,
    may: &Authorized<ChangeFactors>,
    name: &str,
) -> Result<Pending<NewTotp>, FactorError> {
    let staff = tx.proved(may)?.0;
    factors::insert_totp(tx, staff, name).await.map(Pending)
}

/// Confirms an authenticator app by a code that it shows. Commit whatever comes of it: a wrong code is logged.
///
/// # Errors
/// See [`FactorError`].
pub async fn confirm_totp(
    tx: &mut Tx,
    may: &Authorized<ChangeFactors>,
    id: Uuid,
    code: &str,
) -> Result<Pending<Confirmed>, FactorError> {
    let staff = tx.proved(may)?.0;
    let confirmed = factors::confirm(tx, staff, id, code).await?;
    if confirmed == Confirmed::Yes {
        letters::factors_changed(tx, staff).await?;
    }
    Ok(Pending(confirmed))
}

/// What `navigator.credentials.create` is to be asked for another key.
///
/// # Errors
/// See [`FactorError`].
pub async fn key_options(
    tx: &mut Tx,
    may: &Authorized<ChangeFactors>,
    party: &RelyingParty,
    session: SessionId,
) -> Result<Pending<String>, FactorError> {
    let staff = tx.proved(may)?.0;
    webauthn::begin_registration(tx, party, staff, session).await.map(Pending)
}

/// Adds a security key. Commit whatever comes of it: the challenge is used up.
///
/// # Errors
/// See [`FactorError`]; [`FactorError::BadAnswer`] is given inside, for the commit.
pub async fn add_key(
    tx: &mut Tx,
    may: &Authorized<ChangeFactors>,
    party: &RelyingParty,
    session: SessionId,
    name: &str,
    answer: &[u8],
) -> Result<Pending<bool>, FactorError> {
    let staff = tx.proved(may)?.0;
    match webauthn::register(tx, party, staff, session, name, answer).await {
        Ok(_) => {
            letters::factors_changed(tx, staff).await?;
            Ok(Pending(true))
        }
        Err(FactorError::BadAnswer) => {
            tx.logged_as(Entry {
                outcome: Outcome::Failed,
                reason: Some("wrong"),
                ..Entry::new("factor.added", Resource::Staff(staff))
            });
            Ok(Pending(false))
        }
        Err(error) => Err(error),
    }
}

/// Removes a factor and destroys its secret, unless it is the last one that its owner's role may use.
///
/// # Errors
/// See [`RemoveError`].
pub async fn remove_factor(tx: &mut Tx, may: &Authorized<ChangeFactors>, id: Uuid) -> Result<Pending<()>, RemoveError> {
    let staff = tx.proved(may)?.0;
    let role = factors::lock(tx, staff).await?;
    let known = factors::of(tx, staff).await?;
    let gone = known.iter().find(|factor| factor.id == id).ok_or(Error::NotFound)?;
    if !known.iter().any(|factor| factor.id != id && factors::usable(tx, role, factor.kind)) {
        return Err(RemoveError::Last);
    }
    factors::destroy(tx, staff, Some(id)).await?;
    tx.logged_as(Entry {
        detail: Some(serde_json::json!({"factor": id, "kind": gone.kind.as_str()})),
        ..Entry::new("factor.removed", Resource::Staff(staff))
    });
    letters::factors_changed(tx, staff).await?;
    Ok(Pending(()))
}

/// New recovery codes in the place of the former ones, to be shown once.
///
/// # Errors
/// The database can't be reached.
pub async fn new_recovery_codes(
    tx: &mut Tx,
    may: &Authorized<ChangeFactors>,
) -> Result<Pending<Vec<Phi<String>>>, Error> {
    let staff = tx.proved(may)?.0;
    let codes = recovery::replace(tx, staff).await?;
    letters::factors_changed(tx, staff).await?;
    tx.logged_as(Entry::new("recovery_codes.made", Resource::Staff(staff)));
    Ok(Pending(codes))
}

/// A session that is alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSession {
    /// Which.
    pub id: SessionId,
    /// Began.
    pub since: OffsetDateTime,
    /// Last used by a person.
    pub last_seen_at: OffsetDateTime,
    /// Ends then in any case.
    pub expires_at: OffsetDateTime,
    /// From where it began.
    pub address: Option<String>,
    /// With which browser.
    pub user_agent: Option<String>,
    /// With which kind of second factor; `None` if it began before this was kept.
    pub factor: Option<FactorKind>,
}

/// One's own living sessions, the latest used first.
///
/// # Errors
/// The database can't be reached.
pub async fn own_sessions(tx: &mut Tx, may: &Authorized<ReadAccount>) -> Result<Pending<Vec<OpenSession>>, Error> {
    let staff = tx.proved(may)?.0;
    open_sessions(tx, staff).await.map(Pending)
}

/// Somebody's living sessions, the latest used first.
///
/// # Errors
/// The database can't be reached.
pub async fn sessions_of(tx: &mut Tx, may: &Authorized<ReadSessions>) -> Result<Pending<Vec<OpenSession>>, Error> {
    let staff = tx.proved(may)?.0;
    open_sessions(tx, staff).await.map(Pending)
}

async fn open_sessions(tx: &mut Tx, staff: StaffId) -> Result<Vec<OpenSession>, Error> {
    let at = tx.context().at;
    let rows = sqlx::query!(
        "SELECT session_id, created_at, last_seen_at, expires_at, address, user_agent, factor FROM session
         WHERE staff_id = $1 AND clinic_id = current_clinic() AND kind = 'staff' AND ended_at IS NULL AND expires_at > $2 AND last_seen_at > $3
         ORDER BY last_seen_at DESC, session_id",
        staff.0,
        at,
        at - IDLE,
    )
    .fetch_all(tx.connection()?)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(OpenSession {
                id: SessionId(row.session_id),
                since: row.created_at,
                last_seen_at: row.last_seen_at,
                expires_at: row.expires_at,
                address: row.address,
                user_agent: row.user_agent,
                factor: row.factor.as_deref().map(FactorKind::parse).transpose()?,
            })
        })
        .collect()
}

/// Ends one of one's own sessions.
///
/// # Errors
/// [`Error::NotFound`] if there is no such session of one's own that is alive.
pub async fn end_own_session(
    tx: &mut Tx,
    may: &Authorized<EndOwnSessions>,
    session: SessionId,
) -> Result<Pending<()>, Error> {
    let (staff, at) = (tx.proved(may)?.0, tx.context().at);
    let ended = sqlx::query!(
        "UPDATE session SET ended_at = $3 WHERE session_id = $1 AND staff_id = $2 AND clinic_id = current_clinic() AND ended_at IS NULL",
        session.0,
        staff.0,
        at,
    )
    .execute(tx.connection()?)
    .await?;
    if ended.rows_affected() == 1 { Ok(Pending(())) } else { Err(Error::NotFound) }
}

/// Ends all of one's own sessions but this one. Gives which they were.
///
/// # Errors
/// The database can't be reached.
pub async fn end_other_sessions(
    tx: &mut Tx,
    may: &Authorized<EndOwnSessions>,
    keep: SessionId,
) -> Result<Pending<Vec<SessionId>>, Error> {
    let staff = tx.proved(may)?.0;
    let mut others: Vec<SessionId> = open_sessions(tx, staff).await?.into_iter().map(|session| session.id).collect();
    others.retain(|session| *session != keep);
    sessions::end_all_of(tx, staff, Some(keep)).await?;
    Ok(Pending(others))
}

/// Ends all sessions of somebody.
///
/// # Errors
/// The database can't be reached.
pub async fn end_sessions_of(tx: &mut Tx, may: &Authorized<EndSessions>) -> Result<Pending<()>, Error> {
    let staff = tx.proved(may)?.0;
    sessions::end_all_of(tx, staff, None).await?;
    Ok(Pending(()))
}

/// A step of signing in that was done or tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// When.
    pub at: OffsetDateTime,
    /// Which step: `password`, `totp`, `webauthn`, `recovery_code`, ...
    pub step: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, a short word.
    pub reason: Option<String>,
    /// From where.
    pub address: Option<String>,
    /// With which browser.
    pub user_agent: Option<String>,
}

/// A page of sign-ins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIns {
    /// Newest first.
    pub items: Vec<SignIn>,
    /// Hand this in for the next page; `None` on the last one.
    pub next_cursor: Option<i64>,
}

/// When, from where and with what somebody signed in or tried to, from the audit log.
///
/// # Errors
/// The database can't be reached.
pub async fn sign_ins(
    tx: &mut Tx,
    may: &Authorized<ReadSignIns>,
    before: Option<i64>,
) -> Result<Pending<SignIns>, Error> {
    let staff = tx.proved(may)?.0;
    let rows = sqlx::query!(
        "SELECT seq, at, action, outcome, reason, address, user_agent FROM audit_event
         WHERE clinic_id = current_clinic() AND resource_type = 'staff' AND resource_id = $1 AND action LIKE 'sign\\_in.%' AND seq < $2
         ORDER BY seq DESC LIMIT $3",
        staff.0,
        before.unwrap_or(i64::MAX),
        PAGE + 1,
    )
    .fetch_all(tx.connection()?)
    .await?;
    let more = rows.len() > PAGE as usize;
    let next_cursor = rows.get(PAGE as usize - 1).filter(|_| more).map(|row| row.seq);
    let items = rows
        .into_iter()
        .take(PAGE as usize)
        .map(|row| {
            Ok(SignIn {
                at: row.at,
                step: row.action.trim_start_matches("sign_in.").to_owned(),
                outcome: Outcome::parse(&row.outcome)?,
                reason: row.reason,
                address: row.address,
                user_agent: row.user_agent,
            })
        })
        .collect::<Result<_, Error>>()?;
    Ok(Pending(SignIns { items, next_cursor }))
}

/// A factor was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// Nobody could sign in without one.
    #[error("this is your last second factor; add another one first")]
    Last,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
