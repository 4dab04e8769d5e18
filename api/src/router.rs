//! The front door: which layers every request passes, and where the endpoints are.
//!
//! Endpoints are listed in `v1`; nothing here knows what they do. Pages, the websocket and `/metrics` are not here
//! either: `server` puts them beside this router.

use std::any::Any;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::problem::Problem;
use crate::{AppState, access_log, client, document, limits, problem, request_id, same_origin, v1};

/// Largest request body, bytes.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Longest time until an answer begins.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The API, to be nested at `/api`. Needs `ConnectInfo<SocketAddr>` for limits by address.
pub fn router(state: AppState) -> Router {
    let document = openapi_json();
    let (routes, _) = v1::routes().split_for_parts();
    Router::new()
        .nest("/v1", routes.route_layer(from_fn(access_log::note_route)))
        .route(
            "/openapi.json",
            get(async || ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], document)),
        )
        .fallback(async || Problem::not_found())
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, ANSWER_WITHIN))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(state.clone(), limits::enforce))
        .layer(from_fn_with_state(state.clone(), same_origin::check))
        .layer(from_fn_with_state(state.clone(), client::find))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(problem::render))
        .layer(from_fn(no_store))
        .layer(from_fn(access_log::write))
        .layer(from_fn(request_id::assign))
        .with_state(state)
}

/// The OpenAPI 3.1 document of [`router`], with paths as clients see them.
#[must_use]
pub fn openapi() -> OpenApi {
    let documented = OpenApiRouter::<AppState>::with_openapi(document::base()).nest("/api/v1", v1::routes());
    let mut document = documented.into_openapi();
    document::close_forms(&mut document);
    document
}

/// [`openapi`] as it is served and kept in `api/openapi.json`.
#[must_use]
pub fn openapi_json() -> String {
    let mut json = openapi().to_pretty_json().expect("the document is made of strings and maps");
    json.push('\n');
    json
}

/// Answers are about patients: no browser or proxy keeps them.
async fn no_store(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn panicked(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("a request handler panicked");
    Problem::internal().into_response()
}
