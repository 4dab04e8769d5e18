//! What a receiver is sent: a function of what is there, what it shows, what its network takes, and the time.
//!
//! Voice comes first: its share is set aside before any picture is considered. Pictures that do not fit even in their
//! smallest size are held back, with hysteresis, and come back by themselves.

mod budget;

use std::time::{Duration, Instant};

pub(crate) use budget::Budget;

/// The widest picture that a slot can ask for (VP8's limit).
pub(crate) const WIDEST: u32 = 16_383;
/// Set aside for each voice that a receiver is sent, bits per second: Opus at a browser's usual rate, with room.
pub(crate) const VOICE_BPS: f64 = 40_000.0;
/// A picture that is sent stays while this share of its cost is there: an estimate wavers.
const KEPT: f64 = 0.9;
/// A larger picture is begun only with this much to spare, so that it does not have to be taken back at once.
const RAISED: f64 = 1.15;
/// A picture is held back at once below this share of its cost, and after [`SHORT_FOR`] below [`KEPT`].
const FAR_SHORT: f64 = 0.5;
const SHORT_FOR: Duration = Duration::from_millis(800);
/// A picture comes back when this much of its cost was there for its hold.
const RESUMED: f64 = 1.3;
/// How long there must be enough before a picture comes back. Doubled each time it had to be held back again within
/// [`PROVEN_AFTER`].
const HOLD: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));
const PROVEN_AFTER: Duration = Duration::from_secs(15);

/// A layer as the choice needs it, lowest first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LayerView {
    /// Packets arrive, or will once they are asked for.
    pub live: bool,
    /// Picture width, pixels.
    pub width: u32,
    /// What it costs, bits per second.
    pub bps: f64,
}

/// A picture that a receiver is shown.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Want {
    /// Which slot: its hysteresis is remembered under this number.
    pub slot: usize,
    /// A shared screen goes before cameras.
    pub screen: bool,
    /// Shown width, pixels; 0: hidden.
    pub width: u32,
    pub layers: Vec<LayerView>,
    /// The layer that is sent now.
    pub current: Option<usize>,
}

/// What was decided for one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// This layer.
    Layer(usize),
    /// Nothing, for want of bandwidth.
    HeldBack,
    /// Nothing: it is hidden, or there is nothing to send.
    Nothing,
}

/// The layer for a slot shown `width` pixels wide, were there no limit: the narrowest live one that is wide enough.
pub(crate) fn ideal(layers: &[LayerView], width: u32) -> Option<usize> {
    if width == 0 {
        return None;
    }
    let width = width.min(WIDEST);
    // A quarter of enlargement is not seen; the next layer costs three times as much.
    let enough = |layer: &LayerView| layer.width * 5 >= width * 4;
    let live = || layers.iter().enumerate().filter(|(_, layer)| layer.live);
    let found = live().find(|(_, layer)| enough(layer)).or_else(|| live().next_back());
    found.map(|(n, _)| n)
}

#[derive(Debug, Clone, Copy, Default)]
struct Held {
    slot: usize,
    held: bool,
    short_since: Option<Instant>,
    enough_since: Option<Instant>,
    hold: Option<Duration>,
    resumed: Option<Instant>,
}

impl Held {
    /// Whether the picture is held back now, given what is left of the budget and what it costs at least.
    fn judge(&mut self, left: f64, least: f64, now: Instant) -> bool {
        if self.held {
            if left < least * RESUMED {
                self.enough_since = None;
                return true;
            }
            let since = *self.enough_since.get_or_insert(now);
            if now.saturating_duration_since(since) < self.hold.unwrap_or(HOLD.0) {
                return true;
            }
            *self = Self { slot: self.slot, hold: self.hold, resumed: Some(now), ..Self::default() };
            return false;
        }
        if left >= least * KEPT {
            self.short_since = None;
            if self.resumed.is_some_and(|at| now.saturating_duration_since(at) >= PROVEN_AFTER) {
                (self.resumed, self.hold) = (None, None);
            }
            return false;
        }
        let since = *self.short_since.get_or_insert(now);
        if left >= least * FAR_SHORT && now.saturating_duration_since(since) < SHORT_FOR {
            return false;
        }
        self.held = true;
        self.enough_since = None;
        self.hold = Some(match (self.resumed, self.hold) {
            (Some(_), hold) => (hold.unwrap_or(HOLD.0) * 2).min(HOLD.1),
            (None, _) => HOLD.0,
        });
        true
    }
}

/// Decides for one receiver.
#[derive(Debug, Default)]
pub(crate) struct Allocator {
    held: Vec<Held>,
}

impl Allocator {
    /// What each of `wants` gets out of `budget` bits per second (`None`: no limit known), with `voices` voices beside
    /// them. The answers are in the order of `wants`.
    pub(crate) fn allocate(&mut self, wants: &[Want], voices: usize, budget: Option<f64>, now: Instant) -> Vec<Choice> {
        self.held.retain(|held| wants.iter().any(|want| want.slot == held.slot));
        let ideals: Vec<Option<usize>> = wants.iter().map(|want| ideal(&want.layers, want.width)).collect();
        let Some(budget) = budget else {
            self.held.clear();
            return ideals.into_iter().map(|layer| layer.map_or(Choice::Nothing, Choice::Layer)).collect();
        };
        let mut left = (budget - VOICE_BPS * voices as f64).max(0.0);
        let mut order: Vec<usize> = (0..wants.len()).filter(|n| ideals[*n].is_some()).collect();
        order.sort_by_key(|n| (!wants[*n].screen, std::cmp::Reverse(wants[*n].width.min(WIDEST)), wants[*n].slot));
        let mut choices = vec![Choice::Nothing; wants.len()];
        // Everyone's smallest picture first, then larger ones in the same order.
        for n in &order {
            let want = &wants[*n];
            let Some(least) = want.layers.iter().position(|layer| layer.live) else { continue };
            let bps = want.layers[least].bps;
            let held = self.held(want.slot);
            if held.judge(left, bps, now) {
                choices[*n] = Choice::HeldBack;
                continue;
            }
            left = (left - bps).max(0.0);
            choices[*n] = Choice::Layer(least);
        }
        for n in order {
            let (want, Some(ceiling)) = (&wants[n], ideals[n]) else { continue };
            let Choice::Layer(mut at) = choices[n] else { continue };
            for next in at + 1..=ceiling {
                if !want.layers[next].live {
                    continue;
                }
                let more = (want.layers[next].bps - want.layers[at].bps).max(0.0);
                let margin = if want.current.is_some_and(|current| current >= next) { KEPT } else { RAISED };
                let needed = want.layers[next].bps * margin - want.layers[at].bps;
                if left < needed {
                    break;
                }
                left = (left - more).max(0.0);
                at = next;
            }
            choices[n] = Choice::Layer(at);
        }
        choices
    }

    /// What everything would cost in its ideal size: how far it is worth looking for bandwidth.
    pub(crate) fn desired(wants: &[Want], voices: usize) -> f64 {
        let pictures = wants.iter().filter_map(|want| Some(want.layers[ideal(&want.layers, want.width)?].bps));
        pictures.sum::<f64>() * RESUMED + VOICE_BPS * voices as f64
    }

    fn held(&mut self, slot: usize) -> &mut Held {
        let at = match self.held.iter().position(|held| held.slot == slot) {
            Some(at) => at,
            None => {
                self.held.push(Held { slot, ..Held::default() });
                self.held.len() - 1
            }
        };
        &mut self.held[at]
    }
}

#[cfg(test)]
mod tests;
