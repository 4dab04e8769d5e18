//! Months of the log: made ahead, kept for seven years, dropped with their hashes kept.

use std::borrow::Cow;

use records::audit::{DropError, Fault, drop_month, make_months_ahead, month};
use records::testing::TestDatabase;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::tree::Log;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations");
const BY_MONTH: i64 = 20_261_124_050_000;

#[tokio::test]
async fn a_month_goes_after_seven_years_its_hashes_stay_and_the_drop_is_logged() {
    let log = Log::sealed(1, 10).await;
    log.db
        .execute_as_owner(
            "SELECT make_audit_month('2015-03-01');
             INSERT INTO audit_event (at, actor_kind, actor_role, action, resource_type, outcome)
             SELECT timestamptz '2015-03-10 12:00Z' + n * interval '1 day', 'system', 'test', 'old.event', 'clinic', 'allowed' FROM generate_series(1, 5) n",
        )
        .await;
    let records = log.db.records();
    let old = month("2015-03").unwrap();
    assert!(matches!(drop_month(&records, old).await, Err(DropError::Unsealed)));
    let mut sealer = log.sealer().await;
    log.seal_to(&mut sealer, 15).await;
    assert_eq!(drop_month(&records, old).await.unwrap(), 5);
    assert!(matches!(drop_month(&records, old).await, Err(DropError::None)));
    log.seal_to(&mut sealer, 16).await;
    let report = log.verify().await;
    assert_eq!((report.faults.clone(), report.rows, report.dropped, report.sealed), (vec![], 11, 5, 16));
    let logged: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM audit_event WHERE action = 'audit.month_dropped' AND detail->>'month' = '2015-03'",
    )
    .fetch_one(&mut log.db.owner().await)
    .await
    .unwrap();
    assert_eq!(logged, 1);
    // What is left is still watched.
    log.tamper("DELETE FROM audit_event WHERE seq = 4").await;
    assert!(matches!(log.verify().await.faults[..], [Fault::Removed { seq: 4, .. }]));
}

#[tokio::test]
async fn a_month_that_is_younger_is_kept_by_command_and_by_database_and_a_false_drop_hides_nothing() {
    let log = Log::sealed(1, 10).await;
    let early = drop_month(&log.db.records(), month("2026-11").unwrap()).await.unwrap_err();
    assert!(matches!(early, DropError::TooEarly(_)), "{early}");
    assert!(early.to_string().contains("kept until 2033-12-01"), "{early}");
    let mut owner = log.db.owner().await;
    assert!(owner.execute("SELECT drop_audit_month('2026-11-01')").await.is_err(), "not even the owner");
    assert!(owner.execute("TRUNCATE audit_event_2026_11").await.is_err(), "nor so");
    assert!(owner.execute("TRUNCATE audit_event").await.is_err(), "nor so");
    log.tamper(
        "INSERT INTO audit_month_dropped VALUES ('2026-11-01', '2026-11-01Z', '2026-12-01Z', 10, now()); DELETE FROM audit_event",
    )
    .await;
    let removed = log.verify().await.faults.iter().filter(|fault| matches!(fault, Fault::Removed { .. })).count();
    assert_eq!(removed, 10);
}

#[tokio::test]
async fn months_are_made_ahead_also_after_a_long_pause_and_the_app_reaches_none_directly() {
    let db = TestDatabase::new().await;
    let count = async || -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM pg_inherits WHERE inhparent = 'audit_event'::regclass")
            .fetch_one(&mut db.owner().await)
            .await
            .unwrap()
    };
    let before = count().await;
    db.execute_as_owner(
        "DO $$ DECLARE t regclass; BEGIN
            FOR t IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'audit_event'::regclass ORDER BY inhrelid::regclass::text DESC LIMIT 2 LOOP
                EXECUTE format('DROP TABLE %s', t);
            END LOOP;
         END $$",
    )
    .await;
    make_months_ahead(&db.records()).await.unwrap();
    assert_eq!(count().await, before);
    let refused = db.app().await.execute("SELECT count(*) FROM audit_event_2026_11").await.unwrap_err().to_string();
    assert!(refused.contains("permission denied"), "{refused}");
    // Nor may it choose a number, or a transaction.
    for column in ["seq", "xid"] {
        let sql = format!(
            "SELECT set_config('bedside.clinic_id', gen_random_uuid()::text, false);
             INSERT INTO audit_event ({column}, at, clinic_id, actor_kind, actor_role, action, resource_type, outcome)
             VALUES ('7', now(), current_clinic(), 'system', 'x', 'x', 'x', 'allowed')"
        );
        let refused = db.app().await.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap_err().to_string();
        assert!(refused.contains("permission denied"), "{column}: {refused}");
    }
}

#[tokio::test]
async fn a_log_from_before_months_and_seals_keeps_its_rows_and_their_order() {
    let server = TestDatabase::new().await;
    let name = format!("before_{}", uuid::Uuid::new_v4().simple());
    server.execute_as_owner(&format!("CREATE DATABASE {name}")).await;
    let url = server.owner_url();
    let (address, rest) = url.split_once("?").map_or((url.as_str(), ""), |(address, rest)| (address, rest));
    let url = format!("{}/{name}?{rest}", address.rsplit_once('/').unwrap().0);
    let mut owner = PgConnection::connect(&url).await.unwrap();
    let before: Vec<_> = MIGRATIONS.iter().filter(|migration| migration.version < BY_MONTH).cloned().collect();
    let old = sqlx::migrate::Migrator { migrations: Cow::Owned(before), ..sqlx::migrate::Migrator::DEFAULT };
    old.run_direct(None, &mut owner, false).await.unwrap();
    owner
        .execute(
            "INSERT INTO audit_event (at, actor_kind, actor_role, action, resource_type, outcome, detail)
             SELECT timestamptz '2025-11-30 12:00Z' + (n * 7 % 40) * interval '10 days', 'system', 'test', 'event.' || n, 'clinic', 'allowed', jsonb_build_object('n', n)
             FROM generate_series(1, 50) n;
             SELECT nextval(pg_get_serial_sequence('audit_event', 'seq'))",
        )
        .await
        .unwrap();
    let sum =
        "SELECT md5(string_agg(seq || '|' || at || '|' || action || '|' || detail, ',' ORDER BY seq)) FROM audit_event";
    let was: String = sqlx::query_scalar(sum).fetch_one(&mut owner).await.unwrap();
    records::migrate(&url).await.unwrap();
    let mut owner_again = PgConnection::connect(&url).await.unwrap();
    let is: String = sqlx::query_scalar(sum).fetch_one(&mut owner_again).await.unwrap();
    assert_eq!(is, was);
    let (rows, ordered): (i64, bool) = sqlx::query_as(
        "SELECT count(*), bool_and(seq > before) IS NOT FALSE FROM (SELECT seq, lag(seq) OVER (ORDER BY xid, seq) AS before FROM audit_event) x",
    )
    .fetch_one(&mut owner_again)
    .await
    .unwrap();
    assert_eq!((rows, ordered), (50, true), "sealed in the order in which they were numbered");
    let next: i64 =
        sqlx::query_scalar("SELECT nextval('audit_event_number')").fetch_one(&mut owner_again).await.unwrap();
    assert!(next > 50);
    owner.close().await.unwrap();
    owner_again.close().await.unwrap();
    server.execute_as_owner(&format!("DROP DATABASE {name} WITH (FORCE)")).await;
}
