//! Somebody with the database moved a value: readers get an error that says nothing of it, compliance finds it in the log.

use axum::http::StatusCode;

use crate::app::App;

#[tokio::test]
async fn a_value_that_was_moved_is_an_error_without_a_word_of_it_and_stands_in_the_log() {
    let app = App::start().await;
    let [from, to] = [&app.riverside.patients[0], &app.riverside.patients[1]];
    let moved = format!(
        "UPDATE patient SET name = (SELECT name FROM patient WHERE patient_id = '{}') WHERE patient_id = '{}'",
        from.patient_id, to.patient_id
    );
    app.database.execute_as_owner(&moved).await;
    let mut front_desk = app.signed_in(&app.riverside.front_desk).await;
    let refused = front_desk.get("/api/v1/patients").await;
    assert_eq!(refused.status, StatusCode::INTERNAL_SERVER_ERROR);
    let body = refused.json().to_string();
    assert_eq!(refused.json()["code"], "internal");
    for word in [&from.name, &to.name, "patient.name", "Whitfield", "key", "open", "seal"] {
        assert!(!body.contains(word), "{word} in {body}");
    }
    let mut compliance = app.signed_in(&app.riverside.compliance).await;
    let event = loop {
        // It is written right after the reader was refused.
        let log = compliance.get("/api/v1/audit?action=patient.search").await.is(StatusCode::OK).json();
        let failed = log["items"].as_array().unwrap().iter().find(|event| event["outcome"] == "failed").cloned();
        if let Some(event) = failed {
            break event;
        }
    };
    assert_eq!(event["reason"], "does_not_open");
    assert_eq!(event["detail"]["column"], "patient.name");
    assert_eq!(event["detail"]["row"], to.patient_id.to_string());
}
