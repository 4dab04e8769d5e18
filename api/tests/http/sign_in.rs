//! Staff sign in, stay signed in, and are signed out.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde_json::json;

use crate::app::App;

const COOKIE: &str = "__Host-bedside";

#[tokio::test]
async fn password_and_code_sign_in_and_each_step_changes_the_cookie() {
    let app = App::start().await;
    let account = &app.riverside.provider;
    let mut browser = app.browser();
    browser.cookies.insert(COOKIE.into(), "P".repeat(43));
    let planted = browser.cookies[COOKIE].clone();
    let next = browser.password(account).await.is(StatusCode::OK).json();
    assert_eq!(next, json!({"next": "totp", "factors": ["totp"]}));
    let pending = browser.cookies[COOKIE].clone();
    browser.get("/api/v1/me").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    let me = browser.code(account).await.is(StatusCode::OK).json();
    assert_eq!((me["name"].as_str(), me["role"].as_str()), (Some(account.name.as_str()), Some("provider")));
    assert_eq!(me["clinic"]["name"], app.riverside.clinic.name);
    let full = browser.cookies[COOKIE].clone();
    assert!(planted != pending && pending != full && planted != full);
    browser.get("/api/v1/me").await.is(StatusCode::OK);
    for old in [planted, pending] {
        browser.cookies.insert(COOKIE.into(), old);
        browser.get("/api/v1/me").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_account_answer_alike() {
    let app = App::start().await;
    let mut browser = app.browser();
    let sign_in = "/api/v1/auth/sign-in";
    let known = json!({"email": app.riverside.provider.email, "password": "not the password"});
    let unknown = json!({"email": "nobody@example.org", "password": "not the password"});
    let known = browser.post(sign_in, known).await.refuses(StatusCode::UNAUTHORIZED, "sign_in.failed");
    let unknown = browser.post(sign_in, unknown).await.refuses(StatusCode::UNAUTHORIZED, "sign_in.failed");
    assert_eq!(known.without_request_id(), unknown.without_request_id());
    assert!(browser.cookies.is_empty());
}

#[tokio::test]
async fn a_code_is_good_once() {
    let app = App::start().await;
    let account = &app.riverside.provider;
    app.signed_in(account).await;
    let used = app.code(account);
    let mut other = app.browser();
    other.password(account).await.is(StatusCode::OK);
    other.post("/api/v1/auth/totp", json!({"code": used})).await.refuses(StatusCode::UNAUTHORIZED, "totp.failed");
    other.code(account).await.is(StatusCode::OK);
}

#[tokio::test]
async fn one_code_sent_twice_at_once_signs_in_once() {
    let app = App::start().await;
    let account = &app.riverside.provider;
    let (mut one, mut two) = (app.browser(), app.browser());
    one.password(account).await.is(StatusCode::OK);
    two.password(account).await.is(StatusCode::OK);
    app.clock.advance(Duration::from_secs(30));
    let code = json!({"code": app.code(account)});
    let (one, two) = tokio::join!(one.post("/api/v1/auth/totp", code.clone()), two.post("/api/v1/auth/totp", code));
    let mut statuses = [one.status, two.status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::UNAUTHORIZED]);
}

#[tokio::test]
async fn a_code_without_a_password_is_nothing() {
    let app = App::start().await;
    let account = &app.riverside.provider;
    app.browser().code(account).await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
}

#[tokio::test]
async fn the_sixth_try_in_a_minute_must_wait() {
    let app = App::start().await;
    let mut browser = app.browser();
    let wrong = json!({"email": app.riverside.provider.email, "password": "not the password"});
    for _ in 0..5 {
        browser.post("/api/v1/auth/sign-in", wrong.clone()).await.refuses(StatusCode::UNAUTHORIZED, "sign_in.failed");
    }
    let answer =
        browser.post("/api/v1/auth/sign-in", wrong).await.refuses(StatusCode::TOO_MANY_REQUESTS, "rate_limited");
    assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
    browser.password(&app.riverside.provider).await.refuses(StatusCode::TOO_MANY_REQUESTS, "rate_limited");
}

#[tokio::test]
async fn ten_failures_in_a_row_lock_the_account_for_a_while_even_for_the_right_password() {
    let app = App::start().await;
    let account = &app.riverside.provider;
    let mut browser = app.browser();
    let wrong = json!({"email": account.email, "password": "not the password"});
    let mut statuses = Vec::new();
    for _ in 0..10 {
        app.clock.advance(Duration::from_secs(61));
        statuses.push(browser.post("/api/v1/auth/sign-in", wrong.clone()).await.status);
    }
    assert!(statuses[..9].iter().all(|status| *status == StatusCode::UNAUTHORIZED), "{statuses:?}");
    app.clock.advance(Duration::from_secs(61));
    browser.password(account).await.refuses(StatusCode::LOCKED, "sign_in.locked");
    app.clock.advance(Duration::from_secs(15 * 60));
    browser.password(account).await.is(StatusCode::OK);
}

#[tokio::test]
async fn signing_out_ends_the_session_its_tickets_and_its_sockets() {
    let app = App::start().await;
    let mut provider = app.signed_in(&app.riverside.provider).await;
    let stolen = provider.clone();
    let visit = app.riverside.visits[0].visit_id;
    let ticket = provider.press(&format!("/api/v1/visits/{visit}/ticket")).await.is(StatusCode::OK).json();
    let mut revocations = app.state.revocations.subscribe();
    provider.press("/api/v1/auth/sign-out").await.is(StatusCode::NO_CONTENT);
    assert!(!provider.cookies.contains_key(COOKIE));
    stolen.clone().get("/api/v1/me").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    assert!(matches!(revocations.try_recv(), Ok(api::Ended::Session(_))));
    let ticket = ticket["ticket"].as_str().unwrap();
    let redeemed = app.state.tickets.redeem(ticket, crate::app::ORIGIN, app.state.clock.now());
    assert_eq!(redeemed, Err(api::RedeemError::Unknown));
    provider.press("/api/v1/auth/sign-out").await.is(StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn fifteen_idle_minutes_end_a_session_and_a_page_that_asks_by_itself_does_not_keep_it() {
    let app = App::start().await;
    let mut provider = app.signed_in(&app.riverside.provider).await;
    for _ in 0..3 {
        app.clock.advance(Duration::from_secs(10 * 60));
        provider.get("/api/v1/me").await.is(StatusCode::OK);
    }
    app.clock.advance(Duration::from_secs(10 * 60));
    provider.send(Method::GET, "/api/v1/today", &[("x-bedside-background", "1")], None).await.is(StatusCode::OK);
    provider.get("/api/v1/events").await.is(StatusCode::OK);
    app.clock.advance(Duration::from_secs(6 * 60));
    provider.get("/api/v1/me").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
}

#[tokio::test]
async fn a_busy_provider_is_signed_out_after_eight_hours() {
    let app = App::start().await;
    let mut provider = app.signed_in(&app.riverside.provider).await;
    for _ in 0..47 {
        app.clock.advance(Duration::from_secs(10 * 60));
        provider.get("/api/v1/me").await.is(StatusCode::OK);
    }
    app.clock.advance(Duration::from_secs(11 * 60));
    provider.get("/api/v1/me").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
}
