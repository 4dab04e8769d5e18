//! Patients in the portal. Whoever is not signed in there is nobody there, staff included; who sees whose record is tested in
//! `portal.rs` of this program.

use super::row::Row;

/// Staff and patients by link have no session of the portal.
const NOBODY: &str = "ssssssssss";

pub const ROWS: &[Row] = &[
    Row::new("POST /api/v1/portal/sign-in", "*"),
    Row::new("POST /api/v1/portal/open", "*"),
    Row::new("POST /api/v1/portal/totp", "*"),
    Row::new("POST /api/v1/portal/sign-out", "*"),
    Row::new("GET /api/v1/portal/me", NOBODY),
    Row::new("GET /api/v1/portal/sessions", NOBODY),
    Row::new("GET /api/v1/portal/second-factor", NOBODY),
    Row::new("POST /api/v1/portal/second-factor", NOBODY),
    Row::new("PUT /api/v1/portal/second-factor", NOBODY),
    Row::new("POST /api/v1/portal/second-factor/off", NOBODY),
    Row::new("GET /api/v1/portal/patients/{id}/visits", NOBODY),
    Row::new("GET /api/v1/portal/patients/{id}/consents", NOBODY),
    Row::new("GET /api/v1/portal/patients/{id}/accesses", NOBODY),
    Row::new("GET /api/v1/portal/patients/{id}/details", NOBODY),
    Row::new("PUT /api/v1/portal/patients/{id}/contact", NOBODY),
    Row::new("GET /api/v1/portal/patients/{id}/insurance", NOBODY),
    Row::new("GET /api/v1/portal/patients/{id}/clinical", NOBODY),
    Row::new("POST /api/v1/portal/patients/{id}/export", NOBODY),
    Row::new("GET /api/v1/portal/visits/{id}/note", NOBODY),
    Row::new("POST /api/v1/portal/visits/{id}/join", NOBODY),
    Row::new("GET /api/v1/portal/visits/{id}/recordings", NOBODY),
    Row::new("GET /api/v1/portal/recordings/{id}/media", NOBODY),
    Row::new("DELETE /api/v1/portal/sessions/{id}", NOBODY),
];
