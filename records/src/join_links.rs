//! Links by which patients come: a token of 256 bits, of which only the hash is stored.

use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use visit::{AppointmentId, PatientId, VisitId};

use crate::action::{ManageLink, Resource};
use crate::audit::Entry;
use crate::outbox;
use crate::text_enum::text_enum;
use crate::token::{hash_token, random_token};
use crate::{Authorized, Error, Pending, Tx};

/// A link opens this long before the appointment starts.
pub const OPENS_BEFORE: Duration = Duration::minutes(60);
/// A link closes this long after the appointment starts.
pub const CLOSES_AFTER: Duration = Duration::hours(4);

text_enum! {
    /// Where an appointment's link stands.
    LinkState {
        /// None was issued.
        None = "none",
        /// It can be used, now or once its time has come.
        Active = "active",
        /// It was withdrawn.
        Revoked = "revoked",
        /// Its time is over.
        Expired = "expired",
        /// Too many wrong dates of birth; issue a new one.
        Locked = "locked",
    }
}

/// A fresh link. The token is in no table and can't be shown again.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct IssuedLink {
    /// For the path `/v/<token>`.
    pub token: String,
    /// Usable from.
    #[serde(with = "time::serde::rfc3339")]
    pub opens_at: OffsetDateTime,
    /// Usable until.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// Issues a new link for the appointment, mails it to the patient, and revokes the former, with the sessions that came by it.
///
/// # Errors
/// [`Error::NotFound`] if the appointment is cancelled.
pub async fn issue(tx: &mut Tx, may: &Authorized<ManageLink>) -> Result<Pending<IssuedLink>, Error> {
    let appointment = tx.proved(may)?.0;
    let row = sqlx::query!(
        "SELECT a.patient_id, a.starts_at, v.visit_id FROM appointment a JOIN visit v USING (appointment_id)
         WHERE a.appointment_id = $1 AND a.state <> 'cancelled' FOR UPDATE OF a",
        appointment.0,
    )
    .fetch_optional(tx.connection()?)
    .await?
    .ok_or(Error::NotFound)?;
    withdraw(tx, appointment).await?;
    let patient = PatientId(row.patient_id);
    let link = insert(tx, appointment, VisitId(row.visit_id), patient, row.starts_at).await?;
    outbox::visit_link(tx, patient, appointment, &link).await?;
    Ok(Pending(link))
}

/// Revokes the appointment's link, with the sessions that came by it. Nothing happens if there is none.
///
/// # Errors
/// The database can't be reached.
pub async fn revoke(tx: &mut Tx, may: &Authorized<ManageLink>) -> Result<Pending<()>, Error> {
    let appointment = tx.proved(may)?.0;
    withdraw(tx, appointment).await?;
    tx.logged_as(Entry { patient: may.patient(), ..Entry::new("link.revoked", Resource::Appointment(appointment)) });
    Ok(Pending(()))
}

/// Where a link stands at `now`.
pub(crate) fn state(link: Option<&LinkRow>, now: OffsetDateTime) -> LinkState {
    match link {
        None => LinkState::None,
        Some(link) if link.revoked_at.is_some() => LinkState::Revoked,
        Some(link) if link.locked_at.is_some() => LinkState::Locked,
        Some(link) if link.expires_at <= now => LinkState::Expired,
        Some(_) => LinkState::Active,
    }
}

/// What [`state`] needs to know of a link.
pub(crate) struct LinkRow {
    pub revoked_at: Option<OffsetDateTime>,
    pub locked_at: Option<OffsetDateTime>,
    pub expires_at: OffsetDateTime,
}

pub(crate) async fn insert(
    tx: &mut Tx,
    appointment: AppointmentId,
    visit: VisitId,
    patient: PatientId,
    starts_at: OffsetDateTime,
) -> Result<IssuedLink, Error> {
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    let link =
        IssuedLink { token: random_token(), opens_at: starts_at - OPENS_BEFORE, expires_at: starts_at + CLOSES_AFTER };
    sqlx::query!(
        "INSERT INTO join_link (join_link_id, clinic_id, appointment_id, visit_id, patient_id, token_hash, opens_at, expires_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        Uuid::now_v7(),
        clinic,
        appointment.0,
        visit.0,
        patient.0,
        &hash_token(&link.token)[..],
        link.opens_at,
        link.expires_at,
        at,
    )
    .execute(tx.connection()?)
    .await?;
    tx.logged_as(Entry { patient: Some(patient), ..Entry::new("link.issued", Resource::Appointment(appointment)) });
    Ok(link)
}

pub(crate) async fn withdraw(tx: &mut Tx, appointment: AppointmentId) -> Result<(), Error> {
    let at = tx.context().at;
    sqlx::query!(
        "WITH gone AS (UPDATE join_link SET revoked_at = $2 WHERE appointment_id = $1 AND revoked_at IS NULL RETURNING join_link_id)
         UPDATE session SET ended_at = $2 FROM gone WHERE session.join_link_id = gone.join_link_id AND session.ended_at IS NULL",
        appointment.0,
        at,
    )
    .execute(tx.connection()?)
    .await?;
    Ok(())
}
