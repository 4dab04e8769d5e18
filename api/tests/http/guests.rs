//! Guests of one visit: invited, coming by link, and reaching nothing but that visit.

use std::sync::Arc;
use std::time::Duration;

use api::Ended;
use axum::http::StatusCode;
use records::outbox::{self, Kind};
use serde_json::{Value, json};
use uuid::Uuid;
use visit::{GuestId, Person, Role, VisitId};

use crate::app::{App, Browser, ORIGIN};

const OPEN: &str = "/api/v1/guest/open";
const ARRIVE: &str = "/api/v1/guest/arrive";

fn guests(visit: VisitId) -> String {
    format!("/api/v1/visits/{visit}/guests")
}

fn token(link: &Value) -> String {
    link.as_str().unwrap().strip_prefix(&format!("{ORIGIN}/g/")).unwrap().to_owned()
}

/// An interpreter whom `staff` invites into `visit`: the invitation's id and the link's token.
pub async fn invited(staff: &mut Browser, visit: VisitId) -> (Uuid, String) {
    let interpreter = json!({"role": "interpreter", "name": "Iris Interpreter", "lang": "en"});
    let made = staff.post(&guests(visit), interpreter).await.is(StatusCode::CREATED).json();
    (made["guest_id"].as_str().unwrap().parse().unwrap(), token(&made["link"]))
}

/// A browser that came by an invitation.
pub async fn arrived(app: &Arc<App>, token: &str) -> Browser {
    let mut browser = app.browser();
    browser.post(ARRIVE, json!({"token": token, "name": "Iris Interpreter"})).await.is(StatusCode::OK);
    browser
}

/// Agrees to what guests agree to.
async fn agree(guest: &mut Browser) {
    let text = guest.get("/api/v1/texts/guest_consent?lang=es").await.is(StatusCode::OK).json();
    assert_eq!(text["lang"], "es");
    let agreement = json!({"text_version": text["version"], "lang": text["lang"]});
    guest.post("/api/v1/guest/consent", agreement).await.is(StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn from_the_invitation_to_the_ticket() {
    let app = App::start().await;
    let visit = app.riverside.visits[0].visit_id;
    let mut provider = app.signed_in(&app.riverside.provider).await;
    let (id, token) = invited(&mut provider, visit).await;
    let listed = provider.get(&guests(visit)).await.is(StatusCode::OK).json();
    assert_eq!(
        (&listed["items"][0]["state"], &listed["items"][0]["name"]),
        (&json!("invited"), &json!("Iris Interpreter"))
    );

    let mut guest = app.browser();
    let page = guest.post(OPEN, json!({"token": token})).await.is(StatusCode::OK).json();
    assert_eq!((&page["role"], &page["name"]), (&json!("interpreter"), &json!("Iris Interpreter")));
    guest.get("/api/v1/guest").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    let state = guest.post(ARRIVE, json!({"token": token, "name": " Iris M. "})).await.is(StatusCode::OK).json();
    assert_eq!((&state["name"], &state["consent"]), (&json!("Iris M."), &Value::Null));
    assert!(!state.to_string().contains(&app.riverside.visits[0].patient_name), "nothing of the patient");
    guest.press("/api/v1/guest/ticket").await.refuses(StatusCode::CONFLICT, "join.incomplete");
    let stale = json!({"text_version": "2020-01", "lang": "en"});
    guest.post("/api/v1/guest/consent", stale).await.refuses(StatusCode::CONFLICT, "consent.text_changed");
    agree(&mut guest).await;
    assert!(guest.get("/api/v1/guest").await.is(StatusCode::OK).json()["consent"]["accepted_at"].is_string());
    let ticket = guest.press("/api/v1/guest/ticket").await.is(StatusCode::OK).json();
    let redeemed = app.state.tickets.redeem(ticket["ticket"].as_str().unwrap(), ORIGIN, app.state.clock.now()).unwrap();
    let identity = redeemed.identity;
    assert_eq!((identity.visit, identity.role, identity.name), (visit, Role::Interpreter, "Iris M.".to_owned()));
    assert_eq!(identity.person, Person::Guest(GuestId(id)));
    let listed = provider.get(&guests(visit)).await.is(StatusCode::OK).json();
    assert_eq!((&listed["items"][0]["state"], &listed["items"][0]["name"]), (&json!("opened"), &json!("Iris M.")));
    assert!(listed["items"][0].get("link").is_none(), "a link is shown once");
}

#[tokio::test]
async fn an_invitation_taken_back_ends_session_seat_and_link_at_once_and_looks_like_one_that_never_was() {
    let app = App::start().await;
    let visit = app.riverside.visits[0].visit_id;
    let mut provider = app.signed_in(&app.riverside.provider).await;
    let (id, token) = invited(&mut provider, visit).await;
    let mut guest = arrived(&app, &token).await;
    agree(&mut guest).await;
    let ticket = guest.press("/api/v1/guest/ticket").await.is(StatusCode::OK).json();
    let mut ended = app.state.revocations.subscribe();
    provider.delete(&format!("{}/{id}", guests(visit))).await.is(StatusCode::NO_CONTENT);
    assert_eq!(ended.try_recv(), Ok(Ended::Seat { visit, person: Person::Guest(GuestId(id)) }));
    let redeemed = app.state.tickets.redeem(ticket["ticket"].as_str().unwrap(), ORIGIN, app.state.clock.now());
    assert!(redeemed.is_err(), "the ticket is gone as well");
    guest.get("/api/v1/guest").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    let unknown = app.browser().post(OPEN, json!({"token": "A".repeat(43)})).await;
    let unknown = unknown.refuses(StatusCode::NOT_FOUND, "link.not_usable");
    for path in [OPEN, ARRIVE] {
        let mut body = json!({"token": token});
        if path == ARRIVE {
            body["name"] = json!("Iris");
        }
        let gone = app.browser().post(path, body).await;
        assert_eq!(gone.without_request_id(), unknown.without_request_id());
    }
    assert_eq!(provider.get(&guests(visit)).await.json()["items"][0]["state"], "revoked");
    // Once more is fine; in another visit there is no such invitation.
    provider.delete(&format!("{}/{id}", guests(visit))).await.is(StatusCode::NO_CONTENT);
    let other = app.riverside.visits[1].visit_id;
    provider.delete(&format!("{}/{id}", guests(other))).await.refuses(StatusCode::NOT_FOUND, "not_found");
}

#[tokio::test]
async fn a_link_is_good_from_an_hour_before_until_four_hours_after_and_not_longer() {
    let app = App::start().await;
    let visit = app.riverside.visits[0].clone();
    let mut provider = app.signed_in(&app.riverside.provider).await;
    let interpreter = json!({"role": "interpreter", "name": "Iris", "lang": "en"});
    let made = provider.post(&guests(visit.visit_id), interpreter.clone()).await.is(StatusCode::CREATED).json();
    let (opens, expires) = (instant(&made["opens_at"]), instant(&made["expires_at"]));
    assert_eq!(expires - opens, time::Duration::hours(5));
    let token = token(&made["link"]);
    let mut guest = arrived(&app, &token).await;
    let left = expires - app.state.clock.wall();
    let mut gone = time::Duration::ZERO;
    // The guest stays awake all the while.
    while gone + time::Duration::minutes(10) < left {
        guest.get("/api/v1/guest").await.is(StatusCode::OK);
        app.clock.advance(Duration::from_secs(600));
        gone += time::Duration::minutes(10);
    }
    app.clock.advance((left - gone).unsigned_abs());
    guest.get("/api/v1/guest").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    app.browser().post(OPEN, json!({"token": token})).await.refuses(StatusCode::NOT_FOUND, "link.not_usable");
    let mut provider = app.signed_in(&app.riverside.provider).await;
    assert_eq!(provider.get(&guests(visit.visit_id)).await.json()["items"][0]["state"], "expired");
    provider.post(&guests(visit.visit_id), interpreter).await.refuses(StatusCode::CONFLICT, "visit.over");
}

fn instant(value: &Value) -> time::OffsetDateTime {
    time::OffsetDateTime::parse(value.as_str().unwrap(), &time::format_description::well_known::Rfc3339).unwrap()
}

#[tokio::test]
async fn four_are_invited_and_the_fifth_is_refused_until_one_is_taken_back() {
    let app = App::start().await;
    let visit = app.riverside.visits[0].visit_id;
    let mut provider = app.signed_in(&app.riverside.provider).await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(invited(&mut provider, visit).await.0);
    }
    let one_more = json!({"role": "specialist", "name": "Sam", "lang": "en"});
    provider.post(&guests(visit), one_more.clone()).await.refuses(StatusCode::CONFLICT, "guest.too_many");
    let other = guests(app.riverside.visits[1].visit_id);
    provider.post(&other, one_more.clone()).await.is(StatusCode::CREATED);
    provider.delete(&format!("{}/{}", guests(visit), ids[0])).await.is(StatusCode::NO_CONTENT);
    provider.post(&guests(visit), one_more).await.is(StatusCode::CREATED);
}

#[tokio::test]
async fn the_link_is_mailed_without_a_word_about_the_patient() {
    let app = App::start().await;
    let visit = app.riverside.visits[0].clone();
    let mut provider = app.signed_in(&app.riverside.provider).await;
    let mut invitation =
        json!({"role": "guardian", "name": "Gustavo", "email": "gustavo@guests.example", "lang": "es"});
    provider.post(&guests(visit.visit_id), invitation.clone()).await.is(StatusCode::CREATED);
    let kept = outbox::kept(&app.state.records, app.riverside.clinic.id, app.state.clock.wall()).await.unwrap();
    let mail = kept.iter().find(|mail| mail.kind == Kind::GuestLink).unwrap();
    let body = mail.body.expose();
    assert_eq!(mail.recipient.expose(), "gustavo@guests.example");
    assert!(body.contains("acompañar en una consulta por video"), "{body}");
    for word in visit.patient_name.split_whitespace() {
        assert!(!body.contains(word) && !mail.subject.expose().contains(word), "{body}");
    }
    let link = body.lines().find(|line| line.starts_with(ORIGIN)).unwrap();
    app.browser().post(OPEN, json!({"token": token(&json!(link))})).await.is(StatusCode::OK);
    invitation["email"] = json!("gustavo");
    provider
        .post(&guests(visit.visit_id), invitation)
        .await
        .refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");
}

#[tokio::test]
async fn a_colleague_who_is_asked_in_joins_that_visit_sees_nothing_of_the_record_and_is_out_when_it_is_taken_back() {
    let app = App::start().await;
    let [visit, other] = [0, 1].map(|n| app.riverside.visits[n].clone());
    let account = app.hire("Cole League", Role::Provider, &[]).await;
    let mut colleague = app.signed_in(&account).await;
    let mut provider = app.signed_in(&app.riverside.provider).await;
    let of = |visit: &records::demo::DemoVisit, what: &str| format!("/api/v1/visits/{}{what}", visit.visit_id);
    colleague.press(&of(&visit, "/ticket")).await.refuses(StatusCode::NOT_FOUND, "not_found");
    let listed = provider.get(&guests(visit.visit_id)).await.is(StatusCode::OK).json();
    let known = listed["colleagues"].as_array().unwrap();
    let id = known.iter().find(|one| one["name"] == "Cole League").unwrap()["staff_id"].clone();
    assert!(!known.iter().any(|one| one["staff_id"] == json!(app.provider)), "who may join already is not offered");
    let asked = of(&visit, "/guests/staff");
    let made = provider.post(&asked, json!({"staff_id": id})).await.is(StatusCode::CREATED).json();
    assert_eq!(made["link"], Value::Null);
    provider.post(&asked, json!({"staff_id": id})).await.refuses(StatusCode::CONFLICT, "guest.may_already");
    provider
        .post(&asked, json!({"staff_id": Uuid::now_v7()}))
        .await
        .refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");

    let day = colleague.get("/api/v1/today").await.is(StatusCode::OK).json();
    let days: Vec<&Value> = day["items"].as_array().unwrap().iter().map(|item| &item["visit_id"]).collect();
    assert_eq!(days, [&json!(visit.visit_id)]);
    let ticket = colleague.press(&of(&visit, "/ticket")).await.is(StatusCode::OK).json();
    let redeemed = app.state.tickets.redeem(ticket["ticket"].as_str().unwrap(), ORIGIN, app.state.clock.now()).unwrap();
    // They sit in it, as the room tells.
    let (person, role) = (redeemed.identity.person, redeemed.identity.role);
    let participant = visit::ParticipantId::of(visit.visit_id, person);
    let (clinic, now) = (app.riverside.clinic.id, app.state.clock.now());
    let joined = visit::Fact::Joined { participant, person, role };
    let records = &app.state.records;
    records::facts::append(records, clinic, visit.visit_id, 1, now, &joined, Some(person)).await.unwrap();
    let seen = colleague.get(&of(&visit, "")).await.is(StatusCode::OK).json();
    assert_eq!((&seen["sees_note"], &seen["reason"]), (&json!(false), &Value::Null));
    assert_eq!(provider.get(&of(&visit, "")).await.is(StatusCode::OK).json()["sees_note"], true);
    for what in ["/note", "/timeline", "/recordings", "/guests"] {
        colleague.get(&of(&visit, what)).await.refuses(StatusCode::NOT_FOUND, "not_found");
    }
    let sample = crate::story::sample(&visit, participant, records::quality::Direction::Up, now);
    records::quality::insert(records, clinic, &[sample]).await.unwrap();
    for (mut browser, count) in [(colleague.clone(), 0), (provider.clone(), 1)] {
        let calls = browser.get("/api/v1/quality/visits").await.is(StatusCode::OK).json();
        assert_eq!(calls["items"].as_array().unwrap().len(), count, "whose call it was");
    }
    let patient = app.patient_of(&visit);
    colleague.get(&format!("/api/v1/patients/{patient}/clinical")).await.refuses(StatusCode::NOT_FOUND, "not_found");
    colleague.press(&of(&other, "/ticket")).await.refuses(StatusCode::NOT_FOUND, "not_found");

    let mut ended = app.state.revocations.subscribe();
    let path = format!("{}/{}", guests(visit.visit_id), made["guest_id"].as_str().unwrap());
    provider.delete(&path).await.is(StatusCode::NO_CONTENT);
    assert_eq!(ended.try_recv(), Ok(Ended::Seat { visit: visit.visit_id, person }));
    for what in ["/ticket", ""] {
        let method = if what.is_empty() { axum::http::Method::GET } else { axum::http::Method::POST };
        colleague.send(method, &of(&visit, what), &[], None).await.refuses(StatusCode::NOT_FOUND, "not_found");
    }
    colleague.get("/api/v1/me").await.is(StatusCode::OK);
}

#[tokio::test]
async fn a_guest_leaves_and_comes_back_by_the_link_and_one_session_at_a_time_per_browser() {
    let app = App::start().await;
    let mut provider = app.signed_in(&app.riverside.provider).await;
    let (_, first) = invited(&mut provider, app.riverside.visits[0].visit_id).await;
    let (_, second) = invited(&mut provider, app.riverside.visits[1].visit_id).await;
    let mut guest = arrived(&app, &first).await;
    guest.press("/api/v1/guest/leave").await.is(StatusCode::NO_CONTENT);
    guest.get("/api/v1/guest").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    let mut guest = arrived(&app, &first).await;
    let old = guest.clone();
    guest.post(ARRIVE, json!({"token": second, "name": "Iris"})).await.is(StatusCode::OK);
    let visit = app.riverside.visits[1].visit_id;
    assert_eq!(guest.get("/api/v1/guest").await.json()["visit_id"], json!(visit));
    old.clone().get("/api/v1/guest").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
}

#[tokio::test]
async fn every_step_of_a_guest_stands_in_the_log() {
    let app = App::start().await;
    let visit = app.riverside.visits[0].clone();
    let mut provider = app.signed_in(&app.riverside.provider).await;
    let (id, token) = invited(&mut provider, visit.visit_id).await;
    let mut guest = arrived(&app, &token).await;
    agree(&mut guest).await;
    guest.press("/api/v1/guest/ticket").await.is(StatusCode::OK);
    provider.delete(&format!("{}/{id}", guests(visit.visit_id))).await.is(StatusCode::NO_CONTENT);
    let mut compliance = app.signed_in(&app.riverside.compliance).await;
    let path = format!("/api/v1/audit?patient_id={}", app.patient_of(&visit));
    let found = compliance.get(&path).await.is(StatusCode::OK).json();
    let actions: Vec<&str> =
        found["items"].as_array().unwrap().iter().map(|event| event["action"].as_str().unwrap()).collect();
    for action in ["guest.invited", "guest.opened", "guest.consented", "guest.attend", "guest.revoked"] {
        assert!(actions.contains(&action), "{action} is missing in {actions:?}");
    }
}
