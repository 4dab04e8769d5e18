//! Which simulcast layer a receiver gets: a function of what is there, what it shows, and what its network takes.

/// The widest picture that a slot can ask for (VP8's limit).
pub(crate) const WIDEST: u32 = 16_383;

/// A layer as the choice needs it, lowest first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LayerView {
    /// Packets arrive.
    pub live: bool,
    /// Picture width, pixels.
    pub width: u32,
    /// What it costs, bits per second.
    pub bps: f64,
}

/// The layer for a slot shown `width` pixels wide with `budget` bits per second left for it (`None`: no limit known).
/// The narrowest live layer that is wide enough, or the next lower one that the budget allows; the lowest is given
/// whatever the budget says. `None`: the slot is hidden, or nothing is live.
pub(crate) fn choose(layers: &[LayerView], width: u32, budget: Option<f64>) -> Option<usize> {
    if width == 0 {
        return None;
    }
    let width = width.min(WIDEST);
    // A quarter of enlargement is not seen; the next layer costs three times as much.
    let enough = |layer: &LayerView| layer.width * 5 >= width * 4;
    let affordable = |layer: &LayerView| budget.is_none_or(|budget| layer.bps <= budget);
    let live = || layers.iter().enumerate().filter(|(_, layer)| layer.live);
    let (ceiling, _) = live().find(|(_, layer)| enough(layer)).or_else(|| live().next_back())?;
    live().rfind(|(n, layer)| *n <= ceiling && affordable(layer)).or_else(|| live().next()).map(|(n, _)| n)
}

/// What a receiver's network takes, learned from the loss that it reports once a second (the loss-based controller of
/// draft-ietf-rmcat-gcc-02, section 6).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Budget {
    bps: Option<f64>,
}

/// Below this the budget does not fall: voice and the lowest layer.
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

    fn layers() -> [LayerView; 3] {
        [(320, 150e3), (640, 500e3), (1280, 1_700e3)].map(|(width, bps)| LayerView { live: true, width, bps })
    }

    #[test]
    fn a_small_picture_gets_a_small_layer() {
        assert_eq!(choose(&layers(), 160, None), Some(0));
        assert_eq!(choose(&layers(), 640, None), Some(1));
        assert_eq!(choose(&layers(), 700, None), Some(1));
        assert_eq!(choose(&layers(), 1920, None), Some(2));
    }

    #[test]
    fn a_hidden_picture_gets_nothing() {
        assert_eq!(choose(&layers(), 0, None), None);
    }

    #[test]
    fn a_narrow_network_gets_what_fits_and_never_less_than_the_lowest() {
        assert_eq!(choose(&layers(), 1280, Some(600e3)), Some(1));
        assert_eq!(choose(&layers(), 1280, Some(1.0)), Some(0));
    }

    #[test]
    fn a_layer_that_stopped_is_not_chosen() {
        let mut layers = layers();
        layers[2].live = false;
        assert_eq!(choose(&layers, 1280, None), Some(1));
        layers.iter_mut().for_each(|layer| layer.live = false);
        assert_eq!(choose(&layers, 1280, None), None);
    }

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
