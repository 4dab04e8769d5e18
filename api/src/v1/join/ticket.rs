//! `POST /join/ticket`: the patient's way into the room, once location and consent are there.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use records::action::CheckIn;
use records::join::{self, SeatError};

use crate::AppState;
use crate::document::{Anyone, SignedIn};
use crate::problem::Problem;
use crate::same_origin::PageOrigin;
use crate::session::Patient;
use crate::tickets::TicketError;
use crate::v1::shapes::IssuedTicket;

/// A ticket for the patient's websocket
#[utoipa::path(
    post,
    path = "/join/ticket",
    operation_id = "patient_ticket",
    tag = "join",
    security(("patient" = [])),
    responses(
        (status = 200, body = IssuedTicket),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`join.incomplete`: location or consent is missing; `visit.over`: it has ended or was cancelled; `visit.declined`: the clinic sent the patient away"),
        SignedIn, Anyone
    )
)]
pub(crate) async fn ticket(
    State(state): State<AppState>,
    PageOrigin(origin): PageOrigin,
    patient: Patient,
) -> Result<Json<IssuedTicket>, Problem> {
    let mut tx = state.records.begin(patient.context()).await?;
    let may = tx.authorize(CheckIn(patient.session.visit_id)).await?;
    let seat = join::seat(&mut tx, &may).await?;
    let identity = tx.commit(seat).await?;
    let ticket = state.tickets.issue(identity, patient.session.session_id, &origin, state.clock.now())?;
    Ok(Json(IssuedTicket::from(&ticket)))
}

impl From<SeatError> for Problem {
    fn from(error: SeatError) -> Self {
        match error {
            SeatError::Incomplete => Self::new(
                StatusCode::CONFLICT,
                "join.incomplete",
                "Something is still to be said or agreed to first: go back one step, then you can join.",
            ),
            SeatError::Over => Self::new(
                StatusCode::CONFLICT,
                "visit.over",
                "This visit is over. Ask the clinic for a new appointment if you need one.",
            ),
            SeatError::Declined => Self::new(
                StatusCode::CONFLICT,
                "visit.declined",
                "The clinic can't see you now and has sent you a new link. Come back by that link.",
            ),
            SeatError::Failed(error) => error.into(),
        }
    }
}

impl From<TicketError> for Problem {
    fn from(error: TicketError) -> Self {
        match error {
            TicketError::Full => Self::unavailable(),
        }
    }
}
