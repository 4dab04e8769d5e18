use std::time::Duration;

use futures_util::SinkExt;
use signaling::Limits;
use tokio_tungstenite::tungstenite::Message;
use visit::room::MediaEvent;
use visit::wire::{ClientMessage, CloseReason, RefusalCode, ServerMessage, Slot, Source};

use crate::client::{Client, reconnecting, request, with_patient_waiting};
use crate::clinic::{Clinic, ORIGIN, PATIENT, PROVIDER, VISIT};

#[tokio::test]
async fn flood_is_warned_and_then_closed_and_the_others_go_on() {
    let clinic = Clinic::open().await;
    let (mut provider, mut patient) = with_patient_waiting(&clinic).await;
    for n in 0..2_000 {
        patient.say(ClientMessage::Ping { n }).await;
    }
    let mut pongs = 0;
    let mut warned = false;
    let reason = loop {
        match patient.next().await {
            Some(ServerMessage::Pong { .. }) => pongs += 1,
            Some(ServerMessage::Refused { code: RefusalCode::TooFast, .. }) => warned = true,
            Some(ServerMessage::Closed { reason }) => break reason,
            Some(_) => {}
            None => panic!("closed without a word"),
        }
    };
    assert_eq!(reason, CloseReason::Misbehaved);
    assert!(warned && pongs < 1_000, "{pongs} of 2,000 were answered");
    provider.until_phase(PATIENT.seat(), reconnecting).await;
}

#[tokio::test]
async fn malformed_messages_are_refused_and_then_closed() {
    let clinic = Clinic::open().await;
    let mut patient = Client::seated(&clinic, PATIENT).await;
    for _ in 0..6 {
        patient.say_raw(r#"{"type":"admit","participant":"nobody"}"#.into()).await;
    }
    for _ in 0..5 {
        assert_eq!(patient.until_refused().await.0, RefusalCode::BadMessage);
    }
    assert_eq!(patient.until_closed().await, CloseReason::Misbehaved);
}

#[tokio::test]
async fn binary_and_deeply_nested_frames_are_malformed_too() {
    let clinic = Clinic::open().await;
    let mut patient = Client::seated(&clinic, PATIENT).await;
    patient.socket.send(Message::binary(vec![0; 100])).await.unwrap();
    assert_eq!(patient.until_refused().await.0, RefusalCode::BadMessage);
    patient.say_raw("[".repeat(60_000)).await;
    assert_eq!(patient.until_refused().await.0, RefusalCode::BadMessage);
}

#[tokio::test]
async fn oversize_frame_ends_the_connection_and_nothing_of_it_is_read() {
    let clinic = Clinic::open().await;
    let (mut provider, mut patient) = with_patient_waiting(&clinic).await;
    patient.say(ClientMessage::Offer { sdp: "x".repeat(64 * 1024) }).await;
    while patient.next().await.is_some() {}
    provider.until_phase(PATIENT.seat(), reconnecting).await;
    assert!(!clinic.did(|deed| matches!(deed, crate::clinic::Deed::Sfu(_, visit::room::SfuCommand::Offer { .. }))));
}

#[tokio::test]
async fn socket_that_stops_reading_is_cut_off_and_the_others_go_on() {
    let clinic = Clinic::open_with(Limits { outbox: 8, ..Default::default() }).await;
    let mut provider = Client::seated(&clinic, PROVIDER).await;
    let request = request(clinic.address, Some(ORIGIN), Some("bedside.v1"));
    let mut patient = Client::try_open(request, Some(4_096)).await.unwrap();
    patient.say(ClientMessage::Hello { ticket: clinic.ticket(PATIENT) }).await;
    provider.until_phase(PATIENT.seat(), |_| true).await;
    // Not read from here on. 400 messages of about 100 KB are far more than sockets hold.
    let slot = Slot { mid: "0".into(), source: Source::Camera, participant: PROVIDER.seat() };
    for _ in 0..400 {
        let slots = vec![slot.clone(); 1_000];
        clinic.signaling.media_event(VISIT, MediaEvent::Slots { participant: PATIENT.seat(), slots });
    }
    provider.until_phase(PATIENT.seat(), reconnecting).await;
    drop(patient);
}

#[tokio::test]
async fn half_open_connection_is_found() {
    let limits = Limits { ping_every: Duration::from_millis(20), unanswered_pings: 10, ..Default::default() };
    let clinic = Clinic::open_with(limits).await;
    let mut provider = Client::seated(&clinic, PROVIDER).await;
    // It neither reads nor writes any more, as after a network that went away without a word.
    let patient = Client::join(&clinic, PATIENT).await;
    provider.until_phase(PATIENT.seat(), reconnecting).await;
    drop(patient);
}

#[test]
fn half_open_connections_are_found_within_ten_seconds_by_default() {
    let limits = Limits::default();
    assert!(limits.ping_every * (limits.unanswered_pings + 1) <= Duration::from_secs(10));
}
