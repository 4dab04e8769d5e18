//! Which session is playing which recording: a player asks for hundreds of ranges, the audit log wants one opening.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use records::SessionToken;
use visit::RecordingId;

/// After this long, going on with a recording counts as opening it again.
const OPENING_LASTS: Duration = Duration::from_secs(30 * 60);
/// Openings that are remembered; beyond it the oldest is forgotten, and its next range logged as a new opening.
const MAX_OPENINGS: usize = 4_096;

type Key = ([u8; 32], RecordingId);

#[derive(Default)]
pub(crate) struct Playbacks(Mutex<BTreeMap<Key, Duration>>);

impl Playbacks {
    /// Whether this session has opened this recording not long ago.
    pub(crate) fn is_open(&self, token: &SessionToken, recording: RecordingId, now: Duration) -> bool {
        let openings = self.0.lock().expect("no code panics while holding this lock");
        openings.get(&key(token, recording)).is_some_and(|opened| now.saturating_sub(*opened) < OPENING_LASTS)
    }

    /// The opening is in the audit log.
    pub(crate) fn opened(&self, token: &SessionToken, recording: RecordingId, now: Duration) {
        let mut openings = self.0.lock().expect("no code panics while holding this lock");
        openings.insert(key(token, recording), now);
        if openings.len() > MAX_OPENINGS {
            let oldest = openings.iter().min_by_key(|(_, opened)| **opened).map(|(key, _)| *key);
            if let Some(oldest) = oldest {
                openings.remove(&oldest);
            }
        }
    }
}

fn key(token: &SessionToken, recording: RecordingId) -> Key {
    let hash = digest(&SHA256, token.reveal().as_bytes());
    (hash.as_ref().try_into().expect("SHA-256 has 32 bytes"), recording)
}
