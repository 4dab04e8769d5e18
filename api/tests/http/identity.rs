//! Who staff are: invitations, roles, passwords, factors, sessions, and what ends when.

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
const SIX_MINUTES: Duration = Duration::from_secs(6 * 60);

/// The mails of this clinic to this address that the outbox holds, newest first.
async fn mails(app: &App, to: &str) -> Vec<(outbox::Kind, String)> {
    let mut kept = outbox::kept(&app.state.records, app.riverside.clinic.id, app.state.clock.wall()).await.unwrap();
    kept.retain(|mail| mail.recipient.expose() == to);
    kept.sort_by_key(|mail| (mail.created_at, mail.id));
    kept.iter().rev().map(|mail| (mail.kind, mail.body.expose().clone())).collect()
}

/// The token in the newest mail of this kind.
async fn mailed_token(app: &App, to: &str, kind: outbox::Kind, path: &str) -> String {
    let mails = mails(app, to).await;
    let (_, body) = mails.iter().find(|(of, _)| *of == kind).unwrap_or_else(|| panic!("no mail of this kind to {to}"));
    let after = body.split_once(path).unwrap().1;
    after.split_whitespace().next().unwrap().to_owned()
}

async fn invite(admin: &mut Browser, email: &str, role: &str) -> StaffId {
    let body = json!({"name": "Ana Ruiz", "email": email, "role": role});
    let made = admin.post("/api/v1/staff", body).await.is(StatusCode::CREATED).json();
    made["id"].as_str().unwrap().parse().unwrap()
}

/// From an invitation's token to being in, by an authenticator app.
async fn join(app: &Arc<App>, email: &str, token: &str) -> (Browser, DemoAccount, Vec<String>) {
    let mut browser = app.browser();
    let accept = json!({"token": token, "password": PASSWORD});
    let next = browser.post("/api/v1/invitation/accept", accept).await.is(StatusCode::ACCEPTED).json();
    assert_eq!(next["next"], "enrol");
    browser.get("/api/v1/me").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    let secret = browser.post("/api/v1/enrol/totp", json!({"name": "Phone"})).await.is(StatusCode::CREATED).json();
    let totp_secret = secret["secret"].as_str().unwrap().to_owned();
    let account = DemoAccount {
        email: email.to_owned(),
        password: PASSWORD.to_owned(),
        totp_secret,
        name: "Ana Ruiz".to_owned(),
    };
    let code = json!({"factor_id": secret["factor_id"], "code": app.code(&account)});
    let done = browser.post("/api/v1/enrol/totp/confirm", code).await.is(StatusCode::OK).json();
    assert_eq!(done["me"]["name"], "Ana Ruiz");
    let codes =
        done["recovery_codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect();
    (browser, account, codes)
}

async fn member(app: &Arc<App>, admin: &mut Browser, id: StaffId) -> Value {
    app.clock.advance(Duration::from_millis(1));
    let list = admin.get("/api/v1/staff").await.is(StatusCode::OK).json();
    list["items"].as_array().unwrap().iter().find(|item| item["id"] == id.0.to_string()).unwrap().clone()
}

#[tokio::test]
async fn an_invited_person_is_in_after_a_password_and_a_second_factor_and_not_before() {
    let app = App::start().await;
    let mut admin = app.signed_in(&app.riverside.clinic_admin).await;
    let email = "ana.ruiz@riverside.example";
    let id = invite(&mut admin, email, "provider").await;
    assert_eq!(member(&app, &mut admin, id).await["standing"], "invited");
    let taken = json!({"name": "Other", "email": email.to_uppercase(), "role": "nurse"});
    admin.post("/api/v1/staff", taken).await.refuses(StatusCode::CONFLICT, "staff.email_taken");
    let token = mailed_token(&app, email, outbox::Kind::Invitation, "/invitation/").await;
    // Mail scanners open links: nothing is used up.
    for _ in 0..3 {
        let page =
            app.browser().post("/api/v1/invitation/open", json!({"token": token})).await.is(StatusCode::OK).json();
        assert_eq!((&page["name"], &page["role"]), (&json!("Ana Ruiz"), &json!("provider")));
    }
    for (weak, code) in [("short", "password.short"), ("AnaRuiz123456", "password.like_account")] {
        let body = json!({"token": token, "password": weak});
        app.browser().post("/api/v1/invitation/accept", body).await.refuses(StatusCode::CONFLICT, code);
    }
    let (mut ana, account, codes) = join(&app, email, &token).await;
    assert_eq!(codes.len(), 10);
    ana.get("/api/v1/today").await.is(StatusCode::OK);
    let mut late = app.browser();
    late.post("/api/v1/invitation/open", json!({"token": token}))
        .await
        .refuses(StatusCode::NOT_FOUND, "link.not_usable");
    let again = json!({"token": token, "password": PASSWORD});
    late.post("/api/v1/invitation/accept", again).await.refuses(StatusCode::NOT_FOUND, "link.not_usable");
    let seen = member(&app, &mut admin, id).await;
    assert_eq!((&seen["standing"], &seen["factors"]), (&json!("active"), &json!(["totp"])));
    assert!(seen["last_sign_in_at"].is_string());
    app.signed_in(&account).await.get("/api/v1/me").await.is(StatusCode::OK);

    // A recovery code opens the way to another factor, and says so by mail.
    let mut lost = app.browser();
    lost.password(&account).await.is(StatusCode::OK);
    lost.post("/api/v1/auth/recovery", json!({"code": codes[0]})).await.is(StatusCode::ACCEPTED);
    lost.get("/api/v1/me").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    lost.get("/api/v1/enrol").await.is(StatusCode::OK);
    let told = mails(&app, email).await;
    assert!(told[0].1.contains("9 are left"), "{told:?}");
}

#[tokio::test]
async fn an_invitation_ends_after_72_hours_when_withdrawn_and_when_sent_again() {
    let app = App::start().await;
    let mut admin = app.signed_in(&app.riverside.clinic_admin).await;
    let email = "ana.ruiz@riverside.example";
    let id = invite(&mut admin, email, "nurse").await;
    let path = format!("/api/v1/staff/{id}/invitation");
    let open = async |token: &str| app.browser().post("/api/v1/invitation/open", json!({"token": token})).await.status;
    let first = mailed_token(&app, email, outbox::Kind::Invitation, "/invitation/").await;
    app.clock.advance(Duration::from_secs(1));
    admin.press(&path).await.is(StatusCode::NO_CONTENT);
    let second = mailed_token(&app, email, outbox::Kind::Invitation, "/invitation/").await;
    assert_ne!(first, second);
    assert_eq!((open(&first).await, open(&second).await), (StatusCode::NOT_FOUND, StatusCode::OK));
    admin.delete(&path).await.is(StatusCode::NO_CONTENT);
    assert_eq!(open(&second).await, StatusCode::NOT_FOUND);
    assert_eq!(member(&app, &mut admin, id).await["invitation"], "revoked");
    app.clock.advance(Duration::from_secs(1));
    admin.press(&path).await.is(StatusCode::NO_CONTENT);
    let third = mailed_token(&app, email, outbox::Kind::Invitation, "/invitation/").await;
    app.clock.advance(Duration::from_secs(72 * 3600 - 1));
    assert_eq!(open(&third).await, StatusCode::OK);
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(open(&third).await, StatusCode::NOT_FOUND);
    let late = json!({"token": third, "password": PASSWORD});
    app.browser().post("/api/v1/invitation/accept", late).await.refuses(StatusCode::NOT_FOUND, "link.not_usable");
}

#[tokio::test]
async fn who_closed_the_page_after_the_password_goes_on_by_signing_in_until_the_invitation_ends() {
    let app = App::start().await;
    let mut admin = app.signed_in(&app.riverside.clinic_admin).await;
    let email = "ana.ruiz@riverside.example";
    invite(&mut admin, email, "nurse").await;
    let token = mailed_token(&app, email, outbox::Kind::Invitation, "/invitation/").await;
    let accept = json!({"token": token, "password": PASSWORD});
    app.browser().post("/api/v1/invitation/accept", accept).await.is(StatusCode::ACCEPTED);
    let sign_in = json!({"email": email, "password": PASSWORD});
    let mut back = app.browser();
    let next = back.post("/api/v1/auth/sign-in", sign_in.clone()).await.is(StatusCode::OK).json();
    assert_eq!(next["next"], "enrol");
    back.get("/api/v1/enrol").await.is(StatusCode::OK);
    app.clock.advance(Duration::from_secs(72 * 3600));
    back.post("/api/v1/auth/sign-in", sign_in).await.refuses(StatusCode::UNAUTHORIZED, "sign_in.failed");
}

#[tokio::test]
async fn the_last_administrator_stays_and_a_leavers_access_ends_at_once() {
    let app = App::start().await;
    let mut admin = app.signed_in(&app.riverside.clinic_admin).await;
    let me = admin.get("/api/v1/me").await.json()["staff_id"].as_str().unwrap().to_owned();
    admin.press(&format!("/api/v1/staff/{me}/deactivate")).await.refuses(StatusCode::CONFLICT, "staff.last_admin");
    let role = json!({"role": "provider"});
    let mine = format!("/api/v1/staff/{me}/role");
    admin.put(&mine, &[], role).await.refuses(StatusCode::CONFLICT, "staff.last_admin");
    for never in ["patient", "guardian", "super_admin"] {
        let body = json!({"role": never});
        admin.put(&mine, &[], body).await.refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");
    }

    let leaver = app.hire("Lea Ver", Role::Provider, &[]).await;
    let mut gone = app.signed_in(&leaver).await;
    let id: StaffId = gone.get("/api/v1/me").await.json()["staff_id"].as_str().unwrap().parse().unwrap();
    let mut ended = app.state.revocations.subscribe();
    admin.press(&format!("/api/v1/staff/{id}/deactivate")).await.is(StatusCode::NO_CONTENT);
    assert_eq!(ended.try_recv(), Ok(Ended::Person(Person::Staff(id))));
    gone.get("/api/v1/me").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    gone.password(&leaver).await.refuses(StatusCode::UNAUTHORIZED, "sign_in.failed");
    admin.press(&format!("/api/v1/staff/{id}/deactivate")).await.refuses(StatusCode::CONFLICT, "staff.changed");
    admin.press(&format!("/api/v1/staff/{id}/reactivate")).await.is(StatusCode::NO_CONTENT);
    let mut back = app.signed_in(&leaver).await;

    let role = format!("/api/v1/staff/{id}/role");
    admin.put(&role, &[], json!({"role": "clinic_admin"})).await.is(StatusCode::NO_CONTENT);
    assert_eq!(ended.try_recv(), Ok(Ended::Person(Person::Staff(id))));
    back.get("/api/v1/me").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    let mut second = app.signed_in(&leaver).await;
    assert_eq!(second.get("/api/v1/me").await.json()["role"], "clinic_admin");
    admin.press(&format!("/api/v1/staff/{me}/deactivate")).await.is(StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn two_administrators_who_remove_each_other_at_once_leave_one() {
    let app = App::start().await;
    let other = app.hire("Adm Intwo", Role::ClinicAdmin, &[]).await;
    let (mut one, mut two) = (app.signed_in(&app.riverside.clinic_admin).await, app.signed_in(&other).await);
    let first = one.get("/api/v1/me").await.json()["staff_id"].as_str().unwrap().to_owned();
    let second = two.get("/api/v1/me").await.json()["staff_id"].as_str().unwrap().to_owned();
    let (theirs, mine) = (format!("/api/v1/staff/{second}/deactivate"), format!("/api/v1/staff/{first}/deactivate"));
    let (a, b) = tokio::join!(one.press(&theirs), two.press(&mine));
    assert_eq!(
        [a.status, b.status].iter().filter(|status| **status == StatusCode::NO_CONTENT).count(),
        1,
        "{a:?} {b:?}"
    );
}

#[tokio::test]
async fn what_is_sensitive_needs_a_second_factor_of_the_last_five_minutes() {
    let app = App::start().await;
    let account = app.riverside.clinic_admin.clone();
    let mut admin = app.signed_in(&account).await;
    let id = app.provider;
    let sensitive: Vec<(Method, String, Option<Value>)> = vec![
        (Method::POST, "/api/v1/staff".into(), Some(json!({"name": "A", "email": "a@b.example", "role": "nurse"}))),
        (Method::POST, format!("/api/v1/staff/{id}/invitation"), None),
        (Method::DELETE, format!("/api/v1/staff/{id}/invitation"), None),
        (Method::PUT, format!("/api/v1/staff/{id}/role"), Some(json!({"role": "nurse"}))),
        (Method::POST, format!("/api/v1/staff/{id}/deactivate"), None),
        (Method::POST, format!("/api/v1/staff/{id}/reactivate"), None),
        (
            Method::PUT,
            "/api/v1/settings".into(),
            Some(json!({"retention_years": 7, "care_days": 30, "shares_recordings": false})),
        ),
        (Method::POST, format!("/api/v1/staff/{id}/reset-factors"), Some(json!({"reason": "lost the phone"}))),
        (Method::DELETE, format!("/api/v1/staff/{id}/sessions"), None),
        (Method::POST, "/api/v1/account/totp".into(), Some(json!({"name": "Phone"}))),
        (Method::POST, "/api/v1/account/totp/confirm".into(), Some(json!({"factor_id": id.0, "code": "123456"}))),
        (Method::POST, "/api/v1/account/webauthn/options".into(), None),
        (Method::POST, "/api/v1/account/webauthn".into(), Some(json!({"name": "Key", "answer": {}}))),
        (Method::DELETE, format!("/api/v1/account/factors/{id}"), None),
        (Method::POST, "/api/v1/account/recovery-codes".into(), None),
        (Method::POST, "/api/v1/account/password".into(), Some(json!({"old": "x", "new": PASSWORD}))),
    ];
    app.clock.advance(SIX_MINUTES);
    for (method, path, body) in sensitive {
        let body = body.map(|body| body.to_string());
        admin.send(method, &path, &[], body).await.refuses(StatusCode::FORBIDDEN, "second_factor.stale");
    }
    let ways = admin.press("/api/v1/auth/confirm/options").await.is(StatusCode::OK).json();
    assert_eq!(ways["factors"], json!(["totp"]));
    let wrong = json!({"code": "000000"});
    admin.post("/api/v1/auth/confirm", wrong).await.refuses(StatusCode::CONFLICT, "totp.failed");
    admin.post("/api/v1/auth/confirm", json!({})).await.refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");
    let code = app.code(&account);
    admin.post("/api/v1/auth/confirm", json!({"code": code})).await.is(StatusCode::NO_CONTENT);
    admin.press("/api/v1/account/recovery-codes").await.is(StatusCode::CREATED);
    admin.post("/api/v1/auth/confirm", json!({"code": code})).await.refuses(StatusCode::CONFLICT, "totp.failed");
    app.clock.advance(Duration::from_secs(5 * 60));
    admin.press("/api/v1/account/recovery-codes").await.refuses(StatusCode::FORBIDDEN, "second_factor.stale");
}

#[tokio::test]
async fn the_last_second_factor_stays_and_another_one_lets_it_go() {
    let app = App::start().await;
    let account = &app.riverside.provider;
    let mut provider = app.signed_in(account).await;
    let list = provider.get("/api/v1/account/factors").await.is(StatusCode::OK).json();
    let first = format!("/api/v1/account/factors/{}", list["items"][0]["id"].as_str().unwrap());
    provider.delete(&first).await.refuses(StatusCode::CONFLICT, "second_factor.last");
    let new = provider.post("/api/v1/account/totp", json!({"name": "New phone"})).await.is(StatusCode::CREATED).json();
    provider.delete(&first).await.refuses(StatusCode::CONFLICT, "second_factor.last");
    let secret = DemoAccount { totp_secret: new["secret"].as_str().unwrap().to_owned(), ..account.clone() };
    let confirm = |code: String| json!({"factor_id": new["factor_id"], "code": code});
    let path = "/api/v1/account/totp/confirm";
    provider.post(path, confirm("000000".into())).await.refuses(StatusCode::CONFLICT, "totp.wrong");
    provider.post(path, confirm(app.code(&secret))).await.is(StatusCode::NO_CONTENT);
    provider.delete(&first).await.is(StatusCode::NO_CONTENT);
    let mut browser = app.browser();
    browser.password(account).await.is(StatusCode::OK);
    browser.code(account).await.refuses(StatusCode::UNAUTHORIZED, "totp.failed");
    browser.code(&secret).await.is(StatusCode::OK);
    assert!(
        mails(&app, &account.email)
            .await
            .iter()
            .any(|(kind, body)| *kind == outbox::Kind::SecurityNotice && body.contains("second factors"))
    );
}

#[tokio::test]
async fn a_new_password_needs_the_old_one_and_ends_all_other_sessions() {
    let app = App::start().await;
    let account = app.riverside.provider.clone();
    let mut elsewhere = app.signed_in(&account).await;
    let mut provider = app.signed_in(&account).await;
    let path = "/api/v1/account/password";
    let change = |old: &str, new: &str| json!({"old": old, "new": new});
    provider.post(path, change("not the old one", PASSWORD)).await.refuses(StatusCode::CONFLICT, "password.wrong");
    provider.post(path, change(&account.password, "too short")).await.refuses(StatusCode::CONFLICT, "password.short");
    elsewhere.get("/api/v1/me").await.is(StatusCode::OK);
    provider.post(path, change(&account.password, PASSWORD)).await.is(StatusCode::NO_CONTENT);
    provider.get("/api/v1/me").await.is(StatusCode::OK);
    elsewhere.get("/api/v1/me").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    app.browser().password(&account).await.refuses(StatusCode::UNAUTHORIZED, "sign_in.failed");
    app.signed_in(&DemoAccount { password: PASSWORD.to_owned(), ..account.clone() }).await;
}

#[tokio::test]
async fn asking_for_a_new_password_answers_alike_and_the_link_works_once_for_half_an_hour() {
    let app = App::start().await;
    let account = app.riverside.provider.clone();
    let mut running = app.signed_in(&account).await;
    let ask = async |email: &str| {
        let answer = app.browser().post("/api/v1/auth/password-reset", json!({"email": email})).await;
        app.settled().await;
        (answer.status, answer.bytes.clone())
    };
    let (known, unknown) = (ask(&account.email).await, ask("nobody@nowhere.example").await);
    assert_eq!(known, (StatusCode::ACCEPTED, Vec::new()));
    assert_eq!(known, unknown);
    let sent = async || {
        mails(&app, &account.email).await.iter().filter(|(kind, _)| *kind == outbox::Kind::PasswordReset).count()
    };
    assert_eq!(sent().await, 1);
    ask(&account.email).await;
    assert_eq!(sent().await, 1, "a mailbox is not filled by strangers");
    running.get("/api/v1/me").await.is(StatusCode::OK);

    let token = mailed_token(&app, &account.email, outbox::Kind::PasswordReset, "/reset/").await;
    let complete = async |token: &str, password: &str| {
        let body = json!({"token": token, "password": password});
        app.browser().post("/api/v1/auth/password-reset/complete", body).await
    };
    complete(&token, "too short").await.refuses(StatusCode::CONFLICT, "password.short");
    let done = complete(&token, PASSWORD).await.is(StatusCode::NO_CONTENT);
    let set: Vec<_> = done.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap()).collect();
    assert!(set.iter().all(|cookie| cookie.starts_with("__Host-bedside-device=")), "it signs nobody in: {set:?}");
    complete(&token, PASSWORD).await.refuses(StatusCode::NOT_FOUND, "link.not_usable");
    running.get("/api/v1/me").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    let mut browser = app.browser();
    let renewed = DemoAccount { password: PASSWORD.to_owned(), ..account.clone() };
    browser.password(&renewed).await.is(StatusCode::OK);
    browser.get("/api/v1/me").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    browser.code(&renewed).await.is(StatusCode::OK);

    app.clock.advance(Duration::from_secs(3 * 60));
    ask(&account.email).await;
    let token = mailed_token(&app, &account.email, outbox::Kind::PasswordReset, "/reset/").await;
    app.clock.advance(Duration::from_secs(30 * 60));
    complete(&token, PASSWORD).await.refuses(StatusCode::NOT_FOUND, "link.not_usable");
}

#[tokio::test]
async fn one_sees_ones_sessions_and_ends_one_or_all_others() {
    let app = App::start().await;
    let account = &app.riverside.provider;
    let (mut one, mut two, mut three) =
        (app.signed_in(account).await, app.signed_in(account).await, app.signed_in(account).await);
    let list = one.get("/api/v1/account/sessions").await.is(StatusCode::OK).json();
    let items = list["items"].as_array().unwrap().clone();
    let own: Vec<&Value> = items.iter().filter(|item| item["current"] == json!(true)).collect();
    assert_eq!(own.len(), 1);
    assert_eq!(own[0]["address"], one.address.to_string());
    let second = items.iter().find(|item| item["address"] == two.address.to_string()).unwrap();
    let path = format!("/api/v1/account/sessions/{}", second["id"].as_str().unwrap());
    let mut stranger = app.signed_in(&app.riverside.front_desk).await;
    stranger.delete(&path).await.refuses(StatusCode::NOT_FOUND, "not_found");
    let mut ended = app.state.revocations.subscribe();
    one.delete(&path).await.is(StatusCode::NO_CONTENT);
    assert!(matches!(ended.try_recv(), Ok(Ended::Session(_))));
    two.get("/api/v1/me").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    three.get("/api/v1/me").await.is(StatusCode::OK);
    one.press("/api/v1/account/sessions/end-others").await.is(StatusCode::NO_CONTENT);
    three.get("/api/v1/me").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    one.get("/api/v1/me").await.is(StatusCode::OK);
    let mut admin = app.signed_in(&app.riverside.clinic_admin).await;
    let of = format!("/api/v1/staff/{}/sessions", app.provider);
    assert!(!admin.get(&of).await.is(StatusCode::OK).json()["items"].as_array().unwrap().is_empty());
    admin.delete(&of).await.is(StatusCode::NO_CONTENT);
    one.get("/api/v1/me").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
}

#[tokio::test]
async fn sign_ins_say_what_failed_from_where_and_with_which_factor_and_new_browsers_are_told_by_mail() {
    let app = App::start().await;
    let account = &app.riverside.front_desk;
    let mut wrong = app.browser();
    wrong.post("/api/v1/auth/sign-in", json!({"email": account.email, "password": "not the password"})).await;
    let mut desk = app.signed_in(account).await;
    let page = desk.get("/api/v1/account/sign-ins").await.is(StatusCode::OK).json();
    let steps: Vec<(&str, &str)> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["step"].as_str().unwrap(), item["outcome"].as_str().unwrap()))
        .collect();
    assert_eq!(steps, [("totp", "allowed"), ("password", "allowed"), ("password", "failed")]);
    assert_eq!(page["items"][2]["address"], wrong.address.to_string());
    let id = desk.get("/api/v1/me").await.json()["staff_id"].as_str().unwrap().to_owned();
    let mut compliance = app.signed_in(&app.riverside.compliance).await;
    let seen = compliance.get(&format!("/api/v1/staff/{id}/sign-ins")).await.is(StatusCode::OK).json();
    assert_eq!(seen, page);
    desk.get("/api/v1/account/sign-ins?cursor=x").await.refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");

    let told =
        async || mails(&app, &account.email).await.iter().filter(|(_, body)| body.contains("not used before")).count();
    let after_first = told().await;
    desk.press("/api/v1/auth/sign-out").await.is(StatusCode::NO_CONTENT);
    desk.password(account).await.is(StatusCode::OK);
    desk.code(account).await.is(StatusCode::OK);
    assert_eq!(told().await, after_first, "the browser is known by its cookie");
    app.signed_in(account).await;
    assert_eq!(told().await, after_first + 1);
}

#[tokio::test]
async fn one_place_has_five_tries_a_minute_at_an_account_however_it_is_spelled() {
    let app = App::start().await;
    let account = &app.riverside.provider;
    let mut tries = Vec::new();
    for n in 0..12 {
        let mut browser = app.browser();
        browser.address = "198.51.100.7".parse().unwrap();
        let email = match n % 3 {
            0 => account.email.to_uppercase(),
            1 => format!("  {}  ", account.email),
            _ => account.email.clone(),
        };
        let body = json!({"email": email, "password": "not the password"}).to_string();
        // What a stranger says about where they are counts for nothing.
        let forwarded = format!("203.0.113.{n}");
        let headers = [("x-forwarded-for", forwarded.as_str())];
        tries.push(browser.send(Method::POST, "/api/v1/auth/sign-in", &headers, Some(body)).await.status);
    }
    assert_eq!(tries.iter().filter(|status| **status == StatusCode::UNAUTHORIZED).count(), 5, "{tries:?}");
    assert!(tries[5..].iter().all(|status| *status == StatusCode::TOO_MANY_REQUESTS), "{tries:?}");
    // The address with a dot more is another account, and nobody's: it does not open this one.
    let mut browser = app.browser();
    let dotted = format!(".{}", account.email);
    let body = json!({"email": dotted, "password": account.password});
    browser.post("/api/v1/auth/sign-in", body).await.refuses(StatusCode::UNAUTHORIZED, "sign_in.failed");
    app.clock.advance(Duration::from_secs(61));
    app.signed_in(account).await;
}

#[tokio::test]
async fn one_address_or_subscriber_may_try_twenty_accounts_a_minute() {
    let app = App::start().await;
    for network in [["192.0.2.200"; 2], ["2001:db8:7::1", "2001:db8:7::ffff:1"]] {
        let mut refused = 0;
        for n in 0..30 {
            let mut browser = app.browser();
            browser.address = network[n % 2].parse().unwrap();
            let body = json!({"email": format!("{n}@example.org"), "password": "not the password"});
            let forwarded = format!("203.0.113.{n}");
            let headers = [("x-forwarded-for", forwarded.as_str())];
            let answer = browser.send(Method::POST, "/api/v1/auth/sign-in", &headers, Some(body.to_string())).await;
            refused += usize::from(answer.status == StatusCode::TOO_MANY_REQUESTS);
        }
        assert_eq!(refused, 10, "{network:?}");
    }
}

#[tokio::test]
async fn no_page_of_another_site_changes_anything_about_an_account() {
    let app = App::start().await;
    let mut admin = app.signed_in(&app.riverside.clinic_admin).await;
    let id = app.provider;
    for (method, path) in [
        (Method::POST, "/api/v1/auth/sign-in".to_owned()),
        (Method::POST, "/api/v1/auth/totp".to_owned()),
        (Method::POST, "/api/v1/auth/webauthn".to_owned()),
        (Method::POST, "/api/v1/auth/confirm".to_owned()),
        (Method::POST, "/api/v1/auth/recovery".to_owned()),
        (Method::POST, "/api/v1/auth/password-reset".to_owned()),
        (Method::POST, "/api/v1/auth/password-reset/complete".to_owned()),
        (Method::POST, "/api/v1/invitation/accept".to_owned()),
        (Method::POST, "/api/v1/enrol/totp".to_owned()),
        (Method::POST, "/api/v1/account/password".to_owned()),
        (Method::POST, "/api/v1/account/recovery-codes".to_owned()),
        (Method::DELETE, format!("/api/v1/account/factors/{id}")),
        (Method::POST, "/api/v1/account/sessions/end-others".to_owned()),
        (Method::POST, format!("/api/v1/staff/{id}/deactivate")),
        (Method::PUT, format!("/api/v1/staff/{id}/role")),
    ] {
        for origin in ["https://evil.example", "null", "https://visits.example.org.evil.example"] {
            let foreign = [("origin", origin)];
            let body = Some("{}".to_owned());
            admin.send(method.clone(), &path, &foreign, body).await.refuses(StatusCode::FORBIDDEN, "origin.foreign");
        }
        let silent = [("sec-fetch-site", "cross-site")];
        admin
            .send(method, &path, &silent, Some("{}".to_owned()))
            .await
            .refuses(StatusCode::FORBIDDEN, "origin.foreign");
    }
}
