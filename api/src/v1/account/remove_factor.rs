//! `DELETE /account/factors/{id}`: a factor that is lost or not wanted.

use axum::extract::State;
use axum::http::StatusCode;
use records::action::ChangeFactors;
use records::identity::account::{self, RemoveError};
use uuid::Uuid;

use crate::AppState;
use crate::document::{Addressed, Anyone, Changes, SignedIn};
use crate::extract::Id;
use crate::problem::Problem;
use crate::session::Staff;

/// Remove one of one's own second factors
///
/// The last one that the role may use stays. Needs a fresh second factor.
#[utoipa::path(
    delete,
    path = "/account/factors/{id}",
    operation_id = "remove_factor",
    tag = "account",
    params(("id" = Uuid, Path, description = "Second factor")),
    security(("staff" = [])),
    responses(
        (status = 204, description = "Removed; its secret is destroyed"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`second_factor.last`: add another one first"),
        Addressed, SignedIn, Changes, Anyone
    )
)]
pub(crate) async fn remove_factor(
    State(state): State<AppState>,
    staff: Staff,
    Id(id): Id<Uuid>,
) -> Result<StatusCode, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ChangeFactors(staff.session.staff_id)).await?;
    let removed = account::remove_factor(&mut tx, &may, id).await?;
    tx.commit(removed).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<RemoveError> for Problem {
    fn from(error: RemoveError) -> Self {
        match error {
            RemoveError::Last => Self::new(
                StatusCode::CONFLICT,
                "second_factor.last",
                "This is your last second factor. Add another one, then remove this one.",
            ),
            RemoveError::Failed(error) => error.into(),
        }
    }
}
