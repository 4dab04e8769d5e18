//! Sign-in by a clinic's OpenID provider: the round trip to it, and the account that comes back.
//!
//! What lives here: flows (state, nonce, PKCE verifier; one use, one browser, ten minutes), which account may enter, the
//! audit log of it. What deliberately does not: OpenID Connect itself (`api`). No account is ever made here.

use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use visit::{ClinicId, Role, StaffId};

use crate::action::Resource;
use crate::audit::{Entry, Outcome};
use crate::identity::devices;
use crate::seal::Place;
use crate::sessions::{self, NewSession};
use crate::sign_in::{self, Next};
use crate::token::{hash_token, random_token, well_formed};
use crate::{Actor, DeviceToken, Error, Origin, Pending, Phi, Records, RequestContext, SessionToken};

/// How long a person may take at the provider.
pub const ANSWER_WITHIN: Duration = Duration::minutes(10);
/// What the audit log calls the server while nobody is known yet.
const JOB: &str = "sso";

/// What goes to the provider, and what stays in the browser.
pub struct Begun {
    /// For the provider to send back.
    pub state: String,
    /// For the provider to put into the ID token.
    pub nonce: String,
    /// PKCE, RFC 7636: its hash goes to the provider now, itself with the code later.
    pub verifier: String,
    /// For the cookie.
    pub browser: SessionToken,
}

/// What was kept of a flow that came back.
pub struct Returned {
    /// Must stand in the ID token.
    pub nonce: String,
    /// Goes with the code.
    pub verifier: String,
}

/// Begins a flow with `provider` of `clinic`.
///
/// # Errors
/// The database can't be reached.
pub async fn begin(records: &Records, clinic: ClinicId, provider: &str, now: OffsetDateTime) -> Result<Begun, Error> {
    let id = Uuid::now_v7();
    let begun = Begun {
        state: random_token(),
        nonce: random_token(),
        verifier: random_token(),
        browser: SessionToken::generate(),
    };
    let mut tx = records.begin(RequestContext::system(JOB, clinic, now)).await?;
    let keys = tx.clinic_keys().await?;
    sqlx::query!("DELETE FROM sso_flow WHERE clinic_id = current_clinic() AND expires_at < $1", now)
        .execute(tx.connection()?)
        .await?;
    sqlx::query!(
        "INSERT INTO sso_flow (sso_flow_id, clinic_id, provider, state_hash, browser_hash, nonce, verifier, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        id,
        clinic.0,
        provider,
        &hash_token(&begun.state)[..],
        &begun.browser.hash()[..],
        keys.seal(Place::new("sso_flow.nonce", id), begun.nonce.as_bytes())?,
        keys.seal(Place::new("sso_flow.verifier", id), begun.verifier.as_bytes())?,
        now,
        now + ANSWER_WITHIN,
    )
    .execute(tx.connection()?)
    .await?;
    tx.commit(Pending(begun)).await
}

/// Takes the flow of `state`, once, if this browser began it with this provider a short while ago.
///
/// # Errors
/// The database can't be reached.
pub async fn take(
    records: &Records,
    clinic: ClinicId,
    provider: &str,
    state: &str,
    browser: &SessionToken,
    now: OffsetDateTime,
) -> Result<Option<Returned>, Error> {
    if !well_formed(state) {
        return Ok(None);
    }
    let mut tx = records.begin(RequestContext::system(JOB, clinic, now)).await?;
    let row = sqlx::query!(
        "UPDATE sso_flow SET used_at = $4
         WHERE state_hash = $1 AND browser_hash = $2 AND provider = $3 AND clinic_id = current_clinic() AND used_at IS NULL AND expires_at > $4
         RETURNING sso_flow_id, nonce, verifier",
        &hash_token(state)[..],
        &browser.hash()[..],
        provider,
        now,
    )
    .fetch_optional(tx.connection()?)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let keys = tx.clinic_keys().await?;
    let open = |column, sealed: &[u8]| keys.open_text(Place::new(column, row.sso_flow_id), sealed);
    let returned = Returned {
        nonce: open("sso_flow.nonce", &row.nonce)?.expose().clone(),
        verifier: open("sso_flow.verifier", &row.verifier)?.expose().clone(),
    };
    tx.commit(Pending(Some(returned))).await
}

/// The active account of `clinic` with this e-mail, which the provider has verified; `None`, and it is logged, if there is none.
///
/// # Errors
/// The database can't be reached.
pub async fn account(
    records: &Records,
    origin: &Origin,
    clinic: ClinicId,
    email: &Phi<String>,
    now: OffsetDateTime,
) -> Result<Option<(StaffId, Role)>, Error> {
    let mut tx = records.begin(RequestContext::system(JOB, clinic, now)).await?;
    let row = sqlx::query!(
        "SELECT staff_id, role, active FROM staff WHERE lower(email) = lower($1) AND clinic_id = current_clinic()",
        email.expose().trim(),
    )
    .fetch_optional(tx.connection()?)
    .await?;
    drop(tx);
    match row {
        Some(row) if row.active => {
            let role = Role::parse(&row.role).ok_or(Error::UnknownValue("staff.role"))?;
            Ok(Some((StaffId(row.staff_id), role)))
        }
        Some(row) => {
            log_refused(records, origin, clinic, Resource::Staff(StaffId(row.staff_id)), "deactivated", now).await?;
            Ok(None)
        }
        None => {
            log_refused(records, origin, clinic, Resource::Clinic, "no_account", now).await?;
            Ok(None)
        }
    }
}

/// What a sign-in by the provider opened.
pub struct Entered {
    /// For the cookie.
    pub token: SessionToken,
    /// What comes next, locally; `None`: signed in.
    pub next: Option<Next>,
    /// For the browser's own cookie, if it was not known before.
    pub device: Option<DeviceToken>,
}

/// Begins the session of an account that [`account`] gave: a full one if the provider's second factor counts, else one that
/// waits for the local second factor. Of roles that need a security key, only a local one counts.
///
/// # Errors
/// The database can't be reached.
pub async fn enter(
    records: &Records,
    origin: &Origin,
    clinic: ClinicId,
    (staff, role): (StaffId, Role),
    second_factor: bool,
    now: OffsetDateTime,
) -> Result<Entered, Error> {
    let complete = second_factor && !matches!(role, Role::Compliance | Role::SuperAdmin);
    let actor = Actor::Staff { id: staff, role, clinic };
    let context = RequestContext { actor, origin: origin.clone(), ..RequestContext::system(JOB, clinic, now) };
    let mut tx = records.begin(context).await?;
    let token = SessionToken::generate();
    let (new, next, reason) = if complete {
        (NewSession::by_provider(now, now + sessions::longest_life(role)), None, "second_factor_by_provider")
    } else {
        let kinds = sign_in::kinds(&mut tx, staff).await?;
        if kinds.is_empty() && sign_in::was_reset(&mut tx, staff).await? {
            (NewSession::enrolling(now), Some(Next::Enrol), "second_factor_was_reset")
        } else {
            (NewSession::pending(now), Some(Next::SecondFactor(kinds)), "second_factor_next")
        }
    };
    sessions::insert(&mut tx, &token, staff, &new).await?;
    let device = if complete { devices::recognise(&mut tx, staff).await? } else { None };
    tx.log(Entry { reason: Some(reason), ..Entry::new("sign_in.sso", Resource::Staff(staff)) });
    tx.commit(Pending(Entered { token, next, device: device.and_then(|device| device.token) })).await
}

/// Writes down that a sign-in by the provider failed, before it was known whose it was.
///
/// # Errors
/// The database can't be reached.
pub async fn refused(
    records: &Records,
    origin: &Origin,
    clinic: ClinicId,
    reason: &'static str,
    now: OffsetDateTime,
) -> Result<(), Error> {
    log_refused(records, origin, clinic, Resource::Clinic, reason, now).await
}

async fn log_refused(
    records: &Records,
    origin: &Origin,
    clinic: ClinicId,
    resource: Resource,
    reason: &'static str,
    now: OffsetDateTime,
) -> Result<(), Error> {
    let context = RequestContext { origin: origin.clone(), ..RequestContext::system(JOB, clinic, now) };
    let mut tx = records.begin(context).await?;
    tx.log(Entry { outcome: Outcome::Failed, reason: Some(reason), ..Entry::new("sign_in.sso", resource) });
    tx.commit(Pending(())).await
}
