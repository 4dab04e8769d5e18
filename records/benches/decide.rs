//! What one decision costs: `cargo bench -p records --bench decide`. Prints microseconds per decision, over every action and
//! role, for what is allowed and for what is refused (a refusal asks again, to tell the role's from the row's).

use std::hint::black_box;
use std::time::Instant;

use records::Actor;
use records::action::Kind;
use records::policy::{self, Decision, Relation, decide};
use uuid::Uuid;
use visit::{ClinicId, Role, StaffId};

const ROUNDS: usize = 2_000;

fn main() {
    let begun = Instant::now();
    policy::load().expect("the policies load");
    println!("load, parse and validate: {:.1} ms", begun.elapsed().as_secs_f64() * 1e3);
    let relation = Relation { own: true, cares: true, ..Relation::default() };
    let mut cases = [("allowed", Vec::new()), ("refused", Vec::new())];
    for role in [Role::Provider, Role::Nurse, Role::FrontDesk, Role::ClinicAdmin, Role::Compliance, Role::SuperAdmin] {
        let actor = Actor::Staff { id: StaffId(Uuid::now_v7()), role, clinic: ClinicId(Uuid::now_v7()) };
        for kind in Kind::ALL {
            let allowed = matches!(decide(&actor, *kind, relation), Decision::Allow(_));
            cases[usize::from(!allowed)].1.push((actor, *kind));
        }
    }
    for (name, cases) in cases {
        let mut rounds: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let begun = Instant::now();
                for (actor, kind) in &cases {
                    black_box(decide(black_box(actor), *kind, black_box(relation)));
                }
                begun.elapsed().as_secs_f64() * 1e6 / cases.len() as f64
            })
            .collect();
        rounds.sort_by(f64::total_cmp);
        let at = |share: f64| rounds[((rounds.len() - 1) as f64 * share) as usize];
        println!(
            "{name}: median {:.1} us, p99 {:.1} us per decision ({} cases, {ROUNDS} rounds)",
            at(0.5),
            at(0.99),
            cases.len()
        );
    }
}
