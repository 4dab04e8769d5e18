//! Who may do what: Cedar policies (`records/policies/*.cedar`) decide, by the facts of a [`Relation`]. Everything that
//! no policy permits is refused. [`crate::Tx::authorize`] is the one door to a decision.

mod cedar;
#[cfg(test)]
mod matrix;

pub use cedar::PolicyError;
use visit::PatientId;

use crate::Actor;
use crate::action::{Action, Kind};
pub use crate::relation::Relation;

/// The proof that an action was allowed. Only [`crate::Tx::authorize`] makes one, and only its own transaction takes it
/// ([`crate::Tx::proved`]).
#[derive(Debug)]
pub struct Authorized<A: Action> {
    pub(crate) action: A,
    pub(crate) patient: Option<PatientId>,
    pub(crate) relation: Relation,
    /// Which transaction.
    pub(crate) transaction: u64,
}

impl<A: Action> Authorized<A> {
    /// What was allowed.
    #[must_use]
    pub fn action(&self) -> A {
        self.action
    }

    /// The patient whose data this is about, if it is about one.
    #[must_use]
    pub fn patient(&self) -> Option<PatientId> {
        self.patient
    }
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Allowed, by the policy with this id.
    Allow(&'static str),
    /// The role alone refuses it.
    RefuseRole,
    /// The role could, but not with this row: looks like an unknown id from outside.
    RefuseRelation,
    /// It would be allowed, had the second factor been given just now.
    StaleFactor,
}

/// Whether `actor`, who stands in `relation` to the row, may do `action`.
///
/// Policies are monotone (they never say "not"; `cedar` refuses to load others), so what is refused with every fact
/// true is refused by the role alone.
#[must_use]
pub fn decide(actor: &Actor, action: Kind, relation: Relation) -> Decision {
    if let Some(policy) = cedar::permitted_by(actor, action, relation) {
        return Decision::Allow(policy);
    }
    let permitted = |relation| cedar::permitted_by(actor, action, relation).is_some();
    if permitted(Relation { fresh_factor: true, ..relation }) {
        Decision::StaleFactor
    } else if permitted(Relation::ALL) {
        Decision::RefuseRelation
    } else {
        Decision::RefuseRole
    }
}

/// Reads, checks and keeps the policies; later calls cost nothing. A server that can't, must not start.
///
/// # Errors
/// See [`PolicyError`].
pub fn load() -> Result<(), &'static PolicyError> {
    cedar::policies().map(|_| ())
}
