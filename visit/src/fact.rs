//! What happened in a visit, stored before its effect: rows of `visit_event`, from which a room is rebuilt.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{ParticipantId, Person, RecordingId, Role};

/// One fact. Its sequence number (from 1, without gaps, per visit) and time stand beside it in the row.
///
/// [`Fact::ChatPosted`] holds the patient's or provider's own words: `records` stores its text encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    /// Took a seat: the first time, or again after [`Fact::Left`].
    Joined {
        /// Whose seat.
        participant: ParticipantId,
        /// Who sits there.
        person: Person,
        /// Role in this visit.
        role: Role,
    },
    /// Entered the waiting room.
    Waiting {
        /// Whose seat.
        participant: ParticipantId,
    },
    /// Was let in by `by`.
    Admitted {
        /// Whose seat.
        participant: ParticipantId,
        /// Whose deed.
        by: ParticipantId,
    },
    /// Was sent back to the waiting room by `by`.
    ReturnedToWaiting {
        /// Whose seat.
        participant: ParticipantId,
        /// Whose deed.
        by: ParticipantId,
    },
    /// Gave up the seat, or did not come back in time.
    Left {
        /// Whose seat.
        participant: ParticipantId,
        /// Why.
        why: LeaveReason,
    },
    /// A recording was asked for by `by`; everyone present must answer.
    RecordingAsked {
        /// Which.
        recording: RecordingId,
        /// Whose deed.
        by: ParticipantId,
        /// Version of the text to show.
        text_version: String,
    },
    /// Allowed the recording, having read `text_version`.
    RecordingAllowed {
        /// Which.
        recording: RecordingId,
        /// Whose seat.
        participant: ParticipantId,
        /// Version of the text on the screen.
        text_version: String,
    },
    /// Said no before it ran.
    RecordingRefused {
        /// Which.
        recording: RecordingId,
        /// Whose seat.
        participant: ParticipantId,
        /// Version of the text on the screen.
        text_version: String,
    },
    /// Took the permission back while it ran.
    RecordingWithdrawn {
        /// Which.
        recording: RecordingId,
        /// Whose seat.
        participant: ParticipantId,
    },
    /// Everyone present had allowed it: capture may begin.
    RecordingStarted {
        /// Which.
        recording: RecordingId,
    },
    /// Capture stands still until `by` has answered.
    RecordingPaused {
        /// Which.
        recording: RecordingId,
        /// Who has not answered.
        by: ParticipantId,
    },
    /// Capture goes on.
    RecordingResumed {
        /// Which.
        recording: RecordingId,
    },
    /// Capture is over.
    RecordingStopped {
        /// Which.
        recording: RecordingId,
        /// Why.
        why: StopReason,
    },
    /// A chat message. `id` was chosen by its sender, so that a repeated send is stored once.
    ChatPosted {
        /// Chosen by the sender.
        id: Uuid,
        /// Whose seat.
        participant: ParticipantId,
        /// The words.
        text: String,
    },
    /// The visit is over.
    Ended {
        /// Whose deed.
        by: ParticipantId,
    },
}

/// Why a seat became empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeaveReason {
    /// Pressed `Leave`.
    Left,
    /// Was gone for longer than a seat is held.
    TimedOut,
    /// The visit ended.
    VisitEnded,
    /// Session or link was revoked.
    Revoked,
}

/// Why a recording stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// A host pressed `Stop recording`.
    Stopped,
    /// Someone pressed `Do not record` before it began.
    Refused,
    /// Someone took the permission back.
    Withdrawn,
    /// The visit ended or everyone left.
    VisitEnded,
    /// The recorder could not write.
    Failed,
    /// The server went down while it ran.
    Interrupted,
}
