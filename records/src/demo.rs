//! The demonstration's clinic, accounts, patients and visits, all fictitious.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use visit::{AppointmentId, ClinicId, PatientId, VisitId};

use crate::{Error, Records};

/// Visits that are due at any time.
pub const VISITS_DUE: usize = 3;

/// What `demo.json` says.
#[derive(Clone, Serialize, Deserialize)]
pub struct Demo {
    /// Where the site is.
    pub base_url: String,
    /// The clinic.
    pub clinic: DemoClinic,
    /// Treats.
    pub provider: DemoAccount,
    /// Reviews call quality.
    pub clinic_admin: DemoAccount,
    /// Searches the audit log.
    pub compliance: DemoAccount,
    /// Books.
    pub front_desk: DemoAccount,
    /// The patients.
    pub patients: Vec<DemoPatient>,
    /// Visits that are due now, with links that work.
    pub visits: Vec<DemoVisit>,
}

/// The demonstration's clinic.
#[derive(Clone, Serialize, Deserialize)]
pub struct DemoClinic {
    /// Its id.
    pub id: ClinicId,
    /// Its name.
    pub name: String,
    /// IANA name of its time zone.
    pub time_zone: String,
}

/// An account with all that is needed to sign in.
#[derive(Clone, Serialize, Deserialize)]
pub struct DemoAccount {
    /// Sign in with this,
    pub email: String,
    /// this,
    pub password: String,
    /// and codes made from this (base32, SHA-1, 6 digits, 30 s).
    pub totp_secret: String,
    /// Shown name.
    pub name: String,
}

/// A fictitious patient.
#[derive(Clone, Serialize, Deserialize)]
pub struct DemoPatient {
    /// Who.
    pub patient_id: PatientId,
    /// Name.
    pub name: String,
    /// `YYYY-MM-DD`.
    pub date_of_birth: String,
    /// The clinic's own number.
    pub mrn: String,
}

/// A visit that is due.
#[derive(Clone, Serialize, Deserialize)]
pub struct DemoVisit {
    /// The slot.
    pub appointment_id: AppointmentId,
    /// The visit.
    pub visit_id: VisitId,
    /// Who comes.
    pub patient_name: String,
    /// Slot begins.
    #[serde(with = "time::serde::rfc3339")]
    pub starts_at: OffsetDateTime,
    /// The whole address to open.
    pub patient_link: String,
    /// What to answer there, `YYYY-MM-DD`.
    pub date_of_birth: String,
}

/// Which demonstration clinic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DemoSite {
    /// The one that people look at.
    Riverside,
    /// Another one, to try what its staff can't see.
    Lakeside,
}

/// Makes what is missing: the clinic, accounts, patients, and visits due at `now`. What `previous` (the former
/// `demo.json`) says and still holds is kept as it is, links included. Accounts whose secrets are not in `previous` get new ones.
///
/// # Errors
/// The database can't be reached.
pub async fn seed(_records: &Records, _site: DemoSite, _previous: Option<Demo>, _base_url: &str, _now: OffsetDateTime) -> Result<Demo, Error> {
    Err(Error::Unfinished)
}
