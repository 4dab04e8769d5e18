//! One transaction of one actor.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;
use visit::PatientId;

use crate::action::{Action, Resource};
use crate::audit::{Entry, Outcome, write};
use crate::blind_index::IndexKey;
use crate::policy::{Decision, Relation, decide};
use crate::seal::{DataKeys, Unopened};
use crate::{Actor, Authorized, Error, Origin, Records, RequestContext};

/// A transaction. Dropped, it leaves nothing behind and reveals nothing.
pub struct Tx {
    /// Gone after a refusal.
    inner: Option<Transaction<'static, Postgres>>,
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
        Self {
            inner: Some(inner),
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

    /// Asks whether the actor may do `action`. What is allowed is logged when the transaction commits. A refusal ends
    /// this transaction and is logged in one of its own before this returns.
    ///
    /// # Errors
    /// [`Error::Forbidden`] if the role alone refuses; [`Error::NotFound`] if there is no such row, or none for this actor.
    pub async fn authorize<A: Action>(&mut self, action: A) -> Result<Authorized<A>, Error> {
        let resource = action.resource();
        let found = self.relation(resource).await?;
        let (patient, relation) = found.map_or((None, Relation::default()), |found| (found.patient, found.relation));
        let refusal = match decide(&self.context.actor, A::KIND, relation) {
            Decision::RefuseRole => Some(("role", Error::Forbidden)),
            _ if found.is_none() => Some(("unknown", Error::NotFound)),
            Decision::RefuseRelation => Some(("no_care_relationship", Error::NotFound)),
            Decision::Allow => None,
        };
        let entry = Entry { patient, ..Entry::new(A::KIND.as_str(), resource) };
        match refusal {
            None => {
                self.log(Entry { general: true, ..entry });
                Ok(Authorized { action, patient })
            }
            Some((reason, error)) => {
                self.log_alone(Entry { outcome: Outcome::Denied, reason: Some(reason), ..entry }).await?;
                Err(error)
            }
        }
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
        if self.log.last().is_some_and(|last| last.general) {
            self.log.pop();
        }
        self.log.push(entry);
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

    /// How the actor stands to a row; `None` if the clinic has no such row.
    async fn relation(&mut self, resource: Resource) -> Result<Option<Found>, Error> {
        let staff = match self.context.actor {
            Actor::Staff { id, .. } => Some(id.0),
            _ => None,
        };
        let at = self.context.at;
        let row = match resource {
            Resource::Clinic => return Ok(Some(Found::default())),
            Resource::Staff(id) => {
                let known = sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM staff WHERE staff_id = $1) AS "known!""#, id.0)
                    .fetch_one(self.connection()?)
                    .await?;
                return Ok(known.then(Found::default));
            }
            Resource::Patient(id) => sqlx::query_as!(
                RelationRow,
                r#"SELECT p.patient_id, NULL::uuid AS visit_id, false AS "own!",
                          (EXISTS (SELECT FROM appointment c WHERE c.provider_id = $2 AND c.patient_id = p.patient_id AND c.state <> 'cancelled')
                           OR EXISTS (SELECT FROM care_assignment c WHERE c.staff_id = $2 AND c.patient_id = p.patient_id
                                      AND c.from_at <= $3 AND (c.until_at IS NULL OR c.until_at > $3))) AS "cares!"
                   FROM patient p WHERE p.patient_id = $1"#,
                id.0,
                staff,
                at,
            )
            .fetch_optional(self.connection()?)
            .await?,
            Resource::Appointment(id) => sqlx::query_as!(
                RelationRow,
                r#"SELECT a.patient_id, v.visit_id AS "visit_id?", coalesce(a.provider_id = $2, false) AS "own!",
                          (EXISTS (SELECT FROM appointment c WHERE c.provider_id = $2 AND c.patient_id = a.patient_id AND c.state <> 'cancelled')
                           OR EXISTS (SELECT FROM care_assignment c WHERE c.staff_id = $2 AND c.patient_id = a.patient_id
                                      AND c.from_at <= $3 AND (c.until_at IS NULL OR c.until_at > $3))) AS "cares!"
                   FROM appointment a JOIN visit v USING (appointment_id) WHERE a.appointment_id = $1"#,
                id.0,
                staff,
                at,
            )
            .fetch_optional(self.connection()?)
            .await?,
            Resource::Visit(id) => self.visit_relation(id.0, staff).await?,
            Resource::Recording(id) => {
                let visit = sqlx::query_scalar!("SELECT visit_id FROM recording WHERE recording_id = $1", id.0)
                    .fetch_optional(self.connection()?)
                    .await?;
                match visit {
                    Some(visit) => self.visit_relation(visit, staff).await?,
                    None => None,
                }
            }
        };
        Ok(row.map(|row| Found {
            patient: Some(PatientId(row.patient_id)),
            relation: Relation {
                own: row.own,
                cares: row.cares,
                is_the_patient: matches!(self.context.actor, Actor::Patient { id, visit, .. }
                    if id.0 == row.patient_id && Some(visit.0) == row.visit_id),
            },
        }))
    }

    /// A visit is the own one of its provider, and of staff who sat in it.
    async fn visit_relation(&mut self, visit: Uuid, staff: Option<Uuid>) -> Result<Option<RelationRow>, Error> {
        let at = self.context.at;
        let row = sqlx::query_as!(
            RelationRow,
            r#"SELECT v.patient_id, v.visit_id AS "visit_id?",
                      (coalesce(a.provider_id = $2, false)
                       OR EXISTS (SELECT FROM visit_participant s WHERE s.visit_id = v.visit_id AND s.staff_id = $2)) AS "own!",
                      (EXISTS (SELECT FROM appointment c WHERE c.provider_id = $2 AND c.patient_id = v.patient_id AND c.state <> 'cancelled')
                       OR EXISTS (SELECT FROM care_assignment c WHERE c.staff_id = $2 AND c.patient_id = v.patient_id
                                  AND c.from_at <= $3 AND (c.until_at IS NULL OR c.until_at > $3))) AS "cares!"
               FROM visit v JOIN appointment a USING (appointment_id) WHERE v.visit_id = $1"#,
            visit,
            staff,
            at,
        )
        .fetch_optional(self.connection()?)
        .await?;
        Ok(row)
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

struct RelationRow {
    patient_id: Uuid,
    visit_id: Option<Uuid>,
    own: bool,
    cares: bool,
}

#[derive(Clone, Copy, Default)]
struct Found {
    patient: Option<PatientId>,
    relation: Relation,
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
