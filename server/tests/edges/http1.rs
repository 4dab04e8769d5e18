//! HTTP/1.1, as raw bytes.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use serde_json::Value;

use crate::server::{Answer, Server};

/// Nobody's name; stands in every place that a client can write to.
const CANARY: &str = "Zacharias.Canary.5550199";

/// Requests whose heads are too large, not HTTP, or two things at once.
#[test]
fn heads_that_are_too_large_or_no_heads_at_all_get_a_clear_answer_or_the_door() {
    let server = Server::start("", "");
    let many = |n: usize| (0..n).fold(String::new(), |lines, n| lines + &format!("X-{n}: {CANARY}\r\n"));
    server.get("/api/v1/site", &many(80)).is_problem(431, "request.head_too_large");
    server.get("/", &many(80)).is_problem(431, "request.head_too_large");
    server.get("/api/v1/site", &many(200)).is_bare(431);
    server.get("/api/v1/site", &format!("X: {}\r\n", "a".repeat(20_000))).is_problem(431, "request.head_too_large");
    server.get("/api/v1/site", &format!("X: {}\r\n", "a".repeat(200_000))).is_bare(431);
    server.get(&format!("/api/v1/site?{}", "a".repeat(10_000)), "").is_problem(414, "request.uri_too_long");
    server.get(&format!("/{}", "a".repeat(10_000)), "").is_problem(414, "request.uri_too_long");
    let long = server.get(&format!("/{}", "a".repeat(100_000)), "");
    assert!(matches!(long.status, None | Some(414 | 431)) && long.body.is_empty(), "{long:?}");
    for rubbish in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nBad header\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
        b"POST /api/v1/join/open HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"POST /api/v1/join/open HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/v1/join/open HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
    ] {
        let mut socket = server.connect();
        socket.write_all(rubbish).unwrap();
        // Half a record of TLS is the beginning of nothing: the end of our side is the end of it.
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        let answer = Answer::read(&mut socket);
        assert!(matches!(answer.status, None | Some(400 | 505)), "{rubbish:?}: {answer:?}");
    }
    assert_eq!(server.get("/healthz", "").status, Some(200));
}

#[test]
fn bodies_that_are_too_large_are_refused_before_they_have_come() {
    let server = Server::start("", "");
    let post = |lines: &str| {
        format!(
            "POST /api/v1/join/open HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nContent-Type: application/json\r\n{lines}\r\n",
            server.address
        )
    };
    server.ask(post("Content-Length: 1073741824\r\n")).is_problem(413, "request.too_large");
    let mut socket = server.connect();
    socket.write_all(post("Transfer-Encoding: chunked\r\n").as_bytes()).unwrap();
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x1_0000], b"\r\n"].concat();
    // Never ended: the server must have enough by itself, well below what is sent here.
    for _ in 0..256 {
        if socket.write_all(&chunk).is_err() {
            break;
        }
    }
    let answer = Answer::read(&mut socket);
    if answer.status.is_some() {
        answer.is_problem(413, "request.too_large");
    }
    let before = server.most_memory();
    let waiting: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut socket = server.connect();
            socket.write_all(post("Content-Length: 1048576\r\n").as_bytes()).unwrap();
            socket.write_all(&[b' '; 10_000]).unwrap();
            socket
        })
        .collect();
    assert_eq!(server.get("/healthz", "").status, Some(200));
    let taken = server.most_memory() - before;
    assert!(taken < 64 << 20, "a hundred half bodies took {} MiB", taken >> 20);
    drop(waiting);
}

#[test]
fn who_dawdles_loses_the_connection_and_nobody_takes_all_places() {
    let server = Server::start("header_timeout_s = 1\nmax_connections_per_address = 20\nmax_connections = 25", "");
    let before = server.most_memory();
    let mut slow: Vec<TcpStream> = (0..20).map(|_| server.connect()).collect();
    for (n, socket) in slow.iter_mut().enumerate() {
        // Some say nothing at all, some half a head, some a large half.
        match n % 3 {
            0 => {}
            1 => socket.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX: ").unwrap(),
            _ => socket.write_all(format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(60_000)).as_bytes()).unwrap(),
        }
    }
    // The twenty-first of this address is shown the door at once.
    let mut socket = server.connect();
    let _ = socket.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(Answer::read(&mut socket).status, None);
    // The slow ones are closed by the server, without us doing anything.
    for mut socket in slow {
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest);
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&rest));
    }
    // Then there is room again; a connection that asks is kept, one that asks no more is closed after a while.
    let mut socket = server.connect();
    for _ in 0..3 {
        socket.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(Answer::read(&mut socket).status, Some(200));
    }
    let mut rest = Vec::new();
    assert_eq!(socket.read_to_end(&mut rest).unwrap_or(0), 0);
    let taken = server.most_memory() - before;
    assert!(taken < 32 << 20, "{} MiB", taken >> 20);
    let metrics = server.get("/metrics", "Connection: close\r\n");
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    assert!(
        metrics.contains("bedside_http_connections_refused_total{reason=\"too_many_from_one_address\"}"),
        "{metrics}"
    );
}

#[test]
fn no_spelling_of_an_address_reaches_the_api_past_its_door() {
    let server = Server::start("", "");
    for path in
        ["//api/v1/site", "/./api/v1/site", "/%61pi/v1/site", "/API/v1/site", "/x/../api/v1/site", "/api%2fv1/site"]
    {
        let answer = server.get(path, "Connection: close\r\n");
        // The one page, which says by itself that there is nothing here; or nothing.
        let kind = answer.header("content-type").unwrap_or_default();
        assert!(!kind.contains("json"), "{path}: {answer:?}");
    }
    let posted = server.ask(format!("POST /today HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\n\r\n", server.address));
    assert_eq!((posted.status, posted.header("allow")), (Some(405), Some("GET, HEAD")));
}

/// A few things of everything, with a canary wherever a client can write, and then the log.
#[test]
fn the_log_has_the_fields_of_its_page_and_nothing_that_a_client_wrote() {
    let server = Server::start("", "");
    let host = server.address;
    server
        .get(&format!("/v/{CANARY}?{CANARY}"), &format!("Cookie: __Host-bedside={CANARY}\r\nUser-Agent: {CANARY}\r\n"));
    server.get(&format!("/api/v1/visits/{CANARY}"), &format!("X-Request-Id: {CANARY}\r\n"));
    server.get(&format!("/api/v1/today?day={CANARY}"), "");
    for (path, body) in [
        ("/api/v1/auth/sign-in", format!(r#"{{"email":"{CANARY}@example.org","password":"{CANARY}"}}"#)),
        ("/api/v1/auth/sign-in", format!(r#"{{"email":1,"{CANARY}":2}}"#)),
        ("/api/v1/auth/totp", format!(r#"{{"code":"{CANARY}"}}"#)),
        ("/api/v1/join/open", format!(r#"{{"token":"{CANARY}"}}"#)),
        ("/api/v1/join/identity", format!(r#"{{"token":"{CANARY}","date_of_birth":"{CANARY}"}}"#)),
        ("/api/v1/join/open", CANARY.to_owned()),
        ("/api/v1/join/open", format!("{{\"token\":\"\\u0000{CANARY}\"}}")),
    ] {
        let answer = server.ask(format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        assert!(answer.status.is_some_and(|status| (400..500).contains(&status)), "{path}: {answer:?}");
        assert!(!String::from_utf8_lossy(&answer.body).contains(CANARY), "{path} quotes what it was sent: {answer:?}");
    }
    let metrics = server.get("/metrics", "");
    assert!(!String::from_utf8_lossy(&metrics.body).contains(CANARY));
    let log = server.stop();
    assert!(log.len() > 8, "{log:?}");
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/logging.md")).unwrap();
    let listed: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .flat_map(|line| line.split_once(" |").unwrap().0.split(", "))
        .map(|name| name.trim_matches('`'))
        .collect();
    let mut seen = BTreeSet::new();
    for line in &log {
        assert!(!line.contains(CANARY) && !line.contains("Canary"), "{line}");
        let Value::Object(fields) = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")) else {
            panic!("{line}")
        };
        seen.extend(fields.keys().cloned());
    }
    let foreign: Vec<&String> = seen.iter().filter(|name| !listed.contains(name.as_str())).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    for usual in ["timestamp", "level", "target", "message", "request_id", "method", "route", "status", "latency_ms"] {
        assert!(seen.contains(usual), "{usual} was never seen");
    }
}
