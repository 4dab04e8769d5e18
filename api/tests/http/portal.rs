//! The patients' portal over HTTP: in by a link, and nothing but one's own record.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, StatusCode};
use records::demo::DemoPatient;
use records::outbox::{self, Kind};
use serde_json::json;
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::app::{App, Browser};

const OPEN: &str = "/api/v1/portal/open";

/// The tokens that were mailed to `email`, newest first, once there are `count`: a link is sent after the answer.
async fn mailed(app: &Arc<App>, email: &str, count: usize) -> Vec<String> {
    loop {
        let kept = outbox::kept(&app.state.records, app.riverside.clinic.id, app.state.clock.wall()).await.unwrap();
        let links = kept.iter().filter(|mail| mail.kind == Kind::PortalLink && mail.recipient.expose() == email);
        let tokens: Vec<String> = links
            .map(|mail| mail.body.expose().split("/portal/in#").nth(1).unwrap().lines().next().unwrap().to_owned())
            .collect();
        if tokens.len() >= count {
            return tokens;
        }
        tokio::task::yield_now().await;
    }
}

async fn ask(browser: &mut Browser, email: &str) -> crate::app::Answer {
    browser.post("/api/v1/portal/sign-in", json!({"email": email, "lang": "en"})).await
}

fn patient(app: &App, n: usize) -> &DemoPatient {
    let name = &app.riverside.visits[n].patient_name;
    app.riverside.patients.iter().find(|patient| patient.name == *name).unwrap()
}

/// A browser signed in as the patient of visit `n`.
pub async fn signed_in(app: &Arc<App>, n: usize) -> Browser {
    let mut browser = app.browser();
    let email = &patient(app, n).email;
    ask(&mut browser, email).await.is(StatusCode::ACCEPTED);
    let token = mailed(app, email, 1).await.remove(0);
    let opened = browser.post(OPEN, json!({"token": token})).await.is(StatusCode::OK);
    assert_eq!(opened.json()["next"], "record");
    browser
}

#[tokio::test]
async fn a_known_and_an_unknown_address_get_one_and_the_same_answer() {
    let app = App::start().await;
    let known = ask(&mut app.browser(), &patient(&app, 0).email).await.is(StatusCode::ACCEPTED);
    let unknown = ask(&mut app.browser(), "nobody@patients.example").await.is(StatusCode::ACCEPTED);
    let plain = |answer: &crate::app::Answer| {
        let mut headers = answer.headers.clone();
        headers.remove("x-request-id");
        (answer.bytes.clone(), headers)
    };
    assert_eq!(plain(&known), plain(&unknown));
    ask(&mut app.browser(), "").await.refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");
}

#[tokio::test]
async fn asking_is_limited_like_every_sign_in() {
    let app = App::start().await;
    let mut browser = app.browser();
    for _ in 0..5 {
        ask(&mut browser, "somebody@patients.example").await.is(StatusCode::ACCEPTED);
    }
    ask(&mut browser, "somebody@patients.example").await.refuses(StatusCode::TOO_MANY_REQUESTS, "rate_limited");
}

#[tokio::test]
async fn only_pressing_the_button_uses_a_link_up() {
    let app = App::start().await;
    let email = &patient(&app, 0).email;
    let mut browser = app.browser();
    ask(&mut browser, email).await.is(StatusCode::ACCEPTED);
    let token = mailed(&app, email, 1).await.remove(0);
    let body = json!({"token": token}).to_string();
    // What scanners and previews do: they fetch, from nowhere or from another site's page.
    for method in [Method::GET, Method::HEAD] {
        let mut fetch = Request::builder().method(method).uri(OPEN).body(Body::empty()).unwrap();
        fetch.extensions_mut().insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 250], 50_000))));
        let fetched = app.router.clone().oneshot(fetch).await.unwrap();
        assert_eq!(fetched.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
    let foreign = [("origin", "https://scanner.example")];
    app.browser().send(Method::POST, OPEN, &foreign, Some(body)).await.refuses(StatusCode::FORBIDDEN, "origin.foreign");
    browser.post(OPEN, json!({"token": token})).await.is(StatusCode::OK);
    browser.get("/api/v1/portal/me").await.is(StatusCode::OK);
    let again = app.browser().post(OPEN, json!({"token": token})).await;
    let again = again.refuses(StatusCode::NOT_FOUND, "portal.link_not_usable");
    let unknown = app.browser().post(OPEN, json!({"token": "A".repeat(43)})).await;
    assert_eq!(again.without_request_id(), unknown.without_request_id(), "used and unknown look alike");
}

#[tokio::test]
async fn nobody_sees_anothers_record_whoever_they_are() {
    let app = App::start().await;
    let mut me = signed_in(&app, 0).await;
    let (mine, theirs) = (patient(&app, 0).patient_id.0, patient(&app, 1).patient_id.0);
    let (my_visit, their_visit) = (app.riverside.visits[0].visit_id.0, app.riverside.visits[1].visit_id.0);
    let foreign = app.lakeside.patients[0].patient_id.0;
    for what in ["visits", "consents", "accesses"] {
        me.get(&format!("/api/v1/portal/patients/{mine}/{what}")).await.is(StatusCode::OK);
        let unknown = me.get(&format!("/api/v1/portal/patients/{}/{what}", Uuid::now_v7())).await;
        for other in [theirs, foreign] {
            let answer = me.get(&format!("/api/v1/portal/patients/{other}/{what}")).await;
            let answer = answer.refuses(StatusCode::NOT_FOUND, "not_found");
            assert_eq!(answer.without_request_id(), unknown.without_request_id());
        }
    }
    for (visit, of) in [(their_visit, theirs), (their_visit, mine), (my_visit, theirs), (my_visit, mine)] {
        // One's own as well: nothing is signed yet.
        me.get(&format!("/api/v1/portal/visits/{visit}/note?patient={of}"))
            .await
            .refuses(StatusCode::NOT_FOUND, "not_found");
    }
    me.press(&format!("/api/v1/portal/visits/{their_visit}/join?patient={mine}"))
        .await
        .refuses(StatusCode::NOT_FOUND, "not_found");
    let link = me.press(&format!("/api/v1/portal/visits/{my_visit}/join?patient={mine}")).await.is(StatusCode::OK);
    assert!(link.json()["link"].as_str().unwrap().contains("/v/"));
    // The portal's session opens nothing else, and no other opens the portal.
    me.get("/api/v1/me").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    me.get("/api/v1/join").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    let mut staff = app.signed_in(&app.riverside.provider).await;
    staff.get("/api/v1/portal/me").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    staff.get(&format!("/api/v1/portal/patients/{mine}/visits")).await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
}

#[tokio::test]
async fn a_session_idles_out_is_ended_elsewhere_and_by_its_owner() {
    let app = App::start().await;
    let (mut here, mut there) = (signed_in(&app, 0).await, app.browser());
    let email = &patient(&app, 0).email;
    ask(&mut there, email).await.is(StatusCode::ACCEPTED);
    let token = mailed(&app, email, 2).await.remove(0);
    there.post(OPEN, json!({"token": token})).await.is(StatusCode::OK);
    let sessions = here.get("/api/v1/portal/sessions").await.is(StatusCode::OK).json();
    let other = sessions["items"].as_array().unwrap().iter().find(|session| session["current"] == false).unwrap();
    let other = other["id"].as_str().unwrap();
    signed_in(&app, 1)
        .await
        .delete(&format!("/api/v1/portal/sessions/{other}"))
        .await
        .refuses(StatusCode::NOT_FOUND, "not_found");
    here.delete(&format!("/api/v1/portal/sessions/{other}")).await.is(StatusCode::NO_CONTENT);
    there.get("/api/v1/portal/me").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    app.clock.advance(Duration::from_secs(14 * 60));
    here.get("/api/v1/portal/me").await.is(StatusCode::OK);
    app.clock.advance(Duration::from_secs(15 * 60));
    here.get("/api/v1/portal/me").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    let mut last = signed_in(&app, 2).await;
    last.press("/api/v1/portal/sign-out").await.is(StatusCode::NO_CONTENT);
    last.get("/api/v1/portal/me").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
}

#[tokio::test]
async fn the_second_factor_is_switched_on_with_a_code_of_it() {
    let app = App::start().await;
    let mut me = signed_in(&app, 0).await;
    assert_eq!(me.get("/api/v1/portal/second-factor").await.is(StatusCode::OK).json()["on"], false);
    let secret = me.press("/api/v1/portal/second-factor").await.is(StatusCode::OK).json();
    assert!(secret["otpauth"].as_str().unwrap().starts_with("otpauth://totp/Riverside%20Family%20Clinic:"));
    let wrong = me.put("/api/v1/portal/second-factor", &[], json!({"code": "000000"})).await;
    wrong.refuses(StatusCode::UNAUTHORIZED, "portal.code_wrong");
    let code = {
        let secret = totp_rs::Secret::try_from_base32(secret["secret"].as_str().unwrap()).unwrap();
        let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
        totp.generate(u64::try_from(app.state.clock.wall().unix_timestamp()).unwrap()).to_string()
    };
    me.put("/api/v1/portal/second-factor", &[], json!({"code": code})).await.is(StatusCode::NO_CONTENT);
    me.press("/api/v1/portal/second-factor").await.refuses(StatusCode::CONFLICT, "portal.no_second_factor");
    let email = &patient(&app, 0).email;
    let mut there = app.browser();
    ask(&mut there, email).await.is(StatusCode::ACCEPTED);
    let token = mailed(&app, email, 2).await.remove(0);
    let opened = there.post(OPEN, json!({"token": token})).await.is(StatusCode::OK);
    assert_eq!(opened.json()["next"], "totp");
    there.get("/api/v1/portal/me").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    there
        .post("/api/v1/portal/totp", json!({"code": code}))
        .await
        .refuses(StatusCode::UNAUTHORIZED, "portal.code_wrong");
}
