//! Links by which patients come: a token of 256 bits, of which only the hash is stored.

use time::{Duration, OffsetDateTime};

use crate::action::ManageLink;
use crate::text_enum::text_enum;
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

/// Issues a new link for the appointment and revokes the former, with the sessions that came by it.
///
/// # Errors
/// [`Error::NotFound`] if the appointment is cancelled.
pub async fn issue(_tx: &mut Tx, _may: &Authorized<ManageLink>) -> Result<Pending<IssuedLink>, Error> {
    Err(Error::Unfinished)
}

/// Revokes the appointment's link, with the sessions that came by it. Nothing happens if there is none.
///
/// # Errors
/// The database can't be reached.
pub async fn revoke(_tx: &mut Tx, _may: &Authorized<ManageLink>) -> Result<Pending<()>, Error> {
    Err(Error::Unfinished)
}
