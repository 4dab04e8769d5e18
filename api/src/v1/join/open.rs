//! `POST /join/open`: what a link shows before anybody has said who they are. Mail scanners do this too: it uses nothing up.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use records::join;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::AppState;
use crate::document::{Anyone, Changes, TakesBody};
use crate::extract::Body;
use crate::problem::Problem;
use crate::session::Visitor;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Link {
    /// What follows `/v/` in the link.
    token: String,
}

/// Whose link it is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LinkPage {
    clinic_name: String,
    clinic_phone: String,
}

/// Open a link
///
/// Unknown, expired, revoked and locked links get one and the same answer.
#[utoipa::path(
    post,
    path = "/join/open",
    operation_id = "open_link",
    tag = "join",
    request_body = Link,
    responses(
        (status = 200, body = LinkPage),
        (status = 404, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`link.not_usable`"),
        TakesBody, Changes, Anyone
    )
)]
pub(crate) async fn open(
    State(state): State<AppState>,
    visitor: Visitor,
    Body(link): Body<Link>,
) -> Result<Json<LinkPage>, Problem> {
    let page = join::open(&state.records, &link.token, visitor.at).await?.ok_or_else(not_usable)?;
    Ok(Json(LinkPage { clinic_name: page.clinic_name, clinic_phone: page.clinic_phone }))
}

pub(super) fn not_usable() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "link.not_usable",
        "This link can't be used. It may be too early, too late, or replaced by a newer one: look for a newer message, or call the clinic for a new link.",
    )
}
