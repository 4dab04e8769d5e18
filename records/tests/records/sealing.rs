//! Patients' data at rest: nowhere in clear, and nowhere but in their own place.

use records::action::{ReadNote, ReadVisit, SearchPatients};
use records::patients::Wanted;
use records::{Error, notes, patients, visits};

use crate::cast::{World, check_in, store, whole_visit};

const CHAT: &str = "zebra-canary-chat";

/// All of the database as text, also what stands in binary columns.
async fn dump(world: &World) -> String {
    let mut owner = world.db.owner().await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    let mut all = String::new();
    for table in tables {
        let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT t::text FROM {table} t")))
            .fetch_all(&mut owner)
            .await
            .unwrap();
        all.push_str(&rows.join("\n"));
    }
    all
}

#[tokio::test]
async fn no_word_of_a_patient_stands_in_any_table() {
    let world = World::new().await;
    let site = &world.riverside;
    check_in(&world, site, 0).await;
    store(&world, site, 0, &whole_visit(site, 0, CHAT)).await;
    crate::notes::write_and_sign(&world, site, 0).await;
    let booked = crate::booking::book(&world, site, "key-1").await;
    let all = dump(&world).await;

    let mut secrets: Vec<&str> = vec![
        CHAT,
        crate::notes::BODY,
        crate::notes::ADDENDUM,
        crate::booking::REASON,
        "Canary Row",
        "555-0199",
        &booked.link.token,
        site.token(0),
        &site.demo.provider.password,
        &site.demo.provider.totp_secret,
    ];
    for patient in &site.demo.patients {
        secrets.extend([patient.name.as_str(), patient.date_of_birth.as_str(), patient.mrn.as_str()]);
        secrets.extend(patient.name.split(' '));
    }
    for secret in secrets {
        assert!(!all.contains(secret), "{secret} stands in the database");
        assert!(!all.contains(&hex::encode(secret)), "{secret} stands in the database");
    }
    // The search finds what does stand there.
    assert!(all.contains("Dr. Maya Chen"));
}

/// Damages rows behind the triggers' back.
async fn damage(world: &World, sql: &str) {
    world.db.execute_as_owner(&format!("SET session_replication_role = replica; {sql}")).await;
}

#[tokio::test]
async fn a_name_moved_to_another_patient_or_column_does_not_open() {
    let world = World::new().await;
    let site = &world.riverside;
    let [a, b] = [site.demo.patients[0].patient_id, site.demo.patients[1].patient_id];
    let open = async || {
        let mut tx = world.records.begin(site.as_front_desk()).await.unwrap();
        let may = tx.authorize(SearchPatients).await.unwrap();
        patients::search(&mut tx, &may, &Wanted::default(), None).await.map(|_| ())
    };
    assert!(open().await.is_ok());
    let sealed = |found: Result<(), patients::SearchError>| {
        matches!(found, Err(patients::SearchError::Failed(Error::Sealed(_))))
    };

    damage(
        &world,
        &format!(
            "UPDATE patient SET name = (SELECT name FROM patient WHERE patient_id = '{a}') WHERE patient_id = '{b}'"
        ),
    )
    .await;
    assert!(sealed(open().await), "another patient's");
    let world = World::new().await;
    let site = &world.riverside;
    let a = site.demo.patients[0].patient_id;
    damage(&world, &format!("UPDATE patient SET name = mrn WHERE patient_id = '{a}'")).await;
    let mut tx = world.records.begin(site.as_front_desk()).await.unwrap();
    let may = tx.authorize(SearchPatients).await.unwrap();
    assert!(sealed(patients::search(&mut tx, &may, &Wanted::default(), None).await.map(|_| ())), "another column's");
}

#[tokio::test]
async fn an_older_version_of_a_note_put_in_the_place_of_the_new_one_does_not_open() {
    let world = World::new().await;
    let site = &world.riverside;
    crate::notes::write_and_sign(&world, site, 0).await;
    damage(&world, "UPDATE note_revision r SET body = o.body FROM note_revision o WHERE o.note_id = r.note_id AND o.version = 1 AND r.version > 1").await;
    let mut tx = world.records.begin(site.as_provider()).await.unwrap();
    let may = tx.authorize(ReadNote(site.visit(0))).await.unwrap();
    assert!(matches!(notes::read(&mut tx, &may).await, Err(Error::Sealed("note_revision.body"))));
}

#[tokio::test]
async fn a_data_key_of_another_patient_does_not_unwrap() {
    let world = World::new().await;
    let site = &world.riverside;
    let (a, b) = (site.patient(0), site.patient(1));
    damage(
        &world,
        &format!(
            "UPDATE data_key SET wrapped = (SELECT wrapped FROM data_key WHERE owner_id = '{b}') WHERE owner_id = '{a}'"
        ),
    )
    .await;
    let mut tx = world.records.begin(site.as_provider()).await.unwrap();
    let may = tx.authorize(ReadVisit(site.visit(0))).await.unwrap();
    assert!(matches!(visits::detail(&mut tx, &may).await, Err(Error::Sealed(_))));
}

#[tokio::test]
async fn a_database_is_not_opened_with_another_key_ring_than_it_was_written_with() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let keys = records::KeyRing::open_or_create(&folder.path().join("keys.json")).unwrap();
    let refused =
        records::Records::connect(&world.db.app_url(), keys).await.err().expect("must be refused").to_string();
    assert!(refused.contains("restore its file from your backup"), "{refused}");
    let keys = records::KeyRing::open(&world.db.key_ring_path()).unwrap();
    assert!(records::Records::connect(&world.db.app_url(), keys).await.is_ok());
}
