//! The one place that asks for the time, so that tests can set it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use time::OffsetDateTime;
use visit::Now;

/// Wall clock for what is stored or compared with stored times, and a clock that never goes back for limits.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System { started: Instant },
    Manual(ManualClock),
}

impl Clock {
    /// The machine's clocks.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System { started: Instant::now() })
    }

    /// A clock that stands still until it is told to go on.
    #[must_use]
    pub fn manual(at: OffsetDateTime) -> (Self, ManualClock) {
        let hand = ManualClock(Arc::new(Mutex::new((at, Duration::ZERO))));
        (Self(Source::Manual(hand.clone())), hand)
    }

    /// The wall clock.
    #[must_use]
    pub fn wall(&self) -> OffsetDateTime {
        match &self.0 {
            Source::System { .. } => OffsetDateTime::now_utc(),
            Source::Manual(hand) => hand.read().0,
        }
    }

    /// The wall clock in the room machine's unit, milliseconds since the Unix epoch.
    #[must_use]
    pub fn now(&self) -> Now {
        let millis = self.wall().unix_timestamp_nanos() / 1_000_000;
        Now(i64::try_from(millis).expect("dates that `time` can hold fit into 64-bit milliseconds"))
    }

    /// Time since this clock was made; never goes back.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            Source::System { started } => started.elapsed(),
            Source::Manual(hand) => hand.read().1,
        }
    }
}

impl governor::clock::Clock for Clock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.elapsed()
    }
}

/// The hand of a [`Clock::manual`].
#[derive(Clone)]
pub struct ManualClock(Arc<Mutex<(OffsetDateTime, Duration)>>);

impl ManualClock {
    /// Lets `by` pass.
    pub fn advance(&self, by: Duration) {
        let mut times = self.0.lock().expect("no code panics while holding this lock");
        times.0 += by;
        times.1 += by;
    }

    fn read(&self) -> (OffsetDateTime, Duration) {
        *self.0.lock().expect("no code panics while holding this lock")
    }
}
