//! Proofs, and how people of every kind stand to rows.

use records::action::{ListProviders, ListRecordings, ReadNote, ReadVisit};
use records::{Actor, Error, RequestContext, notes, staff, visits};
use uuid::Uuid;
use visit::{GuardianId, VisitId};

use crate::cast::{NOW, World, origin};

pub fn as_actor(actor: Actor) -> RequestContext {
    RequestContext { actor, at: NOW, origin: origin(), second_factor_at: None }
}

async fn reads_note(world: &World, context: RequestContext, visit: VisitId) -> Result<(), Error> {
    let mut tx = world.records.begin(context).await?;
    let may = tx.authorize(ReadNote(visit)).await?;
    let note = notes::read(&mut tx, &may).await?;
    tx.commit(note).await.map(|_| ())
}

#[tokio::test]
async fn a_proof_from_another_transaction_is_refused() {
    let world = World::new().await;
    let site = &world.riverside;
    let mut proven = world.records.begin(site.as_provider()).await.unwrap();
    let may = proven.authorize(ReadVisit(site.visit(0))).await.unwrap();
    let list = proven.authorize(ListProviders).await.unwrap();
    // Same person, same clinic, and yet another transaction.
    let mut other = world.records.begin(site.as_provider()).await.unwrap();
    assert!(matches!(visits::detail(&mut other, &may).await, Err(Error::ForeignProof)));
    assert!(matches!(staff::providers(&mut other, &list).await, Err(Error::ForeignProof)));
    // Above all, another clinic's.
    let mut foreign = world.records.begin(world.lakeside.as_provider()).await.unwrap();
    assert!(matches!(visits::detail(&mut foreign, &may).await, Err(Error::ForeignProof)));
    // Its own still counts.
    let detail = visits::detail(&mut proven, &may).await.unwrap();
    proven.commit(detail).await.unwrap();
}

#[tokio::test]
async fn the_policy_that_allowed_stands_in_the_log() {
    let world = World::new().await;
    let site = &world.riverside;
    reads_note(&world, site.as_provider(), site.visit(0)).await.unwrap();
    let reason: String = world.look("SELECT reason FROM audit_event WHERE action = 'note.read'").await;
    assert_eq!(reason, "note.read.care");
    crate::booking::book(&world, site, "key-1").await;
    let reason: Option<String> =
        world.look("SELECT reason FROM audit_event WHERE action = 'appointment.booked' AND actor_kind = 'staff' ORDER BY seq DESC LIMIT 1").await;
    assert!(
        reason.is_some_and(|reason| reason.starts_with("schedule.")),
        "also where an entry says more than the proof's"
    );
}

#[tokio::test]
async fn a_patient_in_the_portal_reads_their_own_signed_note_and_no_other() {
    let world = World::new().await;
    let site = &world.riverside;
    let me = as_actor(Actor::PortalPatient { id: site.patient(0), clinic: site.clinic });
    assert!(matches!(reads_note(&world, me.clone(), site.visit(0)).await, Err(Error::NotFound)), "not signed yet");
    crate::notes::write_and_sign(&world, site, 0).await;
    reads_note(&world, me.clone(), site.visit(0)).await.unwrap();
    let another = as_actor(Actor::PortalPatient { id: site.patient(1), clinic: site.clinic });
    assert!(matches!(reads_note(&world, another, site.visit(0)).await, Err(Error::NotFound)));
    // By link, only the way into the visit.
    assert!(matches!(reads_note(&world, site.as_patient(0), site.visit(0)).await, Err(Error::Forbidden)));
    // Recordings only if the clinic shares them.
    let lists = async || {
        let mut tx = world.records.begin(me.clone()).await.unwrap();
        tx.authorize(ListRecordings(site.visit(0))).await.map(|_| ())
    };
    assert!(matches!(lists().await, Err(Error::NotFound)));
    world.db.execute_as_owner("UPDATE clinic SET shares_recordings = true").await;
    lists().await.unwrap();
}

#[tokio::test]
async fn a_guardian_reads_the_wards_signed_note_while_the_guardianship_lasts() {
    let world = World::new().await;
    let site = &world.riverside;
    crate::notes::write_and_sign(&world, site, 0).await;
    let (guardianship, id) = crate::guarding::add(&world, site, 0, records::guardians::Scope::Record).await;
    let signed_in = as_actor(Actor::Guardian { id, visit: None, clinic: site.clinic });
    reads_note(&world, signed_in.clone(), site.visit(0)).await.unwrap();
    let by_link = |visit| as_actor(Actor::Guardian { id, visit: Some(visit), clinic: site.clinic });
    reads_note(&world, by_link(site.visit(0)), site.visit(0)).await.unwrap();
    assert!(matches!(reads_note(&world, by_link(site.visit(1)), site.visit(0)).await, Err(Error::NotFound)));
    assert!(matches!(reads_note(&world, signed_in.clone(), site.visit(1)).await, Err(Error::NotFound)), "no ward");
    let stranger = Actor::Guardian { id: GuardianId(Uuid::now_v7()), visit: None, clinic: site.clinic };
    assert!(matches!(reads_note(&world, as_actor(stranger), site.visit(0)).await, Err(Error::NotFound)));
    let elsewhere = Actor::Guardian { id, visit: None, clinic: world.lakeside.clinic };
    assert!(matches!(reads_note(&world, as_actor(elsewhere), site.visit(0)).await, Err(Error::NotFound)));
    crate::guarding::end(&world, site, 0, guardianship).await.unwrap();
    assert!(matches!(reads_note(&world, signed_in, site.visit(0)).await, Err(Error::NotFound)), "it ended");
    // One who only comes along to visits does not read.
    let (_, escort) = crate::guarding::add(&world, site, 0, records::guardians::Scope::Visits).await;
    let escort = as_actor(Actor::Guardian { id: escort, visit: None, clinic: site.clinic });
    assert!(matches!(reads_note(&world, escort, site.visit(0)).await, Err(Error::NotFound)));
    let logged: i64 =
        world.look("SELECT count(*) FROM audit_event WHERE actor_kind = 'guardian' AND actor_role = 'guardian'").await;
    assert!(logged >= 5);
}
