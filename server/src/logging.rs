//! Logs: text for people or one JSON object a line. Fields are listed in `docs/logging.md`; none holds patients' data.

mod json;

use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Log, LogFormat};
use json::JsonLines;

/// Starts logging to standard error. Only our own crates log below `warn`.
pub fn start(log: &Log) {
    let level = log.level.as_str();
    let filter = EnvFilter::new(format!(
        "warn,sqlx=error,str0m=error,stun_types=error,turn_types=error,stun_proto=error,bedside={level},server={level},api={level},records={level},signaling={level},sfu={level},sfu_core={level},recorder={level}"
    ));
    let registry = tracing_subscriber::registry().with(filter);
    match log.format {
        LogFormat::Text => registry
            .with(
                tracing_subscriber::fmt::layer()
                    .with_writer(std::io::stderr)
                    .with_ansi(std::io::stderr().is_terminal())
                    .with_target(false),
            )
            .init(),
        LogFormat::Json => registry.with(JsonLines).init(),
    }
    std::panic::set_hook(Box::new(panicked));
}

/// A panic is logged with where it was. Its message only if it is fixed: one that was put together may quote anything.
fn panicked(info: &PanicHookInfo<'_>) {
    let location = info.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
    let error = info.payload().downcast_ref::<&'static str>().copied().unwrap_or("..");
    tracing::error!(location, error, "a panic");
}
