//! `POST /portal/sign-in`: asks for a link by mail. The answer is the same whoever asks, and comes before anything is looked up.

use axum::extract::State;
use axum::http::StatusCode;
use records::Phi;
use records::outbox::Lang;
use records::portal::links;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::AppState;
use crate::document::{Anyone, Changes, TakesBody};
use crate::extract::{Body, bounded};
use crate::problem::Problem;
use crate::session::Visitor;
use crate::words;

/// Longest address of e-mail, RFC 5321.
const MAX_EMAIL_CHARS: usize = 254;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PortalAddress {
    email: String,
    /// For the mail.
    #[schema(schema_with = words::lang)]
    lang: Lang,
}

/// Ask for a link by mail
///
/// Says nothing about whether the address is known. A link is good for 15 minutes, once.
#[utoipa::path(
    post,
    path = "/portal/sign-in",
    operation_id = "portal_sign_in",
    tag = "portal",
    request_body = PortalAddress,
    responses((status = 202, description = "If the address is known, a link is on its way"), TakesBody, Changes, Anyone)
)]
pub(crate) async fn sign_in(
    State(state): State<AppState>,
    visitor: Visitor,
    Body(address): Body<PortalAddress>,
) -> Result<StatusCode, Problem> {
    bounded("email", &address.email, MAX_EMAIL_CHARS)?;
    state.limits.magic_link(&address.email, visitor.address.0).await?;
    // Not waited for: how long it takes would tell whether somebody is there.
    tokio::spawn(async move {
        let email = Phi::from(address.email);
        let asked = links::ask(&state.records, &visitor.origin, &email, address.lang, visitor.at).await;
        if let Err(error) = asked {
            tracing::error!(%error, "a sign-in link could not be sent");
        }
    });
    Ok(StatusCode::ACCEPTED)
}
