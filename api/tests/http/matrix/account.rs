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
    Row::new("POST /api/v1/auth/confirm/options", "ss++++++++"),
    Row::new("POST /api/v1/auth/confirm", "ss++++++++").sends(|_, _| Some(json!({"code": "123456"}))),
    Row::new("GET /api/v1/account/factors", "ss++++++++"),
    Row::new("POST /api/v1/account/totp", "ss++++++++").sends(|_, _| Some(json!({"name": "Phone"}))),
    Row::new("POST /api/v1/account/totp/confirm", "sshhhhhhhh")
        .sends(|_, ids| Some(json!({"factor_id": ids.visit, "code": "123456"}))),
    Row::new("POST /api/v1/account/webauthn/options", "ss++++++++"),
    Row::new("POST /api/v1/account/webauthn", "ss++++++++").sends(|_, _| Some(json!({"name": "Key", "answer": {}}))),
    Row::new("DELETE /api/v1/account/factors/{id}", "sshhhhhhhh").of(|ids| ids.visit),
    Row::new("POST /api/v1/account/recovery-codes", "ss++++++++"),
    Row::new("POST /api/v1/account/password", "ss++++++++")
        .sends(|_, _| Some(json!({"old": "not the old one", "new": "tin kettle over the fence"}))),
    Row::new("GET /api/v1/account/sessions", "ss++++++++"),
    Row::new("DELETE /api/v1/account/sessions/{id}", "sshhhhhhhh").of(|ids| ids.visit),
    Row::new("POST /api/v1/account/sessions/end-others", "ss++++++++"),
    Row::new("GET /api/v1/account/sign-ins", "ss++++++++"),
    // Good for whoever is setting up a second factor, and nobody else.
    Row::new("GET /api/v1/enrol", "ssssssssss"),
    Row::new("POST /api/v1/enrol/totp", "ssssssssss").sends(|_, _| Some(json!({"name": "Phone"}))),
    Row::new("POST /api/v1/enrol/totp/confirm", "ssssssssss")
        .sends(|_, ids| Some(json!({"factor_id": ids.visit, "code": "123456"}))),
    Row::new("POST /api/v1/enrol/webauthn/options", "ssssssssss"),
    Row::new("POST /api/v1/enrol/webauthn", "ssssssssss").sends(|_, _| Some(json!({"name": "Key", "answer": {}}))),
];
