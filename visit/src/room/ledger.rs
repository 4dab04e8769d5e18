//! What is proven: the fold of a visit's facts. A rebuilt room has the same ledger as the one that lived.
//!
//! [`Ledger::check`] says whether a fact may come next; [`Ledger::apply`] takes one that is stored. Nothing here
//! knows connections, media or capture: those are in the files beside this one and are forgotten on a restart.

use std::collections::{BTreeMap, BTreeSet};

use crate::fact::{LeaveReason, StopReason};
use crate::wire::{ChatLine, RefusalCode};
use crate::{Fact, Now, ParticipantId, Person, RecordingId, Role};

/// The proven state of one visit.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ledger {
    /// Sequence number of the last fact; 0 when there is none.
    pub last_seq: u64,
    /// Everyone who ever had a seat, by participant.
    pub seats: BTreeMap<ParticipantId, Seat>,
    /// The recording.
    pub recording: Recording,
    /// The chat, in order.
    pub chat: Vec<Line>,
    /// The visit is over.
    pub ended: bool,
}

/// One seat.
#[derive(Debug, Clone, PartialEq)]
pub struct Seat {
    /// Whose.
    pub person: Person,
    /// Role in this visit.
    pub role: Role,
    /// Sequence number of the fact that took it: the order of joining.
    pub joined: u64,
    /// Where the person is on the way into the visit.
    pub place: Place,
}

/// Where a person is on the way into the visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Checks devices.
    CheckingIn,
    /// Stands in line.
    Waiting {
        /// Since when.
        since: Now,
    },
    /// Was let in.
    Admitted,
    /// Has no seat any more.
    Left {
        /// Why.
        why: LeaveReason,
        /// Was in the visit, so those in it may see that this person is gone.
        was_admitted: bool,
    },
}

/// How far a recording has come, by its facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recording {
    /// None.
    Off {
        /// Why the last one ended.
        last: Option<StopReason>,
    },
    /// Asked for; nothing is captured.
    Asked(Consent),
    /// May be captured.
    Running(Consent),
    /// Stands still until someone has answered.
    Paused(Consent),
}

impl Default for Recording {
    fn default() -> Self {
        Self::Off { last: None }
    }
}

/// Who has allowed which recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// The recording.
    pub recording: RecordingId,
    /// The version of the text that everyone must have read.
    pub text_version: String,
    /// Who said yes.
    pub allowed: BTreeSet<ParticipantId>,
    /// Who said no or took the yes back, and which of the two: it can only stop now.
    pub denied: BTreeMap<ParticipantId, StopReason>,
}

impl Recording {
    /// The consents of the recording that is not over yet.
    #[must_use]
    pub fn consent(&self) -> Option<&Consent> {
        match self {
            Self::Off { .. } => None,
            Self::Asked(consent) | Self::Running(consent) | Self::Paused(consent) => Some(consent),
        }
    }

    fn consent_mut(&mut self) -> Option<&mut Consent> {
        match self {
            Self::Off { .. } => None,
            Self::Asked(consent) | Self::Running(consent) | Self::Paused(consent) => Some(consent),
        }
    }
}

/// One stored chat line and who was in the visit when it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The line.
    pub line: ChatLine,
    /// Who may read it: a later joiner does not see what was said before.
    pub readers: BTreeSet<ParticipantId>,
}

/// Why a fact can't come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Illegal {
    /// The visit is over.
    #[error("The visit has ended. Close this page.")]
    Ended,
    /// There is no such seat.
    #[error("That person is not in this visit. Look at the list of participants and try again.")]
    NoSeat,
    /// The seat is not where this applies.
    #[error("That does not apply to this person now. Look at the list of participants and try again.")]
    WrongPlace,
    /// Only a host may.
    #[error("Only the provider or nurse of this visit can do that. Ask them.")]
    HostsOnly,
    /// The one who asks is not admitted.
    #[error("You are not in the visit yet. Wait until you are let in.")]
    NotAdmitted,
    /// It does not fit the recording's state.
    #[error("The recording has moved on. Look at what is shown now and try again.")]
    Recording,
    /// The answer was to another text.
    #[error("The text about recording has changed. Read it again and answer.")]
    OtherText,
    /// This id is another person's or another text's.
    #[error("This message could not be posted. Write it again.")]
    ChatIdTaken,
}

impl Illegal {
    /// The stable code for the wire.
    #[must_use]
    pub fn code(self) -> RefusalCode {
        match self {
            Self::NoSeat | Self::WrongPlace => RefusalCode::NoSuchParticipant,
            Self::Ended | Self::HostsOnly => RefusalCode::NotAllowed,
            Self::NotAdmitted => RefusalCode::NotAdmitted,
            Self::Recording | Self::OtherText => RefusalCode::RecordingState,
            Self::ChatIdTaken => RefusalCode::BadMessage,
        }
    }
}

impl Ledger {
    /// The seat, if this participant has one now.
    #[must_use]
    pub fn seated(&self, participant: ParticipantId) -> Option<&Seat> {
        self.seats.get(&participant).filter(|seat| !matches!(seat.place, Place::Left { .. }))
    }

    /// Whether this participant was let in and has not gone.
    #[must_use]
    pub fn admitted(&self, participant: ParticipantId) -> bool {
        self.seats.get(&participant).is_some_and(|seat| seat.place == Place::Admitted)
    }

    /// Everyone who was let in and has not gone.
    pub fn all_admitted(&self) -> impl Iterator<Item = ParticipantId> + '_ {
        self.seats.iter().filter(|(_, seat)| seat.place == Place::Admitted).map(|(id, _)| *id)
    }

    /// Who is in the visit and has not allowed the recording that is not over yet.
    #[must_use]
    pub fn missing(&self) -> Vec<ParticipantId> {
        let Some(consent) = self.recording.consent() else { return Vec::new() };
        self.all_admitted().filter(|id| !consent.allowed.contains(id)).collect()
    }

    /// The line with this id, if it is stored.
    #[must_use]
    pub fn line(&self, id: uuid::Uuid) -> Option<&Line> {
        self.chat.iter().find(|line| line.line.id == id)
    }

    /// Whether `fact` may come next.
    ///
    /// # Errors
    /// [`Illegal`] says why not, in words for the person who asked.
    pub fn check(&self, fact: &Fact) -> Result<(), Illegal> {
        if self.ended && !matches!(fact, Fact::RecordingStopped { .. }) {
            return Err(Illegal::Ended);
        }
        match fact {
            Fact::Joined { participant, role, .. } => {
                ensure(role.joins_visits(), Illegal::HostsOnly)?;
                ensure(self.seated(*participant).is_none(), Illegal::WrongPlace)
            }
            Fact::Waiting { participant } => {
                let seat = self.seated(*participant).ok_or(Illegal::NoSeat)?;
                ensure(seat.place == Place::CheckingIn, Illegal::WrongPlace)
            }
            Fact::Admitted { participant, by } => {
                let seat = self.seated(*participant).ok_or(Illegal::NoSeat)?;
                if participant == by {
                    ensure(seat.role.hosts(), Illegal::HostsOnly)?;
                    return ensure(seat.place == Place::CheckingIn, Illegal::WrongPlace);
                }
                self.host(*by)?;
                ensure(matches!(seat.place, Place::Waiting { .. }), Illegal::WrongPlace)
            }
            Fact::ReturnedToWaiting { participant, by } => {
                self.host(*by)?;
                let seat = self.seated(*participant).ok_or(Illegal::NoSeat)?;
                ensure(seat.place == Place::Admitted && !seat.role.hosts(), Illegal::WrongPlace)
            }
            Fact::Left { participant, .. } => self.seated(*participant).map(drop).ok_or(Illegal::NoSeat),
            Fact::RecordingAsked { by, .. } => {
                self.host(*by)?;
                ensure(matches!(self.recording, Recording::Off { .. }), Illegal::Recording)
            }
            Fact::RecordingAllowed { recording, participant, text_version } => {
                ensure(self.admitted(*participant), Illegal::NotAdmitted)?;
                let consent = self.consent_to(*recording)?;
                ensure(consent.denied.is_empty(), Illegal::Recording)?;
                ensure(!consent.allowed.contains(participant), Illegal::Recording)?;
                ensure(consent.text_version == *text_version, Illegal::OtherText)
            }
            Fact::RecordingRefused { recording, participant, .. }
            | Fact::RecordingWithdrawn { recording, participant } => {
                let consent = self.consent_to(*recording)?;
                ensure(self.seats.contains_key(participant), Illegal::NoSeat)?;
                ensure(!consent.denied.contains_key(participant), Illegal::Recording)
            }
            Fact::RecordingStarted { recording } => {
                let all = self.everyone_allowed(*recording)?;
                ensure(all && matches!(self.recording, Recording::Asked(_)), Illegal::Recording)
            }
            Fact::RecordingPaused { recording, .. } => {
                self.consent_to(*recording)?;
                ensure(matches!(self.recording, Recording::Running(_)), Illegal::Recording)
            }
            Fact::RecordingResumed { recording } => {
                let all = self.everyone_allowed(*recording)?;
                ensure(all && matches!(self.recording, Recording::Paused(_)), Illegal::Recording)
            }
            Fact::RecordingStopped { recording, .. } => self.consent_to(*recording).map(drop),
            Fact::ChatPosted { id, participant, .. } => {
                ensure(self.admitted(*participant), Illegal::NotAdmitted)?;
                ensure(self.line(*id).is_none(), Illegal::ChatIdTaken)
            }
            Fact::Ended { by } => self.host(*by),
        }
    }

    /// Takes a stored fact that [`Ledger::check`] has let through.
    pub fn apply(&mut self, seq: u64, at: Now, fact: &Fact) {
        self.last_seq = seq;
        match fact {
            Fact::Joined { participant, person, role } => {
                let seat = Seat { person: *person, role: *role, joined: seq, place: Place::CheckingIn };
                self.seats.insert(*participant, seat);
            }
            Fact::Waiting { participant } | Fact::ReturnedToWaiting { participant, .. } => {
                self.put(*participant, Place::Waiting { since: at });
            }
            Fact::Admitted { participant, .. } => self.put(*participant, Place::Admitted),
            Fact::Left { participant, why } => self.empty(*participant, *why),
            Fact::RecordingAsked { recording, text_version, .. } => {
                self.recording = Recording::Asked(Consent {
                    recording: *recording,
                    text_version: text_version.clone(),
                    allowed: BTreeSet::new(),
                    denied: BTreeMap::new(),
                });
            }
            Fact::RecordingAllowed { participant, .. } => {
                if let Some(consent) = self.recording.consent_mut() {
                    consent.allowed.insert(*participant);
                }
            }
            Fact::RecordingRefused { participant, .. } => self.deny(*participant, StopReason::Refused),
            Fact::RecordingWithdrawn { participant, .. } => self.deny(*participant, StopReason::Withdrawn),
            Fact::RecordingStarted { .. } | Fact::RecordingResumed { .. } => {
                self.recording = match std::mem::take(&mut self.recording) {
                    Recording::Asked(consent) | Recording::Paused(consent) => Recording::Running(consent),
                    other => other,
                };
            }
            Fact::RecordingPaused { .. } => {
                self.recording = match std::mem::take(&mut self.recording) {
                    Recording::Running(consent) => Recording::Paused(consent),
                    other => other,
                };
            }
            Fact::RecordingStopped { why, .. } => self.recording = Recording::Off { last: Some(*why) },
            Fact::ChatPosted { id, participant, text } => {
                let line = ChatLine { id: *id, from: *participant, text: text.clone(), at };
                let readers = self.all_admitted().collect();
                self.chat.push(Line { line, readers });
            }
            Fact::Ended { .. } => {
                self.ended = true;
                let seated: Vec<_> = self.seats.keys().copied().collect();
                for participant in seated {
                    if self.seated(participant).is_some() {
                        self.empty(participant, LeaveReason::VisitEnded);
                    }
                }
            }
        }
    }

    fn put(&mut self, participant: ParticipantId, place: Place) {
        if let Some(seat) = self.seats.get_mut(&participant) {
            seat.place = place;
        }
    }

    fn empty(&mut self, participant: ParticipantId, why: LeaveReason) {
        let was_admitted = self.admitted(participant);
        self.put(participant, Place::Left { why, was_admitted });
    }

    fn deny(&mut self, participant: ParticipantId, why: StopReason) {
        if let Some(consent) = self.recording.consent_mut() {
            consent.allowed.remove(&participant);
            consent.denied.insert(participant, why);
        }
    }

    fn host(&self, by: ParticipantId) -> Result<(), Illegal> {
        let seat = self.seated(by).ok_or(Illegal::NoSeat)?;
        ensure(seat.role.hosts(), Illegal::HostsOnly)?;
        ensure(seat.place == Place::Admitted, Illegal::NotAdmitted)
    }

    fn consent_to(&self, recording: RecordingId) -> Result<&Consent, Illegal> {
        self.recording.consent().filter(|consent| consent.recording == recording).ok_or(Illegal::Recording)
    }

    /// Whether all who are in the visit have allowed `recording` and nobody has said no.
    fn everyone_allowed(&self, recording: RecordingId) -> Result<bool, Illegal> {
        let consent = self.consent_to(recording)?;
        let mut admitted = self.all_admitted().peekable();
        Ok(consent.denied.is_empty() && admitted.peek().is_some() && admitted.all(|id| consent.allowed.contains(&id)))
    }
}

fn ensure(holds: bool, otherwise: Illegal) -> Result<(), Illegal> {
    if holds { Ok(()) } else { Err(otherwise) }
}
