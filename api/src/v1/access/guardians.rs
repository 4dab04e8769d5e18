//! `/patients/{id}/guardians`: who acts for a patient.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use records::Phi;
use records::action::{ListGuardians, ManageGuardians};
use records::guardians::{self, AddError, Guardianship, NewGuardian, Relationship, Scope};
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
use crate::v1::shapes::shown;
use crate::words;

/// The guardians of a patient.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Guardians {
    /// Present ones first.
    items: Vec<GuardianItem>,
}

/// A guardian of a patient.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GuardianItem {
    guardianship_id: Uuid,
    guardian_id: Uuid,
    name: String,
    #[schema(required)]
    email: Option<String>,
    #[schema(required)]
    phone: Option<String>,
    #[schema(schema_with = words::relationship)]
    relationship: Relationship,
    /// `record`: acts in everything that the patient may do. `visits`: comes along to visits only.
    #[schema(schema_with = words::guardian_scope)]
    scope: Scope,
    #[serde(with = "time::serde::rfc3339")]
    from_at: OffsetDateTime,
    /// Null while nobody has ended it.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    until_at: Option<OffsetDateTime>,
}

impl From<Guardianship> for GuardianItem {
    fn from(guardian: Guardianship) -> Self {
        Self {
            guardianship_id: guardian.guardianship_id,
            guardian_id: guardian.guardian_id.0,
            name: shown(&guardian.name),
            email: guardian.email.as_ref().map(shown),
            phone: guardian.phone.as_ref().map(shown),
            relationship: guardian.relationship,
            scope: guardian.scope,
            from_at: guardian.from_at,
            until_at: guardian.until_at,
        }
    }
}

/// Guardians of a patient
#[utoipa::path(
    get,
    path = "/patients/{id}/guardians",
    operation_id = "guardians",
    tag = "access",
    params(("id" = Uuid, Path, description = "Patient")),
    security(("staff" = [])),
    responses((status = 200, body = Guardians), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    staff: Staff,
    Id(patient): Id<PatientId>,
) -> Result<Json<Guardians>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ListGuardians(patient)).await?;
    let found = guardians::list(&mut tx, &may).await?;
    let items = tx.commit(found).await?.into_iter().map(Into::into).collect();
    Ok(Json(Guardians { items }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewGuardianRequest {
    /// At most 200 characters.
    name: String,
    email: Option<String>,
    phone: Option<String>,
    #[schema(schema_with = words::relationship)]
    relationship: Relationship,
    #[schema(schema_with = words::guardian_scope)]
    scope: Scope,
    /// Ends then; absent if that is not known.
    #[serde(default, with = "time::serde::rfc3339::option")]
    until_at: Option<OffsetDateTime>,
}

/// The ids of a new guardian.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AddedGuardian {
    guardianship_id: Uuid,
    guardian_id: Uuid,
}

/// Add a guardian
#[utoipa::path(
    post,
    path = "/patients/{id}/guardians",
    operation_id = "add_guardian",
    tag = "access",
    request_body = NewGuardianRequest,
    params(("id" = Uuid, Path, description = "Patient")),
    security(("staff" = [])),
    responses((status = 201, body = AddedGuardian), Addressed, TakesBody, SignedIn, Anyone)
)]
pub(crate) async fn add(
    State(state): State<AppState>,
    staff: Staff,
    Id(patient): Id<PatientId>,
    Body(request): Body<NewGuardianRequest>,
) -> Result<(StatusCode, Json<AddedGuardian>), Problem> {
    bounded("name", &request.name, 200)?;
    for (field, text) in [("email", &request.email), ("phone", &request.phone)] {
        text.as_ref().map_or(Ok(()), |text| bounded(field, text, 200))?;
    }
    let new = NewGuardian {
        name: Phi::from(request.name),
        email: request.email.map(Phi::from),
        phone: request.phone.map(Phi::from),
        relationship: request.relationship,
        scope: request.scope,
        until_at: request.until_at,
    };
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ManageGuardians(patient)).await?;
    let added = guardians::add(&mut tx, &may, &new).await?;
    let (guardianship_id, guardian) = tx.commit(added).await?;
    Ok((StatusCode::CREATED, Json(AddedGuardian { guardianship_id, guardian_id: guardian.0 })))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GuardianshipToEnd {
    guardianship_id: Uuid,
}

/// End a guardianship
///
/// The guardian sees nothing of the patient any more, from now on.
#[utoipa::path(
    post,
    path = "/patients/{id}/guardians/end",
    operation_id = "end_guardianship",
    tag = "access",
    request_body = GuardianshipToEnd,
    params(("id" = Uuid, Path, description = "Patient")),
    security(("staff" = [])),
    responses((status = 204, description = "Ended"), Addressed, TakesBody, SignedIn, Anyone)
)]
pub(crate) async fn end(
    State(state): State<AppState>,
    staff: Staff,
    Id(patient): Id<PatientId>,
    Body(request): Body<GuardianshipToEnd>,
) -> Result<StatusCode, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ManageGuardians(patient)).await?;
    let ended = guardians::end(&mut tx, &may, request.guardianship_id).await?;
    tx.commit(ended).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<AddError> for Problem {
    fn from(error: AddError) -> Self {
        match error {
            AddError::EndsBefore => Self::invalid("until_at: choose a time in the future, or none"),
            AddError::Failed(error) => error.into(),
        }
    }
}
