//! Counting in this process: leaky buckets (GCRA, by `governor`) in bounded maps.

use std::sync::Mutex;
use std::time::Duration;

use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use super::rates::{Limit, RateLimits};
use super::{Key, TooMany};
use crate::Clock;

/// Keys that one map may hold.
pub(super) const MAX_KEYS: usize = 65_536;

type Buckets = RateLimiter<Key, DashMapStateStore<Key>, Clock, NoOpMiddleware<Duration>>;

pub(super) struct LocalLimits {
    clock: Clock,
    /// In the order of [`Limit::ALL`].
    buckets: [Buckets; Limit::ALL.len()],
    /// When full maps were last emptied of idle keys.
    swept: Mutex<Option<Duration>>,
}

impl LocalLimits {
    pub(super) fn new(rates: &RateLimits, clock: Clock) -> Self {
        let buckets = Limit::ALL.map(|limit| {
            RateLimiter::new(Quota::per_minute(limit.per_minute(rates)), DashMapStateStore::default(), clock.clone())
        });
        Self { buckets, swept: Mutex::default(), clock }
    }

    pub(super) fn take(&self, limit: Limit, mut key: Key) -> Result<(), TooMany> {
        let buckets = &self.buckets[limit as usize];
        if buckets.len() >= MAX_KEYS {
            self.sweep(buckets);
            if buckets.len() >= MAX_KEYS {
                key = [0; 32];
            }
        }
        buckets.check_key(&key).map_err(|not_until| TooMany::after(not_until.wait_time_from(self.clock.elapsed())))
    }

    /// Keys that are held for `limit`.
    #[cfg(test)]
    pub(super) fn keys(&self, limit: Limit) -> usize {
        self.buckets[limit as usize].len()
    }

    /// Drops idle keys, at most once a second: it walks the whole map.
    fn sweep(&self, buckets: &Buckets) {
        let now = self.clock.elapsed();
        let mut swept = self.swept.lock().expect("no code panics while holding this lock");
        if swept.is_none_or(|last| now.saturating_sub(last) >= Duration::from_secs(1)) {
            *swept = Some(now);
            buckets.retain_recent();
        }
    }
}
