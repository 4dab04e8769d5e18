//! How long a patient's record is kept, legal holds, and destroying it.

mod destroy;
mod hold;
mod read;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

/// The routes of this folder.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(read::retention))
        .routes(routes!(hold::place, hold::lift))
        .routes(routes!(destroy::destroy))
}
