//! Errors as `application/problem+json` (RFC 9457), with a stable `code` and a `detail` that says what to do next.
//!
//! Handlers return a [`Problem`]; [`render`] writes its body, since only it knows the request's id. Whatever
//! else leaves with an error status (a wrong method, a panic, a timeout) is turned into a problem there too.

use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::RequestId;

/// The media type of every error.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// An error on its way to the client.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{status} {code}")]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: &'static str,
    retry_after_s: Option<u64>,
    more: Map<String, Value>,
}

/// The body of an error, RFC 9457.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// A URN that names the kind of error: `urn:bedside:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// The status in words.
    title: &'static str,
    /// The HTTP status, again.
    status: u16,
    /// Stable, for programs, e.g. `appointment.overlap`.
    code: &'static str,
    /// For people: what happened and what to do next.
    detail: &'static str,
    /// Quote it when asking for help.
    request_id: String,
    /// Seconds after which to try again, on 429 and 503.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u64>,
    /// What this code alone says, e.g. `tries_left`.
    #[serde(flatten)]
    more: Map<String, Value>,
}

impl Problem {
    /// An error with this status, code and advice.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, detail: &'static str) -> Self {
        Self { status, code, detail, retry_after_s: None, more: Map::new() }
    }

    /// Adds a member of its own.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// Adds `Retry-After`.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// A factor that was not accepted does not sign anybody out of the session they confirm.
    #[must_use]
    pub(crate) fn within_a_session(self) -> Self {
        let refused = self.status == StatusCode::UNAUTHORIZED && self.code != "signed_out";
        Self { status: if refused { StatusCode::CONFLICT } else { self.status }, ..self }
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// No session, or it has ended.
    #[must_use]
    pub fn signed_out() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "signed_out",
            "You are signed out. Sign in again; what you saved is still there.",
        )
    }

    /// The role alone refuses.
    #[must_use]
    pub fn forbidden() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            "Your role does not include this. Ask your clinic's administrator if you need it.",
        )
    }

    /// Allowed, once the second factor is given again.
    #[must_use]
    pub fn stale_factor() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "second_factor.stale",
            "This needs your second factor again. Confirm with a code or your security key, then repeat it.",
        )
    }

    /// No such thing, or not for this person: both look alike.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "There is nothing here that you can open. Go back and try again from the list.",
        )
    }

    /// Too many requests.
    #[must_use]
    pub fn rate_limited(retry_after_s: u64) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limited",
            "Too many requests in a short time. Wait a moment and try again.",
        )
        .retry_after(retry_after_s)
    }

    /// The database can't be asked right now.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The system of record can't be reached right now. What was confirmed before is safe; try again in a few seconds.")
            .retry_after(5)
    }

    /// A fault of ours.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Something went wrong on our side. Try again; if it happens again, quote the request id when asking for help.",
        )
    }

    /// The body isn't JSON, or isn't JSON at all.
    #[must_use]
    pub fn malformed() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "request.malformed",
            "The request can't be read. Reload the page and try again.",
        )
    }

    /// A value is missing, unknown or out of bounds.
    #[must_use]
    pub fn invalid(why: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "request.invalid",
            "Something in the form is missing or not as expected. Check it and try again.",
        )
        .with("invalid", why.into())
    }

    /// What a bare status means.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::not_found(),
            StatusCode::METHOD_NOT_ALLOWED => Self::new(
                status,
                "method_not_allowed",
                "This address does not answer to that method; /api/openapi.json lists what it does answer to.",
            ),
            StatusCode::PAYLOAD_TOO_LARGE => {
                Self::new(status, "request.too_large", "The request is larger than allowed. Send less at once.")
            }
            StatusCode::URI_TOO_LONG => Self::new(
                status,
                "request.uri_too_long",
                "The address is longer than allowed (8 KiB). Ask for less at once.",
            ),
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Self::new(
                status,
                "request.head_too_large",
                "The request has more headers than allowed (64, together 16 KiB). Clear this site's cookies and try again.",
            ),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                Self::new(status, "request.not_json", "Send the request as application/json.")
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "timeout",
                "This took too long. Reload to see whether it was done, then try again.",
            )
            .retry_after(5),
            status if status.is_client_error() => Self { status, ..Self::malformed() },
            status => Self { status, ..Self::internal() },
        }
    }
}

impl From<records::Error> for Problem {
    fn from(error: records::Error) -> Self {
        match error {
            records::Error::NotFound => Self::not_found(),
            records::Error::Forbidden => Self::forbidden(),
            records::Error::StaleFactor => Self::stale_factor(),
            records::Error::Database(error) => {
                tracing::error!(%error, "the database did not do it");
                Self::unavailable()
            }
            records::Error::Keys(error) => {
                tracing::error!(%error, "the key service did not do it");
                Self::unavailable()
            }
            error => {
                tracing::error!(%error, "a record can't be used");
                Self::internal()
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the body of every answer with an error status.
pub(crate) async fn render(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().copied();
    let mut response = next.run(request).await;
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let problem = response.extensions_mut().remove::<Problem>().unwrap_or_else(|| Problem::of_status(status));
    write(response, problem, id)
}

/// Writes the body of a [`Problem`]; errors of pages and probes stay as they are.
pub(crate) async fn render_own(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().copied();
    let mut response = next.run(request).await;
    match response.extensions_mut().remove::<Problem>() {
        Some(problem) => write(response, problem, id),
        None => response,
    }
}

fn write(response: Response, problem: Problem, id: Option<RequestId>) -> Response {
    let (mut parts, _) = response.into_parts();
    parts.status = problem.status;
    write_headers(&mut parts.headers, &problem);
    let body = ProblemBody {
        kind: format!("urn:bedside:problem:{}", problem.code),
        title: problem.status.canonical_reason().unwrap_or("Error"),
        status: problem.status.as_u16(),
        code: problem.code,
        detail: problem.detail,
        request_id: id.map(|id| id.0.to_string()).unwrap_or_default(),
        retry_after_s: problem.retry_after_s,
        more: problem.more,
    };
    let json = serde_json::to_vec(&body).expect("strings and numbers always serialise");
    Response::from_parts(parts, json.into())
}

fn write_headers(headers: &mut HeaderMap, problem: &Problem) {
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    if let Some(seconds) = problem.retry_after_s {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
}
