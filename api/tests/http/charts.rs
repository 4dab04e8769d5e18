//! A patient's record: put there, changed, its history, and what refuses.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::{Answer, App, Browser};

fn ines() -> Value {
    json!({
        "name": {"given": "Ines", "family": "Novak"}, "date_of_birth": "1990-05-04",
        "phones": [{"number": "(312) 555-0134", "use": "mobile"}],
    })
}

async fn create(browser: &mut Browser, body: Value) -> Answer {
    let key = Uuid::now_v7().to_string();
    browser.send(Method::POST, "/api/v1/patients", &[("idempotency-key", &key)], Some(body.to_string())).await
}

fn path_of(created: &Answer) -> String {
    format!("/api/v1/patients/{}", created.json()["patient_id"].as_str().unwrap())
}

#[tokio::test]
async fn a_patient_is_put_on_record_read_and_changed_over_what_was_read() {
    let app = App::start().await;
    let mut desk = app.signed_in(&app.riverside.front_desk).await;
    let path = path_of(&create(&mut desk, json!({"demographics": ines()})).await.is(StatusCode::CREATED));
    let read = desk.get(&path).await.is(StatusCode::OK);
    let mut document = read.json()["demographics"].clone();
    assert_eq!((read.header("etag"), document["phones"][0]["number"].as_str().unwrap()), ("\"1\"", "+13125550134"));
    document["pronouns"] = json!("she/her");
    desk.put(&path, &[], document.clone()).await.refuses(StatusCode::PRECONDITION_REQUIRED, "if_match.missing");
    let saved = desk.put(&path, &[("if-match", "\"1\"")], document.clone()).await.is(StatusCode::OK);
    assert_eq!((saved.header("etag"), &saved.json()["demographics"]["pronouns"]), ("\"2\"", &json!("she/her")));
    let late = desk.put(&path, &[("if-match", "\"1\"")], document).await;
    assert_eq!(late.refuses(StatusCode::PRECONDITION_FAILED, "chart.changed_elsewhere").json()["version"], 2);
    let history = desk.get(&format!("{path}/history")).await.is(StatusCode::OK).json();
    let items = history["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    assert_eq!((&items[0]["by_name"], &items[0]["change"]), (&json!("Tom Nguyen"), &json!("changed")));
    assert!(items[1]["demographics"].get("pronouns").is_none());
}

#[tokio::test]
async fn a_refusal_names_the_field_and_repeats_nothing_that_was_typed() {
    let app = App::start().await;
    let mut desk = app.signed_in(&app.riverside.front_desk).await;
    for (field, value) in [
        ("phones[0].number", json!({"phones": [{"number": "canary-555", "use": "home"}]})),
        ("emails[0].address", json!({"emails": [{"address": "canary", "use": "home"}]})),
        ("date_of_birth", json!({"date_of_birth": "2999-01-01"})),
        ("languages[0]", json!({"languages": ["canary language"]})),
        (
            "addresses[0].country",
            json!({"addresses": [{"use": "home", "lines": ["x"], "city": "canary", "country": "Canaria"}]}),
        ),
    ] {
        let mut document = ines();
        document.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        let refused = create(&mut desk, json!({"demographics": document})).await;
        let refused = refused.refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");
        assert_eq!(refused.json()["field"], field);
        assert!(!String::from_utf8_lossy(&refused.bytes).to_lowercase().contains("canar"), "{field}");
    }
    let mut planted = ines();
    planted["clinic_id"] = json!("x");
    create(&mut desk, json!({"demographics": planted}))
        .await
        .refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");
}

#[tokio::test]
async fn somebody_alike_is_shown_by_id_before_another_record_is_made() {
    let app = App::start().await;
    let mut desk = app.signed_in(&app.riverside.front_desk).await;
    let first = create(&mut desk, json!({"demographics": ines()})).await.is(StatusCode::CREATED).json();
    let refused = create(&mut desk, json!({"demographics": ines()})).await;
    let refused = refused.refuses(StatusCode::CONFLICT, "patient.possible_duplicate");
    assert_eq!(refused.json()["patient_ids"], json!([first["patient_id"]]));
    assert!(!String::from_utf8_lossy(&refused.bytes).contains("Novak"));
    let alike = json!({"name": "Inés Nowak", "date_of_birth": "1990-05-04"});
    let found = desk.post("/api/v1/patients/duplicates", alike).await.is(StatusCode::OK).json();
    assert_eq!(found["items"][0]["name"], "Ines Novak");
    create(&mut desk, json!({"demographics": ines(), "despite_duplicates": true})).await.is(StatusCode::CREATED);
}

#[tokio::test]
async fn lists_are_kept_by_who_cares_and_read_by_nobody_else() {
    let app = App::start().await;
    let patient = app.patient_of(&app.riverside.visits[0]);
    let path = format!("/api/v1/patients/{}/clinical", patient.0);
    let mut provider = app.signed_in(&app.riverside.provider).await;
    let entry = format!("{path}/{}", Uuid::now_v7());
    let body = json!({"list": "condition", "entry": {"text": "Asthma", "icd10": "j4520", "status": "active"}});
    let saved = provider.put(&entry, &[("if-match", "\"0\"")], body.clone()).await.is(StatusCode::OK);
    assert_eq!(saved.json()["document"]["entry"]["icd10"], "J45.20");
    assert_eq!(saved.header("etag"), "\"1\"");
    provider
        .put(&entry, &[("if-match", "\"0\"")], body)
        .await
        .refuses(StatusCode::PRECONDITION_FAILED, "chart.changed_elsewhere");
    let mut wrong = json!({"list": "condition", "entry": {"text": "Asthma", "icd10": "canary", "status": "active"}});
    let refused = provider.put(&format!("{path}/{}", Uuid::now_v7()), &[("if-match", "\"0\"")], wrong.clone()).await;
    assert_eq!(refused.refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid").json()["field"], "icd10");
    wrong["entry"]["severity"] = json!("mild");
    provider
        .put(&format!("{path}/{}", Uuid::now_v7()), &[("if-match", "\"0\"")], wrong)
        .await
        .refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");
    let mark = json!({"entered_in_error": true, "reason": "wrong patient"});
    let marked = provider.put(&format!("{entry}/error"), &[("if-match", "\"1\"")], mark).await.is(StatusCode::OK);
    assert_eq!((&marked.json()["entered_in_error"], &marked.json()["reason"]), (&json!(true), &json!("wrong patient")));
    let history = provider.get(&format!("{entry}/history")).await.is(StatusCode::OK).json();
    assert_eq!(history["items"][0]["change"], "entered_in_error");
    for account in [&app.riverside.front_desk, &app.riverside.clinic_admin] {
        let mut other = app.signed_in(account).await;
        other.get(&path).await.refuses(StatusCode::FORBIDDEN, "forbidden");
        other.get(&format!("{entry}/history")).await.refuses(StatusCode::FORBIDDEN, "forbidden");
    }
    let lists = app.signed_in(&app.riverside.compliance).await.get(&path).await.is(StatusCode::OK).json();
    assert!(lists["items"].as_array().unwrap().iter().any(|item| item["entered_in_error"] == true));
}

#[tokio::test]
async fn two_records_are_merged_and_either_address_leads_to_the_one_that_stays() {
    let app = App::start().await;
    let mut desk = app.signed_in(&app.riverside.front_desk).await;
    let first = path_of(&create(&mut desk, json!({"demographics": ines()})).await.is(StatusCode::CREATED));
    let again = json!({"demographics": ines(), "despite_duplicates": true});
    let second = path_of(&create(&mut desk, again).await.is(StatusCode::CREATED));
    let other = second.rsplit('/').next().unwrap();
    let candidates = desk.get(&format!("{first}/duplicates")).await.is(StatusCode::OK).json();
    assert_eq!(candidates["items"][0]["patient_id"], other);
    let mut chosen = ines();
    chosen["pronouns"] = json!("she/her");
    let body = json!({"merged_id": other, "merged_version": 1, "version": 1, "demographics": chosen});
    let merged = desk.post(&format!("{first}/merge"), body.clone()).await.is(StatusCode::OK).json();
    assert_eq!(
        (&merged["demographics"]["pronouns"], &merged["aliases"][0]["patient_id"]),
        (&json!("she/her"), &json!(other))
    );
    let asked = desk.get(&second).await.is(StatusCode::OK).json();
    assert_eq!(format!("/api/v1/patients/{}", asked["patient_id"].as_str().unwrap()), first);
    desk.post(&format!("{first}/merge"), body).await.refuses(StatusCode::CONFLICT, "merge.same_record");
    let unmerge = json!({"merged_id": other});
    let undone = desk.post(&format!("{first}/unmerge"), unmerge.clone()).await.is(StatusCode::OK).json();
    assert_eq!(undone["demographics_restored"], true);
    assert!(undone["patient"]["demographics"].get("pronouns").is_none());
    desk.post(&format!("{first}/unmerge"), unmerge).await.refuses(StatusCode::CONFLICT, "merge.not_merged");
}
