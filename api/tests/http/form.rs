//! What every route does with requests that are not as they should be.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::json;

use crate::app::{App, ORIGIN};

#[tokio::test]
async fn an_unknown_address_and_a_wrong_method_are_problems_too() {
    let app = App::start().await;
    let mut anyone = app.browser();
    anyone.get("/api/v1/no-such-thing").await.refuses(StatusCode::NOT_FOUND, "not_found");
    anyone.get("/api/no-such-thing").await.refuses(StatusCode::NOT_FOUND, "not_found");
    let answer = anyone.delete("/api/v1/site").await.refuses(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed");
    assert!(answer.header("allow").contains("GET"));
}

#[tokio::test]
async fn anyone_may_know_the_sites_name_and_whom_to_call() {
    let app = App::start().await;
    let site = app.browser().get("/api/v1/site").await.is(StatusCode::OK).json();
    assert_eq!(site, json!({"name": "Bedside", "support_phone": "+1 312 555 0100", "demo": true}));
}

#[tokio::test]
async fn a_request_from_a_foreign_page_changes_nothing() {
    let app = App::start().await;
    let mut provider = app.signed_in(&app.riverside.provider).await;
    let signed_in = provider.cookies.clone();
    for foreign in [
        &[("origin", "https://evil.example")][..],
        &[("origin", "null")],
        &[("origin", "http://visits.example.org")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
        &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
    ] {
        let answer = provider.send(Method::POST, "/api/v1/auth/sign-out", foreign, None).await;
        answer.refuses(StatusCode::FORBIDDEN, "origin.foreign");
    }
    let bare = Request::post("/api/v1/auth/sign-out").body(Body::empty()).unwrap();
    provider.raw(bare).await.refuses(StatusCode::FORBIDDEN, "origin.foreign");
    assert_eq!(provider.cookies, signed_in);
    provider.get("/api/v1/me").await.is(StatusCode::OK);
    provider
        .send(Method::POST, "/api/v1/auth/sign-out", &[("sec-fetch-site", "same-origin")], None)
        .await
        .is(StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_body_that_is_not_json_too_large_or_not_as_documented_is_refused() {
    let app = App::start().await;
    let mut anyone = app.browser();
    let path = "/api/v1/join/open";
    let json = "application/json";
    let send = async |browser: &mut crate::app::Browser, kind: &str, body: String| {
        browser.send(Method::POST, path, &[("content-type", kind)], Some(body)).await
    };
    send(&mut anyone, "text/plain", "{}".into()).await.refuses(StatusCode::UNSUPPORTED_MEDIA_TYPE, "request.not_json");
    send(&mut anyone, json, "{".into()).await.refuses(StatusCode::BAD_REQUEST, "request.malformed");
    send(&mut anyone, json, "\u{0}".into()).await.refuses(StatusCode::BAD_REQUEST, "request.malformed");
    send(&mut anyone, json, "{}".into()).await.refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");
    send(&mut anyone, json, "[]".into()).await.refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");
    let large = format!("{{\"token\":\"{}\"}}", "a".repeat(1024 * 1024));
    send(&mut anyone, json, large).await.refuses(StatusCode::PAYLOAD_TOO_LARGE, "request.too_large");
}

#[tokio::test]
async fn what_a_request_may_not_say_is_refused_rather_than_ignored() {
    let app = App::start().await;
    let mut front_desk = app.signed_in(&app.riverside.front_desk).await;
    let mut patient = app.patient(0).await;
    for planted in ["clinic_id", "role", "consent", "visit_state", "patient_id2", "__proto__"] {
        let mut booking = crate::booking::booking(&app);
        booking[planted] = json!("planted");
        let answer = front_desk
            .send(Method::POST, "/api/v1/appointments", &[("idempotency-key", planted)], Some(booking.to_string()))
            .await
            .refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");
        assert!(answer.json()["invalid"].as_str().unwrap().contains(planted));
        let mut location = crate::join::location();
        location[planted] = json!("planted");
        patient
            .put("/api/v1/join/location", &[], location)
            .await
            .refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");
    }
    front_desk.get("/api/v1/today?clinic_id=1").await.refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");
}

#[tokio::test]
async fn too_many_anonymous_requests_must_wait_and_a_session_may_go_on() {
    let app = App::start().await;
    let mut stranger = app.browser();
    let mut provider = app.signed_in(&app.riverside.provider).await;
    provider.address = stranger.address;
    for _ in 0..60 {
        stranger.get("/api/v1/site").await.is(StatusCode::OK);
    }
    let answer = stranger.get("/api/v1/site").await.refuses(StatusCode::TOO_MANY_REQUESTS, "rate_limited");
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    stranger.cookies.insert("__Host-bedside".into(), "A".repeat(43));
    stranger.get("/api/v1/site").await.is(StatusCode::TOO_MANY_REQUESTS);
    provider.get("/api/v1/me").await.is(StatusCode::OK);
    app.clock.advance(std::time::Duration::from_secs(wait));
    stranger.get("/api/v1/site").await.is(StatusCode::OK);
}

#[tokio::test]
async fn a_request_that_says_it_is_from_elsewhere_is_still_from_where_it_is() {
    let app = App::start().await;
    let mut stranger = app.browser();
    for n in 0..60 {
        let forged =
            Request::get("/api/v1/site").header("x-forwarded-for", format!("198.51.100.{n}")).header("origin", ORIGIN);
        stranger.raw(forged.body(Body::empty()).unwrap()).await.is(StatusCode::OK);
    }
    stranger.get("/api/v1/site").await.is(StatusCode::TOO_MANY_REQUESTS);
}
