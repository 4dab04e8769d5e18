//! The day's list and what it is made of: patients, providers, appointments and their links.

mod book;
mod events;
mod link;
mod patients;
mod providers;
mod search_patients;
mod today;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

/// The routes of this folder.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(today::today))
        .routes(routes!(events::events))
        .routes(routes!(patients::patients))
        .routes(routes!(search_patients::search_patients))
        .routes(routes!(providers::providers))
        .routes(routes!(book::book))
        .routes(routes!(link::issue, link::revoke))
}
