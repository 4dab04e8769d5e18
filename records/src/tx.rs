//! One transaction of one actor.

use crate::action::Action;
use crate::{Authorized, Error, RequestContext};

/// A transaction. Dropped, it leaves nothing behind and reveals nothing.
pub struct Tx {
    context: RequestContext,
}

impl Tx {
    /// Who asks.
    #[must_use]
    pub fn context(&self) -> &RequestContext {
        &self.context
    }

    /// Asks whether the actor may do `action`. A refusal is logged, in a transaction of its own, before this returns.
    ///
    /// # Errors
    /// [`Error::Forbidden`] if the role alone refuses; [`Error::NotFound`] if there is no such row, or none for this actor.
    pub async fn authorize<A: Action>(&mut self, _action: A) -> Result<Authorized<A>, Error> {
        Err(Error::Unfinished)
    }

    /// Writes the audit log, commits, and only then gives out what was read or done.
    ///
    /// # Errors
    /// The database can't be reached; nothing was done, and nothing comes out.
    pub async fn commit<T>(self, _value: Pending<T>) -> Result<T, Error> {
        Err(Error::Unfinished)
    }
}

/// What a transaction read or did, sealed until it is committed: [`Tx::commit`] opens it.
#[must_use = "commit it, or nothing was done"]
pub struct Pending<T>(pub(crate) T);

impl<T> Pending<T> {
    /// Two as one.
    pub fn and<U>(self, other: Pending<U>) -> Pending<(T, U)> {
        Pending((self.0, other.0))
    }

    /// Changes its form without looking outside.
    pub fn map<U>(self, form: impl FnOnce(T) -> U) -> Pending<U> {
        Pending(form(self.0))
    }
}
