use visit::fact::StopReason;
use visit::room::{Input, RebuildError, RecorderCommand, RecorderEvent, Room, SfuCommand};
use visit::wire::{ClientMessage, CloseReason, PhaseView, RecordingView, ServerMessage};
use visit::{Fact, RecordingId};

use crate::stage::{CLINIC, PATIENT, PROVIDER, Stage, Store, TEXT, VISIT, settings};

#[test]
fn those_who_were_let_in_come_back_let_in() {
    let mut stage = Stage::new();
    stage.with_patient_live();
    stage.restart();
    assert!(stage.sfu().is_empty(), "nobody is forwarded before it has come back and offered");
    let patient = stage.at(20_000).connect(PATIENT);
    assert!(matches!(stage.said(patient)[0], ServerMessage::Welcome { resumed: true, .. }));
    assert_eq!(stage.phase(PATIENT, PATIENT), Some(PhaseView::Admitted));
    let participant = PATIENT.seat();
    stage.say(patient, ClientMessage::Offer { sdp: "v=0".into() });
    assert!(stage.sfu().contains(&SfuCommand::Admit { participant }));
}

#[test]
fn those_who_waited_still_wait_since_then() {
    let mut stage = Stage::new();
    stage.with_patient_waiting();
    let since = stage.now;
    stage.at(8_000).restart();
    stage.at(12_000).connect(PATIENT);
    stage.connect(PROVIDER);
    assert_eq!(stage.phase(PATIENT, PROVIDER), Some(PhaseView::Waiting { since }));
}

#[test]
fn seats_are_held_for_the_full_time_after_a_restart() {
    let mut stage = Stage::new();
    stage.with_patient_live();
    stage.at(10_000).restart();
    stage.at(39_999);
    assert!(!stage.is_closed());
    stage.at(40_000);
    assert!(stage.is_closed());
    assert_eq!(stage.room.poll_timeout(), None);
}

#[test]
fn recording_that_ran_is_interrupted_first_thing() {
    let mut stage = Stage::new();
    let (provider, patient) = stage.with_patient_live();
    stage.say(provider, ClientMessage::StartRecording);
    let recording = RecordingId::of(VISIT, 6);
    for conn in [provider, patient] {
        stage.say(conn, ClientMessage::AnswerRecording { recording, allow: true, text_version: TEXT.into() });
    }
    stage.input(Input::Recorder(RecorderEvent::Durable { recording }));
    let before = stage.facts.len();
    stage.restart();
    assert_eq!(stage.facts[before].2, Fact::RecordingStopped { recording, why: StopReason::Interrupted });
    assert_eq!(stage.recorder(), [RecorderCommand::Stop { recording }]);
    stage.connect(PROVIDER);
    assert_eq!(stage.recording_seen_by(PROVIDER), RecordingView::Off { last: Some(StopReason::Interrupted) });
}

#[test]
fn a_no_that_was_lost_with_the_server_is_not_overruled_by_an_earlier_yes() {
    let mut stage = Stage::new();
    let (provider, patient) = stage.with_patient_live();
    stage.say(provider, ClientMessage::StartRecording);
    let recording = RecordingId::of(VISIT, 6);
    let answer = |allow| ClientMessage::AnswerRecording { recording, allow, text_version: TEXT.into() };
    stage.say(patient, answer(true));
    stage.store = Store::Holds;
    stage.say(patient, answer(false));
    stage.store = Store::Works;
    stage.restart();
    let provider = stage.connect(PROVIDER);
    stage.connect(PATIENT);
    stage.say(provider, answer(true));
    assert!(stage.recorder().is_empty(), "the patient took the yes back");
    assert_eq!(stage.recording_seen_by(PATIENT), RecordingView::Off { last: Some(StopReason::Interrupted) });
}

#[test]
fn ended_visit_stays_ended() {
    let mut stage = Stage::new();
    let (provider, _) = stage.with_patient_live();
    stage.say(provider, ClientMessage::EndVisit);
    stage.restart();
    let late = stage.connect(PATIENT);
    assert_eq!(stage.said(late), [&ServerMessage::Closed { reason: CloseReason::VisitEnded }]);
    assert!(stage.is_closed());
}

#[test]
fn missing_fact_is_found() {
    let mut stage = Stage::new();
    stage.with_patient_live();
    stage.facts.remove(2);
    let rebuilt = Room::rebuild(VISIT, CLINIC, settings(), stage.facts.clone(), stage.now);
    assert_eq!(rebuilt.err(), Some(RebuildError::Gap { expected: 3, found: 4 }));
}
