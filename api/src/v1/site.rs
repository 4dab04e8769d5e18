//! `GET /site`: what every page shows, signed in or not.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::AppState;
use crate::document::Anyone;

/// The site.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Site {
    /// Its name.
    name: String,
    /// Whom to call when nothing works.
    support_phone: String,
    /// Whether this is the demonstration, with made-up patients.
    demo: bool,
}

/// The site's name and support phone
#[utoipa::path(
    get,
    path = "/site",
    operation_id = "site",
    tag = "site",
    responses((status = 200, body = Site), Anyone)
)]
pub(crate) async fn site(State(state): State<AppState>) -> Json<Site> {
    Json(Site {
        name: state.config.site_name.clone(),
        support_phone: state.config.support_phone.clone(),
        demo: state.config.demo,
    })
}
