//! `PUT`, `DELETE /patients/{id}/legal-hold`: while a hold stands, nothing of the patient is destroyed.

use axum::extract::State;
use axum::http::StatusCode;
use records::Phi;
use records::action::{LiftLegalHold, PlaceLegalHold};
use records::retention::{self, HoldError};
use serde::Deserialize;
use utoipa::ToSchema;
use visit::PatientId;

use crate::AppState;
use crate::document::{Addressed, Anyone, Changes, SignedIn, TakesBody};
use crate::extract::{Body, Id, bounded};
use crate::problem::Problem;
use crate::session::Staff;

/// Why nothing may be destroyed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewHold {
    #[schema(max_length = 500)]
    reason: String,
}

/// Place a legal hold
#[utoipa::path(
    put,
    path = "/patients/{id}/legal-hold",
    operation_id = "place_legal_hold",
    tag = "audit",
    params(("id" = uuid::Uuid, Path)),
    request_body = NewHold,
    security(("staff" = [])),
    responses(
        (status = 204),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`legal_hold.stands`"),
        TakesBody, Addressed, SignedIn, Anyone
    )
)]
pub(crate) async fn place(
    State(state): State<AppState>,
    staff: Staff,
    Id(patient): Id<PatientId>,
    Body(hold): Body<NewHold>,
) -> Result<StatusCode, Problem> {
    bounded("reason", &hold.reason, 500)?;
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(PlaceLegalHold(patient)).await?;
    let placed = retention::place_hold(&mut tx, &may, &Phi::from(hold.reason)).await?;
    tx.commit(placed).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lift a legal hold
#[utoipa::path(
    delete,
    path = "/patients/{id}/legal-hold",
    operation_id = "lift_legal_hold",
    tag = "audit",
    params(("id" = uuid::Uuid, Path)),
    security(("staff" = [])),
    responses(
        (status = 204),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`legal_hold.none`"),
        Changes, Addressed, SignedIn, Anyone
    )
)]
pub(crate) async fn lift(
    State(state): State<AppState>,
    staff: Staff,
    Id(patient): Id<PatientId>,
) -> Result<StatusCode, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(LiftLegalHold(patient)).await?;
    let lifted = retention::lift_hold(&mut tx, &may).await?;
    tx.commit(lifted).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<HoldError> for Problem {
    fn from(error: HoldError) -> Self {
        match error {
            HoldError::Reason => Self::invalid("reason: empty or too long"),
            HoldError::AlreadyHeld => Self::new(
                StatusCode::CONFLICT,
                "legal_hold.stands",
                "A legal hold stands already. Lift that one first if its reason has changed.",
            ),
            HoldError::NotHeld => {
                Self::new(StatusCode::CONFLICT, "legal_hold.none", "No legal hold stands: there is nothing to lift.")
            }
            HoldError::Failed(error) => error.into(),
        }
    }
}
