//! Staff sign in: password, then a second factor, then a fresh session; and give a second factor again when it matters.

mod confirm;
mod confirm_options;
mod recovery;
pub(super) mod second_factor;
mod sign_in;
mod sign_out;
mod sso;
mod totp;
mod webauthn;
mod webauthn_options;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

/// The routes of this folder.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(sign_in::sign_in))
        .routes(routes!(totp::totp))
        .routes(routes!(webauthn_options::webauthn_options))
        .routes(routes!(webauthn::webauthn))
        .routes(routes!(recovery::recovery))
        .routes(routes!(confirm_options::confirm_options))
        .routes(routes!(confirm::confirm))
        .routes(routes!(sign_out::sign_out))
        .routes(routes!(sso::list))
        .routes(routes!(sso::start))
        .routes(routes!(sso::callback))
}
