//! Data keys that a remote key service has unwrapped, for a short while.
//!
//! Found by the wrapped bytes themselves, which are read from the database every time: a data key that was destroyed,
//! or retired and replaced, is never found again, whatever is still in here.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Bound, DataKey, Wrapped};
use crate::token::sha256;

/// How long a data key is kept. Also how long reading goes on after the key service has refused us.
pub(super) const KEPT_FOR: Duration = Duration::from_secs(300);
/// How many are kept; the oldest go first.
pub(super) const KEPT_AT_MOST: usize = 10_000;

/// Wiped when dropped, as each key is.
#[derive(Default)]
pub(super) struct Cache(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    keys: BTreeMap<[u8; 32], DataKey>,
    /// Oldest first.
    ages: VecDeque<(Instant, [u8; 32])>,
    sweeping: bool,
}

impl Cache {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    pub(super) fn find(&self, wrapped: &Wrapped, bound: Bound<'_>, now: Instant) -> Option<DataKey> {
        let mut kept = self.lock();
        kept.forget_old(now);
        kept.keys.get(&name(wrapped, bound)).cloned()
    }

    /// Whether somebody must call [`sweep`] now, so that keys go also when nobody asks.
    #[must_use]
    pub(super) fn keep(&self, wrapped: &Wrapped, bound: Bound<'_>, key: &DataKey, now: Instant) -> bool {
        let (mut kept, name) = (self.lock(), name(wrapped, bound));
        kept.forget_old(now);
        if kept.keys.insert(name, key.clone()).is_none() {
            kept.ages.push_back((now, name));
        }
        while kept.keys.len() > KEPT_AT_MOST {
            let Some((_, oldest)) = kept.ages.pop_front() else { break };
            kept.keys.remove(&oldest);
        }
        !std::mem::replace(&mut kept.sweeping, true)
    }

    /// Forgets what is old; says whether something is left to come back for.
    fn sweep(&self, now: Instant) -> bool {
        let mut kept = self.lock();
        kept.forget_old(now);
        kept.sweeping = !kept.keys.is_empty();
        kept.sweeping
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn forget_old(&mut self, now: Instant) {
        while let Some((kept_at, name)) = self.ages.front().copied()
            && now.duration_since(kept_at) >= KEPT_FOR
        {
            self.ages.pop_front();
            self.keys.remove(&name);
        }
    }
}

/// Forgets also when nobody asks any more; ends when nothing is kept.
pub(super) async fn sweep(cache: Arc<Cache>) {
    let cache = Arc::downgrade(&cache);
    loop {
        tokio::time::sleep(KEPT_FOR).await;
        if !cache.upgrade().is_some_and(|cache| cache.sweep(Instant::now())) {
            return;
        }
    }
}

fn name(wrapped: &Wrapped, bound: Bound<'_>) -> [u8; 32] {
    let mut all = wrapped.wrapping_key.as_bytes().to_vec();
    all.push(0);
    all.extend_from_slice(bound.text().as_bytes());
    all.push(0);
    all.extend_from_slice(&wrapped.bytes);
    sha256(&all)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn wrapped(n: u32) -> Wrapped {
        Wrapped { wrapping_key: "k".into(), bytes: n.to_be_bytes().to_vec() }
    }

    const BOUND: Bound<'_> = Bound { purpose: "patient", owner: Uuid::nil(), version: 1 };

    #[test]
    fn a_key_is_found_for_five_minutes_where_it_is_bound_and_then_it_is_gone() {
        let (cache, began) = (Cache::new(), Instant::now());
        assert!(cache.keep(&wrapped(1), BOUND, &DataKey::new([7; 32]), began), "somebody must sweep");
        assert!(!cache.keep(&wrapped(1), BOUND, &DataKey::new([7; 32]), began), "somebody does");
        assert_eq!(*cache.find(&wrapped(1), BOUND, began).unwrap(), [7; 32]);
        assert!(cache.find(&wrapped(1), Bound { version: 2, ..BOUND }, began).is_none());
        assert!(cache.find(&wrapped(2), BOUND, began).is_none());
        assert!(cache.find(&wrapped(1), BOUND, began + KEPT_FOR - Duration::from_millis(1)).is_some());
        assert!(cache.find(&wrapped(1), BOUND, began + KEPT_FOR).is_none());
        assert_eq!(cache.lock().keys.len(), 0);
    }

    #[test]
    fn keys_go_also_when_nobody_asks() {
        let (cache, began) = (Cache::new(), Instant::now());
        let _ = cache.keep(&wrapped(1), BOUND, &DataKey::new([7; 32]), began);
        let half = began + KEPT_FOR / 2;
        let _ = cache.keep(&wrapped(2), BOUND, &DataKey::new([7; 32]), half);
        assert!(cache.sweep(began + KEPT_FOR), "one is left");
        assert_eq!(cache.lock().keys.len(), 1);
        assert!(!cache.sweep(half + KEPT_FOR));
        assert!(cache.keep(&wrapped(3), BOUND, &DataKey::new([7; 32]), half + KEPT_FOR), "somebody must sweep again");
    }

    #[test]
    fn no_more_than_so_many_are_kept_and_the_oldest_go_first() {
        let (cache, began) = (Cache::new(), Instant::now());
        let most = u32::try_from(KEPT_AT_MOST).unwrap();
        for n in 0..=most {
            let _ = cache.keep(&wrapped(n), BOUND, &DataKey::new([7; 32]), began);
        }
        assert_eq!(cache.lock().keys.len(), KEPT_AT_MOST);
        assert!(cache.find(&wrapped(0), BOUND, began).is_none());
        assert!(cache.find(&wrapped(most), BOUND, began).is_some());
    }
}
