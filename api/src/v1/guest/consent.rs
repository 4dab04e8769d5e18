//! `POST /guest/consent`: the guest agrees to take part, to exactly the text that was read.

use axum::extract::State;
use axum::http::StatusCode;
use records::action::Attend;
use records::guests::way_in;

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn, TakesBody};
use crate::extract::{Body, bounded};
use crate::problem::Problem;
use crate::session::Guest;
use crate::v1::shapes::Agreement;

/// Agree to take part
#[utoipa::path(
    post,
    path = "/guest/consent",
    operation_id = "guest_agrees",
    tag = "guest",
    request_body = Agreement,
    security(("guest" = [])),
    responses(
        (status = 204, description = "Stored"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`consent.text_changed`"),
        Addressed, TakesBody, SignedIn, Anyone
    )
)]
pub(crate) async fn consent(
    State(state): State<AppState>,
    guest: Guest,
    Body(agreement): Body<Agreement>,
) -> Result<StatusCode, Problem> {
    bounded("text_version", &agreement.text_version, 100)?;
    bounded("lang", &agreement.lang, 35)?;
    let mut tx = state.records.begin(guest.context()).await?;
    let may = tx.authorize(Attend(guest.session.visit_id)).await?;
    let stored = way_in::consent(&mut tx, &may, &agreement.text_version, &agreement.lang).await?;
    tx.commit(stored).await?;
    Ok(StatusCode::NO_CONTENT)
}
