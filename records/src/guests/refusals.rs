//! Why an invitation was not made, in words for the one who invites.

use super::MAX_GUESTS;
use crate::Error;

/// Nobody was invited.
#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    /// As many as may be stand already.
    #[error("{MAX_GUESTS} people are invited already; take one invitation back first")]
    TooMany,
    /// The visit ended, was cancelled, or its links have run out.
    #[error("this visit is over; nobody can be invited any more")]
    Over,
    /// Not an address.
    #[error("this is not an e-mail address; check it, or leave it out and hand the link on")]
    BadEmail,
    /// Not an active provider or nurse of this clinic.
    #[error("this member of staff can't join visits; choose a provider or nurse")]
    NoSuchColleague,
    /// They need no invitation.
    #[error("they can join this visit already; ask them to open it from their list")]
    MayAlready,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
