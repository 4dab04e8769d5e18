//! One's own account: factors, sessions, password.

use serde_json::json;

use super::row::Row;

pub const ROWS: &[Row] = &[
    Row::new("POST /api/v1/auth/webauthn/options", "*"),
    Row::new("POST /api/v1/auth/webauthn", "*"),
    Row::new("POST /api/v1/auth/recovery", "*"),
    Row::new("GET /api/v1/enrol", "ssssssssss"),
    Row::new("POST /api/v1/enrol/totp", "ssssssssss").sends(|_, _| Some(json!({"name": "Phone"}))),
    Row::new("POST /api/v1/enrol/totp/confirm", "ssssssssss")
        .sends(|_, ids| Some(json!({"factor_id": ids.visit, "code": "123456"}))),
    Row::new("POST /api/v1/enrol/webauthn/options", "ssssssssss"),
    Row::new("POST /api/v1/enrol/webauthn", "ssssssssss").sends(|_, _| Some(json!({"name": "Key", "answer": {}}))),
    Row::new("POST /api/v1/auth/confirm/options", "ss++++++++"),
    Row::new("POST /api/v1/auth/confirm", "*"),
];
