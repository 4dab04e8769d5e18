//! What this folder's endpoints answer with.

use axum::http::StatusCode;
use records::Phi;
use records::chart::allergies::{AllergyState, Known};
use records::chart::entries::{Author, EntryError};
use records::chart::{self, Change, Clinical, Coverage, Invalid, Listed};
use records::patients::merge::MergeError;
use records::patients::record::{self, SaveError};
use records::patients::register::RegisterError;
use records::patients::{Demographics, Patient};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::problem::Problem;
use crate::v1::shapes::shown;
use crate::words;

/// Who a patient is, and which records were merged into this one.
#[derive(Serialize, ToSchema)]
pub(crate) struct PatientRecord {
    /// The surviving record's, whichever was asked for.
    patient_id: Uuid,
    /// The clinic's number.
    mrn: String,
    demographics: Demographics,
    /// Grows with every change. The same as the `ETag`.
    pub version: i32,
    #[serde(with = "time::serde::rfc3339")]
    changed_at: OffsetDateTime,
    /// Records that were merged into this one; their numbers still find it.
    aliases: Vec<Alias>,
}

/// A record that was merged into another.
#[derive(Serialize, ToSchema)]
pub(crate) struct Alias {
    patient_id: Uuid,
    mrn: String,
    name: String,
    #[schema(format = Date)]
    date_of_birth: String,
    #[serde(with = "time::serde::rfc3339")]
    merged_at: OffsetDateTime,
    /// Name of who merged it.
    merged_by: String,
}

/// Every version of demographics, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct DemographicsHistory {
    items: Vec<DemographicsRevision>,
}

/// One version of demographics. What was before it is the next one in the list.
#[derive(Serialize, ToSchema)]
pub(crate) struct DemographicsRevision {
    version: i32,
    #[schema(schema_with = words::record_change)]
    change: record::Change,
    demographics: Demographics,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    #[serde(flatten)]
    by: Writer,
}

/// Who wrote a version.
#[derive(Serialize, ToSchema)]
pub(crate) struct Writer {
    /// Name of the member of staff; null for others.
    #[schema(required)]
    by_name: Option<String>,
    #[schema(schema_with = words::writer)]
    by_kind: &'static str,
}

/// One insurance.
#[derive(Serialize, ToSchema)]
pub(crate) struct CoverageEntry {
    #[serde(flatten)]
    head: EntryHead,
    entry: Coverage,
}

/// One line of a clinical list.
#[derive(Serialize, ToSchema)]
pub(crate) struct ClinicalEntry {
    #[serde(flatten)]
    head: EntryHead,
    document: Clinical,
}

/// What all entries have.
#[derive(Serialize, ToSchema)]
pub(crate) struct EntryHead {
    entry_id: Uuid,
    /// In which record it was entered: this one, or one that was merged into it.
    entered_for: Uuid,
    /// Grows with every change. The same as the `ETag` of a single entry.
    pub version: i32,
    entered_in_error: bool,
    /// Why it was marked as an error, or restored.
    #[schema(required)]
    reason: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    changed_at: OffsetDateTime,
    /// Name of who changed it last, if it was a member of staff.
    #[schema(required)]
    changed_by: Option<String>,
}

/// Every insurance, also those entered in error.
#[derive(Serialize, ToSchema)]
pub(crate) struct Insurance {
    pub items: Vec<CoverageEntry>,
}

/// Every line of every clinical list, also those entered in error.
#[derive(Serialize, ToSchema)]
pub(crate) struct ClinicalLists {
    pub allergies: AllergyStatement,
    pub items: Vec<ClinicalEntry>,
}

/// What is known about allergies as a whole.
#[derive(Serialize, ToSchema)]
pub(crate) struct AllergyStatement {
    #[schema(schema_with = words::allergies_known)]
    known: Known,
    /// Of the statement that there are none; 0 if it was never made. The same as the `ETag`.
    pub version: i32,
}

/// Every version of an insurance, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct CoverageHistory {
    items: Vec<CoverageRevision>,
}

/// One version of an insurance.
#[derive(Serialize, ToSchema)]
pub(crate) struct CoverageRevision {
    #[serde(flatten)]
    head: RevisionHead,
    entry: Coverage,
}

/// Every version of a clinical entry, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct ClinicalHistory {
    items: Vec<ClinicalRevision>,
}

/// One version of a clinical entry.
#[derive(Serialize, ToSchema)]
pub(crate) struct ClinicalRevision {
    #[serde(flatten)]
    head: RevisionHead,
    document: Clinical,
}

/// What all versions of entries have.
#[derive(Serialize, ToSchema)]
pub(crate) struct RevisionHead {
    version: i32,
    #[schema(schema_with = words::entry_change)]
    change: Change,
    /// Why, when it was marked as an error or restored.
    #[schema(required)]
    reason: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    #[serde(flatten)]
    by: Writer,
}

/// Patients who could be one.
#[derive(Serialize, ToSchema)]
pub(crate) struct Candidates {
    items: Vec<Candidate>,
}

/// A patient who could be the same.
#[derive(Serialize, ToSchema)]
pub(crate) struct Candidate {
    patient_id: Uuid,
    name: String,
    #[schema(format = Date)]
    date_of_birth: String,
    mrn: String,
}

impl From<record::Record> for PatientRecord {
    fn from(record: record::Record) -> Self {
        let aliases = record.aliases.into_iter().map(|alias| Alias {
            patient_id: alias.patient_id.0,
            mrn: shown(&alias.mrn),
            name: shown(&alias.name),
            date_of_birth: shown(&alias.date_of_birth),
            merged_at: alias.merged_at,
            merged_by: alias.merged_by,
        });
        Self {
            patient_id: record.patient_id.0,
            mrn: shown(&record.mrn),
            demographics: record.demographics.expose().clone(),
            version: record.version,
            changed_at: record.changed_at,
            aliases: aliases.collect(),
        }
    }
}

impl From<Vec<record::Revision>> for DemographicsHistory {
    fn from(revisions: Vec<record::Revision>) -> Self {
        let items = revisions.into_iter().map(|revision| DemographicsRevision {
            version: revision.version,
            change: revision.change,
            demographics: revision.demographics.expose().clone(),
            at: revision.at,
            by: revision.by.into(),
        });
        Self { items: items.collect() }
    }
}

impl From<Option<Author>> for Writer {
    fn from(author: Option<Author>) -> Self {
        match author {
            Some(Author::Staff(name)) => Self { by_name: Some(name), by_kind: "staff" },
            Some(Author::Patient) => Self { by_name: None, by_kind: "patient" },
            None => Self { by_name: None, by_kind: "system" },
        }
    }
}

fn head<T: Listed>(entry: &chart::Entry<T>) -> EntryHead {
    EntryHead {
        entry_id: entry.id,
        entered_for: entry.entered_for.0,
        version: entry.version,
        entered_in_error: entry.entered_in_error,
        reason: entry.reason.as_ref().map(shown),
        changed_at: entry.changed_at,
        changed_by: entry.changed_by.clone(),
    }
}

impl From<chart::Entry<Coverage>> for CoverageEntry {
    fn from(entry: chart::Entry<Coverage>) -> Self {
        Self { head: head(&entry), entry: plain(&entry.document) }
    }
}

impl From<chart::Entry<Clinical>> for ClinicalEntry {
    fn from(entry: chart::Entry<Clinical>) -> Self {
        Self { head: head(&entry), document: plain(&entry.document) }
    }
}

fn revision_head<T: Listed>(revision: &chart::Revision<T>) -> RevisionHead {
    RevisionHead {
        version: revision.version,
        change: revision.change,
        reason: revision.reason.as_ref().map(shown),
        at: revision.at,
        by: revision.by.clone().into(),
    }
}

impl From<Vec<chart::Revision<Coverage>>> for CoverageHistory {
    fn from(revisions: Vec<chart::Revision<Coverage>>) -> Self {
        let items = revisions
            .into_iter()
            .map(|revision| CoverageRevision { head: revision_head(&revision), entry: plain(&revision.document) });
        Self { items: items.collect() }
    }
}

impl From<Vec<chart::Revision<Clinical>>> for ClinicalHistory {
    fn from(revisions: Vec<chart::Revision<Clinical>>) -> Self {
        let items = revisions
            .into_iter()
            .map(|revision| ClinicalRevision { head: revision_head(&revision), document: plain(&revision.document) });
        Self { items: items.collect() }
    }
}

impl From<AllergyState> for AllergyStatement {
    fn from(state: AllergyState) -> Self {
        Self { known: state.known, version: state.version }
    }
}

impl From<Vec<Patient>> for Candidates {
    fn from(patients: Vec<Patient>) -> Self {
        let items = patients.into_iter().map(|patient| Candidate {
            patient_id: patient.patient_id.0,
            name: shown(&patient.name),
            date_of_birth: shown(&patient.date_of_birth),
            mrn: shown(&patient.mrn),
        });
        Self { items: items.collect() }
    }
}

/// A document on its way into an answer to somebody who may see it.
fn plain<T: zeroize::Zeroize + Clone>(document: &Phi<T>) -> T {
    document.expose().clone()
}

fn changed_elsewhere(version: i32) -> Problem {
    Problem::new(
        StatusCode::PRECONDITION_FAILED,
        "chart.changed_elsewhere",
        "This was changed in another window or by someone else. What you typed is still here: reload, look at what changed, and save again.",
    )
    .with("version", version)
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        Self::invalid(format!("{}: {}", invalid.field, invalid.why)).with("field", invalid.field)
    }
}

impl From<SaveError> for Problem {
    fn from(error: SaveError) -> Self {
        match error {
            SaveError::ChangedElsewhere { version } => changed_elsewhere(version),
            SaveError::Invalid(invalid) => invalid.into(),
            SaveError::Failed(error) => error.into(),
        }
    }
}

impl From<EntryError> for Problem {
    fn from(error: EntryError) -> Self {
        match error {
            EntryError::ChangedElsewhere { version } => changed_elsewhere(version),
            EntryError::Invalid(invalid) => invalid.into(),
            EntryError::InError => Self::new(
                StatusCode::CONFLICT,
                "chart.in_error",
                "This entry is marked as entered in error. Restore it before changing it, or enter a new one.",
            ),
            EntryError::AlreadySo { in_error } => Self::new(
                StatusCode::CONFLICT,
                "chart.marked_already",
                "This entry is marked like this already. Reload the page to see it as it stands.",
            )
            .with("entered_in_error", in_error),
            EntryError::AllergiesListed => Self::new(
                StatusCode::CONFLICT,
                "chart.allergies_listed",
                "There are active allergies on the list. Mark them as inactive, resolved or entered in error first.",
            ),
            EntryError::TooMany => Self::new(
                StatusCode::CONFLICT,
                "chart.full",
                "This chart has as many entries as it can take. Change one that is there instead of adding another.",
            ),
            EntryError::Failed(error) => error.into(),
        }
    }
}

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Invalid(invalid) => invalid.into(),
            RegisterError::PossibleDuplicate(patients) => Self::new(
                StatusCode::CONFLICT,
                "patient.possible_duplicate",
                "Somebody with this date of birth and a name like this is on record. Look at them first; if this is another person, say so and save again.",
            )
            .with("patient_ids", patients.iter().map(|patient| patient.0.to_string()).collect::<Vec<_>>()),
            RegisterError::MrnTaken => Self::new(
                StatusCode::CONFLICT,
                "patient.mrn_taken",
                "Another patient has this record number. Check it, or leave it empty to get a new one.",
            ),
            RegisterError::KeyReused => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key.reused",
                "This Idempotency-Key was used for a different request. Send a new one.",
            ),
            RegisterError::Failed(error) => error.into(),
        }
    }
}

impl From<MergeError> for Problem {
    fn from(error: MergeError) -> Self {
        match error {
            MergeError::SameRecord => Self::new(
                StatusCode::CONFLICT,
                "merge.same_record",
                "These are one record already, or one of them was merged into another. Open both again.",
            ),
            MergeError::NotMerged => Self::new(
                StatusCode::CONFLICT,
                "merge.not_merged",
                "This record is not merged into that one any more. Open it again to see how it stands.",
            ),
            MergeError::Save(error) => error.into(),
            MergeError::Failed(error) => error.into(),
        }
    }
}
