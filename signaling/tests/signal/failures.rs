use visit::room::SfuCommand;
use visit::wire::{ClientMessage, CloseReason, RefusalCode};
use visit::{Fact, Now};

use crate::client::{Client, admitted, waiting, with_patient_waiting};
use crate::clinic::{Clinic, Deed, PATIENT, Store, VISIT};

#[tokio::test]
async fn admission_that_can_not_be_stored_is_refused_and_opens_no_media() {
    let clinic = Clinic::open().await;
    let (mut provider, _patient) = with_patient_waiting(&clinic).await;
    let participant = PATIENT.seat();
    let admit = Deed::Sfu(VISIT, SfuCommand::Admit { participant });
    clinic.set_store(Store::Fails);
    provider.say(ClientMessage::Admit { participant }).await;
    assert_eq!(provider.until_refused().await, (RefusalCode::NotStored, "admit".to_owned()));
    assert!(!clinic.did(|deed| *deed == admit));
    clinic.set_store(Store::Works);
    provider.say(ClientMessage::Admit { participant }).await;
    clinic.until_deed(|deed| *deed == admit).await;
}

#[tokio::test]
async fn store_that_hangs_counts_as_failed() {
    let limits = signaling::Limits { store: std::time::Duration::from_millis(50), ..Default::default() };
    let clinic = Clinic::open_with(limits).await;
    let (mut provider, _patient) = with_patient_waiting(&clinic).await;
    clinic.set_store(Store::Holds);
    provider.say(ClientMessage::Admit { participant: PATIENT.seat() }).await;
    assert_eq!(provider.until_refused().await.0, RefusalCode::NotStored);
    assert!(!clinic.did(|deed| *deed == Deed::Sfu(VISIT, SfuCommand::Admit { participant: PATIENT.seat() })));
}

#[tokio::test]
async fn room_that_is_not_what_is_stored_is_built_anew() {
    let clinic = Clinic::open().await;
    let (mut provider, mut patient) = with_patient_waiting(&clinic).await;
    // Someone else wrote the next fact: an answer of the store was lost, or another node has the room.
    let participant = PATIENT.seat();
    clinic.ledgers.facts.send_modify(|facts| {
        let facts = facts.get_mut(&VISIT).unwrap();
        let seq = facts.len() as u64 + 1;
        facts.push((seq, Now(1), Fact::Left { participant, why: visit::fact::LeaveReason::Left }));
    });
    provider.say(ClientMessage::Admit { participant }).await;
    assert_eq!(provider.until_closed().await, CloseReason::Restarting);
    assert_eq!(patient.until_closed().await, CloseReason::Restarting);
    assert!(clinic.did(|deed| *deed == Deed::Sfu(VISIT, SfuCommand::CloseRoom)));
    assert!(!clinic.did(|deed| *deed == Deed::Sfu(VISIT, SfuCommand::Admit { participant })));
    let mut back = Client::seated(&clinic, PATIENT).await;
    back.until_phase(participant, |phase| phase == visit::wire::PhaseView::CheckingIn).await;
    back.say(ClientMessage::JoinWaitingRoom).await;
    back.until_phase(participant, waiting).await;
}

#[tokio::test]
async fn room_is_forgotten_when_empty_and_found_again() {
    let clinic = Clinic::open().await;
    for _ in 0..20 {
        let mut patient = Client::seated(&clinic, PATIENT).await;
        patient.say(ClientMessage::Leave).await;
        assert_eq!(patient.until_closed().await, CloseReason::Left);
    }
    clinic.until_no_rooms().await;
    let (mut provider, _patient) = with_patient_waiting(&clinic).await;
    provider.say(ClientMessage::Admit { participant: PATIENT.seat() }).await;
    provider.until_phase(PATIENT.seat(), admitted).await;
}

#[tokio::test]
async fn facts_with_a_hole_let_nobody_in() {
    let clinic = Clinic::open().await;
    clinic.ledgers.facts.send_modify(|facts| {
        let fact = Fact::Waiting { participant: PATIENT.seat() };
        facts.insert(VISIT, vec![(2, Now(1), fact)]);
    });
    let mut patient = Client::join(&clinic, PATIENT).await;
    assert_eq!(patient.until_closed().await, CloseReason::Restarting);
    clinic.until_no_rooms().await;
}
