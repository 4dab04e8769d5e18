//! What is said to all who wait: announcements, and how late a provider runs.

use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use visit::StaffId;

use super::MAX_WORDS;
use crate::action::{Announce, Resource, SayDelay};
use crate::audit::Entry;
use crate::seal::Place;
use crate::{Actor, Authorized, Error, Pending, Phi, Tx};

/// An announcement stands this long unless it is ended.
const STANDS: Duration = Duration::hours(8);
/// What was said about a delay holds this long.
const DELAY_HOLDS: Duration = Duration::hours(4);
/// So many announcements may stand at once.
const MOST: i64 = 20;
/// Longest delay, minutes.
pub const MAX_DELAY_MIN: u32 = 480;

/// Something that is said to all who wait.
pub struct Announcement {
    /// Which.
    pub announcement_id: Uuid,
    /// For whose patients; `None`: everybody's.
    pub provider_id: Option<StaffId>,
    /// The words.
    pub words: Phi<String>,
    /// Said then.
    pub at: OffsetDateTime,
}

/// Says something to all who wait, for one provider or in the whole clinic.
///
/// # Errors
/// See [`SaidError`].
pub async fn announce(
    tx: &mut Tx,
    may: &Authorized<Announce>,
    provider: Option<StaffId>,
    words: &Phi<String>,
) -> Result<Pending<Uuid>, SaidError> {
    tx.proved(may)?;
    let Actor::Staff { id: staff, clinic, .. } = tx.context().actor else {
        return Err(Error::Forbidden.into());
    };
    if words.expose().trim().is_empty() || words.expose().chars().count() > MAX_WORDS {
        return Err(SaidError::Words);
    }
    let (id, at) = (Uuid::now_v7(), tx.context().at);
    let sealed = tx.clinic_keys().await?.seal_text(Place::new("announcement.words", id), words)?;
    let said = sqlx::query!(
        "INSERT INTO announcement (announcement_id, clinic_id, provider_id, words, by_staff, at, until_at)
         SELECT $1, $2, $3, $4, $5, $6, $7
         WHERE ($3::uuid IS NULL OR EXISTS (SELECT FROM staff s WHERE s.staff_id = $3 AND s.role = 'provider' AND s.active))
           AND (SELECT count(*) FROM announcement n WHERE n.clinic_id = $2 AND n.until_at > $6 AND n.ended_at IS NULL) < $8",
        id,
        clinic.0,
        provider.map(|provider| provider.0),
        sealed,
        staff.0,
        at,
        at + STANDS,
        MOST,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    if said.rows_affected() == 0 {
        return Err(SaidError::NotTaken);
    }
    let about = provider.map_or(Resource::Clinic, Resource::Staff);
    tx.logged_as(Entry::new("queue.announced", about));
    Ok(Pending(id))
}

/// Takes an announcement back. Nothing happens if it is over.
///
/// # Errors
/// [`Error::NotFound`] if the clinic has none with this id.
pub async fn end_announcement(tx: &mut Tx, may: &Authorized<Announce>, id: Uuid) -> Result<Pending<()>, Error> {
    tx.proved(may)?;
    let Actor::Staff { id: staff, .. } = tx.context().actor else { return Err(Error::Forbidden) };
    let at = tx.context().at;
    let found = sqlx::query!(
        "UPDATE announcement SET ended_at = coalesce(ended_at, $2), ended_by = coalesce(ended_by, $3) WHERE announcement_id = $1",
        id,
        at,
        staff.0,
    )
    .execute(tx.connection()?)
    .await?;
    if found.rows_affected() == 0 {
        return Err(Error::NotFound);
    }
    tx.logged_as(Entry::new("queue.announcement_ended", Resource::Clinic));
    Ok(Pending(()))
}

/// Says how late a provider runs; 0 takes it back.
///
/// # Errors
/// See [`SaidError`].
pub async fn say_delay(tx: &mut Tx, may: &Authorized<SayDelay>, minutes: u32) -> Result<Pending<()>, SaidError> {
    let provider = tx.proved(may)?.0;
    let Actor::Staff { id: staff, clinic, .. } = tx.context().actor else {
        return Err(Error::Forbidden.into());
    };
    if minutes > MAX_DELAY_MIN {
        return Err(SaidError::Minutes);
    }
    let at = tx.context().at;
    let said = sqlx::query!(
        "INSERT INTO provider_delay (staff_id, clinic_id, minutes, said_by, said_at, until_at)
         SELECT s.staff_id, $2, $3, $4, $5, $6 FROM staff s WHERE s.staff_id = $1 AND s.role = 'provider'
         ON CONFLICT (staff_id) DO UPDATE SET minutes = $3, said_by = $4, said_at = $5, until_at = $6",
        provider.0,
        clinic.0,
        i32::try_from(minutes).map_err(|_| SaidError::Minutes)?,
        staff.0,
        at,
        at + DELAY_HOLDS,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    if said.rows_affected() == 0 {
        return Err(SaidError::NotTaken);
    }
    let detail = Some(serde_json::json!({ "minutes": minutes }));
    tx.logged_as(Entry { detail, ..Entry::new("queue.delay_said", Resource::Staff(provider)) });
    Ok(Pending(()))
}

/// What is said now: to the patients of `provider`, or all of it.
pub(super) async fn current(tx: &mut Tx, provider: Option<StaffId>) -> Result<Vec<Announcement>, Error> {
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    let rows = sqlx::query!(
        "SELECT announcement_id, provider_id, words, at FROM announcement
         WHERE clinic_id = $1 AND until_at > $2 AND ended_at IS NULL AND ($3::uuid IS NULL OR provider_id IS NULL OR provider_id = $3)
         ORDER BY at DESC, announcement_id",
        clinic,
        at,
        provider.map(|provider| provider.0),
    )
    .fetch_all(tx.connection()?)
    .await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let keys = tx.clinic_keys().await?;
    rows.into_iter()
        .map(|row| {
            Ok(Announcement {
                announcement_id: row.announcement_id,
                provider_id: row.provider_id.map(StaffId),
                words: keys.open_text(Place::new("announcement.words", row.announcement_id), &row.words)?,
                at: row.at,
            })
        })
        .collect()
}

/// It was not said.
#[derive(Debug, thiserror::Error)]
pub enum SaidError {
    /// Empty or too long.
    #[error("write 1 to {MAX_WORDS} characters")]
    Words,
    /// Longer than a day's work.
    #[error("a delay has at most {MAX_DELAY_MIN} minutes")]
    Minutes,
    /// No such provider, or too many announcements stand.
    #[error("there is no such provider, or {MOST} announcements stand already; end one first")]
    NotTaken,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
