//! The lines of a clinic, against what anybody standing in one would check.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use uuid::Uuid;
use visit::queue::{ProviderDay, Standing, Wait, Waiter, late_min, stand};
use visit::{Now, StaffId, VisitId};

const MINUTE: i64 = 60_000;

fn provider(n: u128) -> StaffId {
    StaffId(Uuid::from_u128(n))
}

fn waiter(visit: u128, since_min: i64, starts_min: i64) -> Waiter {
    Waiter {
        visit: VisitId(Uuid::from_u128(visit)),
        provider: provider(1),
        since: Now(since_min * MINUTE),
        starts_at: Now(starts_min * MINUTE),
        held: false,
    }
}

fn day(lengths_min: &[i64]) -> ProviderDay {
    ProviderDay { lengths_ms: lengths_min.iter().map(|length| length * MINUTE).collect(), ..ProviderDay::default() }
}

fn days(of: ProviderDay) -> BTreeMap<StaffId, ProviderDay> {
    BTreeMap::from([(provider(1), of)])
}

fn at(min: i64) -> Now {
    Now(min * MINUTE)
}

fn visits(standing: &[Standing]) -> Vec<u128> {
    standing.iter().map(|one| one.visit.0.as_u128()).collect()
}

#[test]
fn turns_go_by_the_later_of_coming_and_the_booked_time() {
    // 1 came very early for a late slot, 2 came late for an early one, 3 in time for the first.
    let all = [waiter(1, 0, 60), waiter(2, 40, 20), waiter(3, 5, 10)];
    let standing = stand(&all, &BTreeMap::new(), at(45));
    assert_eq!(visits(&standing), [3, 2, 1]);
    assert_eq!(standing.iter().map(|one| one.place).collect::<Vec<_>>(), [Some(1), Some(2), Some(3)]);
}

#[test]
fn who_is_on_hold_stands_in_nobodys_way_and_gets_their_place_back() {
    let mut all = [waiter(1, 0, 0), waiter(2, 1, 1)];
    all[0].held = true;
    let standing = stand(&all, &days(day(&[10])), at(5));
    assert_eq!((standing[0].visit.0.as_u128(), standing[0].place, standing[0].of), (2, Some(1), 1));
    assert_eq!((standing[1].place, standing[1].wait), (None, Wait::Unknown));
    all[0].held = false;
    assert_eq!(visits(&stand(&all, &days(day(&[10])), at(6))), [1, 2]);
}

#[test]
fn with_nothing_to_learn_from_the_wait_is_unknown() {
    let standing = stand(&[waiter(1, 0, 0)], &BTreeMap::new(), at(1));
    assert_eq!(standing[0].wait, Wait::Unknown);
    let begun = ProviderDay { in_visit_since: Some(at(0)), ..ProviderDay::default() };
    assert_eq!(stand(&[waiter(1, 0, 0)], &days(begun), at(1))[0].wait, Wait::Unknown);
}

#[test]
fn the_wait_is_what_is_left_of_the_present_visit_and_those_ahead() {
    let of = ProviderDay { in_visit_since: Some(at(0)), ..day(&[20, 30]) };
    let standing = stand(&[waiter(1, 0, 0), waiter(2, 0, 1)], &days(of), at(5));
    // 20 to 30 minutes each, 5 are gone of the present one.
    assert_eq!(standing[0].wait, Wait::Minutes { from: 15, to: 25 });
    assert_eq!(standing[1].wait, Wait::Minutes { from: 35, to: 55 });
}

#[test]
fn one_odd_visit_among_many_teaches_nothing() {
    let of = ProviderDay { in_visit_since: Some(at(0)), ..day(&[20, 20, 20, 20, 300]) };
    assert_eq!(stand(&[waiter(1, 0, 0)], &days(of), at(0))[0].wait, Wait::Minutes { from: 20, to: 25 });
}

#[test]
fn nobody_is_promised_a_turn_before_their_time_and_a_said_delay_counts() {
    let of = ProviderDay { said_late_min: Some(15), ..day(&[10]) };
    let standing = stand(&[waiter(1, 0, 30)], &days(of), at(0));
    assert_eq!(standing[0].wait, Wait::Minutes { from: 45, to: 50 });
}

#[test]
fn a_provider_is_late_as_was_said_or_as_the_first_in_line_knows() {
    let all = [waiter(1, 0, 0), waiter(2, 5, 5)];
    assert_eq!(late_min(provider(1), &all, &ProviderDay::default(), at(9)), None);
    assert_eq!(late_min(provider(1), &all, &ProviderDay::default(), at(18)), Some(15));
    let said = ProviderDay { said_late_min: Some(40), ..ProviderDay::default() };
    assert_eq!(late_min(provider(1), &all, &said, at(18)), Some(40));
    assert_eq!(late_min(provider(2), &all, &ProviderDay::default(), at(18)), None);
}

prop_compose! {
    fn someone()(visit in any::<u32>(), with in 1..4_u128, since in 0..600_i64, starts in 0..600_i64, held in prop::bool::weighted(0.2)) -> Waiter {
        Waiter { provider: provider(with), held, ..waiter(u128::from(visit), since, starts) }
    }
}

prop_compose! {
    fn some_day()(lengths in prop::collection::vec(-5..90_i64, 0..8), present in prop::option::of(0..600_i64), late in prop::option::of(0..480_u32)) -> ProviderDay {
        ProviderDay { in_visit_since: present.map(at), said_late_min: late, ..day(&lengths) }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn places_are_consistent(
        all in prop::collection::vec(someone(), 0..30),
        learned in prop::collection::vec(some_day(), 3),
        now in 0..700_i64,
        turn in any::<prop::sample::Index>(),
    ) {
        let all: Vec<Waiter> = all.into_iter().map(|one| (one.visit, one)).collect::<BTreeMap<_, _>>().into_values().collect();
        let days: BTreeMap<StaffId, ProviderDay> = (1..4).map(provider).zip(learned).collect();
        let now = at(now);
        let standing = stand(&all, &days, now);

        // Everybody stands exactly once, and the order in which they are told of changes nothing.
        prop_assert_eq!(standing.len(), all.len());
        let seen: BTreeSet<VisitId> = standing.iter().map(|one| one.visit).collect();
        prop_assert_eq!(seen.len(), all.len());
        let mut turned = all.clone();
        if !turned.is_empty() {
            let middle = turn.index(turned.len());
            turned.rotate_left(middle);
            turned.reverse();
        }
        prop_assert_eq!(&stand(&turned, &days, now), &standing);

        for of in (1..4).map(provider) {
            let line: Vec<&Standing> = standing.iter().filter(|one| one.provider == of).collect();
            let due = |one: &Standing| all.iter().find(|waiter| waiter.visit == one.visit).unwrap().due();
            let held = |one: &Standing| all.iter().find(|waiter| waiter.visit == one.visit).unwrap().held;
            let placed: Vec<&&Standing> = line.iter().filter(|one| one.place.is_some()).collect();
            // 1, 2, 3 .. without gaps, by turn; on hold exactly those without a place.
            for (expected, one) in (1_u32..).zip(&placed) {
                prop_assert_eq!(one.place, Some(expected));
                prop_assert_eq!(one.of as usize, placed.len());
            }
            prop_assert!(placed.windows(2).all(|pair| due(pair[0]) <= due(pair[1])));
            prop_assert!(line.iter().all(|one| held(one) == one.place.is_none()));
            // Known for all who stand in line or for none; a range in steps of five.
            let knows = days[&of].lengths_ms.iter().any(|length| *length > 0);
            for one in &placed {
                match one.wait {
                    Wait::Unknown => prop_assert!(!knows),
                    Wait::Minutes { from, to } => {
                        prop_assert!(knows);
                        prop_assert!(from < to && from % 5 == 0 && to % 5 == 0);
                        let waiter = all.iter().find(|waiter| waiter.visit == one.visit).unwrap();
                        prop_assert!(now.0 + i64::from(to) * MINUTE >= waiter.starts_at.0, "not called before their time");
                    }
                }
            }
        }
    }

    #[test]
    fn one_more_behind_changes_nothing_for_those_before(all in prop::collection::vec(someone(), 1..20), of in some_day(), now in 0..700_i64) {
        let all: Vec<Waiter> = all.into_iter().map(|one| (one.visit, Waiter { provider: provider(1), ..one })).collect::<BTreeMap<_, _>>().into_values().collect();
        let last = Waiter { since: at(10_000), ..waiter(u128::MAX, 0, 10_000) };
        let before = stand(&all, &days(of.clone()), at(now));
        let with = [all, vec![last]].concat();
        let after = stand(&with, &days(of), at(now));
        for one in before {
            let now_stands = after.iter().find(|other| other.visit == one.visit).unwrap();
            prop_assert_eq!((one.place, one.wait), (now_stands.place, now_stands.wait));
        }
    }
}
