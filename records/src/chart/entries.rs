//! Entries of a chart's lists: each with a version that grows with every change, and every version kept.
//!
//! An entry is never deleted. One that should not be there is marked as entered in error, with a reason, and can be
//! restored. It stays sealed under the key of the record it was entered in, also after that record was merged.

use serde::Serialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use uuid::Uuid;
use visit::PatientId;
use zeroize::Zeroize;

use super::allergies;
pub use super::listed::{Change, List, Listed};
use super::values::{Invalid, TEXT};
use crate::seal::Place;
use crate::{Actor, Authorized, Error, Pending, Phi, Tx};

/// Most entries of one patient, all lists together: what a page can show and a person can read.
pub const MAX_ENTRIES: i64 = 2_000;

/// An entry as it stands.
pub struct Entry<T: Zeroize> {
    /// Which.
    pub id: Uuid,
    /// In which record it was entered: that of the patient, or of one that was merged into it.
    pub entered_for: PatientId,
    /// Grows by one with every change. The `ETag`.
    pub version: i32,
    /// Whether it is marked as entered in error.
    pub entered_in_error: bool,
    /// Why it was so marked, or restored.
    pub reason: Option<Phi<String>>,
    /// What it says.
    pub document: Phi<T>,
    /// When it was last changed.
    pub changed_at: OffsetDateTime,
    /// By whom; `None` for the patient and for the server itself.
    pub changed_by: Option<String>,
}

/// One version of an entry.
pub struct Revision<T: Zeroize> {
    /// Which.
    pub version: i32,
    /// What was done.
    pub change: Change,
    /// Why, when it was marked or restored.
    pub reason: Option<Phi<String>>,
    /// What it said from then on; what it said before is in the version below.
    pub document: Phi<T>,
    /// When.
    pub at: OffsetDateTime,
    /// By whom; `None` for the server itself.
    pub by: Option<Author>,
}

/// Who wrote a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Author {
    /// A member of staff, by name.
    Staff(String),
    /// The patient, or a guardian.
    Patient,
}

/// All entries, those in error too: newest entry last within its list.
///
/// # Errors
/// The database can't be reached, or a value does not open.
pub async fn all<T: Listed>(tx: &mut Tx, may: &Authorized<T::Read>) -> Result<Pending<Vec<Entry<T>>>, Error> {
    tx.proved(may)?;
    let patient = may.patient().ok_or(Error::NotFound)?;
    load(tx, patient, None).await.map(Pending)
}

/// Writes an entry down (`if_version` 0, under an id of the caller's choice), or changes it if `if_version` is still its
/// version.
///
/// # Errors
/// See [`EntryError`].
pub async fn save<T: Listed>(
    tx: &mut Tx,
    may: &Authorized<T::Write>,
    id: Uuid,
    if_version: i32,
    mut document: T,
) -> Result<Pending<Entry<T>>, EntryError> {
    tx.proved(may)?;
    let patient = may.patient().ok_or(Error::NotFound)?;
    document.check(tx.context().at.date())?;
    let change = match lock::<T>(tx, patient, id).await? {
        Some(entry) => {
            entry.check(if_version)?;
            if entry.entered_in_error {
                return Err(EntryError::InError);
            }
            if entry.list != document.list() {
                return Err(Invalid::new(
                    "list",
                    "an entry stays in its list; mark this one as an error and enter another",
                )
                .into());
            }
            set(tx, id, false).await?;
            write(tx, entry.patient, id, if_version + 1, Change::Changed, &document, None).await?;
            Change::Changed
        }
        None if if_version == 0 => {
            insert(tx, patient, id, document.list()).await?;
            write(tx, patient, id, 1, Change::Created, &document, None).await?;
            Change::Created
        }
        None => return Err(Error::NotFound.into()),
    };
    if document.is_an_allergy() {
        allergies::withdraw_none_known(tx, patient).await?;
    }
    done(tx, patient, id, change).await
}

/// Marks an entry as entered in error, or takes that back, if `if_version` is still its version. Marking needs a reason.
///
/// # Errors
/// See [`EntryError`].
pub async fn mark<T: Listed>(
    tx: &mut Tx,
    may: &Authorized<T::Write>,
    id: Uuid,
    if_version: i32,
    in_error: bool,
    reason: Option<&Phi<String>>,
) -> Result<Pending<Entry<T>>, EntryError> {
    tx.proved(may)?;
    let patient = may.patient().ok_or(Error::NotFound)?;
    let reason = reason.filter(|reason| !reason.expose().trim().is_empty());
    if in_error && reason.is_none() {
        return Err(Invalid::new("reason", "say why it is an error").into());
    }
    if reason.is_some_and(|reason| reason.expose().chars().count() > TEXT) {
        return Err(Invalid::new("reason", "at most 2,000 characters").into());
    }
    let entry = lock::<T>(tx, patient, id).await?.ok_or(Error::NotFound)?;
    entry.check(if_version)?;
    if entry.entered_in_error == in_error {
        return Err(EntryError::AlreadySo { in_error });
    }
    let document: T = body(tx, entry.patient, id, entry.version).await?;
    let change = if in_error { Change::EnteredInError } else { Change::Restored };
    set(tx, id, in_error).await?;
    write(tx, entry.patient, id, if_version + 1, change, &document, reason).await?;
    if !in_error && document.is_an_allergy() {
        allergies::withdraw_none_known(tx, patient).await?;
    }
    done(tx, patient, id, change).await
}

/// Every version of an entry, newest first.
///
/// # Errors
/// [`Error::NotFound`]; the database can't be reached, or a value does not open.
pub async fn history<T: Listed>(
    tx: &mut Tx,
    may: &Authorized<T::Read>,
    id: Uuid,
) -> Result<Pending<Vec<Revision<T>>>, Error> {
    tx.proved(may)?;
    let patient = may.patient().ok_or(Error::NotFound)?;
    let lists: Vec<String> = T::LISTS.iter().map(|list| list.as_str().to_owned()).collect();
    let rows = sqlx::query!(
        r#"SELECT e.patient_id, r.version, r.change, r.body, r.reason, r.at, s.name AS "staff_name?", (r.by_patient IS NOT NULL OR r.by_guardian IS NOT NULL) AS "by_patient!"
           FROM chart_entry e JOIN chart_revision r USING (chart_entry_id) LEFT JOIN staff s ON s.staff_id = r.by_staff
           WHERE e.chart_entry_id = $1 AND e.patient_id IN (SELECT patient_family($2)) AND e.list = ANY($3)
           ORDER BY r.version DESC"#,
        id,
        patient.0,
        &lists,
    )
    .fetch_all(tx.connection()?)
    .await?;
    let Some(first) = rows.first() else { return Err(Error::NotFound) };
    let keys = tx.patient_keys(PatientId(first.patient_id)).await?;
    let mut revisions = Vec::with_capacity(rows.len());
    for row in rows {
        revisions.push(Revision {
            version: row.version,
            change: Change::parse(&row.change)?,
            reason: row.reason.map(|sealed| keys.open_text(reason_place(id, row.version), &sealed)).transpose()?,
            document: Phi::new(parse(keys.open(body_place(id, row.version), &row.body)?.expose())?),
            at: row.at,
            by: author(row.staff_name, row.by_patient),
        });
    }
    Ok(Pending(revisions))
}

/// An entry that exists, locked until the transaction is over.
pub(super) struct Locked {
    pub patient: PatientId,
    pub list: List,
    pub version: i32,
    pub entered_in_error: bool,
}

impl Locked {
    pub(super) fn check(&self, if_version: i32) -> Result<(), EntryError> {
        if self.version == if_version { Ok(()) } else { Err(EntryError::ChangedElsewhere { version: self.version }) }
    }
}

async fn lock<T: Listed>(tx: &mut Tx, patient: PatientId, id: Uuid) -> Result<Option<Locked>, Error> {
    let lists: Vec<String> = T::LISTS.iter().map(|list| list.as_str().to_owned()).collect();
    let row = sqlx::query!(
        "SELECT patient_id, list, version, entered_in_error FROM chart_entry
         WHERE chart_entry_id = $1 AND patient_id IN (SELECT patient_family($2)) AND list = ANY($3) FOR UPDATE",
        id,
        patient.0,
        &lists,
    )
    .fetch_optional(tx.connection()?)
    .await?;
    row.map(|row| {
        Ok(Locked {
            patient: PatientId(row.patient_id),
            list: List::parse(&row.list)?,
            version: row.version,
            entered_in_error: row.entered_in_error,
        })
    })
    .transpose()
}

pub(super) async fn insert(tx: &mut Tx, patient: PatientId, id: Uuid, list: List) -> Result<(), EntryError> {
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM chart_entry WHERE patient_id IN (SELECT patient_family($1))"#,
        patient.0
    )
    .fetch_one(tx.connection()?)
    .await
    .map_err(Error::from)?;
    if count >= MAX_ENTRIES {
        return Err(EntryError::TooMany);
    }
    let made = sqlx::query!(
        "INSERT INTO chart_entry (chart_entry_id, clinic_id, patient_id, list, version, created_at) VALUES ($1, $2, $3, $4, 1, $5)
         ON CONFLICT DO NOTHING",
        id,
        clinic,
        patient.0,
        list.as_str(),
        at,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    // The id is another patient's, another list's, or was made at this very moment by somebody else.
    if made.rows_affected() == 1 { Ok(()) } else { Err(EntryError::ChangedElsewhere { version: 1 }) }
}

pub(super) async fn set(tx: &mut Tx, id: Uuid, in_error: bool) -> Result<(), Error> {
    let done = sqlx::query!(
        "UPDATE chart_entry SET version = version + 1, entered_in_error = $2 WHERE chart_entry_id = $1",
        id,
        in_error
    )
    .execute(tx.connection()?)
    .await?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(Error::NotFound) }
}

/// Writes version `version` of an entry that was entered for `patient`.
pub(super) async fn write<T: Serialize>(
    tx: &mut Tx,
    patient: PatientId,
    id: Uuid,
    version: i32,
    change: Change,
    document: &T,
    reason: Option<&Phi<String>>,
) -> Result<(), Error> {
    let by = authors(tx);
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    let mut json = serde_json::to_vec(document).map_err(|_| Error::UnknownValue("chart_revision.body"))?;
    let keys = tx.patient_keys(patient).await?;
    let body = keys.seal(body_place(id, version), &json)?;
    json.zeroize();
    let reason = reason.map(|reason| keys.seal_text(reason_place(id, version), reason)).transpose()?;
    sqlx::query!(
        "INSERT INTO chart_revision (chart_entry_id, version, clinic_id, change, body, reason, by_staff, by_patient, by_guardian, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        id,
        version,
        clinic,
        change.as_str(),
        body,
        reason,
        by.staff,
        by.patient,
        by.guardian,
        at,
    )
    .execute(tx.connection()?)
    .await?;
    Ok(())
}

/// Who acts, as the columns of a revision say it; nobody: the server itself.
#[derive(Default)]
pub(crate) struct Authors {
    pub staff: Option<Uuid>,
    pub patient: Option<Uuid>,
    pub guardian: Option<Uuid>,
}

pub(crate) fn authors(tx: &Tx) -> Authors {
    let nobody = Authors::default();
    match tx.context().actor {
        Actor::Staff { id, .. } => Authors { staff: Some(id.0), ..nobody },
        Actor::Patient { id, .. } | Actor::PortalPatient { id, .. } => Authors { patient: Some(id.0), ..nobody },
        Actor::Guardian { id, .. } => Authors { guardian: Some(id.0), ..nobody },
        Actor::Guest { .. } | Actor::System { .. } => nobody,
    }
}

pub(crate) fn author(staff: Option<String>, patient: bool) -> Option<Author> {
    staff.map(Author::Staff).or(patient.then_some(Author::Patient))
}

async fn body<T: Listed>(tx: &mut Tx, patient: PatientId, id: Uuid, version: i32) -> Result<T, Error> {
    let sealed =
        sqlx::query_scalar!("SELECT body FROM chart_revision WHERE chart_entry_id = $1 AND version = $2", id, version)
            .fetch_one(tx.connection()?)
            .await?;
    parse(tx.patient_keys(patient).await?.open(body_place(id, version), &sealed)?.expose())
}

pub(super) fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(json).map_err(|_| Error::UnknownValue("chart_revision.body"))
}

pub(crate) fn body_place(id: Uuid, version: i32) -> Place {
    Place::part("chart_revision.body", id, i64::from(version))
}

fn reason_place(id: Uuid, version: i32) -> Place {
    Place::part("chart_revision.reason", id, i64::from(version))
}

/// Says in the log what was done, and gives the entry as it stands now.
async fn done<T: Listed>(
    tx: &mut Tx,
    patient: PatientId,
    id: Uuid,
    change: Change,
) -> Result<Pending<Entry<T>>, EntryError> {
    let entry = load::<T>(tx, patient, Some(id)).await?.pop().ok_or(Error::NotFound)?;
    if let Some(logged) = tx.last_logged() {
        logged.detail = Some(serde_json::json!({
            "entry": id, "list": entry.document.expose().list().as_str(), "change": change.as_str(), "version": entry.version,
        }));
    }
    Ok(Pending(entry))
}

pub(crate) async fn load<T: Listed>(
    tx: &mut Tx,
    patient: PatientId,
    only: Option<Uuid>,
) -> Result<Vec<Entry<T>>, Error> {
    let lists: Vec<String> = T::LISTS.iter().map(|list| list.as_str().to_owned()).collect();
    let rows = sqlx::query!(
        r#"SELECT e.chart_entry_id, e.patient_id, e.version, e.entered_in_error, r.body, r.reason, r.at, s.name AS "staff_name?"
           FROM chart_entry e JOIN chart_revision r ON r.chart_entry_id = e.chart_entry_id AND r.version = e.version
           LEFT JOIN staff s ON s.staff_id = r.by_staff
           WHERE e.patient_id IN (SELECT patient_family($1)) AND e.list = ANY($2) AND ($3::uuid IS NULL OR e.chart_entry_id = $3)
           ORDER BY e.list, e.created_at, e.chart_entry_id"#,
        patient.0,
        &lists,
        only,
    )
    .fetch_all(tx.connection()?)
    .await?;
    tx.load_patient_keys(&rows.iter().map(|row| row.patient_id).collect::<Vec<_>>()).await?;
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        let (id, version) = (row.chart_entry_id, row.version);
        let keys = tx.known_keys(row.patient_id)?;
        entries.push(Entry {
            id,
            entered_for: PatientId(row.patient_id),
            version,
            entered_in_error: row.entered_in_error,
            reason: row.reason.map(|sealed| keys.open_text(reason_place(id, version), &sealed)).transpose()?,
            document: Phi::new(parse(keys.open(body_place(id, version), &row.body)?.expose())?),
            changed_at: row.at,
            changed_by: row.staff_name,
        });
    }
    Ok(entries)
}

/// An entry was not saved.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// Somebody else, or another tab, saved in between.
    #[error("the entry was changed elsewhere (it is now version {version}); reload it and bring your change in")]
    ChangedElsewhere {
        /// The version that is stored.
        version: i32,
    },
    /// A value can't be kept.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Entries in error are not changed.
    #[error("the entry is marked as an error; restore it before changing it")]
    InError,
    /// It is marked so already.
    #[error("the entry is marked like this already (in error: {in_error}); reload it")]
    AlreadySo {
        /// How it is marked.
        in_error: bool,
    },
    /// There is an active allergy on the list.
    #[error("there are allergies on the list; mark them as errors or inactive first")]
    AllergiesListed,
    /// More than [`MAX_ENTRIES`].
    #[error("the chart has {MAX_ENTRIES} entries already; it takes no more")]
    TooMany,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
