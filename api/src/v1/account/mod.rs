//! One's own account: second factors, recovery codes, password, sessions, sign-ins.

mod end_other_sessions;
mod end_session;
mod factors;
mod key;
mod key_options;
mod password;
mod recovery_codes;
mod remove_factor;
mod sessions;
mod sign_ins;
mod totp;
mod totp_confirm;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

pub(super) use sessions::SessionList;
pub(super) use sign_ins::{SignInPage, SignInQuery};

/// The routes of this folder.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(factors::factors))
        .routes(routes!(totp::totp))
        .routes(routes!(totp_confirm::totp_confirm))
        .routes(routes!(key_options::key_options))
        .routes(routes!(key::key))
        .routes(routes!(remove_factor::remove_factor))
        .routes(routes!(recovery_codes::recovery_codes))
        .routes(routes!(password::password))
        .routes(routes!(sessions::sessions))
        .routes(routes!(end_session::end_session))
        .routes(routes!(end_other_sessions::end_other_sessions))
        .routes(routes!(sign_ins::sign_ins))
}
