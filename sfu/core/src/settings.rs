//! What all rooms of a worker share.

use std::time::Instant;

use crate::net::Candidates;
use crate::peer::Identity;

/// What peers and rooms may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Peers in one room, admitted or waiting.
    pub peers_per_room: usize,
    /// Rooms of one worker.
    pub rooms_per_worker: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { peers_per_room: 64, rooms_per_worker: 10_000 }
    }
}

/// What all rooms of a process share: certificate, candidates, limits.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(crate) identity: Identity,
    pub(crate) candidates: Candidates,
    pub(crate) limits: Limits,
    /// An instant and the same in microseconds since the Unix epoch.
    clock: (Instant, i64),
}

impl Settings {
    /// Settings with a new DTLS certificate. `unix_us` is `now` in microseconds since the Unix epoch.
    pub fn new(candidates: Candidates, limits: Limits, now: Instant, unix_us: i64) -> Self {
        Self { identity: Identity::new(), candidates, limits, clock: (now, unix_us) }
    }

    /// When the process began to count time.
    pub(crate) fn began(&self) -> Instant {
        self.clock.0
    }

    pub(crate) fn unix_us(&self, now: Instant) -> i64 {
        let since = now.saturating_duration_since(self.clock.0).as_micros();
        self.clock.1.saturating_add(i64::try_from(since).unwrap_or(i64::MAX))
    }
}
