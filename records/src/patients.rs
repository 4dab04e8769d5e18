//! Patients: demographics, all encrypted.

use time::Date;
use uuid::Uuid;
use visit::PatientId;

use crate::action::{CreatePatient, Resource, SearchPatients};
use crate::audit::Entry;
use crate::data_key::{self, Owner};
use crate::seal::Place;
use crate::{Authorized, Error, Pending, Phi, Tx};

/// Patients on a page.
pub const PAGE: usize = 50;

/// One row of a list of patients.
pub struct Patient {
    /// Who.
    pub patient_id: PatientId,
    /// Name.
    pub name: Phi<String>,
    /// `YYYY-MM-DD`.
    pub date_of_birth: Phi<String>,
    /// The clinic's own number for this patient.
    pub mrn: Phi<String>,
}

/// One page of patients.
pub struct PatientPage {
    /// By name.
    pub items: Vec<Patient>,
    /// Hand this in for the next page; `None` on the last one.
    pub next_cursor: Option<String>,
}

/// What is needed to put a patient on record.
pub struct NewPatient {
    /// Name.
    pub name: Phi<String>,
    /// Date of birth.
    pub date_of_birth: Date,
    /// The clinic's own number for this patient.
    pub mrn: Phi<String>,
    /// Telephone.
    pub phone: Option<Phi<String>>,
    /// E-mail.
    pub email: Option<Phi<String>>,
}

/// Patients one of whose names begins with `name` (any patient if empty), [`PAGE`] at a time.
///
/// Opens every name of the clinic and compares here: honest, and quick enough for some thousand patients.
///
/// # Errors
/// [`SearchError::BadCursor`]; the database can't be reached.
pub async fn search(
    tx: &mut Tx,
    may: &Authorized<SearchPatients>,
    name: &Phi<String>,
    cursor: Option<&str>,
) -> Result<Pending<PatientPage>, SearchError> {
    tx.proved(may)?;
    let after: usize = match cursor {
        None => 0,
        Some(cursor) => cursor.parse().map_err(|_| SearchError::BadCursor)?,
    };
    let rows =
        sqlx::query!("SELECT patient_id, name, date_of_birth, mrn FROM patient WHERE clinic_id = current_clinic()")
            .fetch_all(tx.connection()?)
            .await
            .map_err(Error::from)?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.patient_id).collect();
    tx.load_patient_keys(&ids).await?;

    let mut found = Vec::new();
    for row in rows {
        let keys = tx.known_keys(row.patient_id)?;
        let opened = keys.open_text(Place::new("patient.name", row.patient_id), &row.name)?;
        if matches_name(opened.expose(), name.expose()) {
            found.push((sort_key(opened.expose()), opened, keys, row.patient_id, row.date_of_birth, row.mrn));
        }
    }
    found.sort_by(|a, b| (&a.0, a.3).cmp(&(&b.0, b.3)));

    let more = found.len() > after.saturating_add(PAGE);
    let mut items = Vec::new();
    for (_, name, keys, id, date_of_birth, mrn) in found.into_iter().skip(after).take(PAGE) {
        items.push(Patient {
            patient_id: PatientId(id),
            name,
            date_of_birth: keys.open_text(Place::new("patient.date_of_birth", id), &date_of_birth)?,
            mrn: keys.open_text(Place::new("patient.mrn", id), &mrn)?,
        });
    }
    if let Some(entry) = tx.last_logged() {
        entry.patients = items.iter().map(|patient| patient.patient_id.0).collect();
    }
    let next_cursor = more.then(|| (after + PAGE).to_string());
    Ok(Pending(PatientPage { items, next_cursor }))
}

/// Every word of `wanted` begins a word of `name`, whatever the case.
fn matches_name(name: &str, wanted: &str) -> bool {
    let name = name.to_lowercase();
    wanted
        .to_lowercase()
        .split_whitespace()
        .all(|wanted| name.split(|c: char| c.is_whitespace() || c == '-').any(|word| word.starts_with(wanted)))
}

/// By last name, then the whole name.
fn sort_key(name: &str) -> (String, String) {
    let name = name.to_lowercase();
    (name.split_whitespace().last().unwrap_or_default().to_owned(), name)
}

/// Puts a patient on record, with a data key of their own.
///
/// # Errors
/// The database can't be reached.
pub async fn create(
    tx: &mut Tx,
    may: &Authorized<CreatePatient>,
    patient: &NewPatient,
) -> Result<Pending<PatientId>, Error> {
    tx.proved(may)?;
    // The proof's entry has no patient yet: this one has.
    tx.logged_before();
    insert(tx, patient).await.map(Pending)
}

pub(crate) async fn insert(tx: &mut Tx, patient: &NewPatient) -> Result<PatientId, Error> {
    let id = PatientId(Uuid::now_v7());
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    data_key::create(tx, Owner::Patient(id)).await?;
    let keys = tx.patient_keys(id).await?;
    let seal = |column, text: &Phi<String>| keys.seal_text(Place::new(column, id.0), text);
    let date_of_birth = Phi::from(iso_date(patient.date_of_birth));
    sqlx::query!(
        "INSERT INTO patient (patient_id, clinic_id, name, date_of_birth, mrn, phone, email, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        id.0,
        clinic,
        seal("patient.name", &patient.name)?,
        seal("patient.date_of_birth", &date_of_birth)?,
        seal("patient.mrn", &patient.mrn)?,
        patient.phone.as_ref().map(|phone| seal("patient.phone", phone)).transpose()?,
        patient.email.as_ref().map(|email| seal("patient.email", email)).transpose()?,
        at,
    )
    .execute(tx.connection()?)
    .await?;
    tx.log(Entry { patient: Some(id), ..Entry::new("patient.create", Resource::Patient(id)) });
    Ok(id)
}

/// `YYYY-MM-DD`, as dates of birth are stored and compared.
pub(crate) fn iso_date(date: Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
}

/// A search was not done.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The cursor is not one that a search gave.
    #[error("this cursor is not one of ours; begin again without one")]
    BadCursor,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patient_is_found_by_the_beginning_of_any_name_in_any_order() {
        for wanted in ["", "mar", "LOP", "lop mar", "Garcia"] {
            assert!(matches_name("María-Mar Lopez-García Garcia", wanted), "{wanted}");
        }
        assert!(!matches_name("Maria Lopez", "opez"));
        assert!(!matches_name("Maria Lopez", "maria x"));
    }
}
