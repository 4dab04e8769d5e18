//! What a receiver's network takes, learned from the loss that it reports once a second (the loss-based controller of
//! draft-ietf-rmcat-gcc-02, section 6). Used only for receivers that send no transport-wide feedback.

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Budget {
    bps: Option<f64>,
}

/// Below this the budget does not fall by loss alone: voice and the lowest layer.
const FLOOR_BPS: f64 = 150_000.0;
/// Above this it is no limit any more.
const CEILING_BPS: f64 = 10_000_000.0;

impl Budget {
    /// Bits per second for video and voice; `None`: no limit known.
    pub(crate) fn bps(&self) -> Option<f64> {
        self.bps
    }

    /// The receiver lost this share of `sent_bps` during the last second.
    pub(crate) fn report(&mut self, loss: f64, sent_bps: f64) {
        self.bps = if loss > 0.10 {
            let from = self.bps.map_or(sent_bps, |bps| bps.min(sent_bps.max(FLOOR_BPS)));
            Some((from * (1.0 - 0.5 * loss)).max(FLOOR_BPS))
        } else if loss < 0.02 {
            self.bps.map(|bps| bps * 1.08).filter(|bps| *bps < CEILING_BPS)
        } else {
            self.bps
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_narrows_the_budget_and_its_absence_widens_it_again() {
        let mut budget = Budget::default();
        budget.report(0.0, 2e6);
        assert_eq!(budget.bps(), None, "no loss, no limit");
        budget.report(0.3, 2e6);
        let narrowed = budget.bps().unwrap();
        assert!(narrowed < 2e6);
        budget.report(0.05, 1e6);
        assert_eq!(budget.bps(), Some(narrowed));
        (0..60).for_each(|_| budget.report(0.0, 1e6));
        assert_eq!(budget.bps(), None, "it ends to be a limit");
    }
}
