//! Who did what, who viewed whom, whether the log is as it was sealed, and what is unusual in it.

mod export;
mod findings;
mod people;
mod rules;
mod seals;
mod search;
mod viewers;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

/// Routes below `/audit`.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(search::search))
        .routes(routes!(people::people))
        .routes(routes!(viewers::viewers))
        .routes(routes!(seals::state))
        .routes(routes!(seals::verify))
        .routes(routes!(export::export))
        .routes(routes!(findings::list))
        .routes(routes!(findings::review))
        .routes(routes!(rules::read, rules::change))
}
