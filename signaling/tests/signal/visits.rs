use visit::fact::LeaveReason;
use visit::room::{MediaEvent, RecorderCommand, SfuCommand};
use visit::wire::{ClientMessage, ClientQuality, CloseReason, PhaseView, RecordingView, RefusalCode, ServerMessage};
use visit::{Fact, ParticipantId, RecordingId};

use crate::client::{Client, admitted, reconnecting, waiting, with_patient_admitted, with_patient_waiting};
use crate::clinic::{Clinic, Deed, GUARDIAN, OTHER_VISIT, PATIENT, PROVIDER, TEXT, VISIT};

fn admits(participant: ParticipantId) -> impl Fn(&Deed) -> bool {
    move |deed| *deed == Deed::Sfu(VISIT, SfuCommand::Admit { participant })
}

#[tokio::test]
async fn patient_joins_waits_is_let_in_talks_and_leaves() {
    let clinic = Clinic::open().await;
    let (mut provider, mut patient) = with_patient_waiting(&clinic).await;
    let participant = PATIENT.seat();
    patient.say(ClientMessage::Offer { sdp: "v=0".into() }).await;
    clinic.until_deed(|deed| *deed == Deed::Sfu(VISIT, SfuCommand::Offer { participant, sdp: "v=0".into() })).await;
    assert!(!clinic.did(admits(participant)), "not before Admit");
    clinic.signaling.media_event(VISIT, MediaEvent::Answered { participant, sdp: "answer".into() });
    let answered =
        |message: &ServerMessage| matches!(message, ServerMessage::Answer { sdp } if sdp == "answer").then_some(());
    patient.until("the answer", answered).await;

    provider.say(ClientMessage::Admit { participant }).await;
    clinic.until_deed(admits(participant)).await;
    clinic.signaling.media_event(VISIT, MediaEvent::Connected { participant });
    provider.until_phase(participant, |phase| phase == PhaseView::Live).await;

    patient.say(ClientMessage::Chat { id: uuid::Uuid::from_u128(1), text: "Good morning".into() }).await;
    let line = |message: &ServerMessage| match message {
        ServerMessage::Chat(line) => Some((line.from, line.text.clone())),
        _ => None,
    };
    assert_eq!(provider.until("the line", line).await, (participant, "Good morning".to_owned()));

    patient.say(ClientMessage::Leave).await;
    assert_eq!(patient.until_closed().await, CloseReason::Left);
    provider.until_phase(participant, |phase| phase == PhaseView::Left { why: LeaveReason::Left }).await;
    provider.say(ClientMessage::EndVisit).await;
    assert_eq!(provider.until_closed().await, CloseReason::VisitEnded);
    clinic.until_no_rooms().await;
    let facts = clinic.ledgers.facts.borrow()[&VISIT].clone();
    assert!(matches!(facts.last(), Some((_, _, Fact::Ended { .. }))));

    let mut late = Client::join(&clinic, PATIENT).await;
    assert_eq!(late.until_closed().await, CloseReason::VisitEnded);
}

#[tokio::test]
async fn lost_connection_comes_back_to_its_seat_within_thirty_seconds() {
    let clinic = Clinic::open().await;
    let (mut provider, patient) = with_patient_admitted(&clinic).await;
    drop(patient);
    provider.until_phase(PATIENT.seat(), reconnecting).await;
    clinic.pass(29_999);
    let mut back = Client::join(&clinic, PATIENT).await;
    let resumed = |message: &ServerMessage| match message {
        ServerMessage::Welcome { resumed, .. } => Some(*resumed),
        _ => None,
    };
    assert!(back.until("welcome", resumed).await);
    back.until_phase(PATIENT.seat(), admitted).await;
    assert!(!clinic.did(|deed| matches!(deed, Deed::Sfu(_, SfuCommand::Close { .. } | SfuCommand::Hold { .. }))));
}

#[tokio::test]
async fn seat_is_given_up_after_thirty_seconds_and_media_closed() {
    let clinic = Clinic::open().await;
    let (mut provider, patient) = with_patient_admitted(&clinic).await;
    drop(patient);
    provider.until_phase(PATIENT.seat(), reconnecting).await;
    clinic.pass(30_000);
    provider.until_phase(PATIENT.seat(), |phase| phase == PhaseView::Left { why: LeaveReason::TimedOut }).await;
    assert!(clinic.did(|deed| *deed == Deed::Sfu(VISIT, SfuCommand::Close { participant: PATIENT.seat() })));
    let mut back = Client::seated(&clinic, PATIENT).await;
    back.until_phase(PATIENT.seat(), |phase| phase == PhaseView::CheckingIn).await;
}

#[tokio::test]
async fn participants_of_another_visit_are_unknown_here() {
    let clinic = Clinic::open().await;
    let mut elsewhere = Client::open(&clinic).await;
    let ticket = clinic.ticket_for(GUARDIAN, OTHER_VISIT, crate::clinic::ORIGIN);
    elsewhere.say(ClientMessage::Hello { ticket }).await;
    elsewhere.say(ClientMessage::Ping { n: 1 }).await;
    let foreign = ParticipantId::of(OTHER_VISIT, GUARDIAN.person());
    elsewhere.until_view("its seat", |view| view.you == foreign).await;
    elsewhere.say(ClientMessage::JoinWaitingRoom).await;
    elsewhere.until_phase(foreign, waiting).await;
    let mut provider = Client::seated(&clinic, PROVIDER).await;
    provider.until_phase(PROVIDER.seat(), admitted).await;
    provider.say(ClientMessage::Admit { participant: foreign }).await;
    assert_eq!(provider.until_refused().await, (RefusalCode::NoSuchParticipant, "admit".to_owned()));
    assert!(!clinic.did(|deed| matches!(deed, Deed::Sfu(OTHER_VISIT, SfuCommand::Admit { .. }))));
    assert_eq!(clinic.signaling.rooms(), 2);
}

#[tokio::test]
async fn recording_waits_for_all_and_a_withdrawal_does_not_wait_for_the_store() {
    let clinic = Clinic::open().await;
    let (mut provider, mut patient) = with_patient_admitted(&clinic).await;
    provider.say(ClientMessage::StartRecording).await;
    let recording = |message: &ServerMessage| match message {
        ServerMessage::Room(view) => match view.recording {
            RecordingView::AwaitingConsent { recording, .. } => Some(recording),
            _ => None,
        },
        _ => None,
    };
    let recording: RecordingId = patient.until("the question", recording).await;
    let answer = |allow| ClientMessage::AnswerRecording { recording, allow, text_version: TEXT.into() };
    provider.say(answer(true)).await;
    patient.say(answer(true)).await;
    clinic.until_deed(|deed| matches!(deed, Deed::Recorder(RecorderCommand::Start { .. }))).await;
    clinic.signaling.recorder_event(VISIT, visit::room::RecorderEvent::Durable { recording });
    provider.until_view("recording", |view| matches!(view.recording, RecordingView::On { .. })).await;

    clinic.set_store(crate::clinic::Store::Holds);
    patient.say(answer(false)).await;
    clinic.until_deed(|deed| *deed == Deed::Recorder(RecorderCommand::Stop { recording })).await;
    provider.until_view("stopping", |view| view.recording == RecordingView::Stopping { recording }).await;
    clinic.set_store(crate::clinic::Store::Works);
    clinic.until_fact(|fact| matches!(fact, Fact::RecordingWithdrawn { .. })).await;
    clinic.until_fact(|fact| matches!(fact, Fact::RecordingStopped { .. })).await;
}

#[tokio::test]
async fn revoked_person_is_out_with_its_media() {
    let clinic = Clinic::open().await;
    let (_provider, mut patient) = with_patient_admitted(&clinic).await;
    clinic.signaling.revoke(PATIENT.person());
    assert_eq!(patient.until_closed().await, CloseReason::Revoked);
    clinic.until_deed(|deed| *deed == Deed::Sfu(VISIT, SfuCommand::Close { participant: PATIENT.seat() })).await;
}

#[tokio::test]
async fn second_device_replaces_the_first() {
    let clinic = Clinic::open().await;
    let (_provider, mut first) = with_patient_admitted(&clinic).await;
    let mut second = Client::seated(&clinic, PATIENT).await;
    assert_eq!(first.until_closed().await, CloseReason::Replaced);
    second.until_phase(PATIENT.seat(), admitted).await;
}

#[tokio::test]
async fn quality_is_taken_from_those_with_a_seat() {
    let clinic = Clinic::open().await;
    let mut patient = Client::seated(&clinic, PATIENT).await;
    patient.say(ClientMessage::Quality(ClientQuality { interval_ms: 5_000, ..Default::default() })).await;
    clinic.until_deed(|deed| *deed == Deed::Quality(PATIENT.seat())).await;
}

#[tokio::test]
async fn restarted_server_gives_everyone_their_seat_back() {
    let clinic = Clinic::open().await;
    let (mut provider, mut patient) = with_patient_admitted(&clinic).await;
    clinic.signaling.shutdown().await;
    assert_eq!(provider.until_closed().await, CloseReason::Restarting);
    assert_eq!(patient.until_closed().await, CloseReason::Restarting);
    let next = Clinic::open_over(clinic.ledgers.clone(), signaling::Limits::default()).await;
    let mut patient = Client::seated(&next, PATIENT).await;
    patient.until_phase(PATIENT.seat(), admitted).await;
}

#[tokio::test]
async fn revived_visit_gives_seats_up_when_nobody_comes_back() {
    let clinic = Clinic::open().await;
    let (provider, patient) = with_patient_admitted(&clinic).await;
    clinic.signaling.shutdown().await;
    drop((provider, patient));
    let next = Clinic::open_over(clinic.ledgers.clone(), signaling::Limits::default()).await;
    let clinic_id = visit::ClinicId(uuid::Uuid::from_u128(0xC11));
    next.signaling.revive(clinic_id, VISIT);
    // The seats are held from when the room is there; it is there when it gives them up.
    let gone = next.until_fact(|fact| matches!(fact, Fact::Left { why: LeaveReason::TimedOut, .. }));
    tokio::select! {
        () = gone => {}
        () = async { loop { next.pass(10_000); tokio::task::yield_now().await; } } => {}
    }
    next.until_no_rooms().await;
}
