//! What a patient who waits and the clinic's staff write to each other.

use time::OffsetDateTime;
use uuid::Uuid;
use visit::{PatientId, VisitId};

use super::MAX_WORDS;
use crate::action::{CheckIn, ReadWaitingChat, Resource, WriteWaitingChat};
use crate::audit::Entry;
use crate::seal::Place;
use crate::{Actor, Authorized, Error, Pending, Phi, Tx};

/// So many lines may be written for one visit.
const MOST: i64 = 300;

/// One line.
pub struct Message {
    /// Chosen by its sender.
    pub message_id: Uuid,
    /// Who of the staff wrote it; `None`: the patient.
    pub by_name: Option<String>,
    /// The words.
    pub words: Phi<String>,
    /// When.
    pub at: OffsetDateTime,
}

/// What was written, in order.
///
/// # Errors
/// The database can't be reached, or a line does not open.
pub async fn read_chat(tx: &mut Tx, may: &Authorized<ReadWaitingChat>) -> Result<Pending<Vec<Message>>, Error> {
    let visit = tx.proved(may)?.0;
    Ok(Pending(messages(tx, visit).await?))
}

/// A member of staff writes. The same `id` and words again change nothing. What the patient wrote before counts as read.
///
/// # Errors
/// See [`ChatError`].
pub async fn staff_writes(
    tx: &mut Tx,
    may: &Authorized<WriteWaitingChat>,
    id: Uuid,
    words: &Phi<String>,
) -> Result<Pending<()>, ChatError> {
    let (visit, patient) = (tx.proved(may)?.0, may.patient().ok_or(Error::NotFound)?);
    let Actor::Staff { id: staff, .. } = tx.context().actor else { return Err(Error::Forbidden.into()) };
    let written = write(tx, visit, patient, Some(staff.0), id, words).await?;
    mark_seen(tx, visit).await?;
    Ok(written)
}

/// Staff have read what the patient wrote.
///
/// # Errors
/// The database can't be reached.
pub async fn seen(tx: &mut Tx, may: &Authorized<WriteWaitingChat>) -> Result<Pending<()>, Error> {
    let visit = tx.proved(may)?.0;
    mark_seen(tx, visit).await?;
    Ok(Pending(()))
}

/// The patient writes.
///
/// # Errors
/// See [`ChatError`].
pub async fn patient_writes(
    tx: &mut Tx,
    may: &Authorized<CheckIn>,
    id: Uuid,
    words: &Phi<String>,
) -> Result<Pending<()>, ChatError> {
    let (visit, patient) = (tx.proved(may)?.0, may.patient().ok_or(Error::NotFound)?);
    write(tx, visit, patient, None, id, words).await
}

async fn mark_seen(tx: &mut Tx, visit: VisitId) -> Result<(), Error> {
    let at = tx.context().at;
    sqlx::query!("UPDATE visit SET chat_seen_at = $2 WHERE visit_id = $1", visit.0, at)
        .execute(tx.connection()?)
        .await?;
    Ok(())
}

async fn write(
    tx: &mut Tx,
    visit: VisitId,
    patient: PatientId,
    by_staff: Option<Uuid>,
    id: Uuid,
    words: &Phi<String>,
) -> Result<Pending<()>, ChatError> {
    if words.expose().trim().is_empty() || words.expose().chars().count() > MAX_WORDS {
        return Err(ChatError::Words);
    }
    // One after the other, so that the count holds.
    let open = sqlx::query_scalar!(
        r#"SELECT (state IN ('checking_in', 'waiting') AND declined_at IS NULL) AS "open!" FROM visit WHERE visit_id = $1 FOR UPDATE"#,
        visit.0
    )
    .fetch_one(tx.connection()?)
    .await
    .map_err(Error::from)?;
    if !open {
        return Err(ChatError::NotWaiting);
    }
    let written = sqlx::query_scalar!("SELECT count(*) FROM waiting_message WHERE visit_id = $1", visit.0)
        .fetch_one(tx.connection()?)
        .await
        .map_err(Error::from)?;
    if written.unwrap_or(0) >= MOST {
        return Err(ChatError::Full);
    }
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    let sealed = tx.patient_keys(patient).await?.seal_text(Place::new("waiting_message.words", id), words)?;
    let stored = sqlx::query!(
        "INSERT INTO waiting_message (waiting_message_id, clinic_id, visit_id, patient_id, by_staff, words, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (waiting_message_id) DO NOTHING",
        id,
        clinic,
        visit.0,
        patient.0,
        by_staff,
        sealed,
        at,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    if stored.rows_affected() == 0 {
        // Only one's own line of this visit is a repetition; anybody else's id is a clash.
        let mine = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM waiting_message WHERE waiting_message_id = $1 AND visit_id = $2 AND by_staff IS NOT DISTINCT FROM $3) AS "mine!""#,
            id,
            visit.0,
            by_staff,
        )
        .fetch_one(tx.connection()?)
        .await
        .map_err(Error::from)?;
        if !mine {
            return Err(ChatError::IdTaken);
        }
    }
    tx.logged_as(Entry { patient: Some(patient), ..Entry::new("waiting_chat.written", Resource::Visit(visit)) });
    Ok(Pending(()))
}

/// What was written for a visit, in order.
pub(super) async fn messages(tx: &mut Tx, visit: VisitId) -> Result<Vec<Message>, Error> {
    let rows = sqlx::query!(
        r#"SELECT m.waiting_message_id, m.patient_id, m.words, m.at, s.name AS "by_name?"
           FROM waiting_message m LEFT JOIN staff s ON s.staff_id = m.by_staff
           WHERE m.visit_id = $1 ORDER BY m.at, m.waiting_message_id"#,
        visit.0,
    )
    .fetch_all(tx.connection()?)
    .await?;
    let mut messages = Vec::with_capacity(rows.len());
    for row in rows {
        // After a merge, it is still sealed for the record it was written to.
        let keys = tx.patient_keys(PatientId(row.patient_id)).await?;
        messages.push(Message {
            message_id: row.waiting_message_id,
            by_name: row.by_name,
            words: keys.open_text(Place::new("waiting_message.words", row.waiting_message_id), &row.words)?,
            at: row.at,
        });
    }
    Ok(messages)
}

/// A line was not written.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// Empty or too long.
    #[error("write 1 to {MAX_WORDS} characters")]
    Words,
    /// The patient is not in the waiting room.
    #[error("the patient is not waiting; in the visit there is a chat of its own")]
    NotWaiting,
    /// Too many lines.
    #[error("no more messages can be written for this visit; call instead")]
    Full,
    /// Somebody else's line has this id.
    #[error("this message could not be sent; write it again")]
    IdTaken,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
