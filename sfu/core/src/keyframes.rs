//! Asking a publisher for keyframes: many receivers' wishes become few requests.

use std::time::{Duration, Instant};

/// Shortest time between two requests for one layer. A keyframe is several times as large as another frame, so a
/// receiver that keeps asking must not eat the publisher's uplink.
pub const REQUEST_GAP: Duration = Duration::from_millis(300);

/// The wishes for one layer.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct KeyframeRequests {
    sent: Option<Instant>,
    wanted: bool,
}

impl KeyframeRequests {
    /// Someone needs a keyframe. True: ask the publisher now; otherwise it is merged into the next request.
    pub(crate) fn want(&mut self, now: Instant) -> bool {
        self.wanted = true;
        self.send_if_due(now)
    }

    /// A keyframe began to arrive: every wish is fulfilled.
    pub(crate) fn arrived(&mut self) {
        self.wanted = false;
    }

    /// When a merged wish has to be sent.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.wanted.then_some(self.sent? + REQUEST_GAP)
    }

    /// Time passed. True: ask the publisher now.
    pub(crate) fn send_if_due(&mut self, now: Instant) -> bool {
        let open = self.sent.is_none_or(|sent| now.saturating_duration_since(sent) >= REQUEST_GAP);
        let send = self.wanted && open;
        if send {
            self.sent = Some(now);
            self.wanted = false;
        }
        send
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_wishes_in_a_moment_become_one_request_now_and_one_after_the_gap() {
        let now = crate::testing::start();
        let mut requests = KeyframeRequests::default();
        let sent = (0..100).filter(|ms| requests.want(now + Duration::from_millis(*ms))).count();
        assert_eq!(sent, 1);
        assert_eq!(requests.due(), Some(now + REQUEST_GAP));
        assert!(requests.send_if_due(now + REQUEST_GAP));
        assert_eq!(requests.due(), None);
    }

    #[test]
    fn a_keyframe_fulfils_the_wishes_that_waited() {
        let now = crate::testing::start();
        let mut requests = KeyframeRequests::default();
        requests.want(now);
        requests.want(now);
        requests.arrived();
        assert!(!requests.send_if_due(now + REQUEST_GAP));
    }
}
