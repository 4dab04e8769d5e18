//! Members of staff: invitations, roles, deactivation.

use serde_json::json;

use super::row::Row;

pub const ROWS: &[Row] = &[
    Row::new("GET /api/v1/staff", "ssssrrrr++rr"),
    Row::new("POST /api/v1/staff", "ssssrrrr+rrr")
        .sends(|_, _| Some(json!({"name": "New Here", "email": "new.here@example.org", "role": "nurse"}))),
    Row::new("POST /api/v1/staff/{id}/invitation", "ssssrrrr+rrr").of(|ids| ids.staff),
    Row::new("DELETE /api/v1/staff/{id}/invitation", "ssssrrrr+rrr").of(|ids| ids.staff),
    Row::new("PUT /api/v1/staff/{id}/role", "ssssrrrr+rrr")
        .of(|ids| ids.staff)
        .sends(|_, _| Some(json!({"role": "front_desk"}))),
    Row::new("POST /api/v1/staff/{id}/deactivate", "ssssrrrr+rrr").of(|ids| ids.staff),
    Row::new("POST /api/v1/staff/{id}/reactivate", "ssssrrrr+rrr").of(|ids| ids.staff),
    Row::new("POST /api/v1/staff/{id}/reset-factors", "ssssrrrr+rrr")
        .of(|ids| ids.staff)
        .sends(|_, _| Some(json!({"reason": "lost the phone"}))),
    Row::new("GET /api/v1/staff/{id}/sessions", "ssssrrrr+rrr").of(|ids| ids.staff),
    Row::new("DELETE /api/v1/staff/{id}/sessions", "ssssrrrr+rrr").of(|ids| ids.staff),
    // Everybody may see their own: another's look like nobody's.
    Row::new("GET /api/v1/staff/{id}/sign-ins", "sssshhhh++hh").of(|ids| ids.staff),
    Row::new("GET /api/v1/settings", "ssssrrrr++rr"),
    Row::new("PUT /api/v1/settings", "ssssrrrr+rrr")
        .sends(|_, _| Some(json!({"retention_years": 7, "care_days": 30, "shares_recordings": false}))),
    Row::new("GET /api/v1/mail", "ssssrrrr+rrr"),
    Row::new("POST /api/v1/mail/{id}/retry", "ssssrrrr+rrr").of(|ids| ids.mail),
];
