//! Open pages learn that the list has changed, and nothing more.

use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use futures_util::FutureExt as _;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use crate::app::{App, Browser};

struct Stream(Body);

impl Stream {
    async fn open(browser: &Browser) -> Self {
        let cookies: Vec<String> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request =
            Request::get("/api/v1/events").header("cookie", cookies.join("; ")).body(Body::empty()).unwrap();
        request.extensions_mut().insert(ConnectInfo(std::net::SocketAddr::new(browser.address, 50_000)));
        let response = browser.app.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        Self(response.into_body())
    }

    /// The next event as it is on the wire; `None` if the stream is over.
    async fn next(&mut self) -> Option<String> {
        let frame = tokio::time::timeout(Duration::from_secs(20), self.0.frame()).await.expect("an event, or the end");
        let bytes = frame?.unwrap().into_data().ok()?;
        Some(String::from_utf8(bytes.to_vec()).unwrap())
    }

    /// Nothing is there to be read. What was sent before is, since channels in one process need no time.
    fn is_silent(&mut self) -> bool {
        self.0.frame().now_or_never().is_none()
    }
}

#[tokio::test]
async fn a_change_in_ones_own_clinic_arrives_and_another_clinics_does_not() {
    let app = App::start().await;
    let mut provider = app.signed_in(&app.riverside.provider).await;
    let stranger = app.signed_in(&app.lakeside.provider).await;
    let (mut own, mut foreign) = (Stream::open(&provider).await, Stream::open(&stranger).await);
    let link = format!("/api/v1/appointments/{}/link", app.riverside.visits[0].appointment_id);
    provider.press(&link).await.is(StatusCode::CREATED);
    assert_eq!(own.next().await.unwrap(), "event: today\ndata: {}\n\n");
    assert!(foreign.is_silent());
    app.state.changes.send(app.lakeside.clinic.id).unwrap();
    assert!(own.is_silent());
    assert_eq!(foreign.next().await.unwrap(), "event: today\ndata: {}\n\n");
}

#[tokio::test]
async fn a_burst_of_changes_is_one_event() {
    let app = App::start().await;
    let provider = app.signed_in(&app.riverside.provider).await;
    let mut stream = Stream::open(&provider).await;
    for _ in 0..5_000 {
        app.state.changes.send(app.riverside.clinic.id).unwrap();
    }
    assert_eq!(stream.next().await.unwrap(), "event: today\ndata: {}\n\n");
    assert!(stream.is_silent());
}

#[tokio::test]
async fn signing_out_is_told_and_ends_the_stream() {
    let app = App::start().await;
    let mut provider = app.signed_in(&app.riverside.provider).await;
    let mut stream = Stream::open(&provider).await;
    provider.press("/api/v1/auth/sign-out").await.is(StatusCode::NO_CONTENT);
    assert_eq!(stream.next().await.unwrap(), "event: signed_out\ndata: {}\n\n");
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn nobody_watches_without_a_session() {
    let app = App::start().await;
    app.browser().get("/api/v1/events").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
    app.patient(0).await.get("/api/v1/events").await.refuses(StatusCode::UNAUTHORIZED, "signed_out");
}
