//! Members of staff.

use uuid::Uuid;
use visit::{PatientId, Role, StaffId};
use zeroize::Zeroizing;

use crate::action::{ListProviders, Resource};
use crate::audit::Entry;
use crate::identity::factors;
use crate::{Authorized, Error, Pending, Phi, Tx, password, sessions};

/// Somebody who treats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Who.
    pub staff_id: StaffId,
    /// Shown name.
    pub name: String,
}

/// All active providers, by name.
///
/// # Errors
/// The database can't be reached.
pub async fn providers(tx: &mut Tx, may: &Authorized<ListProviders>) -> Result<Pending<Vec<Provider>>, Error> {
    tx.proved(may)?;
    let rows = sqlx::query!("SELECT staff_id, name FROM staff WHERE role = 'provider' AND active AND clinic_id = current_clinic() ORDER BY name, staff_id")
        .fetch_all(tx.connection()?)
        .await?;
    Ok(Pending(rows.into_iter().map(|row| Provider { staff_id: StaffId(row.staff_id), name: row.name }).collect()))
}

/// A new account.
pub struct NewStaff {
    /// To sign in with; one account in the whole installation.
    pub email: String,
    /// Shown name.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Password, [`MIN_PASSWORD_CHARS`] or more.
    pub password: Phi<String>,
    /// TOTP secret, 20 bytes.
    pub totp_secret: Zeroizing<[u8; TOTP_SECRET_BYTES]>,
}

/// Shortest password, characters.
pub const MIN_PASSWORD_CHARS: usize = 12;
/// The name of an authenticator that came with the account.
const FIRST_APP: &str = "Authenticator app";
/// Length of a TOTP secret, bytes (RFC 4226 recommends 160 bits).
pub const TOTP_SECRET_BYTES: usize = 20;

/// Makes an account. The server's own work only, so far.
///
/// # Errors
/// See [`AccountError`].
pub async fn create(tx: &mut Tx, new: &NewStaff) -> Result<Pending<StaffId>, AccountError> {
    tx.only_system()?;
    if new.password.expose().chars().count() < MIN_PASSWORD_CHARS {
        return Err(AccountError::ShortPassword);
    }
    let id = StaffId(Uuid::now_v7());
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    let hash = password::hash(tx.records(), new.password.clone()).await?;
    let made = sqlx::query!(
        "INSERT INTO staff (staff_id, clinic_id, email, name, role, password_hash, created_at, activated_at, password_changed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $7)",
        id.0,
        clinic,
        new.email.trim(),
        new.name,
        new.role.as_str(),
        hash,
        at,
    )
    .execute(tx.connection()?)
    .await;
    if let Err(error) = made {
        let taken = error.as_database_error().is_some_and(|error| error.constraint() == Some("staff_email"));
        return Err(if taken { AccountError::EmailTaken } else { AccountError::Failed(error.into()) });
    }
    factors::store_totp(tx, id, Uuid::now_v7(), FIRST_APP, &new.totp_secret, Some(at)).await?;
    tx.log(Entry::new("staff.create", Resource::Staff(id)));
    Ok(Pending(id))
}

/// Gives an account a new password and second factor, and ends its sessions. The server's own work only, so far.
///
/// # Errors
/// See [`AccountError`].
pub async fn reset_secrets(
    tx: &mut Tx,
    id: StaffId,
    password: &Phi<String>,
    totp_secret: &Zeroizing<[u8; TOTP_SECRET_BYTES]>,
) -> Result<Pending<()>, AccountError> {
    tx.only_system()?;
    if password.expose().chars().count() < MIN_PASSWORD_CHARS {
        return Err(AccountError::ShortPassword);
    }
    let at = tx.context().at;
    let hash = password::hash(tx.records(), password.clone()).await?;
    let changed = sqlx::query!(
        "UPDATE staff SET password_hash = $2, password_changed_at = $3 WHERE staff_id = $1 AND clinic_id = current_clinic()",
        id.0,
        hash,
        at,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    if changed.rows_affected() != 1 {
        return Err(Error::NotFound.into());
    }
    factors::destroy(tx, id, None).await?;
    factors::store_totp(tx, id, Uuid::now_v7(), FIRST_APP, totp_secret, Some(at)).await?;
    sessions::end_all_of(tx, id, None).await?;
    tx.log(Entry::new("staff.reset_secrets", Resource::Staff(id)));
    Ok(Pending(()))
}

/// Assigns a patient to a member of staff: a care relationship without an appointment. The server's own work only, so far.
///
/// # Errors
/// The database can't be reached, or one of the two is not of this clinic.
pub async fn assign(tx: &mut Tx, staff: StaffId, patient: PatientId) -> Result<Pending<()>, Error> {
    tx.only_system()?;
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    sqlx::query!(
        "INSERT INTO care_assignment (care_assignment_id, clinic_id, staff_id, patient_id, from_at) VALUES ($1, $2, $3, $4, $5)",
        Uuid::now_v7(),
        clinic,
        staff.0,
        patient.0,
        at,
    )
    .execute(tx.connection()?)
    .await?;
    tx.log(Entry { patient: Some(patient), ..Entry::new("staff.assign", Resource::Staff(staff)) });
    Ok(Pending(()))
}

/// An account was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Shorter than [`MIN_PASSWORD_CHARS`].
    #[error("the password is shorter than {MIN_PASSWORD_CHARS} characters; choose a longer one")]
    ShortPassword,
    /// There is an account with this address.
    #[error("there is an account with this e-mail address already; use another one")]
    EmailTaken,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
