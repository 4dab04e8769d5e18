//! Second factors of a member of staff: what there is, adding a one-time-code app, removing.

use aws_lc_rs::rand;
use time::{Duration, OffsetDateTime};
use totp_rs::{Algorithm, Builder};
use uuid::Uuid;
use visit::{Role, StaffId};
use zeroize::Zeroizing;

use crate::action::Resource;
use crate::audit::{Entry, Outcome};
use crate::identity::proof;
use crate::seal::Place;
use crate::staff::TOTP_SECRET_BYTES;
use crate::text_enum::text_enum;
use crate::{Error, Phi, Tx};

/// Longest name of a factor, characters.
pub const MAX_NAME_CHARS: usize = 60;
/// How long a shown secret waits for its first code.
pub const CONFIRM_WITHIN: Duration = Duration::minutes(15);
/// Where a secret stands. The name is that of the column it stood in first.
pub(crate) const SECRET: &str = "staff.totp_secret";

text_enum! {
    /// Kinds of second factors.
    FactorKind {
        /// Six digits from an app (RFC 6238).
        Totp = "totp",
        /// A security key or passkey (WebAuthn).
        WebAuthn = "webauthn",
    }
}

impl FactorKind {
    /// The word in the audit log for signing in with it.
    pub(crate) fn sign_in_action(self) -> &'static str {
        match self {
            Self::Totp => "sign_in.totp",
            Self::WebAuthn => "sign_in.webauthn",
        }
    }
}

/// One factor that works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Factor {
    /// Which.
    pub id: Uuid,
    /// Kind.
    pub kind: FactorKind,
    /// As its owner calls it.
    pub name: String,
    /// Set up.
    pub created_at: OffsetDateTime,
    /// Last used to sign in or to confirm.
    pub last_used_at: Option<OffsetDateTime>,
}

/// A secret to be shown once.
pub struct NewTotp {
    /// Which factor it will be.
    pub id: Uuid,
    /// Base32, to be typed.
    pub secret: Phi<String>,
    /// The `otpauth:` address that goes into the QR code.
    pub url: Phi<String>,
}

/// Whether a role may use this kind as its second factor here.
pub(crate) fn usable(tx: &Tx, role: Role, kind: FactorKind) -> bool {
    kind == FactorKind::WebAuthn || tx.records().identity().accepts_codes(role)
}

/// Holds a person's row for the rest of the transaction, so that two changes of factors can't cross. Gives the role.
pub(crate) async fn lock(tx: &mut Tx, staff: StaffId) -> Result<Role, Error> {
    let role = sqlx::query_scalar!(
        "SELECT role FROM staff WHERE staff_id = $1 AND clinic_id = current_clinic() FOR UPDATE",
        staff.0
    )
    .fetch_optional(tx.connection()?)
    .await?
    .ok_or(Error::NotFound)?;
    Role::parse(&role).ok_or(Error::UnknownValue("staff.role"))
}

/// The factors of `staff` that work.
pub(crate) async fn of(tx: &mut Tx, staff: StaffId) -> Result<Vec<Factor>, Error> {
    let rows = sqlx::query!(
        "SELECT second_factor_id, kind, name, created_at, last_used_at FROM second_factor
         WHERE staff_id = $1 AND clinic_id = current_clinic() AND confirmed_at IS NOT NULL AND removed_at IS NULL
         ORDER BY created_at, second_factor_id",
        staff.0,
    )
    .fetch_all(tx.connection()?)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Factor {
                id: row.second_factor_id,
                kind: FactorKind::parse(&row.kind)?,
                name: row.name,
                created_at: row.created_at,
                last_used_at: row.last_used_at,
            })
        })
        .collect()
}

/// Stores a fresh secret that is not confirmed yet. Those that were begun before and never confirmed are given up.
pub(crate) async fn insert_totp(tx: &mut Tx, staff: StaffId, name: &str) -> Result<NewTotp, FactorError> {
    let name = named(name)?;
    let role = lock(tx, staff).await?;
    if !usable(tx, role, FactorKind::Totp) {
        return Err(FactorError::NeedsKey);
    }
    let (at, id) = (tx.context().at, Uuid::now_v7());
    sqlx::query!(
        "UPDATE second_factor SET removed_at = $2, totp_secret = NULL
         WHERE staff_id = $1 AND clinic_id = current_clinic() AND confirmed_at IS NULL AND removed_at IS NULL",
        staff.0,
        at,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    let mut secret = Zeroizing::new([0u8; TOTP_SECRET_BYTES]);
    rand::fill(&mut *secret).map_err(|_| Error::Sealed("second factor"))?;
    store_totp(tx, staff, id, name, &secret, None).await?;
    let email =
        sqlx::query_scalar!("SELECT email FROM staff WHERE staff_id = $1 AND clinic_id = current_clinic()", staff.0)
            .fetch_one(tx.connection()?)
            .await
            .map_err(Error::from)?;
    let totp = Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_secret(secret.to_vec())
        .with_account_name(email.replace(':', " "))
        .with_issuer(Some("Bedside"))
        .build()
        .map_err(|_| Error::Sealed("second factor"))?;
    let url = totp.to_url().map_err(|_| Error::Sealed("second factor"))?;
    Ok(NewTotp { id, secret: Phi::from(totp_rs::Secret::from(*secret).to_base32()), url: Phi::from(url) })
}

/// Writes a secret down, sealed for its own row.
pub(crate) async fn store_totp(
    tx: &mut Tx,
    staff: StaffId,
    id: Uuid,
    name: &str,
    secret: &Zeroizing<[u8; TOTP_SECRET_BYTES]>,
    confirmed_at: Option<OffsetDateTime>,
) -> Result<(), Error> {
    let sealed = tx.clinic_keys().await?.seal(Place::new(SECRET, id), &**secret)?;
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    sqlx::query!(
        "INSERT INTO second_factor (second_factor_id, clinic_id, staff_id, kind, name, totp_secret, created_at, confirmed_at)
         VALUES ($1, $2, $3, 'totp', $4, $5, $6, $7)",
        id,
        clinic,
        staff.0,
        name,
        sealed,
        at,
        confirmed_at,
    )
    .execute(tx.connection()?)
    .await?;
    Ok(())
}

/// What came of a code for a new app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmed {
    /// The factor works from now on.
    Yes,
    /// It was not a code of it.
    WrongCode,
}

/// Confirms a factor that was begun.
pub(crate) async fn confirm(tx: &mut Tx, staff: StaffId, id: Uuid, code: &str) -> Result<Confirmed, FactorError> {
    let at = tx.context().at;
    let row = sqlx::query!(
        r#"SELECT totp_secret AS "secret!" FROM second_factor
           WHERE second_factor_id = $1 AND staff_id = $2 AND clinic_id = current_clinic() AND kind = 'totp'
             AND confirmed_at IS NULL AND removed_at IS NULL AND created_at > $3 FOR UPDATE"#,
        id,
        staff.0,
        at - CONFIRM_WITHIN,
    )
    .fetch_optional(tx.connection()?)
    .await
    .map_err(Error::from)?
    .ok_or(Error::NotFound)?;
    let secret = tx.clinic_keys().await?.open(Place::new(SECRET, id), &row.secret)?;
    let Some(step) = proof::matching_step(secret.expose(), code, at) else {
        tx.logged_as(Entry {
            outcome: Outcome::Failed,
            reason: Some("wrong"),
            ..Entry::new("factor.added", Resource::Staff(staff))
        });
        return Ok(Confirmed::WrongCode);
    };
    sqlx::query!(
        "UPDATE second_factor SET confirmed_at = $2, last_used_at = $2, totp_last_step = $3
         WHERE second_factor_id = $1 AND clinic_id = current_clinic()",
        id,
        at,
        step,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    added(tx, staff, id, FactorKind::Totp);
    Ok(Confirmed::Yes)
}

/// Takes a factor away, or all of them, and destroys what it could be used with.
pub(crate) async fn destroy(tx: &mut Tx, staff: StaffId, id: Option<Uuid>) -> Result<(), Error> {
    let at = tx.context().at;
    sqlx::query!(
        "UPDATE second_factor SET removed_at = $3, totp_secret = NULL, credential = NULL, credential_state = NULL, credential_id = NULL
         WHERE staff_id = $1 AND ($2::uuid IS NULL OR second_factor_id = $2) AND clinic_id = current_clinic() AND removed_at IS NULL",
        staff.0,
        id,
        at,
    )
    .execute(tx.connection()?)
    .await?;
    Ok(())
}

pub(crate) fn added(tx: &mut Tx, staff: StaffId, id: Uuid, kind: FactorKind) {
    tx.logged_as(Entry {
        detail: Some(serde_json::json!({"factor": id, "kind": kind.as_str()})),
        ..Entry::new("factor.added", Resource::Staff(staff))
    });
}

/// A name that can be shown in a list.
pub(crate) fn named(name: &str) -> Result<&str, FactorError> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        return Err(FactorError::BadName);
    }
    Ok(name)
}

/// A factor was not added.
#[derive(Debug, thiserror::Error)]
pub enum FactorError {
    /// Empty, too long, or not printable.
    #[error("give it a name of at most {MAX_NAME_CHARS} characters")]
    BadName,
    /// This role must use a security key.
    #[error("your role needs a security key or passkey; a code from an app is not enough")]
    NeedsKey,
    /// The authenticator's answer does not fit the question, or is not from here.
    #[error("the security key's answer can't be used; try again")]
    BadAnswer,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
