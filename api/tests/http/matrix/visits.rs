//! Visits, their notes and recordings.

use serde_json::json;

use super::row::Row;

pub const ROWS: &[Row] = &[
    Row::new("POST /api/v1/visits/{id}/ticket", "ssss+h+rrrrh").of(|ids| ids.visit),
    Row::new("GET /api/v1/visits/{id}", "ssss+h++++rh").of(|ids| ids.visit),
    Row::new("GET /api/v1/visits/{id}/timeline", "ssss+h++++rh").of(|ids| ids.visit),
    Row::new("GET /api/v1/visits/{id}/note", "ssss+h+rr+rh").of(|ids| ids.visit),
    Row::new("PUT /api/v1/visits/{id}/note", "ssss+hhrrrrh")
        .of(|ids| ids.visit)
        .sends(|_, _| Some(json!({"body": "Lungs clear."}))),
    Row::new("POST /api/v1/visits/{id}/note/sign", "ssss+hhrrrrh").of(|ids| ids.visit),
    Row::new("POST /api/v1/visits/{id}/note/addenda", "ssss+hhrrrrh")
        .of(|ids| ids.visit)
        .sends(|_, _| Some(json!({"body": "Called back."}))),
    Row::new("GET /api/v1/visits/{id}/recordings", "ssss+hhrr+rh").of(|ids| ids.visit),
    Row::new("GET /api/v1/visits/{id}/guests", "ssss+h++++rh").of(|ids| ids.visit),
    Row::new("POST /api/v1/visits/{id}/guests", "ssss+h++rrrh")
        .of(|ids| ids.visit)
        .sends(|_, _| Some(json!({"role": "interpreter", "name": "Iris Interpreter", "lang": "en"}))),
    // Nobody who can be asked: whoever may ask is told so.
    Row::new("POST /api/v1/visits/{id}/guests/staff", "ssss+h++rrrh")
        .of(|ids| ids.visit)
        .sends(|app, _| Some(json!({"staff_id": app.provider}))),
    Row::new("DELETE /api/v1/visits/{id}/guests/{entry}", "ssss+h++rrrh").of(|ids| ids.visit),
    Row::new("GET /api/v1/recordings/{id}/media", "ssss+hhrr+rh").of(|ids| ids.recording),
];
