//! What happened in visits, as the room machine says it: stored before its effect, and read to rebuild a room.

use visit::{ClinicId, Fact, Now, Person, VisitId};

use crate::{Error, Records};

/// One stored fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFact {
    /// From 1, without gaps, per visit.
    pub seq: u64,
    /// When it happened.
    pub at: Now,
    /// What.
    pub fact: Fact,
    /// Who did it; `None` for the server's own.
    pub by: Option<Person>,
}

/// Stores one fact durably, in a transaction of its own, with all that follows from it: the visit's state and times,
/// consents, the recording's row, the audit log. When this returns `Ok`, it survives a crash.
///
/// # Errors
/// See [`AppendError`].
pub async fn append(
    _records: &Records,
    _clinic: ClinicId,
    _visit: VisitId,
    _seq: u64,
    _at: Now,
    _fact: &Fact,
    _by: Option<Person>,
) -> Result<(), AppendError> {
    Err(Error::Unfinished.into())
}

/// All facts of a visit, in order; empty if nothing has happened.
///
/// # Errors
/// [`Error::NotFound`] if the clinic has no such visit; a chat text does not open.
pub async fn load(_records: &Records, _clinic: ClinicId, _visit: VisitId) -> Result<Vec<StoredFact>, Error> {
    Err(Error::Unfinished)
}

/// A fact was not stored.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The sequence number is taken, or leaves a gap: another node runs this room, or it was rebuilt from too little.
    #[error("fact {seq} does not follow the last one stored; rebuild the room from its facts")]
    SeqConflict {
        /// The number that was refused.
        seq: u64,
    },
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
