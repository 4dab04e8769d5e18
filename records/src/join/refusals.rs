//! Why a patient does not get in, in words for the patient.

use crate::Error;

/// The date of birth was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum IdentifyError {
    /// Unknown, revoked, expired or too early.
    #[error("this link can't be used; ask the clinic for a new one")]
    NotUsable,
    /// Not the date of birth on record.
    #[error("the date of birth does not match; {tries_left} tries left")]
    Mismatch {
        /// Until the link is locked.
        tries_left: i16,
    },
    /// Too many wrong dates.
    #[error("the link is locked after too many wrong dates of birth; call the clinic for a new one")]
    Locked,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}

/// A consent was not stored.
#[derive(Debug, thiserror::Error)]
pub enum ConsentError {
    /// The text is not the current one any more, or never was.
    #[error("the text has changed; read the current one and agree again")]
    TextChanged,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}

/// There is no seat yet, or none any more.
#[derive(Debug, thiserror::Error)]
pub enum SeatError {
    /// Location or consent is missing.
    #[error("location and consent come first")]
    Incomplete,
    /// The visit ended or was cancelled.
    #[error("this visit is over; ask the clinic for a new appointment")]
    Over,
    /// The clinic sent the patient away, with a new link.
    #[error("the clinic has sent a new link; come by that one")]
    Declined,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
