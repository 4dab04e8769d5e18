use visit::fact::StopReason;
use visit::room::{ConnId, Input, RecorderCommand, RecorderEvent, SfuCommand};
use visit::wire::{ClientMessage, PhaseView, RecordingView, RefusalCode, ServerMessage};
use visit::{Fact, RecordingId};

use crate::stage::{GUARDIAN, PATIENT, PROVIDER, Stage, Store, TEXT, VISIT};

fn asked(stage: &Stage) -> RecordingId {
    let asked = stage.facts.iter().rev().find_map(|(_, _, fact)| match fact {
        Fact::RecordingAsked { recording, .. } => Some(*recording),
        _ => None,
    });
    asked.expect("was asked for")
}

fn answer(stage: &mut Stage, conn: ConnId, allow: bool) {
    let recording = asked(stage);
    stage.say(conn, ClientMessage::AnswerRecording { recording, allow, text_version: TEXT.into() });
}

/// Both have allowed it and the first bytes are durable.
fn with_recording_on(stage: &mut Stage) -> (ConnId, ConnId, RecordingId) {
    let (provider, patient) = stage.with_patient_live();
    stage.at(3_000).say(provider, ClientMessage::StartRecording);
    answer(stage, provider, true);
    answer(stage, patient, true);
    let recording = asked(stage);
    stage.at(4_000).input(Input::Recorder(RecorderEvent::Durable { recording }));
    (provider, patient, recording)
}

fn with_guardian_waiting(stage: &mut Stage) -> ConnId {
    let guardian = stage.connect(GUARDIAN);
    stage.say(guardian, ClientMessage::JoinWaitingRoom);
    guardian
}

fn last(stage: &Stage) -> RecordingView {
    stage.recording_seen_by(PROVIDER)
}

fn both() -> Vec<visit::ParticipantId> {
    let mut both = vec![PROVIDER.seat(), PATIENT.seat()];
    both.sort();
    both
}

#[test]
fn runs_only_after_everyone_has_allowed_it_and_shows_on_only_when_durable() {
    let mut stage = Stage::new();
    let (provider, patient) = stage.with_patient_live();
    stage.say(provider, ClientMessage::StartRecording);
    let recording = asked(&stage);
    let mut missing = both();
    missing.sort();
    assert_eq!(last(&stage), RecordingView::AwaitingConsent { recording, missing, text_version: TEXT.into() });
    answer(&mut stage, provider, true);
    assert!(stage.recorder().is_empty(), "the patient has not answered");
    answer(&mut stage, patient, true);
    assert_eq!(stage.recorder(), [RecorderCommand::Start { recording, participants: both() }]);
    assert_eq!(last(&stage), RecordingView::Starting { recording });
    stage.input(Input::Recorder(RecorderEvent::Durable { recording }));
    assert_eq!(last(&stage), RecordingView::On { recording, since: stage.now });
    assert_eq!(recording, RecordingId::of(VISIT, 6), "named after the fact that asked for it");
}

#[test]
fn does_not_begin_while_a_yes_is_on_its_way_to_the_store() {
    let mut stage = Stage::new();
    let (provider, patient) = stage.with_patient_live();
    stage.say(provider, ClientMessage::StartRecording);
    answer(&mut stage, provider, true);
    stage.store = Store::Holds;
    answer(&mut stage, patient, true);
    assert!(stage.recorder().is_empty());
    stage.store = Store::Fails;
    stage.say(patient, ClientMessage::SetMuted { audio: true, video: false, interrupted: false });
    assert_eq!(stage.refusals(patient), [(RefusalCode::NotStored, "answer_recording".to_owned())]);
    assert!(stage.recorder().is_empty());
}

#[test]
fn no_before_it_runs_ends_it() {
    let mut stage = Stage::new();
    let (provider, patient) = stage.with_patient_live();
    stage.say(provider, ClientMessage::StartRecording);
    answer(&mut stage, provider, true);
    answer(&mut stage, patient, false);
    assert!(stage.recorder().is_empty());
    assert_eq!(last(&stage), RecordingView::Off { last: Some(StopReason::Refused) });
    assert_eq!(
        stage.facts_named()[5..],
        ["recording_asked", "recording_allowed", "recording_refused", "recording_stopped"]
    );
}

#[test]
fn withdrawing_stops_capture_at_once_even_when_the_store_is_down() {
    let mut stage = Stage::new();
    let (_, patient, recording) = with_recording_on(&mut stage);
    stage.forget();
    stage.store = Store::Fails;
    stage.at(5_000);
    answer(&mut stage, patient, false);
    assert_eq!(stage.recorder(), [RecorderCommand::Stop { recording }]);
    assert_eq!(last(&stage), RecordingView::Stopping { recording });
    stage.store = Store::Works;
    stage.at(7_000);
    assert_eq!(last(&stage), RecordingView::Off { last: Some(StopReason::Withdrawn) });
    let tail: Vec<_> = stage.facts.iter().rev().take(2).map(|(_, _, fact)| fact.clone()).collect();
    assert_eq!(
        tail,
        [
            Fact::RecordingStopped { recording, why: StopReason::Withdrawn },
            Fact::RecordingWithdrawn { recording, participant: PATIENT.seat() },
        ]
    );
    assert_eq!(stage.recorder(), [RecorderCommand::Stop { recording }], "told once");
}

#[test]
fn late_joiner_pauses_the_recording_before_it_is_let_in_and_a_yes_resumes() {
    let mut stage = Stage::new();
    let (provider, _, recording) = with_recording_on(&mut stage);
    let guardian = with_guardian_waiting(&mut stage);
    stage.forget();
    stage.say(provider, ClientMessage::Admit { participant: GUARDIAN.seat() });
    let order: Vec<_> = stage
        .out
        .iter()
        .filter_map(|output| match output {
            visit::room::Output::Recorder(RecorderCommand::Pause { .. }) => Some("pause"),
            visit::room::Output::Sfu(SfuCommand::Admit { .. }) => Some("admit"),
            _ => None,
        })
        .collect();
    assert_eq!(order, ["pause", "admit"]);
    let missing = vec![GUARDIAN.seat()];
    assert_eq!(last(&stage), RecordingView::Paused { recording, missing, text_version: TEXT.into() });
    stage.forget();
    answer(&mut stage, guardian, true);
    let [RecorderCommand::Resume { participants, .. }] = &stage.recorder()[..] else { panic!("not resumed") };
    assert_eq!(participants.len(), 3);
    assert!(matches!(last(&stage), RecordingView::On { .. }));
    let names = stage.facts_named();
    assert_eq!(names[names.len() - 3..], ["recording_paused", "recording_allowed", "recording_resumed"]);
}

#[test]
fn late_joiner_who_says_no_ends_it() {
    let mut stage = Stage::new();
    let (provider, _, recording) = with_recording_on(&mut stage);
    let guardian = with_guardian_waiting(&mut stage);
    stage.say(provider, ClientMessage::Admit { participant: GUARDIAN.seat() });
    stage.forget();
    answer(&mut stage, guardian, false);
    assert_eq!(stage.recorder(), [RecorderCommand::Stop { recording }]);
    assert_eq!(last(&stage), RecordingView::Off { last: Some(StopReason::Refused) });
    let names = stage.facts_named();
    assert_eq!(names[names.len() - 2..], ["recording_refused", "recording_stopped"], "nothing was withdrawn");
}

#[test]
fn one_who_leaves_or_is_sent_back_is_not_captured_and_the_recording_goes_on() {
    let mut stage = Stage::new();
    let (provider, _, recording) = with_recording_on(&mut stage);
    stage.forget();
    stage.say(provider, ClientMessage::ReturnToWaiting { participant: PATIENT.seat() });
    let only_provider = vec![PROVIDER.seat()];
    assert_eq!(stage.recorder(), [RecorderCommand::Resume { recording, participants: only_provider }]);
    assert_eq!(stage.recording_seen_by(PATIENT), RecordingView::Off { last: None });
    stage.forget();
    stage.say(provider, ClientMessage::Admit { participant: PATIENT.seat() });
    assert_eq!(stage.recorder(), [RecorderCommand::Resume { recording, participants: both() }], "its yes still holds");
}

#[test]
fn ends_when_nobody_who_allowed_it_is_left() {
    let mut stage = Stage::new();
    let (provider, patient, recording) = with_recording_on(&mut stage);
    stage.say(patient, ClientMessage::Leave);
    stage.forget();
    stage.say(provider, ClientMessage::Leave);
    assert!(stage.recorder().contains(&RecorderCommand::Stop { recording }));
    assert_eq!(
        stage.facts.last().map(|(_, _, fact)| fact.clone()),
        Some(Fact::RecordingStopped { recording, why: StopReason::VisitEnded })
    );
    assert!(stage.is_closed());
}

#[test]
fn ending_the_visit_stops_it_and_its_end_is_stored_before_the_room_is_forgotten() {
    let mut stage = Stage::new();
    let (provider, _, recording) = with_recording_on(&mut stage);
    stage.forget();
    stage.say(provider, ClientMessage::EndVisit);
    assert_eq!(stage.recorder(), [RecorderCommand::Stop { recording }]);
    let names = stage.facts_named();
    assert_eq!(names[names.len() - 2..], ["ended", "recording_stopped"]);
    assert!(stage.is_closed());
}

#[test]
fn host_stops_it_at_once_and_the_fact_names_the_host() {
    let mut stage = Stage::new();
    let (provider, _, recording) = with_recording_on(&mut stage);
    stage.forget();
    stage.store = Store::Holds;
    stage.say(provider, ClientMessage::StopRecording);
    assert_eq!(stage.recorder(), [RecorderCommand::Stop { recording }]);
    let by_provider = stage
        .out
        .iter()
        .any(|output| matches!(output, visit::room::Output::Persist { by: Some(by), .. } if *by == PROVIDER.person()));
    assert!(by_provider);
    stage.store_now();
    assert_eq!(last(&stage), RecordingView::Off { last: Some(StopReason::Stopped) });
}

#[test]
fn failure_is_shown_at_once() {
    let mut stage = Stage::new();
    let (_, _, recording) = with_recording_on(&mut stage);
    stage.input(Input::Recorder(RecorderEvent::Failed { recording }));
    assert_eq!(last(&stage), RecordingView::Off { last: Some(StopReason::Failed) });
}

#[test]
fn yes_to_another_text_or_another_recording_does_not_count() {
    let mut stage = Stage::new();
    let (provider, patient) = stage.with_patient_live();
    stage.say(provider, ClientMessage::StartRecording);
    let recording = asked(&stage);
    let text_version = "recording-0".to_owned();
    stage.say(patient, ClientMessage::AnswerRecording { recording, allow: true, text_version });
    let recording = RecordingId::of(VISIT, 1);
    stage.say(patient, ClientMessage::AnswerRecording { recording, allow: true, text_version: TEXT.into() });
    let codes: Vec<_> = stage.refusals(patient).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, [RefusalCode::RecordingState; 2]);
    assert!(!stage.facts_named().contains(&"recording_allowed".to_owned()));
}

#[test]
fn can_be_asked_for_again_after_it_ended() {
    let mut stage = Stage::new();
    let (provider, patient, first) = with_recording_on(&mut stage);
    stage.say(provider, ClientMessage::StopRecording);
    stage.forget();
    stage.say(provider, ClientMessage::StartRecording);
    let second = asked(&stage);
    assert_ne!(first, second);
    answer(&mut stage, provider, true);
    answer(&mut stage, patient, true);
    assert_eq!(stage.recorder(), [RecorderCommand::Start { recording: second, participants: both() }]);
}

#[test]
fn lost_websocket_changes_nothing_while_media_flows() {
    let mut stage = Stage::new();
    let (_, patient, _) = with_recording_on(&mut stage);
    stage.forget();
    stage.lose(patient);
    assert!(stage.recorder().is_empty());
    assert!(matches!(last(&stage), RecordingView::On { .. }));
}

#[test]
fn while_a_late_joiner_has_not_answered_nobody_is_shown_that_it_records() {
    let mut stage = Stage::new();
    let (provider, ..) = with_recording_on(&mut stage);
    with_guardian_waiting(&mut stage);
    stage.forget();
    stage.say(provider, ClientMessage::Admit { participant: GUARDIAN.seat() });
    let shown: Vec<_> = stage
        .said(provider)
        .into_iter()
        .filter_map(|message| match message {
            ServerMessage::Room(view) => Some(view),
            _ => None,
        })
        .filter(|view| view.participants.iter().any(|one| one.participant == GUARDIAN.seat() && is_in(&one.phase)))
        .map(|view| &view.recording)
        .collect();
    assert!(!shown.is_empty());
    // Not even before the pause is stored.
    assert!(shown.iter().all(|recording| matches!(recording, RecordingView::Paused { .. })), "{shown:?}");
}

fn is_in(phase: &PhaseView) -> bool {
    matches!(phase, PhaseView::Admitted | PhaseView::Live)
}

#[test]
fn what_the_recorder_says_of_another_recording_changes_nothing() {
    let mut stage = Stage::new();
    let (provider, patient) = stage.with_patient_live();
    stage.say(provider, ClientMessage::StartRecording);
    answer(&mut stage, provider, true);
    answer(&mut stage, patient, true);
    let recording = asked(&stage);
    let other = RecordingId::of(VISIT, 1);
    stage.input(Input::Recorder(RecorderEvent::Durable { recording: other }));
    assert_eq!(last(&stage), RecordingView::Starting { recording }, "its own bytes are not durable yet");
    stage.input(Input::Recorder(RecorderEvent::Durable { recording }));
    stage.input(Input::Recorder(RecorderEvent::Failed { recording: other }));
    stage.input(Input::Recorder(RecorderEvent::Stopped { recording: other }));
    assert!(matches!(last(&stage), RecordingView::On { .. }));
    stage.input(Input::Recorder(RecorderEvent::Stopped { recording }));
    assert_eq!(last(&stage), RecordingView::Off { last: Some(StopReason::Failed) });
}

#[test]
fn a_version_of_a_text_has_at_most_64_bytes() {
    let mut stage = Stage::new();
    let (provider, patient) = stage.with_patient_live();
    stage.say(provider, ClientMessage::StartRecording);
    let recording = asked(&stage);
    for (length, code) in
        [(64, RefusalCode::RecordingState), (65, RefusalCode::BadMessage), (66, RefusalCode::BadMessage)]
    {
        stage.forget();
        let text_version = "x".repeat(length);
        stage.say(patient, ClientMessage::AnswerRecording { recording, allow: true, text_version });
        assert_eq!(stage.refusals(patient), [(code, "answer_recording".to_owned())], "{length} bytes");
    }
}
