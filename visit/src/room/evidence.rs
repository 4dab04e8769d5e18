//! The one door to the store: one fact at a time, effects after it.
//!
//! There is never more than one unanswered fact. So every fact is checked against all that came before it, and one
//! that could not be stored leaves no hole: its number is used again. A room of eight people makes a few facts a
//! second at most, and storing one takes milliseconds: pipelining would buy nothing.
//!
//! Two sources: what people asked for (`wishes`; refused when it can't be stored) and what the room's state demands
//! (`demanded`; tried again every second until stored).

use std::collections::VecDeque;

use super::ledger::Place;
use super::{ConnId, Output, Refusal, Room};
use crate::wire::RefusalCode;
use crate::{Fact, Now, ParticipantId, Person, RecordingId};

/// How long after a failure a demanded fact is tried again, milliseconds.
const RETRY_MS: i64 = 1_000;
/// How many wishes may wait for the store.
const MAX_WISHES: usize = 256;

/// Who is told when it can't be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asker {
    /// The connection.
    pub conn: ConnId,
    /// The `type` of its message.
    pub about: &'static str,
}

#[derive(Debug)]
struct Wish {
    asker: Asker,
    fact: Fact,
}

#[derive(Debug)]
struct Outstanding {
    seq: u64,
    at: Now,
    fact: Fact,
    asker: Option<Asker>,
}

/// What waits for the store.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    outstanding: Option<Outstanding>,
    wishes: VecDeque<Wish>,
    retry_at: Option<Now>,
}

impl Evidence {
    /// Whether a fact is on its way or waits for its turn.
    pub fn busy(&self) -> bool {
        self.outstanding.is_some() || !self.wishes.is_empty()
    }

    pub fn forget_wishes(&mut self) {
        self.wishes.clear();
    }
}

impl Room {
    /// Puts a fact that someone asked for in line.
    pub(super) fn ask(&mut self, asker: Asker, fact: Fact) -> Result<(), Refusal> {
        if self.evidence.wishes.len() >= MAX_WISHES {
            return Err(Refusal(RefusalCode::TooFast, "Too much at once. Wait a moment and try again.".into()));
        }
        self.evidence.wishes.push_back(Wish { asker, fact });
        Ok(())
    }

    /// Brings the room to rest: commands capture, then sends the next fact to the store if none is on its way.
    pub(super) fn settle(&mut self, now: Now) {
        self.settle_recording();
        while self.evidence.outstanding.is_none() {
            let may_retry = self.evidence.retry_at.is_none_or(|at| at <= now);
            if may_retry && let Some(fact) = self.demanded() {
                self.evidence.retry_at = None;
                self.send_to_store(fact, None, now);
            } else if let Some(wish) = self.evidence.wishes.pop_front() {
                self.take_wish(wish, now);
            } else {
                break;
            }
        }
    }

    fn take_wish(&mut self, Wish { asker, fact }: Wish, now: Now) {
        let fact = match fact {
            Fact::Joined { participant, .. } if self.seat_is_there(asker.conn, participant) => return,
            Fact::RecordingAsked { by, text_version, .. } => {
                let recording = RecordingId::of(self.visit, self.ledger.last_seq + 1);
                Fact::RecordingAsked { recording, by, text_version }
            }
            fact => fact,
        };
        if self.is_done_already(&fact) {
            return;
        }
        match self.ledger.check(&fact) {
            Ok(()) => self.send_to_store(fact, Some(asker), now),
            Err(illegal) => {
                let Refusal(code, message) = illegal.into();
                self.refuse(asker, code, &message);
            }
        }
    }

    /// A second press of the same button, or a repeated send: nothing to store and nothing to refuse.
    fn is_done_already(&mut self, fact: &Fact) -> bool {
        match fact {
            Fact::Waiting { participant } => {
                self.ledger.seated(*participant).is_some_and(|seat| seat.place != Place::CheckingIn)
            }
            Fact::RecordingAllowed { recording, participant, .. } => self
                .ledger
                .recording
                .consent()
                .is_some_and(|consent| consent.recording == *recording && consent.allowed.contains(participant)),
            Fact::ChatPosted { id, participant, text } => self.send_again(*id, *participant, text),
            _ => false,
        }
    }

    fn send_to_store(&mut self, fact: Fact, asker: Option<Asker>, now: Now) {
        let seq = self.ledger.last_seq + 1;
        let by = self.doer(&fact);
        self.outputs.push_back(Output::Persist { seq, at: now, fact: fact.clone(), by });
        self.evidence.outstanding = Some(Outstanding { seq, at: now, fact, asker });
    }

    pub(super) fn persisted(&mut self, seq: u64, now: Now) {
        let Some(Outstanding { at, fact, .. }) = self.evidence.outstanding.take_if(|waiting| waiting.seq == seq) else {
            return;
        };
        self.ledger.apply(seq, at, &fact);
        self.recording_fact_stored(&fact);
        self.settle_recording();
        self.seat_fact_stored(&fact, now);
        self.deliver_chat();
    }

    pub(super) fn persist_failed(&mut self, seq: u64, now: Now) {
        let Some(failed) = self.evidence.outstanding.take_if(|waiting| waiting.seq == seq) else { return };
        match failed.asker {
            Some(asker) => {
                let what_next = "It could not be stored, so it was not done. Try again in a moment.";
                self.refuse(asker, RefusalCode::NotStored, what_next);
                if let Fact::Joined { participant, .. } = failed.fact {
                    self.turn_away(participant);
                }
            }
            None => self.evidence.retry_at = Some(now.plus(RETRY_MS)),
        }
    }

    /// When a demanded fact is tried again.
    pub(super) fn retry_at(&self) -> Option<Now> {
        self.evidence.retry_at.filter(|_| self.evidence.outstanding.is_none() && self.demanded().is_some())
    }

    /// The next fact that the room's state demands, safest first.
    fn demanded(&self) -> Option<Fact> {
        let legal = |fact: &Fact| self.ledger.check(fact).is_ok();
        let stop = self.recording_stop_demanded().filter(legal);
        let seat = || self.seat_demanded().filter(legal);
        stop.or_else(seat).or_else(|| self.recording_demanded().filter(legal))
    }

    /// Whose deed a fact is.
    fn doer(&self, fact: &Fact) -> Option<Person> {
        let by: ParticipantId = match fact {
            Fact::Joined { person, .. } => return Some(*person),
            Fact::Waiting { participant }
            | Fact::Left { participant, why: crate::fact::LeaveReason::Left }
            | Fact::RecordingAllowed { participant, .. }
            | Fact::RecordingRefused { participant, .. }
            | Fact::RecordingWithdrawn { participant, .. }
            | Fact::ChatPosted { participant, .. } => *participant,
            Fact::Admitted { by, .. }
            | Fact::ReturnedToWaiting { by, .. }
            | Fact::RecordingAsked { by, .. }
            | Fact::Ended { by } => *by,
            Fact::RecordingStopped { .. } => self.capture.stopped_by()?,
            Fact::Left { .. }
            | Fact::RecordingStarted { .. }
            | Fact::RecordingPaused { .. }
            | Fact::RecordingResumed { .. } => return None,
        };
        self.ledger.seats.get(&by).map(|seat| seat.person)
    }
}
