//! `/dev/outbox`: the demonstration's mail, for people and for tests. A server that is no demonstration has no such page.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use records::outbox::{self, KeptMessage};
use records::{Records, clinics};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// `/dev/outbox` and `/dev/outbox.json`.
pub fn routes(records: Records) -> Router {
    Router::new().route("/dev/outbox", get(page)).route("/dev/outbox.json", get(json)).with_state(records)
}

#[derive(Serialize)]
struct Shown {
    id: uuid::Uuid,
    kind: &'static str,
    to: String,
    subject: String,
    text: String,
    calendar: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
}

async fn all(records: &Records) -> Result<Vec<Shown>, records::Error> {
    let mut shown = Vec::new();
    for clinic in clinics::list(records).await? {
        let kept = outbox::kept(records, clinic.id, OffsetDateTime::now_utc()).await?;
        shown.extend(kept.iter().map(Shown::from));
    }
    shown.sort_by_key(|one| std::cmp::Reverse((one.at, one.id)));
    Ok(shown)
}

impl From<&KeptMessage> for Shown {
    fn from(message: &KeptMessage) -> Self {
        Self {
            id: message.id,
            kind: message.kind.as_str(),
            to: message.recipient.expose().clone(),
            subject: message.subject.expose().clone(),
            text: message.body.expose().clone(),
            calendar: message.calendar.as_ref().map(|calendar| calendar.expose().clone()),
            at: message.created_at,
        }
    }
}

async fn json(State(records): State<Records>) -> Response {
    match all(&records).await {
        Ok(shown) => ([(header::CACHE_CONTROL, "no-store")], Json(shown)).into_response(),
        Err(error) => unreadable(&error),
    }
}

async fn page(State(records): State<Records>) -> Response {
    let shown = match all(&records).await {
        Ok(shown) => shown,
        Err(error) => return unreadable(&error),
    };
    let mut html = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Mail of the demonstration</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><main><h1>Mail of the demonstration</h1>\
         <p>Nothing here was sent. Newest first; reload to see more.</p>",
    );
    if shown.is_empty() {
        html.push_str("<p>No mail yet.</p>");
    }
    for message in shown {
        let at = message.at.format(&Rfc3339).unwrap_or_default();
        html.push_str(&format!(
            "<article><h2>{}</h2><p>To {} at <time>{at}</time></p><pre>{}</pre></article>",
            escaped(&message.subject),
            escaped(&message.to),
            linked(&message.text)
        ));
    }
    html.push_str("</main></html>");
    ([(header::CACHE_CONTROL, "no-store")], Html(html)).into_response()
}

fn unreadable(error: &records::Error) -> Response {
    tracing::error!(%error, "the demonstration's mail can't be read");
    (StatusCode::SERVICE_UNAVAILABLE, "The mail can't be read right now; reload.\n").into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The text with its addresses to click on.
fn linked(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let line = escaped(line);
        if line.starts_with("http://") || line.starts_with("https://") {
            format!("<a href=\"{line}\">{line}</a>")
        } else {
            line
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}
