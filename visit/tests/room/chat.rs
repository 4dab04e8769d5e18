use uuid::Uuid;
use visit::room::ConnId;
use visit::wire::{ClientMessage, RefusalCode, ServerMessage};

use crate::stage::{GUARDIAN, PATIENT, Stage, Store};

fn line(id: u128, text: &str) -> ClientMessage {
    ClientMessage::Chat { id: Uuid::from_u128(id), text: text.into() }
}

fn heard(stage: &Stage, conn: ConnId) -> Vec<String> {
    let text = |message: &&ServerMessage| match message {
        ServerMessage::Chat(line) => Some(line.text.clone()),
        _ => None,
    };
    stage.said(conn).iter().filter_map(text).collect()
}

#[test]
fn line_reaches_everyone_in_the_visit_after_it_is_stored() {
    let mut stage = Stage::new();
    let (provider, patient) = stage.with_patient_live();
    stage.store = Store::Holds;
    stage.say(patient, line(1, "Good morning"));
    assert!(heard(&stage, provider).is_empty() && heard(&stage, patient).is_empty());
    stage.store_now();
    assert_eq!(heard(&stage, provider), ["Good morning"]);
    assert_eq!(heard(&stage, patient), ["Good morning"]);
}

#[test]
fn line_that_can_not_be_stored_reaches_nobody() {
    let mut stage = Stage::new();
    let (provider, patient) = stage.with_patient_live();
    stage.store = Store::Fails;
    stage.say(patient, line(1, "Good morning"));
    assert!(heard(&stage, provider).is_empty());
    assert_eq!(stage.refusals(patient), [(RefusalCode::NotStored, "chat".to_owned())]);
}

#[test]
fn line_sent_twice_is_posted_once() {
    let mut stage = Stage::new();
    let (provider, patient) = stage.with_patient_live();
    stage.say(patient, line(1, "Good morning"));
    stage.say(patient, line(1, "Good morning"));
    assert_eq!(heard(&stage, provider), ["Good morning"]);
    assert_eq!(heard(&stage, patient), ["Good morning", "Good morning"], "its author learns that it is stored");
    stage.say(provider, line(1, "Something else"));
    assert_eq!(stage.refusals(provider), [(RefusalCode::BadMessage, "chat".to_owned())]);
}

#[test]
fn earlier_lines_are_sent_again_after_a_reconnect() {
    let mut stage = Stage::new();
    let (provider, patient) = stage.with_patient_live();
    stage.say(patient, line(1, "one"));
    stage.lose(patient);
    stage.say(provider, line(2, "two"));
    let back = stage.connect(PATIENT);
    assert_eq!(heard(&stage, back), ["one", "two"]);
}

#[test]
fn late_joiner_does_not_read_what_was_said_before() {
    let mut stage = Stage::new();
    let (provider, _) = stage.with_patient_live();
    stage.say(provider, line(1, "before"));
    let guardian = stage.connect(GUARDIAN);
    stage.say(guardian, ClientMessage::JoinWaitingRoom);
    stage.say(provider, line(2, "still before"));
    stage.say(provider, ClientMessage::Admit { participant: GUARDIAN.seat() });
    stage.say(provider, line(3, "welcome"));
    assert_eq!(heard(&stage, guardian), ["welcome"]);
    stage.lose(guardian);
    let back = stage.connect(GUARDIAN);
    assert_eq!(heard(&stage, back), ["welcome"]);
}

#[test]
fn lines_survive_a_restart() {
    let mut stage = Stage::new();
    let (_, patient) = stage.with_patient_live();
    stage.say(patient, line(1, "one"));
    stage.restart();
    let back = stage.connect(PATIENT);
    assert_eq!(heard(&stage, back), ["one"]);
}

#[test]
fn empty_and_overlong_lines_and_floods_are_refused() {
    let mut stage = Stage::new();
    let (_, patient) = stage.with_patient_live();
    stage.say(patient, line(1, "   "));
    stage.say(patient, line(2, &"é".repeat(2_001)));
    let codes: Vec<_> = stage.refusals(patient).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, [RefusalCode::BadMessage; 2]);
    stage.forget();
    stage.say(patient, line(3, &"é".repeat(2_000)));
    for id in 4..40 {
        stage.say(patient, line(id, "again"));
    }
    assert_eq!(heard(&stage, patient).len(), 20);
    assert!(stage.refusals(patient).iter().all(|(code, _)| *code == RefusalCode::TooFast));
    let later = stage.now.0 - 1_800_000_000_000 + 10_000;
    stage.at(later).forget();
    stage.say(patient, line(41, "later"));
    assert_eq!(heard(&stage, patient), ["later"]);
}
