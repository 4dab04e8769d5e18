//! Data keys: one per patient, per clinic and per recording, wrapped by the key ring.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::rand;
use uuid::Uuid;
use visit::{PatientId, RecordingId};
use zeroize::Zeroizing;

use crate::blind_index::IndexKey;
use crate::seal::DataKeys;
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
    fn purpose(self) -> &'static str {
        match self {
            Self::Clinic => "clinic",
            Self::Patient(_) => "patient",
            Self::Recording(_) => "recording",
            Self::Index => "index",
        }
    }

    fn id(self, tx: &Tx) -> Uuid {
        match self {
            Self::Clinic | Self::Index => tx.context().actor.clinic().0,
            Self::Patient(id) => id.0,
            Self::Recording(id) => id.0,
        }
    }
}

fn bound(purpose: &str, owner: Uuid, version: i32) -> String {
    format!("data_key|{purpose}|{owner}|{version}")
}

/// Makes the first data key of `owner`.
pub(crate) async fn create(tx: &mut Tx, owner: Owner) -> Result<Zeroizing<[u8; 32]>, Error> {
    let mut key = Zeroizing::new([0u8; 32]);
    rand::fill(&mut *key).map_err(|_| Error::Sealed("data key"))?;
    let (purpose, id, version) = (owner.purpose(), owner.id(tx), 1);
    let (wrapping_key, wrapped) = tx.records().keys().wrap(&key, &bound(purpose, id, version))?;
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    sqlx::query!(
        "INSERT INTO data_key (data_key_id, clinic_id, purpose, owner_id, version, wrapping_key, wrapped, created_at, activated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)",
        Uuid::now_v7(),
        clinic,
        purpose,
        id,
        version,
        wrapping_key,
        wrapped,
        at,
    )
    .execute(tx.connection()?)
    .await?;
    Ok(key)
}

/// The current key of `owner`, bare.
pub(crate) async fn bare(tx: &mut Tx, owner: Owner) -> Result<Option<Zeroizing<[u8; 32]>>, Error> {
    let (purpose, id) = (owner.purpose(), owner.id(tx));
    let row = sqlx::query!(
        "SELECT version, wrapping_key, wrapped FROM data_key WHERE purpose = $1 AND owner_id = $2 AND activated_at IS NOT NULL AND retired_at IS NULL",
        purpose,
        id,
    )
    .fetch_optional(tx.connection()?)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let wrapped = row.wrapped.ok_or(Error::Sealed("data key: it was destroyed"))?;
    tx.records().keys().unwrap(&row.wrapping_key, &wrapped, &bound(purpose, id, row.version)).map(Some)
}

/// Makes the clinic's index key if it has none: clinics of an earlier version.
pub(crate) async fn ensure_index_key(tx: &mut Tx) -> Result<(), Error> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('bedside index key'))").execute(tx.connection()?).await?;
    if bare(tx, Owner::Index).await?.is_none() {
        create(tx, Owner::Index).await?;
    }
    Ok(())
}

impl Tx {
    /// The versions of the clinic's index key that tokens are made with.
    pub(crate) async fn index_keys(&mut self) -> Result<Arc<Vec<IndexKey>>, Error> {
        if let Some(keys) = &self.index_keys {
            return Ok(keys.clone());
        }
        let clinic = self.context().actor.clinic().0;
        let rows = sqlx::query!(
            r#"SELECT version, wrapping_key, wrapped AS "wrapped!", activated_at IS NOT NULL AS "active!" FROM data_key
               WHERE purpose = 'index' AND owner_id = $1 AND retired_at IS NULL AND wrapped IS NOT NULL ORDER BY version"#,
            clinic,
        )
        .fetch_all(self.connection()?)
        .await?;
        let mut keys = Vec::with_capacity(rows.len());
        for row in rows {
            let bound = bound("index", clinic, row.version);
            let key = self.records().keys().unwrap(&row.wrapping_key, &row.wrapped, &bound)?;
            keys.push(IndexKey::new(row.version, row.active, &key));
        }
        let keys = Arc::new(keys);
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

    async fn load_keys(&mut self, purpose: &str, owners: &[Uuid]) -> Result<(), Error> {
        let missing: Vec<Uuid> = owners.iter().copied().filter(|owner| !self.keys.contains_key(owner)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let rows = sqlx::query!(
            r#"SELECT owner_id, version, wrapping_key, wrapped AS "wrapped!" FROM data_key
               WHERE purpose = $1 AND owner_id = ANY($2) AND wrapped IS NOT NULL ORDER BY owner_id, version"#,
            purpose,
            &missing,
        )
        .fetch_all(self.connection()?)
        .await?;
        let mut loaded: BTreeMap<Uuid, DataKeys> = BTreeMap::new();
        for row in rows {
            let key = self.records().keys().unwrap(
                &row.wrapping_key,
                &row.wrapped,
                &bound(purpose, row.owner_id, row.version),
            )?;
            let keys =
                loaded.entry(row.owner_id).or_insert_with(|| DataKeys { owner: row.owner_id, versions: Vec::new() });
            keys.push(row.version, &key)?;
        }
        self.keys.extend(loaded.into_iter().map(|(owner, keys)| (owner, Arc::new(keys))));
        Ok(())
    }
}
