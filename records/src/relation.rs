//! How an actor stands to what is asked for: the facts that policies decide by, gathered from the database.

use uuid::Uuid;
use visit::PatientId;

use crate::action::Resource;
use crate::{Actor, Error, Tx, attachments};

macro_rules! relation {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// How the actor stands to what is asked for. Every fact opens doors, none closes one.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Relation {
            $($(#[$doc])* pub $name: bool,)*
        }

        impl Relation {
            /// All that can be true at once.
            pub const ALL: Self = Self { $($name: true,)* };
            /// The names, as policies write them.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            /// Each name with its truth.
            pub fn facts(self) -> impl Iterator<Item = (&'static str, bool)> {
                [$((stringify!($name), self.$name)),*].into_iter()
            }

            /// This one, but with the fact of that name as said. Unknown names change nothing.
            #[must_use]
            pub fn with(mut self, name: &str, holds: bool) -> Self {
                $(if name == stringify!($name) { self.$name = holds; })*
                self
            }
        }
    };
}

relation! {
    /// Staff: is the provider of this appointment or visit, sat in it, or it is their own account.
    own,
    /// Staff: own, or has another appointment with the patient, or is assigned to them.
    cares,
    /// Staff: broke the glass for this patient less than an hour ago.
    emergency,
    /// Patient by link, guest, invited staff: it belongs to the one visit they came for, and they may still come.
    this_visit,
    /// Patient in the portal: it is their own.
    is_patient,
    /// Guardian: acts for the patient in everything.
    guards_record,
    /// Guardian: may come along to the patient's visits.
    accompanies,
    /// The visit's note is signed.
    signed,
    /// The clinic lets patients play recordings of their visits.
    shares_recordings,
    /// Somebody else asked for this, not the actor.
    by_another,
    /// The second factor was given within the last five minutes.
    fresh_factor,
}

/// A row that exists, and how the actor stands to it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Found {
    pub patient: Option<PatientId>,
    pub relation: Relation,
}

/// The row's own side of it.
struct Row {
    patient_id: Uuid,
    /// The record that is meant by it, after merges.
    root_id: Uuid,
    visit_id: Option<Uuid>,
    own: bool,
    invited: bool,
    signed: bool,
    shares_recordings: bool,
    by_another: bool,
    cares: bool,
    emergency: bool,
    guards_record: bool,
    accompanies: bool,
}

/// The ids by which a row may know the actor.
struct Ids {
    staff: Option<Uuid>,
    guardian: Option<Uuid>,
    guest: Option<Uuid>,
}

impl Ids {
    fn of(actor: &Actor) -> Self {
        let none = Self { staff: None, guardian: None, guest: None };
        match *actor {
            Actor::Staff { id, .. } => Self { staff: Some(id.0), ..none },
            Actor::Guardian { id, .. } => Self { guardian: Some(id.0), ..none },
            Actor::Guest { id, .. } => Self { guest: Some(id.0), ..none },
            Actor::Patient { .. } | Actor::PortalPatient { .. } | Actor::System { .. } => none,
        }
    }
}

/// How the transaction's actor stands to `resource`; `None` if the clinic has no such row.
pub(crate) async fn find(tx: &mut Tx, resource: Resource) -> Result<Option<Found>, Error> {
    let fresh_factor = tx.context().has_fresh_factor();
    let actor = tx.context().actor;
    let row = match resource {
        Resource::Clinic => {
            return Ok(Some(Found { patient: None, relation: Relation { fresh_factor, ..Relation::default() } }));
        }
        Resource::Staff(id) => {
            let known =
                sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM staff WHERE staff_id = $1) AS "known!""#, id.0)
                    .fetch_one(tx.connection()?)
                    .await?;
            let own = matches!(actor, Actor::Staff { id: me, .. } if me == id);
            let relation = Relation { own, by_another: !own, fresh_factor, ..Relation::default() };
            return Ok(known.then_some(Found { patient: None, relation }));
        }
        Resource::Patient(id) => of_patient(tx, id.0).await?,
        Resource::Appointment(id) => of_appointment(tx, id.0).await?,
        Resource::Visit(id) => of_visit(tx, id.0).await?,
        Resource::Recording(id) => {
            let visit = sqlx::query_scalar!("SELECT visit_id FROM recording WHERE recording_id = $1", id.0)
                .fetch_optional(tx.connection()?)
                .await?;
            match visit {
                Some(visit) => of_visit(tx, visit).await?,
                None => None,
            }
        }
        Resource::Attachment(id) => match attachments::patient_of(tx, id).await? {
            Some(patient) => of_patient(tx, patient.0).await?,
            None => None,
        },
        Resource::EmergencyAccess(id) => of_emergency_access(tx, id.0).await?,
    };
    // A patient who signs in with a record that was merged is the one of the surviving record.
    let own_root = match actor {
        Actor::PortalPatient { id, .. } => {
            sqlx::query_scalar!("SELECT patient_root($1)", id.0).fetch_one(tx.connection()?).await?
        }
        _ => None,
    };
    Ok(row.map(|row| Found {
        patient: Some(PatientId(row.patient_id)),
        relation: Relation { fresh_factor, ..row.seen_by(&actor, own_root) },
    }))
}

impl Row {
    fn seen_by(&self, actor: &Actor, own_root: Option<Uuid>) -> Relation {
        let here = |visit| Some(visit) == self.visit_id;
        let nothing = Relation {
            signed: self.signed,
            shares_recordings: self.shares_recordings,
            by_another: self.by_another,
            ..Relation::default()
        };
        match *actor {
            Actor::Staff { .. } => Relation {
                own: self.own,
                cares: self.own || self.cares,
                emergency: self.emergency,
                this_visit: self.invited,
                ..nothing
            },
            Actor::Patient { id, visit, .. } => {
                Relation { this_visit: id.0 == self.patient_id && here(visit.0), ..nothing }
            }
            Actor::PortalPatient { .. } => Relation { is_patient: own_root == Some(self.root_id), ..nothing },
            Actor::Guardian { visit, .. } if visit.is_none_or(|visit| here(visit.0)) => {
                Relation { guards_record: self.guards_record, accompanies: self.accompanies, ..nothing }
            }
            Actor::Guest { visit, .. } => Relation { this_visit: self.invited && here(visit.0), ..nothing },
            Actor::Guardian { .. } | Actor::System { .. } => nothing,
        }
    }
}

async fn of_patient(tx: &mut Tx, patient: Uuid) -> Result<Option<Row>, Error> {
    let (ids, at) = (Ids::of(&tx.context().actor), tx.context().at);
    let row = sqlx::query_as!(
        Row,
        r#"SELECT p.patient_id, p.patient_id AS "root_id!", NULL::uuid AS visit_id, false AS "own!", false AS "invited!", false AS "signed!", c.shares_recordings,
                  true AS "by_another!", s.cares AS "cares!", s.emergency AS "emergency!", s.guards_record AS "guards_record!", s.accompanies AS "accompanies!"
           FROM patient p JOIN clinic c USING (clinic_id), stands_to(p.patient_id, $2, $3, $4) s
           WHERE p.patient_id = patient_root($1) AND p.destroyed_at IS NULL"#,
        patient,
        ids.staff,
        ids.guardian,
        at,
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(row)
}

async fn of_appointment(tx: &mut Tx, appointment: Uuid) -> Result<Option<Row>, Error> {
    let (ids, at) = (Ids::of(&tx.context().actor), tx.context().at);
    let row = sqlx::query_as!(
        Row,
        r#"SELECT a.patient_id, patient_root(a.patient_id) AS "root_id!", v.visit_id AS "visit_id?", coalesce(a.provider_id = $2, false) AS "own!", false AS "invited!", false AS "signed!",
                  c.shares_recordings, true AS "by_another!", s.cares AS "cares!", s.emergency AS "emergency!",
                  s.guards_record AS "guards_record!", s.accompanies AS "accompanies!"
           FROM appointment a JOIN visit v USING (appointment_id) JOIN clinic c ON c.clinic_id = a.clinic_id, stands_to(a.patient_id, $2, $3, $4) s
           WHERE a.appointment_id = $1
             AND NOT EXISTS (SELECT FROM patient d WHERE d.patient_id = a.patient_id AND d.destroyed_at IS NOT NULL)"#,
        appointment,
        ids.staff,
        ids.guardian,
        at,
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(row)
}

/// A visit is the own one of its provider, and of staff who sat in it, unless they were asked in as guests: those keep
/// nothing of it when they are gone.
async fn of_visit(tx: &mut Tx, visit: Uuid) -> Result<Option<Row>, Error> {
    let (ids, at) = (Ids::of(&tx.context().actor), tx.context().at);
    let row = sqlx::query_as!(
        Row,
        r#"SELECT v.patient_id, patient_root(v.patient_id) AS "root_id!", v.visit_id AS "visit_id?",
                  (coalesce(a.provider_id = $2, false)
                   OR EXISTS (SELECT FROM visit_participant s WHERE s.visit_id = v.visit_id AND s.staff_id = $2)
                      AND NOT EXISTS (SELECT FROM visit_guest g WHERE g.visit_id = v.visit_id AND g.staff_id = $2)) AS "own!",
                  EXISTS (SELECT FROM visit_guest g WHERE (g.visit_guest_id = $4 OR g.staff_id = $2) AND g.visit_id = v.visit_id
                          AND g.ended_at IS NULL AND g.expires_at > $5) AS "invited!",
                  EXISTS (SELECT FROM note n WHERE n.visit_id = v.visit_id AND n.state = 'signed') AS "signed!",
                  c.shares_recordings, true AS "by_another!", s.cares AS "cares!", s.emergency AS "emergency!",
                  s.guards_record AS "guards_record!", s.accompanies AS "accompanies!"
           FROM visit v JOIN appointment a USING (appointment_id) JOIN clinic c ON c.clinic_id = v.clinic_id, stands_to(v.patient_id, $2, $3, $5) s
           WHERE v.visit_id = $1
             AND NOT EXISTS (SELECT FROM patient d WHERE d.patient_id = v.patient_id AND d.destroyed_at IS NOT NULL)"#,
        visit,
        ids.staff,
        ids.guardian,
        ids.guest,
        at,
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(row)
}

async fn of_emergency_access(tx: &mut Tx, access: Uuid) -> Result<Option<Row>, Error> {
    let (ids, at) = (Ids::of(&tx.context().actor), tx.context().at);
    let row = sqlx::query_as!(
        Row,
        r#"SELECT e.patient_id, patient_root(e.patient_id) AS "root_id!", NULL::uuid AS visit_id, coalesce(e.staff_id = $2, false) AS "own!", false AS "invited!", false AS "signed!",
                  c.shares_recordings, (e.staff_id IS DISTINCT FROM $2) AS "by_another!", s.cares AS "cares!", s.emergency AS "emergency!",
                  s.guards_record AS "guards_record!", s.accompanies AS "accompanies!"
           FROM emergency_access e JOIN clinic c USING (clinic_id), stands_to(e.patient_id, $2, $3, $4) s
           WHERE e.emergency_access_id = $1
             AND NOT EXISTS (SELECT FROM patient d WHERE d.patient_id = e.patient_id AND d.destroyed_at IS NOT NULL)"#,
        access,
        ids.staff,
        ids.guardian,
        at,
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(row)
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use time::Duration;
    use time::macros::datetime;
    use visit::{GuestId, Role, VisitId};

    use super::*;
    use crate::demo::{DemoSite, seed};
    use crate::testing::TestDatabase;
    use crate::{Records, RequestContext};

    async fn this_visit(records: &Records, actor: Actor, at: time::OffsetDateTime, visit: VisitId) -> bool {
        let context = RequestContext { actor, ..RequestContext::system("test", actor.clinic(), at) };
        let mut tx = records.begin(context).await.unwrap();
        find(&mut tx, Resource::Visit(visit)).await.unwrap().is_some_and(|found| found.relation.this_visit)
    }

    #[tokio::test]
    async fn a_guest_stands_to_one_visit_while_the_invitation_lasts_and_to_no_other() {
        let (db, now) = (TestDatabase::new().await, datetime!(2026-11-24 15:10:20 UTC));
        let records = db.records();
        let demo = seed(&records, DemoSite::Riverside, None, "http://127.0.0.1", now).await.unwrap();
        let other = seed(&records, DemoSite::Lakeside, None, "http://127.0.0.1", now).await.unwrap();
        let (invited_to, another) = (demo.visits[0].visit_id, demo.visits[1].visit_id);
        let id = Uuid::now_v7();
        sqlx::query(
            "INSERT INTO visit_guest (visit_guest_id, clinic_id, visit_id, patient_id, role, name, invited_by, created_at, expires_at)
             SELECT $1, v.clinic_id, v.visit_id, v.patient_id, 'interpreter', '', a.provider_id, $3, $3 + interval '4 hours'
             FROM visit v JOIN appointment a USING (appointment_id) WHERE v.visit_id = $2",
        )
        .bind(id)
        .bind(invited_to.0)
        .bind(now)
        .execute(&mut db.owner().await)
        .await
        .unwrap();
        let guest = |visit, clinic| Actor::Guest { id: GuestId(id), role: Role::Interpreter, visit, clinic };
        let came = guest(invited_to, demo.clinic.id);
        assert!(this_visit(&records, came, now, invited_to).await);
        assert!(!this_visit(&records, came, now, another).await, "another visit");
        assert!(
            !this_visit(&records, guest(another, demo.clinic.id), now, another).await,
            "an invitation to another visit"
        );
        assert!(!this_visit(&records, guest(invited_to, other.clinic.id), now, invited_to).await, "another clinic");
        assert!(!this_visit(&records, came, now + Duration::hours(4), invited_to).await, "over");
        db.execute_as_owner("UPDATE visit_guest SET ended_at = now()").await;
        assert!(!this_visit(&records, came, now, invited_to).await, "withdrawn");
    }
}
