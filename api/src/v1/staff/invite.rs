//! `POST /staff`: invite somebody.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use records::action::InviteStaff;
use records::identity::invitations::{self, InviteError, Invitee};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use visit::Role;

use crate::AppState;
use crate::document::{Anyone, Changes, SignedIn, TakesBody};
use crate::extract::{Body, bounded};
use crate::problem::Problem;
use crate::session::Staff;
use crate::words;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewMember {
    name: String,
    email: String,
    #[schema(schema_with = words::invited_role)]
    role: Role,
}

/// The account that waits for its owner.
#[derive(Serialize, ToSchema)]
pub(crate) struct Invited {
    id: Uuid,
}

/// Invite somebody
///
/// Mails a link that works once within 72 hours. The account works when its owner has chosen a password and set up a
/// second factor. Needs a fresh second factor.
#[utoipa::path(
    post,
    path = "/staff",
    operation_id = "invite_staff",
    tag = "staff",
    request_body = NewMember,
    security(("staff" = [])),
    responses(
        (status = 201, body = Invited),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`staff.email_taken`: there is an account with this address"),
        TakesBody, SignedIn, Changes, Anyone
    )
)]
pub(crate) async fn invite(
    State(state): State<AppState>,
    staff: Staff,
    Body(body): Body<NewMember>,
) -> Result<(StatusCode, Json<Invited>), Problem> {
    bounded("name", &body.name, invitations::MAX_NAME_CHARS)?;
    bounded("email", &body.email, 254)?;
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(InviteStaff).await?;
    let invitee = Invitee { email: body.email, name: body.name, role: body.role };
    let invited = invitations::invite(&mut tx, &may, &invitee).await?;
    Ok((StatusCode::CREATED, Json(Invited { id: tx.commit(invited).await?.0 })))
}

impl From<InviteError> for Problem {
    fn from(error: InviteError) -> Self {
        match error {
            InviteError::EmailTaken => Self::new(
                StatusCode::CONFLICT,
                "staff.email_taken",
                "There is an account with this e-mail address already. Use another one, or send its invitation again.",
            ),
            InviteError::BadEmail => Self::invalid("email: not an address"),
            InviteError::BadName => Self::invalid("name: empty, not printable, or longer than 100 characters"),
            InviteError::BadRole => Self::invalid("role: not one that can be given by invitation"),
            InviteError::Failed(error) => error.into(),
        }
    }
}
