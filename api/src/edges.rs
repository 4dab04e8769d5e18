//! What every request and every answer passes, pages and API alike: a number, limits on the request's head, and headers
//! that tell browsers what our pages never do.

use axum::Router;
use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};

use crate::problem::{self, Problem};
use crate::{ApiConfig, request_id};

/// Longest address with its query, bytes.
const MAX_URI_BYTES: usize = 8 * 1024;
/// Most headers of a request, and their names and values together, bytes. Browsers send a tenth of it.
const MAX_HEADERS: usize = 64;
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// No inline script or style, nothing from elsewhere, in nobody's frame. `blob:` is for pictures and sound that the
/// page itself makes.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
font-src 'self'; media-src 'self' blob:; connect-src 'self'; worker-src 'self'; manifest-src 'self'; \
form-action 'self'; base-uri 'none'; frame-ancestors 'none'; object-src 'none'";

const PERMISSIONS: &str = "camera=(self), microphone=(self), display-capture=(self), autoplay=(self), fullscreen=(self), \
speaker-selection=(self), picture-in-picture=(self), screen-wake-lock=(self), geolocation=(), payment=(), usb=(), \
serial=(), bluetooth=(), midi=(), browsing-topics=()";

/// Two years, as browsers' preload lists ask for.
const HSTS: &str = "max-age=63072000; includeSubDomains";

/// Wraps everything that the server serves.
///
/// A header that a handler has set itself (say, `Cache-Control` on hashed assets) stays.
pub fn edges(router: Router, config: &ApiConfig) -> Router {
    let tls = config.tls;
    router.layer(from_fn(small_head)).layer(from_fn(problem::render_own)).layer(from_fn(request_id::assign)).layer(
        from_fn(move |request: Request, next: Next| async move {
            let mut response: Response = next.run(request).await;
            add(response.headers_mut(), tls);
            response
        }),
    )
}

/// Refuses a request whose head is larger than any browser makes it.
async fn small_head(request: Request, next: Next) -> Response {
    let uri = request.uri().path_and_query().map_or(0, |uri| uri.as_str().len());
    if uri > MAX_URI_BYTES {
        return Problem::of_status(StatusCode::URI_TOO_LONG).into_response();
    }
    let bytes: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if request.headers().len() > MAX_HEADERS || bytes > MAX_HEADER_BYTES {
        return Problem::of_status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE).into_response();
    }
    next.run(request).await
}

fn add(headers: &mut HeaderMap, tls: bool) {
    let fixed = [
        (CONTENT_SECURITY_POLICY, CSP),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in fixed {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if tls {
        headers.entry(STRICT_TRANSPORT_SECURITY).or_insert(HeaderValue::from_static(HSTS));
    }
}
