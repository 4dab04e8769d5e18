//! Refusals before there is a websocket: RFC 9457 problem documents.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Why no websocket was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    /// The page is not ours.
    #[error("Open the visit from the clinic's own address.")]
    ForeignOrigin,
    /// The client does not speak our protocol.
    #[error("Ask for the websocket subprotocol bedside.v1.")]
    NoSubprotocol,
    /// All connections are taken, or the server is going down.
    #[error("The server is busy. Try again in a few seconds.")]
    Busy,
}

impl IntoResponse for UpgradeError {
    fn into_response(self) -> Response {
        let (status, code, title) = match self {
            Self::ForeignOrigin => (StatusCode::FORBIDDEN, "origin.foreign", "Foreign origin"),
            Self::NoSubprotocol => (StatusCode::BAD_REQUEST, "subprotocol.missing", "Subprotocol missing"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", "Busy"),
        };
        let body = serde_json::json!({
            "type": "about:blank",
            "title": title,
            "status": status.as_u16(),
            "code": code,
            "detail": self.to_string(),
        });
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self == Self::Busy {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("3"));
        }
        response
    }
}
