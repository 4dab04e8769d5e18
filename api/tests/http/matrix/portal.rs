//! Patients in the portal. Whoever is not signed in there is nobody there, staff included; the guardian, who is, reaches what
//! is the ward's. Who sees whose record is tested in `portal.rs` of this program.

use serde_json::json;

use super::row::Row;

/// Staff, patients by link and guests have no session of the portal.
const NOBODY: &str = "ssssssssssss";
/// But the guardian has.
const GUARDIAN: &str = "sss+ssssssss";
/// And is told that there is no such thing: not signed yet, not shared, nobody's session.
const NOT_THERE: &str = "ssshssssssss";

pub const ROWS: &[Row] = &[
    Row::new("POST /api/v1/portal/sign-in", "*"),
    Row::new("POST /api/v1/portal/open", "*"),
    Row::new("POST /api/v1/portal/totp", "*"),
    Row::new("POST /api/v1/portal/sign-out", "*"),
    Row::new("POST /api/v1/portal/email/confirm", "*"),
    Row::new("GET /api/v1/portal/me", GUARDIAN),
    Row::new("GET /api/v1/portal/sessions", GUARDIAN),
    Row::new("GET /api/v1/portal/second-factor", GUARDIAN),
    Row::new("POST /api/v1/portal/second-factor", GUARDIAN),
    // A code that is wrong is a 401 as well.
    Row::new("PUT /api/v1/portal/second-factor", NOBODY).sends(|_, _| Some(json!({"code": "000000"}))),
    Row::new("POST /api/v1/portal/second-factor/off", GUARDIAN).sends(|_, _| Some(json!({"code": "000000"}))),
    Row::new("GET /api/v1/portal/patients/{id}/visits", GUARDIAN).of(|ids| ids.patient),
    Row::new("GET /api/v1/portal/patients/{id}/consents", GUARDIAN).of(|ids| ids.patient),
    Row::new("GET /api/v1/portal/patients/{id}/accesses", GUARDIAN).of(|ids| ids.patient),
    Row::new("GET /api/v1/portal/patients/{id}/details", GUARDIAN).of(|ids| ids.patient),
    Row::new("GET /api/v1/portal/patients/{id}/new-email", GUARDIAN).of(|ids| ids.patient),
    Row::new("PUT /api/v1/portal/patients/{id}/contact", GUARDIAN)
        .of(|ids| ids.patient)
        .sends(|_, _| Some(json!({"phones": [], "emails": [], "addresses": []}))),
    Row::new("GET /api/v1/portal/patients/{id}/insurance", GUARDIAN).of(|ids| ids.patient),
    Row::new("GET /api/v1/portal/patients/{id}/clinical", GUARDIAN).of(|ids| ids.patient),
    Row::new("POST /api/v1/portal/patients/{id}/export", GUARDIAN)
        .of(|ids| ids.patient)
        .sends(|_, _| Some(json!({"lang": "en"}))),
    Row::new("GET /api/v1/portal/patients/{id}/attachments", GUARDIAN).of(|ids| ids.patient),
    Row::new("POST /api/v1/portal/patients/{id}/attachments", GUARDIAN)
        .of(|ids| ids.patient)
        .uploads("application/pdf", crate::attachments::PDF),
    Row::new("GET /api/v1/portal/visits/{id}/note", NOT_THERE).of(|ids| ids.visit).asking("patient", |ids| ids.patient),
    Row::new("GET /api/v1/portal/visits/{id}/recordings", NOT_THERE)
        .of(|ids| ids.visit)
        .asking("patient", |ids| ids.patient),
    Row::new("GET /api/v1/portal/recordings/{id}/media", NOT_THERE)
        .of(|ids| ids.recording)
        .asking("patient", |ids| ids.patient),
    Row::new("DELETE /api/v1/portal/sessions/{id}", NOT_THERE).of(|ids| ids.staff),
];

/// Tried after everything else: it withdraws the link that the patient comes by.
pub const LAST: &[Row] = &[Row::new("POST /api/v1/portal/visits/{id}/join", GUARDIAN)
    .of(|ids| ids.visit)
    .asking("patient", |ids| ids.patient)];
