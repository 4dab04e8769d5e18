//! Emergency access as the pages meet it: a closed record, an hour, compliance's queue.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::json;
use visit::Role;

use crate::app::App;

const REASON: &str = "found unconscious in the lobby";

#[tokio::test]
async fn a_closed_record_opens_for_an_hour_and_compliance_reviews_it_once() {
    let app = App::start().await;
    let visit = app.riverside.visits[0].clone();
    let patient = app.patient_of(&visit);
    let colleague = app.hire("Cole League", Role::Provider, &[]).await;
    let mut colleague = app.signed_in(&colleague).await;
    let (record, ask) =
        (format!("/api/v1/visits/{}", visit.visit_id), format!("/api/v1/patients/{patient}/emergency-access"));
    let access = format!("/api/v1/patients/{patient}/access");
    colleague.get(&record).await.refuses(StatusCode::NOT_FOUND, "not_found");
    assert_eq!(colleague.get(&access).await.is(StatusCode::OK).json(), json!({"access": "closed", "until": null}));

    colleague
        .post(&ask, json!({"reason": "curious"}))
        .await
        .refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");
    let granted = colleague.post(&ask, json!({"reason": REASON})).await.is(StatusCode::CREATED).json();
    colleague.get(&record).await.is(StatusCode::OK);
    assert_eq!(colleague.get(&access).await.json()["access"], "emergency");

    let mut compliance = app.signed_in(&app.riverside.compliance).await;
    let queue = compliance.get("/api/v1/emergency-access?state=open").await.is(StatusCode::OK).json();
    let item = &queue["items"][0];
    assert_eq!(item["emergency_access_id"], granted["emergency_access_id"]);
    assert_eq!((&item["staff_name"], &item["patient_name"]), (&json!("Cole League"), &json!(visit.patient_name)));
    assert_eq!((&item["reason"], &item["accesses"], &item["may_review"]), (&json!(REASON), &json!(1), &json!(true)));
    let one = format!("/api/v1/emergency-access/{}", granted["emergency_access_id"].as_str().unwrap());
    let opened = compliance.get(&one).await.is(StatusCode::OK).json();
    assert_eq!(opened["opened"][0]["action"], "visit.read");
    let finding = json!({"finding": "justified", "remarks": "The emergency department confirms it."});
    compliance.post(&format!("{one}/review"), finding.clone()).await.is(StatusCode::NO_CONTENT);
    compliance.post(&format!("{one}/review"), finding).await.refuses(StatusCode::CONFLICT, "emergency.reviewed");
    let queue = compliance.get("/api/v1/emergency-access?state=open").await.json();
    assert_eq!(queue["items"], json!([]));
    assert_eq!(compliance.get(&one).await.json()["access"]["review"]["finding"], "justified");

    // The session lives on while the hour ends.
    for _ in 0..6 {
        app.clock.advance(Duration::from_secs(10 * 60));
        colleague.get("/api/v1/me").await.is(StatusCode::OK);
    }
    colleague.get(&record).await.refuses(StatusCode::NOT_FOUND, "not_found");
}

#[tokio::test]
async fn a_second_factor_of_five_minutes_ago_must_be_given_again() {
    let app = App::start().await;
    let patient = app.patient_of(&app.riverside.visits[0]);
    let account = app.hire("Cole League", Role::Provider, &[]).await;
    let mut colleague = app.signed_in(&account).await;
    app.clock.advance(Duration::from_secs(5 * 60));
    let ask = format!("/api/v1/patients/{patient}/emergency-access");
    colleague.post(&ask, json!({"reason": REASON})).await.refuses(StatusCode::FORBIDDEN, "second_factor.stale");
    let mut again = app.signed_in(&account).await;
    again.post(&ask, json!({"reason": REASON})).await.is(StatusCode::CREATED);
}
