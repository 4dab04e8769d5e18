//! Who did what.

use serde_json::json;

use super::row::Row;
use crate::audit::rules;

pub const ROWS: &[Row] = &[
    Row::new("GET /api/v1/audit", "ssssrrrr++rr"),
    Row::new("GET /api/v1/audit/people", "ssssrrrr++rr"),
    Row::new("GET /api/v1/audit/patients/{id}/viewers", "ssssrrrr++rr").of(|ids| ids.patient),
    Row::new("GET /api/v1/audit/seals", "ssssrrrr++rr"),
    Row::new("POST /api/v1/audit/verifications", "ssssrrrrr+rr"),
    Row::new("GET /api/v1/audit/export", "ssssrrrrr+rr"),
    Row::new("GET /api/v1/audit/findings", "ssssrrrr++rr"),
    // There is no such finding.
    Row::new("POST /api/v1/audit/findings/{id}/review", "ssssrrrrrhrr")
        .sends(|_, _| Some(json!({"note": "Looked into it."}))),
    Row::new("GET /api/v1/audit/rules", "ssssrrrr++rr"),
    Row::new("PUT /api/v1/audit/rules", "ssssrrrrr+rr").sends(|_, _| Some(rules())),
];
