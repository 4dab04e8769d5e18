//! From a sender's RTP clock to the server's wall clock.
//!
//! A packet is never early: arrival minus RTP time is the clocks' difference plus a delay that is at least zero. So
//! the running minimum of it is the difference plus the shortest delay, and its slow movement is the drift of the
//! sender's crystal. Minima are taken over windows and joined by lines that are no steeper than crystals drift.

/// Length of a window, microseconds of RTP time.
const WINDOW_US: i64 = 5_000_000;
/// Steepest drift that is believed: 200 parts per million (crystals have up to 100 each).
const MAX_DRIFT_US: i64 = WINDOW_US / 5_000;
/// Windows of one mapping: 48 hours.
const MAX_WINDOWS: usize = 34_560;

/// RTP time as microseconds; saturates far outside what a visit needs.
pub(crate) fn rtp_us(rtp_time: u64, rate: u32) -> i64 {
    let us = u128::from(rtp_time) * 1_000_000 / u128::from(rate);
    i64::try_from(us).unwrap_or(i64::MAX).min(i64::MAX / 4)
}

/// Collects arrivals of one unbroken stretch of a track, then maps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ClockMap {
    first_us: i64,
    /// Least arrival minus RTP time per window; `i64::MAX` where nothing arrived.
    minima: Vec<i64>,
}

impl ClockMap {
    /// A stretch that begins near this RTP time.
    pub fn starting(rtp_us: i64) -> Self {
        Self { first_us: rtp_us, minima: Vec::new() }
    }

    /// Takes note of an arrival.
    pub fn observe(&mut self, rtp_us: i64, received_us: i64) {
        let window = usize::try_from(rtp_us.saturating_sub(self.first_us).max(0) / WINDOW_US).unwrap_or(usize::MAX);
        if window >= MAX_WINDOWS {
            return;
        }
        if window >= self.minima.len() {
            self.minima.resize(window + 1, i64::MAX);
        }
        let offset = received_us.saturating_sub(rtp_us);
        self.minima[window] = self.minima[window].min(offset);
    }

    /// Call once after the last arrival: fills windows without arrivals and limits the slope.
    pub fn settle(&mut self) {
        for window in 1..self.minima.len() {
            let limit = self.minima[window - 1].saturating_add(MAX_DRIFT_US);
            self.minima[window] = self.minima[window].min(limit);
        }
        for window in (1..self.minima.len()).rev() {
            let limit = self.minima[window].saturating_add(MAX_DRIFT_US);
            self.minima[window - 1] = self.minima[window - 1].min(limit);
        }
    }

    /// Wall clock, microseconds since the Unix epoch, at which this RTP time was sent (plus the shortest delay).
    pub fn wall_us(&self, rtp_us: i64) -> i64 {
        let Some(last) = self.minima.len().checked_sub(1) else {
            return rtp_us;
        };
        // Each minimum counts for the middle of its window.
        let at = rtp_us.saturating_sub(self.first_us).saturating_sub(WINDOW_US / 2);
        let window = usize::try_from(at.max(0) / WINDOW_US).unwrap_or(last).min(last);
        let (here, next) = (self.minima[window], self.minima[(window + 1).min(last)]);
        let into = if at <= 0 { 0 } else { at % WINDOW_US };
        rtp_us.saturating_add(here).saturating_add((next - here) * into / WINDOW_US)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn settled(arrivals: &[(i64, i64)]) -> ClockMap {
        let mut map = ClockMap::starting(arrivals[0].0);
        for &(rtp, received) in arrivals {
            map.observe(rtp, received);
        }
        map.settle();
        map
    }

    #[test]
    fn jitter_does_not_move_the_picture() {
        let arrivals: Vec<_> =
            (0..3_000_i64).map(|n| (n * 20_000, 1_000_000 + n * 20_000 + (n * 7_919 % 40) * 1_000)).collect();
        let map = settled(&arrivals);
        for n in 0..3_000 {
            let off = map.wall_us(n * 20_000) - (1_000_000 + n * 20_000);
            assert!((0..=1_000).contains(&off), "{off} us at packet {n}");
        }
    }

    #[test]
    fn a_fast_crystal_is_followed() {
        // 100 ppm: 360 ms in an hour.
        let arrivals: Vec<_> = (0..180_000_i64).map(|n| (n * 20_002, n * 20_000 + (n % 5) * 3_000)).collect();
        let map = settled(&arrivals);
        for n in (0..180_000).step_by(1_000) {
            let off = map.wall_us(n * 20_002) - n * 20_000;
            assert!(off.abs() < 2_000, "{off} us at packet {n}");
        }
    }

    #[test]
    fn a_congested_minute_does_not_stretch_time() {
        let delay = |n: i64| {
            if (1_000..4_000).contains(&n) { 300_000 } else { 10_000 }
        };
        let arrivals: Vec<_> = (0..6_000_i64).map(|n| (n * 20_000, n * 20_000 + delay(n))).collect();
        let map = settled(&arrivals);
        for n in 0..6_000 {
            assert!((map.wall_us(n * 20_000) - n * 20_000 - 10_000).abs() < 8_000, "packet {n}");
        }
    }

    proptest! {
        #[test]
        fn any_times_map_without_panicking(arrivals in prop::collection::vec((any::<u64>(), any::<i64>()), 1..50)) {
            let arrivals: Vec<_> =
                arrivals.into_iter().map(|(rtp, received)| (rtp_us(rtp, 90_000), received / 4)).collect();
            let map = settled(&arrivals);
            for (rtp, _) in arrivals {
                map.wall_us(rtp);
            }
        }
    }
}
