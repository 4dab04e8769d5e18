//! What anyone may know, and signing in.

use super::row::Row;

pub const ROWS: &[Row] = &[
    Row::new("GET /api/v1/site", "*"),
    Row::new("GET /api/v1/texts/{kind}", "*"),
    Row::new("POST /api/v1/auth/sign-in", "*"),
    Row::new("POST /api/v1/auth/totp", "*"),
    Row::new("POST /api/v1/auth/sign-out", "*"),
    Row::new("GET /api/v1/auth/sso", "*"),
    Row::new("POST /api/v1/auth/sso/{provider}/start", "*"),
    Row::new("GET /api/v1/auth/sso/{provider}/callback", "*"),
    Row::new("GET /api/v1/me", "ssss++++++++"),
];
