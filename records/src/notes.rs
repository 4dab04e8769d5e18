//! Notes: drafts with every version kept, immutable once signed, with addenda.

use time::OffsetDateTime;
use uuid::Uuid;
use visit::{PatientId, VisitId};

use crate::action::{AddAddendum, ReadNote, Resource, WriteNote};
use crate::audit::Entry;
use crate::seal::Place;
use crate::text_enum::text_enum;
use crate::{Actor, Authorized, Error, Pending, Phi, Tx};

/// Longest note or addendum, bytes of UTF-8.
pub const MAX_BODY_BYTES: usize = 100_000;

text_enum! {
    /// Where a note stands.
    NoteState {
        /// Not begun.
        None = "none",
        /// Being written.
        Draft = "draft",
        /// Signed; never changes again.
        Signed = "signed",
    }
}

/// A visit's note.
pub struct Note {
    /// Where it stands.
    pub state: NoteState,
    /// The text; empty if not begun.
    pub body: Phi<String>,
    /// Grows by one with every save and with signing; 0 if not begun. The `ETag`.
    pub version: i32,
    /// Signed when.
    pub signed_at: Option<OffsetDateTime>,
    /// Signed by whom.
    pub signed_by: Option<String>,
    /// What was added after signing, in order.
    pub addenda: Vec<Addendum>,
}

/// Added after signing.
pub struct Addendum {
    /// The text.
    pub body: Phi<String>,
    /// Who wrote it.
    pub author: String,
    /// When.
    pub at: OffsetDateTime,
}

/// The note, also if it was not begun.
///
/// # Errors
/// The database can't be reached, or the text does not open.
pub async fn read(tx: &mut Tx, may: &Authorized<ReadNote>) -> Result<Pending<Note>, Error> {
    let (visit, patient) = (tx.proved(may)?.0, may.patient().ok_or(Error::NotFound)?);
    open(tx, visit, patient).await.map(Pending)
}

/// Saves the draft if `if_version` is still its version (0: not begun). Every version is kept.
///
/// # Errors
/// See [`SaveError`].
pub async fn save(
    tx: &mut Tx,
    may: &Authorized<WriteNote>,
    if_version: i32,
    body: &Phi<String>,
) -> Result<Pending<Note>, SaveError> {
    let (visit, patient) = (tx.proved(may)?.0, may.patient().ok_or(Error::NotFound)?);
    if body.expose().len() > MAX_BODY_BYTES {
        return Err(SaveError::TooLong);
    }
    let note = match lock(tx, visit).await? {
        Some(note) => {
            note.check(if_version)?;
            sqlx::query!("UPDATE note SET version = version + 1 WHERE note_id = $1", note.id)
                .execute(tx.connection()?)
                .await
                .map_err(Error::from)?;
            note.id
        }
        None if if_version == 0 => begin(tx, visit, patient).await?,
        None => return Err(SaveError::ChangedElsewhere { version: 0 }),
    };
    write_revision(tx, note, if_version + 1, patient, body).await?;
    saved(tx, visit, patient, "note.saved").await
}

/// Signs the draft if `if_version` is still its version. It never changes again.
///
/// # Errors
/// See [`SaveError`].
pub async fn sign(tx: &mut Tx, may: &Authorized<WriteNote>, if_version: i32) -> Result<Pending<Note>, SaveError> {
    let (visit, patient) = (tx.proved(may)?.0, may.patient().ok_or(Error::NotFound)?);
    let Actor::Staff { id: staff, .. } = tx.context().actor else {
        return Err(Error::Forbidden.into());
    };
    let at = tx.context().at;
    let Some(note) = lock(tx, visit).await? else {
        return Err(SaveError::Empty);
    };
    note.check(if_version)?;
    let body = open(tx, visit, patient).await?.body;
    if body.expose().trim().is_empty() {
        return Err(SaveError::Empty);
    }
    // What was signed stands as a revision of its own, written by the signer.
    write_revision(tx, note.id, if_version + 1, patient, &body).await?;
    sqlx::query!(
        "UPDATE note SET version = version + 1, state = 'signed', signed_at = $2, signed_by = $3 WHERE note_id = $1",
        note.id,
        at,
        staff.0,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    saved(tx, visit, patient, "note.signed").await
}

/// Adds to a signed note.
///
/// # Errors
/// See [`AddendumError`].
pub async fn add_addendum(
    tx: &mut Tx,
    may: &Authorized<AddAddendum>,
    body: &Phi<String>,
) -> Result<Pending<Note>, AddendumError> {
    let (visit, patient) = (tx.proved(may)?.0, may.patient().ok_or(Error::NotFound)?);
    let Actor::Staff { id: staff, .. } = tx.context().actor else {
        return Err(Error::Forbidden.into());
    };
    if body.expose().trim().is_empty() {
        return Err(AddendumError::Empty);
    }
    if body.expose().len() > MAX_BODY_BYTES {
        return Err(AddendumError::TooLong);
    }
    let note = match lock(tx, visit).await? {
        Some(note) if note.state == NoteState::Signed => note.id,
        _ => return Err(AddendumError::NotSigned),
    };
    let id = Uuid::now_v7();
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    let sealed = tx.patient_keys(patient).await?.seal_text(Place::new("note_addendum.body", id), body)?;
    sqlx::query!(
        "INSERT INTO note_addendum (note_addendum_id, note_id, clinic_id, body, written_by, at) VALUES ($1, $2, $3, $4, $5, $6)",
        id,
        note,
        clinic,
        sealed,
        staff.0,
        at,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    tx.logged_as(Entry { patient: Some(patient), ..Entry::new("note.addendum_added", Resource::Visit(visit)) });
    Ok(Pending(open(tx, visit, patient).await?))
}

/// A note that exists, locked until the transaction is over.
struct Locked {
    id: Uuid,
    state: NoteState,
    version: i32,
}

impl Locked {
    fn check(&self, if_version: i32) -> Result<(), SaveError> {
        match self.state {
            NoteState::Signed => Err(SaveError::Signed),
            _ if self.version != if_version => Err(SaveError::ChangedElsewhere { version: self.version }),
            _ => Ok(()),
        }
    }
}

async fn lock(tx: &mut Tx, visit: VisitId) -> Result<Option<Locked>, Error> {
    let row = sqlx::query!("SELECT note_id, state, version FROM note WHERE visit_id = $1 FOR UPDATE", visit.0)
        .fetch_optional(tx.connection()?)
        .await?;
    row.map(|row| Ok(Locked { id: row.note_id, state: NoteState::parse(&row.state)?, version: row.version }))
        .transpose()
}

/// Begins the note; the other of two who begin it at once is told that it has changed.
async fn begin(tx: &mut Tx, visit: VisitId, patient: PatientId) -> Result<Uuid, SaveError> {
    let id = Uuid::now_v7();
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    let begun = sqlx::query!(
        "INSERT INTO note (note_id, clinic_id, visit_id, patient_id, state, version, created_at) VALUES ($1, $2, $3, $4, 'draft', 1, $5)
         ON CONFLICT (visit_id) DO NOTHING",
        id,
        clinic,
        visit.0,
        patient.0,
        at,
    )
    .execute(tx.connection()?)
    .await
    .map_err(Error::from)?;
    if begun.rows_affected() == 1 { Ok(id) } else { Err(SaveError::ChangedElsewhere { version: 1 }) }
}

async fn write_revision(
    tx: &mut Tx,
    note: Uuid,
    version: i32,
    patient: PatientId,
    body: &Phi<String>,
) -> Result<(), Error> {
    let Actor::Staff { id: staff, .. } = tx.context().actor else {
        return Err(Error::Forbidden);
    };
    let (clinic, at) = (tx.context().actor.clinic().0, tx.context().at);
    let sealed = tx.patient_keys(patient).await?.seal_text(body_place(note, version), body)?;
    sqlx::query!(
        "INSERT INTO note_revision (note_id, version, clinic_id, body, written_by, at) VALUES ($1, $2, $3, $4, $5, $6)",
        note,
        version,
        clinic,
        sealed,
        staff.0,
        at,
    )
    .execute(tx.connection()?)
    .await?;
    Ok(())
}

async fn saved(
    tx: &mut Tx,
    visit: VisitId,
    patient: PatientId,
    action: &'static str,
) -> Result<Pending<Note>, SaveError> {
    let note = open(tx, visit, patient).await?;
    let detail = Some(serde_json::json!({ "version": note.version }));
    tx.logged_as(Entry { patient: Some(patient), detail, ..Entry::new(action, Resource::Visit(visit)) });
    Ok(Pending(note))
}

fn body_place(note: Uuid, version: i32) -> Place {
    Place::part("note_revision.body", note, i64::from(version))
}

pub(crate) async fn open(tx: &mut Tx, visit: VisitId, patient: PatientId) -> Result<Note, Error> {
    let row = sqlx::query!(
        r#"SELECT n.note_id, n.state, n.version, n.signed_at, r.body, s.name AS "signed_by?"
           FROM note n JOIN note_revision r ON r.note_id = n.note_id AND r.version = n.version LEFT JOIN staff s ON s.staff_id = n.signed_by
           WHERE n.visit_id = $1"#,
        visit.0,
    )
    .fetch_optional(tx.connection()?)
    .await?;
    let Some(row) = row else {
        return Ok(Note {
            state: NoteState::None,
            body: Phi::from(""),
            version: 0,
            signed_at: None,
            signed_by: None,
            addenda: Vec::new(),
        });
    };
    let keys = tx.patient_keys(patient).await?;
    let added = sqlx::query!(
        "SELECT d.note_addendum_id, d.body, s.name, d.at FROM note_addendum d JOIN staff s ON s.staff_id = d.written_by
         WHERE d.note_id = $1 ORDER BY d.at, d.note_addendum_id",
        row.note_id,
    )
    .fetch_all(tx.connection()?)
    .await?;
    let mut addenda = Vec::with_capacity(added.len());
    for addendum in added {
        let body = keys.open_text(Place::new("note_addendum.body", addendum.note_addendum_id), &addendum.body)?;
        addenda.push(Addendum { body, author: addendum.name, at: addendum.at });
    }
    Ok(Note {
        state: NoteState::parse(&row.state)?,
        body: keys.open_text(body_place(row.note_id, row.version), &row.body)?,
        version: row.version,
        signed_at: row.signed_at,
        signed_by: row.signed_by,
        addenda,
    })
}

/// A note was neither saved nor signed.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// Somebody else, or another tab, saved in between.
    #[error("the note was changed elsewhere (it is now version {version}); reload it and bring your text in")]
    ChangedElsewhere {
        /// The version that is stored.
        version: i32,
    },
    /// Signed notes don't change.
    #[error("the note is signed; write an addendum instead")]
    Signed,
    /// There is nothing to sign.
    #[error("the note is empty; write it before signing")]
    Empty,
    /// Longer than [`MAX_BODY_BYTES`].
    #[error("the note is longer than {MAX_BODY_BYTES} bytes; shorten it")]
    TooLong,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}

/// An addendum was not added.
#[derive(Debug, thiserror::Error)]
pub enum AddendumError {
    /// Only signed notes have addenda.
    #[error("the note is not signed yet; change the note itself")]
    NotSigned,
    /// Nothing in it.
    #[error("the addendum is empty; write something")]
    Empty,
    /// Longer than [`MAX_BODY_BYTES`].
    #[error("the addendum is longer than {MAX_BODY_BYTES} bytes; shorten it")]
    TooLong,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
