//! How much a client may send.

use std::time::Instant;

/// So many bytes in a second, and as many at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    per_second: f64,
    left: f64,
    at: Instant,
}

impl Allowance {
    pub(crate) fn new(per_second: usize, now: Instant) -> Self {
        let per_second = per_second as f64;
        Self { per_second, left: per_second, at: now }
    }

    /// Whether so many more are allowed now; if they are, they are spent.
    pub(crate) fn takes(&mut self, bytes: usize, now: Instant) -> bool {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * self.per_second;
        self.left = (self.left + gained).min(self.per_second);
        self.at = self.at.max(now);
        let bytes = bytes as f64;
        if self.left < bytes {
            return false;
        }
        self.left -= bytes;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_second_gives_a_seconds_worth_and_no_more() {
        let start = Instant::now();
        let mut allowance = Allowance::new(1_000, start);
        assert!(allowance.takes(600, start) && allowance.takes(400, start) && !allowance.takes(1, start));
        assert!(allowance.takes(500, start + Duration::from_millis(500)));
        assert!(!allowance.takes(100, start + Duration::from_millis(510)));
        let later = start + Duration::from_secs(60);
        assert!(allowance.takes(1_000, later) && !allowance.takes(1, later));
        assert!(!allowance.takes(1, start), "an earlier time gives nothing");
    }
}
