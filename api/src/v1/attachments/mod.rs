//! Documents of a patient's record: the list, putting one on record, handing it out, taking it off.

mod delete;
pub(crate) mod download;
pub(crate) mod list;
pub(crate) mod upload;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

/// The routes of this folder that answer at once.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list::list)).routes(routes!(download::download)).routes(routes!(delete::delete))
}

/// The one that waits for what a client sends.
pub(super) fn slow_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(upload::upload))
}
