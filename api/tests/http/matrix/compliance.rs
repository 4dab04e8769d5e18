//! Emergency access, guardians, assignments.

use serde_json::json;
use uuid::Uuid;

use super::row::Row;

pub const ROWS: &[Row] = &[
    Row::new("GET /api/v1/patients/{id}/access", "ss+++rrrrh").of(|ids| ids.patient),
    // Another patient, so that this opens nothing that the other rows expect to be closed.
    Row::new("POST /api/v1/patients/{id}/emergency-access", "ss+++rrrrh")
        .of(|ids| ids.other_patient)
        .sends(|_, _| Some(json!({"reason": "found unconscious in the lobby"}))),
    Row::new("GET /api/v1/emergency-access", "ssrrrrr+rr"),
    Row::new("GET /api/v1/emergency-access/{id}", "ssrrrrr+rr").of(|ids| ids.emergency_access),
    Row::new("POST /api/v1/emergency-access/{id}/review", "ssrrrrr+rr")
        .of(|ids| ids.emergency_access)
        .sends(|_, _| Some(json!({"finding": "justified", "remarks": "It was one."}))),
    Row::new("GET /api/v1/patients/{id}/guardians", "ss++++++rh").of(|ids| ids.patient),
    Row::new("POST /api/v1/patients/{id}/guardians", "ss+h++rrrh")
        .of(|ids| ids.patient)
        .sends(|_, _| Some(json!({"name": "Ruth Lopez", "relationship": "parent", "scope": "record"}))),
    // Who may, is told that there is no such guardianship: with ids of nothing, `+` can't be told from `h` here.
    Row::new("POST /api/v1/patients/{id}/guardians/end", "sshhhhrrrh")
        .of(|ids| ids.patient)
        .sends(|_, _| Some(json!({"guardianship_id": Uuid::nil()}))),
    Row::new("GET /api/v1/patients/{id}/care-team", "ss++++++rh").of(|ids| ids.patient),
    Row::new("POST /api/v1/patients/{id}/care-team", "ss+h+++rrh")
        .of(|ids| ids.patient)
        .sends(|app, _| Some(json!({"staff_id": app.provider}))),
    Row::new("POST /api/v1/patients/{id}/care-team/end", "sshhhhhrrh")
        .of(|ids| ids.patient)
        .sends(|_, _| Some(json!({"assignment_id": Uuid::nil()}))),
];
