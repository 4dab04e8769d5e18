//! Where a patient is reached, changed in the portal. An e-mail address signs in to the record, so that a new one does not
//! count before a link that was mailed to it was used; the one that counted so far is told at once.

use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use visit::{ClinicId, GuardianId, PatientId};
use zeroize::Zeroize;

use crate::action::{ReadDemographics, WriteDemographics};
use crate::chart::Invalid;
use crate::outbox;
use crate::patients::ContactDetails;
use crate::patients::demographics::Email;
use crate::patients::record::{self, Record, SaveError};
use crate::seal::Place;
use crate::token::{hash_token, random_token, well_formed};
use crate::{Actor, Authorized, Error, Origin, Pending, Phi, Records, RequestContext, Tx};

/// How long the link to a new address is good.
pub const GOOD_FOR: Duration = Duration::hours(24);
/// New addresses that one record may be given in that time: nobody's mailbox is filled by way of it.
pub const AT_ONCE: i64 = 5;
const ADDRESS: &str = "portal_email_change.address";
const EMAILS: &str = "portal_email_change.emails";

/// An address that waits for its link to be used.
pub struct Waiting {
    /// The address.
    pub address: Phi<String>,
    /// Until then the link is good.
    pub expires_at: OffsetDateTime,
}

/// Changes where the patient is reached if `if_version` is still the version. Everything counts at once but an address that
/// is not on record: that one gets a link by mail, and until it is used the addresses stay as they are.
///
/// # Errors
/// See [`ContactError`].
pub async fn save_contact(
    tx: &mut Tx,
    may: &Authorized<WriteDemographics>,
    if_version: i32,
    contact: &Phi<ContactDetails>,
) -> Result<Pending<Record>, ContactError> {
    tx.proved(may)?;
    let patient = may.patient().ok_or(Error::NotFound)?;
    let stored = record::load(tx, patient).await?;
    if stored.version != if_version {
        return Err(SaveError::ChangedElsewhere { version: stored.version }.into());
    }
    let before = stored.demographics.expose();
    let former = before.first_email().map(Phi::from);
    let mut wanted = before.clone();
    let ContactDetails { phones, emails, addresses } = contact.expose().clone();
    (wanted.phones, wanted.emails, wanted.addresses) = (phones, emails, addresses);
    // Brought into form, and refused here if it can't be kept.
    wanted.check(tx.context().at.date()).map_err(SaveError::from)?;
    let mut fresh = wanted.emails.iter().filter(|one| !has(&before.emails, &one.address));
    let (new, another) = (fresh.next().cloned(), fresh.next().is_some());
    if another {
        return Err(
            SaveError::from(Invalid::new("emails", "one new address at a time, since each is confirmed")).into()
        );
    }
    withdraw(tx, patient).await?;
    if let Some(new) = &new {
        ask(tx, patient, new, &wanted.emails).await?;
        wanted.emails.clone_from(&before.emails);
    }
    // Whoever is reached elsewhere from now on, or will be, is told where they were reached so far.
    let moved = new.is_some()
        || wanted.first_email().map(str::to_lowercase) != former.as_ref().map(|one| one.expose().to_lowercase());
    if let Some(former) = former.filter(|_| moved) {
        outbox::email_changes(tx, patient, &former).await?;
    }
    let unchanged =
        (&wanted.phones, &wanted.emails, &wanted.addresses) == (&before.phones, &before.emails, &before.addresses);
    if unchanged {
        wanted.zeroize();
        return Ok(Pending(record::load(tx, patient).await?));
    }
    Ok(record::save(tx, may, if_version, &Phi::new(wanted)).await?)
}

/// The address that waits, if one does.
///
/// # Errors
/// The database can't be reached.
pub async fn waiting(tx: &mut Tx, may: &Authorized<ReadDemographics>) -> Result<Pending<Option<Waiting>>, Error> {
    tx.proved(may)?;
    let (patient, at) = (may.patient().ok_or(Error::NotFound)?, tx.context().at);
    let row = sqlx::query!(
        r#"SELECT portal_email_change_id, address AS "address!", expires_at FROM portal_email_change
           WHERE patient_id = $1 AND clinic_id = current_clinic() AND confirmed_at IS NULL AND withdrawn_at IS NULL AND expires_at > $2"#,
        patient.0,
        at,
    )
    .fetch_optional(tx.connection()?)
    .await?;
    let Some(row) = row else { return Ok(Pending(None)) };
    let keys = tx.patient_keys(patient).await?;
    let address = keys.open_text(Place::new(ADDRESS, row.portal_email_change_id), &row.address)?;
    Ok(Pending(Some(Waiting { address, expires_at: row.expires_at })))
}

/// Whoever has the link reads the mail of the new address: from here on it counts. To be called when a person pressed the
/// button, never when a page is merely opened.
///
/// # Errors
/// See [`ConfirmError`].
pub async fn confirm(records: &Records, origin: &Origin, token: &str, now: OffsetDateTime) -> Result<(), ConfirmError> {
    let asked = find(records, token).await?.ok_or(ConfirmError::NotUsable)?;
    let (patient, clinic) = (asked.patient, asked.clinic);
    let actor = match asked.guardian {
        Some(id) => Actor::Guardian { id, visit: None, clinic },
        None => Actor::PortalPatient { id: patient, clinic },
    };
    let context = RequestContext { actor, origin: origin.clone(), ..RequestContext::system("portal", clinic, now) };
    let mut tx = records.begin(context).await?;
    // They may have ceased to act for the patient since they asked.
    let may = match tx.authorize(WriteDemographics(patient)).await {
        Ok(may) => may,
        Err(Error::NotFound | Error::Forbidden) => return Err(ConfirmError::NotUsable),
        Err(error) => return Err(error.into()),
    };
    let row = sqlx::query!(
        r#"SELECT address AS "address!", emails AS "emails!" FROM portal_email_change
           WHERE portal_email_change_id = $1 AND clinic_id = current_clinic() AND confirmed_at IS NULL AND withdrawn_at IS NULL
             AND expires_at > $2 FOR UPDATE"#,
        asked.id,
        now,
    )
    .fetch_optional(tx.connection()?)
    .await
    .map_err(Error::from)?
    .ok_or(ConfirmError::NotUsable)?;
    let root = may.patient().ok_or(Error::NotFound)?;
    let keys = tx.patient_keys(patient).await?;
    let address = keys.open_text(Place::new(ADDRESS, asked.id), &row.address)?;
    let opened = keys.open(Place::new(EMAILS, asked.id), &row.emails)?;
    let mut emails: Vec<Email> = serde_json::from_slice(opened.expose()).map_err(|_| Error::UnknownValue(EMAILS))?;
    let stored = record::load(&mut tx, root).await?;
    let mut wanted = stored.demographics.expose().clone();
    // What the clinic took off the record meanwhile stays off.
    emails.retain(|one| has(&wanted.emails, &one.address) || same(&one.address, address.expose()));
    wanted.emails = emails;
    sqlx::query!(
        "UPDATE portal_email_change SET confirmed_at = $2, address = NULL, emails = NULL WHERE portal_email_change_id = $1 AND clinic_id = current_clinic()",
        asked.id,
        now,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    let saved = match record::save(&mut tx, &may, stored.version, &Phi::new(wanted)).await {
        Ok(saved) => saved,
        Err(SaveError::Failed(error)) => return Err(error.into()),
        Err(SaveError::Invalid(_) | SaveError::ChangedElsewhere { .. }) => return Err(ConfirmError::NotUsable),
    };
    if let Some(logged) = tx.last_logged() {
        logged.reason = Some("email_confirmed");
    }
    tx.commit(saved).await?;
    Ok(())
}

/// Mails the link to the new address.
async fn ask(tx: &mut Tx, patient: PatientId, new: &Email, emails: &[Email]) -> Result<(), ContactError> {
    let (clinic, at, id) = (tx.context().actor.clinic(), tx.context().at, Uuid::now_v7());
    let sent = sqlx::query_scalar!(
        r#"SELECT count(*) AS "sent!" FROM portal_email_change WHERE patient_id = $1 AND clinic_id = current_clinic() AND created_at > $2"#,
        patient.0,
        at - GOOD_FOR,
    )
    .fetch_one(tx.connection()?)
    .await
    .map_err(Error::from)?;
    if sent >= AT_ONCE {
        return Err(ContactError::TooMany);
    }
    let keys = tx.patient_keys(patient).await?;
    let mut json = serde_json::to_vec(emails).map_err(|_| Error::UnknownValue(EMAILS))?;
    let (token, address) = (random_token(), Phi::from(new.address.as_str()));
    let guardian = match tx.context().actor {
        Actor::Guardian { id, .. } => Some(id.0),
        _ => None,
    };
    sqlx::query!(
        "INSERT INTO portal_email_change (portal_email_change_id, clinic_id, patient_id, by_guardian, address, emails, token_hash, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        id,
        clinic.0,
        patient.0,
        guardian,
        keys.seal_text(Place::new(ADDRESS, id), &address)?,
        keys.seal(Place::new(EMAILS, id), &json)?,
        &hash_token(&token)[..],
        at,
        at + GOOD_FOR,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    json.zeroize();
    outbox::confirm_email(tx, patient, &address, &token).await?;
    Ok(())
}

async fn withdraw(tx: &mut Tx, patient: PatientId) -> Result<(), Error> {
    let at = tx.context().at;
    sqlx::query!(
        "UPDATE portal_email_change SET withdrawn_at = $2, address = NULL, emails = NULL
         WHERE patient_id = $1 AND clinic_id = current_clinic() AND confirmed_at IS NULL AND withdrawn_at IS NULL",
        patient.0,
        at,
    )
    .execute(tx.connection()?)
    .await?;
    Ok(())
}

fn has(emails: &[Email], address: &str) -> bool {
    emails.iter().any(|one| same(&one.address, address))
}

fn same(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

struct Asked {
    id: Uuid,
    clinic: ClinicId,
    patient: PatientId,
    guardian: Option<GuardianId>,
}

async fn find(records: &Records, token: &str) -> Result<Option<Asked>, Error> {
    if !well_formed(token) {
        return Ok(None);
    }
    let hash = hash_token(token);
    let mut tx = records.begin_without_clinic().await?;
    sqlx::query!("SELECT set_config('bedside.token_hash', $1, true)", hex::encode(hash)).fetch_one(&mut *tx).await?;
    let row = sqlx::query!(
        "SELECT portal_email_change_id, clinic_id, patient_id, by_guardian FROM portal_email_change WHERE token_hash = $1",
        &hash[..]
    )
    .fetch_optional(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(row.map(|row| Asked {
        id: row.portal_email_change_id,
        clinic: ClinicId(row.clinic_id),
        patient: PatientId(row.patient_id),
        guardian: row.by_guardian.map(GuardianId),
    }))
}

/// Where the patient is reached was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ContactError {
    /// Too many new addresses in a day.
    #[error("this record was given several new addresses today; confirm one of them, or wait a day")]
    TooMany,
    /// See [`SaveError`].
    #[error(transparent)]
    Save(#[from] SaveError),
}

impl From<Error> for ContactError {
    fn from(error: Error) -> Self {
        Self::Save(error.into())
    }
}

/// The new address does not count.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmError {
    /// Unknown, used, replaced or too old: all look alike.
    #[error("this link can't be used; give the address again in the portal")]
    NotUsable,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
