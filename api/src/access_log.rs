//! One line and one measurement per request: method, route (never the address itself, which may hold a token), status, time.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;

use crate::RequestId;

/// The route that a request matched, carried outwards with its answer.
#[derive(Clone)]
struct Route(MatchedPath);

/// Runs inside the routes, where the matched path is known.
pub(crate) async fn note_route(path: MatchedPath, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.extensions_mut().insert(Route(path));
    response
}

/// Runs around everything.
pub(crate) async fn write(request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let id = request.extensions().get::<RequestId>().copied();
    let response = next.run(request).await;
    let route = response.extensions().get::<Route>().map_or("none", |route| route.0.as_str());
    let status = response.status().as_u16();
    let seconds = begun.elapsed().as_secs_f64();
    tracing::info!(
        target: "bedside::http",
        request_id = id.map(|id| tracing::field::display(id.0)),
        method = method.as_str(),
        route,
        status,
        latency_ms = seconds * 1_000.0,
        "answered"
    );
    let labels = [("method", method.to_string()), ("route", route.to_owned()), ("status", status.to_string())];
    metrics::counter!("bedside_http_requests_total", &labels).increment(1);
    metrics::histogram!("bedside_http_request_seconds", &labels).record(seconds);
    response
}
