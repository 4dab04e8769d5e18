//! Booked slots. Two of one provider can't overlap: the database refuses it.

use time::OffsetDateTime;
use visit::{AppointmentId, PatientId, StaffId, VisitId};

use crate::action::BookAppointment;
use crate::join_links::IssuedLink;
use crate::text_enum::text_enum;
use crate::{Authorized, Error, Pending, Phi, Tx};

text_enum! {
    /// How patient and provider meet.
    VisitType {
        /// In the browser.
        Video = "video",
        /// By telephone.
        Phone = "phone",
        /// At the clinic.
        InPerson = "in_person",
    }
}

/// What is booked. The patient is that of the authorization.
#[derive(Clone)]
pub struct NewAppointment {
    /// With whom.
    pub provider_id: StaffId,
    /// From.
    pub starts_at: OffsetDateTime,
    /// To; later than `starts_at`, and at most [`MAX_HOURS`] later.
    pub ends_at: OffsetDateTime,
    /// How.
    pub visit_type: VisitType,
    /// Why the patient comes, in their words.
    pub reason: Phi<String>,
}

/// Longest slot, hours.
pub const MAX_HOURS: i64 = 8;

/// A booked slot with the visit it leads to and the patient's link.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct Booked {
    /// The slot.
    pub appointment_id: AppointmentId,
    /// The visit.
    pub visit_id: VisitId,
    /// The link; its token is shown this once.
    pub link: IssuedLink,
}

/// Books a slot, makes its visit and issues its link. The same `idempotency_key` with the same content gives the
/// first answer again and books nothing (for 24 hours, per member of staff).
///
/// # Errors
/// See [`BookError`].
pub async fn book(
    _tx: &mut Tx,
    _may: &Authorized<BookAppointment>,
    _new: &NewAppointment,
    _idempotency_key: &str,
) -> Result<Pending<Booked>, BookError> {
    let _: Option<PatientId> = None;
    Err(Error::Unfinished.into())
}

/// A slot was not booked.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// The provider has another appointment then.
    #[error("the provider already has an appointment at that time; choose another time")]
    Overlap,
    /// Ends before it starts, or lasts too long.
    #[error("the appointment must end after it starts, and within {MAX_HOURS} hours")]
    BadTimes,
    /// No such active provider in this clinic.
    #[error("there is no such provider; choose one from the list")]
    UnknownProvider,
    /// The key was used for something else.
    #[error("this idempotency key was used for a different booking; send a new key")]
    KeyReused,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
