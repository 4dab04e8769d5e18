//! Every five seconds, per participant and direction: the SFU's counts joined with what the browser alone can see.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use records::Records;
use records::quality::{Direction, Measured, Sample};
use sfu::Interval;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use visit::wire::ClientQuality;
use visit::{ClinicId, Now, ParticipantId, VisitId};

use super::people::Seated;

/// A browser's report is joined with the SFU's interval if it is not older than this, milliseconds.
const REPORT_LIFE_MS: i64 = 8_000;
/// Samples that may wait for the database; more are dropped and counted.
const WAITING: usize = 10_000;
/// Samples are stored together, this often at most.
const STORE_EVERY: Duration = Duration::from_millis(500);

/// Joins and stores samples.
pub struct QualityBook {
    reports: Mutex<BTreeMap<ParticipantId, (Now, ClientQuality)>>,
    samples: Sender<(ClinicId, Sample)>,
}

impl QualityBook {
    /// Starts the task that stores.
    #[must_use]
    pub fn start(records: Records) -> Self {
        let (samples, waiting) = channel(WAITING);
        tokio::spawn(store(records, waiting));
        Self { reports: Mutex::default(), samples }
    }

    /// A browser reported.
    pub fn client(&self, participant: ParticipantId, at: Now, quality: ClientQuality) {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        reports.retain(|_, (reported, _)| at < reported.plus(REPORT_LIFE_MS));
        reports.insert(participant, (at, quality));
    }

    /// The SFU has summed up five seconds of one direction.
    pub fn interval(&self, who: &Seated, visit: VisitId, participant: ParticipantId, at: Now, interval: &Interval) {
        let report = match interval.direction {
            sfu::Direction::Up => None,
            sfu::Direction::Down => {
                let reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
                reports
                    .get(&participant)
                    .filter(|(reported, _)| at < reported.plus(REPORT_LIFE_MS))
                    .map(|(_, report)| report.clone())
            }
        };
        let measured = join(interval, report.as_ref());
        let direction = match interval.direction {
            sfu::Direction::Up => Direction::Up,
            sfu::Direction::Down => Direction::Down,
        };
        publish(direction, &measured);
        let sample = Sample { visit, participant, role: who.role, direction, at, measured };
        if self.samples.try_send((who.clinic, sample)).is_err() {
            metrics::counter!("bedside_quality_samples_dropped_total").increment(1);
        }
    }
}

fn join(interval: &Interval, report: Option<&ClientQuality>) -> Measured {
    let concealed = report.filter(|report| report.total_samples > 0).map(|report| {
        let concealed = report.concealed_samples.min(report.total_samples);
        concealed as f32 / report.total_samples as f32
    });
    Measured {
        round_trip_ms: interval.rtt_ms.or(report.and_then(|report| report.round_trip_ms)),
        loss: Some(interval.loss),
        jitter_ms: Some(interval.jitter_ms),
        bitrate_bps: i64::try_from(interval.bitrate_bps).ok(),
        freezes: report.map(|report| i32::try_from(report.freezes).unwrap_or(i32::MAX)),
        concealed_ratio: concealed,
        mos: interval.mos,
    }
}

fn publish(direction: Direction, measured: &Measured) {
    let way = direction.as_str();
    if let Some(ms) = measured.round_trip_ms {
        metrics::histogram!("bedside_call_round_trip_seconds", "direction" => way).record(f64::from(ms) / 1_000.0);
    }
    if let Some(ms) = measured.jitter_ms {
        metrics::histogram!("bedside_call_jitter_seconds", "direction" => way).record(f64::from(ms) / 1_000.0);
    }
    if let Some(loss) = measured.loss {
        metrics::histogram!("bedside_call_loss_ratio", "direction" => way).record(f64::from(loss));
    }
    if let Some(mos) = measured.mos {
        metrics::histogram!("bedside_call_mos", "direction" => way).record(f64::from(mos));
    }
    if let Some(ratio) = measured.concealed_ratio {
        metrics::histogram!("bedside_call_concealed_ratio", "direction" => way).record(f64::from(ratio));
    }
    metrics::counter!("bedside_call_freezes_total")
        .increment(measured.freezes.and_then(|n| u64::try_from(n).ok()).unwrap_or(0));
    metrics::gauge!("bedside_call_bitrate_bps", "direction" => way).set(measured.bitrate_bps.unwrap_or(0) as f64);
}

async fn store(records: Records, mut waiting: Receiver<(ClinicId, Sample)>) {
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, WAITING).await > 0 {
        let mut by_clinic: BTreeMap<ClinicId, Vec<Sample>> = BTreeMap::new();
        for (clinic, sample) in batch.drain(..) {
            by_clinic.entry(clinic).or_default().push(sample);
        }
        for (clinic, samples) in by_clinic {
            if let Err(error) = records::quality::insert(&records, clinic, &samples).await {
                tracing::warn!(%clinic, samples = samples.len(), %error, "samples of call quality were not stored");
                metrics::counter!("bedside_quality_samples_dropped_total").increment(samples.len() as u64);
            }
        }
        tokio::time::sleep(STORE_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval() -> Interval {
        Interval {
            direction: sfu::Direction::Down,
            rtt_ms: None,
            loss: 0.01,
            jitter_ms: 3.0,
            bitrate_bps: 500_000,
            packets: 600,
            interval_ms: 5_000,
            mos: Some(4.3),
        }
    }

    #[test]
    fn the_browsers_view_fills_what_the_server_cannot_see() {
        let report = ClientQuality {
            freezes: 2,
            concealed_samples: 480,
            total_samples: 48_000,
            round_trip_ms: Some(40.0),
            ..ClientQuality::default()
        };
        let measured = join(&interval(), Some(&report));
        assert_eq!(measured.freezes, Some(2));
        assert_eq!(measured.concealed_ratio, Some(0.01));
        assert_eq!(measured.round_trip_ms, Some(40.0));
    }

    #[test]
    fn what_was_not_measured_is_absent_and_not_zero() {
        let measured = join(&interval(), None);
        assert_eq!((measured.freezes, measured.concealed_ratio, measured.round_trip_ms), (None, None, None));
        let silent = ClientQuality::default();
        assert_eq!(join(&interval(), Some(&silent)).concealed_ratio, None);
    }
}
