//! The clinic's staff: who there is, invitations, roles, who has left, where they are signed in.

mod deactivate;
mod end_sessions;
mod invitation;
mod invite;
mod list;
mod reactivate;
mod reset_factors;
mod role;
mod sessions;
mod sign_ins;

use axum::http::StatusCode;
use records::identity::roster::RosterError;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::problem::Problem;

/// The routes of this folder.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list::list, invite::invite))
        .routes(routes!(invitation::resend, invitation::revoke))
        .routes(routes!(role::role))
        .routes(routes!(deactivate::deactivate))
        .routes(routes!(reset_factors::reset_factors))
        .routes(routes!(reactivate::reactivate))
        .routes(routes!(sessions::sessions, end_sessions::end_sessions))
        .routes(routes!(sign_ins::sign_ins))
}

impl From<RosterError> for Problem {
    fn from(error: RosterError) -> Self {
        match error {
            RosterError::LastAdmin => Self::new(
                StatusCode::CONFLICT,
                "staff.last_admin",
                "This is the clinic's last active administrator. Make somebody else one first.",
            ),
            RosterError::Reason => Self::invalid("reason: say why in 5 to 500 characters"),
            RosterError::BadRole => Self::invalid("role: not one that can be given here"),
            RosterError::OtherStanding => Self::new(
                StatusCode::CONFLICT,
                "staff.changed",
                "This account has changed in the meantime. Reload the list and look again.",
            ),
            RosterError::Failed(error) => error.into(),
        }
    }
}
