//! One visit: what is known of it, its timeline, its note, and the way into its room.

mod addenda;
mod detail;
mod guests;
mod note;
mod sign;
mod ticket;
mod timeline;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

/// The routes of this folder.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(ticket::ticket))
        .routes(routes!(detail::detail))
        .routes(routes!(timeline::timeline))
        .routes(routes!(guests::list, guests::invite))
        .routes(routes!(guests::invite_colleague))
        .routes(routes!(guests::revoke))
        .routes(routes!(note::read, note::save))
        .routes(routes!(sign::sign))
        .routes(routes!(addenda::add))
}
