//! What a worker counts.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::handle::Counters;

/// A worker's totals, written by it alone.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub packets_in: AtomicU64,
    pub packets_out: AtomicU64,
    pub bytes_in: AtomicU64,
    pub bytes_out: AtomicU64,
    pub forwarded: AtomicU64,
    pub dropped_not_admitted: AtomicU64,
    pub dropped_foreign: AtomicU64,
    pub dropped_send: AtomicU64,
    pub dropped_tap: AtomicU64,
    pub nacks: AtomicU64,
    pub plis: AtomicU64,
    pub rooms: AtomicU64,
    pub peers: AtomicU64,
    pub streams: AtomicU64,
    pub streams_refused: AtomicU64,
    pub cpu_us: AtomicU64,
}

impl Tally {
    pub(crate) fn peers(&self) -> u64 {
        self.peers.load(Ordering::Relaxed)
    }

    pub(crate) fn add_to(&self, sum: &mut Counters) {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        sum.packets_in += get(&self.packets_in);
        sum.packets_out += get(&self.packets_out);
        sum.bytes_in += get(&self.bytes_in);
        sum.bytes_out += get(&self.bytes_out);
        sum.forwarded += get(&self.forwarded);
        sum.dropped_not_admitted += get(&self.dropped_not_admitted);
        sum.dropped_foreign += get(&self.dropped_foreign);
        sum.dropped_send += get(&self.dropped_send);
        sum.dropped_tap += get(&self.dropped_tap);
        sum.nacks += get(&self.nacks);
        sum.plis += get(&self.plis);
        sum.rooms += get(&self.rooms);
        sum.peers += get(&self.peers);
        sum.streams += get(&self.streams);
        sum.streams_refused += get(&self.streams_refused);
        sum.cpu_us += get(&self.cpu_us);
    }
}

/// Adds without a locked instruction: the worker is the only writer.
pub(crate) fn add(counter: &AtomicU64, n: u64) {
    if n > 0 {
        counter.store(counter.load(Ordering::Relaxed) + n, Ordering::Relaxed);
    }
}
