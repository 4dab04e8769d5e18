//! Requests that change something must come from our own pages (cross-site request forgery).
//!
//! `SameSite=Lax` cookies alone don't do it: another host of the same site, or an old browser, gets past them.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::ORIGIN;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::AppState;
use crate::problem::Problem;

/// Refuses a state-changing request that isn't shown to come from one of our origins.
pub(crate) async fn check(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if changes && page_origin(request.headers(), &state.config.origins).is_none() {
        return foreign().into_response();
    }
    next.run(request).await
}

fn foreign() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "origin.foreign",
        "This request did not come from this site's own pages. Open the site and try again there.",
    )
}

/// The one of our origins that the request's page belongs to, if it does.
fn page_origin<'a>(headers: &HeaderMap, origins: &'a [String]) -> Option<&'a str> {
    if headers.contains_key(ORIGIN) {
        let mut sent = headers.get_all(ORIGIN).iter();
        let (origin, more) = (sent.next()?, sent.next());
        if more.is_some() {
            return None;
        }
        return origins.iter().find(|own| own.as_bytes() == origin.as_bytes()).map(String::as_str);
    }
    let site = headers.get("sec-fetch-site")?;
    (site == "same-origin").then(|| origins.first().map(String::as_str)).flatten()
}

/// The origin of the page that asks; a websocket ticket is bound to it.
pub(crate) struct PageOrigin(pub String);

impl FromRequestParts<AppState> for PageOrigin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        page_origin(&parts.headers, &state.config.origins).map(|origin| Self(origin.to_owned())).ok_or_else(foreign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(headers: &[(&'static str, &'static str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        page_origin(&map, &["https://visits.example.org".to_owned()]).is_some()
    }

    #[test]
    fn only_our_own_pages_may_change_things() {
        assert!(accepted(&[("origin", "https://visits.example.org")]));
        assert!(accepted(&[("sec-fetch-site", "same-origin")]));
        assert!(accepted(&[("origin", "https://visits.example.org"), ("sec-fetch-site", "same-origin")]));
        for refused in [
            &[][..],
            &[("origin", "null")],
            &[("origin", "")],
            &[("origin", "http://visits.example.org")],
            &[("origin", "https://visits.example.org.evil.example")],
            &[("origin", "https://visits.example.org:8443")],
            &[("origin", "null"), ("sec-fetch-site", "same-origin")],
            &[("origin", "https://visits.example.org"), ("origin", "https://evil.example")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "none")],
        ] {
            assert!(!accepted(refused), "{refused:?}");
        }
    }
}
