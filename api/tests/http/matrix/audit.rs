//! Who did what.

use serde_json::json;

use super::row::Row;
use crate::audit::rules;

pub const ROWS: &[Row] = &[
    Row::new("GET /api/v1/audit", "ssrrrr++rr"),
    Row::new("GET /api/v1/audit/people", "ssrrrr++rr"),
    Row::new("GET /api/v1/audit/patients/{id}/viewers", "ssrrrr++rr").of(|ids| ids.patient),
    Row::new("GET /api/v1/audit/seals", "ssrrrr++rr"),
    Row::new("POST /api/v1/audit/verifications", "ssrrrrr+rr"),
    Row::new("GET /api/v1/audit/export", "ssrrrrr+rr"),
    Row::new("GET /api/v1/audit/findings", "ssrrrr++rr"),
    // There is no such finding.
    Row::new("POST /api/v1/audit/findings/{id}/review", "ssrrrrrhrr")
        .sends(|_, _| Some(json!({"note": "Looked into it."}))),
    Row::new("GET /api/v1/audit/rules", "ssrrrr++rr"),
    Row::new("PUT /api/v1/audit/rules", "ssrrrrr+rr").sends(|_, _| Some(rules())),
];
