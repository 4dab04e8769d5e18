//! Logs: text for people or one JSON object a line. Fields are listed in `docs/logging.md`; none holds patients' data.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Starts logging to standard error. Only our own crates log below `warn`.
pub fn start(log: &Log) {
    let level = log.level.as_str();
    let filter = EnvFilter::new(format!(
        "warn,sqlx=error,str0m=error,bedside={level},server={level},api={level},records={level},signaling={level},sfu={level},sfu_core={level},recorder={level}"
    ));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match log.format {
        LogFormat::Text => builder.with_target(false).init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(true).with_span_list(false).init(),
    }
}
