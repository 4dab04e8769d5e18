//! Puts patients on record, and asks first whether they are there already.

use std::collections::BTreeSet;

use time::Date;
use uuid::Uuid;
use visit::PatientId;

use super::demographics::Demographics;
use super::record::{self, Change};
use super::{Patient, iso_date, mrn};
use crate::action::{CreatePatient, Resource, SearchPatients};
use crate::audit::Entry;
use crate::blind_index::{self, Kind};
use crate::chart::Invalid;
use crate::data_key::{self, Owner};
use crate::patient_index::{active, index_patient};
use crate::seal::Place;
use crate::{Actor, Authorized, Error, Pending, Phi, Tx, idempotency};

/// Longest number that is taken over from elsewhere, characters.
const LONGEST_MRN: usize = 40;
/// Candidates that are shown.
const CANDIDATES: usize = 10;

/// Somebody to put on record.
pub struct Registration {
    /// Who.
    pub demographics: Phi<Demographics>,
    /// The number they have already; `None`: the clinic's next one is made.
    pub mrn: Option<Phi<String>>,
    /// It was seen that somebody alike is on record, and this is another person.
    pub despite_duplicates: bool,
}

/// Puts a patient on record, with a data key of their own. A provider or nurse who does it is assigned to them. The same
/// `key` and content again gives the same patient.
///
/// # Errors
/// See [`RegisterError`].
pub async fn register(
    tx: &mut Tx,
    may: &Authorized<CreatePatient>,
    key: &str,
    registration: Registration,
) -> Result<Pending<PatientId>, RegisterError> {
    tx.proved(may)?;
    let Actor::Staff { id: staff_id, role, .. } = tx.context().actor else {
        return Err(Error::Forbidden.into());
    };
    let mut demographics = registration.demographics.expose().clone();
    demographics.check(tx.context().at.date())?;
    let given = registration.mrn.as_ref().map(|mrn| mrn.expose().trim()).filter(|mrn| !mrn.is_empty());
    let content = serde_json::to_vec(&(&demographics, given)).map_err(|_| Error::UnknownValue("registration"))?;
    match idempotency::claim::<Uuid>(tx, staff_id, key, &content).await? {
        idempotency::Repeat::First => (),
        idempotency::Repeat::Again(patient) => return Ok(Pending(PatientId(patient))),
        idempotency::Repeat::Reused => return Err(RegisterError::KeyReused),
    }
    if !registration.despite_duplicates {
        let alike = alike(tx, &demographics.shown_name(), &demographics.date_of_birth, None).await?;
        if !alike.is_empty() {
            return Err(RegisterError::PossibleDuplicate(alike.into_iter().map(|one| one.patient_id).collect()));
        }
    }
    let mrn = checked_mrn(tx, given).await?;
    // The proof's entry has no patient yet: this one has.
    tx.logged_before();
    let id = insert_document(tx, &Phi::new(demographics), &mrn).await?;
    if matches!(role, visit::Role::Provider | visit::Role::Nurse) {
        let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
        sqlx::query!(
            "INSERT INTO care_assignment (care_assignment_id, clinic_id, staff_id, patient_id, from_at, assigned_by) VALUES ($1, $2, $3, $4, $5, $3)",
            Uuid::now_v7(),
            clinic,
            staff_id.0,
            id.0,
            at,
        )
        .execute(tx.connection()?)
        .await
        .map_err(Error::from)?;
    }
    idempotency::remember(tx, staff_id, key, &id.0).await?;
    Ok(Pending(id))
}

/// A number that nobody of the clinic has: the given one, or the clinic's next.
async fn checked_mrn(tx: &mut Tx, given: Option<&str>) -> Result<Phi<String>, RegisterError> {
    // One registration of a clinic at a time, so that two can't take the same number.
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended(current_clinic()::text || ' mrn', 0))")
        .execute(tx.connection()?)
        .await
        .map_err(Error::from)?;
    let Some(mrn) = given else { return Ok(Phi::from(mrn::next(tx).await?)) };
    if mrn.chars().count() > LONGEST_MRN || mrn.chars().any(char::is_control) {
        return Err(Invalid::new("mrn", "at most 40 characters").into());
    }
    if mrn::is_well_formed(mrn) == Some(false) {
        return Err(Invalid::new("mrn", "the last digit does not fit the others; check the number").into());
    }
    if mrn_is_taken(tx, mrn).await? { Err(RegisterError::MrnTaken) } else { Ok(Phi::from(mrn)) }
}

pub(super) async fn mrn_is_taken(tx: &mut Tx, mrn: &str) -> Result<bool, Error> {
    let Some(normal) = blind_index::mrn(mrn) else { return Ok(false) };
    let token = active(&tx.index_keys().await?)?.token(Kind::Mrn, &normal);
    let taken = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM patient_index WHERE clinic_id = current_clinic() AND token = $1 AND kind = 'mrn') AS "taken!""#,
        token,
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(taken)
}

/// Writes the row, its first revision and its index.
pub(crate) async fn insert_document(
    tx: &mut Tx,
    demographics: &Phi<Demographics>,
    mrn: &Phi<String>,
) -> Result<PatientId, Error> {
    let id = PatientId(Uuid::now_v7());
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    data_key::create(tx, Owner::Patient(id)).await?;
    let columns = record::columns(tx, id, demographics.expose()).await?;
    let mrn = tx.patient_keys(id).await?.seal_text(Place::new("patient.mrn", id.0), mrn)?;
    sqlx::query!(
        "INSERT INTO patient (patient_id, clinic_id, name, date_of_birth, mrn, phone, email, version, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8)",
        id.0,
        clinic,
        columns.name,
        columns.date_of_birth,
        mrn,
        columns.phone,
        columns.email,
        at,
    )
    .execute(tx.connection()?)
    .await?;
    record::write_revision(tx, id, 1, Change::Created, demographics.expose()).await?;
    index_patient(tx, id).await?;
    tx.log(Entry { patient: Some(id), ..Entry::new("patient.create", Resource::Patient(id)) });
    Ok(id)
}

/// Patients on record who could be this person: born on the same day, with a word of the name in common. Names in the log
/// whom it showed.
///
/// # Errors
/// The database can't be reached.
pub async fn duplicates_of(
    tx: &mut Tx,
    may: &Authorized<SearchPatients>,
    name: &Phi<String>,
    date_of_birth: Date,
) -> Result<Pending<Vec<Patient>>, Error> {
    tx.proved(may)?;
    let found = alike(tx, name.expose(), &iso_date(date_of_birth), None).await?;
    if let Some(entry) = tx.last_logged() {
        entry.patients = found.iter().map(|patient| patient.patient_id.0).collect();
    }
    Ok(Pending(found))
}

/// Living records with this date of birth and a word of the name in common (the first four letters are enough), best first;
/// without `but` and its aliases.
pub(super) async fn alike(
    tx: &mut Tx,
    name: &str,
    date_of_birth: &str,
    but: Option<PatientId>,
) -> Result<Vec<Patient>, Error> {
    let token = active(&tx.index_keys().await?)?.token(Kind::Born, date_of_birth);
    let rows = sqlx::query!(
        r#"SELECT DISTINCT p.patient_id, p.name, p.date_of_birth, p.mrn
           FROM patient_index i JOIN patient p ON p.clinic_id = i.clinic_id AND p.patient_id = i.patient_id
           WHERE i.clinic_id = current_clinic() AND i.token = $1 AND i.kind = 'born' AND p.merged_into IS NULL
             AND p.patient_id IS DISTINCT FROM $2"#,
        token,
        but.map(|patient| patient.0),
    )
    .fetch_all(tx.connection()?)
    .await?;
    tx.load_patient_keys(&rows.iter().map(|row| row.patient_id).collect::<Vec<_>>()).await?;
    let wanted = stems(name);
    let mut found = Vec::new();
    for row in rows {
        let keys = tx.known_keys(row.patient_id)?;
        let open = |column, sealed: &[u8]| keys.open_text(Place::new(column, row.patient_id), sealed);
        let (name, born) = (open("patient.name", &row.name)?, open("patient.date_of_birth", &row.date_of_birth)?);
        let shared = stems(name.expose()).intersection(&wanted).count();
        // The token could be another day's, by a rare chance.
        if shared > 0 && born.expose() == date_of_birth {
            let mrn = open("patient.mrn", &row.mrn)?;
            found.push((shared, Patient { patient_id: PatientId(row.patient_id), name, date_of_birth: born, mrn }));
        }
    }
    found.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.patient_id.cmp(&b.1.patient_id)));
    Ok(found.into_iter().take(CANDIDATES).map(|(_, patient)| patient).collect())
}

/// The first four letters of every word of a name, without case and accents.
fn stems(name: &str) -> BTreeSet<String> {
    blind_index::words(name, true).iter().map(|word| word.chars().take(4).collect()).collect()
}

/// Nobody was put on record.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// A value can't be kept.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Somebody alike is on record.
    #[error("somebody with this date of birth and a name like this is on record; look at them first")]
    PossibleDuplicate(Vec<PatientId>),
    /// The number is another patient's.
    #[error("another patient has this number; check it, or leave it empty to get a new one")]
    MrnTaken,
    /// The key belongs to another request.
    #[error("this idempotency key was used for another request")]
    KeyReused,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
