//! New data keys for old ones, while servers run.
//!
//! Each key goes through four states, and each step is one transaction, so that a kill at any moment leaves a state from
//! which the next run goes on:
//!
//! 1. *prepare* a successor: every transaction from now on knows it, none seals with it;
//! 2. wait until no transaction is open that does not know it; *activate* it: the old one is retired;
//! 3. wait until no transaction is open that still seals with the old one; *seal again* what is under it, some rows at
//!    a time, each only if it still is as it was read;
//! 4. wait until no transaction is open that may have read a value under the old one; *destroy* it.
//!
//! The index key takes the same way, with tokens in the place of sealed values.

use std::collections::BTreeMap;

use sqlx::{Connection as _, PgConnection};
use time::OffsetDateTime;
use uuid::Uuid;
use visit::{ClinicId, PatientId};

use super::wait;
use crate::action::Resource;
use crate::audit::Entry;
use crate::key_ring::{Bound, KeyServiceError};
use crate::sealed_columns::{Found, KEPT, SEALED, SealedColumn};
use crate::{Error, Pending, Records, RequestContext, Tx, clinics, data_key, patient_index};

/// SQLSTATE of a lock that was not had in time.
const LOCK_TIMEOUT: &str = "55P03";
/// Keys that take their way together: they share the waiting.
const KEYS_AT_ONCE: i64 = 50;
/// Values in one transaction.
const VALUES_AT_ONCE: i64 = 100;
/// Tokens in one transaction.
const TOKENS_AT_ONCE: i64 = 5_000;
/// Longest wait for a row that somebody else has locked. Shorter than PostgreSQL's search for deadlocks (1 s), so that
/// in one it is never the other who has to give up.
const ROW_WITHIN: &str = "SET LOCAL lock_timeout = '500ms'";
/// Names the lock that one renewal at a time holds.
const LOCK: i64 = 7_014;

/// Whose keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everybody's, the clinics' own and the index keys.
    Everything,
    /// One patient's.
    Patient(PatientId),
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rotated {
    /// Data keys that were replaced and destroyed.
    pub data_keys: u64,
    /// Values that were sealed again.
    pub values: u64,
    /// A killed renewal was gone on with.
    pub resumed: bool,
}

/// Keys were not renewed to the end. What was done is kept; calling it again does the rest.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// Only one at a time.
    #[error("another `bedside keys rotate` is running; wait for it")]
    Running,
    /// No such patient in any clinic.
    #[error("there is no patient with this id")]
    NoSuchPatient,
    /// Somebody's transaction does not end.
    #[error(
        "{0} transactions have been open for minutes; end their sessions in PostgreSQL (pg_stat_activity), then run this again: it goes on where it was"
    )]
    OpenTransaction(usize),
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}

impl From<sqlx::Error> for RotateError {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<KeyServiceError> for RotateError {
    fn from(error: KeyServiceError) -> Self {
        Self::Failed(error.into())
    }
}

/// Renews the data keys in `scope`, or goes on with a renewal that was killed. `tell` hears what was done so far.
///
/// # Errors
/// See [`RotateError`].
pub async fn rotate(
    records: &Records,
    scope: Scope,
    now: &impl Fn() -> OffsetDateTime,
    mut tell: impl FnMut(&Rotated),
) -> Result<Rotated, RotateError> {
    let lock = lock(records).await?;
    let mut all = Rotated::default();
    let mut known = scope == Scope::Everything;
    for clinic in clinics::list(records).await? {
        let run = Run { records, clinic: clinic.id, scope, now };
        let Some(begun) = run.begin().await? else { continue };
        known = true;
        all.resumed |= begun.resumed;
        loop {
            let keys = run.not_done(begun.started_at).await?;
            if keys.is_empty() {
                break;
            }
            run.take(begun.started_at, &keys, &mut all).await?;
            tell(&all);
        }
        run.finish(begun.id).await?;
    }
    lock.close().await?;
    if known { Ok(all) } else { Err(RotateError::NoSuchPatient) }
}

/// A session of its own that holds the lock and no transaction: it ends with this process.
async fn lock(records: &Records) -> Result<PgConnection, RotateError> {
    let mut session = records.single().await?.detach();
    let alone =
        sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "alone!""#, LOCK).fetch_one(&mut session).await?;
    if alone { Ok(session) } else { Err(RotateError::Running) }
}

struct Begun {
    id: Uuid,
    started_at: OffsetDateTime,
    resumed: bool,
}

/// Whose key, and for what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    purpose: String,
    owner: Uuid,
}

struct Run<'a, N> {
    records: &'a Records,
    clinic: ClinicId,
    scope: Scope,
    now: &'a N,
}

impl<N: Fn() -> OffsetDateTime> Run<'_, N> {
    async fn tx(&self) -> Result<Tx, Error> {
        self.records.begin(RequestContext::system("keys", self.clinic, (self.now)())).await
    }

    fn patient(&self) -> Option<Uuid> {
        if let Scope::Patient(id) = self.scope { Some(id.0) } else { None }
    }

    /// The renewal of this scope that is not finished, or a new one; `None` if the patient is of another clinic.
    async fn begin(&self) -> Result<Option<Begun>, Error> {
        let (mut tx, patient) = (self.tx().await?, self.patient());
        if let Some(patient) = patient {
            let here = sqlx::query_scalar!(
                r#"SELECT EXISTS (SELECT FROM patient WHERE clinic_id = current_clinic() AND patient_id = $1) AS "here!""#,
                patient
            )
            .fetch_one(tx.connection()?)
            .await?;
            if !here {
                return Ok(None);
            }
        }
        let open = sqlx::query!(
            "SELECT key_rotation_id, started_at FROM key_rotation
             WHERE clinic_id = current_clinic() AND patient_id IS NOT DISTINCT FROM $1 AND finished_at IS NULL ORDER BY started_at LIMIT 1",
            patient,
        )
        .fetch_optional(tx.connection()?)
        .await?;
        if let Some(open) = open {
            tx.commit(Pending(())).await?;
            return Ok(Some(Begun { id: open.key_rotation_id, started_at: open.started_at, resumed: true }));
        }
        let (id, clinic, at) = (Uuid::now_v7(), self.clinic.0, tx.context().at);
        sqlx::query!(
            "INSERT INTO key_rotation (key_rotation_id, clinic_id, patient_id, started_at) VALUES ($1, $2, $3, $4)",
            id,
            clinic,
            patient,
            at
        )
        .execute(tx.connection()?)
        .await?;
        tx.log(self.entry("key_rotation.started"));
        tx.commit(Pending(Some(Begun { id, started_at: at, resumed: false }))).await
    }

    fn entry(&self, action: &'static str) -> Entry {
        match self.scope {
            Scope::Everything => Entry::new(action, Resource::Clinic),
            Scope::Patient(id) => Entry { patient: Some(id), ..Entry::new(action, Resource::Patient(id)) },
        }
    }

    async fn finish(&self, id: Uuid) -> Result<(), Error> {
        let mut tx = self.tx().await?;
        let at = tx.context().at;
        sqlx::query!("UPDATE key_rotation SET finished_at = $2 WHERE key_rotation_id = $1", id, at)
            .execute(tx.connection()?)
            .await?;
        tx.log(self.entry("key_rotation.finished"));
        tx.commit(Pending(())).await
    }

    /// Some keys that are older than this renewal, or half-way.
    async fn not_done(&self, started_at: OffsetDateTime) -> Result<Vec<Key>, Error> {
        let mut tx = self.tx().await?;
        let rows = sqlx::query!(
            "SELECT DISTINCT purpose, owner_id FROM data_key
             WHERE clinic_id = current_clinic() AND wrapped IS NOT NULL AND purpose IN ('clinic', 'patient', 'index')
               AND ($1::uuid IS NULL OR (purpose = 'patient' AND owner_id = $1))
               AND (activated_at IS NULL OR (retired_at IS NOT NULL AND kept_at IS NULL) OR (retired_at IS NULL AND created_at < $2))
             ORDER BY purpose, owner_id LIMIT $3",
            self.patient(),
            started_at,
            KEYS_AT_ONCE,
        )
        .fetch_all(tx.connection()?)
        .await?;
        tx.commit(Pending(())).await?;
        Ok(rows.into_iter().map(|row| Key { purpose: row.purpose, owner: row.owner_id }).collect())
    }

    /// All the way with these keys.
    async fn take(&self, started_at: OffsetDateTime, keys: &[Key], all: &mut Rotated) -> Result<(), RotateError> {
        let indexes = keys.iter().any(|key| key.purpose == "index");
        self.prepare(started_at, keys).await?;
        wait::for_older_transactions(self.records).await?;
        if indexes {
            patient_index::rebuild_clinic(self.records, self.clinic, self.now).await?;
        }
        self.activate(keys).await?;
        wait::for_older_transactions(self.records).await?;
        for column in SEALED {
            let owners: Vec<Uuid> =
                keys.iter().filter(|key| key.purpose == column.purpose()).map(|key| key.owner).collect();
            if !owners.is_empty() {
                all.values += self.seal_again(column, &owners).await?;
            }
        }
        if indexes {
            self.forget_tokens().await?;
        }
        wait::for_older_transactions(self.records).await?;
        all.data_keys += self.destroy(keys).await?;
        Ok(())
    }

    /// Step 1.
    async fn prepare(&self, started_at: OffsetDateTime, keys: &[Key]) -> Result<(), RotateError> {
        let mut tx = self.tx().await?;
        let mut wanted = Vec::new();
        for key in keys {
            let row = sqlx::query!(
                r#"SELECT max(version) AS "newest!", bool_or(activated_at IS NULL) AS "prepared!",
                          coalesce(bool_or(activated_at IS NOT NULL AND retired_at IS NULL AND wrapped IS NOT NULL AND created_at < $3), false) AS "old!"
                   FROM data_key WHERE clinic_id = current_clinic() AND purpose = $1 AND owner_id = $2"#,
                key.purpose,
                key.owner,
                started_at,
            )
            .fetch_one(tx.connection()?)
            .await?;
            if row.old && !row.prepared {
                wanted.push((key, row.newest + 1));
            }
        }
        tx.commit(Pending(())).await?;
        // The key service is asked while no transaction is open.
        let mut made = Vec::with_capacity(wanted.len());
        for (key, version) in wanted {
            let bound = Bound { purpose: &key.purpose, owner: key.owner, version };
            made.push((key, version, self.records.keys().generate(bound).await?.1));
        }
        let mut tx = self.tx().await?;
        for (key, version, wrapped) in made {
            data_key::prepare(&mut tx, &key.purpose, key.owner, version, &wrapped).await?;
        }
        Ok(tx.commit(Pending(())).await?)
    }

    /// Step 2.
    async fn activate(&self, keys: &[Key]) -> Result<(), Error> {
        let mut tx = self.tx().await?;
        for key in keys {
            let prepared = sqlx::query_scalar!(
                "SELECT version FROM data_key WHERE clinic_id = current_clinic() AND purpose = $1 AND owner_id = $2
                   AND activated_at IS NULL AND wrapped IS NOT NULL",
                key.purpose,
                key.owner,
            )
            .fetch_optional(tx.connection()?)
            .await?;
            if let Some(version) = prepared {
                data_key::activate(&mut tx, &key.purpose, key.owner, version).await?;
                tx.log(self.about(key, "data_key.retired"));
            }
        }
        tx.commit(Pending(())).await
    }

    /// Step 3 for one column, until nothing of these owners is under a retired key.
    async fn seal_again(&self, column: &SealedColumn, owners: &[Uuid]) -> Result<u64, Error> {
        let mut done = 0;
        loop {
            match self.seal_some_again(column, owners).await {
                Ok(None) => return Ok(done),
                Ok(Some(values)) => done += values,
                // Somebody else holds a row: the others first, this one at the next look.
                Err(Error::Database(error)) if error.code().as_deref() == Some(LOCK_TIMEOUT) => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn seal_some_again(&self, column: &SealedColumn, owners: &[Uuid]) -> Result<Option<u64>, Error> {
        let mut tx = self.tx().await?;
        sqlx::query(ROW_WITHIN).execute(tx.connection()?).await?;
        let found = column.retired(&mut tx, owners, VALUES_AT_ONCE).await?;
        if found.is_empty() {
            return Ok(None);
        }
        let mut by_owner: BTreeMap<Uuid, Vec<Found>> = BTreeMap::new();
        for one in found {
            by_owner.entry(one.owner).or_default().push(one);
        }
        tx.load_keys(column.purpose(), &by_owner.keys().copied().collect::<Vec<_>>()).await?;
        let mut done = 0;
        for (owner, found) in by_owner {
            let keys = tx.known_keys(owner)?;
            let (mut at, mut old, mut new) = (Vec::new(), Vec::new(), Vec::new());
            for one in found {
                let plain = keys.open(one.place, &one.sealed)?;
                new.push(keys.seal(one.place, plain.expose())?);
                at.push(one.at);
                old.push(one.sealed);
            }
            let resealed = sqlx::query_scalar!(
                r#"SELECT reseal($1, $2, $3, $4, $5, $6, $7) AS "resealed!""#,
                column.purpose(),
                owner,
                column.table(),
                column.column(),
                &at,
                &old,
                &new,
            )
            .fetch_one(tx.connection()?)
            .await?;
            done += u64::try_from(resealed).unwrap_or_default();
        }
        tx.commit(Pending(Some(done))).await
    }

    /// Step 3 for the index key.
    async fn forget_tokens(&self) -> Result<(), Error> {
        loop {
            let mut tx = self.tx().await?;
            let gone = sqlx::query!(
                "DELETE FROM patient_index WHERE ctid = ANY (ARRAY(
                     SELECT i.ctid FROM patient_index i WHERE i.clinic_id = current_clinic() AND i.key_version < (
                         SELECT k.version FROM data_key k WHERE k.purpose = 'index' AND k.owner_id = current_clinic()
                           AND k.activated_at IS NOT NULL AND k.retired_at IS NULL)
                     LIMIT $1))",
                TOKENS_AT_ONCE,
            )
            .execute(tx.connection()?)
            .await?
            .rows_affected();
            tx.commit(Pending(())).await?;
            if gone == 0 {
                return Ok(());
            }
        }
    }

    /// Step 4. A key under which anything still is stays.
    async fn destroy(&self, keys: &[Key]) -> Result<u64, Error> {
        let mut tx = self.tx().await?;
        for column in SEALED {
            let owners: Vec<Uuid> =
                keys.iter().filter(|key| key.purpose == column.purpose()).map(|key| key.owner).collect();
            if !owners.is_empty() && !column.retired(&mut tx, &owners, 1).await?.is_empty() {
                return Err(Error::Sealed("data key: values are still under a retired version; run it again"));
            }
        }
        let (mut destroyed, at) = (0, tx.context().at);
        for column in KEPT {
            let owners: Vec<Uuid> =
                keys.iter().filter(|key| key.purpose == column.purpose()).map(|key| key.owner).collect();
            for (owner, version) in column.versions_in_use(&mut tx, &owners).await? {
                sqlx::query!(
                    "UPDATE data_key SET kept_at = coalesce(kept_at, $4)
                     WHERE clinic_id = current_clinic() AND purpose = $1 AND owner_id = $2 AND version = $3",
                    column.purpose(),
                    owner,
                    version,
                    at,
                )
                .execute(tx.connection()?)
                .await?;
            }
        }
        for key in keys {
            let gone = sqlx::query!(
                "UPDATE data_key SET wrapped = NULL, destroyed_at = $3
                 WHERE clinic_id = current_clinic() AND purpose = $1 AND owner_id = $2 AND retired_at IS NOT NULL AND kept_at IS NULL AND wrapped IS NOT NULL",
                key.purpose,
                key.owner,
                at,
            )
            .execute(tx.connection()?)
            .await?
            .rows_affected();
            if gone > 0 {
                tx.log(self.about(key, "data_key.destroyed"));
                destroyed += gone;
            }
        }
        tx.commit(Pending(destroyed)).await
    }

    fn about(&self, key: &Key, action: &'static str) -> Entry {
        let detail = Some(serde_json::json!({ "purpose": key.purpose }));
        if key.purpose == "patient" {
            let id = PatientId(key.owner);
            return Entry { patient: Some(id), detail, ..Entry::new(action, Resource::Patient(id)) };
        }
        Entry { detail, ..Entry::new(action, Resource::Clinic) }
    }
}
