//! `DELETE /attachments/{id}`: takes a document off the record.

use axum::extract::State;
use axum::http::StatusCode;
use records::action::DeleteAttachment;
use records::attachments;
use visit::AttachmentId;

use crate::AppState;
use crate::document::{Addressed, Anyone, Changes, SignedIn};
use crate::extract::Id;
use crate::problem::Problem;
use crate::session::Staff;

/// Take a document off the record
///
/// It is kept, out of reach, for as long as the record must be kept.
#[utoipa::path(
    delete,
    path = "/attachments/{id}",
    operation_id = "delete_attachment",
    tag = "documents",
    params(("id" = uuid::Uuid, Path, description = "Document")),
    security(("staff" = [])),
    responses((status = 204, description = "Off the record"), Addressed, Changes, SignedIn, Anyone)
)]
pub(crate) async fn delete(
    State(state): State<AppState>,
    staff: Staff,
    Id(attachment): Id<AttachmentId>,
) -> Result<StatusCode, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(DeleteAttachment(attachment)).await?;
    let done = attachments::delete(&mut tx, &may).await?;
    tx.commit(done).await?;
    Ok(StatusCode::NO_CONTENT)
}
