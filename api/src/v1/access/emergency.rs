//! `GET /emergency-access` and `GET /emergency-access/{id}`: what compliance has to review.

use axum::Json;
use axum::extract::State;
use records::action::{ListEmergencyAccess, ReadEmergencyAccess};
use records::emergency::{self, EmergencyAccess, Finding, ListError, Opened, ReviewState};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use visit::EmergencyAccessId;

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn, TakesQuery};
use crate::extract::{Id, Query, unknown_cursor};
use crate::problem::Problem;
use crate::session::Staff;
use crate::v1::shapes::shown;
use crate::words;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EmergencyAccessQuery {
    /// Only those in this state; all if absent.
    #[param(schema_with = words::review_state)]
    state: Option<ReviewState>,
    /// From the former page.
    cursor: Option<String>,
}

/// One page of emergency accesses.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EmergencyAccesses {
    /// Newest first.
    items: Vec<EmergencyAccessItem>,
    /// Null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// One emergency access.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EmergencyAccessItem {
    emergency_access_id: Uuid,
    staff_id: Uuid,
    staff_name: String,
    #[schema(schema_with = words::role)]
    staff_role: String,
    patient_id: Uuid,
    patient_name: String,
    /// Why, in the words of the one who asked.
    reason: String,
    #[serde(with = "time::serde::rfc3339")]
    granted_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    /// Times that something was opened under it.
    accesses: i64,
    #[schema(schema_with = words::review_state)]
    state: ReviewState,
    /// Null while it is open.
    #[schema(required)]
    review: Option<EmergencyReview>,
    /// Whether the reader may review it: nobody reviews their own.
    may_review: bool,
}

/// What compliance found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EmergencyReview {
    #[schema(schema_with = words::finding)]
    finding: Finding,
    remarks: String,
    reviewed_by: String,
    #[serde(with = "time::serde::rfc3339")]
    reviewed_at: OffsetDateTime,
}

impl From<EmergencyAccess> for EmergencyAccessItem {
    fn from(access: EmergencyAccess) -> Self {
        Self {
            emergency_access_id: access.id.0,
            staff_id: access.staff_id.0,
            staff_name: access.staff_name,
            staff_role: access.staff_role,
            patient_id: access.patient_id.0,
            patient_name: shown(&access.patient_name),
            reason: shown(&access.reason),
            granted_at: access.granted_at,
            expires_at: access.expires_at,
            accesses: access.accesses,
            may_review: access.by_another && access.state == ReviewState::Open,
            state: access.state,
            review: access.review.map(|review| EmergencyReview {
                finding: review.finding,
                remarks: shown(&review.remarks),
                reviewed_by: review.by_name,
                reviewed_at: review.at,
            }),
        }
    }
}

/// Emergency accesses
#[utoipa::path(
    get,
    path = "/emergency-access",
    operation_id = "emergency_accesses",
    tag = "access",
    params(EmergencyAccessQuery),
    security(("staff" = [])),
    responses((status = 200, body = EmergencyAccesses), TakesQuery, SignedIn, Anyone)
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    staff: Staff,
    Query(query): Query<EmergencyAccessQuery>,
) -> Result<Json<EmergencyAccesses>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ListEmergencyAccess).await?;
    let page = emergency::list(&mut tx, &may, query.state, query.cursor.as_deref()).await?;
    let page = tx.commit(page).await?;
    let items = page.items.into_iter().map(Into::into).collect();
    Ok(Json(EmergencyAccesses { items, next_cursor: page.next_cursor }))
}

/// An emergency access with everything that was opened under it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EmergencyAccessDetail {
    access: EmergencyAccessItem,
    opened: Vec<OpenedItem>,
}

/// Something that was opened.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OpenedItem {
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// As in the audit log, e.g. `note.read`.
    action: String,
    resource_type: String,
    #[schema(required)]
    resource_id: Option<Uuid>,
}

impl From<Opened> for OpenedItem {
    fn from(opened: Opened) -> Self {
        Self {
            at: opened.at,
            action: opened.action,
            resource_type: opened.resource_type,
            resource_id: opened.resource_id,
        }
    }
}

/// One emergency access
#[utoipa::path(
    get,
    path = "/emergency-access/{id}",
    operation_id = "emergency_access",
    tag = "access",
    params(("id" = Uuid, Path, description = "Emergency access")),
    security(("staff" = [])),
    responses((status = 200, body = EmergencyAccessDetail), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn detail(
    State(state): State<AppState>,
    staff: Staff,
    Id(id): Id<EmergencyAccessId>,
) -> Result<Json<EmergencyAccessDetail>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReadEmergencyAccess(id)).await?;
    let found = emergency::detail(&mut tx, &may).await?;
    let (access, opened) = tx.commit(found).await?;
    Ok(Json(EmergencyAccessDetail { access: access.into(), opened: opened.into_iter().map(Into::into).collect() }))
}

impl From<ListError> for Problem {
    fn from(error: ListError) -> Self {
        match error {
            ListError::BadCursor => unknown_cursor(),
            ListError::Failed(error) => error.into(),
        }
    }
}
