//! From the wall clock to the composed file's own time: it begins when the recording began, and pauses are cut out.

use serde::{Deserialize, Serialize};
use visit::Now;

use crate::{Mark, TimedMark};

/// A stretch in which nothing was captured and which the composed file leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// From when.
    pub from: Now,
    /// Until when.
    pub to: Now,
    /// Where in the composed file the cut is, milliseconds.
    pub at_ms: u64,
}

/// When capture ran, by the server's clock. All in microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Timeline {
    /// Stretches that were captured, in order, each with its begin in the composed file.
    runs: Vec<Run>,
    stopped_us: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    from_us: i64,
    to_us: i64,
    at_us: i64,
}

impl Timeline {
    /// From the marks of a capture that began at `started` and whose last packet came at `last_us`
    /// (`i64::MIN` if there is none).
    pub fn new(started: Now, marks: &[TimedMark], last_us: i64) -> Self {
        let mut timeline = Self { runs: Vec::new(), stopped_us: 0 };
        let mut running_since = Some(started.0.saturating_mul(1_000));
        let mut latest = started.0.saturating_mul(1_000);
        let mut stopped = None;
        for timed in marks {
            // A clock that is set back must not turn time around.
            let at_us = timed.at.0.saturating_mul(1_000).max(latest);
            latest = at_us;
            match timed.mark {
                Mark::Paused { .. } => {
                    if let Some(from_us) = running_since.take() {
                        timeline.push(from_us, at_us);
                    }
                }
                Mark::Resumed { .. } => running_since = running_since.or(Some(at_us)),
                Mark::Stopped { .. } => {
                    stopped = Some(at_us);
                    break;
                }
                Mark::Started { .. } | Mark::Consent { .. } => {}
            }
        }
        let end = stopped.unwrap_or(if running_since.is_some() { latest.max(last_us) } else { latest });
        if let Some(from_us) = running_since {
            timeline.push(from_us, end);
        }
        timeline.stopped_us = end;
        timeline
    }

    fn push(&mut self, from_us: i64, to_us: i64) {
        let at_us = self.duration_us();
        self.runs.push(Run { from_us, to_us, at_us });
    }

    /// Length of the composed file.
    pub fn duration_us(&self) -> i64 {
        self.runs.last().map_or(0, |run| run.at_us + (run.to_us - run.from_us))
    }

    /// When capture ended.
    pub fn stopped(&self) -> Now {
        Now(self.stopped_us / 1_000)
    }

    /// Where in the composed file `wall_us` is; what lies in a pause, before the start or after the end is moved to
    /// the nearest place that is in the file.
    pub fn nearest(&self, wall_us: i64) -> i64 {
        for run in &self.runs {
            if wall_us < run.to_us {
                return run.at_us + (wall_us - run.from_us).max(0);
            }
        }
        self.duration_us()
    }

    /// What was cut out.
    pub fn pauses(&self) -> Vec<Pause> {
        let mut pauses: Vec<Pause> = self
            .runs
            .windows(2)
            .map(|pair| Pause {
                from: Now(pair[0].to_us / 1_000),
                to: Now(pair[1].from_us / 1_000),
                at_ms: pair[1].at_us as u64 / 1_000,
            })
            .collect();
        if let Some(last) = self.runs.last().filter(|last| last.to_us < self.stopped_us) {
            pauses.push(Pause {
                from: Now(last.to_us / 1_000),
                to: self.stopped(),
                at_ms: self.duration_us() as u64 / 1_000,
            });
        }
        pauses
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use visit::fact::StopReason;

    fn at(ms: i64, mark: Mark) -> TimedMark {
        TimedMark { at: Now(ms), mark }
    }

    fn paused(ms: i64) -> TimedMark {
        at(ms, Mark::Paused { by: None })
    }

    fn resumed(ms: i64) -> TimedMark {
        at(ms, Mark::Resumed { participants: Vec::new() })
    }

    fn stopped(ms: i64) -> TimedMark {
        at(ms, Mark::Stopped { why: StopReason::Stopped, dropped: 0, refused: 0 })
    }

    #[test]
    fn pauses_are_cut_out_and_named() {
        let timeline = Timeline::new(Now(1_000), &[paused(3_000), resumed(10_000), stopped(15_000)], i64::MIN);
        assert_eq!(timeline.duration_us(), 7_000_000);
        assert_eq!(timeline.nearest(2_500_000), 1_500_000);
        assert_eq!(timeline.nearest(5_000_000), 2_000_000);
        assert_eq!(timeline.nearest(11_000_000), 3_000_000);
        assert_eq!((timeline.nearest(0), timeline.nearest(99_000_000)), (0, 7_000_000));
        assert_eq!(timeline.pauses(), [Pause { from: Now(3_000), to: Now(10_000), at_ms: 2_000 }]);
    }

    #[test]
    fn an_interrupted_capture_ends_with_its_last_packet() {
        let timeline = Timeline::new(Now(0), &[], 4_200_000);
        assert_eq!(timeline.duration_us(), 4_200_000);
        assert_eq!(timeline.stopped(), Now(4_200));
    }

    #[test]
    fn one_that_is_paused_when_interrupted_ends_with_the_pause() {
        let timeline = Timeline::new(Now(0), &[paused(2_000)], 1_900_000);
        assert_eq!(timeline.duration_us(), 2_000_000);
        assert!(timeline.pauses().is_empty());
    }

    #[test]
    fn one_that_is_stopped_in_a_pause_says_so() {
        let timeline = Timeline::new(Now(0), &[paused(2_000), stopped(5_000)], 1_900_000);
        assert_eq!(timeline.duration_us(), 2_000_000);
        assert_eq!(timeline.pauses(), [Pause { from: Now(2_000), to: Now(5_000), at_ms: 2_000 }]);
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_turn_time_around() {
        let timeline = Timeline::new(Now(10_000), &[paused(9_000), resumed(8_000), stopped(12_000)], i64::MIN);
        assert_eq!(timeline.duration_us(), 2_000_000);
    }
}
