//! The patients' portal: in by a link from a mail, then one's own record, or a ward's.
//!
//! Whose record it is stands in every request: `{id}` is the patient, or `?patient=` beside the id of a visit. Whether the one who
//! is signed in may see it is decided by `records`, as everywhere.

mod chart;
mod consents;
mod details;
mod documents;
mod export;
mod factor;
mod history;
mod join;
mod me;
mod note;
mod open;
mod recordings;
mod sessions;
mod sign_in;
mod sign_out;
mod totp;
mod visits;

use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::AppState;

/// The routes of this folder.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(sign_in::sign_in))
        .routes(routes!(open::open))
        .routes(routes!(totp::totp))
        .routes(routes!(sign_out::sign_out))
        .routes(routes!(me::me))
        .routes(routes!(visits::visits))
        .routes(routes!(consents::consents))
        .routes(routes!(history::history))
        .routes(routes!(details::read))
        .routes(routes!(details::save))
        .routes(routes!(details::waiting))
        .routes(routes!(details::confirm))
        .routes(routes!(chart::insurance))
        .routes(routes!(chart::clinical))
        .routes(routes!(export::export))
        .routes(routes!(documents::list))
        .routes(routes!(documents::download))
        .routes(routes!(note::note))
        .routes(routes!(join::join))
        .routes(routes!(recordings::list))
        .routes(routes!(recordings::media))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::revoke))
        .routes(routes!(factor::state, factor::begin, factor::confirm))
        .routes(routes!(factor::remove))
}

/// The one that waits for what a client sends.
pub(super) fn slow_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(documents::send))
}

/// Whose record a visit or a document belongs to.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OfPatient {
    /// The patient.
    patient: Uuid,
}
