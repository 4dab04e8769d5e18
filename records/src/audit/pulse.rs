//! Tells the sealer of this process that a batch is waiting.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use super::BATCH;

/// Counts rows that this process has committed.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    written: AtomicUsize,
    full: Notify,
}

impl Pulse {
    /// `rows` were committed.
    pub(crate) fn beat(&self, rows: usize) {
        let before = self.written.fetch_add(rows, Ordering::Relaxed);
        if before < BATCH && before + rows >= BATCH {
            self.full.notify_one();
        }
    }

    /// Waits for a batch, counted from the last time this was called.
    pub(crate) async fn full(&self) {
        self.full.notified().await;
    }

    /// Counts from the beginning.
    pub(crate) fn reset(&self) {
        self.written.store(0, Ordering::Relaxed);
    }
}
