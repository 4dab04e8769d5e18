//! What staff do with those who wait. Each deed names the version it was decided on: of two at the same moment, the second
//! is told, and nothing of it is done.

use time::OffsetDateTime;
use visit::{AppointmentId, PatientId, StaffId, VisitId};

use super::MAX_WORDS;
use crate::action::{DeclinePatient, HoldPatient, MarkNoShow, MovePatient, Resource};
use crate::audit::Entry;
use crate::join_links::{self, IssuedLink};
use crate::outbox;
use crate::seal::Place;
use crate::visits::VisitState;
use crate::{Authorized, Error, Pending, Phi, Tx};

/// Asks somebody who checks in or waits to wait aside, with words.
///
/// # Errors
/// See [`DeedError`].
pub async fn hold(
    tx: &mut Tx,
    may: &Authorized<HoldPatient>,
    version: i32,
    words: &Phi<String>,
) -> Result<Pending<i32>, DeedError> {
    let visit = tx.proved(may)?.0;
    let here = here(tx, visit, version, &[VisitState::CheckingIn, VisitState::Waiting]).await?;
    let sealed = seal(tx, &here, "visit.hold_words", words).await?;
    let at = tx.context().at;
    sqlx::query!(
        "UPDATE visit SET held_since = coalesce(held_since, $2), hold_words = $3, queue_version = queue_version + 1 WHERE visit_id = $1",
        visit.0,
        at,
        sealed,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    Ok(here.done(tx, "queue.held"))
}

/// Puts somebody who was on hold back in line, where they stood.
///
/// # Errors
/// See [`DeedError`].
pub async fn return_to_waiting(
    tx: &mut Tx,
    may: &Authorized<HoldPatient>,
    version: i32,
) -> Result<Pending<i32>, DeedError> {
    let visit = tx.proved(may)?.0;
    let here = here(tx, visit, version, &[VisitState::CheckingIn, VisitState::Waiting]).await?;
    sqlx::query!(
        "UPDATE visit SET held_since = NULL, hold_words = NULL, queue_version = queue_version + 1 WHERE visit_id = $1",
        visit.0,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    Ok(here.done(tx, "queue.returned"))
}

/// To whom somebody is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MoveTo(pub StaffId);

/// Gives somebody who has not been let in to another provider: the appointment is theirs now, and with it the care
/// relationship. The slot may overlap theirs.
///
/// # Errors
/// See [`MoveError`].
pub async fn move_to(
    tx: &mut Tx,
    may: &Authorized<MovePatient>,
    version: i32,
    MoveTo(provider): MoveTo,
) -> Result<Pending<i32>, MoveError> {
    let visit = tx.proved(may)?.0;
    let here = here(tx, visit, version, &[VisitState::Booked, VisitState::CheckingIn, VisitState::Waiting]).await?;
    let at = tx.context().at;
    let moved = sqlx::query!(
        "UPDATE appointment a SET moved_from = a.provider_id, moved_at = $3, provider_id = $2
         FROM staff s WHERE a.appointment_id = $1 AND s.staff_id = $2 AND s.role = 'provider' AND s.active AND a.provider_id <> $2",
        here.appointment.0,
        provider.0,
        at,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    if moved.rows_affected() == 0 {
        return Err(MoveError::Provider);
    }
    sqlx::query!("UPDATE visit SET queue_version = queue_version + 1 WHERE visit_id = $1", visit.0)
        .execute(tx.connection()?)
        .await
        .map_err(Error::from)?;
    let detail = Some(serde_json::json!({ "from": here.provider.0, "to": provider.0 }));
    tx.logged_as(Entry { patient: Some(here.patient), detail, ..Entry::new("queue.moved", Resource::Visit(visit)) });
    Ok(Pending(here.version + 1))
}

/// Sends somebody who checks in or waits away, with a reason and a new link by mail. The former link is revoked; its
/// session stays, so that the page can say why.
///
/// # Errors
/// See [`DeedError`].
pub async fn decline(
    tx: &mut Tx,
    may: &Authorized<DeclinePatient>,
    version: i32,
    words: &Phi<String>,
) -> Result<Pending<IssuedLink>, DeedError> {
    let visit = tx.proved(may)?.0;
    let here = here(tx, visit, version, &[VisitState::CheckingIn, VisitState::Waiting]).await?;
    let sealed = seal(tx, &here, "visit.decline_words", words).await?;
    let at = tx.context().at;
    sqlx::query!(
        "UPDATE visit SET declined_at = $2, decline_words = $3, held_since = NULL, hold_words = NULL, waiting_since = NULL,
                line_since = NULL, line_left_at = NULL, state = 'booked', queue_version = queue_version + 1 WHERE visit_id = $1",
        visit.0,
        at,
        sealed,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    sqlx::query!(
        "UPDATE join_link SET revoked_at = $2 WHERE appointment_id = $1 AND revoked_at IS NULL",
        here.appointment.0,
        at
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    let _ = here.done(tx, "queue.declined");
    // A link that opens in the past and ends too soon would be no way back: it counts from now, if that is later.
    let from = here.starts_at.max(at);
    let link = join_links::insert(tx, here.appointment, visit, here.patient, from).await?;
    outbox::visit_link(tx, here.patient, here.appointment, &link).await?;
    Ok(Pending(link))
}

/// Notes that a patient did not come.
///
/// # Errors
/// See [`DeedError`].
pub async fn mark_no_show(tx: &mut Tx, may: &Authorized<MarkNoShow>, version: i32) -> Result<Pending<i32>, DeedError> {
    let visit = tx.proved(may)?.0;
    let here = here(tx, visit, version, &[VisitState::Booked, VisitState::CheckingIn]).await?;
    // Who was let in once has come, whatever happened then.
    if here.was_in_visit || here.starts_at > tx.context().at {
        return Err(DeedError::NotNow);
    }
    sqlx::query!("UPDATE visit SET state = 'no_show', queue_version = queue_version + 1 WHERE visit_id = $1", visit.0)
        .execute(tx.connection()?)
        .await
        .map_err(Error::from)?;
    Ok(here.done(tx, "queue.no_show"))
}

/// Takes that back: the patient is expected again.
///
/// # Errors
/// See [`DeedError`].
pub async fn expect_again(tx: &mut Tx, may: &Authorized<MarkNoShow>, version: i32) -> Result<Pending<i32>, DeedError> {
    let visit = tx.proved(may)?.0;
    let here = here(tx, visit, version, &[VisitState::NoShow]).await?;
    sqlx::query!("UPDATE visit SET state = 'booked', queue_version = queue_version + 1 WHERE visit_id = $1", visit.0)
        .execute(tx.connection()?)
        .await
        .map_err(Error::from)?;
    Ok(here.done(tx, "queue.expected_again"))
}

/// A visit that is where a deed applies, locked until the transaction is over.
struct Here {
    visit: VisitId,
    appointment: AppointmentId,
    patient: PatientId,
    provider: StaffId,
    starts_at: OffsetDateTime,
    version: i32,
    was_in_visit: bool,
}

impl Here {
    fn done(&self, tx: &mut Tx, action: &'static str) -> Pending<i32> {
        tx.logged_as(Entry { patient: Some(self.patient), ..Entry::new(action, Resource::Visit(self.visit)) });
        Pending(self.version + 1)
    }
}

async fn here(tx: &mut Tx, visit: VisitId, version: i32, applies: &[VisitState]) -> Result<Here, DeedError> {
    let row = sqlx::query!(
        "SELECT a.appointment_id, a.provider_id, a.starts_at, a.state AS appointment_state, v.patient_id, v.state, v.queue_version, v.started_at
         FROM visit v JOIN appointment a USING (appointment_id) WHERE v.visit_id = $1 FOR UPDATE",
        visit.0,
    )
    .fetch_one(tx.connection()?)
    .await
    .map_err(Error::from)?;
    if row.queue_version != version {
        return Err(DeedError::ChangedElsewhere { version: row.queue_version });
    }
    if row.appointment_state == "cancelled" || !applies.contains(&VisitState::parse(&row.state)?) {
        return Err(DeedError::NotNow);
    }
    Ok(Here {
        visit,
        appointment: AppointmentId(row.appointment_id),
        patient: PatientId(row.patient_id),
        provider: StaffId(row.provider_id),
        starts_at: row.starts_at,
        version,
        was_in_visit: row.started_at.is_some(),
    })
}

async fn seal(tx: &mut Tx, here: &Here, column: &'static str, words: &Phi<String>) -> Result<Vec<u8>, DeedError> {
    if words.expose().trim().is_empty() || words.expose().chars().count() > MAX_WORDS {
        return Err(DeedError::Words);
    }
    Ok(tx.patient_keys(here.patient).await?.seal_text(Place::new(column, here.visit.0), words)?)
}

/// A deed was not done.
#[derive(Debug, thiserror::Error)]
pub enum DeedError {
    /// Somebody else, or the patient, was faster.
    #[error("this has changed a moment ago; look again")]
    ChangedElsewhere {
        /// The version now.
        version: i32,
    },
    /// The patient is not where this applies.
    #[error("that does not apply to this visit now; look again")]
    NotNow,
    /// Empty or too long.
    #[error("write 1 to {MAX_WORDS} characters to the patient")]
    Words,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}

/// Somebody was not moved.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// No such provider, or it is theirs already.
    #[error("choose another provider of this clinic")]
    Provider,
    /// See [`DeedError`].
    #[error(transparent)]
    Deed(#[from] DeedError),
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
