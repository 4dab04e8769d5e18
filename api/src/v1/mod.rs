//! All endpoints of version 1, by what people do with them. One file per endpoint.
//!
//! Each handler does the same four things: takes who asks, asks `records` whether they may, lets `records` do it, and
//! commits before anything is answered. None decides or filters by itself.

mod access;
mod account;
mod attachments;
mod audit;
mod auth;
mod day;
mod enrol;
mod guest;
mod invitation;
mod join;
mod mail;
mod me;
mod patients;
mod portal;
mod qr;
mod quality;
mod queue;
mod recordings;
mod retention;
mod settings;
mod shapes;
mod site;
mod staff;
mod texts;
mod visits;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

/// Every route of `/api/v1` that answers soon.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(site::site))
        .routes(routes!(texts::text))
        .routes(routes!(me::me))
        .merge(auth::routes())
        .merge(enrol::routes())
        .merge(invitation::routes())
        .merge(account::routes())
        .merge(staff::routes())
        .merge(settings::routes())
        .merge(join::routes())
        .merge(guest::routes())
        .merge(day::routes())
        .merge(queue::routes())
        .merge(attachments::routes())
        .merge(patients::routes())
        .merge(visits::routes())
        .merge(recordings::routes())
        .merge(retention::routes())
        .merge(quality::routes())
        .merge(mail::routes())
        .merge(audit::routes())
        .merge(portal::routes())
        .merge(access::routes())
}

/// The few that wait for something large to come, and so get more time.
pub(crate) fn slow_routes() -> OpenApiRouter<AppState> {
    attachments::slow_routes().merge(portal::slow_routes())
}
