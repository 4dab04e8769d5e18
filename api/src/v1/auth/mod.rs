//! Staff sign in: password, then code, then a fresh session.

mod sign_in;
mod sign_out;
mod totp;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

/// The routes of this folder.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(sign_in::sign_in))
        .routes(routes!(totp::totp))
        .routes(routes!(sign_out::sign_out))
}
