//! `GET /patients/{id}/access` and `POST /patients/{id}/emergency-access`: whether the record is open to the one who
//! asks, and opening it in an emergency.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use records::Phi;
use records::action::{AskEmergencyAccess, ReadAccess};
use records::emergency::{self, Access, AskError};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;
use visit::PatientId;

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn, TakesBody};
use crate::extract::{Body, Id, bounded};
use crate::problem::Problem;
use crate::session::Staff;
use crate::words;

/// Whether a patient's record is open to the one who asks. Says nothing about the patient.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PatientAccess {
    /// `care`: there is a care relationship. `emergency`: for an hour. `closed`: only emergency access would open it.
    #[schema(schema_with = words::patient_access)]
    access: &'static str,
    /// The hour of emergency access ends then.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    until: Option<OffsetDateTime>,
}

impl From<Access> for PatientAccess {
    fn from(access: Access) -> Self {
        Self { access: access.as_str(), until: access.until() }
    }
}

/// Whether the record is open
#[utoipa::path(
    get,
    path = "/patients/{id}/access",
    operation_id = "patient_access",
    tag = "access",
    params(("id" = Uuid, Path, description = "Patient")),
    security(("staff" = [])),
    responses((status = 200, body = PatientAccess), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn access(
    State(state): State<AppState>,
    staff: Staff,
    Id(patient): Id<PatientId>,
) -> Result<Json<PatientAccess>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReadAccess(patient)).await?;
    let access = emergency::access(&mut tx, &may).await?;
    Ok(Json(tx.commit(access).await?.into()))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmergencyAccessRequest {
    /// Why the record is needed now, in a few words: 15 to 2,000 characters. Compliance reads it.
    reason: String,
}

/// What was granted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GrantedEmergencyAccess {
    emergency_access_id: Uuid,
    /// It ends then.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// Open a record in an emergency
///
/// For one hour. Needs a second factor given within five minutes. Everything opened under it is marked in the audit
/// log, and compliance reviews it.
#[utoipa::path(
    post,
    path = "/patients/{id}/emergency-access",
    operation_id = "ask_emergency_access",
    tag = "access",
    request_body = EmergencyAccessRequest,
    params(("id" = Uuid, Path, description = "Patient")),
    security(("staff" = [])),
    responses(
        (status = 201, body = GrantedEmergencyAccess),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`emergency.not_needed`: there is a care relationship"),
        Addressed, TakesBody, SignedIn, Anyone
    )
)]
pub(crate) async fn ask(
    State(state): State<AppState>,
    staff: Staff,
    Id(patient): Id<PatientId>,
    Body(request): Body<EmergencyAccessRequest>,
) -> Result<(StatusCode, Json<GrantedEmergencyAccess>), Problem> {
    bounded("reason", &request.reason, 2_000)?;
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(AskEmergencyAccess(patient)).await?;
    let granted = emergency::ask(&mut tx, &may, &Phi::from(request.reason)).await?;
    let granted = tx.commit(granted).await?;
    let granted = GrantedEmergencyAccess { emergency_access_id: granted.id.0, expires_at: granted.expires_at };
    Ok((StatusCode::CREATED, Json(granted)))
}

impl From<AskError> for Problem {
    fn from(error: AskError) -> Self {
        match error {
            AskError::NotNeeded => Self::new(
                StatusCode::CONFLICT,
                "emergency.not_needed",
                "You care for this patient. Open the record as usual; emergency access is not needed.",
            ),
            AskError::BadReason => Self::invalid("reason: say in a few words why (15 to 2,000 characters)"),
            AskError::Failed(error) => error.into(),
        }
    }
}
