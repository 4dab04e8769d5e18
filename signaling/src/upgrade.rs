//! `GET /signal`: who may open a websocket at all.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use visit::wire::{MAX_MESSAGE_BYTES, SUBPROTOCOL};

use crate::problem::UpgradeError;
use crate::{Ports, Signaling, connection};

/// Read and write buffer of one websocket, bytes: most connections are quiet, and there are many.
const BUFFER_BYTES: usize = 4 * 1024;

/// Serves `GET /signal`.
pub fn router<P: Ports>(signaling: Signaling<P>) -> Router {
    Router::new().route("/signal", get(signal::<P>)).with_state(signaling)
}

async fn signal<P: Ports>(
    State(signaling): State<Signaling<P>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let house = signaling.house;
    let Some(origin) = own_origin(&headers, &house.settings.allowed_origins) else {
        metrics::counter!("bedside_signaling_upgrades_refused_total", "why" => "origin").increment(1);
        return UpgradeError::ForeignOrigin.into_response();
    };
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade.protocols([SUBPROTOCOL]),
        Err(rejection) => return rejection.into_response(),
    };
    if upgrade.selected_protocol().is_none() {
        return UpgradeError::NoSubprotocol.into_response();
    }
    let (Some(alive), Ok(place), Ok(unnamed)) = (
        house.join_living(),
        Arc::clone(&house.connections).try_acquire_owned(),
        Arc::clone(&house.hellos).try_acquire_owned(),
    ) else {
        metrics::counter!("bedside_signaling_upgrades_refused_total", "why" => "busy").increment(1);
        return UpgradeError::Busy.into_response();
    };
    upgrade
        .max_message_size(MAX_MESSAGE_BYTES)
        .max_frame_size(MAX_MESSAGE_BYTES)
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .on_upgrade(move |socket| async move {
            connection::serve(house, socket, origin, unnamed).await;
            drop((place, alive));
        })
}

/// The one `Origin` header, if it is one of ours.
fn own_origin(headers: &HeaderMap, allowed: &[String]) -> Option<String> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let origin = origins.next()?.to_str().ok()?;
    let only_one = origins.next().is_none();
    (only_one && allowed.iter().any(|ours| ours == origin)).then(|| origin.to_owned())
}
