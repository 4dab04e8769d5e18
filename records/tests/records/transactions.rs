//! What is left of requests that break off.

use std::time::Duration;

use records::Error;
use records::action::{ReadNote, ReadSchedule, ReadVisit, SearchAudit};

use crate::cast::World;

/// Requests that are cut off in the short form of the test below; `make test-cancel` cuts off 10,000.
const CUT_OFF: usize = 1_500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_requests_leave_no_open_transaction_and_no_foreign_clinic_behind() {
    let world = World::new().await;
    let requests =
        std::env::var("BEDSIDE_CUT_OFF").map_or(CUT_OFF, |n| n.parse().expect("BEDSIDE_CUT_OFF is a number"));
    // Cut off at every await that a request has: each is polled once more than the one before. Every third is refused, and so
    // is cut off while its refusal is being logged.
    let mut finished = 0;
    for n in 0..requests {
        let (records, site) = (world.records.clone(), [&world.riverside, &world.lakeside][n % 2]);
        let (context, visit) = (if n % 3 == 0 { site.as_front_desk() } else { site.as_provider() }, site.visit(0));
        let request = async move {
            let mut tx = records.begin(context).await?;
            let may = tx.authorize(ReadNote(visit)).await?;
            let note = records::notes::read(&mut tx, &may).await?;
            tx.commit(note).await
        };
        let mut request = Box::pin(request);
        let mut left = n % 25;
        let done = std::future::poll_fn(|context| {
            if left == 0 {
                return std::task::Poll::Ready(false);
            }
            left -= 1;
            request.as_mut().poll(context).map(|_| true)
        })
        .await;
        finished += usize::from(done);
        drop(request);
    }
    assert!(finished < requests * 9 / 10, "{finished} of {requests} were not cut off at all");
    // Every connection of the pool at once: none is kept by a request that is gone, and each sees its own clinic alone.
    let mut all = tokio::task::JoinSet::new();
    for n in 0..16 {
        let (records, site) = (world.records.clone(), [&world.riverside, &world.lakeside][n % 2]);
        let context = site.as_provider();
        all.spawn(async move { records.begin(context).await.map(|tx| (n, tx)) });
    }
    let held: Vec<_> = all.join_all().await.into_iter().map(Result::unwrap).collect();
    for (n, mut tx) in held {
        let site = [&world.riverside, &world.lakeside][n % 2];
        let may = tx.authorize(ReadSchedule).await.unwrap();
        let day = records::today::day(&mut tx, &may, None).await.unwrap();
        let day = tx.commit(day).await.unwrap();
        assert!(!day.items.is_empty());
        for item in day.items {
            assert!(site.demo.visits.iter().any(|visit| visit.visit_id == item.visit_id), "a visit of another clinic");
        }
    }
    world.records.close().await;
    let open: i64 = world.look("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'").await;
    assert_eq!(open, 0);
    println!(
        "{requests} requests, {} cut off before their answer: 0 open transactions, 0 foreign rows",
        requests - finished
    );
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
