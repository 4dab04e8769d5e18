//! Random lives of a room, watched by [`Witness`]. `BEDSIDE_PROPERTY_CASES` asks for more than the 1,000 of a normal run.

use proptest::prelude::*;
use proptest::test_runner::Config;
use uuid::Uuid;
use visit::room::{ConnId, Input, MediaEvent, Output, RecorderEvent, Room};
use visit::wire::{ClientMessage, ParticipantView, PhaseView, Slot, Source};
use visit::{Fact, Now, ParticipantId, RecordingId};

use crate::stage::{CLINIC, GUARDIAN, INTERPRETER, NURSE, PATIENT, PROVIDER, TEXT, VISIT, Who, settings};
use crate::witness::Witness;

const CAST: [Who; 5] = [PROVIDER, NURSE, PATIENT, GUARDIAN, INTERPRETER];
const STEPS: std::ops::Range<usize> = 100..200;

#[derive(Debug, Clone)]
enum Step {
    Connect(usize),
    Disconnect(usize),
    Say(usize, Line),
    /// The store answers the fact on its way.
    Store {
        well: bool,
    },
    Pass(i64),
    Media(usize, bool),
    Answered(usize),
    Slots(usize),
    Durable,
    CaptureFailed,
    CaptureStopped,
    Revoke(usize),
    Restart,
}

#[derive(Debug, Clone)]
enum Line {
    Offer,
    Join,
    Admit(usize),
    Return(usize),
    Leave,
    End,
    Mute(bool),
    Chat(u128),
    Start,
    Stop,
    Answer { allow: bool, right_text: bool, right_recording: bool },
}

fn line() -> impl Strategy<Value = Line> {
    prop_oneof![
        3 => Just(Line::Offer),
        6 => Just(Line::Join),
        8 => (0..CAST.len()).prop_map(Line::Admit),
        2 => (0..CAST.len()).prop_map(Line::Return),
        1 => Just(Line::Leave),
        1 => any::<bool>().prop_map(Line::Mute),
        4 => (0..40u128).prop_map(Line::Chat),
        5 => Just(Line::Start),
        1 => Just(Line::Stop),
        14 => (prop::bool::weighted(0.9), prop::bool::weighted(0.95), prop::bool::weighted(0.95))
            .prop_map(|(allow, right_text, right_recording)| Line::Answer { allow, right_text, right_recording }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..CAST.len();
    prop_oneof![
        60 => (who.clone(), line()).prop_map(|(who, line)| Step::Say(who, line)),
        1 => who.clone().prop_map(|who| Step::Say(who, Line::End)),
        12 => who.clone().prop_map(Step::Connect),
        5 => who.clone().prop_map(Step::Disconnect),
        70 => prop::bool::weighted(0.93).prop_map(|well| Step::Store { well }),
        8 => (0..12_000i64).prop_map(Step::Pass),
        4 => (who.clone(), prop::bool::weighted(0.8)).prop_map(|(who, up)| Step::Media(who, up)),
        2 => who.clone().prop_map(Step::Answered),
        1 => who.clone().prop_map(Step::Slots),
        3 => Just(Step::Durable),
        1 => Just(Step::CaptureFailed),
        1 => Just(Step::CaptureStopped),
        1 => who.prop_map(Step::Revoke),
        1 => Just(Step::Restart),
    ]
}

struct Life {
    room: Room,
    witness: Witness,
    now: Now,
    facts: Vec<(u64, Now, Fact)>,
    on_its_way: Option<(u64, Now, Fact)>,
    conns: [Option<ConnId>; CAST.len()],
    next_conn: u64,
    script: Vec<Output>,
}

impl Life {
    fn new() -> Self {
        Self {
            room: Room::new(VISIT, CLINIC, settings()),
            witness: Witness::default(),
            now: Now(1_000_000),
            facts: Vec::new(),
            on_its_way: None,
            conns: [None; CAST.len()],
            next_conn: 1,
            script: Vec::new(),
        }
    }

    fn input(&mut self, input: Input) {
        self.room.handle(input, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.room.poll_output() {
            self.witness.saw(&output);
            match &output {
                Output::Persist { seq, at, fact, .. } => self.on_its_way = Some((*seq, *at, fact.clone())),
                Output::Close { conn, .. } => {
                    for open in &mut self.conns {
                        *open = open.filter(|open| open != conn);
                    }
                }
                _ => {}
            }
            self.script.push(output);
        }
        self.witness.at_rest();
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Connect(who) => {
                let conn = ConnId(self.next_conn);
                self.next_conn += 1;
                self.conns[*who] = Some(conn);
                self.witness.connected(conn);
                self.input(Input::Connected { conn, who: CAST[*who].identity() });
            }
            Step::Disconnect(who) => {
                if let Some(conn) = self.conns[*who].take() {
                    self.witness.disconnected(conn);
                    self.input(Input::Disconnected { conn });
                }
            }
            Step::Say(who, line) => {
                if let Some(conn) = self.conns[*who] {
                    self.say(conn, line);
                }
            }
            Step::Store { well } => self.store(*well),
            Step::Pass(ms) => self.pass(*ms),
            Step::Media(who, up) => {
                let participant = CAST[*who].seat();
                self.input(Input::Media(if *up {
                    MediaEvent::Connected { participant }
                } else {
                    MediaEvent::Lost { participant }
                }));
            }
            Step::Answered(who) => {
                let participant = CAST[*who].seat();
                self.input(Input::Media(MediaEvent::Answered { participant, sdp: "v=0".into() }));
            }
            Step::Slots(who) => {
                let slot = Slot { mid: "3".into(), source: Source::Camera, participant: PROVIDER.seat() };
                let participant = CAST[*who].seat();
                self.input(Input::Media(MediaEvent::Slots { participant, slots: vec![slot] }));
            }
            Step::Durable => self.recorder(|recording| RecorderEvent::Durable { recording }),
            Step::CaptureFailed => self.recorder(|recording| RecorderEvent::Failed { recording }),
            Step::CaptureStopped => self.recorder(|recording| RecorderEvent::Stopped { recording }),
            Step::Revoke(who) => self.input(Input::Revoked { person: CAST[*who].person() }),
            Step::Restart => self.restart(),
        }
    }

    fn say(&mut self, conn: ConnId, line: &Line) {
        let message = match line {
            Line::Offer => ClientMessage::Offer { sdp: "v=0".into() },
            Line::Join => ClientMessage::JoinWaitingRoom,
            Line::Admit(who) => ClientMessage::Admit { participant: CAST[*who].seat() },
            Line::Return(who) => ClientMessage::ReturnToWaiting { participant: CAST[*who].seat() },
            Line::Leave => ClientMessage::Leave,
            Line::End => ClientMessage::EndVisit,
            Line::Mute(audio) => ClientMessage::SetMuted { audio: *audio, video: false, interrupted: !*audio },
            Line::Chat(id) => ClientMessage::Chat { id: Uuid::from_u128(*id), text: format!("line {id}") },
            Line::Start => ClientMessage::StartRecording,
            Line::Stop => ClientMessage::StopRecording,
            Line::Answer { allow, right_text, right_recording } => {
                let recording = self.last_asked().filter(|_| *right_recording);
                let recording = recording.unwrap_or(RecordingId(Uuid::nil()));
                if !allow {
                    self.witness.said_no(conn, recording);
                }
                let text_version = if *right_text { TEXT.into() } else { "recording-0".into() };
                ClientMessage::AnswerRecording { recording, allow: *allow, text_version }
            }
        };
        self.input(Input::Message { conn, message });
    }

    fn last_asked(&self) -> Option<RecordingId> {
        self.facts.iter().rev().find_map(|(_, _, fact)| match fact {
            Fact::RecordingAsked { recording, .. } => Some(*recording),
            _ => None,
        })
    }

    fn recorder(&mut self, event: impl Fn(RecordingId) -> RecorderEvent) {
        if let Some(recording) = self.last_asked() {
            self.input(Input::Recorder(event(recording)));
        }
    }

    fn store(&mut self, well: bool) {
        let Some((seq, at, fact)) = self.on_its_way.take() else { return };
        if well {
            self.witness.stored(seq, &fact);
            self.facts.push((seq, at, fact));
            self.input(Input::Persisted { seq });
        } else {
            self.witness.not_stored();
            self.input(Input::PersistFailed { seq });
        }
    }

    fn pass(&mut self, ms: i64) {
        let until = self.now.plus(ms);
        while let Some(due) = self.room.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.room.handle_timeout(self.now);
            self.drain();
            let moved = self.room.poll_timeout().is_none_or(|next| next > self.now);
            assert!(moved || self.on_its_way.is_some(), "a timeout that was handled is due again");
        }
        self.now = until;
    }

    fn restart(&mut self) {
        self.compare_with_rebuilt();
        self.on_its_way = None;
        self.conns = [None; CAST.len()];
        self.witness.restarted();
        self.room = self.rebuilt();
        self.drain();
    }

    fn rebuilt(&self) -> Room {
        Room::rebuild(VISIT, CLINIC, settings(), self.facts.clone(), self.now).expect("no gap")
    }

    /// What the facts prove is what the room believes, and what it shows follows from it.
    fn compare_with_rebuilt(&self) {
        let rebuilt = self.rebuilt();
        assert_eq!(rebuilt.ledger(), self.room.ledger());
        for who in CAST {
            let (lived, again) = (self.room.view_for(who.seat()), rebuilt.view_for(who.seat()));
            assert_eq!(lived.is_some(), again.is_some());
            if let (Some(lived), Some(again)) = (lived, again) {
                let lasting = |seen: &ParticipantView| {
                    let gone = matches!(seen.phase, PhaseView::Left { .. });
                    (seen.participant, seen.role, gone)
                };
                let leaving: Vec<ParticipantId> =
                    self.room.ledger().seats.keys().copied().filter(|id| self.is_leaving(*id)).collect();
                let lived: Vec<_> =
                    lived.participants.iter().map(lasting).filter(|s| !leaving.contains(&s.0)).collect();
                let again: Vec<_> =
                    again.participants.iter().map(lasting).filter(|s| !leaving.contains(&s.0)).collect();
                assert_eq!(lived, again);
            }
        }
    }

    /// Gave up the seat, and the fact is not stored yet.
    fn is_leaving(&self, participant: ParticipantId) -> bool {
        let seated = self.room.ledger().seated(participant).is_some();
        let shown = self.room.view_for(participant).and_then(|view| {
            view.participants.into_iter().find(|seen| seen.participant == participant).map(|seen| seen.phase)
        });
        seated && matches!(shown, Some(PhaseView::Left { .. }))
    }

    /// Everyone goes away and the store works: the room must come to its end.
    fn die_out(&mut self) {
        for who in 0..CAST.len() {
            self.step(&Step::Disconnect(who));
        }
        for _ in 0..200 {
            self.store(true);
            if self.on_its_way.is_none() {
                self.pass(31_000);
            }
        }
        self.compare_with_rebuilt();
        assert_eq!(self.room.poll_timeout(), None, "nothing is left to wait for");
        let began = !self.script.is_empty();
        assert!(!began || self.script.contains(&Output::Closed), "the room is forgotten");
        assert!(self.room.ledger().recording.consent().is_none(), "no recording without an end");
    }
}

fn live(steps: &[Step]) -> Life {
    let mut life = Life::new();
    for step in steps {
        life.step(step);
    }
    life
}

#[expect(clippy::disallowed_methods, reason = "the length of a test run is not part of the pure crate")]
fn config() -> Config {
    let cases = std::env::var("BEDSIDE_PROPERTY_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1_000);
    Config { cases, failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_life_shows_admits_or_captures_what_is_not_proven(steps in prop::collection::vec(step(), STEPS)) {
        live(&steps).die_out();
    }

    #[test]
    fn the_same_inputs_have_the_same_outputs(steps in prop::collection::vec(step(), 1..60)) {
        prop_assert_eq!(live(&steps).script, live(&steps).script);
    }
}

/// The search is worth something only if it comes to the interesting places.
#[test]
fn the_search_reaches_every_kind_of_fact() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let steps = prop::collection::vec(step(), STEPS);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..300 {
        let life = live(&steps.new_tree(&mut runner).expect("generates").current());
        for (_, _, fact) in &life.facts {
            seen.insert(serde_json::to_value(fact).expect("JSON")["fact"].to_string());
        }
    }
    assert_eq!(seen.len(), 15, "{seen:?}");
}
