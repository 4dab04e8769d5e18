//! The log: in the same transaction, about everything, changed by nobody.

use records::action::{ListProviders, ReadNote, ReadVisit, SearchAudit, WriteNote};
use records::audit::{self, Filter, Outcome};
use records::{Error, Phi, RequestContext, notes, visits};

use crate::cast::{World, day};

async fn search(world: &World, context: RequestContext, filter: Filter) -> Vec<audit::Event> {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let mut tx = world.records.begin(context.clone()).await.unwrap();
        let may = tx.authorize(SearchAudit).await.unwrap();
        let page = audit::search(&mut tx, &may, &filter, cursor.as_deref()).await.unwrap();
        let page = tx.commit(page).await.unwrap();
        found.extend(page.items);
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => return found,
        }
    }
}

#[tokio::test]
async fn whoever_saw_a_patient_is_found_by_patient_alone_or_in_a_list() {
    let world = World::new().await;
    let site = &world.riverside;
    let mut tx = world.records.begin(site.as_provider()).await.unwrap();
    let may = tx.authorize(ReadVisit(site.visit(0))).await.unwrap();
    let detail = visits::detail(&mut tx, &may).await.unwrap();
    tx.commit(detail).await.unwrap();
    day(&world, site.as_front_desk()).await;

    let filter = Filter { patient: Some(site.patient(0)), ..Filter::default() };
    let found = search(&world, site.as_compliance(), filter.clone()).await;
    let read = found.iter().find(|event| event.action == "visit.read").expect("the provider's reading");
    assert_eq!(read.actor_id, Some(site.provider.0));
    assert_eq!(read.actor_name.as_deref(), Some("Dr. Maya Chen"));
    assert_eq!(read.actor_role, "provider");
    assert_eq!(read.resource_id, Some(site.visit(0).0));
    assert_eq!(read.address.as_deref(), Some("192.0.2.7"));
    assert_eq!(read.request_id.as_deref(), Some("req-1"));
    assert_eq!(read.outcome, Outcome::Allowed);
    assert!(found.iter().any(|event| event.action == "schedule.read" && event.actor_id == Some(site.front_desk.0)));
    // The search is itself a look at this patient.
    let again = search(&world, site.as_compliance(), filter).await;
    assert!(again.iter().any(|event| event.action == "audit.search" && event.actor_id == Some(site.compliance.0)));
}

#[tokio::test]
async fn what_is_aborted_leaves_neither_change_nor_log_and_gives_nothing_out() {
    let world = World::new().await;
    let site = &world.riverside;
    let before: i64 = world.look("SELECT count(*) FROM audit_event").await;
    let mut tx = world.records.begin(site.as_provider()).await.unwrap();
    let may = tx.authorize(WriteNote(site.visit(0))).await.unwrap();
    let _sealed = notes::save(&mut tx, &may, 0, &Phi::from("never stored")).await.unwrap();
    drop(tx);
    let after: i64 = world.look("SELECT count(*) FROM audit_event").await;
    assert_eq!(after, before);
    let stored: i64 = world.look("SELECT count(*) FROM note").await;
    assert_eq!(stored, 0);
}

#[tokio::test]
async fn if_it_can_not_be_logged_it_does_not_happen() {
    let world = World::new().await;
    let site = &world.riverside;
    world.db.execute_as_owner("REVOKE INSERT ON audit_event FROM bedside_app").await;
    let mut tx = world.records.begin(site.as_provider()).await.unwrap();
    let may = tx.authorize(WriteNote(site.visit(0))).await.unwrap();
    let saved = notes::save(&mut tx, &may, 0, &Phi::from("text")).await.unwrap();
    assert!(tx.commit(saved).await.is_err());
    let stored: i64 = world.look("SELECT count(*) FROM note").await;
    assert_eq!(stored, 0);
}

#[tokio::test]
async fn neither_the_app_nor_the_owner_changes_or_deletes_a_logged_event() {
    let world = World::new().await;
    for (mut connection, who) in [(world.db.app().await, "app"), (world.db.owner().await, "owner")] {
        sqlx::query("SELECT set_config('bedside.clinic_id', $1, false)")
            .bind(world.riverside.clinic.to_string())
            .execute(&mut connection)
            .await
            .unwrap();
        for sql in ["UPDATE audit_event SET reason = 'x'", "DELETE FROM audit_event"] {
            let refused = sqlx::query(sql).execute(&mut connection).await.expect_err(sql).to_string();
            assert!(
                refused.contains(if who == "app" { "permission denied" } else { "never changed" }),
                "{who}: {refused}"
            );
        }
    }
}

#[tokio::test]
async fn refusals_are_logged_with_their_reason_and_an_unknown_row_looks_like_a_foreign_one() {
    let world = World::new().await;
    let site = &world.riverside;
    let refuse = async |context: RequestContext, visit| {
        let mut tx = world.records.begin(context).await.unwrap();
        tx.authorize(ReadNote(visit)).await.expect_err("must be refused")
    };
    assert!(matches!(refuse(site.as_front_desk(), site.visit(0)).await, Error::Forbidden));
    let nurse = world.nurse(site).await;
    let cases = [
        (site.as_provider(), world.lakeside.visit(0)),
        (site.as_provider(), visit::VisitId(uuid::Uuid::from_u128(5))),
        (site.as_staff(nurse, visit::Role::Nurse), site.visit(0)),
        (world.lakeside.as_provider(), site.visit(0)),
    ];
    for (context, visit) in cases {
        assert!(matches!(refuse(context, visit).await, Error::NotFound));
    }
    let denied =
        search(&world, site.as_compliance(), Filter { action: Some("note.read".to_owned()), ..Filter::default() })
            .await;
    let mut reasons: Vec<_> = denied.iter().map(|event| event.reason.as_deref().unwrap()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["no_care_relationship", "role", "unknown", "unknown"]);
    assert!(denied.iter().all(|event| event.outcome == Outcome::Denied));
}

#[tokio::test]
async fn a_nurse_reaches_a_patient_once_assigned() {
    let world = World::new().await;
    let site = &world.riverside;
    let nurse = world.nurse(site).await;
    assert_eq!(day(&world, site.as_staff(nurse, visit::Role::Nurse)).await.items.len(), 0);
    let mut tx = world.records.begin(RequestContext::system("test", site.clinic, crate::cast::NOW)).await.unwrap();
    let assigned = records::staff::assign(&mut tx, nurse, site.patient(0)).await.unwrap();
    tx.commit(assigned).await.unwrap();
    let mut tx = world.records.begin(site.as_staff(nurse, visit::Role::Nurse)).await.unwrap();
    assert!(tx.authorize(ReadNote(site.visit(0))).await.is_ok());
    assert!(tx.authorize(WriteNote(site.visit(0))).await.is_err(), "reading is not writing");
    assert_eq!(day(&world, site.as_staff(nurse, visit::Role::Nurse)).await.items.len(), 1);
}

#[tokio::test]
async fn pages_of_the_log_hold_every_event_once() {
    let world = World::new().await;
    let site = &world.riverside;
    for _ in 0..230 {
        let mut tx = world.records.begin(site.as_provider()).await.unwrap();
        let may = tx.authorize(ListProviders).await.unwrap();
        let list = records::staff::providers(&mut tx, &may).await.unwrap();
        assert_eq!(tx.commit(list).await.unwrap().len(), 1);
    }
    let found =
        search(&world, site.as_compliance(), Filter { action: Some("staff.list".to_owned()), ..Filter::default() })
            .await;
    assert_eq!(found.len(), 230);
    assert!(found.windows(2).all(|pair| pair[0].seq > pair[1].seq));
    let mut tx = world.records.begin(site.as_compliance()).await.unwrap();
    let may = tx.authorize(SearchAudit).await.unwrap();
    assert!(matches!(
        audit::search(&mut tx, &may, &Filter::default(), Some("x")).await,
        Err(audit::SearchError::BadCursor)
    ));
}
