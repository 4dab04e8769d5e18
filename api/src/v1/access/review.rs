//! `POST /emergency-access/{id}/review`: compliance gives its finding, once.

use axum::extract::State;
use axum::http::StatusCode;
use records::Phi;
use records::action::ReviewEmergencyAccess;
use records::emergency::{self, Finding, ReviewError};
use serde::Deserialize;
use utoipa::ToSchema;
use visit::EmergencyAccessId;

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn, TakesBody};
use crate::extract::{Body, Id, bounded};
use crate::problem::Problem;
use crate::session::Staff;
use crate::words;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmergencyReviewRequest {
    #[schema(schema_with = words::finding)]
    finding: Finding,
    /// What was found, in a few words; at most 2,000 characters.
    remarks: String,
}

/// Review an emergency access
///
/// The finding never changes. Nobody reviews an access of their own.
#[utoipa::path(
    post,
    path = "/emergency-access/{id}/review",
    operation_id = "review_emergency_access",
    tag = "access",
    request_body = EmergencyReviewRequest,
    params(("id" = uuid::Uuid, Path, description = "Emergency access")),
    security(("staff" = [])),
    responses(
        (status = 204, description = "Reviewed"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`emergency.reviewed`: there is a finding already"),
        Addressed, TakesBody, SignedIn, Anyone
    )
)]
pub(crate) async fn review(
    State(state): State<AppState>,
    staff: Staff,
    Id(id): Id<EmergencyAccessId>,
    Body(request): Body<EmergencyReviewRequest>,
) -> Result<StatusCode, Problem> {
    bounded("remarks", &request.remarks, 2_000)?;
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReviewEmergencyAccess(id)).await?;
    let reviewed = emergency::review(&mut tx, &may, request.finding, &Phi::from(request.remarks)).await?;
    tx.commit(reviewed).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<ReviewError> for Problem {
    fn from(error: ReviewError) -> Self {
        match error {
            ReviewError::ReviewedBefore => Self::new(
                StatusCode::CONFLICT,
                "emergency.reviewed",
                "Somebody has reviewed this access before. Reload to see the finding.",
            ),
            ReviewError::BadRemarks => Self::invalid("remarks: say in a few words what you found"),
            ReviewError::Failed(error) => error.into(),
        }
    }
}
