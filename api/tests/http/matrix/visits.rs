//! Visits, their notes and recordings.

use serde_json::json;

use super::row::Row;

pub const ROWS: &[Row] = &[
    Row::new("POST /api/v1/visits/{id}/ticket", "ss+h+rrrrh").of(|ids| ids.visit),
    Row::new("GET /api/v1/visits/{id}", "ss+h++++rh").of(|ids| ids.visit),
    Row::new("GET /api/v1/visits/{id}/timeline", "ss+h++++rh").of(|ids| ids.visit),
    Row::new("GET /api/v1/visits/{id}/note", "ss+h+rr+rh").of(|ids| ids.visit),
    Row::new("PUT /api/v1/visits/{id}/note", "ss+hhrrrrh")
        .of(|ids| ids.visit)
        .sends(|_, _| Some(json!({"body": "Lungs clear."}))),
    Row::new("POST /api/v1/visits/{id}/note/sign", "ss+hhrrrrh").of(|ids| ids.visit),
    Row::new("POST /api/v1/visits/{id}/note/addenda", "ss+hhrrrrh")
        .of(|ids| ids.visit)
        .sends(|_, _| Some(json!({"body": "Called back."}))),
    Row::new("GET /api/v1/visits/{id}/recordings", "ss+hhrr+rh").of(|ids| ids.visit),
    Row::new("GET /api/v1/recordings/{id}/media", "ss+hhrr+rh").of(|ids| ids.recording),
];
