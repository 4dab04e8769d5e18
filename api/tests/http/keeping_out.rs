//! Who lost all second factors, and who is knocked at by strangers: the owner gets in, and nobody else.

use std::sync::Arc;
use std::time::Duration;

use api::Ended;
use axum::http::{Method, StatusCode};
use records::demo::DemoAccount;
use records::outbox;
use serde_json::{Value, json};
use visit::{Person, Role, StaffId};

use crate::app::{App, Browser};

const PASSWORD: &str = "tin kettle over the fence";
const SIGN_IN: &str = "/api/v1/auth/sign-in";

async fn newest_mail(app: &App, to: &str) -> (outbox::Kind, String) {
    let mut kept = outbox::kept(&app.state.records, app.riverside.clinic.id, app.state.clock.wall()).await.unwrap();
    kept.retain(|mail| mail.recipient.expose() == to);
    kept.sort_by_key(|mail| (mail.created_at, mail.id));
    let newest = kept.last().unwrap_or_else(|| panic!("no mail to {to}"));
    (newest.kind, newest.body.expose().clone())
}

async fn reset_token(app: &Arc<App>, account: &DemoAccount) -> String {
    app.browser_at("203.0.113.250")
        .post("/api/v1/auth/password-reset", json!({"email": account.email}))
        .await
        .is(StatusCode::ACCEPTED);
    app.settled().await;
    let (kind, body) = newest_mail(app, &account.email).await;
    assert_eq!(kind, outbox::Kind::PasswordReset);
    body.split_once("/reset/").unwrap().1.split_whitespace().next().unwrap().to_owned()
}

/// Strangers at many addresses try wrong passwords until nobody that is not known may try any more.
async fn besiege(app: &Arc<App>, email: &str) {
    for n in 0..50 {
        let mut stranger = app.browser_at(&format!("198.51.100.{n}"));
        let body = json!({"email": email, "password": "not the password"});
        stranger.post(SIGN_IN, body).await.refuses(StatusCode::UNAUTHORIZED, "sign_in.failed");
    }
}

#[tokio::test]
async fn who_lost_every_factor_gets_a_new_one_by_an_administrator_and_only_that_way() {
    let app = App::start().await;
    let lost = app.hire("Lou Loser", Role::Provider, &[]).await;
    let mut running = app.signed_in(&lost).await;
    let codes = running.press("/api/v1/account/recovery-codes").await.is(StatusCode::CREATED).json();
    let code = codes["codes"][0].as_str().unwrap().to_owned();
    let id: StaffId = running.get("/api/v1/me").await.json()["staff_id"].as_str().unwrap().parse().unwrap();
    let mut admin = app.signed_in(&app.riverside.clinic_admin).await;
    let path = format!("/api/v1/staff/{id}/reset-factors");
    admin.post(&path, json!({"reason": " a  "})).await.refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");
    let me = admin.get("/api/v1/me").await.json()["staff_id"].as_str().unwrap().to_owned();
    let mine = format!("/api/v1/staff/{me}/reset-factors");
    admin.post(&mine, json!({"reason": "lost my phone"})).await.refuses(StatusCode::NOT_FOUND, "not_found");

    let mut ended = app.state.revocations.subscribe();
    let reason = "came by with the badge";
    admin.post(&path, json!({"reason": reason})).await.is(StatusCode::NO_CONTENT);
    assert_eq!(ended.try_recv(), Ok(Ended::Person(Person::Staff(id))));
    running.get("/api/v1/me").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    let (kind, body) = newest_mail(&app, &lost.email).await;
    assert_eq!(kind, outbox::Kind::SecurityNotice);
    assert!(body.contains("took all second factors") && !body.contains(reason), "{body}");

    // The password leads to setting up a factor and to nothing else; neither the old app nor a recovery code helps.
    let mut browser = app.browser();
    let next = browser.password(&lost).await.is(StatusCode::OK).json();
    assert_eq!(next, json!({"next": "enrol", "factors": []}));
    browser.get("/api/v1/me").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    browser.code(&lost).await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    browser.post("/api/v1/auth/recovery", json!({"code": code})).await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    let secret = browser.post("/api/v1/enrol/totp", json!({"name": "New phone"})).await.is(StatusCode::CREATED).json();
    let account = DemoAccount { totp_secret: secret["secret"].as_str().unwrap().to_owned(), ..lost.clone() };
    let confirm = json!({"factor_id": secret["factor_id"], "code": app.code(&account)});
    let done = browser.post("/api/v1/enrol/totp/confirm", confirm).await.is(StatusCode::OK).json();
    assert_eq!(done["recovery_codes"].as_array().unwrap().len(), 10, "the former set is void");
    browser.get("/api/v1/me").await.is(StatusCode::OK);
    let next = app.browser().password(&lost).await.is(StatusCode::OK).json();
    assert_eq!(next["next"], "totp");

    // Who, whom and why stand in the log.
    let mut compliance = app.signed_in(&app.riverside.compliance).await;
    let found = compliance.get("/api/v1/audit?action=staff.reset_factors").await.is(StatusCode::OK).json();
    let done: Vec<&Value> =
        found["items"].as_array().unwrap().iter().filter(|item| item["outcome"] == "allowed").collect();
    assert_eq!(done.len(), 1);
    assert!(done[0].to_string().contains(reason), "{}", done[0]);
}

#[tokio::test]
async fn a_reset_that_nobody_used_ends_after_72_hours() {
    let app = App::start().await;
    let lost = app.hire("Lou Loser", Role::Nurse, &[]).await;
    let mut running = app.signed_in(&lost).await;
    let id = running.get("/api/v1/me").await.json()["staff_id"].as_str().unwrap().to_owned();
    let mut admin = app.signed_in(&app.riverside.clinic_admin).await;
    let path = format!("/api/v1/staff/{id}/reset-factors");
    admin.post(&path, json!({"reason": "lost the phone"})).await.is(StatusCode::NO_CONTENT);
    app.clock.advance(Duration::from_secs(72 * 3_600 - 1));
    app.browser().password(&lost).await.is(StatusCode::OK);
    app.clock.advance(Duration::from_secs(1));
    app.browser().password(&lost).await.refuses(StatusCode::UNAUTHORIZED, "sign_in.failed");
}

#[tokio::test]
async fn strangers_who_keep_trying_do_not_keep_out_a_browser_that_signed_in_before() {
    let app = App::start().await;
    let account = &app.riverside.provider;
    let mut known = app.signed_in(account).await;
    known.press("/api/v1/auth/sign-out").await.is(StatusCode::NO_CONTENT);
    let mut made_up = known.clone();
    besiege(&app, &account.email).await;
    let mut new = app.browser();
    new.password(account).await.refuses(StatusCode::LOCKED, "sign_in.guarded");
    made_up.cookies.insert("__Host-bedside-device".into(), "Z".repeat(43));
    made_up.password(account).await.refuses(StatusCode::LOCKED, "sign_in.guarded");
    // Another account's browser is a stranger here.
    let mut other = app.signed_in(&app.riverside.front_desk).await;
    other.password(account).await.refuses(StatusCode::LOCKED, "sign_in.guarded");
    known.password(account).await.is(StatusCode::OK);
    known.code(account).await.is(StatusCode::OK);
    new.password(account).await.refuses(StatusCode::LOCKED, "sign_in.guarded");
    app.clock.advance(Duration::from_secs(3_601));
    new.password(account).await.is(StatusCode::OK);
}

#[tokio::test]
async fn an_account_that_does_not_exist_is_guarded_alike() {
    let app = App::start().await;
    besiege(&app, "nobody@nowhere.example").await;
    let body = json!({"email": "nobody@nowhere.example", "password": PASSWORD});
    let unknown = app.browser().post(SIGN_IN, body).await.refuses(StatusCode::LOCKED, "sign_in.guarded");
    besiege(&app, &app.riverside.provider.email).await;
    let known = app.browser().password(&app.riverside.provider).await.refuses(StatusCode::LOCKED, "sign_in.guarded");
    assert_eq!(unknown.without_request_id(), known.without_request_id());
}

#[tokio::test]
async fn one_place_alone_locks_itself_out_and_nobody_else() {
    let app = App::start().await;
    let account = &app.riverside.provider;
    let mut refused = 0;
    // An hour of tries from one place: what it can do is less than what would close the door to all.
    for _ in 0..300 {
        let mut stranger = app.browser_at("198.51.100.7");
        let body = json!({"email": account.email, "password": "not the password"});
        refused += usize::from(stranger.post(SIGN_IN, body).await.status != StatusCode::UNAUTHORIZED);
        app.clock.advance(Duration::from_secs(12));
    }
    assert!((251..300).contains(&refused), "fewer than 50 were tried: {refused}");
    let mut owner: Browser = app.browser();
    owner.password(account).await.is(StatusCode::OK);
    owner.code(account).await.is(StatusCode::OK);
}

#[tokio::test]
async fn a_mailed_link_opens_a_new_browser_while_strangers_try_but_no_more_codes() {
    let app = App::start().await;
    let account = app.riverside.provider.clone();
    besiege(&app, &account.email).await;
    let first = reset_token(&app, &account).await;
    // A stranger asks for another link: the owner's still works.
    app.clock.advance(Duration::from_secs(121));
    let second = reset_token(&app, &account).await;
    assert_ne!(first, second);
    let mut owner = app.browser();
    let complete = json!({"token": first, "password": PASSWORD});
    owner.post("/api/v1/auth/password-reset/complete", complete).await.is(StatusCode::NO_CONTENT);
    let late = json!({"token": second, "password": "another tin kettle"});
    app.browser()
        .post("/api/v1/auth/password-reset/complete", late)
        .await
        .refuses(StatusCode::NOT_FOUND, "link.not_usable");
    let renewed = DemoAccount { password: PASSWORD.to_owned(), ..account.clone() };
    app.browser().password(&renewed).await.refuses(StatusCode::LOCKED, "sign_in.guarded");

    // Somebody else with the password fills the count of codes; a browser that is known by mail alone shares it.
    let mut thief = app.signed_in(&app.riverside.front_desk).await;
    thief.cookies = owner.cookies.clone();
    let mut last = StatusCode::OK;
    for _ in 0..12 {
        app.clock.advance(Duration::from_secs(61));
        thief.password(&renewed).await;
        last = thief.post("/api/v1/auth/totp", json!({"code": "000000"})).await.status;
        if last == StatusCode::LOCKED {
            break;
        }
    }
    assert_eq!(last, StatusCode::LOCKED);
    app.clock.advance(Duration::from_secs(15 * 60));
    owner.password(&renewed).await.is(StatusCode::OK);
    owner.code(&renewed).await.is(StatusCode::OK);
    owner.send(Method::GET, "/api/v1/me", &[], None).await.is(StatusCode::OK);
    let (_, body) = newest_mail(&app, &account.email).await;
    assert!(body.contains("not used before"), "the first sign-in of a browser that is known by mail is told: {body}");
}
