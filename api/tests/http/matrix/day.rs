//! The day's list, appointments and links.

use serde_json::json;

use super::row::Row;
use crate::booking::booking;

pub const ROWS: &[Row] = &[
    Row::new("GET /api/v1/today", "ssss++++++r+"),
    Row::new("GET /api/v1/events", "ssss++++++r+"),
    Row::new("GET /api/v1/providers", "ssss++++++r+"),
    Row::new("POST /api/v1/appointments", "ssss+++++rrh").sends(|app, ids| {
        let mut booking = booking(app);
        booking["patient_id"] = json!(ids.patient);
        booking["provider_id"] = json!(app.provider);
        Some(booking)
    }),
    Row::new("POST /api/v1/appointments/{id}/link", "ssss+h+++rrh").of(|ids| ids.appointment),
    Row::new("DELETE /api/v1/appointments/{id}/link", "ssss+h+++rrh").of(|ids| ids.appointment),
];
