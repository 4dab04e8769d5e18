//! `POST /guest/ticket`: the guest's way into the room, once the consent is there. Who comes by it waits to be let in.

use axum::Json;
use axum::extract::State;
use records::action::Attend;
use records::guests::way_in;

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn};
use crate::problem::Problem;
use crate::same_origin::PageOrigin;
use crate::session::Guest;
use crate::v1::shapes::IssuedTicket;

/// A ticket for the guest's websocket
#[utoipa::path(
    post,
    path = "/guest/ticket",
    operation_id = "guest_ticket",
    tag = "guest",
    security(("guest" = [])),
    responses(
        (status = 200, body = IssuedTicket),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`join.incomplete`: the consent is missing; `visit.over`: it has ended or was cancelled"),
        Addressed, SignedIn, Anyone
    )
)]
pub(crate) async fn ticket(
    State(state): State<AppState>,
    PageOrigin(origin): PageOrigin,
    guest: Guest,
) -> Result<Json<IssuedTicket>, Problem> {
    let mut tx = state.records.begin(guest.context()).await?;
    let may = tx.authorize(Attend(guest.session.visit_id)).await?;
    let seat = way_in::seat(&mut tx, &may).await?;
    let identity = tx.commit(seat).await?;
    let ticket = state.tickets.issue(identity, guest.session.session_id, &origin, state.clock.now())?;
    Ok(Json(IssuedTicket::from(&ticket)))
}
