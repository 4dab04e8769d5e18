use visit::fact::LeaveReason;
use visit::room::{Input, MediaEvent, Output, SfuCommand};
use visit::wire::{ClientMessage, CloseReason, PhaseView, RefusalCode, ServerMessage, Slot, Source};
use visit::{Fact, Now, Role};

use crate::stage::{CLINIC, GUARDIAN, INTERPRETER, NURSE, PATIENT, PROVIDER, Stage, Store, Who};

#[test]
fn host_enters_without_waiting() {
    let mut stage = Stage::new();
    let provider = stage.at(0).connect(PROVIDER);
    assert_eq!(stage.facts_named(), ["joined", "admitted"]);
    assert!(matches!(stage.said(provider)[0], ServerMessage::Welcome { resumed: false, .. }));
    assert_eq!(stage.sfu(), [SfuCommand::Admit { participant: PROVIDER.seat() }]);
    assert_eq!(stage.phase(PROVIDER, PROVIDER), Some(PhaseView::Admitted));
    stage.media_up(PROVIDER);
    assert_eq!(stage.phase(PROVIDER, PROVIDER), Some(PhaseView::Live));
}

#[test]
fn patient_checks_devices_waits_and_is_let_in() {
    let mut stage = Stage::new();
    let (provider, patient) = stage.with_patient_waiting();
    assert_eq!(stage.phase(PATIENT, PROVIDER), Some(PhaseView::Waiting { since: stage.now }));
    assert!(!stage.sfu().contains(&SfuCommand::Admit { participant: PATIENT.seat() }));
    assert_eq!(stage.view(PATIENT).participants.len(), 1, "one who waits sees only itself");
    stage.forget();
    stage.at(2_000).say(provider, ClientMessage::Admit { participant: PATIENT.seat() });
    assert_eq!(stage.sfu(), [SfuCommand::Admit { participant: PATIENT.seat() }]);
    assert_eq!(stage.phase(PATIENT, PROVIDER), Some(PhaseView::Live), "its media was up before");
    assert!(matches!(stage.said(patient).last(), Some(ServerMessage::Room(view)) if view.participants.len() == 2));
}

#[test]
fn nobody_is_let_in_before_the_fact_is_stored() {
    let mut stage = Stage::new();
    let (provider, _) = stage.with_patient_waiting();
    stage.forget();
    stage.store = Store::Holds;
    stage.say(provider, ClientMessage::Admit { participant: PATIENT.seat() });
    assert!(stage.sfu().is_empty());
    assert!(matches!(stage.phase(PATIENT, PROVIDER), Some(PhaseView::Waiting { .. })));
    stage.store_now();
    assert_eq!(stage.sfu(), [SfuCommand::Admit { participant: PATIENT.seat() }]);
}

#[test]
fn admission_that_can_not_be_stored_is_refused_and_can_be_asked_again() {
    let mut stage = Stage::new();
    let (provider, _) = stage.with_patient_waiting();
    stage.forget();
    stage.store = Store::Fails;
    stage.say(provider, ClientMessage::Admit { participant: PATIENT.seat() });
    assert_eq!(stage.refusals(provider), [(RefusalCode::NotStored, "admit".to_owned())]);
    assert!(stage.sfu().is_empty());
    stage.store = Store::Works;
    stage.say(provider, ClientMessage::Admit { participant: PATIENT.seat() });
    assert_eq!(stage.sfu(), [SfuCommand::Admit { participant: PATIENT.seat() }]);
    assert_eq!(stage.facts.last().map(|fact| fact.0), Some(5), "the number of the failed fact is used again");
}

#[test]
fn guest_can_not_do_what_hosts_do() {
    let mut stage = Stage::new();
    let (_, patient) = stage.with_patient_live();
    let guardian = stage.connect(GUARDIAN);
    stage.say(guardian, ClientMessage::JoinWaitingRoom);
    stage.forget();
    stage.say(patient, ClientMessage::Admit { participant: GUARDIAN.seat() });
    stage.say(patient, ClientMessage::ReturnToWaiting { participant: PROVIDER.seat() });
    stage.say(patient, ClientMessage::StartRecording);
    stage.say(patient, ClientMessage::StopRecording);
    stage.say(patient, ClientMessage::EndVisit);
    let codes: Vec<_> = stage.refusals(patient).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, [RefusalCode::NotAllowed; 5]);
    assert!(stage.sfu().is_empty() && stage.recorder().is_empty());
}

#[test]
fn one_who_waits_can_not_talk_record_or_let_anyone_in() {
    let mut stage = Stage::new();
    let (_, patient) = stage.with_patient_waiting();
    stage.forget();
    stage.say(patient, ClientMessage::Chat { id: uuid::Uuid::from_u128(1), text: "hello".into() });
    stage.say(patient, ClientMessage::StartRecording);
    stage.say(patient, ClientMessage::Admit { participant: PATIENT.seat() });
    let codes: Vec<_> = stage.refusals(patient).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, [RefusalCode::NotAdmitted, RefusalCode::NotAllowed, RefusalCode::NotAllowed]);
    assert!(stage.sfu().is_empty() && stage.recorder().is_empty());
}

#[test]
fn unknown_participant_is_refused() {
    let mut stage = Stage::new();
    let (provider, _) = stage.with_patient_waiting();
    stage.say(provider, ClientMessage::Admit { participant: INTERPRETER.seat() });
    assert_eq!(stage.refusals(provider), [(RefusalCode::NoSuchParticipant, "admit".to_owned())]);
}

#[test]
fn patient_is_sent_back_to_the_waiting_room_and_its_media_is_held() {
    let mut stage = Stage::new();
    let (provider, patient) = stage.with_patient_live();
    stage.forget();
    stage.at(5_000).say(provider, ClientMessage::ReturnToWaiting { participant: PATIENT.seat() });
    assert_eq!(stage.sfu(), [SfuCommand::Hold { participant: PATIENT.seat() }]);
    assert_eq!(stage.phase(PATIENT, PROVIDER), Some(PhaseView::Waiting { since: stage.now }));
    assert!(matches!(stage.said(patient).last(), Some(ServerMessage::Room(view)) if view.participants.len() == 1));
}

#[test]
fn lost_connection_keeps_seat_and_media_for_thirty_seconds() {
    let mut stage = Stage::new();
    let (_, patient) = stage.with_patient_live();
    stage.at(10_000).lose(patient);
    stage.forget();
    assert_eq!(stage.phase(PATIENT, PROVIDER), Some(PhaseView::Reconnecting { until: stage.now.plus(30_000) }));
    let back = stage.at(39_999).connect(PATIENT);
    assert!(matches!(stage.said(back)[0], ServerMessage::Welcome { resumed: true, .. }));
    assert_eq!(stage.phase(PATIENT, PROVIDER), Some(PhaseView::Live));
    assert!(stage.sfu().is_empty(), "media went on");
    assert_eq!(stage.facts_named().iter().filter(|fact| *fact == "joined").count(), 2, "provider and patient");
}

#[test]
fn seat_is_given_up_after_thirty_seconds() {
    let mut stage = Stage::new();
    let (_, patient) = stage.with_patient_live();
    stage.at(10_000).lose(patient);
    stage.forget();
    stage.at(40_000);
    assert_eq!(stage.sfu(), [SfuCommand::Close { participant: PATIENT.seat() }]);
    assert_eq!(stage.phase(PATIENT, PROVIDER), Some(PhaseView::Left { why: LeaveReason::TimedOut }));
    let back = stage.at(50_000).connect(PATIENT);
    assert!(matches!(stage.said(back)[0], ServerMessage::Welcome { resumed: false, .. }));
    assert_eq!(stage.phase(PATIENT, PROVIDER), Some(PhaseView::CheckingIn), "must be let in again");
}

#[test]
fn offer_of_one_who_was_let_in_opens_the_new_peer_too() {
    let mut stage = Stage::new();
    let (_, patient) = stage.with_patient_live();
    stage.lose(patient);
    let back = stage.connect(PATIENT);
    stage.forget();
    stage.say(back, ClientMessage::Offer { sdp: "v=0 again".into() });
    let participant = PATIENT.seat();
    assert_eq!(
        stage.sfu(),
        [SfuCommand::Offer { participant, sdp: "v=0 again".into() }, SfuCommand::Admit { participant }]
    );
}

#[test]
fn answer_to_a_replaced_connection_reaches_nobody() {
    let mut stage = Stage::new();
    let old = stage.connect(PATIENT);
    stage.say(old, ClientMessage::Offer { sdp: "one".into() });
    let new = stage.connect(PATIENT);
    stage.say(new, ClientMessage::Offer { sdp: "two".into() });
    stage.forget();
    let participant = PATIENT.seat();
    stage.input(Input::Media(MediaEvent::Answered { participant, sdp: "to one".into() }));
    stage.input(Input::Media(MediaEvent::Answered { participant, sdp: "to two".into() }));
    assert_eq!(stage.said(new), [&ServerMessage::Answer { sdp: "to two".into() }]);
    assert!(stage.said(old).is_empty());
}

#[test]
fn same_person_on_a_second_device_replaces_the_first() {
    let mut stage = Stage::new();
    let (_, first) = stage.with_patient_live();
    stage.forget();
    let second = stage.connect(PATIENT);
    assert_eq!(stage.said(first), [&ServerMessage::Closed { reason: CloseReason::Replaced }]);
    assert!(stage.out.contains(&Output::Close { conn: first, reason: CloseReason::Replaced }));
    assert!(matches!(stage.said(second)[0], ServerMessage::Welcome { resumed: true, .. }));
    stage.forget();
    stage.lose(first);
    assert_eq!(stage.phase(PATIENT, PROVIDER), Some(PhaseView::Live), "the old connection's end changes nothing");
}

#[test]
fn slots_are_said_again_to_one_who_comes_back() {
    let mut stage = Stage::new();
    let (_, patient) = stage.with_patient_live();
    stage.lose(patient);
    let slots = vec![Slot { mid: "3".into(), source: Source::Microphone, participant: PROVIDER.seat() }];
    stage.input(Input::Media(MediaEvent::Slots { participant: PATIENT.seat(), slots: slots.clone() }));
    let back = stage.connect(PATIENT);
    let said = stage.said(back);
    assert!(matches!(said[..], [ServerMessage::Welcome { .. }, ServerMessage::Room(_), ServerMessage::Slots { .. }]));
    assert_eq!(said[2], &ServerMessage::Slots { slots });
}

#[test]
fn layers_held_pictures_and_speakers_are_said_at_once_and_again_to_one_who_comes_back() {
    let mut stage = Stage::new();
    let (_, patient) = stage.with_patient_live();
    stage.forget();
    let participant = PATIENT.seat();
    let rids = vec!["q".to_owned()];
    stage.input(Input::Media(MediaEvent::Layers { participant, rids: rids.clone() }));
    stage.input(Input::Media(MediaEvent::HeldBack { participant, mids: vec!["5".into()] }));
    stage.input(Input::Media(MediaEvent::Speaking { participant, speakers: vec![PROVIDER.seat()] }));
    let expected = [
        ServerMessage::Layers { rids },
        ServerMessage::HeldBack { mids: vec!["5".into()] },
        ServerMessage::Speaking { participants: vec![PROVIDER.seat()] },
    ];
    assert_eq!(stage.said(patient), expected.iter().collect::<Vec<_>>());
    stage.lose(patient);
    let back = stage.connect(PATIENT);
    assert_eq!(stage.said(back)[2..], expected.iter().collect::<Vec<_>>());
    // A new peer connection sends all layers, and nothing is held back from it.
    stage.say(back, ClientMessage::Offer { sdp: "v=0".into() });
    stage.lose(back);
    let again = stage.connect(PATIENT);
    assert_eq!(stage.said(again)[2..], [&expected[2]]);
}

#[test]
fn one_who_was_sent_back_to_wait_is_not_told_who_speaks_inside() {
    let mut stage = Stage::new();
    let (host, patient) = stage.with_patient_live();
    let participant = PATIENT.seat();
    stage.input(Input::Media(MediaEvent::Speaking { participant, speakers: vec![PROVIDER.seat()] }));
    stage.say(host, ClientMessage::ReturnToWaiting { participant });
    stage.lose(patient);
    let back = stage.connect(PATIENT);
    assert!(stage.said(back).iter().all(|message| !matches!(message, ServerMessage::Speaking { .. })));
}

#[test]
fn leaving_closes_media_at_once_even_when_the_store_is_down() {
    let mut stage = Stage::new();
    let (_, patient) = stage.with_patient_live();
    stage.forget();
    stage.store = Store::Fails;
    stage.at(3_000).say(patient, ClientMessage::Leave);
    assert_eq!(stage.sfu(), [SfuCommand::Close { participant: PATIENT.seat() }]);
    assert_eq!(stage.said(patient), [&ServerMessage::Closed { reason: CloseReason::Left }]);
    assert_eq!(stage.phase(PATIENT, PROVIDER), Some(PhaseView::Left { why: LeaveReason::Left }));
    stage.at(5_500);
    stage.store = Store::Works;
    stage.at(8_000);
    let left = Fact::Left { participant: PATIENT.seat(), why: LeaveReason::Left };
    assert!(stage.facts.iter().any(|(_, _, fact)| *fact == left), "the fact follows when the store is back");
}

#[test]
fn ending_closes_everyone_the_media_and_the_room() {
    let mut stage = Stage::new();
    let (provider, patient) = stage.with_patient_live();
    stage.forget();
    stage.say(provider, ClientMessage::EndVisit);
    for conn in [provider, patient] {
        assert_eq!(stage.said(conn), [&ServerMessage::Closed { reason: CloseReason::VisitEnded }]);
    }
    assert!(stage.sfu().contains(&SfuCommand::CloseRoom));
    assert!(stage.is_closed());
    assert_eq!(stage.room.poll_timeout(), None);
    let late = stage.connect(PATIENT);
    assert_eq!(stage.said(late), [&ServerMessage::Closed { reason: CloseReason::VisitEnded }]);
}

#[test]
fn end_that_can_not_be_stored_is_not_done() {
    let mut stage = Stage::new();
    let (provider, patient) = stage.with_patient_live();
    stage.forget();
    stage.store = Store::Fails;
    stage.say(provider, ClientMessage::EndVisit);
    assert_eq!(stage.refusals(provider), [(RefusalCode::NotStored, "end_visit".to_owned())]);
    assert!(stage.said(patient).is_empty() && stage.sfu().is_empty());
}

#[test]
fn revoked_person_is_out_at_once_with_its_media() {
    let mut stage = Stage::new();
    let (_, patient) = stage.with_patient_live();
    stage.forget();
    stage.input(Input::Revoked { person: PATIENT.person() });
    assert_eq!(stage.said(patient), [&ServerMessage::Closed { reason: CloseReason::Revoked }]);
    assert_eq!(stage.sfu(), [SfuCommand::Close { participant: PATIENT.seat() }]);
    assert_eq!(stage.phase(PATIENT, PROVIDER), Some(PhaseView::Left { why: LeaveReason::Revoked }));
}

#[test]
fn room_closes_when_the_last_one_is_gone() {
    let mut stage = Stage::new();
    let (provider, patient) = stage.with_patient_live();
    stage.say(patient, ClientMessage::Leave);
    assert!(!stage.is_closed());
    stage.at(3_000).lose(provider);
    assert!(!stage.is_closed());
    stage.at(33_000);
    assert!(stage.is_closed());
    assert_eq!(stage.room.poll_timeout(), None);
}

#[test]
fn ninth_person_finds_the_room_full() {
    let mut stage = Stage::new();
    for number in 10..18 {
        stage.connect(Who { number, role: Role::Interpreter });
    }
    let ninth = stage.connect(Who { number: 18, role: Role::Interpreter });
    assert_eq!(stage.said(ninth), [&ServerMessage::Closed { reason: CloseReason::RoomFull }]);
    let again = stage.connect(Who { number: 10, role: Role::Interpreter });
    assert!(matches!(stage.said(again)[0], ServerMessage::Welcome { resumed: true, .. }));
}

#[test]
fn stranger_to_this_visit_or_one_without_a_part_in_visits_gets_no_seat() {
    let mut stage = Stage::new();
    for (role, clinic) in [(Role::Compliance, CLINIC), (Role::Patient, visit::ClinicId(uuid::Uuid::from_u128(9)))] {
        let who = visit::room::Identity { role, clinic, ..PATIENT.identity() };
        let conn = visit::room::ConnId(90);
        stage.forget();
        stage.input(Input::Connected { conn, who });
        assert_eq!(stage.said(conn), [&ServerMessage::Closed { reason: CloseReason::BadTicket }]);
    }
    assert!(stage.facts.is_empty());
}

#[test]
fn seat_that_can_not_be_stored_is_not_given() {
    let mut stage = Stage::new();
    stage.store = Store::Fails;
    let provider = stage.connect(PROVIDER);
    assert_eq!(stage.refusals(provider), [(RefusalCode::NotStored, "hello".to_owned())]);
    assert_eq!(stage.said(provider).last(), Some(&&ServerMessage::Closed { reason: CloseReason::Restarting }));
    assert!(stage.sfu().iter().all(|command| *command == SfuCommand::CloseRoom));
}

#[test]
fn guest_sees_neither_who_waits_nor_who_left_without_coming_in() {
    let mut stage = Stage::new();
    stage.with_patient_live();
    let guardian = stage.connect(GUARDIAN);
    stage.say(guardian, ClientMessage::JoinWaitingRoom);
    assert_eq!(stage.view(PATIENT).participants.len(), 2);
    assert_eq!(stage.view(PROVIDER).participants.len(), 3);
    stage.say(guardian, ClientMessage::Leave);
    assert_eq!(stage.view(PATIENT).participants.len(), 2);
    assert_eq!(stage.view(PROVIDER).participants.len(), 3);
}

#[test]
fn phone_call_and_mute_are_shown_to_the_others() {
    let mut stage = Stage::new();
    let (_, patient) = stage.with_patient_live();
    stage.say(patient, ClientMessage::SetMuted { audio: true, video: false, interrupted: true });
    assert_eq!(stage.phase(PATIENT, PROVIDER), Some(PhaseView::Interrupted));
    assert!(stage.view(PROVIDER).participants[1].audio_muted);
}

#[test]
fn second_host_can_let_people_in_and_pressing_join_twice_is_harmless() {
    let mut stage = Stage::new();
    let (_, patient) = stage.with_patient_waiting();
    let nurse = stage.connect(NURSE);
    stage.at(9_000).say(patient, ClientMessage::JoinWaitingRoom);
    assert_eq!(stage.phase(PATIENT, NURSE), Some(PhaseView::Waiting { since: Now(stage.now.0 - 8_000) }));
    stage.say(nurse, ClientMessage::Admit { participant: PATIENT.seat() });
    assert!(stage.refusals(patient).is_empty());
    let admitted = Fact::Admitted { participant: PATIENT.seat(), by: NURSE.seat() };
    assert!(stage.facts.iter().any(|(_, _, fact)| *fact == admitted));
}
