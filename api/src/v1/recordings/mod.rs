//! Recordings of a visit: the list, and the file itself by range.

pub(super) mod list;
pub(super) mod media;
mod range;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

/// The routes of this folder.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list::list)).routes(routes!(media::media))
}
