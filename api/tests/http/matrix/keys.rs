//! Encryption keys: retention, legal holds, destruction.

use serde_json::json;

use super::row::Row;

pub const ROWS: &[Row] = &[
    Row::new("GET /api/v1/patients/{id}/retention", "ssssrrrrr+rr").of(|ids| ids.patient),
    Row::new("PUT /api/v1/patients/{id}/legal-hold", "ssssrrrrr+rr")
        .of(|ids| ids.patient)
        .sends(|_, _| Some(json!({"reason": "A subpoena"}))),
    Row::new("DELETE /api/v1/patients/{id}/legal-hold", "ssssrrrrr+rr").of(|ids| ids.patient),
    // Compliance signed in just now, but the record has to be kept longer (409).
    Row::new("POST /api/v1/patients/{id}/destroy", "ssssrrrrr+rr")
        .of(|ids| ids.patient)
        .sends(|_, _| Some(json!({"mrn": "RF-0"}))),
];
