//! `GET /patients/{id}/attachments`: which documents a patient's record has.

use axum::Json;
use axum::extract::State;
use records::action::ListAttachments;
use records::attachments::{self, Attachment, Category};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;
use visit::PatientId;

use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn};
use crate::extract::Id;
use crate::problem::Problem;
use crate::session::Staff;
use crate::v1::shapes::shown;
use crate::words;

/// The documents of a patient's record.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Attachments {
    /// Newest first.
    pub items: Vec<AttachmentItem>,
}

/// One document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AttachmentItem {
    attachment_id: Uuid,
    #[schema(schema_with = words::attachment_category)]
    category: Category,
    /// As it was sent, made harmless, with the ending of what it is now.
    file_name: String,
    /// `image/jpeg`, `image/png` or `application/pdf`.
    media_type: String,
    bytes: i64,
    #[serde(with = "time::serde::rfc3339")]
    uploaded_at: OffsetDateTime,
    /// A member of staff; null if it was the patient or somebody who acts for them.
    #[schema(required)]
    uploaded_by: Option<String>,
}

impl From<Attachment> for AttachmentItem {
    fn from(attachment: Attachment) -> Self {
        Self {
            attachment_id: attachment.attachment_id.0,
            category: attachment.category,
            file_name: shown(&attachment.file_name),
            media_type: attachment.media_type,
            bytes: attachment.bytes,
            uploaded_at: attachment.uploaded_at,
            uploaded_by: attachment.uploaded_by,
        }
    }
}

/// Documents of a patient
#[utoipa::path(
    get,
    path = "/patients/{id}/attachments",
    operation_id = "attachments",
    tag = "documents",
    params(("id" = Uuid, Path, description = "Patient")),
    security(("staff" = [])),
    responses((status = 200, body = Attachments), Addressed, SignedIn, Anyone)
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    staff: Staff,
    Id(patient): Id<PatientId>,
) -> Result<Json<Attachments>, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ListAttachments(patient)).await?;
    let found = attachments::list(&mut tx, &may).await?;
    let items = tx.commit(found).await?.into_iter().map(Into::into).collect();
    Ok(Json(Attachments { items }))
}
