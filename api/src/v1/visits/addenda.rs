//! `POST /visits/{id}/note/addenda`: adds to a signed note.

use axum::extract::State;
use axum::http::StatusCode;
use records::Phi;
use records::action::AddAddendum;
use records::notes::{self, AddendumError};
use serde::Deserialize;
use utoipa::ToSchema;
use visit::VisitId;

use super::note::{Note, too_long};
use crate::AppState;
use crate::document::{Addressed, Anyone, SignedIn, TakesBody};
use crate::extract::{Body, Id};
use crate::problem::Problem;
use crate::session::Staff;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAddendum {
    /// At most 100,000 bytes.
    body: String,
}

/// Add to a signed note
#[utoipa::path(
    post,
    path = "/visits/{id}/note/addenda",
    operation_id = "add_addendum",
    tag = "visits",
    request_body = NewAddendum,
    params(("id" = uuid::Uuid, Path, description = "Visit")),
    security(("staff" = [])),
    responses(
        (status = 201, body = Note, headers(("ETag" = String, description = "The version, in quotes"))),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`note.not_signed`: change the note itself"),
        Addressed, TakesBody, SignedIn, Anyone
    )
)]
pub(crate) async fn add(
    State(state): State<AppState>,
    staff: Staff,
    Id(visit): Id<VisitId>,
    Body(addendum): Body<NewAddendum>,
) -> Result<(StatusCode, Note), Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(AddAddendum(visit)).await?;
    let note = notes::add_addendum(&mut tx, &may, &Phi::from(addendum.body)).await?;
    Ok((StatusCode::CREATED, tx.commit(note).await?.into()))
}

impl From<AddendumError> for Problem {
    fn from(error: AddendumError) -> Self {
        match error {
            AddendumError::NotSigned => Self::new(
                StatusCode::CONFLICT,
                "note.not_signed",
                "The note is not signed yet. Change the note itself.",
            ),
            AddendumError::Empty => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "note.empty", "The addendum is empty. Write something.")
            }
            AddendumError::TooLong => too_long(),
            AddendumError::Failed(error) => error.into(),
        }
    }
}
