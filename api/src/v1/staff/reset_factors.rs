//! `POST /staff/{id}/reset-factors`: for somebody who lost every second factor and all recovery codes.

use axum::extract::State;
use axum::http::StatusCode;
use records::Phi;
use records::action::ResetFactors;
use records::identity::roster;
use serde::Deserialize;
use utoipa::ToSchema;
use visit::{Person, StaffId};

use crate::AppState;
use crate::document::{Addressed, Anyone, Changes, SignedIn, TakesBody};
use crate::extract::{Body, Id, bounded};
use crate::problem::Problem;
use crate::session::Staff;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WhyReset {
    /// How it was made sure who asks, for the audit log.
    #[schema(min_length = 5, max_length = 500)]
    reason: String,
}

/// Take all second factors of somebody away
///
/// For somebody who lost them and the recovery codes. Their sessions and websockets end within a second and they are told
/// by mail; for 72 hours their password leads to setting up a new factor, and to nothing else. Not for oneself. Needs a
/// fresh second factor.
#[utoipa::path(
    post,
    path = "/staff/{id}/reset-factors",
    operation_id = "reset_staff_factors",
    tag = "staff",
    params(("id" = uuid::Uuid, Path, description = "Member of staff")),
    request_body = WhyReset,
    security(("staff" = [])),
    responses(
        (status = 204, description = "Taken away"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`staff.changed`: the account does not work now"),
        TakesBody, Addressed, SignedIn, Changes, Anyone
    )
)]
pub(crate) async fn reset_factors(
    State(state): State<AppState>,
    staff: Staff,
    Id(id): Id<StaffId>,
    Body(body): Body<WhyReset>,
) -> Result<StatusCode, Problem> {
    bounded("reason", &body.reason, roster::MAX_REASON_CHARS)?;
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ResetFactors(id)).await?;
    let done = roster::reset_factors(&mut tx, &may, &Phi::from(body.reason)).await?;
    tx.commit(done).await?;
    state.person_ended(Person::Staff(id));
    Ok(StatusCode::NO_CONTENT)
}
