//! What people do is in the log, and the log answers who did what.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use records::audit::{Journal, Sealer, access, check_export};
use visit::Role;

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

/// Rules as somebody would set them.
pub fn rules() -> Value {
    json!({
        "many_patients": 40, "many_patients_minutes": 60, "opens_at_minute": 420, "closes_at_minute": 1_140, "open_weekends": false,
        "after_hours_patients": 3, "refusals": 5, "refusals_minutes": 10, "same_name": true,
    })
}

/// Seals everything that was logged so far; gives the journal, whose folder goes with the second value.
async fn seal(app: &App) -> (Journal, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    let mut sealer = Sealer::acquire(&app.state.records, &journal).await.unwrap().unwrap();
    let records = &app.state.records;
    let rows = records::audit::verify(records, &journal, |_| {}).await.unwrap().unsealed;
    while sealer.size() < rows {
        sealer.seal(app.state.clock.wall()).await.unwrap();
    }
    sealer.release().await.unwrap();
    (journal, folder)
}

#[tokio::test]
async fn compliance_verifies_the_log_and_takes_its_own_clinics_rows_out_of_the_house() {
    let app = App::start().await;
    app.signed_in(&app.riverside.provider).await.get("/api/v1/patients").await.is(StatusCode::OK);
    let mut compliance = app.signed_in(&app.riverside.compliance).await;
    compliance.get("/api/v1/audit/export").await.refuses(StatusCode::CONFLICT, "audit.no_key");
    let (journal, _folder) = seal(&app).await;
    app.state.records.keep_journal(journal.clone());
    let before = compliance.get("/api/v1/audit/seals").await.is(StatusCode::OK).json();
    assert_eq!((&before["verification"], &before["verifiable_now"]), (&Value::Null, &json!(true)));
    assert_eq!(before["key"], journal.key().public().to_vkey());
    let after = compliance.press("/api/v1/audit/verifications").await.is(StatusCode::OK).json();
    assert_eq!(
        (&after["verification"]["fault_count"], &after["verification"]["tree_size"]),
        (&json!(0), &before["tree_size"])
    );

    let export = compliance.get("/api/v1/audit/export").await.is(StatusCode::OK);
    assert!(export.header("content-disposition").starts_with("attachment; filename=\"audit-"));
    let checked = check_export(&export.bytes[..], Some(journal.key().public())).unwrap().report;
    assert!(checked.intact(), "{:?}", checked.faults);
    assert!(checked.rows > 0 && checked.hidden > 0, "the other clinic's rows are hashes only");
    let text = String::from_utf8(export.bytes.clone()).unwrap();
    assert!(text.contains("patient.search") && !text.contains(&app.lakeside.clinic.id.to_string()));
    assert!(app.riverside.patients.iter().all(|patient| !text.contains(&patient.name)));
    let logged = compliance.get("/api/v1/audit?action=audit.export").await.is(StatusCode::OK).json();
    assert_eq!(logged["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn unusual_access_is_listed_and_reviewed_once_by_compliance() {
    let app = App::start().await;
    // Which patients have a visit due depends on the hour; somebody has.
    let due = app.riverside.visits[0].clone();
    let namesake = due.patient_name.rsplit(' ').next().unwrap().to_owned();
    let (patient, visit) = (app.patient_of(&due), due.visit_id);
    let relative = app.hire(&format!("Nora {namesake}"), Role::Nurse, &[patient]).await;
    app.signed_in(&relative).await.get(&format!("/api/v1/visits/{visit}")).await.is(StatusCode::OK);
    let (_journal, _folder) = seal(&app).await;
    let found =
        access::look_for_unusual(&app.state.records, app.riverside.clinic.id, app.state.clock.wall()).await.unwrap();
    assert!(found >= 1);
    let mut compliance = app.signed_in(&app.riverside.compliance).await;
    let open = compliance.get("/api/v1/audit/findings").await.is(StatusCode::OK).json();
    let finding = open["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["rule"] == "same_name")
        .unwrap_or_else(|| panic!("{open}"))
        .clone();
    assert_eq!((&finding["patient_id"], &finding["staff_name"]), (&json!(patient), &json!(relative.name)));
    let path = format!("/api/v1/audit/findings/{}/review", finding["finding_id"].as_str().unwrap());
    compliance.post(&path, json!({"note": " "})).await.refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");
    compliance.post(&path, json!({"note": "Not related."})).await.is(StatusCode::NO_CONTENT);
    compliance.post(&path, json!({"note": "Again."})).await.refuses(StatusCode::CONFLICT, "finding.reviewed");
    let reviewed = compliance.get("/api/v1/audit/findings?state=reviewed").await.is(StatusCode::OK).json();
    assert_eq!(reviewed["items"][0]["review"]["note"], "Not related.");
}

#[tokio::test]
async fn rules_are_read_by_the_admin_and_set_by_compliance() {
    let app = App::start().await;
    let mut compliance = app.signed_in(&app.riverside.compliance).await;
    let mut strict = rules();
    strict["many_patients"] = json!(10);
    compliance.send(Method::PUT, "/api/v1/audit/rules", &[], Some(strict.to_string())).await.is(StatusCode::OK);
    let mut admin = app.signed_in(&app.riverside.clinic_admin).await;
    assert_eq!(admin.get("/api/v1/audit/rules").await.is(StatusCode::OK).json(), strict);
    let mut wrong = rules();
    wrong["refusals"] = json!(0);
    let refused = compliance.send(Method::PUT, "/api/v1/audit/rules", &[], Some(wrong.to_string())).await;
    refused.refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");
    let mut foreign = app.signed_in(&app.lakeside.compliance).await;
    assert_eq!(foreign.get("/api/v1/audit/rules").await.is(StatusCode::OK).json()["many_patients"], 40);
}

#[tokio::test]
async fn compliance_sees_who_viewed_a_patient() {
    let app = App::start().await;
    let visit = app.riverside.visits[0].clone();
    let patient = app.patient_of(&visit);
    app.signed_in(&app.riverside.provider)
        .await
        .get(&format!("/api/v1/visits/{}/note", visit.visit_id))
        .await
        .is(StatusCode::OK);
    let mut compliance = app.signed_in(&app.riverside.compliance).await;
    let path = format!("/api/v1/audit/patients/{patient}/viewers");
    let viewers = compliance.get(&path).await.is(StatusCode::OK).json();
    let provider =
        viewers["items"].as_array().unwrap().iter().find(|one| one["staff_id"] == json!(app.provider)).unwrap();
    assert_eq!(
        (&provider["name"], &provider["actions"][0]),
        (&json!(app.riverside.provider.name), &json!("note.read"))
    );
    let people = compliance.get("/api/v1/audit/people").await.is(StatusCode::OK).json();
    assert!(people["items"].as_array().unwrap().iter().any(|one| one["staff_id"] == json!(app.provider)));
    assert!(
        !people.to_string().contains(&app.lakeside.provider.name)
            || app.lakeside.provider.name == app.riverside.provider.name
    );
    let nobody = format!("/api/v1/audit/patients/{}/viewers", uuid::Uuid::now_v7());
    compliance.get(&nobody).await.refuses(StatusCode::NOT_FOUND, "not_found");
}
