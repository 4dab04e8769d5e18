//! Row-level security as the app role meets it, on every table, behind all of `records`.

use sqlx::{Connection, Row};

use crate::cast::{World, check_in, store, whole_visit};

/// Every table that has a clinic, with rows of both clinics in it.
async fn filled() -> (World, Vec<String>) {
    let world = World::new().await;
    for site in [&world.riverside, &world.lakeside] {
        check_in(&world, site, 0).await;
        store(&world, site, 0, &whole_visit(site, 0, "hello")).await;
        crate::notes::write_and_sign(&world, site, 0).await;
        crate::measuring::some_samples(&world, site, 0).await;
        crate::booking::book(&world, site, "key-1").await;
        crate::cast::sign_in(&world.records, &site.demo.provider, crate::cast::NOW).await;
        let mut tx =
            world.records.begin(records::RequestContext::system("test", site.clinic, crate::cast::NOW)).await.unwrap();
        let assigned = records::staff::assign(&mut tx, site.provider, site.patient(0)).await.unwrap();
        tx.commit(assigned).await.unwrap();
        let renewed = records::keys::Scope::Patient(site.patient(0));
        records::keys::rotate(&world.records, renewed, &|| crate::cast::NOW, |_| ()).await.unwrap();
    }
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'clinic_id'
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' ORDER BY 1",
    )
    .fetch_all(&mut world.db.owner().await)
    .await
    .unwrap();
    assert!(tables.len() >= 20, "{tables:?}");
    (world, tables)
}

#[tokio::test]
async fn no_table_shows_a_row_without_a_clinic_or_another_clinics_row() {
    let (world, tables) = filled().await;
    let mut app = world.db.app().await;
    for table in &tables {
        let count = format!(
            "SELECT count(*), count(*) FILTER (WHERE clinic_id IS DISTINCT FROM current_clinic()) FROM {table}"
        );
        let mut seen = async |clinic: &str| -> (i64, i64) {
            let mut tx = app.begin().await.unwrap();
            sqlx::query("SELECT set_config('bedside.clinic_id', $1, true)")
                .bind(clinic)
                .execute(&mut *tx)
                .await
                .unwrap();
            sqlx::query_as(sqlx::AssertSqlSafe(count.clone())).fetch_one(&mut *tx).await.unwrap()
        };
        assert_eq!(seen("").await, (0, 0), "{table} without a clinic");
        assert_eq!(seen(&uuid::Uuid::nil().to_string()).await, (0, 0), "{table} of a clinic that is none");
        for site in [&world.riverside, &world.lakeside] {
            let (own, foreign) = seen(&site.clinic.to_string()).await;
            assert!(own > 0, "{table} was not filled, so nothing is shown here");
            assert_eq!(foreign, 0, "{table}");
        }
    }
}

#[tokio::test]
async fn no_table_takes_another_clinics_row() {
    let (world, tables) = filled().await;
    let (mut owner, mut app) = (world.db.owner().await, world.db.app().await);
    for table in &tables {
        let pick = format!("SELECT to_jsonb(t) AS row FROM {table} t WHERE clinic_id = $1 LIMIT 1");
        let row: serde_json::Value = sqlx::query(sqlx::AssertSqlSafe(pick))
            .bind(world.lakeside.clinic.0)
            .fetch_one(&mut owner)
            .await
            .unwrap()
            .get("row");
        let mut tx = app.begin().await.unwrap();
        sqlx::query("SELECT set_config('bedside.clinic_id', $1, true)")
            .bind(world.riverside.clinic.to_string())
            .execute(&mut *tx)
            .await
            .unwrap();
        let put = format!(
            "INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM jsonb_populate_record(NULL::{table}, $1)"
        );
        let refused =
            sqlx::query(sqlx::AssertSqlSafe(put)).bind(row).execute(&mut *tx).await.expect_err(table).to_string();
        assert!(refused.contains("row-level security"), "{table}: {refused}");
    }
}

#[tokio::test]
async fn a_reference_to_another_clinics_row_is_refused_though_foreign_keys_go_around_row_level_security() {
    let world = World::new().await;
    let mut app = world.db.app().await;
    let mut tx = app.begin().await.unwrap();
    sqlx::query("SELECT set_config('bedside.clinic_id', $1, true)")
        .bind(world.riverside.clinic.to_string())
        .execute(&mut *tx)
        .await
        .unwrap();
    let refused = sqlx::query(
        "INSERT INTO care_assignment (care_assignment_id, clinic_id, staff_id, patient_id, from_at) VALUES (gen_random_uuid(), $1, $2, $3, now())",
    )
    .bind(world.riverside.clinic.0)
    .bind(world.riverside.provider.0)
    .bind(world.lakeside.patient(0).0)
    .execute(&mut *tx)
    .await
    .expect_err("another clinic's patient")
    .to_string();
    assert!(refused.contains("foreign key"), "{refused}");
}
