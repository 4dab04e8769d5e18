//! Two records of one person become one, and can be taken apart again.
//!
//! Nothing is moved and nothing is sealed anew: the merged record points to the surviving one, and whoever asks for
//! either gets the surviving one with the visits, notes, recordings and entries of both (`patient_root` and
//! `patient_family` in the database). See docs/adr/0008-merged-patients.md.

use uuid::Uuid;
use visit::PatientId;

use super::demographics::Demographics;
use super::record::{self, Change, Record, SaveError};
use super::{Patient, register};
use crate::action::MergePatients;
use crate::audit::Entry;
use crate::{Actor, Authorized, Error, Pending, Phi, Tx};

/// What happened to the surviving record's demographics when a merge was undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undone {
    /// They are what they were before the merge.
    Restored,
    /// They were changed since, and stay as they are.
    Kept,
}

/// Other records that could be the same person: born on the same day, with a word of the name in common.
///
/// # Errors
/// The database can't be reached.
pub async fn candidates(tx: &mut Tx, may: &Authorized<MergePatients>) -> Result<Pending<Vec<Patient>>, Error> {
    tx.proved(may)?;
    let patient = may.patient().ok_or(Error::NotFound)?;
    let record = record::load(tx, patient).await?;
    let who = record.demographics.expose();
    let found = register::alike(tx, &who.shown_name(), &who.date_of_birth, Some(patient)).await?;
    let shown = found.iter().map(|one| one.patient_id.0).collect();
    tx.logged_as(Entry {
        patient: Some(patient),
        patients: shown,
        ..Entry::new("patient.duplicates", crate::action::Resource::Patient(patient))
    });
    Ok(Pending(found))
}

/// Merges `other`'s record into the survivor's, whose demographics become `demographics`: what somebody chose from both.
/// Both versions must be the stored ones.
///
/// # Errors
/// See [`MergeError`].
pub async fn merge(
    tx: &mut Tx,
    survivor: &Authorized<MergePatients>,
    other: &Authorized<MergePatients>,
    versions: (i32, i32),
    demographics: &Phi<Demographics>,
) -> Result<Pending<Record>, MergeError> {
    tx.proved(survivor)?;
    let asked = tx.proved(other)?.0;
    let (survivor, merged) = (survivor.patient().ok_or(Error::NotFound)?, other.patient().ok_or(Error::NotFound)?);
    let Actor::Staff { id: staff, .. } = tx.context().actor else {
        return Err(Error::Forbidden.into());
    };
    if survivor == merged || asked != merged {
        return Err(MergeError::SameRecord);
    }
    // Always in the same order, so that two merges can't wait for each other.
    let stored = sqlx::query!(
        "SELECT patient_id, version FROM patient WHERE patient_id = ANY($1) AND merged_into IS NULL AND destroyed_at IS NULL ORDER BY patient_id FOR NO KEY UPDATE",
        &[survivor.0, merged.0][..],
    )
    .fetch_all(tx.connection()?)
    .await
    .map_err(Error::from)?;
    let version_of = |patient: PatientId| stored.iter().find(|row| row.patient_id == patient.0).map(|row| row.version);
    let (Some(before), Some(other_version)) = (version_of(survivor), version_of(merged)) else {
        return Err(MergeError::SameRecord);
    };
    if other_version != versions.1 {
        return Err(SaveError::ChangedElsewhere { version: other_version }.into());
    }
    let after = record::replace(tx, survivor, versions.0, demographics.expose().clone(), Change::Merged).await?;
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    sqlx::query!("UPDATE patient SET merged_into = $2 WHERE patient_id = $1", merged.0, survivor.0)
        .execute(tx.connection()?)
        .await
        .map_err(Error::from)?;
    sqlx::query!(
        "INSERT INTO patient_merge (patient_merge_id, clinic_id, survivor_id, merged_id, version_before, version_after, merged_at, merged_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        Uuid::now_v7(),
        clinic,
        survivor.0,
        merged.0,
        before.max(1),
        after,
        at,
        staff.0,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    let detail = serde_json::json!({ "merged": merged.0, "into": survivor.0, "version": after });
    if let Some(logged) = tx.last_logged() {
        logged.detail = Some(detail);
    }
    Ok(Pending(record::load(tx, survivor).await?))
}

/// Takes `merged` out of the surviving record again. What was entered for either stays where it was entered.
///
/// # Errors
/// See [`MergeError`].
pub async fn unmerge(
    tx: &mut Tx,
    survivor: &Authorized<MergePatients>,
    merged: PatientId,
) -> Result<Pending<(Record, Undone)>, MergeError> {
    tx.proved(survivor)?;
    let root = survivor.patient().ok_or(Error::NotFound)?;
    let Actor::Staff { id: staff, .. } = tx.context().actor else {
        return Err(Error::Forbidden.into());
    };
    let at = tx.context().at;
    let merge = sqlx::query!(
        "UPDATE patient_merge SET undone_at = $3, undone_by = $4
         WHERE merged_id = $1 AND survivor_id = $2 AND undone_at IS NULL RETURNING version_before, version_after",
        merged.0,
        root.0,
        at,
        staff.0,
    )
    .fetch_optional(tx.connection()?)
    .await
    .map_err(Error::from)?
    .ok_or(MergeError::NotMerged)?;
    sqlx::query!("UPDATE patient SET merged_into = NULL WHERE patient_id = $1", merged.0)
        .execute(tx.connection()?)
        .await
        .map_err(Error::from)?;
    let stored = sqlx::query_scalar!("SELECT version FROM patient WHERE patient_id = $1", root.0)
        .fetch_one(tx.connection()?)
        .await
        .map_err(Error::from)?;
    let undone = if stored == merge.version_after {
        let before = record::document(tx, root, merge.version_before).await?;
        record::replace(tx, root, stored, before, Change::Unmerged).await?;
        Undone::Restored
    } else {
        Undone::Kept
    };
    tx.logged_as(Entry {
        patient: Some(root),
        detail: Some(serde_json::json!({ "merged": merged.0, "out_of": root.0 })),
        ..Entry::new("patient.unmerge", crate::action::Resource::Patient(root))
    });
    // It concerns the other one as well.
    tx.log(Entry { patient: Some(merged), ..Entry::new("patient.unmerge", crate::action::Resource::Patient(merged)) });
    Ok(Pending((record::load(tx, root).await?, undone)))
}

/// Records were neither merged nor taken apart.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// They are one already, or one of them was merged elsewhere.
    #[error("these are one record already, or one of them was merged into another; open both again")]
    SameRecord,
    /// It is no alias of this record.
    #[error("this record was not merged into that one; open it again")]
    NotMerged,
    /// The chosen demographics can't be kept, or one of the two has changed.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
