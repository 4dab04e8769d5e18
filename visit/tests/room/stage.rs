//! A room with a clock, a store that can fail or hold, and everything that came out of it.

use uuid::Uuid;
use visit::room::{ConnId, Identity, Input, MediaEvent, Output, RecorderCommand, Room, RoomSettings, SfuCommand};
use visit::wire::{ClientMessage, ParticipantView, PhaseView, RecordingView, RoomView, ServerMessage};
use visit::{ClinicId, Fact, GuestId, Now, ParticipantId, PatientId, Person, Role, StaffId, VisitId};

pub const TEXT: &str = "recording-1";
pub const VISIT: VisitId = VisitId(Uuid::from_u128(0x5157));
pub const CLINIC: ClinicId = ClinicId(Uuid::from_u128(0xC11));
const START: i64 = 1_800_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    Works,
    Fails,
    Holds,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Who {
    pub number: u128,
    pub role: Role,
}

pub const PROVIDER: Who = Who { number: 1, role: Role::Provider };
pub const NURSE: Who = Who { number: 2, role: Role::Nurse };
pub const PATIENT: Who = Who { number: 3, role: Role::Patient };
pub const GUARDIAN: Who = Who { number: 4, role: Role::Guardian };
pub const INTERPRETER: Who = Who { number: 5, role: Role::Interpreter };

impl Who {
    pub fn person(self) -> Person {
        let id = Uuid::from_u128(self.number);
        match self.role {
            Role::Patient => Person::Patient(PatientId(id)),
            role if role.hosts() => Person::Staff(StaffId(id)),
            _ => Person::Guest(GuestId(id)),
        }
    }

    pub fn seat(self) -> ParticipantId {
        ParticipantId::of(VISIT, self.person())
    }

    pub fn identity(self) -> Identity {
        let name = format!("{} {}", self.role.as_str(), self.number);
        Identity { clinic: CLINIC, visit: VISIT, person: self.person(), role: self.role, name }
    }
}

pub fn settings() -> RoomSettings {
    RoomSettings { recording_text_version: TEXT.into(), seats: 8 }
}

pub struct Stage {
    pub room: Room,
    pub now: Now,
    pub store: Store,
    pub facts: Vec<(u64, Now, Fact)>,
    /// Everything since the last [`Stage::forget`].
    pub out: Vec<Output>,
    held: Option<(u64, Now, Fact)>,
    next_conn: u64,
}

impl Stage {
    pub fn new() -> Self {
        Self {
            room: Room::new(VISIT, CLINIC, settings()),
            now: Now(START),
            store: Store::Works,
            facts: Vec::new(),
            out: Vec::new(),
            held: None,
            next_conn: 1,
        }
    }

    /// The server dies and a new one reads the facts.
    pub fn restart(&mut self) {
        self.held = None;
        self.out.clear();
        self.room = Room::rebuild(VISIT, CLINIC, settings(), self.facts.clone(), self.now).expect("no gap");
        self.drain();
    }

    /// Lets time pass until `ms` after the beginning, with every timeout at its own moment.
    pub fn at(&mut self, ms: i64) -> &mut Self {
        let until = Now(START + ms);
        while let Some(due) = self.room.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.room.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
        self
    }

    pub fn input(&mut self, input: Input) {
        self.room.handle(input, self.now);
        self.drain();
    }

    pub fn connect(&mut self, who: Who) -> ConnId {
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        self.input(Input::Connected { conn, who: who.identity() });
        conn
    }

    pub fn lose(&mut self, conn: ConnId) {
        self.input(Input::Disconnected { conn });
    }

    pub fn say(&mut self, conn: ConnId, message: ClientMessage) {
        self.input(Input::Message { conn, message });
    }

    pub fn media_up(&mut self, who: Who) {
        self.input(Input::Media(MediaEvent::Connected { participant: who.seat() }));
    }

    /// The store answers the fact that it held.
    pub fn store_now(&mut self) {
        self.store = Store::Works;
        self.answer_held();
    }

    fn answer_held(&mut self) {
        if let Some((seq, at, fact)) = self.held.take() {
            match self.store {
                Store::Works => {
                    self.facts.push((seq, at, fact));
                    self.input(Input::Persisted { seq });
                }
                Store::Fails => self.input(Input::PersistFailed { seq }),
                Store::Holds => self.held = Some((seq, at, fact)),
            }
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.room.poll_output() {
            if let Output::Persist { seq, at, fact, .. } = &output {
                assert!(self.held.is_none(), "two facts on their way");
                self.held = Some((*seq, *at, fact.clone()));
            }
            self.out.push(output);
        }
        if self.store != Store::Holds {
            self.answer_held();
        }
    }

    pub fn forget(&mut self) {
        self.out.clear();
    }

    // What came out.

    pub fn said(&self, conn: ConnId) -> Vec<&ServerMessage> {
        let to_conn = |output| match output {
            &Output::Send { conn: to, ref message } if to == conn => Some(message),
            _ => None,
        };
        self.out.iter().filter_map(to_conn).collect()
    }

    pub fn sfu(&self) -> Vec<SfuCommand> {
        self.out.iter().filter_map(|o| if let Output::Sfu(c) = o { Some(c.clone()) } else { None }).collect()
    }

    pub fn recorder(&self) -> Vec<RecorderCommand> {
        self.out.iter().filter_map(|o| if let Output::Recorder(c) = o { Some(c.clone()) } else { None }).collect()
    }

    pub fn facts_named(&self) -> Vec<String> {
        let name = |fact| serde_json::to_value(fact).expect("JSON")["fact"].as_str().expect("tag").to_owned();
        self.facts.iter().map(|(_, _, fact)| name(fact)).collect()
    }

    pub fn refusals(&self, conn: ConnId) -> Vec<(visit::wire::RefusalCode, String)> {
        let code = |message: &&ServerMessage| match message {
            ServerMessage::Refused { code, about, .. } => Some((*code, about.clone())),
            _ => None,
        };
        self.said(conn).iter().filter_map(code).collect()
    }

    pub fn view(&self, who: Who) -> RoomView {
        self.room.view_for(who.seat()).expect("has a seat")
    }

    pub fn recording_seen_by(&self, who: Who) -> RecordingView {
        self.view(who).recording
    }

    pub fn phase(&self, of: Who, seen_by: Who) -> Option<PhaseView> {
        let is = |view: &ParticipantView| view.participant == of.seat();
        self.view(seen_by).participants.into_iter().find(is).map(|view| view.phase)
    }

    pub fn is_closed(&self) -> bool {
        self.out.contains(&Output::Closed)
    }

    /// Provider in, patient waits. At most a second in.
    pub fn with_patient_waiting(&mut self) -> (ConnId, ConnId) {
        let provider = self.at(0).connect(PROVIDER);
        let patient = self.at(500).connect(PATIENT);
        self.say(patient, ClientMessage::Offer { sdp: "v=0".into() });
        self.media_up(PATIENT);
        self.at(1_000).say(patient, ClientMessage::JoinWaitingRoom);
        (provider, patient)
    }

    /// Both in the visit with media.
    pub fn with_patient_live(&mut self) -> (ConnId, ConnId) {
        let (provider, patient) = self.with_patient_waiting();
        self.say(provider, ClientMessage::Offer { sdp: "v=0".into() });
        self.media_up(PROVIDER);
        self.at(2_000).say(provider, ClientMessage::Admit { participant: PATIENT.seat() });
        (provider, patient)
    }
}
