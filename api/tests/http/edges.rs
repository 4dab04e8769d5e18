//! What every address does with requests that no page of ours sends: a clear answer of one form, strict headers, nothing done.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};

use crate::app::{App, ORIGIN};
use crate::document::Document;

/// A path of this template; the id is nobody's.
fn filled(template: &str) -> String {
    let parts = template.split('/').map(|part| match part {
        part if part.starts_with('{') => "00000000-0000-7000-8000-000000000000",
        part => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn every_route_refuses_every_other_method_in_the_same_form() {
    let app = App::start().await;
    let operations = Document::served().operations();
    let mut paths: Vec<&String> = operations.iter().map(|(_, path)| path).collect();
    paths.dedup();
    for path in paths {
        let mut anyone = app.browser();
        let known = |method: &str| operations.iter().any(|(known, of)| of == path && known == method);
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "BREW"] {
            if known(method) {
                continue;
            }
            let answer = anyone.send(method.parse().unwrap(), &filled(path), &[], None).await;
            let answer = answer.refuses(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed");
            assert!(!answer.header("allow").contains(method), "{method} {path}");
            assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control-")), "{path}");
        }
        if known("GET") && !path.ends_with("/events") {
            let head = anyone.send(Method::HEAD, &filled(path), &[], None).await;
            let get = anyone.send(Method::GET, &filled(path), &[], None).await;
            assert_eq!(head.status, get.status, "HEAD {path}");
        }
    }
}

#[tokio::test]
async fn no_route_that_changes_something_does_it_for_a_foreign_page() {
    let app = App::start().await;
    let mut routes = 0;
    for (method, path) in Document::served().operations().iter().filter(|(method, _)| method != "GET") {
        let mut anyone = app.browser();
        for origin in ["https://evil.example", "null", "https://visits.example.org.evil.example"] {
            let method: Method = method.parse().unwrap();
            let answer = anyone.send(method, &filled(path), &[("origin", origin)], Some("{}".into())).await;
            answer.refuses(StatusCode::FORBIDDEN, "origin.foreign");
        }
        // What a form of a foreign page can send without asking first.
        let form = Request::builder().method(method.as_str()).uri(filled(path));
        let form = form.header("content-type", "text/plain").body(Body::from("{}")).unwrap();
        anyone.raw(form).await.refuses(StatusCode::FORBIDDEN, "origin.foreign");
        routes += 1;
    }
    assert!(routes > 10);
}

#[tokio::test]
async fn a_head_that_no_browser_sends_is_refused_in_words() {
    let app = App::start().await;
    let mut anyone = app.browser();
    let at = |path: &str| Request::get(path.to_owned()).header("origin", ORIGIN);
    let long = format!("/api/v1/site?{}", "a".repeat(8 * 1024));
    let answer = anyone.raw(at(&long).body(Body::empty()).unwrap()).await;
    answer.refuses(StatusCode::URI_TOO_LONG, "request.uri_too_long");
    let large = at("/api/v1/site").header("x-large", "a".repeat(16 * 1024)).body(Body::empty()).unwrap();
    anyone.raw(large).await.refuses(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "request.head_too_large");
    let many = (0..64).fold(at("/api/v1/site"), |request, n| request.header(format!("x-{n}"), "a"));
    let many = many.body(Body::empty()).unwrap();
    anyone.raw(many).await.refuses(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "request.head_too_large");
    let announced =
        Request::post("/api/v1/join/open").header("origin", ORIGIN).header("content-type", "application/json");
    let announced = announced.header("content-length", "1048577").body(Body::empty()).unwrap();
    anyone.raw(announced).await.refuses(StatusCode::PAYLOAD_TOO_LARGE, "request.too_large");
}
