//! Keeps the clinics' lines current for pages that watch them: one reading per clinic and change, however many watch.

use std::time::Duration;

use api::LineWatch;
use tokio::sync::broadcast::{Receiver, error::RecvError, error::TryRecvError};
use tokio::time::{MissedTickBehavior, interval};
use visit::ClinicId;

use super::Live;

/// Waits grow shorter by themselves: the lines are looked at this often when nothing happens.
const LOOK_EVERY: Duration = Duration::from_secs(30);

impl Live {
    /// Reads a clinic's lines anew whenever something changed there, somebody begins to watch, or time has passed.
    pub async fn keep_lines(self, lines: LineWatch) {
        let mut changes = self.0.changes.subscribe();
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = tokio::select! {
                change = changes.recv() => match change {
                    Ok(clinic) => changed(clinic, &mut changes, &lines),
                    Err(RecvError::Lagged(_)) => lines.watched(),
                    Err(RecvError::Closed) => return,
                },
                () = lines.wanted() => lines.watched(),
                _ = ticks.tick() => lines.watched(),
            };
            for clinic in due {
                match records::queue::lines(&self.0.records, clinic, self.wall()).await {
                    Ok(found) => lines.publish(clinic, found),
                    Err(error) => tracing::warn!(%clinic, %error, "the lines of a clinic could not be read"),
                }
            }
        }
    }
}

/// The clinics that changed, of those that are watched: a burst of changes is one reading.
fn changed(first: ClinicId, changes: &mut Receiver<ClinicId>, lines: &LineWatch) -> Vec<ClinicId> {
    let mut clinics = vec![first];
    loop {
        match changes.try_recv() {
            Ok(clinic) => clinics.push(clinic),
            Err(TryRecvError::Lagged(_)) => return lines.watched(),
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
        }
    }
    let watched = lines.watched();
    clinics.sort_unstable();
    clinics.dedup();
    clinics.retain(|clinic| watched.contains(clinic));
    clinics
}
