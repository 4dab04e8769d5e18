//! The blind index: which patients have which tokens ([`crate::blind_index`] makes them).
//!
//! Whatever changes a patient's name, date of birth, number, telephone or e-mail calls [`index_patient`] in the same
//! transaction; it reads the row, and the names of former versions, as that transaction sees them, so there is nothing to hand over and nothing to forget.

use std::collections::BTreeSet;

use time::OffsetDateTime;
use uuid::Uuid;
use visit::{ClinicId, PatientId};

use crate::action::Resource;
use crate::audit::Entry;
use crate::blind_index::{self, IndexKey, Kind, Normal};
use crate::patients::record;
use crate::seal::Place;
use crate::{Error, Pending, Phi, Records, RequestContext, Tx, clinics};

/// Patients that the rebuild takes in one transaction.
const BATCH: i64 = 200;

/// Writes the patient's tokens anew, from the row as this transaction sees it.
///
/// # Errors
/// The database can't be reached, or the row does not open.
pub(crate) async fn index_patient(tx: &mut Tx, patient: PatientId) -> Result<(), Error> {
    index(tx, &[patient.0]).await
}

/// Indexes the patients of all clinics that are not indexed with the newest key, in small transactions: what an earlier
/// version wrote, or after the index key was renewed. Killed at any moment, it goes on where it was. Gives how many.
///
/// # Errors
/// The database can't be reached, or a row does not open.
pub async fn rebuild(records: &Records, now: impl Fn() -> OffsetDateTime) -> Result<u64, Error> {
    let mut all = 0;
    for clinic in clinics::list(records).await? {
        all += rebuild_clinic(records, clinic.id, &now).await?;
    }
    Ok(all)
}

pub(crate) async fn rebuild_clinic(
    records: &Records,
    clinic: ClinicId,
    now: &impl Fn() -> OffsetDateTime,
) -> Result<u64, Error> {
    let (mut done, mut after) = (0, Uuid::nil());
    loop {
        let mut tx = records.begin(RequestContext::system("index", clinic, now())).await?;
        let newest = newest(&tx.index_keys().await?)?;
        let patients = sqlx::query_scalar!(
            "SELECT patient_id FROM patient WHERE clinic_id = current_clinic() AND destroyed_at IS NULL AND patient_id > $1 AND indexed_with < $2
             ORDER BY patient_id LIMIT $3",
            after,
            newest,
            BATCH,
        )
        .fetch_all(tx.connection()?)
        .await?;
        let Some(&last) = patients.last() else {
            if done > 0 {
                let detail = Some(serde_json::json!({ "patients": done }));
                tx.log(Entry { detail, ..Entry::new("patient_index.rebuilt", Resource::Clinic) });
            }
            tx.commit(Pending(())).await?;
            return Ok(done);
        };
        index(&mut tx, &patients).await?;
        tx.commit(Pending(())).await?;
        after = last;
        done += patients.len() as u64;
    }
}

async fn index(tx: &mut Tx, patients: &[Uuid]) -> Result<(), Error> {
    let index_keys = tx.index_keys().await?;
    let newest = newest(&index_keys)?;
    // Locked, so that the tokens of an older name can't be written after those of a newer one.
    let rows = sqlx::query!(
        "SELECT patient_id, name, date_of_birth, mrn, phone, email FROM patient
         WHERE clinic_id = current_clinic() AND destroyed_at IS NULL AND patient_id = ANY($1) ORDER BY patient_id FOR NO KEY UPDATE",
        patients,
    )
    .fetch_all(tx.connection()?)
    .await?;
    tx.load_patient_keys(patients).await?;
    let mut former = record::former_names(tx, patients).await?;
    let (mut owners, mut kinds, mut versions, mut tokens) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for row in &rows {
        let (keys, id) = (tx.known_keys(row.patient_id)?, row.patient_id);
        let open = |column, sealed: &[u8]| keys.open_text(Place::new(column, id), sealed);
        let patient = Findable {
            name: open("patient.name", &row.name)?,
            former_names: former.remove(&id).unwrap_or_default(),
            date_of_birth: open("patient.date_of_birth", &row.date_of_birth)?,
            mrn: open("patient.mrn", &row.mrn)?,
            phone: row.phone.as_deref().map(|sealed| open("patient.phone", sealed)).transpose()?,
            email: row.email.as_deref().map(|sealed| open("patient.email", sealed)).transpose()?,
        };
        for key in index_keys.iter() {
            for (kind, token) in patient.tokens(key) {
                owners.push(id);
                kinds.push(kind.as_str().to_owned());
                versions.push(key.version);
                tokens.push(token);
            }
        }
    }
    sqlx::query!("DELETE FROM patient_index WHERE clinic_id = current_clinic() AND patient_id = ANY($1)", patients)
        .execute(tx.connection()?)
        .await?;
    // Two texts of one patient may share a token, by chance or because they are the same text.
    sqlx::query!(
        "INSERT INTO patient_index (clinic_id, patient_id, kind, key_version, token)
         SELECT current_clinic(), * FROM unnest($1::uuid[], $2::text[], $3::integer[], $4::bigint[]) ON CONFLICT DO NOTHING",
        &owners,
        &kinds,
        &versions,
        &tokens,
    )
    .execute(tx.connection()?)
    .await?;
    sqlx::query!(
        "UPDATE patient SET indexed_with = $2 WHERE clinic_id = current_clinic() AND patient_id = ANY($1)",
        patients,
        newest
    )
    .execute(tx.connection()?)
    .await?;
    Ok(())
}

fn newest(keys: &[IndexKey]) -> Result<i32, Error> {
    keys.last().map(|key| key.version).ok_or(Error::Sealed("index key: the clinic has none"))
}

/// What a patient is found by.
struct Findable {
    name: Phi<String>,
    /// Names they had before, and those they said they had.
    former_names: Vec<Phi<String>>,
    date_of_birth: Phi<String>,
    mrn: Phi<String>,
    phone: Option<Phi<String>>,
    email: Option<Phi<String>>,
}

impl Findable {
    fn tokens(&self, key: &IndexKey) -> BTreeSet<(Kind, i64)> {
        let mut tokens = BTreeSet::new();
        for name in self.former_names.iter().chain([&self.name]) {
            for word in blind_index::words(name.expose(), true) {
                tokens.extend(
                    blind_index::beginnings(&word).into_iter().map(|text| (Kind::Name, key.token(Kind::Name, text))),
                );
            }
        }
        let mut add = |kind, text: Option<Normal>| {
            tokens.extend(text.map(|text| (kind, key.token(kind, &text))));
        };
        add(Kind::Born, Some(Normal::new(self.date_of_birth.expose().clone())));
        add(Kind::Mrn, blind_index::mrn(self.mrn.expose()));
        add(Kind::Phone, self.phone.as_ref().and_then(|phone| blind_index::phone(phone.expose())));
        add(Kind::Email, self.email.as_ref().and_then(|email| blind_index::email(email.expose())));
        tokens
    }
}

/// The patients with this e-mail address, in every clinic of the installation: for letting a patient sign in, before the
/// clinic is known. Gives ids only. The caller logs what comes of it.
///
/// # Errors
/// The database can't be reached.
pub async fn with_email(
    records: &Records,
    email: &Phi<String>,
    now: OffsetDateTime,
) -> Result<Vec<(ClinicId, PatientId)>, Error> {
    let mut found = Vec::new();
    let Some(wanted) = blind_index::email(email.expose()) else { return Ok(found) };
    for clinic in clinics::list(records).await? {
        let mut tx = records.begin(RequestContext::system("portal", clinic.id, now)).await?;
        let token = active(&tx.index_keys().await?)?.token(Kind::Email, &wanted);
        let ids = sqlx::query_scalar!(
            "SELECT patient_id FROM patient_index WHERE clinic_id = current_clinic() AND token = $1 AND kind = 'email' ORDER BY patient_id",
            token,
        )
        .fetch_all(tx.connection()?)
        .await?;
        tx.commit(Pending(())).await?;
        found.extend(ids.into_iter().map(|id| (clinic.id, PatientId(id))));
    }
    Ok(found)
}

/// The version that searches use.
pub(crate) fn active(keys: &[IndexKey]) -> Result<&IndexKey, Error> {
    keys.iter().find(|key| key.active).ok_or(Error::Sealed("index key: the clinic has none"))
}
