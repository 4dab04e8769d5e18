//! Visits: what came of an appointment, and what happened in it.

use serde_json::Value;
use time::OffsetDateTime;
use visit::room::Identity;
use visit::{AppointmentId, PatientId, VisitId};

use crate::action::{ReadTimeline, ReadVisit, TakeSeat};
use crate::join::{GivenConsent, Location, SeatError};
use crate::text_enum::text_enum;
use crate::{Authorized, Error, Pending, Phi, Tx};

text_enum! {
    /// Where a visit stands.
    VisitState {
        /// Nobody has come yet.
        Booked = "booked",
        /// The patient is checking in.
        CheckingIn = "checking_in",
        /// The patient is in the waiting room.
        Waiting = "waiting",
        /// The patient was let in.
        InVisit = "in_visit",
        /// A host ended it.
        Ended = "ended",
        /// The appointment was cancelled.
        Cancelled = "cancelled",
    }
}

/// One visit with its patient.
pub struct VisitDetail {
    /// The visit.
    pub visit_id: VisitId,
    /// Its slot.
    pub appointment_id: AppointmentId,
    /// Where it stands.
    pub state: VisitState,
    /// The patient.
    pub patient_id: PatientId,
    /// Their name.
    pub patient_name: Phi<String>,
    /// `YYYY-MM-DD`.
    pub date_of_birth: Phi<String>,
    /// Where the patient said they are, for this visit.
    pub location: Option<Location>,
    /// With whom.
    pub provider_name: String,
    /// Booked from.
    pub starts_at: OffsetDateTime,
    /// Booked to.
    pub ends_at: OffsetDateTime,
    /// The patient was first let in.
    pub started_at: Option<OffsetDateTime>,
    /// A host ended it.
    pub ended_at: Option<OffsetDateTime>,
    /// Why the patient comes; `None` for roles that may not know.
    pub reason: Option<Phi<String>>,
    /// The patient's consent to telehealth.
    pub consent: Option<GivenConsent>,
}

/// One thing that happened.
pub struct TimelineItem {
    /// From 1, without gaps.
    pub seq: u64,
    /// When.
    pub at: OffsetDateTime,
    /// The fact's name, e.g. `admitted`.
    pub fact: String,
    /// Who did it: a member of staff by name, the patient by name, nobody for the server's own.
    pub by_name: Option<Phi<String>>,
    /// The fact's other fields; ids, reasons, versions. No chat text.
    pub detail: Value,
    /// Chat text, for those who may read it.
    pub chat_text: Option<Phi<String>>,
}

/// One visit.
///
/// # Errors
/// The database can't be reached, or a value does not open.
pub async fn detail(_tx: &mut Tx, _may: &Authorized<ReadVisit>) -> Result<Pending<VisitDetail>, Error> {
    Err(Error::Unfinished)
}

/// Everything that happened, in order.
///
/// # Errors
/// The database can't be reached, or a value does not open.
pub async fn timeline(_tx: &mut Tx, _may: &Authorized<ReadTimeline>) -> Result<Pending<Vec<TimelineItem>>, Error> {
    Err(Error::Unfinished)
}

/// The host's seat.
///
/// # Errors
/// [`SeatError::Over`] if the visit ended or was cancelled.
pub async fn seat(_tx: &mut Tx, _may: &Authorized<TakeSeat>) -> Result<Pending<Identity>, SeatError> {
    Err(Error::Unfinished.into())
}
