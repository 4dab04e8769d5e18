//! A patient's record: who they are, insurance, clinical lists, history, merges, their own export.

mod clinical;
mod create;
pub(super) mod export;
mod insurance;
mod mark;
mod merge;
mod numbers;
mod record;
pub(super) mod shapes;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

/// The routes of this folder.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create::create))
        .routes(routes!(create::duplicates))
        .routes(routes!(numbers::set))
        .routes(routes!(record::read, record::save))
        .routes(routes!(record::history))
        .routes(routes!(insurance::list))
        .routes(routes!(insurance::save))
        .routes(routes!(insurance::mark))
        .routes(routes!(insurance::history))
        .routes(routes!(clinical::list))
        .routes(routes!(clinical::save))
        .routes(routes!(clinical::mark))
        .routes(routes!(clinical::history))
        .routes(routes!(clinical::none_known))
        .routes(routes!(export::export))
        .routes(routes!(merge::duplicates))
        .routes(routes!(merge::merge))
        .routes(routes!(merge::unmerge))
}
