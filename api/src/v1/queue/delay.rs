//! `PUT /staff/{id}/delay`: says how late a provider runs.

use axum::extract::State;
use axum::http::StatusCode;
use records::action::SayDelay;
use records::queue;
use serde::Deserialize;
use utoipa::ToSchema;
use visit::StaffId;

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn, TakesBody};
use crate::extract::{Body, Id};
use crate::problem::Problem;
use crate::session::Staff;

/// How late.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Delay {
    /// 0 takes it back.
    #[schema(minimum = 0, maximum = 480)]
    minutes: u32,
}

/// Say how late a provider runs
///
/// All who wait for them are told. It holds for 4 hours.
#[utoipa::path(
    put,
    path = "/staff/{id}/delay",
    operation_id = "say_delay",
    tag = "queue",
    request_body = Delay,
    params(("id" = uuid::Uuid, Path, description = "Provider")),
    security(("staff" = [])),
    responses(
        (status = 204, description = "Said"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`queue.not_said`: not a provider"),
        Addressed, TakesBody, SignedIn, Anyone
    )
)]
pub(crate) async fn delay(
    State(state): State<AppState>,
    staff: Staff,
    Id(provider): Id<StaffId>,
    Body(delay): Body<Delay>,
) -> Result<StatusCode, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(SayDelay(provider)).await?;
    let said = queue::say_delay(&mut tx, &may, delay.minutes).await?;
    tx.commit(said).await?;
    state.changed(staff.session.clinic.id);
    Ok(StatusCode::NO_CONTENT)
}
