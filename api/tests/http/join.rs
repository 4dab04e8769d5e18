//! A patient comes by link.

use axum::http::StatusCode;
use serde_json::{Value, json};
use visit::{Person, Role};

use crate::app::{Answer, App, Browser, ORIGIN, token_of};

const OPEN: &str = "/api/v1/join/open";
const IDENTITY: &str = "/api/v1/join/identity";

pub fn location() -> Value {
    json!({"region": "IL", "callback_phone": "+1 312 555 0142", "emergency_address": "12 Elm Street, Chicago"})
}

/// Location and consent, as the pages ask for them.
pub async fn check_in(patient: &mut Browser) {
    patient.put("/api/v1/join/location", &[], location()).await.is(StatusCode::NO_CONTENT);
    let text = patient.get("/api/v1/texts/telehealth_consent?lang=en").await.is(StatusCode::OK).json();
    let agreement = json!({"text_version": text["version"], "lang": text["lang"]});
    patient.post("/api/v1/join/consent", agreement).await.is(StatusCode::NO_CONTENT);
}

async fn try_date(browser: &mut Browser, token: &str, date: &str) -> Answer {
    browser.post(IDENTITY, json!({"token": token, "date_of_birth": date})).await
}

#[tokio::test]
async fn from_the_link_to_the_ticket() {
    let app = App::start().await;
    let visit = app.riverside.visits[0].clone();
    let mut patient = app.browser();
    let token = token_of(&visit.patient_link);
    let page = patient.post(OPEN, json!({"token": token})).await.is(StatusCode::OK).json();
    assert_eq!(page["clinic_name"], app.riverside.clinic.name);
    patient.get("/api/v1/join").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    let state = try_date(&mut patient, token, &visit.date_of_birth).await.is(StatusCode::OK).json();
    assert_eq!(state["patient_name"], visit.patient_name);
    assert_eq!((&state["location"], &state["consent"]), (&Value::Null, &Value::Null));
    patient.press("/api/v1/join/ticket").await.refuses(StatusCode::CONFLICT, "join.incomplete");
    check_in(&mut patient).await;
    let state = patient.get("/api/v1/join").await.is(StatusCode::OK).json();
    assert_eq!(state["location"], location());
    assert!(state["consent"]["accepted_at"].is_string());
    let ticket = patient.press("/api/v1/join/ticket").await.is(StatusCode::OK).json();
    assert_eq!((&ticket["expires_in_s"], &ticket["subprotocol"]), (&json!(30), &json!("bedside.v1")));
    let identity =
        app.state.tickets.redeem(ticket["ticket"].as_str().unwrap(), ORIGIN, app.state.clock.now()).unwrap().identity;
    assert_eq!((identity.visit, identity.role, identity.name), (visit.visit_id, Role::Patient, visit.patient_name));
    assert!(matches!(identity.person, Person::Patient(_)));
}

#[tokio::test]
async fn opening_a_link_a_thousand_times_uses_nothing_up() {
    let generous = api::RateLimits { anonymous_per_minute: 10_000.try_into().unwrap(), ..api::RateLimits::default() };
    let app = App::start_with(generous).await;
    let visit = app.riverside.visits[0].clone();
    let token = token_of(&visit.patient_link);
    let mut scanner = app.browser();
    for _ in 0..1_000 {
        scanner.post(OPEN, json!({"token": token})).await.is(StatusCode::OK);
    }
    try_date(&mut app.browser(), token, &visit.date_of_birth).await.is(StatusCode::OK);
}

#[tokio::test]
async fn links_that_are_unknown_malformed_expired_revoked_or_locked_answer_byte_for_byte_alike() {
    let app = App::start().await;
    let mut front_desk = app.signed_in(&app.riverside.front_desk).await;
    let [revoked, locked, expired] = [0, 1, 2].map(|n| app.riverside.visits[n].clone());
    front_desk
        .delete(&format!("/api/v1/appointments/{}/link", revoked.appointment_id))
        .await
        .is(StatusCode::NO_CONTENT);
    let mut guesser = app.browser();
    for _ in 0..5 {
        try_date(&mut guesser, token_of(&locked.patient_link), "1900-01-01").await.is(StatusCode::FORBIDDEN);
    }
    let unknown = "u".repeat(43);
    let mut answers = Vec::new();
    for token in [unknown.as_str(), "", "short", "ü", token_of(&revoked.patient_link), token_of(&locked.patient_link)]
    {
        answers.push(
            app.browser().post(OPEN, json!({"token": token})).await.refuses(StatusCode::NOT_FOUND, "link.not_usable"),
        );
    }
    app.clock.advance(std::time::Duration::from_secs(24 * 3_600));
    answers.push(app.browser().post(OPEN, json!({"token": token_of(&expired.patient_link)})).await);
    for answer in &answers {
        assert_eq!(answer.without_request_id(), answers[0].without_request_id());
    }
    for token in [unknown.as_str(), token_of(&revoked.patient_link), token_of(&expired.patient_link)] {
        try_date(&mut app.browser(), token, &expired.date_of_birth)
            .await
            .refuses(StatusCode::NOT_FOUND, "link.not_usable");
    }
}

#[tokio::test]
async fn five_wrong_dates_lock_the_link_for_the_right_one_too() {
    let app = App::start().await;
    let visit = app.riverside.visits[0].clone();
    let token = token_of(&visit.patient_link);
    let mut guesser = app.browser();
    for left in (1..5).rev() {
        let answer = try_date(&mut guesser, token, "1900-01-01").await;
        let answer = answer.refuses(StatusCode::FORBIDDEN, "join.date_of_birth_mismatch");
        assert_eq!(answer.json()["tries_left"], left);
    }
    try_date(&mut guesser, token, "1900-01-01").await.refuses(StatusCode::FORBIDDEN, "join.locked");
    let refused = try_date(&mut guesser, token, &visit.date_of_birth).await;
    assert!(matches!(refused.status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND));
    assert!(guesser.cookies.is_empty());
    let mut front_desk = app.signed_in(&app.riverside.front_desk).await;
    let today = front_desk.get("/api/v1/today").await.is(StatusCode::OK).json();
    let item =
        today["items"].as_array().unwrap().iter().find(|item| item["visit_id"] == visit.visit_id.to_string()).unwrap();
    assert_eq!(item["link_state"], "locked");
    let path = format!("/api/v1/appointments/{}/link", visit.appointment_id);
    let link = front_desk.press(&path).await.is(StatusCode::CREATED).json();
    let fresh = token_of(link["link"].as_str().unwrap());
    try_date(&mut app.browser(), fresh, &visit.date_of_birth).await.is(StatusCode::OK);
}

#[tokio::test]
async fn a_date_that_is_none_costs_no_try() {
    let app = App::start().await;
    let visit = app.riverside.visits[0].clone();
    let token = token_of(&visit.patient_link);
    let mut patient = app.browser();
    for date in ["", "1980", "1980-02-30", "02/03/1980", "1980-1-1"] {
        try_date(&mut patient, token, date).await.refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");
    }
    let answer = try_date(&mut patient, token, "1900-01-01").await;
    assert_eq!(answer.json()["tries_left"], 4);
}

#[tokio::test]
async fn a_new_link_ends_the_former_one_and_who_came_by_it() {
    let app = App::start().await;
    let visit = app.riverside.visits[0].clone();
    let mut front_desk = app.signed_in(&app.riverside.front_desk).await;
    let mut patient = app.patient(0).await;
    check_in(&mut patient).await;
    let ticket = patient.press("/api/v1/join/ticket").await.is(StatusCode::OK).json();
    let mut revocations = app.state.revocations.subscribe();
    let path = format!("/api/v1/appointments/{}/link", visit.appointment_id);
    let issued = front_desk.press(&path).await.is(StatusCode::CREATED).json();
    assert!(issued["link"].as_str().unwrap().starts_with(&format!("{ORIGIN}/v/")));
    patient.get("/api/v1/join").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    assert!(matches!(revocations.try_recv(), Ok(api::Ended::Person(Person::Patient(_)))));
    let redeemed = app.state.tickets.redeem(ticket["ticket"].as_str().unwrap(), ORIGIN, app.state.clock.now());
    assert_eq!(redeemed, Err(api::RedeemError::Unknown));
    app.browser().post(OPEN, json!({"token": token_of(&visit.patient_link)})).await.is(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn agreeing_to_a_text_that_is_not_the_current_one_is_refused() {
    let app = App::start().await;
    let mut patient = app.patient(0).await;
    let agreement = json!({"text_version": "1999-01", "lang": "en"});
    patient.post("/api/v1/join/consent", agreement).await.refuses(StatusCode::CONFLICT, "consent.text_changed");
    let state = patient.get("/api/v1/join").await.is(StatusCode::OK).json();
    assert_eq!(state["consent"], Value::Null);
}

#[tokio::test]
async fn leaving_ends_the_session() {
    let app = App::start().await;
    let mut patient = app.patient(0).await;
    let stolen = patient.clone();
    patient.press("/api/v1/join/leave").await.is(StatusCode::NO_CONTENT);
    assert!(patient.cookies.is_empty());
    stolen.clone().get("/api/v1/join").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
}

#[tokio::test]
async fn a_patients_cookie_opens_no_staff_page_and_the_other_way_round() {
    let app = App::start().await;
    let mut patient = app.patient(0).await;
    let token = patient.cookies["__Host-bedside-visit"].clone();
    patient.cookies.insert("__Host-bedside".into(), token);
    patient.get("/api/v1/me").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    let mut provider = app.signed_in(&app.riverside.provider).await;
    let token = provider.cookies["__Host-bedside"].clone();
    provider.cookies.insert("__Host-bedside-visit".into(), token);
    provider.get("/api/v1/join").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
}

#[tokio::test]
async fn texts_are_there_in_english_and_spanish_and_unknown_languages_get_english() {
    let app = App::start().await;
    let mut anyone = app.browser();
    for kind in ["telehealth_consent", "recording_consent"] {
        let english = anyone.get(&format!("/api/v1/texts/{kind}")).await.is(StatusCode::OK).json();
        let spanish = anyone.get(&format!("/api/v1/texts/{kind}?lang=es")).await.is(StatusCode::OK).json();
        let other = anyone.get(&format!("/api/v1/texts/{kind}?lang=tlh")).await.is(StatusCode::OK).json();
        assert_eq!((&english["lang"], &spanish["lang"]), (&json!("en"), &json!("es")));
        assert_eq!(english["version"], spanish["version"]);
        assert_ne!(english["body"], spanish["body"]);
        assert_eq!(other, english);
    }
    anyone.get("/api/v1/texts/horoscope").await.refuses(StatusCode::NOT_FOUND, "not_found");
}
