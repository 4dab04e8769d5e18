//! `GET /audit/findings`, `POST /audit/findings/{id}/review`: unusual access, and what compliance made of it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use records::Phi;
use records::action::{ReadFindings, ReviewFindings};
use records::audit::access::{self, Finding, FindingPage, FindingsError, ReviewError};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn, TakesBody, TakesQuery};
use crate::extract::{Body, Id, Query, unknown_cursor};
use crate::problem::Problem;
use crate::session::Staff;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FindingsQuery {
    /// `open` (without it) or `reviewed`.
    #[param(inline)]
    state: Option<FindingState>,
    /// From the former page.
    cursor: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FindingState {
    Open,
    Reviewed,
}

/// One page of findings.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AccessFindings {
    /// Newest first.
    items: Vec<AccessFinding>,
    /// Null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Access that a rule found unusual.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AccessFinding {
    finding_id: Uuid,
    /// `many_patients`, `same_name`, `after_hours`, `refusals`, `break_glass`.
    rule: String,
    staff_id: Uuid,
    staff_name: String,
    staff_role: String,
    /// Where it is about one patient.
    #[schema(required)]
    patient_id: Option<Uuid>,
    /// By the clinic's clock, `YYYY-MM-DD`.
    day: String,
    #[serde(with = "time::serde::rfc3339")]
    first_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    last_at: OffsetDateTime,
    /// Patients, refusals or accesses, by the rule.
    count: u32,
    #[serde(with = "time::serde::rfc3339")]
    found_at: OffsetDateTime,
    /// Null while it is open.
    #[schema(required)]
    review: Option<FindingReview>,
}

/// What compliance made of a finding.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FindingReview {
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    by_name: String,
    note: String,
}

impl From<Finding> for AccessFinding {
    fn from(finding: Finding) -> Self {
        Self {
            finding_id: finding.id,
            rule: finding.rule.as_str().to_owned(),
            staff_id: finding.staff_id.0,
            staff_name: finding.staff_name,
            staff_role: finding.staff_role,
            patient_id: finding.patient_id.map(|patient| patient.0),
            day: finding.day.to_string(),
            first_at: finding.first_at,
            last_at: finding.last_at,
            count: finding.count,
            found_at: finding.found_at,
            review: finding.review.map(|review| FindingReview {
                at: review.at,
                by_name: review.by_name,
                note: review.note.expose().clone(),
            }),
        }
    }
}

impl From<FindingPage> for AccessFindings {
    fn from(page: FindingPage) -> Self {
        Self { items: page.items.into_iter().map(Into::into).collect(), next_cursor: page.next_cursor }
    }
}

/// List unusual access
#[utoipa::path(
    get,
    path = "/audit/findings",
    operation_id = "access_findings",
    tag = "audit",
    params(FindingsQuery),
    security(("staff" = [])),
    responses((status = 200, body = AccessFindings), TakesQuery, SignedIn, Anyone)
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    staff: Staff,
    Query(query): Query<FindingsQuery>,
) -> Result<Json<AccessFindings>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReadFindings).await?;
    let is_open = query.state != Some(FindingState::Reviewed);
    let page = access::findings(&mut tx, &may, is_open, query.cursor.as_deref()).await?;
    Ok(Json(tx.commit(page).await?.into()))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewReview {
    /// What came of it; at most 2,000 characters.
    note: String,
}

/// Close a finding with a note
#[utoipa::path(
    post,
    path = "/audit/findings/{id}/review",
    operation_id = "review_finding",
    tag = "audit",
    request_body = NewReview,
    params(("id" = uuid::Uuid, Path, description = "Finding")),
    security(("staff" = [])),
    responses(
        (status = 204),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`finding.reviewed`: somebody was faster"),
        Addressed, TakesBody, SignedIn, Anyone
    )
)]
pub(crate) async fn review(
    State(state): State<AppState>,
    staff: Staff,
    Id(finding): Id<Uuid>,
    Body(review): Body<NewReview>,
) -> Result<StatusCode, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ReviewFindings).await?;
    let done = access::review(&mut tx, &may, finding, &Phi::from(review.note)).await?;
    tx.commit(done).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<FindingsError> for Problem {
    fn from(error: FindingsError) -> Self {
        match error {
            FindingsError::BadCursor => unknown_cursor(),
            FindingsError::Failed(error) => error.into(),
        }
    }
}

impl From<ReviewError> for Problem {
    fn from(error: ReviewError) -> Self {
        match error {
            ReviewError::Reviewed => Self::new(
                StatusCode::CONFLICT,
                "finding.reviewed",
                "Somebody has reviewed this before. Load the list again.",
            ),
            ReviewError::Note => Self::invalid("note: say in 1 to 2,000 characters what you found out"),
            ReviewError::Failed(error) => error.into(),
        }
    }
}
