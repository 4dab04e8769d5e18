//! Who reaches a patient: guardians, the care team, emergency access and its review.

mod ask;
mod care_team;
mod emergency;
mod guardians;
mod review;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

/// The routes of this folder.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(ask::access))
        .routes(routes!(ask::ask))
        .routes(routes!(emergency::list))
        .routes(routes!(emergency::detail))
        .routes(routes!(review::review))
        .routes(routes!(guardians::list, guardians::add))
        .routes(routes!(guardians::end))
        .routes(routes!(care_team::list, care_team::assign))
        .routes(routes!(care_team::candidates))
        .routes(routes!(care_team::end))
}
