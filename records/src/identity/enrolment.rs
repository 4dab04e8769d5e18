//! Setting up a second factor before anything else is open: after an invitation, after a recovery code, or when a role
//! asks for a security key. The session that may do this may do nothing else.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::action::Resource;
use crate::audit::Entry;
use crate::identity::factors::{self, Confirmed, FactorError, FactorKind, NewTotp};
use crate::identity::recovery;
use crate::identity::webauthn::{self, RelyingParty};
use crate::sessions::{self, Activity, StaffSession};
use crate::sign_in::{self, SignedIn, context};
use crate::{Error, Origin, Pending, Phi, Records, SessionToken, Tx};

/// Who is setting up what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// Whose session it is.
    pub session: StaffSession,
    /// The kinds that are enough for the role.
    pub kinds: Vec<FactorKind>,
}

/// The factor works and its owner is in.
pub struct Enrolled {
    /// The session.
    pub signed_in: SignedIn,
    /// To be shown once; none if there is a set of which some are left.
    pub recovery_codes: Vec<Phi<String>>,
}

/// What the session of `token` may set up.
///
/// # Errors
/// See [`EnrolError`].
pub async fn look(records: &Records, token: &SessionToken, now: OffsetDateTime) -> Result<Enrolment, EnrolError> {
    let session = enrolling(records, token, now).await?;
    let mut kinds = vec![FactorKind::WebAuthn];
    if records.identity().accepts_codes(session.role) {
        kinds.insert(0, FactorKind::Totp);
    }
    Ok(Enrolment { session, kinds })
}

/// Begins to set up an authenticator app.
///
/// # Errors
/// See [`EnrolError`].
pub async fn begin_app(
    records: &Records,
    origin: &Origin,
    token: &SessionToken,
    name: &str,
    now: OffsetDateTime,
) -> Result<NewTotp, EnrolError> {
    let session = enrolling(records, token, now).await?;
    let mut tx = records.begin(context(&session, origin, now)).await?;
    let new = factors::insert_totp(&mut tx, session.staff_id, name).await?;
    Ok(tx.commit(Pending(new)).await?)
}

/// Confirms the app by a code of it, and begins the full session.
///
/// # Errors
/// See [`EnrolError`].
pub async fn confirm_app(
    records: &Records,
    origin: &Origin,
    token: &SessionToken,
    id: Uuid,
    code: &str,
    now: OffsetDateTime,
) -> Result<Enrolled, EnrolError> {
    let session = enrolling(records, token, now).await?;
    let mut tx = records.begin(context(&session, origin, now)).await?;
    match factors::confirm(&mut tx, session.staff_id, id, code).await? {
        Confirmed::WrongCode => {
            tx.commit(Pending(())).await?;
            Err(EnrolError::WrongCode)
        }
        Confirmed::Yes => finish(tx, token, session, FactorKind::Totp, now).await,
    }
}

/// What `navigator.credentials.create` is to be asked.
///
/// # Errors
/// See [`EnrolError`].
pub async fn new_key_options(
    records: &Records,
    origin: &Origin,
    party: &RelyingParty,
    token: &SessionToken,
    now: OffsetDateTime,
) -> Result<String, EnrolError> {
    let session = enrolling(records, token, now).await?;
    let mut tx = records.begin(context(&session, origin, now)).await?;
    let options = webauthn::begin_registration(&mut tx, party, session.staff_id, session.session_id).await?;
    Ok(tx.commit(Pending(options)).await?)
}

/// Takes a new security key and begins the full session.
///
/// # Errors
/// See [`EnrolError`].
pub async fn register_key(
    records: &Records,
    origin: &Origin,
    party: &RelyingParty,
    token: &SessionToken,
    name: &str,
    answer: &[u8],
    now: OffsetDateTime,
) -> Result<Enrolled, EnrolError> {
    let session = enrolling(records, token, now).await?;
    let mut tx = records.begin(context(&session, origin, now)).await?;
    match webauthn::register(&mut tx, party, session.staff_id, session.session_id, name, answer).await {
        Ok(_) => finish(tx, token, session, FactorKind::WebAuthn, now).await,
        Err(FactorError::BadAnswer) => {
            // The challenge is used up all the same.
            tx.commit(Pending(())).await?;
            Err(FactorError::BadAnswer.into())
        }
        Err(error) => Err(error.into()),
    }
}

async fn finish(
    mut tx: Tx,
    token: &SessionToken,
    session: StaffSession,
    kind: FactorKind,
    now: OffsetDateTime,
) -> Result<Enrolled, EnrolError> {
    if !sessions::close(&mut tx, token).await? {
        return Err(EnrolError::SignedOut);
    }
    let activated = sqlx::query!(
        "UPDATE staff SET active = true, activated_at = coalesce(activated_at, $2)
         WHERE staff_id = $1 AND clinic_id = current_clinic() AND deactivated_at IS NULL AND (active OR activated_at IS NULL)",
        session.staff_id.0,
        now,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    if activated.rows_affected() != 1 {
        return Err(EnrolError::SignedOut);
    }
    let recovery_codes = match recovery::left(&mut tx, session.staff_id).await? {
        0 => recovery::replace(&mut tx, session.staff_id).await?,
        _ => Vec::new(),
    };
    let resource = Resource::Staff(session.staff_id);
    let signed_in = sign_in::enter(&mut tx, session, kind, now).await?;
    tx.log(Entry { reason: Some("enrolled"), ..Entry::new(kind.sign_in_action(), resource) });
    Ok(tx.commit(Pending(Enrolled { signed_in, recovery_codes })).await?)
}

/// The living session of `token`, if it is one for setting up a second factor.
async fn enrolling(records: &Records, token: &SessionToken, now: OffsetDateTime) -> Result<StaffSession, EnrolError> {
    let row = sessions::open(records, token, Activity::User, now)
        .await?
        .filter(|row| row.kind == "pending" && row.enrolling)
        .ok_or(EnrolError::SignedOut)?;
    Ok(sessions::staff_session(row)?)
}

/// The second factor was not set up.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The session is over, or is not one for this.
    #[error("open your invitation's link or sign in again")]
    SignedOut,
    /// Not a code of the new app.
    #[error("the code is wrong; wait for the next one")]
    WrongCode,
    /// See [`FactorError`].
    #[error(transparent)]
    Factor(#[from] FactorError),
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
