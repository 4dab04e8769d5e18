//! A guest's way into the one visit of the invitation.

use serde_json::json;

use super::row::Row;

pub const ROWS: &[Row] = &[
    Row::new("POST /api/v1/guest/open", "*"),
    Row::new("POST /api/v1/guest/arrive", "*"),
    Row::new("GET /api/v1/guest", "ss+sssssssss"),
    Row::new("POST /api/v1/guest/consent", "ss+sssssssss")
        .sends(|_, _| Some(json!({"text_version": "none", "lang": "en"}))),
    Row::new("POST /api/v1/guest/ticket", "ss+sssssssss"),
    // The interpreter is nobody from then on.
    Row::new("POST /api/v1/guest/leave", "ss+sssssssss"),
];
