//! A guest's way in: the link, a name, the consent, and then a ticket for the room of the one visit.

mod arrive;
mod consent;
mod leave;
mod open;
mod state;
mod ticket;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

/// The routes of this folder.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(open::open_invitation))
        .routes(routes!(arrive::arrive))
        .routes(routes!(state::state))
        .routes(routes!(consent::consent))
        .routes(routes!(ticket::ticket))
        .routes(routes!(leave::leave))
}
