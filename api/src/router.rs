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
use axum::routing::{any, get};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::extract::MAX_BODY_BYTES;
use crate::problem::Problem;
use crate::{AppState, access_log, client, document, limits, problem, same_origin, v1};

/// Longest time until an answer begins.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// The same for a document that comes over a slow line.
const UPLOADED_WITHIN: Duration = Duration::from_secs(120);

/// The API with everything below `/api`, to be wrapped in [`crate::edges`]. Needs `ConnectInfo<SocketAddr>` for limits by
/// address.
pub fn router(state: AppState) -> Router {
    let document = openapi_json();
    let (routes, _) = v1::routes().split_for_parts();
    let (slow_routes, _) = v1::slow_routes().split_for_parts();
    let routes = in_time(routes, ANSWER_WITHIN).merge(in_time(slow_routes, UPLOADED_WITHIN));
    let routes = Router::new()
        .nest("/v1", routes.route_layer(from_fn(access_log::note_route)))
        .route(
            "/openapi.json",
            get(async || ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], document)),
        )
        .fallback(async || Problem::not_found())
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(state.clone(), limits::enforce))
        .layer(from_fn_with_state(state.clone(), same_origin::check))
        .layer(from_fn_with_state(state.clone(), client::find));
    // Nested routes have no address that is the slash alone.
    let bare = Router::new().route("/api/", any(async || Problem::not_found()));
    Router::new().nest("/api", answered(routes)).merge(answered(bare)).with_state(state)
}

/// Breaks off what takes longer, a body that comes too slowly included.
fn in_time<S: Clone + Send + Sync + 'static>(routes: Router<S>, within: Duration) -> Router<S> {
    routes.layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, within))
}

/// Whatever happens inside, one answer of our form and one line in the log come out.
fn answered<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(problem::render))
        .layer(from_fn(no_store))
        .layer(from_fn(access_log::write))
}

/// The OpenAPI 3.1 document of [`router`], with paths as clients see them.
#[must_use]
pub fn openapi() -> OpenApi {
    let documented = OpenApiRouter::<AppState>::with_openapi(document::base())
        .nest("/api/v1", v1::routes().merge(v1::slow_routes()));
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

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::Request;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    async fn problem(routes: Router) -> (StatusCode, String, String) {
        let response = answered(routes).oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
        let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        (status, kind, body["code"].as_str().unwrap().to_owned())
    }

    #[tokio::test]
    async fn a_handler_that_panics_or_never_ends_is_a_problem_like_any_other() {
        let panics = Router::new().route("/", get(async || -> () { panic!("CANARY") }));
        let internal = (StatusCode::INTERNAL_SERVER_ERROR, problem::PROBLEM_JSON.to_owned(), "internal".to_owned());
        assert_eq!(problem(panics).await, internal);
        let hangs = Router::new().route("/", get(async || std::future::pending::<()>().await));
        let timeout = (StatusCode::SERVICE_UNAVAILABLE, problem::PROBLEM_JSON.to_owned(), "timeout".to_owned());
        assert_eq!(problem(in_time(hangs, Duration::from_millis(1))).await, timeout);
    }
}
