//! The note: drafts that two tabs can't overwrite for each other, a signature that lasts, addenda.

use axum::http::{Method, StatusCode};
use serde_json::json;

use crate::app::{Answer, App, Browser};

struct NotePage {
    browser: Browser,
    path: String,
}

impl NotePage {
    async fn of(app: &std::sync::Arc<App>, n: usize) -> Self {
        let browser = app.signed_in(&app.riverside.provider).await;
        Self { browser, path: format!("/api/v1/visits/{}/note", app.riverside.visits[n].visit_id) }
    }

    async fn read(&mut self) -> Answer {
        self.browser.get(&self.path).await
    }

    async fn save(&mut self, version: &str, text: &str) -> Answer {
        self.browser.put(&self.path, &[("if-match", version)], json!({"body": text})).await
    }

    async fn sign(&mut self, version: &str) -> Answer {
        self.browser.send(Method::POST, &format!("{}/sign", self.path), &[("if-match", version)], None).await
    }

    async fn add(&mut self, text: &str) -> Answer {
        self.browser.post(&format!("{}/addenda", self.path), json!({"body": text})).await
    }
}

#[tokio::test]
async fn a_note_is_typed_signed_and_then_only_added_to() {
    let app = App::start().await;
    let mut page = NotePage::of(&app, 0).await;
    let empty = page.read().await.is(StatusCode::OK);
    assert_eq!((&empty.json()["state"], empty.header("etag")), (&json!("none"), "\"0\""));
    page.add("too early").await.refuses(StatusCode::CONFLICT, "note.not_signed");
    page.sign("\"0\"").await.refuses(StatusCode::UNPROCESSABLE_ENTITY, "note.empty");
    let saved = page.save("\"0\"", "Lungs clear.").await.is(StatusCode::OK);
    let version = saved.header("etag").to_owned();
    assert_eq!(saved.json()["state"], "draft");
    let read = page.read().await.is(StatusCode::OK);
    assert_eq!((read.json()["body"].as_str(), read.header("etag")), (Some("Lungs clear."), version.as_str()));
    let signed = page.sign(&version).await.is(StatusCode::OK);
    assert_eq!(signed.json()["signed_by"], app.riverside.provider.name);
    let version = signed.header("etag").to_owned();
    page.save(&version, "Changed my mind.").await.refuses(StatusCode::CONFLICT, "note.signed");
    page.sign(&version).await.refuses(StatusCode::CONFLICT, "note.signed");
    let added = page.add("Called the patient back.").await.is(StatusCode::CREATED).json();
    assert_eq!(
        (&added["body"], &added["addenda"][0]["body"]),
        (&json!("Lungs clear."), &json!("Called the patient back."))
    );
}

#[tokio::test]
async fn two_tabs_can_not_overwrite_each_other() {
    let app = App::start().await;
    let mut page = NotePage::of(&app, 0).await;
    let version = page.save("\"0\"", "first").await.is(StatusCode::OK).header("etag").to_owned();
    let late = page.save("\"0\"", "second").await.refuses(StatusCode::PRECONDITION_FAILED, "note.changed_elsewhere");
    assert_eq!(format!("\"{}\"", late.json()["version"]), version);
    page.sign("\"0\"").await.refuses(StatusCode::PRECONDITION_FAILED, "note.changed_elsewhere");
    assert_eq!(page.read().await.json()["body"], "first");
    let mut other = NotePage { browser: page.browser.clone(), path: page.path.clone() };
    let answers = tokio::join!(page.save(&version, "mine"), other.save(&version, "yours"));
    let mut statuses = [answers.0.status, answers.1.status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::PRECONDITION_FAILED]);
}

#[tokio::test]
async fn saving_without_saying_what_was_read_is_refused() {
    let app = App::start().await;
    let mut page = NotePage::of(&app, 0).await;
    let (path, body) = (page.path.clone(), json!({"body": "text"}));
    page.browser.put(&path, &[], body).await.refuses(StatusCode::PRECONDITION_REQUIRED, "if_match.missing");
    page.save("*", "text").await.refuses(StatusCode::PRECONDITION_REQUIRED, "if_match.missing");
    for rubbish in ["0", "\"-1\"", "W/\"0\"", "\"0\", \"1\"", "\"99999999999999999999\""] {
        page.save(rubbish, "text").await.refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");
    }
    assert_eq!(page.read().await.json()["state"], "none");
}

#[tokio::test]
async fn a_note_that_is_too_long_is_refused_and_the_longest_is_kept_whole() {
    let app = App::start().await;
    let mut page = NotePage::of(&app, 0).await;
    let longest = "ä".repeat(50_000);
    page.save("\"0\"", &format!("{longest}a")).await.refuses(StatusCode::UNPROCESSABLE_ENTITY, "note.too_long");
    page.save("\"0\"", &longest).await.is(StatusCode::OK);
    assert_eq!(page.read().await.json()["body"], longest);
}

#[tokio::test]
async fn compliance_reads_the_note_and_the_front_desk_and_the_patient_do_not() {
    let app = App::start().await;
    let mut page = NotePage::of(&app, 0).await;
    page.save("\"0\"", "Lungs clear.").await.is(StatusCode::OK);
    let mut compliance = app.signed_in(&app.riverside.compliance).await;
    assert_eq!(compliance.get(&page.path).await.is(StatusCode::OK).json()["body"], "Lungs clear.");
    compliance
        .put(&page.path, &[("if-match", "\"1\"")], json!({"body": ""}))
        .await
        .refuses(StatusCode::FORBIDDEN, "forbidden");
    for account in [&app.riverside.front_desk, &app.riverside.clinic_admin] {
        let answer = app.signed_in(account).await.get(&page.path).await.refuses(StatusCode::FORBIDDEN, "forbidden");
        assert!(!String::from_utf8_lossy(&answer.bytes).contains("Lungs"));
    }
    app.patient(0).await.get(&page.path).await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
}
