//! The policies against the matrix that is written in docs/access.md: neither more nor less.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;
use visit::{ClinicId, GuardianId, GuestId, PatientId, Role, StaffId, VisitId};

use super::{Decision, decide};
use crate::Actor;
use crate::action::Kind;
use crate::relation::Relation;

/// The written matrix.
const WRITTEN: &str = include_str!("../../../docs/access.md");

const CLINIC: ClinicId = ClinicId(Uuid::nil());

fn staff(role: Role) -> Actor {
    Actor::Staff { id: StaffId(Uuid::nil()), role, clinic: CLINIC }
}

/// In the order of the columns.
fn actors() -> [Actor; 10] {
    let (patient, visit) = (PatientId(Uuid::nil()), VisitId(Uuid::nil()));
    [
        staff(Role::Provider),
        staff(Role::Nurse),
        staff(Role::FrontDesk),
        staff(Role::ClinicAdmin),
        staff(Role::Compliance),
        staff(Role::SuperAdmin),
        Actor::Patient { id: patient, visit, clinic: CLINIC },
        Actor::PortalPatient { id: patient, clinic: CLINIC },
        Actor::Guardian { id: GuardianId(Uuid::nil()), visit: None, clinic: CLINIC },
        Actor::Guest { id: GuestId(Uuid::nil()), role: Role::Interpreter, visit, clinic: CLINIC },
    ]
}

/// The rows: each action's word with a cell per actor.
fn rows() -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut rows = BTreeMap::new();
    for line in WRITTEN.lines().filter(|line| line.starts_with("| `") && line.matches('|').count() == 12) {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let action = cells.next().unwrap().trim_matches('`');
        assert!(rows.insert(action, cells.collect()).is_none(), "{action} has two rows");
    }
    rows
}

/// What a cell says: the sets of facts of which one must hold as a whole. None: never. One that is empty: always.
fn alternatives(cell: &str) -> Vec<BTreeSet<&str>> {
    match cell {
        "-" => Vec::new(),
        "any" => vec![BTreeSet::new()],
        facts => facts.split(',').map(|all| all.split('+').map(str::trim).collect()).collect(),
    }
}

/// Every smallest choice of one fact from each alternative: without these, none of them holds.
fn choices<'a>(alternatives: &[BTreeSet<&'a str>]) -> Vec<BTreeSet<&'a str>> {
    alternatives.iter().fold(vec![BTreeSet::new()], |choices, alternative| {
        let chosen = |choice: &BTreeSet<&'a str>| {
            alternative.iter().map(|fact| choice.iter().chain([fact]).copied().collect()).collect::<Vec<_>>()
        };
        choices.iter().flat_map(chosen).collect()
    })
}

fn allowed(actor: &Actor, kind: Kind, relation: Relation) -> bool {
    matches!(decide(actor, kind, relation), Decision::Allow(_))
}

#[test]
fn the_policies_permit_what_is_written_and_nothing_else() {
    let rows = rows();
    let mut wrong = Vec::new();
    for kind in Kind::ALL {
        let Some(cells) = rows.get(kind.as_str()) else {
            wrong.push(format!("{} has no row in docs/access.md", kind.as_str()));
            continue;
        };
        assert_eq!(cells.len(), actors().len(), "{}", kind.as_str());
        for (actor, cell) in actors().iter().zip(cells) {
            let alternatives = alternatives(cell);
            for fact in alternatives.iter().flatten() {
                assert!(Relation::NAMES.contains(fact), "{fact} is no fact");
            }
            // Just enough is enough.
            for facts in &alternatives {
                let relation = facts.iter().fold(Relation::default(), |relation, fact| relation.with(fact, true));
                if !allowed(actor, *kind, relation) {
                    wrong.push(format!("{} by {}: {facts:?} should suffice", kind.as_str(), actor.role_name()));
                }
            }
            // All there is, without one fact of each alternative, is not. (With monotone policies, the two decide every case.)
            for missing in choices(&alternatives).into_iter().filter(|_| *cell != "any") {
                let relation = missing.iter().fold(Relation::ALL, |relation, fact| relation.with(fact, false));
                if allowed(actor, *kind, relation) {
                    wrong.push(format!("{} by {}: allowed without {missing:?}", kind.as_str(), actor.role_name()));
                }
            }
        }
    }
    let known: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    wrong.extend(rows.keys().filter(|row| !known.contains(*row)).map(|row| format!("{row} is no action")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_refusal_says_whether_the_role_the_row_or_a_stale_factor_refused() {
    let provider = staff(Role::Provider);
    assert_eq!(decide(&provider, Kind::ReadNote, Relation::default()), Decision::RefuseRelation);
    assert_eq!(decide(&staff(Role::FrontDesk), Kind::ReadNote, Relation::ALL), Decision::RefuseRole);
    let cares = Relation { cares: true, ..Relation::default() };
    assert_eq!(decide(&provider, Kind::ReadNote, cares), Decision::Allow("note.read.care"));
}

#[test]
fn the_server_itself_and_staff_with_a_visitors_role_are_permitted_nothing() {
    let server = Actor::System { job: "x", clinic: CLINIC };
    let odd = [Role::Patient, Role::Guardian, Role::Interpreter, Role::Specialist].map(staff);
    for actor in odd.iter().chain([&server]) {
        for kind in Kind::ALL {
            assert_eq!(decide(actor, *kind, Relation::ALL), Decision::RefuseRole, "{kind:?} by {actor:?}");
        }
    }
}
