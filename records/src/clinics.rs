//! Clinics: the tenants.

use visit::ClinicId;

use crate::{Error, Records};

/// A clinic as everyone may know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clinic {
    /// Its id.
    pub id: ClinicId,
    /// Its name.
    pub name: String,
    /// The number that patients call for help.
    pub phone: String,
    /// IANA name of its time zone, e.g. `America/Chicago`.
    pub time_zone: String,
}

/// All clinics of this installation, for the server's own work. No patient data.
///
/// # Errors
/// The database can't be reached.
pub async fn list(_records: &Records) -> Result<Vec<Clinic>, Error> {
    Err(Error::Unfinished)
}
