//! Patients: demographics, all encrypted.

use time::Date;
use visit::PatientId;

use crate::action::{CreatePatient, SearchPatients};
use crate::{Authorized, Error, Pending, Phi, Tx};

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

/// Patients one of whose names begins with `name` (any patient if empty), 50 at a time.
///
/// # Errors
/// [`SearchError::BadCursor`]; the database can't be reached.
pub async fn search(
    _tx: &mut Tx,
    _may: &Authorized<SearchPatients>,
    _name: &Phi<String>,
    _cursor: Option<&str>,
) -> Result<Pending<PatientPage>, SearchError> {
    Err(Error::Unfinished.into())
}

/// Puts a patient on record, with a data key of their own.
///
/// # Errors
/// The database can't be reached.
pub async fn create(_tx: &mut Tx, _may: &Authorized<CreatePatient>, _patient: &NewPatient) -> Result<Pending<PatientId>, Error> {
    Err(Error::Unfinished)
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
