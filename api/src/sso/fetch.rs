//! Requests to a provider: no redirects (it could send us into the house), a bounded answer within a bounded time.

use std::time::Duration;

use openidconnect::{HttpRequest, HttpResponse, http};

/// Longest wait for a provider's answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Largest answer, bytes.
const MAX_BYTES: usize = 512 * 1024;

#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("{0}")]
    Failed(#[from] reqwest::Error),
    #[error("{0}")]
    Malformed(#[from] http::Error),
    #[error("the answer is larger than {MAX_BYTES} bytes")]
    TooLarge,
}

pub(super) fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(ANSWER_WITHIN)
        .build()
        .expect("TLS with the system's authorities")
}

pub(super) async fn fetch(client: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, FetchError> {
    let mut response = client.execute(request.map(reqwest::Body::from).try_into()?).await?;
    let mut answer = http::Response::builder().status(response.status());
    for (name, value) in response.headers() {
        answer = answer.header(name, value);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_BYTES {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(answer.body(body)?)
}
