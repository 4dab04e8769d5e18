//! Links by mail to members of staff: an invitation, a new password. Whoever has the link needs no session.

mod accept;
mod open;
mod reset;
mod reset_complete;

use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::problem::Problem;

/// The routes of this folder.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(open::open))
        .routes(routes!(accept::accept))
        .routes(routes!(reset::reset))
        .routes(routes!(reset_complete::reset_complete))
}

/// Unknown, used, expired, withdrawn: all alike.
fn not_usable() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "link.not_usable",
        "This link can't be used: it is too old, was used, or was replaced. Ask for a new one.",
    )
}
