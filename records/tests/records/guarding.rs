//! Guardians and care teams: who is put on record, who sees them, and that an end is an end.

use records::action::{ListGuardians, ManageCareTeam, ManageGuardians, ReadCareTeam, ReadVisit};
use records::care_team::{self, AssignError};
use records::guardians::{self, AddError, NewGuardian, Relationship, Scope};
use records::{Error, Phi, RequestContext};
use time::Duration;
use uuid::Uuid;
use visit::{GuardianId, Role};

use crate::cast::{NOW, Site, World};

fn new(scope: Scope) -> NewGuardian {
    NewGuardian {
        name: Phi::from("canary-guardian Ruth Lopez"),
        email: Some(Phi::from("canary-guardian@example.org")),
        phone: None,
        relationship: Relationship::Parent,
        scope,
        until_at: None,
    }
}

pub async fn add(world: &World, site: &Site, n: usize, scope: Scope) -> (Uuid, GuardianId) {
    let mut tx = world.records.begin(site.as_front_desk()).await.unwrap();
    let may = tx.authorize(ManageGuardians(site.patient(n))).await.unwrap();
    let added = guardians::add(&mut tx, &may, &new(scope)).await.unwrap();
    tx.commit(added).await.unwrap()
}

pub async fn end(world: &World, site: &Site, n: usize, guardianship: Uuid) -> Result<(), Error> {
    let later = RequestContext { at: NOW, ..site.as_front_desk() };
    let mut tx = world.records.begin(later).await?;
    let may = tx.authorize(ManageGuardians(site.patient(n))).await?;
    let ended = guardians::end(&mut tx, &may, guardianship).await?;
    tx.commit(ended).await
}

#[tokio::test]
async fn guardians_are_listed_sealed_and_ended_once() {
    let world = World::new().await;
    let site = &world.riverside;
    let (guardianship, id) = add(&world, site, 0, Scope::Record).await;
    let list = async || {
        let mut tx = world.records.begin(site.as_front_desk()).await.unwrap();
        let may = tx.authorize(ListGuardians(site.patient(0))).await.unwrap();
        let found = guardians::list(&mut tx, &may).await.unwrap();
        tx.commit(found).await.unwrap()
    };
    let found = list().await;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].guardian_id, found[0].until_at), (id, None));
    assert_eq!(found[0].name.expose(), "canary-guardian Ruth Lopez");
    let in_clear: bool = world.look("SELECT position('canary'::bytea IN name) > 0 FROM guardian").await;
    assert!(!in_clear);
    assert!(matches!(end(&world, site, 1, guardianship).await, Err(Error::NotFound)), "another patient's");
    end(&world, site, 0, guardianship).await.unwrap();
    assert!(matches!(end(&world, site, 0, guardianship).await, Err(Error::NotFound)), "once");
    assert_eq!(list().await[0].until_at, Some(NOW));

    let mut tx = world.records.begin(site.as_front_desk()).await.unwrap();
    let may = tx.authorize(ManageGuardians(site.patient(0))).await.unwrap();
    let past = NewGuardian { until_at: Some(NOW - Duration::days(1)), ..new(Scope::Record) };
    assert!(matches!(guardians::add(&mut tx, &may, &past).await, Err(AddError::EndsBefore)));
}

#[tokio::test]
async fn an_assignment_opens_the_patients_visits_and_its_end_closes_them() {
    let world = World::new().await;
    let site = &world.riverside;
    let nurse = world.nurse(site).await;
    let reads = async || {
        let mut tx = world.records.begin(site.as_staff(nurse, Role::Nurse)).await.unwrap();
        tx.authorize(ReadVisit(site.visit(0))).await.map(|_| ())
    };
    assert!(matches!(reads().await, Err(Error::NotFound)));
    let assign = async |staff| {
        let mut tx = world.records.begin(site.as_front_desk()).await.unwrap();
        let may = tx.authorize(ManageCareTeam(site.patient(0))).await.unwrap();
        let made = care_team::assign(&mut tx, &may, staff).await?;
        Ok::<_, AssignError>(tx.commit(made).await?)
    };
    let assignment = assign(nurse).await.unwrap();
    reads().await.unwrap();
    assert!(matches!(assign(nurse).await, Err(AssignError::AssignedAlready)));
    assert!(matches!(assign(site.clinic_admin).await, Err(AssignError::DoesNotTreat)));
    assert!(matches!(assign(world.lakeside.provider).await, Err(AssignError::DoesNotTreat)));

    let mut tx = world.records.begin(site.as_compliance()).await.unwrap();
    let may = tx.authorize(ReadCareTeam(site.patient(0))).await.unwrap();
    let team = care_team::list(&mut tx, &may).await.unwrap();
    let team = tx.commit(team).await.unwrap();
    assert_eq!((team[0].staff_id, team[0].role, team[0].until_at), (nurse, Role::Nurse, None));

    let mut tx = world.records.begin(site.as_front_desk()).await.unwrap();
    let may = tx.authorize(ManageCareTeam(site.patient(0))).await.unwrap();
    let ended = care_team::end(&mut tx, &may, assignment).await.unwrap();
    tx.commit(ended).await.unwrap();
    assert!(matches!(reads().await, Err(Error::NotFound)), "from that moment on");
    assign(nurse).await.unwrap();
}

#[tokio::test]
async fn nobody_assigns_themselves_to_a_patient_whom_they_may_not_see() {
    let world = World::new().await;
    let site = &world.riverside;
    let nurse = world.nurse(site).await;
    let mut tx = world.records.begin(site.as_staff(nurse, Role::Nurse)).await.unwrap();
    assert!(matches!(tx.authorize(ManageCareTeam(site.patient(0))).await, Err(Error::NotFound)));
    let mut tx = world.records.begin(site.as_compliance()).await.unwrap();
    assert!(matches!(tx.authorize(ManageCareTeam(site.patient(0))).await, Err(Error::Forbidden)));
}
