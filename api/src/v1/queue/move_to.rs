//! `POST /visits/{id}/move`: gives a patient to another provider.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use records::action::MovePatient;
use records::queue::{self, MoveError, MoveTo};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;
use visit::{StaffId, VisitId};

use super::{Deed, QueueVersion};
use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn, TakesBody};
use crate::extract::{Body, Id};
use crate::problem::Problem;
use crate::session::Staff;
use crate::versioned::if_match;

/// To whom.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Move {
    provider_id: Uuid,
}

/// Move a patient to another provider
///
/// Before they are let in. The appointment is the other provider's now, and may overlap theirs; the patient is told.
#[utoipa::path(
    post,
    path = "/visits/{id}/move",
    operation_id = "move_patient",
    tag = "queue",
    request_body = Move,
    params(
        ("id" = uuid::Uuid, Path, description = "Visit"),
        ("If-Match" = String, Header, description = "The version that was read in `/queue`, in quotes"),
    ),
    security(("staff" = [])),
    responses(
        (status = 200, body = QueueVersion),
        TakesBody, Deed, Addressed, SignedIn, Anyone,
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`queue.not_now`; `queue.same_provider`: theirs already, or no such provider")
    )
)]
pub(crate) async fn move_to(
    State(state): State<AppState>,
    staff: Staff,
    Id(visit): Id<VisitId>,
    headers: HeaderMap,
    Body(to): Body<Move>,
) -> Result<Json<QueueVersion>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(MovePatient(visit)).await?;
    let version = if_match(&headers)?;
    let done = queue::move_to(&mut tx, &may, version, MoveTo(StaffId(to.provider_id))).await?;
    let version = tx.commit(done).await?;
    state.changed(staff.session.clinic.id);
    Ok(Json(QueueVersion { version }))
}

impl From<MoveError> for Problem {
    fn from(error: MoveError) -> Self {
        match error {
            MoveError::Provider => Self::new(
                StatusCode::CONFLICT,
                "queue.same_provider",
                "This is their patient already, or there is no such provider. Choose another one.",
            ),
            MoveError::Deed(error) => error.into(),
            MoveError::Failed(error) => error.into(),
        }
    }
}
