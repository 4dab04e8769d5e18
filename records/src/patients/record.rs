//! A patient's demographics: read, changed, with every version kept.

use std::collections::BTreeMap;

use time::OffsetDateTime;
use uuid::Uuid;
use visit::PatientId;
use zeroize::Zeroize;

use super::demographics::Demographics;
use crate::action::{ReadDemographics, WriteDemographics};
use crate::chart::Invalid;
use crate::chart::entries::{Author, author, authors};
use crate::patient_index::index_patient;
use crate::seal::Place;
use crate::text_enum::text_enum;
use crate::{Authorized, Error, Pending, Phi, Tx};

text_enum! {
    /// What was done to demographics.
    Change {
        /// The patient was put on record.
        Created = "created",
        /// They say something else now.
        Changed = "changed",
        /// Another record was merged into this one.
        Merged = "merged",
        /// That was undone.
        Unmerged = "unmerged",
    }
}

/// A patient's record as it stands.
pub struct Record {
    /// Whose. After a merge, that of the surviving record, whichever was asked for.
    pub patient_id: PatientId,
    /// The clinic's number.
    pub mrn: Phi<String>,
    /// Who they are.
    pub demographics: Phi<Demographics>,
    /// Grows by one with every change; 0 for who was put on record before versions were kept. The `ETag`.
    pub version: i32,
    /// When it was last changed.
    pub changed_at: OffsetDateTime,
    /// Records that were merged into this one.
    pub aliases: Vec<Alias>,
}

/// A record that was merged into another.
pub struct Alias {
    /// Which.
    pub patient_id: PatientId,
    /// Its number, which still finds the patient.
    pub mrn: Phi<String>,
    /// The name it was kept under.
    pub name: Phi<String>,
    /// Its date of birth.
    pub date_of_birth: Phi<String>,
    /// When it was merged.
    pub merged_at: OffsetDateTime,
    /// By whom.
    pub merged_by: String,
}

/// One version of demographics.
pub struct Revision {
    /// Which.
    pub version: i32,
    /// What was done.
    pub change: Change,
    /// What they said from then on; what they said before is in the version below.
    pub demographics: Phi<Demographics>,
    /// When.
    pub at: OffsetDateTime,
    /// By whom; `None` for the server itself.
    pub by: Option<Author>,
}

/// The record.
///
/// # Errors
/// The database can't be reached, or a value does not open.
pub async fn read(tx: &mut Tx, may: &Authorized<ReadDemographics>) -> Result<Pending<Record>, Error> {
    tx.proved(may)?;
    let patient = may.patient().ok_or(Error::NotFound)?;
    load(tx, patient).await.map(Pending)
}

/// Changes demographics if `if_version` is still their version.
///
/// # Errors
/// See [`SaveError`].
pub async fn save(
    tx: &mut Tx,
    may: &Authorized<WriteDemographics>,
    if_version: i32,
    demographics: &Phi<Demographics>,
) -> Result<Pending<Record>, SaveError> {
    tx.proved(may)?;
    let patient = may.patient().ok_or(Error::NotFound)?;
    let version = replace(tx, patient, if_version, demographics.expose().clone(), Change::Changed).await?;
    if let Some(logged) = tx.last_logged() {
        logged.detail = Some(serde_json::json!({ "version": version }));
    }
    Ok(Pending(load(tx, patient).await?))
}

/// Every version, newest first.
///
/// # Errors
/// The database can't be reached, or a value does not open.
pub async fn history(tx: &mut Tx, may: &Authorized<ReadDemographics>) -> Result<Pending<Vec<Revision>>, Error> {
    tx.proved(may)?;
    let patient = may.patient().ok_or(Error::NotFound)?;
    revisions(tx, patient).await.map(Pending)
}

pub(super) async fn revisions(tx: &mut Tx, patient: PatientId) -> Result<Vec<Revision>, Error> {
    let rows = sqlx::query!(
        r#"SELECT r.version, r.change, r.body, r.at, s.name AS "staff_name?", (r.by_staff IS NULL AND (r.by_patient IS NOT NULL OR r.by_guardian IS NOT NULL)) AS "by_patient!"
           FROM patient_revision r LEFT JOIN staff s ON s.staff_id = r.by_staff WHERE r.patient_id = $1 ORDER BY r.version DESC"#,
        patient.0,
    )
    .fetch_all(tx.connection()?)
    .await?;
    let keys = tx.patient_keys(patient).await?;
    let mut revisions = Vec::with_capacity(rows.len());
    for row in rows {
        revisions.push(Revision {
            version: row.version,
            change: Change::parse(&row.change)?,
            demographics: Phi::new(parse(keys.open(body_place(patient, row.version), &row.body)?.expose())?),
            at: row.at,
            by: author(row.staff_name, row.by_patient),
        });
    }
    Ok(revisions)
}

/// Writes the next version, the columns beside it and the index; gives its number.
pub(crate) async fn replace(
    tx: &mut Tx,
    patient: PatientId,
    if_version: i32,
    mut demographics: Demographics,
    change: Change,
) -> Result<i32, SaveError> {
    demographics.check(tx.context().at.date())?;
    let stored = sqlx::query_scalar!(
        "SELECT version FROM patient WHERE patient_id = $1 AND merged_into IS NULL FOR NO KEY UPDATE",
        patient.0
    )
    .fetch_optional(tx.connection()?)
    .await
    .map_err(Error::from)?
    .ok_or(Error::NotFound)?;
    if stored != if_version {
        return Err(SaveError::ChangedElsewhere { version: stored });
    }
    if stored == 0 {
        // What was there before versions were kept is the first of them.
        let before = document(tx, patient, 0).await?;
        write_revision(tx, patient, 1, Change::Created, &before).await?;
    }
    if let Some(zone) = &demographics.time_zone {
        check_zone(tx, zone).await?;
    }
    let version = stored.max(1) + 1;
    let columns = columns(tx, patient, &demographics).await?;
    sqlx::query!(
        "UPDATE patient SET name = $2, date_of_birth = $3, phone = $4, email = $5, version = $6 WHERE patient_id = $1",
        patient.0,
        columns.name,
        columns.date_of_birth,
        columns.phone,
        columns.email,
        version,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    write_revision(tx, patient, version, change, &demographics).await?;
    index_patient(tx, patient).await?;
    Ok(version)
}

async fn check_zone(tx: &mut Tx, zone: &str) -> Result<(), SaveError> {
    let known =
        sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM pg_timezone_names WHERE name = $1) AS "known!""#, zone)
            .fetch_one(tx.connection()?)
            .await
            .map_err(Error::from)?;
    if known { Ok(()) } else { Err(Invalid::new("time_zone", "a zone like America/Chicago").into()) }
}

/// What stands in the patient's row beside the document, sealed.
pub(super) struct Columns {
    pub name: Vec<u8>,
    pub date_of_birth: Vec<u8>,
    pub phone: Option<Vec<u8>>,
    pub email: Option<Vec<u8>>,
}

pub(super) async fn columns(tx: &mut Tx, patient: PatientId, demographics: &Demographics) -> Result<Columns, Error> {
    let keys = tx.patient_keys(patient).await?;
    let seal = |column, text: &str| keys.seal(Place::new(column, patient.0), text.as_bytes());
    let mut name = demographics.shown_name();
    let columns = Columns {
        name: seal("patient.name", &name)?,
        date_of_birth: seal("patient.date_of_birth", &demographics.date_of_birth)?,
        phone: demographics.first_phone().map(|phone| seal("patient.phone", phone)).transpose()?,
        email: demographics.first_email().map(|email| seal("patient.email", email)).transpose()?,
    };
    name.zeroize();
    Ok(columns)
}

pub(super) async fn write_revision(
    tx: &mut Tx,
    patient: PatientId,
    version: i32,
    change: Change,
    demographics: &Demographics,
) -> Result<(), Error> {
    let by = authors(tx);
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    let mut json = serde_json::to_vec(demographics).map_err(|_| Error::UnknownValue("patient_revision.body"))?;
    let body = tx.patient_keys(patient).await?.seal(body_place(patient, version), &json)?;
    json.zeroize();
    sqlx::query!(
        "INSERT INTO patient_revision (patient_id, version, clinic_id, change, body, by_staff, by_patient, by_guardian, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        patient.0,
        version,
        clinic,
        change.as_str(),
        body,
        by.staff,
        by.patient,
        by.guardian,
        at,
    )
    .execute(tx.connection()?)
    .await?;
    Ok(())
}

/// The document of one version; 0 is made of what the row says.
pub(super) async fn document(tx: &mut Tx, patient: PatientId, version: i32) -> Result<Demographics, Error> {
    let keys = tx.patient_keys(patient).await?;
    if version > 0 {
        let sealed = sqlx::query_scalar!(
            "SELECT body FROM patient_revision WHERE patient_id = $1 AND version = $2",
            patient.0,
            version
        )
        .fetch_one(tx.connection()?)
        .await?;
        return parse(keys.open(body_place(patient, version), &sealed)?.expose());
    }
    let row = sqlx::query!("SELECT name, date_of_birth, phone, email FROM patient WHERE patient_id = $1", patient.0)
        .fetch_one(tx.connection()?)
        .await?;
    let open = |column, sealed: &[u8]| keys.open_text(Place::new(column, patient.0), sealed);
    let (name, born) = (open("patient.name", &row.name)?, open("patient.date_of_birth", &row.date_of_birth)?);
    let phone = row.phone.map(|sealed| open("patient.phone", &sealed)).transpose()?;
    let email = row.email.map(|sealed| open("patient.email", &sealed)).transpose()?;
    Ok(Demographics::of(name.expose(), born.expose()).reachable(phone.as_ref(), email.as_ref()))
}

pub(crate) async fn load(tx: &mut Tx, patient: PatientId) -> Result<Record, Error> {
    let row = sqlx::query!(
        r#"SELECT p.mrn, p.version, coalesce(r.at, p.created_at) AS "changed_at!"
           FROM patient p LEFT JOIN patient_revision r ON r.patient_id = p.patient_id AND r.version = p.version WHERE p.patient_id = $1"#,
        patient.0,
    )
    .fetch_optional(tx.connection()?)
    .await?
    .ok_or(Error::NotFound)?;
    let demographics = Phi::new(document(tx, patient, row.version).await?);
    let mrn = tx.patient_keys(patient).await?.open_text(Place::new("patient.mrn", patient.0), &row.mrn)?;
    let aliases = aliases(tx, patient).await?;
    Ok(Record { patient_id: patient, mrn, demographics, version: row.version, changed_at: row.changed_at, aliases })
}

/// The names that these patients had before and those that they said they had, without the one they have. Keys are loaded.
pub(crate) async fn former_names(tx: &mut Tx, patients: &[Uuid]) -> Result<BTreeMap<Uuid, Vec<Phi<String>>>, Error> {
    let rows = sqlx::query!(
        "SELECT r.patient_id, r.version, r.body, p.version AS current FROM patient_revision r JOIN patient p USING (patient_id)
         WHERE r.clinic_id = current_clinic() AND r.patient_id = ANY($1) ORDER BY r.patient_id, r.version DESC",
        patients,
    )
    .fetch_all(tx.connection()?)
    .await?;
    let mut names: BTreeMap<Uuid, Vec<Phi<String>>> = BTreeMap::new();
    for row in rows {
        let place = body_place(PatientId(row.patient_id), row.version);
        let mut document = parse(tx.known_keys(row.patient_id)?.open(place, &row.body)?.expose())?;
        let known = names.entry(row.patient_id).or_default();
        let mut said = Vec::new();
        if row.version == row.current {
            said.append(&mut document.former_names);
        } else {
            said.push(document.shown_name());
        }
        for name in said {
            if known.iter().all(|one| *one.expose() != name) {
                known.push(Phi::from(name));
            }
        }
        document.zeroize();
    }
    Ok(names)
}

async fn aliases(tx: &mut Tx, patient: PatientId) -> Result<Vec<Alias>, Error> {
    let rows = sqlx::query!(
        "SELECT p.patient_id, p.name, p.date_of_birth, p.mrn, m.merged_at, s.name AS merged_by
         FROM patient p JOIN patient_merge m ON m.merged_id = p.patient_id AND m.undone_at IS NULL JOIN staff s ON s.staff_id = m.merged_by
         WHERE p.patient_id IN (SELECT patient_family($1)) AND p.patient_id <> $1 ORDER BY m.merged_at, p.patient_id",
        patient.0,
    )
    .fetch_all(tx.connection()?)
    .await?;
    tx.load_patient_keys(&rows.iter().map(|row| row.patient_id).collect::<Vec<_>>()).await?;
    let mut aliases = Vec::with_capacity(rows.len());
    for row in rows {
        let keys = tx.known_keys(row.patient_id)?;
        let open = |column, sealed: &[u8]| keys.open_text(Place::new(column, row.patient_id), sealed);
        aliases.push(Alias {
            patient_id: PatientId(row.patient_id),
            mrn: open("patient.mrn", &row.mrn)?,
            name: open("patient.name", &row.name)?,
            date_of_birth: open("patient.date_of_birth", &row.date_of_birth)?,
            merged_at: row.merged_at,
            merged_by: row.merged_by,
        });
    }
    Ok(aliases)
}

fn parse(json: &[u8]) -> Result<Demographics, Error> {
    serde_json::from_slice(json).map_err(|_| Error::UnknownValue("patient_revision.body"))
}

fn body_place(patient: PatientId, version: i32) -> Place {
    Place::part("patient_revision.body", patient.0, i64::from(version))
}

/// Demographics were not changed.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// Somebody else, or another tab, saved in between.
    #[error("the record was changed elsewhere (it is now version {version}); reload it and bring your change in")]
    ChangedElsewhere {
        /// The version that is stored.
        version: i32,
    },
    /// A value can't be kept.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
