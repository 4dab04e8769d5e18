//! A patient's way into the visit.

use serde_json::json;

use super::row::Row;
use crate::join::location;

pub const ROWS: &[Row] = &[
    Row::new("POST /api/v1/join/open", "*"),
    Row::new("POST /api/v1/join/identity", "*"),
    Row::new("GET /api/v1/join", "s+ssssssssss"),
    Row::new("PUT /api/v1/join/location", "s+ssssssssss").sends(|_, _| Some(location())),
    Row::new("POST /api/v1/join/consent", "s+ssssssssss")
        .sends(|_, _| Some(json!({"text_version": "none", "lang": "en"}))),
    Row::new("POST /api/v1/join/ticket", "s+ssssssssss"),
    Row::new("POST /api/v1/join/leave", "s+ssssssssss"),
];
