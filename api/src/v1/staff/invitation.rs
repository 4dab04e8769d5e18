//! `POST` and `DELETE /staff/{id}/invitation`: send it again, withdraw it.

use axum::extract::State;
use axum::http::StatusCode;
use records::action::ManageInvitation;
use records::identity::invitations::{self, ResendError};
use visit::{Person, StaffId};

use crate::AppState;
use crate::document::{Addressed, Anyone, Changes, SignedIn};
use crate::extract::Id;
use crate::problem::Problem;
use crate::session::Staff;

/// Send an invitation again
///
/// A new link, good for 72 hours; the former one does not work any more. Needs a fresh second factor.
#[utoipa::path(
    post,
    path = "/staff/{id}/invitation",
    operation_id = "resend_invitation",
    tag = "staff",
    params(("id" = uuid::Uuid, Path, description = "Member of staff")),
    security(("staff" = [])),
    responses(
        (status = 204, description = "Sent"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`staff.not_invited`: the account works already, or did"),
        Addressed, SignedIn, Changes, Anyone
    )
)]
pub(crate) async fn resend(
    State(state): State<AppState>,
    staff: Staff,
    Id(id): Id<StaffId>,
) -> Result<StatusCode, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ManageInvitation(id)).await?;
    let sent = invitations::resend(&mut tx, &may).await?;
    tx.commit(sent).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Withdraw an invitation
///
/// Its link does not work any more; it can be sent again later. Needs a fresh second factor.
#[utoipa::path(
    delete,
    path = "/staff/{id}/invitation",
    operation_id = "revoke_invitation",
    tag = "staff",
    params(("id" = uuid::Uuid, Path, description = "Member of staff")),
    security(("staff" = [])),
    responses(
        (status = 204, description = "Withdrawn"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`staff.not_invited`: the account works already, or did"),
        Addressed, SignedIn, Changes, Anyone
    )
)]
pub(crate) async fn revoke(
    State(state): State<AppState>,
    staff: Staff,
    Id(id): Id<StaffId>,
) -> Result<StatusCode, Problem> {
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ManageInvitation(id)).await?;
    let revoked = invitations::revoke(&mut tx, &may).await?;
    tx.commit(revoked).await?;
    state.person_ended(Person::Staff(id));
    Ok(StatusCode::NO_CONTENT)
}

impl From<ResendError> for Problem {
    fn from(error: ResendError) -> Self {
        match error {
            ResendError::NotInvited => Self::new(
                StatusCode::CONFLICT,
                "staff.not_invited",
                "This account is not waiting for its invitation any more. Reload the list.",
            ),
            ResendError::Failed(error) => error.into(),
        }
    }
}
