//! A small second opinion, written from the rules and not from the code: it reads stored facts and outputs only,
//! and panics at the first output that the facts do not allow.

use std::collections::{BTreeMap, BTreeSet};

use visit::room::{ConnId, Output, RecorderCommand, SfuCommand};
use visit::wire::{CloseReason, PhaseView, RecordingView, RoomView, ServerMessage};
use visit::{Fact, ParticipantId, RecordingId, Role};

#[derive(Debug, Default)]
pub struct Witness {
    last_seq: u64,
    seated: BTreeSet<ParticipantId>,
    hosts: BTreeSet<ParticipantId>,
    pub admitted: BTreeSet<ParticipantId>,
    recording: Option<RecordingId>,
    may_run: bool,
    pub allowed: BTreeSet<ParticipantId>,
    ended: bool,
    /// Who may read each stored line.
    readers: BTreeMap<uuid::Uuid, BTreeSet<ParticipantId>>,
    // What follows is forgotten on a restart.
    on_its_way: Option<u64>,
    open: BTreeMap<ConnId, Option<ParticipantId>>,
    captured: Option<Vec<ParticipantId>>,
    /// Someone said no to this recording.
    vetoed: bool,
    closed: bool,
}

impl Witness {
    pub fn stored(&mut self, seq: u64, fact: &Fact) {
        assert_eq!(seq, self.last_seq + 1, "facts in order");
        assert_eq!(self.on_its_way.take(), Some(seq));
        self.last_seq = seq;
        match fact {
            Fact::Joined { participant, role, .. } => {
                if matches!(role, Role::Provider | Role::Nurse) {
                    self.hosts.insert(*participant);
                }
                self.admitted.remove(participant);
                self.seated.insert(*participant);
            }
            Fact::Waiting { .. } => {}
            Fact::Admitted { participant, by } => {
                assert!(self.seated.contains(participant));
                self.a_host_did_it(*by, participant == by);
                self.admitted.insert(*participant);
            }
            Fact::ReturnedToWaiting { participant, by } => {
                self.a_host_did_it(*by, false);
                self.admitted.remove(participant);
            }
            Fact::Left { participant, .. } => {
                self.admitted.remove(participant);
                self.seated.remove(participant);
            }
            Fact::RecordingAsked { recording, by, .. } => {
                self.a_host_did_it(*by, false);
                assert_eq!(self.recording, None, "one recording at a time");
                self.recording = Some(*recording);
                self.allowed.clear();
            }
            Fact::RecordingAllowed { participant, .. } => {
                self.allowed.insert(*participant);
            }
            Fact::RecordingRefused { participant, .. } | Fact::RecordingWithdrawn { participant, .. } => {
                self.allowed.remove(participant);
                self.vetoed = true;
            }
            Fact::RecordingStarted { .. } | Fact::RecordingResumed { .. } => {
                assert!(self.admitted.is_subset(&self.allowed), "everyone present has allowed it");
                assert!(!self.may_run && !self.ended);
                self.may_run = true;
            }
            Fact::RecordingPaused { .. } => self.may_run = false,
            Fact::RecordingStopped { recording, .. } => {
                assert_eq!(self.recording.take(), Some(*recording));
                self.allowed.clear();
                self.may_run = false;
                self.vetoed = false;
            }
            Fact::ChatPosted { id, .. } => {
                let first = self.readers.insert(*id, self.admitted.clone()).is_none();
                assert!(first, "a line is posted once");
            }
            Fact::Ended { by } => {
                self.a_host_did_it(*by, false);
                self.ended = true;
                self.admitted.clear();
                self.seated.clear();
            }
        }
    }

    /// Only hosts let in, send back, ask to record and end; to let itself in a host need not be in.
    fn a_host_did_it(&self, by: ParticipantId, entering: bool) {
        assert!(self.hosts.contains(&by) && (entering || self.admitted.contains(&by)), "done by one who may not");
    }

    pub fn not_stored(&mut self) {
        self.on_its_way = None;
    }

    pub fn connected(&mut self, conn: ConnId) {
        self.open.insert(conn, None);
        self.closed = false;
    }

    pub fn disconnected(&mut self, conn: ConnId) {
        self.open.remove(&conn);
    }

    pub fn participant(&self, conn: ConnId) -> Option<ParticipantId> {
        self.open.get(&conn).copied().flatten()
    }

    /// Whoever is or was part of this recording and says no ends it.
    pub fn said_no(&mut self, conn: ConnId, recording: RecordingId) {
        if let Some(participant) = self.participant(conn)
            && self.recording == Some(recording)
            && (self.admitted.contains(&participant) || self.allowed.contains(&participant))
        {
            self.vetoed = true;
        }
    }

    pub fn restarted(&mut self) {
        self.on_its_way = None;
        self.open.clear();
        self.captured = None;
        self.vetoed |= self.may_run;
        self.closed = false;
    }

    pub fn saw(&mut self, output: &Output) {
        assert!(!self.closed, "nothing after Closed: {output:?}");
        match output {
            Output::Persist { seq, .. } => {
                assert_eq!(self.on_its_way.replace(*seq), None, "one fact at a time");
                assert_eq!(*seq, self.last_seq + 1);
            }
            Output::Send { conn, message } => self.heard(*conn, message),
            Output::Close { conn, .. } => {
                assert!(self.open.remove(conn).is_some(), "closed twice");
            }
            Output::Sfu(SfuCommand::Admit { participant }) => {
                assert!(self.admitted.contains(participant), "admitted without a stored fact");
            }
            Output::Sfu(SfuCommand::Hold { participant }) => assert!(!self.admitted.contains(participant)),
            Output::Sfu(_) => {}
            Output::Recorder(command) => self.recorded(command),
            Output::Closed => {
                assert_eq!(self.on_its_way, None);
                assert!(self.open.is_empty() && self.seated.is_empty() && self.recording.is_none());
                self.closed = true;
            }
        }
    }

    fn recorded(&mut self, command: &RecorderCommand) {
        match command {
            RecorderCommand::Start { recording, participants } => {
                assert!(self.captured.is_none() && self.recording == Some(*recording));
                self.captured = Some(participants.clone());
            }
            RecorderCommand::Resume { recording, participants } => {
                assert!(self.captured.is_some() && self.recording == Some(*recording));
                self.captured = Some(participants.clone());
            }
            RecorderCommand::Pause { .. } => {
                assert!(self.captured.is_some());
                self.captured = Some(Vec::new());
            }
            RecorderCommand::Stop { .. } => self.captured = None,
        }
        if let Some(captured) = self.captured.as_ref().filter(|captured| !captured.is_empty()) {
            assert!(self.may_run, "captured without a stored start");
            assert!(captured.iter().all(|id| self.allowed.contains(id)), "captured someone who has not allowed it");
        }
    }

    fn heard(&mut self, conn: ConnId, message: &ServerMessage) {
        assert!(self.open.contains_key(&conn), "spoke to a connection that is gone");
        match message {
            ServerMessage::Welcome { participant, .. } => {
                assert!(self.seated.contains(participant), "welcomed without a stored seat");
                self.open.insert(conn, Some(*participant));
            }
            ServerMessage::Room(view) => self.shown(self.participant(conn).expect("welcome comes first"), view),
            ServerMessage::Chat(line) => {
                let reader = self.participant(conn).expect("welcome comes first");
                let readers = self.readers.get(&line.id).expect("delivered before it was stored");
                assert!(readers.contains(&reader) && self.admitted.contains(&reader));
            }
            ServerMessage::Closed { reason: CloseReason::VisitEnded } => assert!(self.ended),
            _ => {}
        }
    }

    fn shown(&self, to: ParticipantId, view: &RoomView) {
        assert_eq!(view.you, to);
        for seen in &view.participants {
            if matches!(seen.phase, PhaseView::Live | PhaseView::Admitted | PhaseView::Interrupted) {
                assert!(self.admitted.contains(&seen.participant), "shown as let in without a stored fact");
            }
        }
        if !self.admitted.contains(&to) {
            assert!(view.participants.iter().all(|seen| seen.participant == to), "sees others before it is let in");
            assert_eq!(view.recording, RecordingView::Off { last: None });
        }
        if matches!(view.recording, RecordingView::On { .. } | RecordingView::Starting { .. }) {
            assert!(self.may_run && !self.vetoed, "shown as recording without a stored start or after a no");
        }
    }

    /// What must hold whenever the room is at rest.
    pub fn at_rest(&self) {
        if let Some(captured) = self.captured.as_ref().filter(|captured| !captured.is_empty()) {
            assert!(!self.vetoed, "captured on after a no");
            assert!(captured.iter().all(|id| self.admitted.contains(id)), "captured someone who is not in the visit");
            assert!(self.admitted.is_subset(&self.allowed), "captured while someone present has not allowed it");
        }
    }
}
