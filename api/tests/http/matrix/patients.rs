//! Patients and their charts.

use serde_json::json;

use super::row::Row;

pub const ROWS: &[Row] = &[
    Row::new("GET /api/v1/patients", "ss++++++r+"),
    Row::new("POST /api/v1/patients/search", "ss++++++r+").sends(|_, _| Some(json!({"name": "wh"}))),
];
