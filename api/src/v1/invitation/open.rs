//! `POST /invitation/open`: what the page of an invitation shows. Opening it uses nothing up.

use axum::Json;
use axum::extract::State;
use records::identity::invitations;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use visit::Role;

use super::not_usable;
use crate::AppState;
use crate::document::{Anyone, Changes, TakesBody};
use crate::extract::Body;
use crate::problem::Problem;
use crate::session::Visitor;
use crate::words;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StaffLinkToken {
    /// What follows `/invitation/` or `/reset/` in the link.
    pub token: String,
}

/// An invitation that can be accepted.
#[derive(Serialize, ToSchema)]
pub(crate) struct InvitationPage {
    name: String,
    /// What one will sign in with.
    email: String,
    #[schema(schema_with = words::role)]
    role: Role,
    clinic: String,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// Open an invitation
#[utoipa::path(
    post,
    path = "/invitation/open",
    operation_id = "open_invitation",
    tag = "auth",
    request_body = StaffLinkToken,
    responses(
        (status = 200, body = InvitationPage),
        (status = 404, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`link.not_usable`: unknown, used, expired or withdrawn, all alike"),
        TakesBody, Changes, Anyone
    )
)]
pub(crate) async fn open(
    State(state): State<AppState>,
    visitor: Visitor,
    Body(body): Body<StaffLinkToken>,
) -> Result<Json<InvitationPage>, Problem> {
    let found = invitations::open(&state.records, &body.token, visitor.at).await?.ok_or_else(not_usable)?;
    let invitations::Invitation { name, email, role, clinic, expires_at } = found;
    Ok(Json(InvitationPage { name, email, role, clinic, expires_at }))
}
