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

/// Ruth, who acts for `ward` in everything, signed in.
pub async fn guardian(app: &Arc<App>, staff: &mut Browser, ward: visit::PatientId) -> Browser {
    let guardian =
        json!({"name": "Ruth Lopez", "email": "ruth@guardians.example", "relationship": "parent", "scope": "record"});
    staff.post(&format!("/api/v1/patients/{ward}/guardians"), guardian).await.is(StatusCode::CREATED);
    let mut ruth = app.browser();
    ask(&mut ruth, "ruth@guardians.example").await.is(StatusCode::ACCEPTED);
    let token = mailed(app, "ruth@guardians.example", 1).await.remove(0);
    ruth.post(OPEN, json!({"token": token})).await.is(StatusCode::OK);
    ruth.get("/api/v1/portal/me").await.is(StatusCode::OK);
    ruth
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

#[tokio::test]
async fn patients_see_their_chart_and_change_only_where_they_are_reached() {
    let app = App::start().await;
    let mut me = signed_in(&app, 0).await;
    let (mine, theirs) = (patient(&app, 0).patient_id.0, patient(&app, 1).patient_id.0);
    let own = |what: &str| format!("/api/v1/portal/patients/{mine}/{what}");
    let before = me.get(&own("details")).await.is(StatusCode::OK);
    let etag = before.header("etag").to_owned();
    let address = json!({"use": "home", "lines": ["12 Elm Street"], "city": "Springfield", "country": "us"});
    let contact = json!({"phones": [{"number": "(312) 555-0177", "use": "mobile"}],
        "emails": [{"address": "new@patients.example", "use": "home"}], "addresses": [address]});
    me.put(&own("contact"), &[], contact.clone()).await.refuses(StatusCode::PRECONDITION_REQUIRED, "if_match.missing");
    let saved = me.put(&own("contact"), &[("if-match", &etag)], contact.clone()).await.is(StatusCode::OK).json();
    let (old, new) = (&before.json()["demographics"], &saved["demographics"]);
    assert_eq!((&old["name"], &old["date_of_birth"]), (&new["name"], &new["date_of_birth"]));
    assert_eq!((&new["phones"][0]["number"], &new["addresses"][0]["country"]), (&json!("+13125550177"), &json!("US")));
    let late = me.put(&own("contact"), &[("if-match", &etag)], contact.clone()).await;
    let late = late.refuses(StatusCode::PRECONDITION_FAILED, "chart.changed_elsewhere").json();
    assert_eq!(late["version"], saved["version"]);
    let now = format!("\"{}\"", saved["version"]);
    let mut wrong = contact.clone();
    wrong["phones"][0]["number"] = json!("secret");
    let wrong = me.put(&own("contact"), &[("if-match", &now)], wrong).await;
    let wrong = wrong.refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid").json();
    assert_eq!(wrong["field"], "phones[0].number");
    let mut renamed = contact.clone();
    renamed["name"] = json!({"given": "Somebody", "family": "Else"});
    me.put(&own("contact"), &[("if-match", &now)], renamed)
        .await
        .refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");
    assert!(me.get(&own("insurance")).await.is(StatusCode::OK).json()["items"].is_array());
    assert!(me.get(&own("clinical")).await.is(StatusCode::OK).json()["items"].is_array());
    for what in ["details", "insurance", "clinical"] {
        me.get(&format!("/api/v1/portal/patients/{theirs}/{what}")).await.refuses(StatusCode::NOT_FOUND, "not_found");
    }
    me.put(&format!("/api/v1/portal/patients/{theirs}/contact"), &[("if-match", "\"1\"")], contact)
        .await
        .refuses(StatusCode::NOT_FOUND, "not_found");
}

/// The mails of this kind to this address, newest first.
async fn letters(app: &App, kind: Kind, to: &str) -> Vec<String> {
    let mut kept = outbox::kept(&app.state.records, app.riverside.clinic.id, app.state.clock.wall()).await.unwrap();
    kept.retain(|mail| mail.kind == kind && mail.recipient.expose() == to);
    kept.sort_by_key(|mail| (mail.created_at, mail.id));
    kept.iter().rev().map(|mail| mail.body.expose().clone()).collect()
}

#[tokio::test]
async fn a_new_address_counts_once_its_link_was_used_and_the_old_one_is_told() {
    const NEW: &str = "new@patients.example";
    const CONFIRM: &str = "/api/v1/portal/email/confirm";
    let app = App::start().await;
    let mut me = signed_in(&app, 0).await;
    let (mine, old) = (patient(&app, 0).patient_id.0, patient(&app, 0).email.clone());
    let own = |what: &str| format!("/api/v1/portal/patients/{mine}/{what}");
    let read = async |me: &mut Browser| {
        let answer = me.get(&own("details")).await.is(StatusCode::OK);
        (answer.header("etag").to_owned(), answer.json()["demographics"].clone())
    };
    let (etag, before) = read(&mut me).await;
    let phones = json!([{"number": "+13125550177", "use": "mobile"}]);
    let email = |address: &str| json!({"address": address, "use": "home"});
    let contact = |emails: &[serde_json::Value]| json!({"phones": phones, "emails": emails, "addresses": []});

    let two = contact(&[email(NEW), email("newer@patients.example")]);
    let two = me.put(&own("contact"), &[("if-match", &etag)], two).await;
    assert_eq!(two.refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid").json()["field"], "emails");
    me.put(&own("contact"), &[("if-match", &etag)], contact(&[email(NEW)])).await.is(StatusCode::OK);
    let (etag, waiting) = read(&mut me).await;
    assert_eq!((&waiting["emails"], &waiting["phones"][0]["number"]), (&before["emails"], &json!("+13125550177")));
    assert_eq!(me.get(&own("new-email")).await.is(StatusCode::OK).json()["address"], NEW);
    let told = letters(&app, Kind::SecurityNotice, &old).await;
    assert!(told.len() == 1 && told[0].contains("changed which email address") && !told[0].contains(NEW), "{told:?}");
    let asked = letters(&app, Kind::ConfirmEmail, NEW).await;
    assert!(!asked[0].contains(&patient(&app, 0).name), "a mistyped address is a stranger's: {asked:?}");
    let first = asked[0].split("/portal/email#").nth(1).unwrap().lines().next().unwrap().to_owned();
    // Nobody signs in with it yet; with the old one they do.
    ask(&mut app.browser(), NEW).await.is(StatusCode::ACCEPTED);
    app.settled().await;
    assert_eq!(letters(&app, Kind::PortalLink, NEW).await.len(), 0);

    // Asking anew ends the former link.
    app.clock.advance(Duration::from_secs(1));
    me.put(&own("contact"), &[("if-match", &etag)], contact(&[email(NEW)])).await.is(StatusCode::OK);
    let again = letters(&app, Kind::ConfirmEmail, NEW).await;
    let second = again[0].split("/portal/email#").nth(1).unwrap().lines().next().unwrap().to_owned();
    for unusable in [first.as_str(), &"A".repeat(43), "x"] {
        let answer = app.browser().post(CONFIRM, json!({"token": unusable})).await;
        answer.refuses(StatusCode::NOT_FOUND, "portal.link_not_usable");
    }
    app.browser().post(CONFIRM, json!({"token": second})).await.is(StatusCode::NO_CONTENT);
    app.browser()
        .post(CONFIRM, json!({"token": second}))
        .await
        .refuses(StatusCode::NOT_FOUND, "portal.link_not_usable");
    let (etag, after) = read(&mut me).await;
    assert_eq!((after["emails"].as_array().unwrap().len(), &after["emails"][0]["address"]), (1, &json!(NEW)));
    assert_eq!(me.get(&own("new-email")).await.json()["address"], serde_json::Value::Null);
    let mut browser = app.browser();
    ask(&mut browser, NEW).await.is(StatusCode::ACCEPTED);
    let token = mailed(&app, NEW, 1).await.remove(0);
    browser.post(OPEN, json!({"token": token})).await.is(StatusCode::OK);

    // Too late is too late; and not everybody's mailbox is filled from here.
    me.put(&own("contact"), &[("if-match", &etag)], contact(&[email("late@patients.example")]))
        .await
        .is(StatusCode::OK);
    let late = letters(&app, Kind::ConfirmEmail, "late@patients.example").await;
    let late = late[0].split("/portal/email#").nth(1).unwrap().lines().next().unwrap().to_owned();
    for n in 0..2 {
        let next = contact(&[email(&format!("{n}@patients.example"))]);
        me.put(&own("contact"), &[("if-match", &etag)], next).await.is(StatusCode::OK);
    }
    let sixth = me.put(&own("contact"), &[("if-match", &etag)], contact(&[email("6@patients.example")])).await;
    sixth.refuses(StatusCode::TOO_MANY_REQUESTS, "rate_limited");
    let last = letters(&app, Kind::ConfirmEmail, "1@patients.example").await;
    let last = last[0].split("/portal/email#").nth(1).unwrap().lines().next().unwrap().to_owned();
    app.clock.advance(Duration::from_secs(24 * 3_600));
    for token in [late, last] {
        let answer = app.browser().post(CONFIRM, json!({"token": token})).await;
        answer.refuses(StatusCode::NOT_FOUND, "portal.link_not_usable");
    }
}

#[tokio::test]
async fn a_guardian_who_ceased_to_act_confirms_nothing() {
    let app = App::start().await;
    let ward = patient(&app, 0).patient_id.0;
    let mut desk = app.signed_in(&app.riverside.front_desk).await;
    let mut ruth = guardian(&app, &mut desk, visit::PatientId(ward)).await;
    let own = format!("/api/v1/portal/patients/{ward}/details");
    let etag = ruth.get(&own).await.is(StatusCode::OK).header("etag").to_owned();
    let contact =
        json!({"phones": [], "emails": [{"address": "hers@patients.example", "use": "home"}], "addresses": []});
    let path = format!("/api/v1/portal/patients/{ward}/contact");
    ruth.put(&path, &[("if-match", &etag)], contact).await.is(StatusCode::OK);
    let mail = letters(&app, Kind::ConfirmEmail, "hers@patients.example").await;
    let token = mail[0].split("/portal/email#").nth(1).unwrap().lines().next().unwrap().to_owned();
    let list = desk.get(&format!("/api/v1/patients/{ward}/guardians")).await.is(StatusCode::OK).json();
    let end = json!({"guardianship_id": list["items"][0]["guardianship_id"]});
    desk.post(&format!("/api/v1/patients/{ward}/guardians/end"), end).await.is(StatusCode::NO_CONTENT);
    let answer = app.browser().post("/api/v1/portal/email/confirm", json!({"token": token})).await;
    answer.refuses(StatusCode::NOT_FOUND, "portal.link_not_usable");
}

#[tokio::test]
async fn patients_and_guardians_take_the_record_that_is_theirs_to_take() {
    let app = App::start().await;
    let (ward, other) = (patient(&app, 0).patient_id.0, patient(&app, 1).patient_id.0);
    let mut desk = app.signed_in(&app.riverside.front_desk).await;
    let ruth = guardian(&app, &mut desk, visit::PatientId(ward)).await;
    for mut browser in [signed_in(&app, 0).await, ruth] {
        browser.get(&format!("/api/v1/portal/patients/{ward}/details")).await.is(StatusCode::OK);
        let wanted = json!({"lang": "en"});
        let zip = browser.post(&format!("/api/v1/portal/patients/{ward}/export"), wanted.clone()).await;
        let zip = zip.is(StatusCode::OK);
        assert_eq!(zip.header("content-type"), "application/zip");
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(zip.bytes)).unwrap();
        let bundle: serde_json::Value = serde_json::from_reader(zip.by_name("fhir/bundle.json").unwrap()).unwrap();
        assert!(bundle.to_string().contains(&ward.to_string()), "it is the ward's");
        browser
            .post(&format!("/api/v1/portal/patients/{other}/export"), wanted)
            .await
            .refuses(StatusCode::NOT_FOUND, "not_found");
    }
}
