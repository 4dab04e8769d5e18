//! Recording: asked, allowed by everyone present, captured, standing still for a late joiner, stopped.
//!
//! Capture of someone begins after the facts that allow it are stored; it ends at once and its fact follows.
//! Decisions: one who leaves or is sent back to the waiting room is not captured any more, and the recording goes on
//! while at least one person who allowed it is in the visit. A yes holds for the whole recording, so that one who
//! comes back is not asked again. A lost websocket changes nothing while media flows.

use std::collections::VecDeque;

use super::evidence::Asker;
use super::ledger::{Illegal, Recording};
use super::{Output, RecorderCommand, RecorderEvent, Refusal, Room};
use crate::fact::StopReason;
use crate::wire::RefusalCode;
use crate::{Fact, Now, ParticipantId, RecordingId};

/// Longest version of a consent text that an answer may name, bytes.
const MAX_TEXT_VERSION_BYTES: usize = 64;

/// What the recorder was told, and what the store is owed.
#[derive(Debug, Default)]
pub(super) struct Capture {
    told: Told,
    /// When the first bytes of the recording that was told to start were durable.
    durable: Option<Now>,
    /// It must stop: why, and who wanted it.
    stop: Option<(StopReason, Option<ParticipantId>)>,
    /// Answers of no, to be stored.
    denials: VecDeque<(ParticipantId, String)>,
    /// It stands still because of this person, to be stored.
    pause: Option<ParticipantId>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Told {
    #[default]
    Nothing,
    Capture {
        recording: RecordingId,
        participants: Vec<ParticipantId>,
    },
    StandStill {
        recording: RecordingId,
    },
}

impl Told {
    fn recording(&self) -> Option<RecordingId> {
        match self {
            Self::Nothing => None,
            Self::Capture { recording, .. } | Self::StandStill { recording } => Some(*recording),
        }
    }
}

impl Capture {
    pub fn stop_is_wanted(&self) -> bool {
        self.stop.is_some()
    }

    pub fn pause_is_owed(&self) -> bool {
        self.pause.is_some()
    }

    pub fn stopped_by(&self) -> Option<ParticipantId> {
        self.stop.and_then(|(_, by)| by)
    }

    pub fn durable_since(&self, recording: RecordingId) -> Option<Now> {
        self.durable.filter(|_| self.told.recording() == Some(recording))
    }
}

impl Room {
    pub(super) fn start_recording(&mut self, from: ParticipantId, asker: Asker) -> Result<(), Refusal> {
        let text_version = self.settings.recording_text_version.clone();
        // The id is derived from the fact's number, which is known when its turn has come.
        let recording = RecordingId(uuid::Uuid::nil());
        self.ask(asker, Fact::RecordingAsked { recording, by: from, text_version })
    }

    pub(super) fn stop_recording(&mut self, from: ParticipantId) -> Result<(), Refusal> {
        let Some(seat) = self.ledger.seated(from) else { return Err(Illegal::NoSeat.into()) };
        if !seat.role.hosts() {
            return Err(Illegal::HostsOnly.into());
        }
        if !self.ledger.admitted(from) {
            return Err(Illegal::NotAdmitted.into());
        }
        if self.ledger.recording.consent().is_none() {
            return Err(Illegal::Recording.into());
        }
        self.want_stop(StopReason::Stopped, Some(from));
        Ok(())
    }

    pub(super) fn answer_recording(
        &mut self,
        from: ParticipantId,
        asker: Asker,
        recording: RecordingId,
        allow: bool,
        text_version: String,
    ) -> Result<(), Refusal> {
        if text_version.len() > MAX_TEXT_VERSION_BYTES {
            return Err(Refusal(RefusalCode::BadMessage, "That is no version of a text. Reload the page.".into()));
        }
        if allow {
            if text_version != self.settings.recording_text_version {
                return Err(Illegal::OtherText.into());
            }
            return self.ask(asker, Fact::RecordingAllowed { recording, participant: from, text_version });
        }
        let consent = self.ledger.recording.consent().filter(|consent| consent.recording == recording);
        let Some(consent) = consent else { return Err(Illegal::Recording.into()) };
        if consent.denied.contains_key(&from) {
            return Ok(());
        }
        let allowed_before = consent.allowed.contains(&from);
        if !allowed_before && !self.ledger.admitted(from) {
            return Err(Illegal::NotAdmitted.into());
        }
        let runs = !matches!(self.ledger.recording, Recording::Asked(_));
        let why = if runs && allowed_before { StopReason::Withdrawn } else { StopReason::Refused };
        if !self.capture.denials.iter().any(|(who, _)| *who == from) {
            self.capture.denials.push_back((from, text_version));
        }
        self.want_stop(why, Some(from));
        Ok(())
    }

    pub(super) fn recorder_event(&mut self, event: RecorderEvent, now: Now) {
        let running = self.capture.told.recording();
        match event {
            RecorderEvent::Durable { recording } if running == Some(recording) => {
                self.capture.durable.get_or_insert(now);
            }
            // One that was not told to stop and stopped has failed.
            RecorderEvent::Failed { recording } | RecorderEvent::Stopped { recording }
                if running == Some(recording) =>
            {
                self.want_stop(StopReason::Failed, None);
            }
            _ => {}
        }
    }

    /// After a restart: what ran does not run any more, and an open question is closed. A no that was said just
    /// before the end may not have been stored, so the yeses that were do not prove that everyone still agrees.
    pub(super) fn interrupt_recording(&mut self) {
        let Some(consent) = self.ledger.recording.consent() else { return };
        let recording = consent.recording;
        let denied = consent.denied.iter().next().map(|(who, why)| (*why, Some(*who)));
        let asked = matches!(self.ledger.recording, Recording::Asked(_));
        self.capture.stop = denied.filter(|_| asked).or(Some((StopReason::Interrupted, None)));
        if !asked {
            self.outputs.push_back(Output::Recorder(RecorderCommand::Stop { recording }));
        }
    }

    fn want_stop(&mut self, why: StopReason, by: Option<ParticipantId>) {
        self.capture.stop.get_or_insert((why, by));
        self.settle_recording();
    }

    /// Tells the recorder what follows from the ledger and from who is here. Called after every change of either.
    pub(super) fn settle_recording(&mut self) {
        let Some(consent) = self.ledger.recording.consent() else { return };
        let recording = consent.recording;
        let present: Vec<_> = self
            .ledger
            .all_admitted()
            .filter(|id| self.presence.get(id).is_some_and(|p| p.leaving().is_none()))
            .collect();
        let agreeing: Vec<_> = present.iter().copied().filter(|id| consent.allowed.contains(id)).collect();
        let asked = matches!(self.ledger.recording, Recording::Asked(_));
        let deserted = self.ledger.all_admitted().all(|id| !asked && !consent.allowed.contains(&id));
        if deserted {
            self.capture.stop.get_or_insert((StopReason::VisitEnded, None));
        }
        let runs = matches!(self.ledger.recording, Recording::Running(_));
        if runs && self.capture.stop.is_none() && self.capture.pause.is_none() {
            self.capture.pause = self.ledger.missing().first().copied();
        }
        let may = runs && self.capture.stop.is_none() && self.capture.pause.is_none() && !agreeing.is_empty();
        let next = if may {
            Told::Capture { recording, participants: agreeing }
        } else if self.capture.stop.is_none() && self.capture.told != Told::Nothing {
            Told::StandStill { recording }
        } else {
            Told::Nothing
        };
        self.tell(next);
    }

    fn tell(&mut self, next: Told) {
        if self.capture.told == next {
            return;
        }
        let command = match (&self.capture.told, &next) {
            (Told::Nothing, Told::Capture { recording, participants }) => {
                Some(RecorderCommand::Start { recording: *recording, participants: participants.clone() })
            }
            (_, Told::Capture { recording, participants }) => {
                Some(RecorderCommand::Resume { recording: *recording, participants: participants.clone() })
            }
            (_, Told::StandStill { recording }) => Some(RecorderCommand::Pause { recording: *recording }),
            (Told::Capture { recording, .. } | Told::StandStill { recording }, Told::Nothing) => {
                Some(RecorderCommand::Stop { recording: *recording })
            }
            (Told::Nothing, Told::Nothing) => None,
        };
        self.outputs.extend(command.map(Output::Recorder));
        self.capture.told = next;
    }

    /// What must be stored so that a recording ends.
    pub(super) fn recording_stop_demanded(&self) -> Option<Fact> {
        let consent = self.ledger.recording.consent()?;
        let recording = consent.recording;
        let denial = self.capture.denials.front().map(|(participant, text_version)| {
            let runs = !matches!(self.ledger.recording, Recording::Asked(_));
            if runs && consent.allowed.contains(participant) {
                Fact::RecordingWithdrawn { recording, participant: *participant }
            } else {
                Fact::RecordingRefused { recording, participant: *participant, text_version: text_version.clone() }
            }
        });
        denial
            .filter(|_| !self.ledger.ended)
            .or_else(|| self.capture.stop.map(|(why, _)| Fact::RecordingStopped { recording, why }))
    }

    /// What must be stored so that a recording begins, stands still, or goes on.
    pub(super) fn recording_demanded(&self) -> Option<Fact> {
        let recording = self.ledger.recording.consent()?.recording;
        if let Some(by) = self.capture.pause {
            return Some(Fact::RecordingPaused { recording, by });
        }
        let nobody_missing = self.ledger.missing().is_empty();
        match &self.ledger.recording {
            Recording::Asked(_) if nobody_missing => Some(Fact::RecordingStarted { recording }),
            Recording::Paused(_) if nobody_missing => Some(Fact::RecordingResumed { recording }),
            _ => None,
        }
    }

    pub(super) fn recording_fact_stored(&mut self, fact: &Fact) {
        match fact {
            Fact::RecordingRefused { .. } | Fact::RecordingWithdrawn { .. } => {
                self.capture.denials.pop_front();
            }
            Fact::RecordingPaused { .. } => self.capture.pause = None,
            Fact::RecordingStopped { recording, .. } => {
                // Told before unless it never ran.
                self.tell(Told::Nothing);
                debug_assert!(self.capture.told.recording() != Some(*recording), "capture outlived its recording");
                self.capture = Capture::default();
            }
            _ => {}
        }
    }

    /// Whether the store still lacks the end of a recording: the room stays until it has it.
    pub(super) fn recording_owes(&self) -> bool {
        self.ledger.recording.consent().is_some()
    }
}
