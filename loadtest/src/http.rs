//! The public HTTP API, as a browser speaks it: JSON, same-origin headers, one cookie jar per person.
//!
//! Here: the requests of `/api/v1` that a visit needs, waiting when the server says `429`, reading `/metrics`.
//! Not here: what is done with the answers, websockets.
//!
//! The jar is our own because `__Host-` cookies are `Secure`: browsers count plain HTTP on a loopback
//! address as secure, the client library does not.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::{COOKIE, HeaderMap, ORIGIN, RETRY_AFTER, SET_COOKIE};
use reqwest::{Method, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Longest time one request waits for a rate limit to pass, over all its attempts.
const LONGEST_HOLD: Duration = Duration::from_secs(120);
/// Longest time one attempt may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// Why a request was not answered as hoped.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nobody listens, or the connection broke.
    #[error("server not reachable at {base}: start it with `make run`, or say where it is with --base ({reason})")]
    Unreachable {
        /// What `--base` says.
        base: String,
        /// The client library's words.
        reason: String,
    },
    /// An RFC 9457 problem.
    #[error("{method} {path} was answered {status} {code}: {detail}")]
    Problem {
        /// Method of the request.
        method: Method,
        /// Path of the request.
        path: String,
        /// Status of the answer.
        status: StatusCode,
        /// Stable code of the problem, empty when the body was no problem document.
        code: String,
        /// For people.
        detail: String,
    },
    /// The answer is not what the contract says.
    #[error("{method} {path} was answered {status} with a body that is not as agreed: {reason}")]
    Unexpected {
        /// Method of the request.
        method: Method,
        /// Path of the request.
        path: String,
        /// Status of the answer.
        status: StatusCode,
        /// What was wrong with it.
        reason: String,
    },
}

impl CallError {
    /// The stable code of a problem answer.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Problem { code, .. } => code,
            Self::Unreachable { .. } | Self::Unexpected { .. } => "",
        }
    }

    /// Whether the server understood the request and said that its values can't be used.
    #[must_use]
    pub fn refuses_values(&self) -> bool {
        matches!(self, Self::Problem { status, .. } if matches!(status.as_u16(), 400 | 409 | 422))
    }
}

/// The server under test.
#[derive(Debug)]
pub struct Server {
    base: Url,
    client: reqwest::Client,
    held_ms: AtomicU64,
}

impl Server {
    /// The server at `base`, e.g. `http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// When the client library can't start.
    pub fn at(base: Url) -> reqwest::Result<Self> {
        let client = reqwest::Client::builder().timeout(REQUEST_TIMEOUT).no_proxy().build()?;
        Ok(Self { base, client, held_ms: AtomicU64::new(0) })
    }

    /// How long its rate limits made all browsers together wait so far, milliseconds.
    #[must_use]
    pub fn held_ms(&self) -> u64 {
        self.held_ms.load(Ordering::Relaxed)
    }

    /// Scheme, host and port: what a browser sends as `Origin`.
    #[must_use]
    pub fn origin(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    /// Host and port to which sockets are opened.
    #[must_use]
    pub fn authority(&self) -> (String, u16) {
        let host = self.base.host_str().unwrap_or("127.0.0.1").trim_matches(['[', ']']).to_owned();
        (host, self.base.port_or_known_default().unwrap_or(80))
    }

    /// Address of the websocket.
    #[must_use]
    pub fn websocket(&self) -> String {
        self.origin().replacen("http", "ws", 1) + "/signal"
    }

    /// The values of `/metrics`, summed over labels.
    ///
    /// # Errors
    /// When the server can't be reached or does not answer with success.
    pub async fn metrics(&self) -> Result<BTreeMap<String, f64>, CallError> {
        let path = "/metrics";
        let answer = self.client.get(self.origin() + path).send().await.map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| self.unreachable(&error))?;
        if !status.is_success() {
            return Err(problem(Method::GET, path, status, &text));
        }
        Ok(sums(&text))
    }

    fn unreachable(&self, error: &reqwest::Error) -> CallError {
        let mut reason = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            reason = inner.to_string();
            cause = inner.source();
        }
        CallError::Unreachable { base: self.origin(), reason }
    }
}

fn sums(text: &str) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((series, value)) = line.rsplit_once(' ') else { continue };
        let name = series.split('{').next().unwrap_or(series);
        if let Ok(value) = value.parse::<f64>() {
            *sums.entry(name.to_owned()).or_default() += value;
        }
    }
    sums
}

fn problem(method: Method, path: &str, status: StatusCode, text: &str) -> CallError {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Document {
        code: String,
        title: String,
        detail: String,
    }
    let document: Document = serde_json::from_str(text).unwrap_or_default();
    let detail = if document.detail.is_empty() { document.title } else { document.detail };
    CallError::Problem { method, path: path.to_owned(), status, code: document.code, detail }
}

/// One person's browser.
#[derive(Debug)]
pub struct Browser<'a> {
    /// The server it is pointed at.
    pub server: &'a Server,
    cookies: Mutex<BTreeMap<String, String>>,
    held_ms: AtomicU64,
}

impl<'a> Browser<'a> {
    /// A browser without cookies.
    #[must_use]
    pub fn new(server: &'a Server) -> Self {
        Self { server, cookies: Mutex::default(), held_ms: AtomicU64::new(0) }
    }

    /// How long the server's rate limits made this browser wait so far, milliseconds.
    #[must_use]
    pub fn held_ms(&self) -> u64 {
        self.held_ms.load(Ordering::Relaxed)
    }

    /// `GET path` below `/api/v1`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CallError> {
        self.call(Method::GET, path, None, &[]).await
    }

    /// `POST path` below `/api/v1`. An answer without a body is read as `null`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, CallError> {
        self.call(Method::POST, path, Some(body), &[]).await
    }

    /// `POST path` that creates something, safe to repeat with the same `key`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn create<T: DeserializeOwned>(&self, path: &str, body: &Value, key: &str) -> Result<T, CallError> {
        self.call(Method::POST, path, Some(body), &[("idempotency-key", key)]).await
    }

    /// `PUT path` below `/api/v1`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, CallError> {
        self.call(Method::PUT, path, Some(&json!(body)), &[]).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Result<T, CallError> {
        let url = format!("{}/api/v1{path}", self.server.origin());
        let mut held = Duration::ZERO;
        loop {
            let mut request = self
                .server
                .client
                .request(method.clone(), &url)
                .header(ORIGIN, self.server.origin())
                .header("sec-fetch-site", "same-origin");
            if let Some(cookies) = self.cookie_header() {
                request = request.header(COOKIE, cookies);
            }
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            if let Some(body) = body {
                request = request.json(body);
            }
            let answer = request.send().await.map_err(|error| self.server.unreachable(&error))?;
            self.keep_cookies(answer.headers());
            let status = answer.status();
            if status == StatusCode::TOO_MANY_REQUESTS && held < LONGEST_HOLD {
                let wait = retry_after(answer.headers());
                tracing::info!(path, seconds = wait.as_secs(), "rate limited: waiting");
                held += wait;
                for counter in [&self.held_ms, &self.server.held_ms] {
                    counter.fetch_add(wait.as_millis() as u64, Ordering::Relaxed);
                }
                tokio::time::sleep(wait).await;
                continue;
            }
            let text = answer.text().await.map_err(|error| self.server.unreachable(&error))?;
            if !status.is_success() {
                return Err(problem(method, path, status, &text));
            }
            let text = if text.is_empty() { "null" } else { text.as_str() };
            return serde_json::from_str(text).map_err(|error| CallError::Unexpected {
                method,
                path: path.to_owned(),
                status,
                reason: error.to_string(),
            });
        }
    }

    fn cookie_header(&self) -> Option<String> {
        let cookies = self.cookies.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let pairs: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    fn keep_cookies(&self, headers: &HeaderMap) {
        let mut cookies = self.cookies.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for header in headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok()) {
            let pair = header.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                cookies.insert(name.trim().to_owned(), value.trim().to_owned());
            }
        }
    }
}

fn retry_after(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(1_u64).clamp(1, 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_summed_over_their_labels() {
        let sums = sums("# TYPE a counter\na{worker=\"0\"} 3\na{worker=\"1\"} 4.5\nb 1e3\nbroken\n");
        assert_eq!(sums.get("a"), Some(&7.5));
        assert_eq!(sums.get("b"), Some(&1_000.0));
        assert_eq!(sums.len(), 2);
    }

    #[test]
    fn a_session_cookie_is_sent_back_and_replaced_when_it_rotates() {
        let server = Server::at(Url::parse("http://127.0.0.1:1/").expect("url")).expect("client");
        let browser = Browser::new(&server);
        for value in ["one", "two"] {
            let mut headers = HeaderMap::new();
            let cookie = format!("__Host-bedside={value}; Path=/; Secure; HttpOnly; SameSite=Lax");
            headers.append(SET_COOKIE, cookie.parse().expect("header"));
            browser.keep_cookies(&headers);
        }
        assert_eq!(browser.cookie_header().as_deref(), Some("__Host-bedside=two"));
    }

    #[tokio::test]
    async fn nobody_listening_says_how_to_start_the_server() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("address");
        let server = Server::at(Url::parse(&format!("http://{free}")).expect("url")).expect("client");
        let error = Browser::new(&server).get::<Value>("/me").await.expect_err("nobody listens");
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("server not reachable at http://{free}: start it with `make run`")),
            "{text}"
        );
    }
}
