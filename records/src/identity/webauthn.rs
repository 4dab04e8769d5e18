//! Security keys and passkeys (WebAuthn level 3), by the crate `webauthn_rp`.
//!
//! A challenge is random, belongs to one session, and is gone with the first answer. The person must be verified by the
//! authenticator (PIN, fingerprint). A counter that goes back means that there are two of a key: refused and logged.

use time::Duration;
use uuid::Uuid;
use visit::StaffId;
use webauthn_rp::bin::{Decode as _, Encode as _};
use webauthn_rp::request::auth::{AllowedCredential, AllowedCredentials, AuthenticationVerificationOptions};
use webauthn_rp::request::register::{
    CredProtect, Nickname, PublicKeyCredentialUserEntity, RegistrationVerificationOptions, ResidentKeyRequirement,
    UserHandle, Username,
};
use webauthn_rp::request::{
    AsciiDomain, Credentials as _, PublicKeyCredentialDescriptor, RpId, UserVerificationRequirement,
};
use webauthn_rp::response::auth::error::AuthCeremonyErr;
use webauthn_rp::response::register::{DynamicState, StaticState};
use webauthn_rp::response::{AuthTransports, CredentialId};
use webauthn_rp::{
    AuthenticatedCredential, NonDiscoverableAuthentication, NonDiscoverableAuthenticationServerState,
    NonDiscoverableCredentialRequestOptions, PublicKeyCredentialCreationOptions, Registration, RegistrationServerState,
};

use crate::identity::factors::{self, FactorError, FactorKind};
use crate::identity::proof::Checked;
use crate::sessions::SessionId;
use crate::{Error, Tx};

/// How long a challenge waits for its answer.
pub const CHALLENGE_LIFE: Duration = Duration::minutes(5);

/// A staff member's id, as authenticators know them.
type Handle = UserHandle<16>;

/// This site, as authenticators know it: keys made for it work on its pages only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelyingParty {
    id: String,
    origins: Vec<String>,
}

impl RelyingParty {
    /// The party of a site with these origins: the first one with a domain name gives the name. `None` if all are bare
    /// addresses, for which browsers make no keys.
    #[must_use]
    pub fn of(origins: &[String]) -> Option<Self> {
        let id = origins.iter().find_map(|origin| {
            let host = origin.split_once("://")?.1.split(['/', ':']).next()?;
            let bare = host.parse::<std::net::IpAddr>().is_ok() || host.starts_with('[');
            (!bare && AsciiDomain::try_from(host.to_owned()).is_ok()).then(|| host.to_owned())
        })?;
        Some(Self { id, origins: origins.to_vec() })
    }

    fn rp_id(&self) -> Result<RpId, Error> {
        AsciiDomain::try_from(self.id.clone()).map(RpId::Domain).map_err(|_| Error::UnknownValue("site's domain"))
    }

    fn origins(&self) -> Vec<&str> {
        self.origins.iter().map(String::as_str).collect()
    }
}

/// What `navigator.credentials.create` is to be asked: `PublicKeyCredentialCreationOptionsJSON`.
pub(crate) async fn begin_registration(
    tx: &mut Tx,
    party: &RelyingParty,
    staff: StaffId,
    session: SessionId,
) -> Result<String, FactorError> {
    let rp_id = party.rp_id()?;
    let handle = handle(staff);
    let known =
        sqlx::query!("SELECT email, name FROM staff WHERE staff_id = $1 AND clinic_id = current_clinic()", staff.0)
            .fetch_one(tx.connection()?)
            .await
            .map_err(Error::from)?;
    // Names are for people to choose by; one that the rules for them do not take is left out.
    let name = Username::try_from(known.email.as_str()).or_else(|_| Username::try_from("Bedside"));
    let user = PublicKeyCredentialUserEntity {
        name: name.map_err(|_| Error::UnknownValue("staff.email"))?,
        id: &handle,
        display_name: Nickname::try_from(known.name.as_str()).ok(),
    };
    let mut options = PublicKeyCredentialCreationOptions::second_factor(&rp_id, user, descriptors(tx, staff).await?);
    options.authenticator_selection.user_verification = UserVerificationRequirement::Required;
    options.authenticator_selection.resident_key = ResidentKeyRequirement::Discouraged;
    options.extensions.cred_protect = CredProtect::None;
    options.extensions.cred_props = None;
    let (server, client) = options.start_ceremony().map_err(|_| Error::UnknownValue("registration options"))?;
    let state = server.encode().map_err(|_| Error::UnknownValue("the clock"))?;
    keep(tx, session, "register", &state).await?;
    serde_json::to_string(&client).map_err(|_| Error::UnknownValue("registration options").into())
}

/// Takes a new authenticator's answer (`RegistrationResponseJSON`); the factor works at once.
pub(crate) async fn register(
    tx: &mut Tx,
    party: &RelyingParty,
    staff: StaffId,
    session: SessionId,
    name: &str,
    answer: &[u8],
) -> Result<Uuid, FactorError> {
    let name = factors::named(name)?;
    let state = take(tx, session, "register").await?.ok_or(FactorError::BadAnswer)?;
    let state = RegistrationServerState::<16>::decode(&state).map_err(|_| Error::UnknownValue("challenge"))?;
    let registration = Registration::from_json_relaxed(answer).map_err(|_| FactorError::BadAnswer)?;
    let origins = party.origins();
    let options = RegistrationVerificationOptions::<&str, &str> {
        allowed_origins: &origins,
        error_on_unsolicited_extensions: false,
        ..Default::default()
    };
    let made = state.verify(&party.rp_id()?, &registration, &options).map_err(|error| {
        tracing::info!(%error, "a new security key was refused");
        FactorError::BadAnswer
    })?;
    let (credential_id, public, dynamic, ways) =
        (made.id(), made.static_state(), made.dynamic_state(), made.transports());
    let (Ok(credential), Ok(counter), Ok(transports)) = (public.encode(), dynamic.encode(), ways.encode());
    let (clinic, at, id) = (tx.context().actor.clinic().0, tx.context().at, Uuid::now_v7());
    let stored = sqlx::query!(
        "INSERT INTO second_factor (second_factor_id, clinic_id, staff_id, kind, name, credential_id, credential, credential_state,
                                    transports, created_at, confirmed_at)
         VALUES ($1, $2, $3, 'webauthn', $4, $5, $6, $7, $8, $9, $9)
         ON CONFLICT (credential_id) WHERE credential_id IS NOT NULL DO NOTHING",
        id,
        clinic,
        staff.0,
        name,
        credential_id.as_ref(),
        credential,
        &counter[..],
        i16::from(transports),
        at,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    // The same key a second time, or another person's credential: there is one owner of each.
    if stored.rows_affected() != 1 {
        return Err(FactorError::BadAnswer);
    }
    factors::added(tx, staff, id, FactorKind::WebAuthn);
    Ok(id)
}

/// What `navigator.credentials.get` is to be asked: `PublicKeyCredentialRequestOptionsJSON`. `None` without any key.
pub(crate) async fn begin_authentication(
    tx: &mut Tx,
    party: &RelyingParty,
    staff: StaffId,
    session: SessionId,
) -> Result<Option<String>, Error> {
    let mut allowed = AllowedCredentials::with_capacity(4);
    for credential in descriptors(tx, staff).await? {
        allowed.push(AllowedCredential::from(credential));
    }
    let rp_id = party.rp_id()?;
    let Ok(mut options) = NonDiscoverableCredentialRequestOptions::second_factor(&rp_id, allowed) else {
        return Ok(None);
    };
    options.options().user_verification = UserVerificationRequirement::Required;
    let (server, client) = options.start_ceremony().map_err(|_| Error::UnknownValue("request options"))?;
    let state = server.encode().map_err(|_| Error::UnknownValue("the clock"))?;
    keep(tx, session, "authenticate", &state).await?;
    serde_json::to_string(&client).map(Some).map_err(|_| Error::UnknownValue("request options"))
}

/// Checks an authenticator's answer (`AuthenticationResponseJSON`) to the session's challenge.
pub(crate) async fn check(
    tx: &mut Tx,
    party: &RelyingParty,
    staff: StaffId,
    session: SessionId,
    answer: &[u8],
) -> Result<Checked, Error> {
    let Some(state) = take(tx, session, "authenticate").await? else {
        return Ok(Checked::Bad("no_challenge"));
    };
    let state =
        NonDiscoverableAuthenticationServerState::decode(&state).map_err(|_| Error::UnknownValue("challenge"))?;
    let Ok(answer) = NonDiscoverableAuthentication::<16>::from_json_relaxed(answer) else {
        return Ok(Checked::Bad("malformed"));
    };
    let credential_id = answer.raw_id();
    let row = sqlx::query!(
        r#"SELECT second_factor_id, credential AS "credential!", credential_state AS "state!" FROM second_factor
           WHERE credential_id = $1 AND staff_id = $2 AND clinic_id = current_clinic() AND removed_at IS NULL FOR UPDATE"#,
        credential_id.as_ref(),
        staff.0,
    )
    .fetch_optional(tx.connection()?)
    .await?;
    let Some(row) = row else { return Ok(Checked::Bad("unknown_key")) };
    let bad = || Error::UnknownValue("second_factor.credential");
    let stored = <[u8; 7]>::try_from(row.state.as_slice()).map_err(|_| bad())?;
    let handle = handle(staff);
    let mut credential = AuthenticatedCredential::new(
        answer.raw_id(),
        &handle,
        StaticState::decode(&row.credential).map_err(|_| bad())?,
        DynamicState::decode(stored).map_err(|_| bad())?,
    )
    .map_err(|_| bad())?;
    let origins = party.origins();
    let options = AuthenticationVerificationOptions::<&str, &str> {
        allowed_origins: &origins,
        error_on_unsolicited_extensions: false,
        ..Default::default()
    };
    if let Err(error) = state.verify(&party.rp_id()?, &answer, &mut credential, &options) {
        tracing::info!(%error, "a security key's answer was refused");
        return Ok(Checked::Bad(match error {
            AuthCeremonyErr::SignatureCounter => "counter_went_back",
            AuthCeremonyErr::UserNotVerified => "not_verified",
            _ => "wrong",
        }));
    }
    let Ok(after) = credential.dynamic_state().encode();
    let at = tx.context().at;
    sqlx::query!(
        "UPDATE second_factor SET credential_state = $2, last_used_at = $3 WHERE second_factor_id = $1 AND clinic_id = current_clinic()",
        row.second_factor_id,
        &after[..],
        at,
    )
    .execute(tx.connection()?)
    .await?;
    Ok(Checked::Good)
}

fn handle(staff: StaffId) -> Handle {
    let Ok(handle) = Handle::decode(*staff.0.as_bytes());
    handle
}

async fn descriptors(tx: &mut Tx, staff: StaffId) -> Result<Vec<PublicKeyCredentialDescriptor<Vec<u8>>>, Error> {
    let rows = sqlx::query!(
        r#"SELECT credential_id AS "id!", transports AS "transports!" FROM second_factor
           WHERE staff_id = $1 AND clinic_id = current_clinic() AND kind = 'webauthn' AND removed_at IS NULL
           ORDER BY created_at, second_factor_id"#,
        staff.0,
    )
    .fetch_all(tx.connection()?)
    .await?;
    rows.into_iter()
        .map(|row| {
            let bad = || Error::UnknownValue("second_factor.credential_id");
            let transports = u8::try_from(row.transports).map_err(|_| bad())?;
            Ok(PublicKeyCredentialDescriptor {
                id: CredentialId::<Vec<u8>>::decode(row.id).map_err(|_| bad())?,
                transports: AuthTransports::decode(transports).map_err(|_| bad())?,
            })
        })
        .collect()
}

/// Keeps a challenge for its answer, in the place of one that was never answered.
async fn keep(tx: &mut Tx, session: SessionId, purpose: &str, state: &[u8]) -> Result<(), Error> {
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    sqlx::query!(
        "INSERT INTO webauthn_challenge (clinic_id, session_id, purpose, state, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (clinic_id, session_id, purpose) DO UPDATE SET state = $4, created_at = $5, expires_at = $6",
        clinic,
        session.0,
        purpose,
        state,
        at,
        at + CHALLENGE_LIFE,
    )
    .execute(tx.connection()?)
    .await?;
    sqlx::query!("DELETE FROM webauthn_challenge WHERE clinic_id = current_clinic() AND expires_at <= $1", at)
        .execute(tx.connection()?)
        .await?;
    Ok(())
}

/// The session's challenge, which is gone with this: of two answers to it, one finds it.
async fn take(tx: &mut Tx, session: SessionId, purpose: &str) -> Result<Option<Vec<u8>>, Error> {
    let at = tx.context().at;
    let taken = sqlx::query!(
        "DELETE FROM webauthn_challenge WHERE clinic_id = current_clinic() AND session_id = $1 AND purpose = $2 RETURNING state, expires_at",
        session.0,
        purpose,
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(taken.filter(|taken| taken.expires_at > at).map(|taken| taken.state))
}
