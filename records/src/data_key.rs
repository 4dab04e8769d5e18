//! Data keys: one per patient, per clinic and per recording, and one to index by; wrapped by the key services.
//!
//! A version is prepared (whoever reads knows it already), then active (it seals), then retired (it still opens), then
//! destroyed. Keys are read anew in every transaction, so no transaction seals under a version that was destroyed.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;
use visit::{PatientId, RecordingId};

use crate::blind_index::IndexKey;
use crate::key_ring::{Bound, DataKey, KeyServiceError, Wrapped};
use crate::seal::{DataKeys, Place};
use crate::{Error, Tx};

/// Whose key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// What belongs to no patient: second factors, answers to repeat.
    Clinic,
    Patient(PatientId),
    Recording(RecordingId),
    /// What the clinic's patients are found by.
    Index,
}

impl Owner {
    pub(crate) fn purpose(self) -> &'static str {
        match self {
            Self::Clinic => "clinic",
            Self::Patient(_) => "patient",
            Self::Recording(_) => "recording",
            Self::Index => "index",
        }
    }

    pub(crate) fn id(self, tx: &Tx) -> Uuid {
        match self {
            Self::Clinic | Self::Index => tx.context().actor.clinic().0,
            Self::Patient(id) => id.0,
            Self::Recording(id) => id.0,
        }
    }
}

/// Makes the first data key of `owner`, active at once.
pub(crate) async fn create(tx: &mut Tx, owner: Owner) -> Result<DataKey, Error> {
    let (purpose, id) = (owner.purpose(), owner.id(tx));
    let keys = tx.records().keys().clone();
    let (key, wrapped) = keys.generate(Bound { purpose, owner: id, version: 1 }).await?;
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    sqlx::query!(
        "INSERT INTO data_key (data_key_id, clinic_id, purpose, owner_id, version, wrapping_key, wrapped, created_at, activated_at)
         VALUES ($1, $2, $3, $4, 1, $5, $6, $7, $7)",
        Uuid::now_v7(),
        clinic,
        purpose,
        id,
        wrapped.wrapping_key,
        wrapped.bytes,
        at,
    )
    .execute(tx.connection()?)
    .await?;
    Ok(key)
}

/// Puts a version on record that was made and wrapped before the transaction began: prepared, it does not seal yet.
/// Nothing happens if another one is prepared.
pub(crate) async fn prepare(
    tx: &mut Tx,
    purpose: &str,
    owner: Uuid,
    version: i32,
    wrapped: &Wrapped,
) -> Result<(), Error> {
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    // Not beside a key that was destroyed meanwhile: the owner is to be forgotten.
    let alive = sqlx::query_scalar!(
        "SELECT version FROM data_key WHERE clinic_id = current_clinic() AND purpose = $1 AND owner_id = $2
           AND activated_at IS NOT NULL AND retired_at IS NULL AND wrapped IS NOT NULL FOR UPDATE",
        purpose,
        owner,
    )
    .fetch_optional(tx.connection()?)
    .await?;
    if alive.is_none() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO data_key (data_key_id, clinic_id, purpose, owner_id, version, wrapping_key, wrapped, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
        Uuid::now_v7(),
        clinic,
        purpose,
        owner,
        version,
        wrapped.wrapping_key,
        wrapped.bytes,
        at,
    )
    .execute(tx.connection()?)
    .await?;
    Ok(())
}

/// Lets a prepared version seal from now on; the version before it is retired.
pub(crate) async fn activate(tx: &mut Tx, purpose: &str, owner: Uuid, version: i32) -> Result<(), Error> {
    let at = tx.context().at;
    sqlx::query!(
        "UPDATE data_key SET retired_at = $4 WHERE clinic_id = current_clinic() AND purpose = $1 AND owner_id = $2 AND version < $3 AND retired_at IS NULL",
        purpose,
        owner,
        version,
        at,
    )
    .execute(tx.connection()?)
    .await?;
    let activated = sqlx::query!(
        "UPDATE data_key SET activated_at = $4
         WHERE clinic_id = current_clinic() AND purpose = $1 AND owner_id = $2 AND version = $3 AND activated_at IS NULL AND wrapped IS NOT NULL",
        purpose,
        owner,
        version,
        at,
    )
    .execute(tx.connection()?)
    .await?;
    if activated.rows_affected() == 1 { Ok(()) } else { Err(Error::Sealed("data key: this version is not prepared")) }
}

/// The active key of `owner`, bare.
pub(crate) async fn bare(tx: &mut Tx, owner: Owner) -> Result<Option<DataKey>, Error> {
    let (purpose, id) = (owner.purpose(), owner.id(tx));
    let row = sqlx::query!(
        "SELECT version, wrapping_key, wrapped FROM data_key WHERE purpose = $1 AND owner_id = $2 AND activated_at IS NOT NULL AND retired_at IS NULL",
        purpose,
        id,
    )
    .fetch_optional(tx.connection()?)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let bytes = row.wrapped.ok_or(Error::Sealed("data key: it was destroyed"))?;
    let keys = tx.records().keys().clone();
    let bound = Bound { purpose, owner: id, version: row.version };
    Ok(Some(keys.unwrap(&Wrapped { wrapping_key: row.wrapping_key, bytes }, bound).await?))
}

/// Makes the clinic's index key if it has none: clinics of an earlier version.
pub(crate) async fn ensure_index_key(tx: &mut Tx) -> Result<(), Error> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('bedside index key'))").execute(tx.connection()?).await?;
    if bare(tx, Owner::Index).await?.is_none() {
        create(tx, Owner::Index).await?;
    }
    Ok(())
}

/// A version of a key that can still be unwrapped.
struct Version {
    owner: Uuid,
    version: i32,
    active: bool,
    key: DataKey,
}

impl Tx {
    /// The versions of the clinic's index key that tokens are made with.
    pub(crate) async fn index_keys(&mut self) -> Result<Arc<Vec<IndexKey>>, Error> {
        if let Some(keys) = &self.index_keys {
            return Ok(keys.clone());
        }
        let clinic = self.context().actor.clinic().0;
        let versions = self.versions("index", &[clinic]).await?;
        let newest = versions.iter().position(|version| version.active).unwrap_or_default();
        let keys = versions[newest.min(versions.len())..].iter();
        let keys = Arc::new(keys.map(|one| IndexKey::new(one.version, one.active, &one.key)).collect::<Vec<_>>());
        self.index_keys = Some(keys.clone());
        Ok(keys)
    }

    /// The keys of a patient.
    pub(crate) async fn patient_keys(&mut self, patient: PatientId) -> Result<Arc<DataKeys>, Error> {
        self.load_keys("patient", &[patient.0]).await?;
        self.known_keys(patient.0)
    }

    /// The keys of a patient that [`Tx::load_patient_keys`] has loaded.
    pub(crate) fn known_keys(&self, owner: Uuid) -> Result<Arc<DataKeys>, Error> {
        self.keys.get(&owner).cloned().ok_or(Error::Sealed("data key"))
    }

    /// Loads the keys of many patients at once.
    pub(crate) async fn load_patient_keys(&mut self, patients: &[Uuid]) -> Result<(), Error> {
        self.load_keys("patient", patients).await
    }

    /// The keys of what belongs to no patient.
    pub(crate) async fn clinic_keys(&mut self) -> Result<Arc<DataKeys>, Error> {
        let clinic = self.context().actor.clinic().0;
        self.load_keys("clinic", &[clinic]).await?;
        self.known_keys(clinic)
    }

    pub(crate) async fn load_keys(&mut self, purpose: &str, owners: &[Uuid]) -> Result<(), Error> {
        let missing: Vec<Uuid> = owners.iter().copied().filter(|owner| !self.keys.contains_key(owner)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let unopened = self.unopened.clone();
        let mut loaded: BTreeMap<Uuid, DataKeys> = BTreeMap::new();
        for one in self.versions(purpose, &missing).await? {
            loaded.entry(one.owner).or_insert_with(|| DataKeys::of(one.owner, unopened.clone())).push(
                one.version,
                &one.key,
                one.active,
            )?;
        }
        self.keys.extend(loaded.into_iter().map(|(owner, keys)| (owner, Arc::new(keys))));
        Ok(())
    }

    /// All versions that are not destroyed, by owner and version.
    async fn versions(&mut self, purpose: &str, owners: &[Uuid]) -> Result<Vec<Version>, Error> {
        let rows = sqlx::query!(
            r#"SELECT owner_id, version, wrapping_key, wrapped AS "wrapped!", activated_at IS NOT NULL AND retired_at IS NULL AS "active!"
               FROM data_key WHERE purpose = $1 AND owner_id = ANY($2) AND wrapped IS NOT NULL ORDER BY owner_id, version"#,
            purpose,
            owners,
        )
        .fetch_all(self.connection()?)
        .await?;
        let (mut wrapped, mut versions) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        for row in rows {
            let bound = Bound { purpose, owner: row.owner_id, version: row.version };
            wrapped.push((Wrapped { wrapping_key: row.wrapping_key, bytes: row.wrapped }, bound));
            versions.push((row.owner_id, row.version, row.active));
        }
        let keys = match self.records().keys().clone().unwrap_all(&wrapped).await {
            Err(KeyServiceError::Damaged) => {
                let _ = self.unopened.set(Place::new("data_key.wrapped", owners.first().copied().unwrap_or_default()));
                return Err(KeyServiceError::Damaged.into());
            }
            keys => keys?,
        };
        let both = versions.into_iter().zip(keys);
        Ok(both.map(|((owner, version, active), key)| Version { owner, version, active, key }).collect())
    }
}
