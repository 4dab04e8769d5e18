//! A patient checks in: the link, the date of birth, where they are, the consent, and then a ticket for the room.

mod consent;
mod devices;
mod events;
mod identity;
mod leave;
mod location;
mod open;
mod state;
mod ticket;
mod waiting;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

/// The routes of this folder.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(open::open))
        .routes(routes!(identity::identity))
        .routes(routes!(state::state))
        .routes(routes!(location::location))
        .routes(routes!(consent::consent))
        .routes(routes!(ticket::ticket))
        .routes(routes!(leave::leave))
        .routes(routes!(events::events))
        .routes(routes!(waiting::waiting))
        .routes(routes!(waiting::write))
        .routes(routes!(devices::devices))
}
