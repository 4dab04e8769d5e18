//! "No known allergies" is a statement that somebody made, not an empty list: nobody may have asked yet.

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use visit::PatientId;

use super::documents::Clinical;
use super::entries::{self, Change, Entry, EntryError, List, Listed, body_place, parse};
use crate::action::{ReadClinical, WriteClinical};
use crate::text_enum::text_enum;
use crate::{Authorized, Error, Pending, Tx};

text_enum! {
    /// What is known about allergies as a whole.
    Known {
        /// Nobody has asked, or it was taken back.
        NotAsked = "not_asked",
        /// Somebody asked, and there are none.
        None = "none_known",
        /// There are some; see the list.
        Listed = "listed",
    }
}

/// What is known, and the version of the statement that there are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllergyState {
    /// What is known.
    pub known: Known,
    /// Grows whenever somebody states or withdraws that there are none; 0 if nobody has. The `ETag`.
    pub version: i32,
}

#[derive(Serialize, Deserialize)]
struct Statement {
    none_known: bool,
}

struct Stored {
    id: Uuid,
    patient: PatientId,
    version: i32,
    none_known: bool,
}

/// What is known about allergies, given the clinical entries.
///
/// # Errors
/// The database can't be reached, or a value does not open.
pub async fn state(
    tx: &mut Tx,
    may: &Authorized<ReadClinical>,
    entries: &Pending<Vec<Entry<Clinical>>>,
) -> Result<Pending<AllergyState>, Error> {
    tx.proved(may)?;
    let patient = may.patient().ok_or(Error::NotFound)?;
    known(tx, patient, &entries.0).await.map(Pending)
}

pub(crate) async fn known(tx: &mut Tx, patient: PatientId, entries: &[Entry<Clinical>]) -> Result<AllergyState, Error> {
    let statements = stored(tx, patient).await?;
    let version = statements.iter().map(|one| one.version).sum();
    let listed = entries.iter().any(|entry| !entry.entered_in_error && entry.document.expose().is_an_allergy());
    let known = match listed {
        true => Known::Listed,
        false if statements.iter().any(|one| one.none_known) => Known::None,
        false => Known::NotAsked,
    };
    Ok(AllergyState { known, version })
}

/// States that there are no known allergies, or takes it back, if `if_version` is still the statement's version.
///
/// # Errors
/// [`EntryError::AllergiesListed`] if there are some on the list; see [`EntryError`].
pub async fn set_none_known(
    tx: &mut Tx,
    may: &Authorized<WriteClinical>,
    if_version: i32,
    none_known: bool,
) -> Result<Pending<AllergyState>, EntryError> {
    tx.proved(may)?;
    let patient = may.patient().ok_or(Error::NotFound)?;
    // One after the other, also with whoever enters an allergy at this moment.
    lock(tx, patient).await?;
    let entries = entries::load::<Clinical>(tx, patient, None).await?;
    let before = known(tx, patient, &entries).await?;
    if before.version != if_version {
        return Err(EntryError::ChangedElsewhere { version: before.version });
    }
    if none_known && before.known == Known::Listed {
        return Err(EntryError::AllergiesListed);
    }
    write(tx, patient, none_known).await?;
    let after = known(tx, patient, &entries).await?;
    if let Some(logged) = tx.last_logged() {
        logged.detail = Some(serde_json::json!({ "list": "no_known_allergies", "version": after.version }));
    }
    Ok(Pending(after))
}

/// An allergy was entered: the statement that there are none does not hold any more.
pub(super) async fn withdraw_none_known(tx: &mut Tx, patient: PatientId) -> Result<(), EntryError> {
    lock(tx, patient).await?;
    if stored(tx, patient).await?.iter().any(|one| one.none_known) {
        write(tx, patient, false).await?;
    }
    Ok(())
}

/// Changes every statement of the patient and of records merged into it; makes one if there is none.
async fn write(tx: &mut Tx, patient: PatientId, none_known: bool) -> Result<(), EntryError> {
    let statements = stored(tx, patient).await?;
    let body = Statement { none_known };
    if statements.is_empty() {
        let id = Uuid::now_v7();
        entries::insert(tx, patient, id, List::NoKnownAllergies).await?;
        entries::write(tx, patient, id, 1, Change::Created, &body, None).await?;
    }
    for one in statements.iter().filter(|one| one.none_known != none_known) {
        entries::set(tx, one.id, false).await?;
        entries::write(tx, one.patient, one.id, one.version + 1, Change::Changed, &body, None).await?;
    }
    Ok(())
}

async fn lock(tx: &mut Tx, patient: PatientId) -> Result<(), Error> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended($1::uuid::text || ' allergies', 0))", patient.0)
        .execute(tx.connection()?)
        .await?;
    Ok(())
}

async fn stored(tx: &mut Tx, patient: PatientId) -> Result<Vec<Stored>, Error> {
    let rows = sqlx::query!(
        "SELECT e.chart_entry_id, e.patient_id, e.version, r.body
         FROM chart_entry e JOIN chart_revision r ON r.chart_entry_id = e.chart_entry_id AND r.version = e.version
         WHERE e.patient_id IN (SELECT patient_family($1)) AND e.list = 'no_known_allergies' ORDER BY e.chart_entry_id",
        patient.0,
    )
    .fetch_all(tx.connection()?)
    .await?;
    tx.load_patient_keys(&rows.iter().map(|row| row.patient_id).collect::<Vec<_>>()).await?;
    let mut statements = Vec::with_capacity(rows.len());
    for row in rows {
        let keys = tx.known_keys(row.patient_id)?;
        let body = keys.open(body_place(row.chart_entry_id, row.version), &row.body)?;
        let Statement { none_known } = parse(body.expose())?;
        statements.push(Stored {
            id: row.chart_entry_id,
            patient: PatientId(row.patient_id),
            version: row.version,
            none_known,
        });
    }
    Ok(statements)
}
