//! Booked slots. Two of one provider can't overlap: the database refuses it.

use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use visit::{AppointmentId, PatientId, StaffId, VisitId};

use crate::action::{BookAppointment, Resource};
use crate::audit::Entry;
use crate::idempotency::{self, Repeat};
use crate::join_links::{self, IssuedLink};
use crate::outbox;
use crate::seal::Place;
use crate::text_enum::text_enum;
use crate::{Actor, Authorized, Error, Pending, Phi, Tx};

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
/// Longest idempotency key, bytes.
pub const MAX_KEY_BYTES: usize = 200;

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
    tx: &mut Tx,
    may: &Authorized<BookAppointment>,
    new: &NewAppointment,
    idempotency_key: &str,
) -> Result<Pending<Booked>, BookError> {
    tx.proved(may)?;
    // The surviving record's, if the one that was named was merged.
    let patient = may.patient().ok_or(Error::NotFound)?;
    let Actor::Staff { id: staff, .. } = tx.context().actor else {
        return Err(Error::Forbidden.into());
    };
    if idempotency_key.is_empty() || idempotency_key.len() > MAX_KEY_BYTES {
        return Err(BookError::BadKey);
    }
    check_times(new)?;
    let content = format!(
        "{patient}|{}|{}|{}|{}|{}",
        new.provider_id,
        new.starts_at.unix_timestamp_nanos(),
        new.ends_at.unix_timestamp_nanos(),
        new.visit_type.as_str(),
        new.reason.expose(),
    );
    match idempotency::claim(tx, staff, idempotency_key, content.as_bytes()).await? {
        Repeat::Again(booked) => return Ok(Pending(booked)),
        Repeat::Reused => return Err(BookError::KeyReused),
        Repeat::First => {}
    }
    let booked = insert(tx, patient, new).await?;
    idempotency::remember(tx, staff, idempotency_key, &booked).await?;
    Ok(Pending(booked))
}

fn check_times(new: &NewAppointment) -> Result<(), BookError> {
    let length = new.ends_at - new.starts_at;
    if length.is_positive() && length <= Duration::hours(MAX_HOURS) { Ok(()) } else { Err(BookError::BadTimes) }
}

pub(crate) async fn insert(tx: &mut Tx, patient: PatientId, new: &NewAppointment) -> Result<Booked, BookError> {
    check_times(new)?;
    let (appointment, visit) = (AppointmentId(Uuid::now_v7()), VisitId(Uuid::now_v7()));
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    let provider = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM staff WHERE staff_id = $1 AND clinic_id = $2 AND role = 'provider' AND active) AS "known!""#,
        new.provider_id.0,
        clinic,
    )
    .fetch_one(tx.connection()?)
    .await
    .map_err(Error::from)?;
    if !provider {
        return Err(BookError::UnknownProvider);
    }
    let reason =
        tx.patient_keys(patient).await?.seal_text(Place::new("appointment.reason", appointment.0), &new.reason)?;
    let booked = sqlx::query!(
        "INSERT INTO appointment (appointment_id, clinic_id, patient_id, provider_id, starts_at, ends_at, visit_type, reason, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        appointment.0,
        clinic,
        patient.0,
        new.provider_id.0,
        new.starts_at,
        new.ends_at,
        new.visit_type.as_str(),
        reason,
        at,
    )
    .execute(tx.connection()?)
    .await;
    if let Err(error) = booked {
        let overlap =
            error.as_database_error().is_some_and(|error| error.constraint() == Some("appointment_no_overlap"));
        return Err(if overlap { BookError::Overlap } else { BookError::Failed(error.into()) });
    }
    sqlx::query!(
        "INSERT INTO visit (visit_id, clinic_id, appointment_id, patient_id) VALUES ($1, $2, $3, $4)",
        visit.0,
        clinic,
        appointment.0,
        patient.0,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    tx.logged_as(Entry {
        patient: Some(patient),
        ..Entry::new("appointment.booked", Resource::Appointment(appointment))
    });
    let link = join_links::insert(tx, appointment, visit, patient, new.starts_at).await?;
    outbox::visit_link(tx, patient, appointment, &link).await?;
    Ok(Booked { appointment_id: appointment, visit_id: visit, link })
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
    /// No key, or too long a one.
    #[error("the idempotency key must have 1 to {MAX_KEY_BYTES} bytes; send a fresh random one with every booking")]
    BadKey,
    /// The key was used for something else.
    #[error("this idempotency key was used for a different booking; send a new key")]
    KeyReused,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
