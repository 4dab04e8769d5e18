//! `POST /mail/{id}/retry`: a message that was given up is tried again.

use axum::extract::State;
use axum::http::StatusCode;
use records::action::ManageMail;
use records::outbox;
use uuid::Uuid;

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn};
use crate::extract::Id;
use crate::problem::Problem;
use crate::session::Staff;

/// Try a message again
///
/// Only one that was given up and is still of use to its recipient.
#[utoipa::path(
    post,
    path = "/mail/{id}/retry",
    operation_id = "retry_mail",
    tag = "mail",
    params(("id" = uuid::Uuid, Path, description = "Message")),
    security(("staff" = [])),
    responses((status = 204, description = "It will be tried in a moment"), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn retry(
    State(state): State<AppState>,
    staff: Staff,
    Id(message): Id<Uuid>,
) -> Result<StatusCode, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ManageMail).await?;
    let retried = outbox::retry(&mut tx, &may, message).await?;
    tx.commit(retried).await?;
    Ok(StatusCode::NO_CONTENT)
}
