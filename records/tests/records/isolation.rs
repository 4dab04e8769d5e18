//! Row-level security as the app role meets it, on every table, behind all of `records`.

use sqlx::{Connection, Executor, Row};

use crate::cast::{World, check_in, store, whole_visit};

/// A day's work in both clinics.
pub async fn worked() -> World {
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
        crate::forgetting::hold(&world, site, site.patient(0), "a lawsuit").await.unwrap();
    }
    world
}

/// Every table that has a clinic, by the catalogue, with rows of both clinics in it: those of a day's work, and made-up
/// ones in tables that the day's work does not touch. What is looked at here is who sees a row, not what it says, so the
/// made-up ones satisfy no check constraint, reference or trigger.
async fn filled() -> (World, Vec<String>) {
    let world = worked().await;
    let mut owner = world.db.owner().await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'clinic_id' AND NOT a.attisdropped
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    assert!(tables.len() >= 24, "{tables:?}");
    for table in &tables {
        make_up_missing(&mut owner, table, &[world.riverside.clinic.0, world.lakeside.clinic.0]).await;
    }
    (world, tables)
}

/// A row for each clinic that has none in `table`.
async fn make_up_missing(owner: &mut sqlx::PgConnection, table: &str, clinics: &[uuid::Uuid]) {
    let missing: Vec<uuid::Uuid> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
        "SELECT c FROM unnest($1::uuid[]) c WHERE NOT EXISTS (SELECT FROM {table} WHERE clinic_id = c)"
    )))
    .bind(clinics)
    .fetch_all(&mut *owner)
    .await
    .unwrap();
    if missing.is_empty() {
        return;
    }
    let checks: Vec<String> = sqlx::query_scalar(
        "SELECT format('ALTER TABLE %I DROP CONSTRAINT %I', c.relname, k.conname) FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
         WHERE c.relnamespace = 'public'::regnamespace AND c.relname = $1 AND k.contype = 'c'",
    )
    .bind(table)
    .fetch_all(&mut *owner)
    .await
    .unwrap();
    for drop in checks {
        owner.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(drop))).await.unwrap();
    }
    let columns: Vec<(String, String)> = sqlx::query_as(
        "SELECT quote_ident(a.attname), format_type(a.atttypid, NULL) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
         WHERE c.relnamespace = 'public'::regnamespace AND c.relname = $1 AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull
           AND a.attidentity = '' AND a.attgenerated = '' AND NOT a.atthasdef AND a.attname <> 'clinic_id' ORDER BY a.attnum",
    )
    .bind(table)
    .fetch_all(&mut *owner)
    .await
    .unwrap();
    let values = columns.iter().map(|(name, kind)| match kind.as_str() {
        "uuid" => "gen_random_uuid()",
        "text" => "gen_random_uuid()::text",
        "bytea" => "sha256(gen_random_uuid()::text::bytea)",
        "timestamp with time zone" => "now()",
        "date" => "current_date",
        "boolean" => "false",
        "smallint" | "integer" | "bigint" | "real" | "double precision" => "1",
        "jsonb" => "'{}'",
        "inet" => "'192.0.2.1'",
        kind if kind.ends_with("[]") => "'{}'",
        other => panic!("{table}.{name}: make up a value of type {other} here"),
    });
    let (names, values): (Vec<&str>, Vec<&str>) = columns.iter().map(|(name, _)| name.as_str()).zip(values).unzip();
    let insert = format!(
        "INSERT INTO {table} ({}) SELECT {} FROM unnest($1::uuid[]) c",
        ["clinic_id"].iter().chain(&names).copied().collect::<Vec<_>>().join(", "),
        ["c"].iter().chain(&values).copied().collect::<Vec<_>>().join(", "),
    );
    owner.execute("SET session_replication_role = replica").await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(insert)).bind(&missing).execute(&mut *owner).await.unwrap();
    owner.execute("SET session_replication_role = origin").await.unwrap();
}

/// A transaction of the app role for `clinic`.
async fn as_app<'c>(app: &'c mut sqlx::PgConnection, clinic: &str) -> sqlx::Transaction<'c, sqlx::Postgres> {
    let mut tx = app.begin().await.unwrap();
    sqlx::query("SELECT set_config('bedside.clinic_id', $1, true)").bind(clinic).execute(&mut *tx).await.unwrap();
    tx
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
            let mut tx = as_app(&mut app, clinic).await;
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
        for clinic in [world.riverside.clinic.to_string(), String::new()] {
            let mut tx = as_app(&mut app, &clinic).await;
            let put = format!(
                "INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM jsonb_populate_record(NULL::{table}, $1)"
            );
            let refused =
                sqlx::query(sqlx::AssertSqlSafe(put)).bind(&row).execute(&mut *tx).await.expect_err(table).to_string();
            let by_clinic = refused.contains("row-level security");
            assert!(by_clinic || refused.contains("permission denied"), "{table}: {refused}");
        }
    }
}

#[tokio::test]
async fn no_row_moves_to_another_clinic_and_no_foreign_row_changes() {
    let (world, tables) = filled().await;
    let mut app = world.db.app().await;
    let (own, foreign) = (world.riverside.clinic, world.lakeside.clinic);
    let mut changeable = 0;
    for table in &tables {
        let mut run = async |sql: String| {
            let mut tx = as_app(&mut app, &own.to_string()).await;
            sqlx::query(sqlx::AssertSqlSafe(sql)).bind(foreign.0).execute(&mut *tx).await
        };
        let moved = run(format!("UPDATE {table} SET clinic_id = $1")).await.expect_err(table).to_string();
        // By row-level security, for lack of a grant, or by a trigger that keeps evidence: one is enough.
        changeable += i32::from(moved.contains("row-level security"));
        for change in [
            format!("UPDATE {table} SET clinic_id = clinic_id WHERE clinic_id = $1"),
            format!("DELETE FROM {table} WHERE clinic_id = $1"),
        ] {
            match run(change.clone()).await {
                Ok(done) => assert_eq!(done.rows_affected(), 0, "{change}"),
                Err(refused) => assert!(refused.to_string().contains("permission denied"), "{change}: {refused}"),
            }
        }
    }
    assert!(changeable > 5, "most tables were refused for lack of a grant only: nothing is shown here");
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
