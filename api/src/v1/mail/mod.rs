//! Mail that goes out, for the clinic's administrator: what waits, what was given up, and trying again.

mod list;
mod retry;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

/// The routes of this folder.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list::list)).routes(routes!(retry::retry))
}
