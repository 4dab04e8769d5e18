//! A number for each request, in answers, logs and the audit log, so that the three can be laid side by side.

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use uuid::Uuid;

/// The header that carries it.
pub(crate) const HEADER: &str = "x-request-id";

/// The id of the request that is being answered. Always made here: a client's own is not taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId(pub Uuid);

/// Gives the request its id and shows it in the answer.
pub(crate) async fn assign(mut request: Request, next: Next) -> Response {
    let id = RequestId(Uuid::now_v7());
    request.extensions_mut().insert(id);
    let mut response = next.run(request).await;
    let value = HeaderValue::from_str(&id.0.to_string()).expect("a UUID is a valid header value");
    response.headers_mut().insert(HEADER, value);
    response.extensions_mut().insert(id);
    response
}
