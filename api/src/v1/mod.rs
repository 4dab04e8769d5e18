//! All endpoints of version 1, by what people do with them. One file per endpoint.
//!
//! Each handler does the same four things: takes who asks, asks `records` whether they may, lets `records` do it, and
//! commits before anything is answered. None decides or filters by itself.

mod audit;
mod auth;
mod day;
mod join;
mod me;
mod quality;
mod recordings;
mod shapes;
mod site;
mod texts;
mod visits;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

/// Every route of `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(site::site))
        .routes(routes!(texts::text))
        .routes(routes!(auth::sign_in::sign_in))
        .routes(routes!(auth::totp::totp))
        .routes(routes!(auth::sign_out::sign_out))
        .routes(routes!(me::me))
        .routes(routes!(join::open::open))
        .routes(routes!(join::identity::identity))
        .routes(routes!(join::state::state))
        .routes(routes!(join::location::location))
        .routes(routes!(join::consent::consent))
        .routes(routes!(join::ticket::ticket))
        .routes(routes!(join::leave::leave))
        .routes(routes!(day::today::today))
        .routes(routes!(day::events::events))
        .routes(routes!(day::patients::patients))
        .routes(routes!(day::providers::providers))
        .routes(routes!(day::book::book))
        .routes(routes!(day::link::issue, day::link::revoke))
        .routes(routes!(visits::ticket::ticket))
        .routes(routes!(visits::detail::detail))
        .routes(routes!(visits::timeline::timeline))
        .routes(routes!(visits::note::read, visits::note::save))
        .routes(routes!(visits::sign::sign))
        .routes(routes!(visits::addenda::add))
        .routes(routes!(recordings::list::list))
        .routes(routes!(recordings::media::media))
        .routes(routes!(quality::list::list))
        .routes(routes!(quality::series::series))
        .routes(routes!(audit::search))
}
