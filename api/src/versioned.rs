//! Things with a version: the `ETag` that goes out with them, and the `If-Match` that must come back.

use axum::Json;
use axum::http::header::{ETAG, IF_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::problem::Problem;

/// The version that the client has read. `*` is refused too: it would overwrite whatever is there.
pub(crate) fn if_match(headers: &HeaderMap) -> Result<i32, Problem> {
    let sent = headers.get(IF_MATCH).and_then(|value| value.to_str().ok()).map(str::trim);
    let Some(etag) = sent.filter(|etag| *etag != "*") else {
        return Err(Problem::new(
            StatusCode::PRECONDITION_REQUIRED,
            "if_match.missing",
            "Send If-Match with the version that was read (\"0\" for something new), so that nobody's change is overwritten.",
        ));
    };
    etag.strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .filter(|version| version.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|version| version.parse().ok())
        .ok_or_else(|| Problem::invalid("If-Match: not a version in quotes"))
}

/// A JSON answer with its version as `ETag`.
pub(crate) struct Versioned<T>(pub i32, pub T);

impl<T: Serialize> IntoResponse for Versioned<T> {
    fn into_response(self) -> Response {
        let etag = HeaderValue::from_str(&format!("\"{}\"", self.0)).expect("digits in quotes");
        ([(ETAG, etag)], Json(self.1)).into_response()
    }
}
