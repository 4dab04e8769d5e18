//! Limits over several nodes that share a real Redis, and attempts to get around them.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::num::NonZeroU32;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use api::{RateLimits, SharedLimits};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::app::{App, Browser};

/// A Redis of one's own, gone when dropped.
struct Redis {
    port: u16,
    folder: tempfile::TempDir,
    process: Child,
}

impl Redis {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let process = Self::run(port, &folder);
        Self { port, folder, process }
    }

    /// One that speaks nothing but TLS, with this certificate.
    fn start_with_tls(certificate: &str, key: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("certificate.pem"), certificate).unwrap();
        std::fs::write(folder.path().join("key.pem"), key).unwrap();
        let process = Self::run(port, &folder);
        Self { port, folder, process }
    }

    fn run(port: u16, folder: &tempfile::TempDir) -> Child {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        let certificate = folder.path().join("certificate.pem");
        if certificate.exists() {
            command.args(["--port", "0", "--tls-auth-clients", "no", "--tls-port", &port.to_string()]);
            command.arg("--tls-cert-file").arg(certificate);
            command.arg("--tls-key-file").arg(folder.path().join("key.pem"));
        } else {
            command.args(["--port", &port.to_string()]);
        }
        let mut process = command
            .arg("--dir")
            .arg(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("redis-server is installed: scripts/setup test");
        let said = BufReader::new(process.stdout.take().unwrap());
        let mut lines = said.lines().map(Result::unwrap);
        assert!(lines.any(|line| line.contains("Ready to accept connections")), "redis-server did not start");
        // Nobody reads on: it says little, and a pipe holds more than that.
        process
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn restart(&mut self) {
        self.process = Self::run(self.port, &self.folder);
    }

    /// `STOP`: it still has its connections, and says nothing. `CONT`: it goes on.
    fn signal(&self, signal: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// So few that none flows back while a test runs.
fn four_a_minute() -> RateLimits {
    RateLimits { anonymous_per_minute: NonZeroU32::new(4).unwrap(), ..RateLimits::default() }
}

fn from(app: &Arc<App>, address: &str) -> Browser {
    Browser { address: address.parse().unwrap(), ..app.browser() }
}

async fn asks(app: &Arc<App>, address: &str) -> StatusCode {
    from(app, address).get("/api/v1/site").await.status
}

const OK: StatusCode = StatusCode::OK;
const REFUSED: StatusCode = StatusCode::TOO_MANY_REQUESTS;

#[tokio::test]
async fn two_nodes_that_share_a_redis_share_one_budget_whatever_their_clocks_say() {
    let redis = Redis::start();
    let (one, two) = (
        App::start_sharing(four_a_minute(), &redis.url()).await,
        App::start_sharing(four_a_minute(), &redis.url()).await,
    );
    let here = "198.51.100.1";
    assert_eq!(
        [asks(&one, here).await, asks(&two, here).await, asks(&one, here).await, asks(&two, here).await],
        [OK; 4]
    );
    let refused = from(&one, here).get("/api/v1/site").await.refuses(REFUSED, "rate_limited");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=16).contains(&wait), "{wait}");
    // This node's own bucket would be full again; the one in Redis is not.
    two.clock.advance(Duration::from_secs(3_600));
    assert_eq!(asks(&two, here).await, REFUSED);
    assert_eq!(asks(&two, "198.51.100.2").await, OK);
}

#[tokio::test]
async fn sign_in_attempts_are_counted_over_all_nodes() {
    let redis = Redis::start();
    let rates = RateLimits { sign_in_per_minute: NonZeroU32::new(2).unwrap(), ..RateLimits::default() };
    let (one, two) = (App::start_sharing(rates, &redis.url()).await, App::start_sharing(rates, &redis.url()).await);
    let wrong = serde_json::json!({"email": "nobody@example.org", "password": "not the password"});
    for app in [&one, &two] {
        let tried = from(app, "198.51.100.1").post("/api/v1/auth/sign-in", wrong.clone()).await;
        tried.refuses(StatusCode::UNAUTHORIZED, "sign_in.failed");
    }
    let upper = serde_json::json!({"email": " NOBODY@example.org", "password": "not the password"});
    let third = from(&one, "198.51.100.1").post("/api/v1/auth/sign-in", upper).await;
    third.refuses(REFUSED, "rate_limited");
}

#[tokio::test]
async fn without_redis_each_node_goes_on_from_what_it_has_counted_and_with_it_they_share_again() {
    let mut redis = Redis::start();
    let (one, two) = (
        App::start_sharing(four_a_minute(), &redis.url()).await,
        App::start_sharing(four_a_minute(), &redis.url()).await,
    );
    let here = "198.51.100.1";
    assert_eq!([asks(&one, here).await, asks(&one, here).await], [OK; 2]);
    redis.kill();
    assert_eq!([asks(&one, here).await, asks(&one, here).await], [OK; 2]);
    assert_eq!(asks(&one, here).await, REFUSED, "limits fall back to local ones, never to none");
    assert_eq!(asks(&two, "198.51.100.9").await, OK);
    assert!(!one.shared.as_ref().unwrap().is_up() && !two.shared.as_ref().unwrap().is_up());
    redis.restart();
    for (n, app) in [&one, &two].into_iter().enumerate() {
        back(app, n).await;
    }
    let there = "198.51.100.2";
    assert_eq!(
        [asks(&one, there).await, asks(&two, there).await, asks(&one, there).await, asks(&two, there).await],
        [OK; 4]
    );
    assert_eq!([asks(&one, there).await, asks(&two, there).await], [REFUSED; 2]);
}

#[tokio::test]
async fn a_redis_that_hangs_holds_nobody_up() {
    let redis = Redis::start();
    let app = App::start_sharing(four_a_minute(), &redis.url()).await;
    redis.signal("STOP");
    let here = "198.51.100.1";
    for _ in 0..4 {
        assert_eq!(asks(&app, here).await, OK);
    }
    assert_eq!(asks(&app, here).await, REFUSED);
    assert!(!app.shared.as_ref().unwrap().is_up());
    redis.signal("CONT");
    back(&app, 0).await;
}

/// An authority of one's own, and a certificate that it signed for `name`, with its key.
fn authority(name: &str) -> (String, String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    (ca.pem(), certificate.pem(), key.serialize_pem())
}

#[tokio::test]
async fn over_tls_only_a_redis_with_a_certificate_of_the_given_authority_is_believed() {
    let (ca, certificate, key) = authority("127.0.0.1");
    let (another, ..) = authority("127.0.0.1");
    let redis = Redis::start_with_tls(&certificate, &key);
    let url = format!("rediss://127.0.0.1:{}", redis.port);
    let sharing = async |url: &str, ca: Option<&str>| {
        let shared = SharedLimits::open(url, ca.map(str::as_bytes)).unwrap();
        App::start_sharing_with(four_a_minute(), shared).await
    };
    let (one, two) = (sharing(&url, Some(&ca)).await, sharing(&url, Some(&ca)).await);
    let here = "198.51.100.1";
    // A handshake may take longer than a request waits.
    for (n, app) in [&one, &two].into_iter().enumerate() {
        assert_eq!(asks(app, &format!("203.0.113.{n}")).await, OK);
        back(app, n).await;
    }
    assert_eq!(
        [asks(&one, here).await, asks(&two, here).await, asks(&one, here).await, asks(&two, here).await],
        [OK; 4]
    );
    assert_eq!([asks(&one, here).await, asks(&two, here).await], [REFUSED; 2], "one budget");
    assert!(one.shared.as_ref().unwrap().is_up());
    // Another authority, nobody's, another name, no TLS: counted on this node alone, and its own budget holds.
    let by_name = url.replace("127.0.0.1", "localhost");
    for (url, ca) in
        [(&url, Some(&another)), (&url, None), (&by_name, Some(&ca)), (&url.replace("rediss", "redis"), None)]
    {
        let alone = sharing(url, ca.map(String::as_str)).await;
        assert_eq!([asks(&alone, here).await, asks(&alone, here).await], [OK; 2], "{url}");
        assert!(!alone.shared.as_ref().unwrap().is_up(), "{url}");
    }
}

/// Asks, each time after the circuit's pause, until Redis counts again.
async fn back(app: &Arc<App>, n: usize) {
    let shared: &SharedLimits = app.shared.as_ref().unwrap();
    for probe in 0..1_000 {
        if shared.is_up() {
            return;
        }
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(asks(app, &format!("203.0.{n}.{}", probe % 250)).await, OK);
    }
    panic!("Redis is back, but is not asked");
}

#[tokio::test]
async fn nothing_that_a_client_says_of_itself_gives_it_a_second_budget() {
    let app = App::start_with(four_a_minute()).await;
    let mut spent = from(&app, "192.0.2.200");
    for _ in 0..4 {
        spent.get("/api/v1/site").await.is(OK);
    }
    for (name, value) in [
        ("x-forwarded-for", "198.51.100.7"),
        ("X-FORWARDED-FOR", "198.51.100.7, 127.0.0.1"),
        ("forwarded", "for=198.51.100.7"),
        ("x-real-ip", "198.51.100.7"),
        ("true-client-ip", "198.51.100.7"),
        ("cf-connecting-ip", "198.51.100.7"),
        ("x-client-ip", "127.0.0.1"),
        ("x-cluster-client-ip", "127.0.0.1"),
        ("x-original-url", "/api/v1/texts/telehealth_consent"),
        ("x-rewrite-url", "/api/v1/me"),
        ("x-http-method-override", "HEAD"),
        ("user-agent", "somebody else"),
        ("x-request-id", "00000000-0000-7000-8000-000000000000"),
        ("cookie", "__Host-bedside=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        ("cookie", "__Host-bedside-visit=BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB; __Host-bedside=x"),
    ] {
        let request = Request::get("/api/v1/site").header(name, value).body(Body::empty()).unwrap();
        spent.raw(request).await.refuses(REFUSED, "rate_limited");
    }
    for path in [
        "/api/v1/site?x=1",
        "/api/v1/site/",
        "/api/v1//site",
        "/api//v1/site",
        "/api/v1/./site",
        "/api/v1/../v1/site",
        "/api/v1/%73ite",
        "/api/v1/site%2f",
        "/api/v1/site%00",
        "/api/v1/SITE",
        "/api/openapi.json",
        "/api/nothing",
        "/api",
    ] {
        spent.get(path).await.refuses(REFUSED, "rate_limited");
    }
}

#[tokio::test]
async fn no_spelling_of_an_address_reaches_a_handler_under_another_name() {
    let app = App::start().await;
    let mut anyone = app.browser();
    anyone.get("/api/v1/site").await.is(OK);
    for path in [
        "/api/v1/site/",
        "/api/v1//site",
        "/api//v1/site",
        "/api/v1/./site",
        "/api/v1/../v1/site",
        "/api/v1/%73ite",
        "/api/%76%31/site",
        "/api/v1%2fsite",
        "/api/v1/site%2f",
        "/api/v1/site%00",
        "/api/v1/site;x=1",
        "/api/v1/SITE",
        "/api/V1/site",
        "/api/v1/site.json",
        "/api/v1\\site",
        "/api",
        "/api/",
        "/api//",
    ] {
        let Ok(request) = Request::get(path).body(Body::empty()) else { continue };
        anyone.raw(request).await.refuses(StatusCode::NOT_FOUND, "not_found");
    }
}

#[tokio::test]
async fn behind_a_trusted_proxy_clients_are_told_apart_by_what_the_proxy_wrote() {
    let app = App::start_with(four_a_minute()).await;
    let mut proxy = from(&app, "10.0.0.1");
    let mut through = async |forwarded: &str| {
        let request = Request::get("/api/v1/site").header("x-forwarded-for", forwarded).body(Body::empty()).unwrap();
        proxy.raw(request).await.status
    };
    // The client writes the first entry, our proxy the last.
    for n in 0..4 {
        assert_eq!(through(&format!("198.51.100.{n}, 203.0.113.9")).await, OK);
    }
    assert_eq!(through("198.51.100.77, 203.0.113.9").await, REFUSED);
    assert_eq!(through("10.0.0.7, 203.0.113.9").await, REFUSED);
    assert_eq!(through("198.51.100.77, 203.0.113.9, 10.9.9.9").await, REFUSED, "through two proxies of ours");
    assert_eq!(through("203.0.113.9, 203.0.113.10").await, OK);
    assert_eq!(through("2001:db8::1").await, OK);
    for n in 2..5 {
        assert_eq!(through(&format!("2001:db8::{n}")).await, OK);
    }
    assert_eq!(through("2001:db8::ffff:ffff:ffff:ffff").await, REFUSED, "one /64 is one client");
    assert_eq!(through("2001:db8:0:1::1").await, OK);
}
