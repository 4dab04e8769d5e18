//! What a run found: a table for people, JSON for scripts, and whether expectations held.
//!
//! Here: percentiles, totals, the list of broken expectations. Not here: plots (`plot`), measuring.

use std::fmt::Write as _;

use serde::Serialize;
use visit::VisitId;

use crate::visit_run::{Received, VisitReport};

/// Everything that a run found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The server's address.
    pub base: String,
    /// Visits asked for.
    pub visits: usize,
    /// Seconds of media after `Admit`.
    pub seconds: u64,
    /// Whether cameras sent three layers.
    pub simulcast: bool,
    /// From opening the link to standing in the waiting room, milliseconds.
    pub link_to_waiting_ms: Option<Spread>,
    /// From `Admit` to the first media packet, each person, milliseconds.
    pub admit_to_first_packet_ms: Option<Spread>,
    /// From `Admit` to the first complete keyframe, each person, milliseconds.
    pub admit_to_first_picture_ms: Option<Spread>,
    /// From one person's socket to the other's, each voice packet, microseconds: network, server and this
    /// program's wait to be scheduled.
    pub voice_delay_us: Option<Spread>,
    /// Sums over all people.
    pub totals: Totals,
    /// What the server's own counters say about the time with media; null when `/metrics` lacks them.
    pub server: Option<ServerCost>,
    /// How long rate limits made this program wait, milliseconds, all people together.
    pub rate_limited_ms: u64,
    /// Visits that went through.
    pub done: Vec<VisitReport>,
    /// Visits that did not.
    pub failed: Vec<Failure>,
    /// Every expectation that did not hold; empty means success.
    pub violations: Vec<String>,
}

/// Sums over all people of all visits.
#[derive(Debug, Default, Serialize)]
pub struct Totals {
    /// RTP datagrams sent.
    pub sent: u64,
    /// Media packets received.
    pub received: u64,
    /// Media packets that never came.
    pub lost: u64,
    /// `lost` of all that should have come, 0 to 1.
    pub loss: f64,
    /// Payload bytes received.
    pub bytes: u64,
    /// RTP datagrams received before `Admit`.
    pub before_admit: u64,
}

/// What the visits cost the server.
#[derive(Debug, Clone, Serialize)]
pub struct ServerCost {
    /// CPU time of the whole process, seconds.
    pub cpu_s: f64,
    /// Packets that it counts as forwarded.
    pub forwarded: f64,
    /// Milliseconds of CPU time per 1,000 forwarded packets.
    pub cpu_ms_per_1000: f64,
}

/// One figure of `make bench`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// Key in the summary.
    pub name: &'static str,
    /// The median, or the value itself.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// How often it was measured.
    pub runs: u32,
    /// Median and 95th percentile, or the value twice.
    pub spread: [f64; 2],
    /// The command.
    pub how: String,
}

/// A visit that did not go through.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// The visit.
    pub visit: VisitId,
    /// What happened.
    pub error: String,
}

/// How values are spread.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spread {
    /// How many.
    pub count: usize,
    /// Half are not above this.
    pub p50: f64,
    /// 95 of 100 are not above this.
    pub p95: f64,
    /// 99 of 100 are not above this.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// The spread of `values` (nearest rank), unless there are none.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let rank = |share: f64| {
            let rank = (share * values.len() as f64).ceil() as usize;
            values.get(rank.max(1) - 1).copied()
        };
        Some(Self { count: values.len(), p50: rank(0.50)?, p95: rank(0.95)?, p99: rank(0.99)?, max: *values.last()? })
    }
}

/// What a run was asked to do and what it saw apart from the visits.
#[derive(Debug)]
pub struct Run {
    /// The server's address.
    pub base: String,
    /// Visits asked for.
    pub visits: usize,
    /// Seconds of media.
    pub seconds: u64,
    /// Three layers or one.
    pub simulcast: bool,
    /// Highest accepted loss, 0 to 1.
    pub max_loss: f64,
    /// From `/metrics`.
    pub server: Option<ServerCost>,
    /// Waiting for rate limits, milliseconds.
    pub rate_limited_ms: u64,
}

impl Report {
    /// Sums up and checks.
    #[must_use]
    pub fn new(run: Run, done: Vec<VisitReport>, failed: Vec<Failure>) -> Self {
        let people = || done.iter().flat_map(|visit| [&visit.patient, &visit.provider]);
        let mut totals =
            Totals { before_admit: done.iter().map(|visit| visit.packets_before_admit).sum(), ..Totals::default() };
        for person in people() {
            totals.sent += person.sent;
            totals.received += person.packets;
            totals.lost += person.lost;
            totals.bytes += person.bytes;
        }
        totals.loss = if totals.received + totals.lost == 0 {
            0.0
        } else {
            totals.lost as f64 / (totals.received + totals.lost) as f64
        };
        let violations = violations(&run, &done, &failed, &totals);
        Self {
            link_to_waiting_ms: Spread::of(done.iter().map(|visit| visit.link_to_waiting_ms)),
            admit_to_first_packet_ms: Spread::of(people().filter_map(|person| person.admit_to_first_packet_ms)),
            admit_to_first_picture_ms: Spread::of(people().filter_map(|person| person.admit_to_first_picture_ms)),
            voice_delay_us: Spread::of(people().flat_map(|person| person.delays_us.iter().copied())),
            base: run.base,
            visits: run.visits,
            seconds: run.seconds,
            simulcast: run.simulcast,
            totals,
            server: run.server,
            rate_limited_ms: run.rate_limited_ms,
            done,
            failed,
            violations,
        }
    }

    /// The figures for `target/bench/summary.json`; one that was not measured is absent.
    #[must_use]
    pub fn figures(&self) -> Vec<Figure> {
        let how = format!("bedside-loadtest visits -n {} --seconds {}", self.visits, self.seconds);
        let figure = |name, value, unit, spread| Figure { name, value, unit, runs: 1, spread, how: how.clone() };
        let spread = |name, unit, spread: &Option<Spread>| {
            spread.as_ref().map(|spread| figure(name, spread.p50, unit, [spread.p50, spread.p95]))
        };
        let cost = self.server.as_ref().map(|server| server.cpu_ms_per_1000);
        let loss = (self.totals.received > 0).then_some(self.totals.loss * 100.0);
        [
            cost.map(|cost| figure("load_cpu_per_1000_forwarded", cost, "ms", [cost, cost])),
            spread("load_link_to_waiting_p50", "ms", &self.link_to_waiting_ms),
            spread("load_admit_to_picture_p50", "ms", &self.admit_to_first_picture_ms),
            spread("load_voice_delay_p50", "us", &self.voice_delay_us),
            loss.map(|loss| figure("load_loss", loss, "%", [loss, loss])),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The report for a terminal.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = String::new();
        let mut row = |name: &str, value: String| {
            let _ = writeln!(text, "  {name:<34} {value}");
        };
        let layers = if self.simulcast { "3 layers" } else { "1 layer" };
        row("visits done / asked for", format!("{} / {}", self.done.len(), self.visits));
        row("media after Admit", format!("{} s, voice and camera ({layers}) from both", self.seconds));
        row("link -> waiting room", spread(self.link_to_waiting_ms.as_ref(), "ms"));
        row("Admit -> first packet", spread(self.admit_to_first_packet_ms.as_ref(), "ms"));
        row("Admit -> first whole picture", spread(self.admit_to_first_picture_ms.as_ref(), "ms"));
        row("voice, socket to socket", spread(self.voice_delay_us.as_ref(), "us"));
        let totals = &self.totals;
        row("packets sent / received", format!("{} / {}", totals.sent, totals.received));
        row("packets lost", format!("{} ({:.3} %)", totals.lost, totals.loss * 100.0));
        row("payload received", format!("{:.1} MB", totals.bytes as f64 / 1e6));
        row("packets before Admit", totals.before_admit.to_string());
        row(
            "server CPU per 1,000 forwarded",
            self.server.as_ref().map_or("not on /metrics".to_owned(), |server| {
                format!("{:.2} ms ({:.2} s for {} packets)", server.cpu_ms_per_1000, server.cpu_s, server.forwarded)
            }),
        );
        if self.rate_limited_ms > 0 {
            row("waited for rate limits", format!("{:.1} s", self.rate_limited_ms as f64 / 1e3));
        }
        let _ = match self.violations.as_slice() {
            [] => writeln!(text, "  all expectations held"),
            violations => writeln!(text, "  NOT AS EXPECTED:\n    {}", violations.join("\n    ")),
        };
        text
    }
}

fn spread(spread: Option<&Spread>, unit: &str) -> String {
    spread.map_or("none".to_owned(), |spread| {
        let Spread { count, p50, p95, p99, max } = spread;
        format!("p50 {p50:.1}  p95 {p95:.1}  p99 {p99:.1}  max {max:.1} {unit}  (n={count})")
    })
}

fn violations(run: &Run, done: &[VisitReport], failed: &[Failure], totals: &Totals) -> Vec<String> {
    let mut violations: Vec<String> =
        failed.iter().map(|failure| format!("visit {}: {}", failure.visit, failure.error)).collect();
    if done.len() + failed.len() < run.visits {
        violations.push(format!("only {} of {} visits were tried", done.len() + failed.len(), run.visits));
    }
    for visit in done {
        let id = visit.visit;
        if visit.packets_before_admit > 0 {
            violations
                .push(format!("visit {id}: {} RTP packets were forwarded before Admit", visit.packets_before_admit));
        }
        for (who, person) in [("patient", &visit.patient), ("provider", &visit.provider)] {
            violations.extend(missing(person).map(|what| format!("visit {id}: the {who} received no {what}")));
        }
    }
    if totals.loss > run.max_loss {
        let (loss, accepted) = (totals.loss * 100.0, run.max_loss * 100.0);
        violations.push(format!("{loss:.3} % of packets were lost; {accepted:.3} % are accepted (--max-loss)"));
    }
    violations
}

fn missing(person: &Received) -> impl Iterator<Item = &'static str> {
    let whats = [(person.voice_packets == 0, "voice"), (person.admit_to_first_picture_ms.is_none(), "whole picture")];
    whats.into_iter().filter_map(|(missing, what)| missing.then_some(what))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A visit in which all went well.
    pub fn good_visit(n: u128) -> VisitReport {
        let person = || Received {
            admit_to_first_packet_ms: Some(12.0),
            admit_to_first_picture_ms: Some(30.0),
            packets: 990,
            voice_packets: 500,
            lost: 0,
            loss: 0.0,
            bytes: 100_000,
            frames: 150,
            sent: 1_000,
            delays_us: vec![100.0, 200.0],
        };
        VisitReport {
            visit: VisitId(uuid::Uuid::from_u128(n)),
            link_to_waiting_ms: 80.0 + n as f64,
            packets_before_admit: 0,
            patient: person(),
            provider: person(),
        }
    }

    /// A run that asked for `visits`.
    pub fn run(visits: usize) -> Run {
        let base = "http://127.0.0.1:8080".to_owned();
        Run { base, visits, seconds: 10, simulcast: true, max_loss: 0.01, server: None, rate_limited_ms: 0 }
    }

    #[test]
    fn nothing_is_violated_when_all_went_well() {
        let report = Report::new(run(2), vec![good_visit(1), good_visit(2)], vec![]);
        assert_eq!(report.violations, Vec::<String>::new());
        assert_eq!((report.totals.sent, report.totals.received), (4_000, 3_960));
        assert!(report.table().contains("all expectations held"));
    }

    #[test]
    fn one_packet_before_admit_is_a_violation() {
        let report = Report::new(run(1), vec![VisitReport { packets_before_admit: 1, ..good_visit(1) }], vec![]);
        assert_eq!(report.violations.len(), 1);
        assert!(report.violations[0].ends_with("1 RTP packets were forwarded before Admit"));
    }

    #[test]
    fn a_failed_visit_missing_media_and_loss_are_violations() {
        let mut silent = good_visit(1);
        silent.patient.voice_packets = 0;
        silent.provider.admit_to_first_picture_ms = None;
        silent.provider.lost = 100;
        let failed = Failure { visit: VisitId(uuid::Uuid::from_u128(9)), error: "refused".to_owned() };
        let report = Report::new(run(2), vec![silent], vec![failed]);
        assert_eq!(report.violations.len(), 4, "{:#?}", report.violations);
    }

    #[test]
    fn a_figure_that_was_not_measured_is_absent() {
        let names = |report: &Report| report.figures().iter().map(|figure| figure.name).collect::<Vec<_>>();
        let cost = ServerCost { cpu_s: 1.0, forwarded: 1e5, cpu_ms_per_1000: 10.0 };
        let full = Report::new(Run { server: Some(cost), ..run(1) }, vec![good_visit(1)], vec![]);
        assert_eq!(full.figures()[0].value, 10.0);
        assert_eq!(names(&full).len(), 5);
        let without_metrics = Report::new(run(1), vec![good_visit(1)], vec![]);
        assert!(!names(&without_metrics).contains(&"load_cpu_per_1000_forwarded"));
        assert!(names(&Report::new(run(1), vec![], vec![])).is_empty());
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let spread = Spread::of((1..=100).map(f64::from)).expect("values");
        assert_eq!((spread.p50, spread.p95, spread.p99, spread.max), (50.0, 95.0, 99.0, 100.0));
        assert_eq!(Spread::of([7.0]), Some(Spread { count: 1, p50: 7.0, p95: 7.0, p99: 7.0, max: 7.0 }));
        assert_eq!(Spread::of([]), None);
    }
}
