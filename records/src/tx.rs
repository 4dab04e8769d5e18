//! One transaction of one actor.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use crate::action::{Action, Kind, Resource};
use crate::audit::{Entry, Outcome, write};
use crate::blind_index::IndexKey;
use crate::policy::{Decision, decide};
use crate::relation;
use crate::seal::{DataKeys, Unopened};
use crate::{Actor, Authorized, Error, Origin, Records, RequestContext};

/// A transaction. Dropped, it leaves nothing behind and reveals nothing.
pub struct Tx {
    /// Gone after a refusal.
    inner: Option<Transaction<'static, Postgres>>,
    /// No other transaction of this process has it.
    number: u64,
    records: Records,
    context: RequestContext,
    log: Vec<Entry>,
    pub(crate) keys: BTreeMap<Uuid, Arc<DataKeys>>,
    pub(crate) index_keys: Option<Arc<Vec<IndexKey>>>,
    /// The first value that did not open.
    pub(crate) unopened: Unopened,
}

impl Tx {
    pub(crate) fn new(inner: Transaction<'static, Postgres>, records: Records, context: RequestContext) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            inner: Some(inner),
            number,
            records,
            context,
            log: Vec::new(),
            keys: BTreeMap::new(),
            index_keys: None,
            unopened: Unopened::default(),
        }
    }

    /// Who asks.
    #[must_use]
    pub fn context(&self) -> &RequestContext {
        &self.context
    }

    /// Asks whether the actor may do `action`. What is allowed is logged when the transaction commits, with the policy that
    /// allowed it as the reason. A refusal ends this transaction and is logged in one of its own before this returns.
    ///
    /// # Errors
    /// [`Error::Forbidden`] if the role alone refuses; [`Error::NotFound`] if there is no such row, or none for this actor;
    /// [`Error::StaleFactor`] if it needs a second factor that was given just now.
    pub async fn authorize<A: Action>(&mut self, action: A) -> Result<Authorized<A>, Error> {
        let resource = action.resource();
        let found = relation::find(self, resource).await?;
        let known = found.is_some();
        let found = found.unwrap_or_default();
        let decision = decide(&self.context.actor, A::KIND, found.relation);
        let entry = Entry { patient: found.patient, ..Entry::new(A::KIND.as_str(), resource) };
        let (reason, error) = match decision {
            Decision::RefuseRole => ("role", Error::Forbidden),
            _ if !known => ("unknown", Error::NotFound),
            Decision::RefuseRelation => ("no_care_relationship", Error::NotFound),
            Decision::StaleFactor => ("second_factor_stale", Error::StaleFactor),
            Decision::Allow(policy) => {
                self.log(Entry { general: true, reason: Some(policy), ..entry });
                return Ok(Authorized {
                    action,
                    patient: found.patient,
                    relation: found.relation,
                    transaction: self.number,
                });
            }
        };
        self.log_alone(Entry { outcome: Outcome::Denied, reason: Some(reason), ..entry }).await?;
        Err(error)
    }

    /// What `may` proves, if this very transaction made it. Every function that takes a proof begins with this.
    ///
    /// # Errors
    /// [`Error::ForeignProof`].
    pub(crate) fn proved<A: Action>(&self, may: &Authorized<A>) -> Result<A, Error> {
        if may.transaction == self.number { Ok(may.action) } else { Err(Error::ForeignProof) }
    }

    /// Whether the actor may also see a part (`more`) of what `may` allows, e.g. the chat of a timeline. Standing to the
    /// same row, so nothing is looked up; not logged by itself, and no refusal.
    pub(crate) fn also<A: Action>(&self, may: &Authorized<A>, more: Kind) -> bool {
        may.transaction == self.number && matches!(decide(&self.context.actor, more, may.relation), Decision::Allow(_))
    }

    /// Writes the audit log, commits, and only then gives out what was read or done.
    ///
    /// # Errors
    /// The database can't be reached; nothing was done, and nothing comes out.
    pub async fn commit<T>(mut self, value: Pending<T>) -> Result<T, Error> {
        let unopened = self.unopened_entry();
        let mut log = std::mem::take(&mut self.log);
        log.extend(unopened);
        let context = self.context.clone();
        for entry in &log {
            write(self.connection()?, &context, entry).await?;
        }
        let Some(inner) = self.inner.take() else {
            return Err(Error::Over);
        };
        inner.commit().await?;
        self.records.pulse().beat(log.len());
        Ok(value.0)
    }

    /// A value that did not open, for the log: somebody moved or changed it, or its key is gone.
    fn unopened_entry(&self) -> Option<Entry> {
        let place = self.unopened.get()?;
        let about = self.log.last().cloned().unwrap_or_else(|| Entry::new("record.open", Resource::Clinic));
        let detail = Some(serde_json::json!({ "column": place.column, "row": place.row, "part": place.part }));
        Some(Entry { outcome: Outcome::Failed, reason: Some("does_not_open"), detail, general: false, ..about })
    }

    pub(crate) fn connection(&mut self) -> Result<&mut PgConnection, Error> {
        self.inner.as_deref_mut().ok_or(Error::Over)
    }

    pub(crate) fn records(&self) -> &Records {
        &self.records
    }

    /// From here on, this is what `actor` does: the server does it for them, and has made sure who they are.
    pub(crate) fn act_as(&mut self, actor: Actor, origin: Origin) {
        self.context.actor = actor;
        self.context.origin = origin;
    }

    /// For what only the server itself does.
    pub(crate) fn only_system(&self) -> Result<(), Error> {
        if matches!(self.context.actor, Actor::System { .. }) { Ok(()) } else { Err(Error::Forbidden) }
    }

    /// Adds to what will be logged.
    pub(crate) fn log(&mut self, entry: Entry) {
        self.log.push(entry);
    }

    /// Says what was done more precisely than the entry that the last [`Tx::authorize`] made, in its place.
    pub(crate) fn logged_as(&mut self, entry: Entry) {
        let allowed_by = self.log.pop_if(|last| last.general).and_then(|last| last.reason);
        self.log.push(Entry { reason: entry.reason.or(allowed_by), ..entry });
    }

    /// The entry that the last [`Tx::authorize`] made, to say more in it.
    pub(crate) fn last_logged(&mut self) -> Option<&mut Entry> {
        self.log.last_mut()
    }

    /// Takes back the entry that the last [`Tx::authorize`] made: this reading was logged before.
    pub(crate) fn logged_before(&mut self) {
        self.log.pop();
    }

    /// Gives this transaction up, then logs `entry`. In this order, since holding one connection while waiting for
    /// another would stop everything once all are held.
    async fn log_alone(&mut self, entry: Entry) -> Result<(), Error> {
        let inner = self.inner.take();
        let (records, context) = (self.records.clone(), self.context.clone());
        // On a task of its own: who breaks the connection off can't escape the log.
        let logged = tokio::spawn(async move { log_after(inner, &records, context, entry).await });
        logged.await.unwrap_or(Err(Error::Over))
    }
}

/// What was found changed or moved is logged also when nothing comes of the transaction; the reader got an error before.
impl Drop for Tx {
    fn drop(&mut self) {
        if self.inner.is_none() {
            return;
        }
        if let (Some(entry), Ok(runtime)) = (self.unopened_entry(), tokio::runtime::Handle::try_current()) {
            let (inner, records, context) = (self.inner.take(), self.records.clone(), self.context.clone());
            runtime.spawn(async move {
                let logged = log_after(inner, &records, context, entry).await;
                if let Err(error) = logged {
                    tracing::error!(%error, "a stored value that does not open could not be logged");
                }
            });
        }
    }
}

/// Gives `inner` up, then logs `entry` in a transaction of its own.
async fn log_after(
    inner: Option<Transaction<'static, Postgres>>,
    records: &Records,
    context: RequestContext,
    entry: Entry,
) -> Result<(), Error> {
    if let Some(inner) = inner {
        inner.rollback().await?;
    }
    let mut alone = records.begin(context).await?;
    alone.log(entry);
    alone.commit(Pending(())).await
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
