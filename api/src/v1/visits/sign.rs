//! `POST /visits/{id}/note/sign`: from here on the note never changes.

use axum::extract::State;
use axum::http::HeaderMap;
use records::action::WriteNote;
use records::notes;
use visit::VisitId;

use super::note::{Note, if_match};
use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn};
use crate::extract::Id;
use crate::problem::Problem;
use crate::session::Staff;

/// Sign the note
#[utoipa::path(
    post,
    path = "/visits/{id}/note/sign",
    operation_id = "sign_note",
    tag = "visits",
    params(
        ("id" = uuid::Uuid, Path, description = "Visit"),
        ("If-Match" = String, Header, description = "The version that was read, in quotes"),
    ),
    security(("staff" = [])),
    responses(
        (status = 200, body = Note, headers(("ETag" = String, description = "The version, in quotes"))),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`note.signed`: it is already"),
        (status = 412, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`note.changed_elsewhere`, with the stored `version`"),
        (status = 422, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`note.empty`; `request.invalid`"),
        (status = 428, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`if_match.missing`"),
        Addressed, SignedIn, Anyone
    )
)]
pub(crate) async fn sign(
    State(state): State<AppState>,
    staff: Staff,
    Id(visit): Id<VisitId>,
    headers: HeaderMap,
) -> Result<Note, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(WriteNote(visit)).await?;
    let version = if_match(&headers)?;
    let note = notes::sign(&mut tx, &may, version).await?;
    let note = tx.commit(note).await?;
    state.changed(staff.session.clinic.id);
    Ok(note.into())
}
