//! One's own account: factors, sessions, password. Nobody reaches another's: ids of others look like ids of nothing.

use serde_json::json;

use super::row::Row;

pub const ROWS: &[Row] = &[
    Row::new("POST /api/v1/auth/webauthn/options", "*"),
    Row::new("POST /api/v1/auth/webauthn", "*"),
    Row::new("POST /api/v1/auth/recovery", "*"),
    Row::new("POST /api/v1/auth/password-reset", "*"),
    Row::new("POST /api/v1/auth/password-reset/complete", "*"),
    Row::new("POST /api/v1/invitation/open", "*"),
    Row::new("POST /api/v1/invitation/accept", "*"),
    Row::new("POST /api/v1/auth/confirm/options", "ssss++++++++"),
    Row::new("POST /api/v1/auth/confirm", "ssss++++++++").sends(|_, _| Some(json!({"code": "123456"}))),
    Row::new("GET /api/v1/account/factors", "ssss++++++++"),
    Row::new("POST /api/v1/account/totp", "ssss++++++++").sends(|_, _| Some(json!({"name": "Phone"}))),
    Row::new("POST /api/v1/account/totp/confirm", "sssshhhhhhhh")
        .sends(|_, ids| Some(json!({"factor_id": ids.visit, "code": "123456"}))),
    Row::new("POST /api/v1/account/webauthn/options", "ssss++++++++"),
    Row::new("POST /api/v1/account/webauthn", "ssss++++++++").sends(|_, _| Some(json!({"name": "Key", "answer": {}}))),
    Row::new("DELETE /api/v1/account/factors/{id}", "sssshhhhhhhh").of(|ids| ids.visit),
    Row::new("POST /api/v1/account/recovery-codes", "ssss++++++++"),
    Row::new("POST /api/v1/account/password", "ssss++++++++")
        .sends(|_, _| Some(json!({"old": "not the old one", "new": "tin kettle over the fence"}))),
    Row::new("GET /api/v1/account/sessions", "ssss++++++++"),
    Row::new("DELETE /api/v1/account/sessions/{id}", "sssshhhhhhhh").of(|ids| ids.visit),
    Row::new("POST /api/v1/account/sessions/end-others", "ssss++++++++"),
    Row::new("GET /api/v1/account/sign-ins", "ssss++++++++"),
    // Good for whoever is setting up a second factor, and nobody else.
    Row::new("GET /api/v1/enrol", "ssssssssssss"),
    Row::new("POST /api/v1/enrol/totp", "ssssssssssss").sends(|_, _| Some(json!({"name": "Phone"}))),
    Row::new("POST /api/v1/enrol/totp/confirm", "ssssssssssss")
        .sends(|_, ids| Some(json!({"factor_id": ids.visit, "code": "123456"}))),
    Row::new("POST /api/v1/enrol/webauthn/options", "ssssssssssss"),
    Row::new("POST /api/v1/enrol/webauthn", "ssssssssssss").sends(|_, _| Some(json!({"name": "Key", "answer": {}}))),
];
