//! What people do is in the log, and the log answers who did what.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::App;
use crate::story;

#[tokio::test]
async fn what_the_provider_read_is_found_by_actor_patient_action_and_request() {
    let app = App::start().await;
    let visit = app.riverside.visits[0].clone();
    let patient = app.riverside.patients.iter().find(|patient| patient.name == visit.patient_name).unwrap();
    let mut provider = app.signed_in(&app.riverside.provider).await;
    let read = provider.get(&format!("/api/v1/visits/{}/note", visit.visit_id)).await.is(StatusCode::OK);
    let mut compliance = app.signed_in(&app.riverside.compliance).await;
    let query = format!("actor={}&patient_id={}&action=note.read", app.provider, patient.patient_id);
    let found = compliance.get(&format!("/api/v1/audit?{query}")).await.is(StatusCode::OK).json();
    let [row] = found["items"].as_array().unwrap().as_slice() else { panic!("{found}") };
    assert_eq!(row["request_id"], read.header("x-request-id"));
    assert_eq!((&row["resource_id"], &row["outcome"]), (&json!(visit.visit_id), &json!("allowed")));
    assert_eq!((&row["actor_name"], &row["actor_role"]), (&json!(app.riverside.provider.name), &json!("provider")));
    assert_eq!(row["address"], provider.address.to_string());
    assert!(!found.to_string().contains(&visit.patient_name));
}

#[tokio::test]
async fn a_refusal_is_in_the_log() {
    let app = App::start().await;
    let visit = app.riverside.visits[0].visit_id;
    let mut front_desk = app.signed_in(&app.riverside.front_desk).await;
    front_desk.get(&format!("/api/v1/visits/{visit}/note")).await.refuses(StatusCode::FORBIDDEN, "forbidden");
    let mut compliance = app.signed_in(&app.riverside.compliance).await;
    let found = compliance.get("/api/v1/audit?action=note.read").await.is(StatusCode::OK).json();
    assert_eq!(
        (&found["items"][0]["outcome"], &found["items"][0]["actor_role"]),
        (&json!("denied"), &json!("front_desk"))
    );
}

#[tokio::test]
async fn the_log_is_read_page_by_page_and_no_row_twice() {
    let app = App::start().await;
    let mut provider = app.signed_in(&app.riverside.provider).await;
    for _ in 0..120 {
        provider.send(Method::GET, "/api/v1/providers", &[], None).await.is(StatusCode::OK);
    }
    for _ in 0..130 {
        provider.get("/api/v1/patients").await.is(StatusCode::OK);
    }
    let mut compliance = app.signed_in(&app.riverside.compliance).await;
    let mut seqs = Vec::new();
    let mut cursor = String::new();
    loop {
        let page =
            compliance.get(&format!("/api/v1/audit?action=patient.search{cursor}")).await.is(StatusCode::OK).json();
        seqs.extend(page["items"].as_array().unwrap().iter().map(|row| row["seq"].as_i64().unwrap()));
        let Value::String(next) = &page["next_cursor"] else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seqs.len(), 130);
    assert!(seqs.is_sorted_by(|a, b| a > b), "newest first, none twice");
    compliance.get("/api/v1/audit?cursor=made-up").await.refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");
}

#[tokio::test]
async fn a_clinics_log_is_its_own() {
    let app = App::start().await;
    app.signed_in(&app.riverside.provider).await.get("/api/v1/patients").await.is(StatusCode::OK);
    let mut foreign = app.signed_in(&app.lakeside.compliance).await;
    let found = foreign.get(&format!("/api/v1/audit?actor={}", app.provider)).await.is(StatusCode::OK).json();
    assert_eq!(found["items"], json!([]));
}

#[tokio::test]
async fn the_timeline_tells_the_visit_and_chat_only_to_those_who_may_read_it() {
    let app = App::start().await;
    let visit = app.riverside.visits[0].clone();
    story::recorded_visit(&app, &visit).await;
    let path = format!("/api/v1/visits/{}/timeline", visit.visit_id);
    for (account, reads_chat) in [
        (&app.riverside.provider, true),
        (&app.riverside.compliance, true),
        (&app.riverside.front_desk, false),
        (&app.riverside.clinic_admin, false),
    ] {
        let timeline = app.signed_in(account).await.get(&path).await.is(StatusCode::OK).json();
        let facts: Vec<&str> =
            timeline["items"].as_array().unwrap().iter().map(|item| item["fact"].as_str().unwrap()).collect();
        assert_eq!(facts[..4], ["joined", "waiting", "joined", "admitted"]);
        assert_eq!(timeline.to_string().contains("I have a rash"), reads_chat, "{}", account.name);
    }
}

#[tokio::test]
async fn call_quality_has_numbers_and_no_patients_name() {
    let app = App::start().await;
    let visit = app.riverside.visits[0].clone();
    story::recorded_visit(&app, &visit).await;
    let mut admin = app.signed_in(&app.riverside.clinic_admin).await;
    let list = admin.get("/api/v1/quality/visits").await.is(StatusCode::OK).json();
    assert_eq!(list["items"][0]["visit_id"], visit.visit_id.to_string());
    assert!((list["items"][0]["worst_mos"].as_f64().unwrap() - 4.1).abs() < 0.01);
    let series = admin.get(&format!("/api/v1/quality/visits/{}", visit.visit_id)).await.is(StatusCode::OK).json();
    assert_eq!((series["series"].as_array().unwrap().len(), &series["formula"]), (2, &json!("as measured")));
    assert!(!list.to_string().contains(&visit.patient_name) && !series.to_string().contains(&visit.patient_name));
    let later = admin.get("/api/v1/quality/visits?from=2999-01-01T00:00:00Z").await.is(StatusCode::OK).json();
    assert_eq!(later["items"], json!([]));
    for wrong in ["cursor=made-up", "from=yesterday", "clinic_id=1"] {
        let answer = admin.get(&format!("/api/v1/quality/visits?{wrong}")).await;
        answer.refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");
    }
}
