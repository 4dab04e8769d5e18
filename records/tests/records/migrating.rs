//! Databases of other versions.

use records::testing::TestDatabase;
use records::{MigrateError, migrate};

#[tokio::test]
async fn migrating_twice_changes_nothing() {
    let db = TestDatabase::new().await;
    migrate(&db.owner_url()).await.unwrap();
    migrate(&db.owner_url()).await.unwrap();
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_in_one_line_and_left_alone() {
    let db = TestDatabase::new().await;
    db.execute_as_owner(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (29990101000000, 'future', true, '', 0)",
    )
    .await;
    let versions = async || -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations").fetch_one(&mut db.owner().await).await.unwrap()
    };
    let before = versions().await;
    let refused = migrate(&db.owner_url()).await.expect_err("must be refused");
    assert!(matches!(refused, MigrateError::Newer(29_990_101_000_000)));
    assert!(!refused.to_string().contains('\n'));
    assert_eq!(versions().await, before);
}

#[tokio::test]
async fn a_migration_that_was_edited_after_it_ran_is_refused() {
    let db = TestDatabase::new().await;
    db.execute_as_owner("UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 20261122000000").await;
    assert!(matches!(migrate(&db.owner_url()).await, Err(MigrateError::Changed(20_261_122_000_000))));
}
