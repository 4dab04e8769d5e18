//! What is left of requests that break off.

use std::time::Duration;

use records::Error;
use records::action::{ReadNote, ReadVisit, SearchAudit};

use crate::cast::{World, day};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_requests_leave_no_open_transaction_and_no_foreign_clinic_behind() {
    let world = World::new().await;
    // Cut off at every await that a request has: each is polled once more than the one before.
    for polls in 0..1_500usize {
        let (records, site) = (world.records.clone(), [&world.riverside, &world.lakeside][polls % 2]);
        let (context, visit) = (site.as_provider(), site.visit(0));
        let request = async move {
            let mut tx = records.begin(context).await?;
            let may = tx.authorize(ReadVisit(visit)).await?;
            let detail = records::visits::detail(&mut tx, &may).await?;
            tx.commit(detail).await
        };
        let mut request = Box::pin(request);
        let mut left = polls % 25;
        std::future::poll_fn(|context| {
            if left == 0 {
                return std::task::Poll::Ready(());
            }
            left -= 1;
            request.as_mut().poll(context).map(|_| ())
        })
        .await;
        drop(request);
    }
    // Whatever was cut off is rolled back by then, or when the connection is next used.
    for site in [&world.riverside, &world.lakeside] {
        for item in day(&world, site.as_provider()).await.items {
            assert!(site.demo.visits.iter().any(|visit| visit.visit_id == item.visit_id));
        }
    }
    world.records.close().await;
    let open: i64 = world.look("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'").await;
    assert_eq!(open, 0);
}

#[tokio::test]
async fn a_refusal_ends_the_transaction() {
    let world = World::new().await;
    let mut tx = world.records.begin(world.riverside.as_front_desk()).await.unwrap();
    assert!(matches!(tx.authorize(ReadNote(world.riverside.visit(0))).await, Err(Error::Forbidden)));
    assert!(matches!(tx.authorize(ReadVisit(world.riverside.visit(0))).await, Err(Error::Over)));
}

#[tokio::test]
async fn many_refusals_at_once_do_not_wait_for_each_others_connections() {
    let world = World::new().await;
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (records, context) = (world.records.clone(), world.riverside.as_front_desk());
        all.spawn(async move {
            let mut tx = records.begin(context).await.unwrap();
            matches!(tx.authorize(SearchAudit).await, Err(Error::Forbidden))
        });
    }
    let refused =
        tokio::time::timeout(Duration::from_secs(30), all.join_all()).await.expect("they wait for each other");
    assert!(refused.into_iter().all(|refused| refused));
    let logged: i64 = world
        .look(
            "SELECT count(*) FROM audit_event WHERE action = 'audit.search' AND outcome = 'denied' AND reason = 'role'",
        )
        .await;
    assert_eq!(logged, 64);
}
