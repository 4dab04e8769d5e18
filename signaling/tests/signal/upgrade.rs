use tokio_tungstenite::tungstenite::Error;
use visit::wire::{ClientMessage, CloseReason};

use crate::client::{Client, request};
use crate::clinic::{Clinic, ORIGIN, PATIENT, VISIT};

async fn refusal(clinic: &Clinic, origin: Option<&str>, protocol: Option<&str>) -> (u16, serde_json::Value) {
    match Client::try_open(request(clinic.address, origin, protocol), None).await.err().map(|error| *error) {
        Some(Error::Http(response)) => {
            let body = response.body().as_deref().unwrap_or_default();
            (response.status().as_u16(), serde_json::from_slice(body).unwrap_or_default())
        }
        other => panic!("expected an HTTP answer, got {other:?}"),
    }
}

#[tokio::test]
async fn foreign_null_or_missing_origin_gets_403() {
    let clinic = Clinic::open().await;
    for origin in [Some("https://evil.example"), Some("null"), Some("https://visits.example.evil"), None] {
        let (status, problem) = refusal(&clinic, origin, Some("bedside.v1")).await;
        assert_eq!((status, problem["code"].as_str()), (403, Some("origin.foreign")), "{origin:?}");
    }
    let (status, _) = refusal(&clinic, Some("http://visits.example"), Some("bedside.v1")).await;
    assert_eq!(status, 403, "another scheme is another origin");
}

#[tokio::test]
async fn other_subprotocol_gets_400() {
    let clinic = Clinic::open().await;
    for protocol in [None, Some("bedside.v0"), Some("chat")] {
        let (status, problem) = refusal(&clinic, Some(ORIGIN), protocol).await;
        assert_eq!((status, problem["code"].as_str()), (400, Some("subprotocol.missing")));
    }
    Client::try_open(request(clinic.address, Some(ORIGIN), Some("chat, bedside.v1")), None).await.unwrap();
}

#[tokio::test]
async fn used_ticket_opens_nothing() {
    let clinic = Clinic::open().await;
    let ticket = clinic.ticket(PATIENT);
    let mut first = Client::open(&clinic).await;
    first.say(ClientMessage::Hello { ticket: ticket.clone() }).await;
    first.until_view("its seat", |view| view.you == PATIENT.seat()).await;
    let mut second = Client::open(&clinic).await;
    second.say(ClientMessage::Hello { ticket }).await;
    assert_eq!(second.until_closed().await, CloseReason::BadTicket);
    first.say(ClientMessage::Ping { n: 7 }).await;
    let pong = |message: &visit::wire::ServerMessage| {
        matches!(message, visit::wire::ServerMessage::Pong { n: 7 }).then_some(())
    };
    first.until("pong: the rightful owner is not disturbed", pong).await;
}

#[tokio::test]
async fn ticket_of_another_origin_or_of_nobody_opens_nothing() {
    let clinic = Clinic::open().await;
    for ticket in [clinic.ticket_for(PATIENT, VISIT, "https://elsewhere.example"), "made up".to_owned()] {
        let mut client = Client::open(&clinic).await;
        client.say(ClientMessage::Hello { ticket }).await;
        assert_eq!(client.until_closed().await, CloseReason::BadTicket);
    }
    assert_eq!(clinic.signaling.rooms(), 0);
}

#[tokio::test]
async fn anything_before_hello_closes() {
    let clinic = Clinic::open().await;
    for text in [r#"{"type":"end_visit"}"#, "not json", "{}", r#"{"type":"hello","ticket":"a","more":1}"#] {
        let mut client = Client::open(&clinic).await;
        client.say_raw(text.into()).await;
        assert_eq!(client.until_closed().await, CloseReason::Misbehaved, "{text}");
    }
}

#[tokio::test]
async fn one_who_never_says_hello_is_closed() {
    let limits = signaling::Limits { hello: std::time::Duration::from_millis(50), ..Default::default() };
    let clinic = Clinic::open_with(limits).await;
    let mut client = Client::open(&clinic).await;
    assert_eq!(client.until_closed().await, CloseReason::Misbehaved);
}

#[tokio::test]
async fn nobody_more_is_taken_when_all_unnamed_places_are_held() {
    let limits = signaling::Limits { unnamed_connections: 2, ..Default::default() };
    let clinic = Clinic::open_with(limits).await;
    let mut first = Client::open(&clinic).await;
    let _second = Client::open(&clinic).await;
    let (status, problem) = refusal(&clinic, Some(ORIGIN), Some("bedside.v1")).await;
    assert_eq!((status, problem["code"].as_str()), (503, Some("busy")));
    first.say(ClientMessage::Hello { ticket: clinic.ticket(PATIENT) }).await;
    first.until_view("its seat", |_| true).await;
    Client::open(&clinic).await;
}
