//! A day's visits, as the clinic's staff see them.

use time::{Date, OffsetDateTime};
use visit::{AppointmentId, PatientId, StaffId, VisitId};

use crate::action::ReadSchedule;
use crate::appointments::VisitType;
use crate::join_links::LinkState;
use crate::notes::NoteState;
use crate::visits::VisitState;
use crate::{Authorized, Error, Pending, Phi, Tx};

/// One day.
pub struct Day {
    /// In the clinic's time zone.
    pub date: Date,
    /// IANA name of that zone.
    pub time_zone: String,
    /// By start. A provider's or nurse's own; everybody's for the others.
    pub items: Vec<DayItem>,
}

/// One slot of a day.
pub struct DayItem {
    /// The slot.
    pub appointment_id: AppointmentId,
    /// The visit.
    pub visit_id: VisitId,
    /// The patient.
    pub patient_id: PatientId,
    /// Their name.
    pub patient_name: Phi<String>,
    /// With whom.
    pub provider_id: StaffId,
    /// Their name.
    pub provider_name: String,
    /// From.
    pub starts_at: OffsetDateTime,
    /// To.
    pub ends_at: OffsetDateTime,
    /// How.
    pub visit_type: VisitType,
    /// Why; `None` for roles that may not know.
    pub reason: Option<Phi<String>>,
    /// Where the visit stands.
    pub state: VisitState,
    /// In the waiting room since.
    pub waiting_since: Option<OffsetDateTime>,
    /// Where the note stands.
    pub note_state: NoteState,
    /// Where the link stands.
    pub link_state: LinkState,
}

/// The slots of `date`, or of today in the clinic's time zone.
///
/// # Errors
/// The database can't be reached.
pub async fn day(_tx: &mut Tx, _may: &Authorized<ReadSchedule>, _date: Option<Date>) -> Result<Pending<Day>, Error> {
    Err(Error::Unfinished)
}
