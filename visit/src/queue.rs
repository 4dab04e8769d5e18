//! The lines of a clinic: who is before whom, and how long it may take, learned from the day. Pure, and independent of rooms.
//!
//! Each provider has one line. Somebody's turn comes by the later of two moments: when they came into the waiting room and
//! when their slot begins. So who comes early does not go before somebody whose time it is, and who comes late does not
//! lose their place to somebody who came early for a later slot. Who is on hold keeps their moment, but stands in nobody's way.

use std::collections::BTreeMap;

use crate::{Now, StaffId, VisitId};

/// One minute, milliseconds.
const MINUTE: i64 = 60_000;
/// A wait is given in steps of so many minutes: anything finer would be a promise.
const STEP_MIN: i64 = 5;
/// From so many minutes on, a provider is late without having said so.
const LATE_FROM_MIN: i64 = 10;
/// With so many finished visits or more, the middle half of their lengths is learned from; with fewer, all of them.
const ENOUGH: usize = 4;

/// Somebody in a waiting room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiter {
    /// For which visit.
    pub visit: VisitId,
    /// With whom.
    pub provider: StaffId,
    /// In the waiting room since.
    pub since: Now,
    /// When the slot begins.
    pub starts_at: Now,
    /// Staff asked them to wait aside.
    pub held: bool,
}

impl Waiter {
    /// The moment by which turns go.
    #[must_use]
    pub fn due(&self) -> Now {
        self.since.max(self.starts_at)
    }
}

/// What one provider's day has taught so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderDay {
    /// Lengths of today's finished visits, milliseconds.
    pub lengths_ms: Vec<i64>,
    /// Since when the provider is in a visit, if in one.
    pub in_visit_since: Option<Now>,
    /// How late the clinic says the provider is, minutes.
    pub said_late_min: Option<u32>,
}

/// How long somebody will probably wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// There is nothing to learn from yet.
    Unknown,
    /// Between these, both multiples of five.
    Minutes {
        /// At least.
        from: u32,
        /// At most; more than `from`.
        to: u32,
    },
}

/// Where somebody stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// For which visit.
    pub visit: VisitId,
    /// With whom.
    pub provider: StaffId,
    /// From 1; `None` on hold.
    pub place: Option<u32>,
    /// How many stand in this line.
    pub of: u32,
    /// How long it may take; unknown on hold.
    pub wait: Wait,
}

/// Where everybody stands at `now`, by provider, then by turn; who is on hold comes last.
#[must_use]
pub fn stand(waiters: &[Waiter], days: &BTreeMap<StaffId, ProviderDay>, now: Now) -> Vec<Standing> {
    let mut sorted: Vec<&Waiter> = waiters.iter().collect();
    sorted.sort_by_key(|waiter| (waiter.provider, waiter.held, waiter.due(), waiter.since, waiter.visit));
    let mut standing = Vec::with_capacity(sorted.len());
    let none = ProviderDay::default();
    for line in sorted.chunk_by(|one, next| one.provider == next.provider) {
        let of = u32::try_from(line.iter().filter(|waiter| !waiter.held).count()).unwrap_or(u32::MAX);
        for (ahead, waiter) in (0_u32..).zip(line) {
            let day = days.get(&waiter.provider).unwrap_or(&none);
            let (place, wait) =
                if waiter.held { (None, Wait::Unknown) } else { (Some(ahead + 1), wait(waiter, ahead, day, now)) };
            standing.push(Standing { visit: waiter.visit, provider: waiter.provider, place, of, wait });
        }
    }
    standing
}

/// How late a provider is, minutes: as was said, or else as long as the first in line has waited beyond their time.
#[must_use]
pub fn late_min(provider: StaffId, waiters: &[Waiter], day: &ProviderDay, now: Now) -> Option<u32> {
    let learned = || {
        let first = waiters.iter().filter(|one| one.provider == provider && !one.held).map(Waiter::due).min()?;
        let late = (now.0 - first.0) / MINUTE;
        let late = late - late.rem_euclid(STEP_MIN);
        u32::try_from(late).ok().filter(|_| late >= LATE_FROM_MIN)
    };
    day.said_late_min.filter(|said| *said > 0).or_else(learned)
}

fn wait(waiter: &Waiter, ahead: u32, day: &ProviderDay, now: Now) -> Wait {
    let Some((short, long)) = usual(&day.lengths_ms) else { return Wait::Unknown };
    let ahead = i64::from(ahead);
    let (mut least, mut most) = (short.saturating_mul(ahead), long.saturating_mul(ahead));
    if let Some(since) = day.in_visit_since {
        let gone = (now.0 - since.0).max(0);
        least += (short - gone).max(0);
        // One that takes longer than any before can go on for a while yet.
        most += (long - gone).max(long / 4);
    }
    // Nobody is called before their time, nor before the provider, who said so, comes to it.
    let late = i64::from(day.said_late_min.unwrap_or(0)) * MINUTE;
    let earliest = (waiter.starts_at.0 + late - now.0).max(0);
    least = least.max(earliest);
    most = most.max(least);
    let from = least / MINUTE / STEP_MIN * STEP_MIN;
    let to = ((most + MINUTE * STEP_MIN - 1) / (MINUTE * STEP_MIN) * STEP_MIN).max(from + STEP_MIN);
    Wait::Minutes { from: u32::try_from(from).unwrap_or(u32::MAX - 5), to: u32::try_from(to).unwrap_or(u32::MAX) }
}

/// How short and how long a visit usually is today.
fn usual(lengths: &[i64]) -> Option<(i64, i64)> {
    let mut sorted: Vec<i64> = lengths.iter().copied().filter(|length| *length > 0).collect();
    sorted.sort_unstable();
    let last = sorted.len().checked_sub(1)?;
    let (low, high) = if sorted.len() < ENOUGH { (0, last) } else { (last / 4, last - last / 4) };
    Some((sorted[low], sorted[high]))
}
