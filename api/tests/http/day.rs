//! The day's list and the lists behind it.

use axum::http::StatusCode;
use serde_json::json;

use crate::app::App;

#[tokio::test]
async fn todays_list_has_the_visits_that_are_due_and_only_some_may_know_why() {
    let app = App::start().await;
    let due: Vec<String> = app.riverside.visits.iter().map(|visit| visit.visit_id.to_string()).collect();
    for (account, knows_why) in
        [(&app.riverside.provider, true), (&app.riverside.front_desk, true), (&app.riverside.clinic_admin, false)]
    {
        let mut browser = app.signed_in(account).await;
        let mut listed = Vec::new();
        // The due visits may lie on both sides of midnight.
        let today = app.state.clock.wall().date();
        for date in [today.previous_day(), Some(today), today.next_day()].into_iter().flatten() {
            let day = browser.get(&format!("/api/v1/today?date={date}")).await.is(StatusCode::OK).json();
            assert_eq!(day["date"], date.to_string());
            assert_eq!(day["time_zone"], app.riverside.clinic.time_zone);
            listed.extend(day["items"].as_array().unwrap().clone());
        }
        for visit in &due {
            let item = listed.iter().find(|item| item["visit_id"] == visit.as_str()).unwrap();
            assert_eq!(item["reason"].is_string(), knows_why, "{}", account.name);
            assert_eq!(item["link_state"], "active");
        }
    }
    let mut foreign = app.signed_in(&app.lakeside.front_desk).await;
    let day = foreign.get("/api/v1/today").await.is(StatusCode::OK).json();
    assert!(
        day["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|item| !due.contains(&item["visit_id"].as_str().unwrap().to_owned()))
    );
}

#[tokio::test]
async fn patients_are_found_by_what_is_known_of_them() {
    let app = App::start().await;
    let mut front_desk = app.signed_in(&app.riverside.front_desk).await;
    let wanted = &app.riverside.patients[0];
    let begin: String = wanted.name.chars().take(3).collect::<String>().to_uppercase();
    for search in [
        json!({"name": begin}),
        json!({"date_of_birth": wanted.date_of_birth}),
        json!({"mrn": wanted.mrn.to_lowercase()}),
        json!({"name": begin, "date_of_birth": wanted.date_of_birth, "mrn": wanted.mrn}),
    ] {
        let found =
            front_desk.post("/api/v1/patients/search", search.clone()).await.is(StatusCode::OK).json()["items"].clone();
        assert_eq!(found.as_array().unwrap().len(), 1, "{search}");
        assert_eq!(found[0]["name"], wanted.name, "{search}");
        assert_eq!(found[0]["date_of_birth"], wanted.date_of_birth, "{search}");
    }
    let other = &app.riverside.patients[1];
    for search in [
        json!({"name": "Nobody At All"}),
        json!({"name": begin, "date_of_birth": other.date_of_birth}),
        json!({"phone": "no digits"}),
        json!({"name": "--"}),
    ] {
        let none = front_desk.post("/api/v1/patients/search", search.clone()).await.is(StatusCode::OK).json();
        assert_eq!(none["items"], json!([]), "{search}");
    }
    for search in
        [json!({"date_of_birth": "yesterday"}), json!({"cursor": "made-up"}), json!({"name": "x".repeat(201)})]
    {
        front_desk
            .post("/api/v1/patients/search", search)
            .await
            .refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");
    }
    let all = front_desk.get("/api/v1/patients").await.is(StatusCode::OK).json();
    assert_eq!(all["items"].as_array().unwrap().len(), app.riverside.patients.len());
    front_desk
        .get("/api/v1/patients?cursor=made-up")
        .await
        .refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");
    front_desk.get("/api/v1/patients?name=x").await.refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");
}

#[tokio::test]
async fn a_date_that_is_none_is_refused() {
    let app = App::start().await;
    let mut provider = app.signed_in(&app.riverside.provider).await;
    provider.get("/api/v1/today?date=yesterday").await.refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");
}
