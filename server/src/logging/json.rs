//! One JSON object a line, with fields of a fixed list and no others: what a line may hold is decided here, not where it
//! is written.

use std::fmt;
use std::io::Write as _;

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Fields beside `timestamp`, `level`, `target` and `message`, as `docs/logging.md` lists them. Another one is left out.
pub const FIELDS: &[&str] = &[
    "address",
    "clinic",
    "conn",
    "dropped",
    "duration_ms",
    "error",
    "failed",
    "faults",
    "found",
    "given_up",
    "kind",
    "latency_ms",
    "location",
    "mail",
    "method",
    "missed",
    "packets",
    "participant",
    "patients",
    "provider",
    "reason",
    "recording",
    "request_id",
    "route",
    "samples",
    "seq",
    "status",
    "visit",
];
/// Longest text of one field, bytes; what goes beyond is cut off.
const MAX_TEXT: usize = 1_024;

/// Writes to standard error.
pub struct JsonLines;

impl<S: Subscriber> Layer<S> for JsonLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = line(event, OffsetDateTime::now_utc());
        line.push('\n');
        // Nobody can be told that standard error is gone.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }
}

fn line(event: &Event<'_>, at: OffsetDateTime) -> String {
    let metadata = event.metadata();
    let mut fields = Fields(Map::new());
    fields.put("timestamp", at.format(&Rfc3339).unwrap_or_default().into());
    fields.put("level", metadata.level().as_str().into());
    fields.put("target", metadata.target().into());
    event.record(&mut fields);
    Value::Object(fields.0).to_string()
}

struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }

    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        if field.name() == "message" || FIELDS.contains(&field.name()) {
            self.put(field.name(), value.into());
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let end = (0..=MAX_TEXT.min(value.len())).rev().find(|end| value.is_char_boundary(*end)).unwrap_or(0);
        self.add(field, &value[..end]);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    struct Kept(Arc<Mutex<Vec<String>>>);

    impl<S: Subscriber> Layer<S> for Kept {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.0.lock().unwrap().push(line(event, OffsetDateTime::UNIX_EPOCH));
        }
    }

    #[test]
    fn a_line_holds_what_is_on_the_list_and_nothing_else() {
        let lines = Arc::default();
        let subscriber = tracing_subscriber::registry().with(Kept(Arc::clone(&lines)));
        tracing::subscriber::with_default(subscriber, || {
            let error = std::io::Error::other("no\nspace");
            tracing::warn!(target: "bedside::http", status = 200, latency_ms = 1.5, %error, patient_name = "Maria", "answered");
            tracing::warn!(route = "é".repeat(1_000), "long");
        });
        let lines = lines.lock().unwrap();
        assert_eq!(
            lines[0],
            r#"{"timestamp":"1970-01-01T00:00:00Z","level":"WARN","target":"bedside::http","message":"answered","status":200,"latency_ms":1.5,"error":"no\nspace"}"#
        );
        assert_eq!(serde_json::from_str::<Value>(&lines[1]).unwrap()["route"], "é".repeat(512));
    }

    #[test]
    fn the_page_lists_exactly_these_fields() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/logging.md")).unwrap();
        let mut listed: Vec<&str> = page
            .lines()
            .filter_map(|line| line.strip_prefix("| `"))
            .flat_map(|line| line.split_once(" |").unwrap().0.split(", "))
            .map(|name| name.trim_matches('`'))
            .collect();
        listed.sort_unstable();
        let mut known: Vec<&str> = FIELDS.iter().copied().chain(["timestamp", "level", "target", "message"]).collect();
        known.sort_unstable();
        assert_eq!(listed, known);
    }
}
