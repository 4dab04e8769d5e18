//! The administrator looks after the mail.

use std::sync::Arc;

use axum::http::StatusCode;
use uuid::Uuid;

use crate::app::App;

/// A message that was given up.
pub async fn dead(app: &Arc<App>) -> Uuid {
    let now = app.state.clock.wall();
    let id =
        records::testing::enqueue(&app.state.records, app.riverside.clinic.id, "refused@clinic.example", now).await;
    let given_up = format!(
        "UPDATE outbox_message SET state = 'dead', settled_at = created_at, attempts = 1, failure = 'refused', smtp_code = 550
         WHERE outbox_message_id = '{id}'"
    );
    app.database.execute_as_owner(&given_up).await;
    id
}

#[tokio::test]
async fn the_administrator_sees_what_was_given_up_and_has_it_tried_again() {
    let app = App::start().await;
    let id = dead(&app).await;
    let mut admin = app.signed_in(&app.riverside.clinic_admin).await;
    let list = admin.get("/api/v1/mail?state=dead").await.is(StatusCode::OK).json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let message = &list["items"][0];
    assert_eq!(
        (&message["id"], &message["recipient"], &message["failure"], &message["smtp_code"]),
        (&id.to_string().into(), &"refused@clinic.example".into(), &"refused".into(), &550.into())
    );
    admin.press(&format!("/api/v1/mail/{id}/retry")).await.is(StatusCode::NO_CONTENT);
    admin.press(&format!("/api/v1/mail/{id}/retry")).await.refuses(StatusCode::NOT_FOUND, "not_found");
    let waiting = admin.get("/api/v1/mail?state=waiting").await.is(StatusCode::OK).json();
    let again = waiting["items"].as_array().unwrap().iter().find(|message| message["id"] == id.to_string()).unwrap();
    assert_eq!(again["attempts"], 0);
    // Another clinic's administrator sees none of it.
    let mut other = app.signed_in(&app.lakeside.clinic_admin).await;
    let theirs = other.get("/api/v1/mail").await.is(StatusCode::OK).json();
    assert!(theirs["items"].as_array().unwrap().iter().all(|message| message["id"] != id.to_string()));
    other.press(&format!("/api/v1/mail/{id}/retry")).await.refuses(StatusCode::NOT_FOUND, "not_found");
    admin.get("/api/v1/mail?state=lost").await.refuses(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid");
}
