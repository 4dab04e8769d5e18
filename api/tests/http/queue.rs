//! Patients wait, and staff keep the lines.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use records::demo::DemoVisit;
use records::{facts, queue};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;
use visit::{Fact, ParticipantId, Person, Role};

use crate::app::{Answer, App, Browser, token_of};
use crate::join::check_in;

/// Tells the record, as the room does, that the patient of this visit did this.
async fn told(app: &App, of: &DemoVisit, seq: u64, fact: Fact, by: Person) {
    let now = app.state.clock.now();
    facts::append(&app.state.records, app.riverside.clinic.id, of.visit_id, seq, now, &fact, Some(by)).await.unwrap();
}

fn patients_seat(app: &App, of: &DemoVisit) -> (Person, ParticipantId) {
    let person = Person::Patient(app.patient_of(of));
    (person, ParticipantId::of(of.visit_id, person))
}

/// Visit `n`'s patient checked in and waits.
async fn waits(app: &Arc<App>, n: usize) -> Browser {
    let mut patient = app.patient(n).await;
    check_in(&mut patient).await;
    let of = app.riverside.visits[n].clone();
    let (person, participant) = patients_seat(app, &of);
    told(app, &of, 1, Fact::Joined { participant, person, role: Role::Patient }, person).await;
    told(app, &of, 2, Fact::Waiting { participant }, person).await;
    patient
}

async fn item(browser: &mut Browser, of: &DemoVisit) -> Value {
    let board = browser.get("/api/v1/queue").await.is(StatusCode::OK).json();
    let id = json!(of.visit_id);
    board["items"].as_array().unwrap().iter().find(|item| item["visit_id"] == id).cloned().unwrap_or(Value::Null)
}

fn path(of: &DemoVisit, deed: &str) -> String {
    format!("/api/v1/visits/{}/{deed}", of.visit_id)
}

/// A deed decided on what is shown now.
async fn does(browser: &mut Browser, of: &DemoVisit, deed: &str, body: Option<Value>) -> Answer {
    let version = item(browser, of).await["version"].as_i64().unwrap_or(0);
    on_version(browser, of, deed, version, body).await
}

async fn on_version(browser: &mut Browser, of: &DemoVisit, deed: &str, version: i64, body: Option<Value>) -> Answer {
    let etag = format!("\"{version}\"");
    browser.send(Method::POST, &path(of, deed), &[("if-match", &etag)], body.map(|body| body.to_string())).await
}

/// The stream of a patient's page, and who keeps the lines as the server does.
struct Stream {
    body: Body,
    app: Arc<App>,
}

impl Stream {
    async fn open(browser: &Browser) -> Self {
        let cookies: Vec<String> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request =
            Request::get("/api/v1/join/events").header("cookie", cookies.join("; ")).body(Body::empty()).unwrap();
        request.extensions_mut().insert(ConnectInfo(std::net::SocketAddr::new(browser.address, 50_000)));
        let response = browser.app.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        Self { body: response.into_body(), app: browser.app.clone() }
    }

    /// Where the page is told that one stands, after the lines were read once more.
    async fn told(&mut self) -> Value {
        let app = &self.app;
        for clinic in app.state.lines.watched() {
            let lines = queue::lines(&app.state.records, clinic, app.state.clock.wall()).await.unwrap();
            app.state.lines.publish(clinic, lines);
        }
        let frame = tokio::time::timeout(Duration::from_secs(20), self.body.frame()).await.expect("an event");
        let text = String::from_utf8(frame.unwrap().unwrap().into_data().unwrap().to_vec()).unwrap();
        let data = text.strip_prefix("event: line\ndata: ").unwrap_or_else(|| panic!("{text}"));
        serde_json::from_str(data.trim()).unwrap()
    }
}

#[tokio::test]
async fn everybody_is_told_their_place_and_it_moves_up_when_one_is_held() {
    let app = App::start().await;
    let first = waits(&app, 0).await;
    app.clock.advance(Duration::from_secs(60));
    let second = waits(&app, 1).await;
    let of_first = app.riverside.visits[0].clone();
    let mut front_desk = app.signed_in(&app.riverside.front_desk).await;
    let (mut firsts, mut seconds) = (Stream::open(&first).await, Stream::open(&second).await);
    let places = [firsts.told().await["place"].as_u64().unwrap(), seconds.told().await["place"].as_u64().unwrap()];
    assert!(places == [1, 2] || places == [2, 1], "{places:?}: by their slots");
    does(&mut front_desk, &of_first, "hold", Some(json!({"words": "Please find your glasses."})))
        .await
        .is(StatusCode::OK);
    let (held, moved_up) = (firsts.told().await, item(&mut front_desk, &app.riverside.visits[1]).await);
    assert_eq!((&held["place"], &held["held"], &held["wait"]), (&Value::Null, &json!(true), &Value::Null));
    assert_eq!(moved_up["place"], 1);
    let mut first = first;
    let words = first.get("/api/v1/join/waiting").await.is(StatusCode::OK).json();
    assert_eq!(words["hold"], "Please find your glasses.");
    does(&mut front_desk, &of_first, "wait", None).await.is(StatusCode::OK);
    let back = firsts.told().await;
    assert_eq!((back["place"].as_u64().unwrap(), &back["held"]), (places[0], &json!(false)));
    assert_eq!(first.get("/api/v1/join/waiting").await.json()["hold"], Value::Null);
}

#[tokio::test]
async fn of_two_who_act_at_the_same_moment_the_second_gets_a_clear_answer() {
    let app = App::start().await;
    waits(&app, 0).await;
    let of = app.riverside.visits[0].clone();
    let mut front_desk = app.signed_in(&app.riverside.front_desk).await;
    let mut provider = app.signed_in(&app.riverside.provider).await;
    let version = item(&mut front_desk, &of).await["version"].as_i64().unwrap();
    let (hold, decline) = tokio::join!(
        on_version(&mut front_desk, &of, "hold", version, Some(json!({"words": "One moment."}))),
        on_version(&mut provider, &of, "decline", version, Some(json!({"words": "Come tomorrow."}))),
    );
    let lost = if hold.status == StatusCode::OK {
        decline
    } else {
        decline.is(StatusCode::CREATED);
        hold
    };
    let answer = lost.refuses(StatusCode::PRECONDITION_FAILED, "queue.changed_elsewhere").json();
    assert_eq!(answer["version"], version + 1);
    // What the patient does counts as a change, too.
    let version = item(&mut front_desk, &of).await["version"].as_i64().unwrap();
    let (person, participant) = patients_seat(&app, &of);
    told(&app, &of, 3, Fact::Left { participant, why: visit::fact::LeaveReason::Left }, person).await;
    on_version(&mut front_desk, &of, "hold", version, Some(json!({"words": "x"})))
        .await
        .refuses(StatusCode::PRECONDITION_FAILED, "queue.changed_elsewhere");
}

#[tokio::test]
async fn who_is_moved_is_the_other_providers_patient_and_is_told() {
    let app = App::start().await;
    let mut patient = waits(&app, 0).await;
    let of = app.riverside.visits[0].clone();
    let other = app.hire("Omar Other", Role::Provider, &[]).await;
    let mut other_browser = app.signed_in(&other).await;
    let other_id = other_browser.get("/api/v1/me").await.json()["staff_id"].clone();
    other_browser.get(&path(&of, "waiting-chat")).await.refuses(StatusCode::NOT_FOUND, "not_found");
    let mut front_desk = app.signed_in(&app.riverside.front_desk).await;
    let mut stream = Stream::open(&patient).await;
    let before = stream.told().await;
    let nobody = json!({"provider_id": Uuid::now_v7()});
    does(&mut front_desk, &of, "move", Some(nobody)).await.refuses(StatusCode::CONFLICT, "queue.same_provider");
    does(&mut front_desk, &of, "move", Some(json!({"provider_id": other_id}))).await.is(StatusCode::OK);
    assert_ne!(stream.told().await["words"], before["words"]);
    let words = patient.get("/api/v1/join/waiting").await.json();
    assert_eq!(
        (&words["provider_name"], &words["moved_from"]),
        (&json!("Omar Other"), &json!(app.riverside.provider.name))
    );
    other_browser.get(&path(&of, "waiting-chat")).await.is(StatusCode::OK);
    assert_eq!(item(&mut other_browser, &of).await["place"], 1);
    let mut former = app.signed_in(&app.riverside.provider).await;
    assert_eq!(item(&mut former, &of).await, Value::Null, "not theirs any more");
}

#[tokio::test]
async fn who_is_declined_reads_why_and_comes_back_by_the_new_link_only() {
    let app = App::start().await;
    let mut patient = waits(&app, 0).await;
    let of = app.riverside.visits[0].clone();
    let mut front_desk = app.signed_in(&app.riverside.front_desk).await;
    let mut ended = app.state.revocations.subscribe();
    let words = json!({"words": "Dr. Rivera was called away. Please come back at four."});
    let declined = does(&mut front_desk, &of, "decline", Some(words)).await.is(StatusCode::CREATED).json();
    assert_eq!(ended.try_recv().unwrap(), api::Ended::Person(patients_seat(&app, &of).0), "the socket closes");
    assert!(item(&mut front_desk, &of).await["declined_at"].is_string());
    let state = patient.get("/api/v1/join").await.is(StatusCode::OK).json();
    assert_eq!(state["declined"], "Dr. Rivera was called away. Please come back at four.");
    patient.press("/api/v1/join/ticket").await.refuses(StatusCode::CONFLICT, "visit.declined");
    let former = json!({"token": token_of(&of.patient_link)});
    app.browser().post("/api/v1/join/open", former).await.refuses(StatusCode::NOT_FOUND, "link.not_usable");
    let again = json!({"token": token_of(declined["link"].as_str().unwrap()), "date_of_birth": of.date_of_birth});
    let mut back = app.browser();
    let state = back.post("/api/v1/join/identity", again).await.is(StatusCode::OK).json();
    assert_eq!(state["declined"], Value::Null);
    back.press("/api/v1/join/ticket").await.is(StatusCode::OK);
}

#[tokio::test]
async fn who_did_not_come_is_noted_after_their_time_has_begun_and_can_be_expected_again() {
    let app = App::start().await;
    let mut front_desk = app.signed_in(&app.riverside.front_desk).await;
    // Not the first: which of the demonstration's visits has begun goes by the minute.
    let of = app.riverside.visits.iter().max_by_key(|visit| visit.starts_at).unwrap().clone();
    let shown = item(&mut front_desk, &of).await;
    let from = of.starts_at + time::Duration::minutes(15);
    assert_eq!(shown["no_show_from"], json!(from.format(&time::format_description::well_known::Rfc3339).unwrap()));
    if of.starts_at > app.state.clock.wall() {
        does(&mut front_desk, &of, "no-show", None).await.refuses(StatusCode::CONFLICT, "queue.not_now");
        app.clock.advance((of.starts_at - app.state.clock.wall()).unsigned_abs());
    }
    let mut front_desk = app.signed_in(&app.riverside.front_desk).await;
    does(&mut front_desk, &of, "no-show", None).await.is(StatusCode::OK);
    does(&mut front_desk, &of, "no-show", None).await.refuses(StatusCode::CONFLICT, "queue.not_now");
    does(&mut front_desk, &of, "expect", None).await.is(StatusCode::OK);
}

#[tokio::test]
async fn the_clinic_and_one_who_waits_write_to_each_other_and_every_line_once() {
    let app = App::start().await;
    let mut patient = waits(&app, 0).await;
    let of = app.riverside.visits[0].clone();
    let mut front_desk = app.signed_in(&app.riverside.front_desk).await;
    let line = json!({"message_id": Uuid::now_v7(), "words": "My hearing aid is off."});
    patient.post("/api/v1/join/messages", line.clone()).await.is(StatusCode::NO_CONTENT);
    patient.post("/api/v1/join/messages", line.clone()).await.is(StatusCode::NO_CONTENT);
    assert_eq!(item(&mut front_desk, &of).await["unread"], 1);
    let chat = path(&of, "waiting-chat");
    // Somebody else's id is no way to overwrite their words.
    let stolen = json!({"message_id": line["message_id"], "words": "Mine."});
    front_desk.post(&chat, stolen).await.refuses(StatusCode::CONFLICT, "waiting_chat.id_taken");
    app.clock.advance(Duration::from_secs(1));
    let answer = json!({"message_id": Uuid::now_v7(), "words": "We will write, then."});
    front_desk.post(&chat, answer).await.is(StatusCode::NO_CONTENT);
    assert_eq!(item(&mut front_desk, &of).await["unread"], 0);
    let words = |messages: &Value| {
        let items = messages["items"].as_array().unwrap();
        items.iter().map(|one| (one["words"].clone(), one["by_name"].is_null())).collect::<Vec<_>>()
    };
    let expected = vec![(json!("My hearing aid is off."), true), (json!("We will write, then."), false)];
    assert_eq!(words(&front_desk.get(&chat).await.json()), expected);
    assert_eq!(words(&patient.get("/api/v1/join/waiting").await.json()["messages"]), expected);
    for bad in [" ", &"x".repeat(501)] {
        let line = json!({"message_id": Uuid::now_v7(), "words": bad});
        patient.post("/api/v1/join/messages", line).await.refuses(StatusCode::UNPROCESSABLE_ENTITY, "words.length");
    }
}

#[tokio::test]
async fn announcements_reach_the_patients_they_are_for() {
    let app = App::start().await;
    let mut patient = waits(&app, 0).await;
    let mut front_desk = app.signed_in(&app.riverside.front_desk).await;
    let mut stream = Stream::open(&patient).await;
    let before = stream.told().await;
    let other = app.hire("Omar Other", Role::Provider, &[]).await;
    let mut other_browser = app.signed_in(&other).await;
    let other_id = other_browser.get("/api/v1/me").await.json()["staff_id"].clone();
    for (to, words) in [(Value::Null, "The clinic closes at six."), (other_id, "Not for you.")] {
        let new = json!({"provider_id": to, "words": words});
        front_desk.post("/api/v1/announcements", new).await.is(StatusCode::CREATED);
    }
    assert_ne!(stream.told().await["words"], before["words"]);
    let said = patient.get("/api/v1/join/waiting").await.json()["announcements"].clone();
    assert_eq!(said.as_array().unwrap().len(), 1);
    assert_eq!(said[0]["words"], "The clinic closes at six.");
    let id = said[0]["announcement_id"].as_str().unwrap();
    front_desk.delete(&format!("/api/v1/announcements/{id}")).await.is(StatusCode::NO_CONTENT);
    stream.told().await;
    assert_eq!(patient.get("/api/v1/join/waiting").await.json()["announcements"], json!([]));
}

#[tokio::test]
async fn a_provider_who_runs_late_is_late_to_all_who_wait() {
    let app = App::start().await;
    let patient = waits(&app, 0).await;
    let mut stream = Stream::open(&patient).await;
    stream.told().await;
    let mut provider = app.signed_in(&app.riverside.provider).await;
    let delay = format!("/api/v1/staff/{}/delay", app.provider);
    provider.put(&delay, &[], json!({"minutes": 25})).await.is(StatusCode::NO_CONTENT);
    assert_eq!(stream.told().await["late_min"], 25);
    let board = provider.get("/api/v1/queue").await.json();
    let me = board["providers"].as_array().unwrap().iter().find(|one| one["staff_id"] == json!(app.provider)).unwrap();
    assert_eq!((&me["late_min"], &me["said"]), (&json!(25), &json!(true)));
    let too_late = json!({"minutes": 481});
    provider.put(&delay, &[], too_late).await.refuses(StatusCode::UNPROCESSABLE_ENTITY, "delay.minutes");
    app.clock.advance(Duration::from_secs(4 * 3_600));
    let mut provider = app.signed_in(&app.riverside.provider).await;
    let board = provider.get("/api/v1/queue").await.json();
    let me = board["providers"].as_array().unwrap().iter().find(|one| one["staff_id"] == json!(app.provider)).unwrap();
    assert_eq!(me["said"], false, "nobody is late for ever because somebody once said so");
}

#[tokio::test]
async fn a_place_in_line_outlives_a_lost_connection_of_five_minutes_and_no_longer() {
    let app = App::start().await;
    waits(&app, 0).await;
    let of = app.riverside.visits[0].clone();
    let (person, participant) = patients_seat(&app, &of);
    let left = Fact::Left { participant, why: visit::fact::LeaveReason::TimedOut };
    let joined = Fact::Joined { participant, person, role: Role::Patient };
    let mut front_desk = app.signed_in(&app.riverside.front_desk).await;
    let since = item(&mut front_desk, &of).await["waiting_since"].clone();
    told(&app, &of, 3, left.clone(), person).await;
    assert_eq!(item(&mut front_desk, &of).await["waiting_since"], Value::Null);
    app.clock.advance(Duration::from_secs(299));
    told(&app, &of, 4, joined.clone(), person).await;
    told(&app, &of, 5, Fact::Waiting { participant }, person).await;
    assert_eq!(item(&mut front_desk, &of).await["waiting_since"], since);
    told(&app, &of, 6, left, person).await;
    app.clock.advance(Duration::from_secs(301));
    told(&app, &of, 7, joined, person).await;
    told(&app, &of, 8, Fact::Waiting { participant }, person).await;
    assert_ne!(item(&mut front_desk, &of).await["waiting_since"], since);
}

#[tokio::test]
async fn staff_see_what_is_ready() {
    let app = App::start().await;
    let mut patient = app.patient(0).await;
    let of = app.riverside.visits[0].clone();
    let mut front_desk = app.signed_in(&app.riverside.front_desk).await;
    let ready = item(&mut front_desk, &of).await["ready"].clone();
    assert_eq!(ready, json!({"location": false, "consent": false, "devices": null}));
    check_in(&mut patient).await;
    let found = json!({"camera": "failed", "microphone": "works", "network": "weak", "round_trip_ms": 380.5, "loss": 0.02,
                       "up_kbps": 300, "down_kbps": null});
    patient.put("/api/v1/join/devices", &[], found.clone()).await.is(StatusCode::NO_CONTENT);
    let ready = item(&mut front_desk, &of).await["ready"].clone();
    let devices = json!({"camera": "failed", "microphone": "works", "network": "weak"});
    assert_eq!(ready, json!({"location": true, "consent": true, "devices": devices}));
    for (name, value) in [("loss", json!(1.5)), ("round_trip_ms", json!(-1)), ("up_kbps", json!(-1))] {
        let mut bad = found.clone();
        bad[name] = value;
        patient
            .put("/api/v1/join/devices", &[], bad)
            .await
            .refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");
    }
}
