//! Rules that every table keeps, also those of later migrations.

use records::testing::TestDatabase;
use sqlx::Row;

/// Tables without a clinic, and why.
const WITHOUT_CLINIC: &[(&str, &str)] = &[
    ("_sqlx_migrations", "the schema's own history; the app role can't see it"),
    ("consent_text", "published texts, the same for everyone"),
    ("sign_in_account", "counts failures also of accounts that don't exist; holds hashes only"),
    ("sign_in_failure", "counts failures also of accounts that don't exist; holds hashes only"),
];

/// Tables whose rows are evidence.
const EVIDENCE: &[&str] =
    &["audit_event", "visit_event", "consent", "note_revision", "note_addendum", "quality_sample", "consent_text"];

#[tokio::test]
async fn every_table_has_a_clinic_and_a_forced_row_level_policy() {
    let db = TestDatabase::new().await;
    let tables = sqlx::query(
        "SELECT c.relname::text AS name, c.relrowsecurity AND c.relforcerowsecurity AS forced,
                EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'clinic_id') AS has_clinic,
                EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polcmd = '*'
                        AND pg_get_expr(p.polqual, c.oid) = '(clinic_id = current_clinic())'
                        AND pg_get_expr(p.polwithcheck, c.oid) = '(clinic_id = current_clinic())') AS has_policy
         FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1",
    )
    .fetch_all(&mut db.owner().await)
    .await
    .unwrap();
    assert!(tables.len() > 20);
    for table in tables {
        let name: String = table.get("name");
        let isolated =
            table.get::<bool, _>("forced") && table.get::<bool, _>("has_clinic") && table.get::<bool, _>("has_policy");
        let excepted = WITHOUT_CLINIC.iter().any(|(table, _)| *table == name);
        assert_ne!(isolated, excepted, "{name}: row-level security by clinic, or a reason why not");
    }
}

#[tokio::test]
async fn every_foreign_key_has_an_index_that_begins_with_its_columns() {
    let db = TestDatabase::new().await;
    let bare: Vec<String> = sqlx::query_scalar(
        "SELECT k.conrelid::regclass::text || ' ' || pg_get_constraintdef(k.oid) FROM pg_constraint k
         WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace AND NOT EXISTS (
             SELECT FROM pg_index i WHERE i.indrelid = k.conrelid
               AND (i.indkey::smallint[])[0:cardinality(k.conkey) - 1] @> k.conkey AND k.conkey @> (i.indkey::smallint[])[0:cardinality(k.conkey) - 1])",
    )
    .fetch_all(&mut db.owner().await)
    .await
    .unwrap();
    assert_eq!(bare, Vec::<String>::new());
}

#[tokio::test]
async fn the_app_role_owns_nothing_and_never_changes_evidence() {
    let db = TestDatabase::new().await;
    let mut app = db.app().await;
    let powers: (bool, bool, bool, bool) = sqlx::query_as(
        "SELECT rolsuper, rolbypassrls, rolcreaterole, EXISTS (SELECT FROM pg_class WHERE relowner = r.oid) FROM pg_roles r WHERE rolname = current_user",
    )
    .fetch_one(&mut app)
    .await
    .unwrap();
    assert_eq!(powers, (false, false, false, false));
    for table in EVIDENCE {
        for power in ["UPDATE", "DELETE", "TRUNCATE"] {
            let has: bool = sqlx::query_scalar("SELECT has_table_privilege($1, $2)")
                .bind(table)
                .bind(power)
                .fetch_one(&mut app)
                .await
                .unwrap();
            assert!(!has, "{power} on {table}");
        }
    }
    // Not even single columns.
    let columns: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM information_schema.column_privileges WHERE grantee = 'bedside_app' AND privilege_type = 'UPDATE' AND table_name = ANY($1)",
    )
    .bind(EVIDENCE)
    .fetch_one(&mut app)
    .await
    .unwrap();
    assert_eq!(columns, 0);
}

#[tokio::test]
async fn every_binary_column_is_known_as_sealed_or_it_is_said_why_it_is_not() {
    let db = TestDatabase::new().await;
    let columns: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname || '.' || a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname NOT LIKE '\\_%'
           AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid IN ('bytea'::regtype, 'bytea[]'::regtype)
         ORDER BY 1",
    )
    .fetch_all(&mut db.owner().await)
    .await
    .unwrap();
    let not_sealed = records::keys::NOT_SEALED.iter().map(|(column, _)| *column);
    let mut known: Vec<&str> = records::keys::sealed_columns().into_iter().chain(not_sealed).collect();
    known.sort_unstable();
    assert_eq!(columns, known, "a line in records/src/sealed_columns.rs for each, so that rotation finds it");
}

#[tokio::test]
async fn a_role_that_could_go_around_row_level_security_is_refused() {
    let db = TestDatabase::new().await;
    let keys = records::KeyRing::open(&db.key_ring_path()).unwrap();
    let refused =
        records::Records::connect(&db.owner_url(), keys).await.err().expect("the owner must be refused").to_string();
    assert!(refused.contains("connect as bedside_app"), "{refused}");
}
