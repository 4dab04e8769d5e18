//! Notes: drafts with every version kept, immutable once signed, with addenda.

use time::OffsetDateTime;

use crate::action::{AddAddendum, ReadNote, WriteNote};
use crate::text_enum::text_enum;
use crate::{Authorized, Error, Pending, Phi, Tx};

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
pub async fn read(_tx: &mut Tx, _may: &Authorized<ReadNote>) -> Result<Pending<Note>, Error> {
    Err(Error::Unfinished)
}

/// Saves the draft if `if_version` is still its version (0: not begun).
///
/// # Errors
/// See [`SaveError`].
pub async fn save(_tx: &mut Tx, _may: &Authorized<WriteNote>, _if_version: i32, _body: &Phi<String>) -> Result<Pending<Note>, SaveError> {
    Err(Error::Unfinished.into())
}

/// Signs the draft if `if_version` is still its version. It never changes again.
///
/// # Errors
/// See [`SaveError`].
pub async fn sign(_tx: &mut Tx, _may: &Authorized<WriteNote>, _if_version: i32) -> Result<Pending<Note>, SaveError> {
    Err(Error::Unfinished.into())
}

/// Adds to a signed note.
///
/// # Errors
/// See [`AddendumError`].
pub async fn add_addendum(_tx: &mut Tx, _may: &Authorized<AddAddendum>, _body: &Phi<String>) -> Result<Pending<Note>, AddendumError> {
    Err(Error::Unfinished.into())
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
