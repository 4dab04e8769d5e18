//! Which access is unusual: rules over one person's day. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use time::{Date, Duration, OffsetDateTime, PrimitiveDateTime, Weekday};
use uuid::Uuid;

use crate::text_enum::text_enum;

text_enum! {
    /// What made access unusual.
    Rule {
        /// Many patients in a short time.
        ManyPatients = "many_patients",
        /// A patient with the last name of the member of staff.
        SameName = "same_name",
        /// Patients' data while the clinic is closed.
        AfterHours = "after_hours",
        /// Refused again and again.
        Refusals = "refusals",
        /// Emergency access.
        BreakGlass = "break_glass",
    }
}

/// From when on access counts as unusual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// So many patients, opened one by one,
    pub many_patients: u32,
    /// within so many minutes.
    pub many_patients_minutes: u32,
    /// The clinic opens, minutes after midnight.
    pub opens_at_minute: u32,
    /// And closes.
    pub closes_at_minute: u32,
    /// Also on Saturdays and Sundays.
    pub open_weekends: bool,
    /// So many patients, opened one by one, while it is closed.
    pub after_hours_patients: u32,
    /// So many refusals
    pub refusals: u32,
    /// within so many minutes.
    pub refusals_minutes: u32,
    /// Whether patients with the last name of the member of staff are noticed.
    pub same_name: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            many_patients: 40,
            many_patients_minutes: 60,
            opens_at_minute: 7 * 60,
            closes_at_minute: 19 * 60,
            open_weekends: false,
            after_hours_patients: 3,
            refusals: 5,
            refusals_minutes: 10,
            same_name: true,
        }
    }
}

/// One event of a member of staff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// When.
    pub at: OffsetDateTime,
    /// When, by the clinic's clock.
    pub local: PrimitiveDateTime,
    /// Who.
    pub staff: Uuid,
    /// The one patient whose data it was; lists don't count.
    pub patient: Option<Uuid>,
    /// Whether it was refused.
    pub denied: bool,
    /// Whether it was emergency access.
    pub break_glass: bool,
}

/// Something for compliance to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which rule.
    pub rule: Rule,
    /// Who.
    pub staff: Uuid,
    /// Whose data, where it is about one patient.
    pub patient: Option<Uuid>,
    /// On which day, by the clinic's clock.
    pub day: Date,
    /// From.
    pub first_at: OffsetDateTime,
    /// To.
    pub last_at: OffsetDateTime,
    /// Patients, refusals or accesses, by the rule.
    pub count: u32,
}

/// What is unusual among `accesses`, in the order of time. `same_name` are pairs of staff and patient with the same last name.
#[must_use]
pub fn find(rules: &Rules, accesses: &[Access], same_name: &BTreeSet<(Uuid, Uuid)>) -> Vec<Found> {
    let mut by_person: BTreeMap<(Uuid, Date), Vec<&Access>> = BTreeMap::new();
    for access in accesses {
        by_person.entry((access.staff, access.local.date())).or_default().push(access);
    }
    let mut found = Vec::new();
    for ((staff, day), mut accesses) in by_person {
        accesses.sort_by_key(|access| access.at);
        let finding = |rule, patient, of: &[&Access], count: usize| Found {
            rule,
            staff,
            patient,
            day,
            first_at: of[0].at,
            last_at: of[of.len() - 1].at,
            count: u32::try_from(count).unwrap_or(u32::MAX),
        };
        let opened: Vec<&Access> =
            accesses.iter().copied().filter(|access| access.patient.is_some() && !access.denied).collect();

        let within = Duration::minutes(i64::from(rules.many_patients_minutes));
        if let Some((window, patients)) = densest(&opened, within, patients)
            && patients >= rules.many_patients as usize
        {
            found.push(finding(Rule::ManyPatients, None, window, patients));
        }

        let closed: Vec<&Access> = opened.iter().copied().filter(|access| rules.is_closed(access.local)).collect();
        if patients(&closed) >= rules.after_hours_patients as usize {
            found.push(finding(Rule::AfterHours, None, &closed, patients(&closed)));
        }

        let denied: Vec<&Access> = accesses.iter().copied().filter(|access| access.denied).collect();
        let within = Duration::minutes(i64::from(rules.refusals_minutes));
        if let Some((window, refusals)) = densest(&denied, within, <[_]>::len)
            && refusals >= rules.refusals as usize
        {
            found.push(finding(Rule::Refusals, None, window, refusals));
        }

        let mut by_patient: BTreeMap<Uuid, Vec<&Access>> = BTreeMap::new();
        for access in &opened {
            by_patient.entry(access.patient.expect("only those with one")).or_default().push(access);
        }
        for (patient, of) in by_patient {
            if rules.same_name && same_name.contains(&(staff, patient)) {
                found.push(finding(Rule::SameName, Some(patient), &of, of.len()));
            }
            let broken: Vec<&Access> = of.into_iter().filter(|access| access.break_glass).collect();
            if !broken.is_empty() {
                found.push(finding(Rule::BreakGlass, Some(patient), &broken, broken.len()));
            }
        }
    }
    found
}

impl Rules {
    fn is_closed(&self, local: PrimitiveDateTime) -> bool {
        let minute = u32::from(local.hour()) * 60 + u32::from(local.minute());
        let weekend = matches!(local.weekday(), Weekday::Saturday | Weekday::Sunday);
        (weekend && !self.open_weekends) || minute < self.opens_at_minute || minute >= self.closes_at_minute
    }
}

fn patients(accesses: &[&Access]) -> usize {
    accesses.iter().filter_map(|access| access.patient).collect::<BTreeSet<_>>().len()
}

/// The stretch of at most `within` that measures most; the first of several.
fn densest<'a, 'b>(
    accesses: &'b [&'a Access],
    within: Duration,
    measure: impl Fn(&[&'a Access]) -> usize,
) -> Option<(&'b [&'a Access], usize)> {
    let mut best: Option<(&[&Access], usize)> = None;
    let mut from = 0;
    for to in 0..accesses.len() {
        while accesses[to].at - accesses[from].at > within {
            from += 1;
        }
        let window = &accesses[from..=to];
        let measured = measure(window);
        if best.is_none_or(|(_, most)| measured > most) {
            best = Some((window, measured));
        }
    }
    best
}

/// Whether two names end alike: the last word, without case, accents and suffixes such as `Jr.`.
#[must_use]
pub fn same_last_name(one: &str, other: &str) -> bool {
    match (last_name(one), last_name(other)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

fn last_name(name: &str) -> Option<String> {
    use unicode_normalization::UnicodeNormalization as _;
    const SUFFIXES: [&str; 12] = ["jr", "sr", "ii", "iii", "iv", "md", "do", "rn", "np", "pa", "phd", "dds"];
    let plain: String = name
        .nfd()
        .filter(|c| !unicode_normalization::char::is_combining_mark(*c))
        .flat_map(char::to_lowercase)
        .filter(|c| *c != '.')
        .collect();
    let words =
        plain.split(|c: char| c.is_whitespace() || c == ',').filter(|word| word.chars().any(char::is_alphabetic));
    let kept: Vec<&str> = words.filter(|word| !SUFFIXES.contains(word)).collect();
    // A single word may as well be a first name.
    (kept.len() > 1).then(|| (*kept.last().expect("two words")).to_owned())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    /// A Tuesday.
    const MORNING: PrimitiveDateTime = datetime!(2026-11-24 9:00);
    const STAFF: Uuid = Uuid::from_u128(1);

    fn access(minute: i64, patient: i64) -> Access {
        let local = MORNING + Duration::minutes(minute);
        let patient = Some(Uuid::from_u128(u128::try_from(1_000 + patient).unwrap()));
        Access { at: local.assume_utc(), local, staff: STAFF, patient, denied: false, break_glass: false }
    }

    fn rules_found(accesses: &[Access]) -> Vec<(Rule, u32)> {
        find(&Rules::default(), accesses, &BTreeSet::new()).into_iter().map(|found| (found.rule, found.count)).collect()
    }

    #[test]
    fn an_ordinary_day_raises_nothing() {
        // Twenty-five patients from nine to half past five, each opened several times, a few refusals over the day.
        let mut day = Vec::new();
        for patient in 0..25 {
            for again in 0..6 {
                day.push(access(patient * 20 + again * 3, patient));
            }
        }
        for refused in 0..4 {
            day.push(Access { denied: true, patient: None, ..access(refused * 100, 0) });
        }
        // Somebody else at the same time.
        for patient in 0..25 {
            day.push(Access { staff: Uuid::from_u128(2), ..access(patient, patient) });
        }
        // One patient in the evening: the note that was left.
        day.push(access(11 * 60, 3));
        assert_eq!(rules_found(&day), []);
    }

    #[test]
    fn many_patients_in_an_hour_are_noticed_and_the_same_over_a_day_are_not() {
        let hour: Vec<Access> = (0..40).map(|n| access(n, n)).collect();
        assert_eq!(rules_found(&hour), [(Rule::ManyPatients, 40)]);
        assert_eq!(rules_found(&hour[..39]), []);
        let day: Vec<Access> = (0..40).map(|n| access(n * 12, n)).collect();
        assert_eq!(rules_found(&day), []);
        let one_patient: Vec<Access> = (0..200).map(|n| access(n / 4, 7)).collect();
        assert_eq!(rules_found(&one_patient), []);
    }

    #[test]
    fn the_densest_hour_is_told() {
        let mut accesses = vec![access(0, 500)];
        accesses.extend((0..45).map(|n| access(120 + n, n)));
        let found = find(&Rules::default(), &accesses, &BTreeSet::new());
        assert_eq!((found[0].first_at, found[0].last_at), (access(120, 0).at, access(164, 0).at));
    }

    #[test]
    fn patients_at_night_and_on_weekends_are_noticed() {
        let night: Vec<Access> = (0..3).map(|n| access(11 * 60 + n, n)).collect();
        assert_eq!(rules_found(&night), [(Rule::AfterHours, 3)]);
        assert_eq!(rules_found(&night[..2]), []);
        let early: Vec<Access> = (0..3).map(|n| access(-3 * 60 + n, n)).collect();
        assert_eq!(rules_found(&early), [(Rule::AfterHours, 3)]);
        let saturday: Vec<Access> = (0..3).map(|n| access(4 * 24 * 60 + n, n)).collect();
        assert_eq!(rules_found(&saturday), [(Rule::AfterHours, 3)]);
        let open = Rules { open_weekends: true, ..Rules::default() };
        assert_eq!(find(&open, &saturday, &BTreeSet::new()), []);
    }

    #[test]
    fn repeated_refusals_are_noticed() {
        let refused = |minute| Access { denied: true, patient: None, ..access(minute, 0) };
        let fast: Vec<Access> = (0..5).map(refused).collect();
        assert_eq!(rules_found(&fast), [(Rule::Refusals, 5)]);
        assert_eq!(rules_found(&fast[..4]), []);
        let slow: Vec<Access> = (0..5).map(|n| refused(n * 5)).collect();
        assert_eq!(rules_found(&slow), []);
    }

    #[test]
    fn a_patient_of_the_same_name_is_noticed_once_a_day_unless_switched_off() {
        let pair = BTreeSet::from([(STAFF, Uuid::from_u128(1_007))]);
        let accesses = [access(0, 7), access(30, 7), access(40, 8)];
        let found = find(&Rules::default(), &accesses, &pair);
        let patient = Some(Uuid::from_u128(1_007));
        assert_eq!((found.len(), found[0].rule, found[0].patient, found[0].count), (1, Rule::SameName, patient, 2));
        let off = Rules { same_name: false, ..Rules::default() };
        assert_eq!(find(&off, &accesses, &pair), []);
    }

    #[test]
    fn every_emergency_access_is_noticed() {
        let broken = Access { break_glass: true, ..access(0, 7) };
        assert_eq!(rules_found(&[broken, access(5, 7), access(6, 8)]), [(Rule::BreakGlass, 1)]);
    }

    #[test]
    fn names_are_alike_by_their_last_word() {
        for (one, other) in [
            ("Dr. Maya Chen", "Wei CHEN"),
            ("Lucía Fernández", "Ana Fernandez"),
            ("Marcus Bell Jr.", "Anna Bell"),
            ("Sam Rivera, RN", "Rosa Rivera"),
        ] {
            assert!(same_last_name(one, other), "{one} and {other}");
        }
        for (one, other) in [("Maya Chen", "Maya Cheng"), ("Chen", "Chen"), ("Chen Li", "Li Chen"), ("", "")] {
            assert!(!same_last_name(one, other), "{one} and {other}");
        }
    }
}
