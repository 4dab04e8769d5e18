//! The demonstration's seed.

use records::demo::{Demo, DemoSite, VISITS_DUE, seed};
use records::{join, testing::TestDatabase};
use time::Duration;

use crate::cast::{NOW, World, check_in, sign_in, store, whole_visit};

fn links(demo: &Demo) -> Vec<&str> {
    demo.visits.iter().map(|visit| visit.patient_link.as_str()).collect()
}

#[tokio::test]
async fn a_second_start_keeps_everything_and_the_file_that_was_written() {
    let db = TestDatabase::new().await;
    let first = seed(&db.records(), DemoSite::Riverside, None, "http://127.0.0.1:8080", NOW).await.unwrap();
    assert_eq!(first.visits.len(), VISITS_DUE);
    let written = serde_json::to_string(&first).unwrap();
    let read: Demo = serde_json::from_str(&written).unwrap();
    let second =
        seed(&db.records(), DemoSite::Riverside, Some(read), "http://127.0.0.1:8080", NOW + Duration::minutes(1))
            .await
            .unwrap();
    assert_eq!(serde_json::to_string(&second).unwrap(), written);
    for account in [&second.provider, &second.clinic_admin, &second.compliance, &second.front_desk] {
        sign_in(&db.records(), account, NOW).await;
    }
    let elsewhere =
        seed(&db.records(), DemoSite::Riverside, Some(second), "https://visits.example.org", NOW).await.unwrap();
    assert!(links(&elsewhere).iter().all(|link| link.starts_with("https://visits.example.org/v/")));
}

#[tokio::test]
async fn there_are_always_three_visits_due_whose_links_work() {
    let world = World::new().await;
    let site = &world.riverside;
    check_in(&world, site, 0).await;
    store(&world, site, 0, &whole_visit(site, 0, "bye")).await;
    let mut demo =
        seed(&world.records, DemoSite::Riverside, Some(site.demo.clone()), "http://127.0.0.1:8080", NOW).await.unwrap();
    assert_eq!(demo.visits.len(), VISITS_DUE);
    assert!(demo.visits.iter().all(|visit| visit.visit_id != site.visit(0)), "one that ended is replaced");
    assert!(links(&demo).contains(&site.demo.visits[1].patient_link.as_str()), "one that did not is kept");
    for hours in [1, 3, 4, 30, 31] {
        let now = NOW + Duration::hours(hours);
        demo = seed(&world.records, DemoSite::Riverside, Some(demo), "http://127.0.0.1:8080", now).await.unwrap();
        assert_eq!(demo.visits.len(), VISITS_DUE, "{hours} hours later");
        for visit in &demo.visits {
            let token = visit.patient_link.rsplit_once('/').unwrap().1;
            assert!(join::open(&world.records, token, now).await.unwrap().is_some(), "{hours} hours later");
        }
    }
}

#[tokio::test]
async fn a_lost_file_gives_new_secrets_and_working_visits() {
    let world = World::new().await;
    let again = seed(&world.records, DemoSite::Riverside, None, "http://127.0.0.1:8080", NOW).await.unwrap();
    assert_ne!(again.provider.password, world.riverside.demo.provider.password);
    assert_eq!(again.patients.len(), 4);
    sign_in(&world.records, &again.provider, NOW).await;
    let staff: i64 = world.look("SELECT count(*) FROM staff").await;
    assert_eq!(staff, 8);
}
