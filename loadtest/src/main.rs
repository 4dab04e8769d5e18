//! `bedside-loadtest`: many visits over real sockets, from outside.
//!
//! What lives here: the command line and the order of a run. Everything is done through the server's public HTTP and
//! websocket and with crate `webrtc`, which shares no code with the server's media stack; of the project only
//! `visit` (the wire messages) is used. What deliberately does not live here: anything that knows the server's inside.
//!
//! Exit status: 0 all expectations held, 1 one did not, 2 the run could not be set up as asked.

mod clinic;
mod ear;
mod http;
mod media;
mod plot;
mod report;
mod signal;
mod socket;
mod synthetic;
mod visit_run;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use futures_util::{StreamExt, future, stream};
use reqwest::Url;

use crate::clinic::{Demo, Invitation, Provider};
use crate::http::{CallError, Server};
use crate::media::Camera;
use crate::report::{Failure, Report, Run, ServerCost};
use crate::synthetic::VIDEO_PAYLOAD_BYTES;
use crate::visit_run::{Visit, VisitReport};

const CPU_SECONDS: &str = "bedside_process_cpu_seconds_total";
const PACKETS_FORWARDED: &str = "bedside_sfu_packets_forwarded_total";

/// Puts real load on a Bedside server, from outside.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Visits of two people each, all at the same time, from the link to the end.
    Visits(Visits),
}

#[derive(Debug, clap::Args)]
struct Visits {
    /// Where the server is.
    #[arg(long, default_value = "http://127.0.0.1:8080", value_parser = base)]
    base: Url,
    /// The demo.json that `bedside serve --demo` wrote to its data folder.
    #[arg(long, value_name = "DIR/demo.json")]
    demo: PathBuf,
    /// How many visits.
    #[arg(short = 'n', long = "visits", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    visits: u32,
    /// How long both send after Admit, seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// How long everybody waits in the waiting room, both sides already sending, before Admit, seconds.
    #[arg(long, default_value_t = 2)]
    wait: u64,
    /// How many visits are joined at the same time.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    joining: u32,
    /// Send one camera layer instead of three.
    #[arg(long)]
    no_simulcast: bool,
    /// Largest video payload of one packet, bytes. With 77 and one layer each person sends about 300 packets a second.
    #[arg(long, value_name = "BYTES", default_value_t = VIDEO_PAYLOAD_BYTES, value_parser = clap::value_parser!(u16).range(50..=1_200))]
    video_payload: u16,
    /// Highest accepted share of lost packets, 0 to 1.
    #[arg(long, default_value_t = 0.01, value_parser = share)]
    max_loss: f64,
    /// Write everything that was measured as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write the main figures in the form that `make bench` collects.
    #[arg(long, value_name = "FILE")]
    figures: Option<PathBuf>,
    /// Write a page with plots.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

fn base(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|_| format!("`{text}` is no address; use one like http://127.0.0.1:8080"))?;
    match (url.scheme(), url.host_str()) {
        ("http", Some(_)) => Ok(url),
        ("https", _) => Err("https is not supported: run on the server's machine against its http address".to_owned()),
        _ => Err(format!("`{text}` is no http address; use one like http://127.0.0.1:8080")),
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("must be from 0 to 1".to_owned()) }
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "error,loadtest=info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
    let Command::Visits(arguments) = Arguments::parse().command;
    match visits(&arguments).await {
        Ok(report) => {
            print!("{}", report.table());
            if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(error) => {
            eprintln!("bedside-loadtest: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn visits(arguments: &Visits) -> Result<Report> {
    let demo = Demo::read(&arguments.demo)?;
    for path in arguments.report.iter().chain(&arguments.figures).chain(&arguments.html) {
        std::fs::write(path, "").with_context(|| format!("can't write {}", path.display()))?;
    }
    let server = Server::at(arguments.base.clone()).context("HTTP client")?;
    let provider = Provider::sign_in(&server, &demo.provider).await?;
    let count = arguments.visits as usize;
    let invitations = provider.invitations(&demo, count).await?;
    let sends = Camera { simulcast: !arguments.no_simulcast, payload_bytes: arguments.video_payload };

    let joins = invitations.iter().map(|invitation| join(&server, &provider, invitation, sends));
    let (mut waiting, mut failed) = (Vec::new(), Vec::new());
    let mut joined = stream::iter(joins).buffer_unordered(arguments.joining as usize);
    while let Some(outcome) = joined.next().await {
        match outcome {
            Ok(visit) => waiting.push(visit),
            Err(failure) => failed.push(failure),
        }
        tracing::info!(waiting = waiting.len(), failed = failed.len(), "joined");
    }
    tokio::time::sleep(Duration::from_secs(arguments.wait)).await;

    let before = server.metrics().await;
    let outcomes = future::join_all(waiting.into_iter().map(|visit| hold(visit, arguments.seconds))).await;
    let after = server.metrics().await;
    let (held, broken) = split(outcomes);
    failed.extend(broken);
    let (done, broken) = split(future::join_all(held.into_iter().map(end)).await);
    failed.extend(broken);

    let run = Run {
        base: server.origin(),
        visits: count,
        seconds: arguments.seconds,
        simulcast: sends.simulcast,
        max_loss: arguments.max_loss,
        server: cost(before, after),
        rate_limited_ms: server.held_ms(),
    };
    let report = Report::new(run, done, failed);
    if let Some(path) = &arguments.report {
        write(path, &serde_json::to_string_pretty(&report)?)?;
    }
    if let Some(path) = &arguments.figures {
        write(path, &serde_json::to_string_pretty(&report.figures())?)?;
    }
    if let Some(path) = &arguments.html {
        write(path, &plot::page(&report))?;
    }
    Ok(report)
}

async fn join(
    server: &Server,
    provider: &Provider<'_>,
    invitation: &Invitation,
    sends: Camera,
) -> Result<Visit, Failure> {
    let joined = Visit::join(server, provider, invitation, sends).await;
    joined.map_err(|error| Failure { visit: invitation.visit, error: format!("{error:#}") })
}

async fn hold(mut visit: Visit, seconds: u64) -> Result<Visit, Failure> {
    if let Err(error) = visit.admit().await {
        let failure = Failure { visit: visit.id(), error: format!("{error:#}") };
        let _ = visit.end().await;
        return Err(failure);
    }
    let _ = tokio::time::timeout(Duration::from_secs(seconds), visit.report_quality()).await;
    Ok(visit)
}

async fn end(visit: Visit) -> Result<VisitReport, Failure> {
    let id = visit.id();
    visit.end().await.map_err(|error| Failure { visit: id, error: format!("{error:#}") })
}

fn split<T>(outcomes: Vec<Result<T, Failure>>) -> (Vec<T>, Vec<Failure>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        match outcome {
            Ok(value) => good.push(value),
            Err(failure) => bad.push(failure),
        }
    }
    (good, bad)
}

type Metrics = Result<BTreeMap<String, f64>, CallError>;

fn cost(before: Metrics, after: Metrics) -> Option<ServerCost> {
    let (before, after) = (before.ok()?, after.ok()?);
    let grown = |name: &str| Some(after.get(name)? - before.get(name).copied().unwrap_or(0.0));
    let (cpu_s, forwarded) = (grown(CPU_SECONDS)?, grown(PACKETS_FORWARDED)?);
    (forwarded > 0.0).then(|| ServerCost { cpu_s, forwarded, cpu_ms_per_1000: cpu_s * 1e6 / forwarded })
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("can't write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_wrong_values_are_named() {
        Arguments::command().debug_assert();
        let parse = |extra: &[&str]| {
            let line = ["bedside-loadtest", "visits", "--demo", "d/demo.json"].iter().chain(extra);
            Arguments::try_parse_from(line).map_err(|error| (error.exit_code(), error.to_string()))
        };
        assert!(parse(&["-n", "20", "--seconds", "5", "--base", "http://127.0.0.1:9090"]).is_ok());
        for (wrong, says) in [
            (["--base", "127.0.0.1:8080"], "use one like"),
            (["--base", "https://clinic.example"], "https is not supported"),
            (["--max-loss", "2"], "from 0 to 1"),
            (["-n", "0"], "0 is not in 1.."),
        ] {
            let (code, text) = parse(&wrong).expect_err(wrong[1]);
            assert_eq!(code, 2);
            assert!(text.contains(says), "{text}");
        }
    }

    #[test]
    fn cost_is_what_the_counters_gained() {
        let counters = |cpu: f64, packets: f64| {
            Ok(BTreeMap::from([(CPU_SECONDS.to_owned(), cpu), (PACKETS_FORWARDED.to_owned(), packets)]))
        };
        let cost_of = cost(counters(10.0, 5_000.0), counters(10.5, 55_000.0)).expect("both counters");
        assert!((cost_of.cpu_ms_per_1000 - 10.0).abs() < 1e-9);
        assert!(cost(Ok(BTreeMap::new()), counters(1.0, 1.0)).is_some_and(|cost| cost.forwarded == 1.0));
        assert!(cost(counters(1.0, 1.0), Ok(BTreeMap::new())).is_none());
        assert!(cost(counters(1.0, 1.0), counters(2.0, 1.0)).is_none(), "nothing forwarded");
    }
}
