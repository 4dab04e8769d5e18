//! The front door's hinges: accepts connections, bounds how many there are and how long each may dawdle, speaks HTTP/1.1
//! and, by TLS, HTTP/2. What is asked for is the router's business.
//!
//! Everything here is about a connection that is not a request yet: its answers are a bare status, or the door.

mod patience;
mod places;
pub mod tls;

use std::io::Cursor;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use sfu::turn::Turn;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::config::Http;
use patience::Patient;
use places::{Place, Places};

/// A TLS handshake that takes longer is broken off.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// A client that does not take what it asked for this long is gone.
const TAKEN_WITHIN: Duration = Duration::from_secs(60);
/// Hard limits on a request's head; `api::edges` has lower ones and answers in words.
const MAX_HEADERS: usize = 100;
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// HTTP/2: requests at once on one connection, and its windows, which bound what one connection can make us hold.
const MAX_STREAMS: u32 = 64;
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
const MAX_SEND_BUFFER: usize = 256 * 1024;
/// HTTP/2: streams that were opened and reset at once, before they were answered (CVE-2023-44487), and resets that a
/// client makes us send (CVE-2025-8671); one more ends the connection.
const MAX_RESETS: usize = 20;
const MAX_OWN_RESETS: usize = 128;
/// HTTP/2: a connection that does not answer a ping is gone.
const PING_EVERY: Duration = Duration::from_secs(20);
const PONG_WITHIN: Duration = Duration::from_secs(10);
/// After a failed accept (no file descriptors left, say).
const BREATHE: Duration = Duration::from_millis(50);

/// Where and how we listen; everything is checked, nothing is served yet.
pub struct Listener {
    tcp: TcpListener,
    tls: Option<TlsAcceptor>,
    rules: Arc<Rules>,
    places: Arc<Places>,
}

struct Rules {
    header_within: Duration,
    /// Takes what comes by TLS and is no HTTP.
    relay: Option<Turn>,
}

impl Listener {
    /// Takes over a bound socket.
    ///
    /// # Errors
    /// One line that says what to do: the certificate can't be used.
    pub fn new(tcp: std::net::TcpListener, config: &Http, relay: Option<Turn>) -> Result<Self> {
        metrics::describe_gauge!("bedside_http_connections", "Open connections of the control plane.");
        Ok(Self {
            tcp: TcpListener::from_std(tcp).context("http.listen")?,
            tls: tls::acceptor(config)?,
            rules: Arc::new(Rules { header_within: Duration::from_secs(config.header_timeout_s.get().into()), relay }),
            places: Places::new(config),
        })
    }

    /// Serves until `stop` says so; open requests may then finish within `drain`.
    pub async fn serve(self, router: Router, stop: CancellationToken, drain: Duration) {
        let tracker = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.tcp.accept() => accepted,
                () = stop.cancelled() => break,
            };
            match accepted {
                Ok((stream, from)) => match self.places.take(from.ip()) {
                    Ok(place) => {
                        tracker.spawn(connection(
                            stream,
                            from,
                            self.tls.clone(),
                            self.rules.clone(),
                            router.clone(),
                            stop.clone(),
                            place,
                        ));
                    }
                    // Dropped: the cheapest answer there is.
                    Err(why) => {
                        metrics::counter!("bedside_http_connections_refused_total", "reason" => why).increment(1);
                    }
                },
                Err(error) => {
                    tracing::error!(error = %error.kind(), "a connection could not be accepted");
                    tokio::time::sleep(BREATHE).await;
                }
            }
        }
        drop(self.tcp);
        tracker.close();
        let _ = tokio::time::timeout(drain, tracker.wait()).await;
    }
}

async fn connection(
    stream: TcpStream,
    from: SocketAddr,
    tls: Option<TlsAcceptor>,
    rules: Arc<Rules>,
    router: Router,
    stop: CancellationToken,
    place: Place,
) {
    // Small answers must not wait for more; a failure only makes them slower.
    let _ = stream.set_nodelay(true);
    let stream = Patient::new(stream, TAKEN_WITHIN);
    let Some(tls) = tls else {
        http1(stream, from, &rules, router, stop).await;
        return drop(place);
    };
    if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_WITHIN, tls.accept(stream)).await {
        match (stream.get_ref().1.alpn_protocol(), &rules.relay) {
            (Some(tls::HTTP2), _) => http2(stream, from, router, stop).await,
            (None | Some(tls::TURN), Some(relay)) => either(stream, from, &rules, relay, router, stop).await,
            _ => http1(stream, from, &rules, router, stop).await,
        }
    } else {
        metrics::counter!("bedside_http_handshakes_failed_total").increment(1);
    }
    drop(place);
}

/// HTTP or TURN, by the first byte: letters begin the one, the two zero bits of STUN the other (RFC 7983).
async fn either<S>(
    mut stream: S,
    from: SocketAddr,
    rules: &Rules,
    relay: &Turn,
    router: Router,
    stop: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut first = [0];
    let read = tokio::time::timeout(rules.header_within, stream.read_exact(&mut first)).await;
    if !matches!(read, Ok(Ok(_))) {
        return;
    }
    let (reads, writes) = tokio::io::split(stream);
    let whole = tokio::io::join(Cursor::new(first).chain(reads), writes);
    if first[0] < 4 {
        tokio::select! {
            () = relay.serve(whole, from) => {}
            () = stop.cancelled() => {}
        }
    } else {
        http1(whole, from, rules, router, stop).await;
    }
}

async fn http1<S>(stream: S, from: SocketAddr, rules: &Rules, router: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(rules.header_within)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service_fn(move |request| answer(router.clone(), from, request)))
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    // How a connection ends is the client's business.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

async fn http2<S>(stream: S, from: SocketAddr, router: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_pending_accept_reset_streams(MAX_RESETS)
        .max_local_error_reset_streams(MAX_OWN_RESETS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(MAX_SEND_BUFFER)
        .max_header_list_size(MAX_HEAD_BYTES as u32)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PONG_WITHIN)
        .serve_connection(TokioIo::new(stream), service_fn(move |request| answer(router.clone(), from, request)));
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

async fn answer(
    router: Router,
    from: SocketAddr,
    request: hyper::Request<Incoming>,
) -> Result<axum::response::Response, std::convert::Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(from));
    router.oneshot(request).await
}

/// Every connection is a file descriptor: takes as many as the system lets us have.
pub fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
}
