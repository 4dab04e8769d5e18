//! What happened during a capture besides packets: written into the journal, later into the manifest.

use serde::{Deserialize, Serialize};
use sfu_core::tap::PeerKey;
use visit::fact::StopReason;
use visit::{Now, ParticipantId};

/// A person whose media may be captured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// The seat.
    pub id: ParticipantId,
    /// What the manifest calls this person: a role such as `provider` or `patient`, never a name.
    pub label: String,
}

impl Participant {
    /// How the SFU numbers this participant.
    #[must_use]
    pub fn peer(&self) -> PeerKey {
        PeerKey(self.id.0.as_u128())
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mark", rename_all = "snake_case")]
pub enum Mark {
    /// Capture began, of these.
    Started {
        /// Everyone who is captured.
        participants: Vec<Participant>,
    },
    /// Someone answered, or took an answer back.
    Consent {
        /// Who.
        participant: ParticipantId,
        /// The version of the text that was shown.
        text_version: String,
        /// Whether this person allows the recording.
        allowed: bool,
    },
    /// Nothing is captured from here on.
    Paused {
        /// Whose answer is awaited, if it is that.
        by: Option<ParticipantId>,
    },
    /// Capture goes on, of these.
    Resumed {
        /// Everyone who is captured from here on.
        participants: Vec<Participant>,
    },
    /// Capture is over.
    Stopped {
        /// Why.
        why: StopReason,
        /// Packets that did not fit into the queue.
        dropped: u64,
        /// Packets of peers who were not to be captured, and packets that are too long to be real.
        refused: u64,
    },
}

/// A [`Mark`] and its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimedMark {
    /// When, by the server's clock.
    pub at: Now,
    /// What.
    #[serde(flatten)]
    pub mark: Mark,
}
