//! `POST /visits/{id}/ticket`: the host's way into the room.

use axum::Json;
use axum::extract::State;
use records::action::TakeSeat;
use records::visits;
use visit::VisitId;

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn};
use crate::extract::Id;
use crate::problem::Problem;
use crate::same_origin::PageOrigin;
use crate::session::Staff;
use crate::v1::shapes::IssuedTicket;

/// A ticket for the host's websocket
#[utoipa::path(
    post,
    path = "/visits/{id}/ticket",
    operation_id = "host_ticket",
    tag = "visits",
    params(("id" = uuid::Uuid, Path, description = "Visit")),
    security(("staff" = [])),
    responses(
        (status = 200, body = IssuedTicket),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`visit.over`: it has ended or was cancelled"),
        Addressed, SignedIn, Anyone
    )
)]
pub(crate) async fn ticket(
    State(state): State<AppState>,
    PageOrigin(origin): PageOrigin,
    staff: Staff,
    Id(visit): Id<VisitId>,
) -> Result<Json<IssuedTicket>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(TakeSeat(visit)).await?;
    let seat = visits::seat(&mut tx, &may).await?;
    let identity = tx.commit(seat).await?;
    let ticket = state.tickets.issue(identity, staff.session.session_id, &origin, state.clock.now())?;
    Ok(Json(IssuedTicket::from(&ticket)))
}
