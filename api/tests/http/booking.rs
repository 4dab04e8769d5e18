//! The front desk books.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use crate::app::{Answer, App, Browser, token_of};

const PATH: &str = "/api/v1/appointments";

/// A slot tomorrow, for the first patient with the first provider.
pub fn booking(app: &App) -> Value {
    let start = app.state.clock.wall() + Duration::from_secs(24 * 3_600);
    let end = start + Duration::from_secs(30 * 60);
    json!({
        "patient_id": app.riverside.patients[0].patient_id,
        "provider_id": uuid::Uuid::nil(),
        "starts_at": start.format(&Rfc3339).unwrap(),
        "ends_at": end.format(&Rfc3339).unwrap(),
        "visit_type": "video",
        "reason": "Cough that does not go away",
    })
}

async fn bookable(app: &App, browser: &mut Browser) -> Value {
    let providers = browser.get("/api/v1/providers").await.is(StatusCode::OK).json();
    let mut booking = booking(app);
    booking["provider_id"] = providers["items"][0]["staff_id"].clone();
    booking
}

async fn book(browser: &mut Browser, key: &str, booking: &Value) -> Answer {
    browser.send(Method::POST, PATH, &[("idempotency-key", key)], Some(booking.to_string())).await
}

#[tokio::test]
async fn a_booked_slot_has_a_visit_and_a_link_that_opens_in_its_time() {
    let app = App::start().await;
    let mut front_desk = app.signed_in(&app.riverside.front_desk).await;
    let mut changes = app.state.changes.subscribe();
    let slot = bookable(&app, &mut front_desk).await;
    let booked = book(&mut front_desk, "key-1", &slot).await.is(StatusCode::CREATED).json();
    assert_eq!(changes.try_recv().unwrap(), app.riverside.clinic.id);
    let open = json!({"token": token_of(booked["link"].as_str().unwrap())});
    app.browser().post("/api/v1/join/open", open.clone()).await.refuses(StatusCode::NOT_FOUND, "link.not_usable");
    app.clock.advance(Duration::from_secs(23 * 3_600));
    app.browser().post("/api/v1/join/open", open).await.is(StatusCode::OK);
    let mut front_desk = app.signed_in(&app.riverside.front_desk).await;
    let visit = front_desk
        .get(&format!("/api/v1/visits/{}", booked["visit_id"].as_str().unwrap()))
        .await
        .is(StatusCode::OK)
        .json();
    assert_eq!(
        (&visit["state"], &visit["patient"]["name"]),
        (&json!("booked"), &json!(app.riverside.patients[0].name))
    );
}

#[tokio::test]
async fn two_slots_of_one_provider_can_not_overlap_even_when_booked_at_once() {
    let app = App::start().await;
    let mut front_desk = app.signed_in(&app.riverside.front_desk).await;
    let slot = bookable(&app, &mut front_desk).await;
    let (mut one, mut two) = (front_desk.clone(), front_desk.clone());
    let answers = tokio::join!(book(&mut one, "key-1", &slot), book(&mut two, "key-2", &slot));
    let mut statuses = [answers.0.status, answers.1.status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::CREATED, StatusCode::CONFLICT]);
    book(&mut front_desk, "key-3", &slot).await.refuses(StatusCode::CONFLICT, "appointment.overlap");
}

#[tokio::test]
async fn the_same_key_books_once_and_another_booking_needs_another_key() {
    let app = App::start().await;
    let mut front_desk = app.signed_in(&app.riverside.front_desk).await;
    let mut slot = bookable(&app, &mut front_desk).await;
    let first = book(&mut front_desk, "key-1", &slot).await.is(StatusCode::CREATED);
    let again = book(&mut front_desk, "key-1", &slot).await.is(StatusCode::CREATED);
    assert_eq!(first.bytes, again.bytes);
    slot["reason"] = json!("Something else");
    book(&mut front_desk, "key-1", &slot).await.refuses(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key.reused");
    front_desk.post(PATH, slot).await.refuses(StatusCode::BAD_REQUEST, "idempotency_key.missing");
}

#[tokio::test]
async fn times_providers_and_patients_that_can_not_be_are_refused() {
    let app = App::start().await;
    let mut front_desk = app.signed_in(&app.riverside.front_desk).await;
    let slot = bookable(&app, &mut front_desk).await;
    let with = |member: &str, value: &Value| {
        let mut changed = slot.clone();
        changed[member] = value.clone();
        changed
    };
    let backwards = with("ends_at", &slot["starts_at"]);
    book(&mut front_desk, "1", &backwards).await.refuses(StatusCode::UNPROCESSABLE_ENTITY, "appointment.times");
    let endless = with("ends_at", &json!("2099-01-01T00:00:00Z"));
    book(&mut front_desk, "2", &endless).await.refuses(StatusCode::UNPROCESSABLE_ENTITY, "appointment.times");
    let nobody = json!(uuid::Uuid::nil());
    let unknown = with("provider_id", &nobody);
    book(&mut front_desk, "3", &unknown)
        .await
        .refuses(StatusCode::UNPROCESSABLE_ENTITY, "appointment.provider_unknown");
    book(&mut front_desk, "4", &with("patient_id", &nobody)).await.refuses(StatusCode::NOT_FOUND, "not_found");
    let foreign = with("patient_id", &json!(app.lakeside.patients[0].patient_id));
    book(&mut front_desk, "5", &foreign).await.refuses(StatusCode::NOT_FOUND, "not_found");
    for (member, value) in [
        ("visit_type", json!("telepathy")),
        ("reason", json!("")),
        ("reason", json!("a\u{0}b")),
        ("starts_at", json!("soon")),
    ] {
        book(&mut front_desk, "6", &with(member, &value))
            .await
            .refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");
    }
}
