//! How good calls were: a sample per participant and direction every 5 s. No patient data but ids.

use time::OffsetDateTime;
use visit::{ClinicId, Now, ParticipantId, Role, VisitId};

use crate::action::{ListQuality, ReadQuality};
use crate::text_enum::text_enum;
use crate::{Authorized, Error, Pending, Records, Tx};

text_enum! {
    /// Which way.
    Direction {
        /// From the client to the server.
        Up = "up",
        /// From the server to the client.
        Down = "down",
    }
}

/// What was measured over 5 s. Absent: not known in that interval.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Measured {
    /// Milliseconds.
    pub round_trip_ms: Option<f32>,
    /// Share of packets lost, 0 to 1.
    pub loss: Option<f32>,
    /// Milliseconds.
    pub jitter_ms: Option<f32>,
    /// Bits per second.
    pub bitrate_bps: Option<i64>,
    /// Times the picture stood still.
    pub freezes: Option<i32>,
    /// Share of audio that was made up, 0 to 1.
    pub concealed_ratio: Option<f32>,
    /// Estimated mean opinion score, 1 to 4.5.
    pub mos: Option<f32>,
}

/// One sample to store.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Of which visit.
    pub visit: VisitId,
    /// Whose.
    pub participant: ParticipantId,
    /// Their role.
    pub role: Role,
    /// Which way.
    pub direction: Direction,
    /// End of the interval.
    pub at: Now,
    /// The numbers.
    pub measured: Measured,
}

/// One visit in the list.
#[derive(Debug, Clone, PartialEq)]
pub struct VisitQuality {
    /// Which.
    pub visit_id: VisitId,
    /// First let in.
    pub started_at: Option<OffsetDateTime>,
    /// Ended.
    pub ended_at: Option<OffsetDateTime>,
    /// With whom.
    pub provider_name: String,
    /// Means over the visit, both directions.
    pub participants: Vec<ParticipantQuality>,
    /// The lowest of the participants' means.
    pub worst_mos: Option<f32>,
}

/// Means of one participant over a visit.
#[derive(Debug, Clone, PartialEq)]
pub struct ParticipantQuality {
    /// Whose.
    pub participant_id: ParticipantId,
    /// Their role.
    pub role: Role,
    /// The means; `freezes` is the sum.
    pub mean: Measured,
}

/// One page of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct QualityPage {
    /// Newest first.
    pub items: Vec<VisitQuality>,
    /// Hand this in for the next page; `None` on the last one.
    pub next_cursor: Option<String>,
}

/// One line of a plot.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Whose.
    pub participant_id: ParticipantId,
    /// Their role.
    pub role: Role,
    /// Which way.
    pub direction: Direction,
    /// In order of time.
    pub points: Vec<(OffsetDateTime, Measured)>,
}

/// Stores samples; one that is there already (same visit, participant, direction and time) is left as it is.
///
/// # Errors
/// The database can't be reached. Nothing is stored then.
pub async fn insert(_records: &Records, _clinic: ClinicId, _samples: &[Sample]) -> Result<(), Error> {
    Err(Error::Unfinished)
}

/// Visits with samples that were booked to start within `from..to`; a provider's or nurse's own, all for the others.
///
/// # Errors
/// [`ListError::BadCursor`]; the database can't be reached.
pub async fn visits(
    _tx: &mut Tx,
    _may: &Authorized<ListQuality>,
    _from: Option<OffsetDateTime>,
    _to: Option<OffsetDateTime>,
    _cursor: Option<&str>,
) -> Result<Pending<QualityPage>, ListError> {
    Err(Error::Unfinished.into())
}

/// All samples of one visit.
///
/// # Errors
/// The database can't be reached.
pub async fn series(_tx: &mut Tx, _may: &Authorized<ReadQuality>) -> Result<Pending<Vec<Series>>, Error> {
    Err(Error::Unfinished)
}

/// A list was not made.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The cursor is not one that a list gave.
    #[error("this cursor is not one of ours; begin again without one")]
    BadCursor,
    /// See [`Error`].
    #[error(transparent)]
    Failed(#[from] Error),
}
