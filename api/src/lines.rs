//! The clinics' lines, as pages of those who wait are told of them. `server` keeps them current; nothing is read for a page.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use records::queue::Lines;
use tokio::sync::{Notify, watch};
use visit::ClinicId;

/// Everybody who watches a clinic's lines, and the one who keeps them. Cheap to clone.
#[derive(Clone, Default)]
pub struct LineWatch(Arc<Inner>);

#[derive(Default)]
struct Inner {
    clinics: Mutex<BTreeMap<ClinicId, watch::Sender<Option<Arc<Lines>>>>>,
    wanted: Notify,
}

impl LineWatch {
    /// The lines of `clinic` from now on; `None` until they are known.
    #[must_use]
    pub fn watch(&self, clinic: ClinicId) -> watch::Receiver<Option<Arc<Lines>>> {
        let receiver = self.clinics().entry(clinic).or_insert_with(|| watch::channel(None).0).subscribe();
        if receiver.borrow().is_none() {
            self.0.wanted.notify_one();
        }
        receiver
    }

    /// Clinics whose lines somebody watches. Those that nobody watches any more are forgotten.
    #[must_use]
    pub fn watched(&self) -> Vec<ClinicId> {
        let mut clinics = self.clinics();
        clinics.retain(|_, lines| lines.receiver_count() > 0);
        clinics.keys().copied().collect()
    }

    /// Returns when somebody watches a clinic whose lines are not known yet.
    pub async fn wanted(&self) {
        self.0.wanted.notified().await;
    }

    /// The lines of `clinic` are these now. Nobody is told if they were the same before.
    pub fn publish(&self, clinic: ClinicId, lines: Lines) {
        if let Some(sender) = self.clinics().get(&clinic) {
            sender.send_if_modified(|known| {
                let changed = known.as_deref() != Some(&lines);
                if changed {
                    *known = Some(Arc::new(lines));
                }
                changed
            });
        }
    }

    fn clinics(&self) -> MutexGuard<'_, BTreeMap<ClinicId, watch::Sender<Option<Arc<Lines>>>>> {
        self.0.clinics.lock().expect("no code panics while holding this lock")
    }
}
