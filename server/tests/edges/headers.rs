//! Every kind of answer, with the headers that it must have.

use crate::server::{Answer, Server};

#[track_caller]
fn is_strict(path: &str, answer: &Answer, tls: bool) {
    let header = |name: &str| answer.header(name).unwrap_or_else(|| panic!("{path}: no {name}: {answer:?}"));
    let policy = header("content-security-policy");
    for wanted in
        ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "object-src 'none'", "form-action 'self'"]
    {
        assert!(policy.contains(wanted), "{path}: {policy}");
    }
    assert!(!policy.contains("unsafe"), "{path}: {policy}");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("x-frame-options"), "DENY");
    assert_eq!(header("referrer-policy"), "no-referrer");
    assert_eq!(header("cross-origin-opener-policy"), "same-origin");
    assert_eq!(header("cross-origin-resource-policy"), "same-origin");
    assert!(header("permissions-policy").contains("camera=(self), microphone=(self)"));
    assert_eq!(header("x-request-id").len(), 36, "{path}");
    assert_eq!(answer.header("strict-transport-security").is_some(), tls, "{path}");
    for leak in ["server", "x-powered-by", "access-control-allow-origin"] {
        assert_eq!(answer.header(leak), None, "{path}");
    }
    let cache = header("cache-control");
    if path.starts_with("/assets/") && answer.status == Some(200) {
        assert_eq!(cache, "public, max-age=31536000, immutable", "{path}");
    } else if answer.status == Some(200) && [".svg", ".png", ".webmanifest"].iter().any(|end| path.ends_with(end)) {
        // The site's own icons and manifests, the same for everybody: kept, but asked for again.
        assert_eq!(cache, "no-cache", "{path}");
    } else {
        assert_eq!(cache, "no-store", "{path}");
    }
}

/// Every file of the web client as it was built.
fn assets() -> Vec<String> {
    let dist = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../web-client/dist");
    let mut found = vec!["/".to_owned()];
    for (folder, at) in [(dist.clone(), "/"), (dist.join("assets"), "/assets/")] {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let entry = entry.unwrap();
            if entry.path().is_file() {
                found.push(format!("{at}{}", entry.file_name().to_str().unwrap()));
            }
        }
    }
    found
}

#[test]
fn pages_assets_probes_the_api_and_errors_all_have_strict_headers() {
    let server = Server::start("", "[limits]\nanonymous_per_minute = 100000\n");
    let mut paths = assets();
    for path in [
        "/today",
        "/v/x",
        "/dev",
        "/dev/outbox",
        "/nothing.js",
        "/assets/nothing.js",
        "/healthz",
        "/readyz",
        "/metrics",
        "/signal",
        "/api",
        "/api/",
        "/api/nothing",
        "/api/openapi.json",
        "/.well-known/x",
        "/api/v1/site?x=1",
    ] {
        paths.push(path.to_owned());
    }
    let document: serde_json::Value = serde_json::from_str(&api::openapi_json()).unwrap();
    for path in document["paths"].as_object().unwrap().keys() {
        let parts = path.split('/').map(|part| match part {
            part if part.starts_with('{') => "00000000-0000-7000-8000-000000000000",
            part => part,
        });
        paths.push(parts.collect::<Vec<_>>().join("/"));
    }
    assert!(paths.len() > 50);
    for path in &paths {
        for method in ["GET", "HEAD", "OPTIONS", "DELETE", "BREW"] {
            let answer = server
                .ask(format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", server.address));
            let status = answer.status.unwrap_or_else(|| panic!("{method} {path}: no answer"));
            is_strict(path, &answer, false);
            let is_api = path == "/api" || path.starts_with("/api/");
            if is_api && status >= 400 {
                assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{method} {path}");
            }
            assert!(status < 500 || path == "/readyz" || (path == "/" && status == 503), "{method} {path}: {status}");
        }
    }
}
