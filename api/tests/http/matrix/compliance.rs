//! Emergency access, guardians, assignments.

use serde_json::json;
use uuid::Uuid;

use super::row::Row;

pub const ROWS: &[Row] = &[
    Row::new("GET /api/v1/patients/{id}/access", "ssss+++rrrrh").of(|ids| ids.patient),
    // Another patient, so that this opens nothing that the other rows expect to be closed.
    Row::new("POST /api/v1/patients/{id}/emergency-access", "ssss+++rrrrh")
        .of(|ids| ids.other_patient)
        .sends(|_, _| Some(json!({"reason": "found unconscious in the lobby"}))),
    Row::new("GET /api/v1/emergency-access", "ssssrrrrr+rr"),
    Row::new("GET /api/v1/emergency-access/{id}", "ssssrrrrr+rr").of(|ids| ids.emergency_access),
    Row::new("POST /api/v1/emergency-access/{id}/review", "ssssrrrrr+rr")
        .of(|ids| ids.emergency_access)
        .sends(|_, _| Some(json!({"finding": "justified", "remarks": "It was one."}))),
    Row::new("GET /api/v1/patients/{id}/guardians", "ssss++++++rh").of(|ids| ids.patient),
    Row::new("POST /api/v1/patients/{id}/guardians", "ssss+h++rrrh")
        .of(|ids| ids.patient)
        .sends(|_, _| Some(json!({"name": "Ruth Lopez", "relationship": "parent", "scope": "record"}))),
    // Who may, is told that there is no such guardianship: with ids of nothing, `+` can't be told from `h` here.
    Row::new("POST /api/v1/patients/{id}/guardians/end", "sssshhhhrrrh")
        .of(|ids| ids.patient)
        .sends(|_, _| Some(json!({"guardianship_id": Uuid::nil()}))),
    Row::new("GET /api/v1/patients/{id}/care-team", "ssss++++++rh").of(|ids| ids.patient),
    Row::new("GET /api/v1/patients/{id}/care-team/candidates", "ssss+h+++rrh").of(|ids| ids.patient),
    Row::new("POST /api/v1/patients/{id}/care-team", "ssss+h+++rrh")
        .of(|ids| ids.patient)
        .sends(|app, _| Some(json!({"staff_id": app.provider}))),
    Row::new("POST /api/v1/patients/{id}/care-team/end", "sssshhhhhrrh")
        .of(|ids| ids.patient)
        .sends(|_, _| Some(json!({"assignment_id": Uuid::nil()}))),
];
