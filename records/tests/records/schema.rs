//! Rules that every table keeps, also those of later migrations.

use records::testing::TestDatabase;
use sqlx::Row;

/// Tables without a clinic, and why.
const WITHOUT_CLINIC: &[(&str, &str)] = &[
    ("_sqlx_migrations", "the schema's own history; the app role can't see it"),
    ("consent_text", "published texts, the same for everyone"),
    ("audit_seal", "the tree over the log of the whole installation; holds hashes, numbers and times only"),
    ("audit_verification", "what verifying the log of the whole installation found; names rows by number and time"),
    ("audit_month_dropped", "months of the log of the whole installation that are past their retention"),
    ("sign_in_account", "counts failures also of accounts that don't exist; holds hashes only"),
    ("sign_in_failure", "counts failures also of accounts that don't exist; holds hashes only"),
];

/// Tables whose rows are evidence.
const EVIDENCE: &[&str] = &[
    "audit_event",
    "audit_seal",
    "audit_verification",
    "audit_month_dropped",
    "visit_event",
    "consent",
    "note_revision",
    "note_addendum",
    "quality_sample",
    "consent_text",
    "patient_revision",
    "chart_revision",
];

/// Policies beside the one by clinic. Policies of a table are alternatives, so each of these is a hole, and has a reason.
const FURTHER_POLICIES: &[(&str, &str, &str)] = &[
    ("audit_event", "no_clinic", "failed sign-ins to accounts that don't exist are inserted; nobody reads them"),
    ("audit_event", "sealing", "the sealer and the verifier read all rows to hash them"),
    ("clinic", "listed", "the server's own work goes through all clinics"),
    ("join_link", "presented", "found by the token's hash before the clinic is known"),
    ("portal_link", "presented", "found by the token's hash before the clinic is known"),
    ("portal_email_change", "presented", "found by the token's hash before the clinic is known"),
    ("portal_session", "presented", "found by the token's hash before the clinic is known"),
    ("session", "presented", "found by the token's hash before the clinic is known"),
    ("staff", "presented", "found by the e-mail address at sign-in, before the clinic is known"),
    ("staff_link", "presented", "found by the token's hash before the clinic is known"),
    ("visit_guest", "presented", "found by the token's hash before the clinic is known"),
];

/// Functions that act with their owner's rights, and why.
const WITH_OWNERS_RIGHTS: &[(&str, &str)] = &[
    ("make_audit_month", "makes an empty table; the app role may not even call it"),
    ("make_audit_months_ahead", "makes empty tables of the months to come"),
    (
        "reseal",
        "puts a value under a later key in its place; checks the clinic, both keys and that nothing else changes",
    ),
    ("drop_audit_month", "drops what is past its retention, by the database's clock; gives out how many rows"),
];

/// What this database's tables do wrong, a line each.
async fn faults(db: &TestDatabase) -> Vec<String> {
    let mut owner = db.owner().await;
    let mut faults = Vec::new();
    let tables = sqlx::query(
        "SELECT c.relname::text AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
                EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'clinic_id' AND NOT a.attisdropped) AS has_clinic,
                EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polcmd = '*'
                        AND pg_get_expr(p.polqual, c.oid) = '(clinic_id = current_clinic())'
                        AND pg_get_expr(p.polwithcheck, c.oid) = '(clinic_id = current_clinic())') AS has_policy,
                has_table_privilege('bedside_app', c.oid, 'SELECT') OR has_any_column_privilege('bedside_app', c.oid, 'SELECT') AS granted,
                has_table_privilege('bedside_app', c.oid, 'TRUNCATE') OR has_table_privilege('bedside_app', c.oid, 'TRIGGER')
                OR has_table_privilege('bedside_app', c.oid, 'REFERENCES') AS too_much,
                c.relispartition AS part
         FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    assert!(tables.len() > 20);
    for table in tables {
        let name: String = table.get("name");
        let is = |what: &str| table.get::<bool, _>(what);
        if is("too_much") {
            faults.push(format!("{name}: the app role may truncate it, refer to it or hang triggers on it"));
        }
        if WITHOUT_CLINIC.iter().any(|(excepted, _)| *excepted == name) {
            if is("has_clinic") {
                faults.push(format!("{name}: has a clinic and is excepted all the same"));
            }
            continue;
        }
        for (has, missing) in [
            (is("has_clinic"), "no clinic_id"),
            (is("enabled"), "row-level security is not enabled"),
            (is("forced"), "row-level security is not forced on its owner"),
            (is("has_policy"), "no policy by clinic for all commands"),
            (is("granted") || is("part"), "the app role can't read it"),
            (!is("granted") || !is("part"), "a part of a table, which the app role reaches directly"),
        ] {
            if !has {
                faults.push(format!("{name}: {missing}"));
            }
        }
    }
    let further: Vec<(String, String)> = sqlx::query_as(
        "SELECT c.relname::text, p.polname::text FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
         WHERE NOT (p.polcmd = '*' AND pg_get_expr(p.polqual, c.oid) = '(clinic_id = current_clinic())'
                    AND pg_get_expr(p.polwithcheck, c.oid) = '(clinic_id = current_clinic())') ORDER BY 1, 2",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    for (table, policy) in further {
        if !FURTHER_POLICIES.iter().any(|(on, name, _)| *on == table && *name == policy) {
            faults.push(format!("{table}: the policy {policy} lets more through than the clinic's own rows"));
        }
    }
    let bare: Vec<String> = sqlx::query_scalar(
        "SELECT k.conrelid::regclass::text || ': no index for ' || pg_get_constraintdef(k.oid) FROM pg_constraint k
         WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace AND NOT EXISTS (
             SELECT FROM pg_index i WHERE i.indrelid = k.conrelid
               AND (i.indkey::smallint[])[0:cardinality(k.conkey) - 1] @> k.conkey AND k.conkey @> (i.indkey::smallint[])[0:cardinality(k.conkey) - 1])",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    faults.extend(bare);
    let elevated: Vec<String> = sqlx::query_scalar(
        "SELECT p.proname::text FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef
         UNION ALL SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('v', 'm')
           AND NOT coalesce(c.reloptions @> '{security_invoker=true}', false)",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    for name in elevated.into_iter().filter(|name| !WITH_OWNERS_RIGHTS.iter().any(|(known, _)| known == name)) {
        faults.push(format!("{name}: acts with its owner's rights, and so around row-level security"));
    }
    faults
}

#[tokio::test]
async fn every_table_of_the_schema_is_isolated_granted_and_indexed() {
    let db = TestDatabase::new().await;
    assert_eq!(faults(&db).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_table_that_breaks_the_schemas_rules_is_found() {
    let db = TestDatabase::new().await;
    let isolate = |table: &str| {
        format!(
            "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
             CREATE POLICY own_clinic ON {table} USING (clinic_id = current_clinic()) WITH CHECK (clinic_id = current_clinic());
             GRANT SELECT ON {table} TO bedside_app;"
        )
    };
    for (make, fault) in [
        ("CREATE TABLE bad (x int);".to_owned(), "bad: no clinic_id"),
        ("CREATE TABLE bad (clinic_id uuid);".to_owned(), "bad: row-level security is not enabled"),
        (
            "CREATE TABLE bad (clinic_id uuid); ALTER TABLE bad ENABLE ROW LEVEL SECURITY;".to_owned(),
            "bad: row-level security is not forced on its owner",
        ),
        (
            "CREATE TABLE bad (clinic_id uuid); CREATE POLICY own_clinic ON bad FOR SELECT USING (clinic_id = current_clinic());"
                .to_owned(),
            "bad: no policy by clinic for all commands",
        ),
        (
            "CREATE TABLE bad (clinic_id uuid); CREATE POLICY own_clinic ON bad USING (clinic_id = current_clinic()) WITH CHECK (true);"
                .to_owned(),
            "bad: no policy by clinic for all commands",
        ),
        (
            format!("CREATE TABLE bad (clinic_id uuid); {} CREATE POLICY all_rows ON bad USING (true);", isolate("bad")),
            "bad: the policy all_rows lets more through than the clinic's own rows",
        ),
        (
            format!("CREATE TABLE bad (clinic_id uuid); {} REVOKE SELECT ON bad FROM bedside_app;", isolate("bad")),
            "bad: the app role can't read it",
        ),
        (
            format!("CREATE TABLE bad (clinic_id uuid); {} GRANT TRUNCATE ON bad TO bedside_app;", isolate("bad")),
            "bad: the app role may truncate it, refer to it or hang triggers on it",
        ),
        (
            format!("CREATE TABLE bad (clinic_id uuid REFERENCES clinic); {}", isolate("bad")),
            "bad: no index for FOREIGN KEY (clinic_id) REFERENCES clinic(clinic_id)",
        ),
        ("CREATE VIEW bad AS SELECT * FROM patient;".to_owned(), "bad: acts with its owner's rights, and so around row-level security"),
        (
            "CREATE FUNCTION bad() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM patient';".to_owned(),
            "bad: acts with its owner's rights, and so around row-level security",
        ),
    ] {
        db.execute_as_owner(&make).await;
        let found = faults(&db).await;
        assert!(found.iter().any(|found| found == fault), "{make}\nshould be {fault:?}; found {found:?}");
        let drop = if make.starts_with("CREATE VIEW") {
            "DROP VIEW bad"
        } else if make.starts_with("CREATE FUNCTION") {
            "DROP FUNCTION bad"
        } else {
            "DROP TABLE bad"
        };
        db.execute_as_owner(drop).await;
    }
    db.execute_as_owner(&format!("CREATE TABLE good (clinic_id uuid); {}", isolate("good"))).await;
    assert_eq!(faults(&db).await, Vec::<String>::new());
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
