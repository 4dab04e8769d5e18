//! `POST /guest/open`: what a guest's link shows. Mail scanners do this too: it uses nothing up.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use records::guests::way_in;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use visit::Role;

use crate::AppState;
use crate::document::{Anyone, Changes, TakesBody};
use crate::extract::Body;
use crate::problem::Problem;
use crate::session::Visitor;
use crate::v1::shapes::shown;
use crate::words;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GuestLink {
    /// What follows `/g/` in the link.
    token: String,
}

/// Whose link it is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GuestPage {
    clinic_name: String,
    clinic_phone: String,
    #[schema(schema_with = words::role)]
    role: Role,
    /// The name that came with the invitation.
    name: String,
}

/// Open a guest's link
///
/// Unknown, expired and revoked links get one and the same answer.
#[utoipa::path(
    post,
    path = "/guest/open",
    operation_id = "open_guest_link",
    tag = "guest",
    request_body = GuestLink,
    responses(
        (status = 200, body = GuestPage),
        (status = 404, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`link.not_usable`"),
        TakesBody, Changes, Anyone
    )
)]
pub(crate) async fn open_invitation(
    State(state): State<AppState>,
    visitor: Visitor,
    Body(link): Body<GuestLink>,
) -> Result<Json<GuestPage>, Problem> {
    let page = way_in::open(&state.records, &link.token, visitor.at).await?.ok_or_else(not_usable)?;
    let (clinic_name, clinic_phone) = (page.clinic_name, page.clinic_phone);
    Ok(Json(GuestPage { clinic_name, clinic_phone, role: page.role, name: shown(&page.name) }))
}

pub(super) fn not_usable() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "link.not_usable",
        "This link can't be used. It may be too early, too late, or taken back: ask whoever invited you for a new one.",
    )
}
