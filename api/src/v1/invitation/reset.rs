//! `POST /auth/password-reset`: a link to a new password, by mail. The answer says nothing, not even by its time.

use axum::extract::State;
use axum::http::StatusCode;
use records::identity::reset;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::AppState;
use crate::document::{Anyone, Changes, TakesBody};
use crate::extract::{Body, bounded};
use crate::problem::Problem;
use crate::session::Visitor;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForgottenPassword {
    email: String,
}

/// Ask for a new password
///
/// If there is an account with this address, a link goes there by mail: good once, for 30 minutes. The answer is the
/// same in any case, and is given before the account is looked for.
#[utoipa::path(
    post,
    path = "/auth/password-reset",
    operation_id = "ask_password_reset",
    tag = "auth",
    request_body = ForgottenPassword,
    responses((status = 202, description = "Whatever there is to do will be done"), TakesBody, Changes, Anyone)
)]
pub(crate) async fn reset(
    State(state): State<AppState>,
    visitor: Visitor,
    Body(body): Body<ForgottenPassword>,
) -> Result<StatusCode, Problem> {
    bounded("email", &body.email, 254)?;
    state.limits.magic_link(&body.email, visitor.address.0).await?;
    let records = state.records.clone();
    state.background.spawn(async move {
        if let Err(error) = reset::request(&records, &visitor.origin, &body.email, visitor.at).await {
            tracing::error!(%error, "a link to a new password was not sent");
        }
    });
    Ok(StatusCode::ACCEPTED)
}
