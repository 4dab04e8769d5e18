//! Ciphertexts that somebody with the database moved: between rows, columns, patients and clinics, for every sealed column
//! there is. None opens, and the log says so.

use records::action::SearchPatients;
use records::keys::{self, Unopened};
use records::patients::{self, SearchError, Wanted};
use records::{Actor, Error, RequestContext};
use sqlx::{AssertSqlSafe, PgConnection, Row};
use visit::Role;

use crate::cast::{NOW, World, check_in, store, whole_visit};

/// Both clinics with rows in every table, and two patients of each who were seen.
async fn filled() -> World {
    let world = crate::isolation::worked().await;
    for site in [&world.riverside, &world.lakeside] {
        check_in(&world, site, 1).await;
        store(&world, site, 1, &whole_visit(site, 1, "a line of chat")).await;
        crate::notes::write_and_sign(&world, site, 1).await;
        crate::booking::book_on(&world, site, "key-2", 2).await;
        fill_the_rest(&world, site).await;
    }
    world
}

/// Columns that are tried in any case; others, if the world has values in them.
const FILLED: &[&str] = &[
    "patient.name",
    "patient.date_of_birth",
    "patient.mrn",
    "patient.phone",
    "patient.email",
    "appointment.reason",
    "visit_location.region",
    "visit_location.callback_phone",
    "visit_location.emergency_address",
    "visit_event.chat_text",
    "note_revision.body",
    "note_addendum.body",
    "idempotency_key.response",
];

/// Patients with telephone and e-mail.
async fn fill_the_rest(world: &World, site: &crate::cast::Site) {
    use records::action::CreatePatient;
    for n in [1, 2] {
        let mut tx = world.records.begin(site.as_front_desk()).await.unwrap();
        let may = tx.authorize(CreatePatient).await.unwrap();
        let new = patients::NewPatient {
            name: "Nadia Novak".into(),
            date_of_birth: time::macros::date!(1970 - 01 - 02),
            mrn: format!("NN-{n}").into(),
            phone: Some("312 555 0123".into()),
            email: Some("nadia@example.org".into()),
        };
        let made = patients::create(&mut tx, &may, &new).await.unwrap();
        tx.commit(made).await.unwrap();
    }
}

struct Value {
    /// The row's primary key, as text.
    row: String,
    clinic: uuid::Uuid,
    sealed: Vec<u8>,
}

/// The primary key of `table`'s rows as one text, in SQL.
async fn primary_key(owner: &mut PgConnection, table: &str) -> String {
    let columns: String = sqlx::query_scalar(
        "SELECT string_agg(quote_ident(a.attname), ', ') FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
         WHERE i.indisprimary AND i.indrelid = $1::regclass",
    )
    .bind(table)
    .fetch_one(owner)
    .await
    .unwrap();
    format!("ROW({columns})::text")
}

async fn values(owner: &mut PgConnection, name: &str) -> Vec<Value> {
    let (table, column) = name.split_once('.').unwrap();
    let key = primary_key(owner, table).await;
    let sql = format!(
        "SELECT {key} AS row, clinic_id, {column} AS sealed FROM {table} WHERE {column} IS NOT NULL ORDER BY 1"
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(owner).await.unwrap();
    rows.into_iter()
        .map(|row| Value { row: row.get("row"), clinic: row.get("clinic_id"), sealed: row.get("sealed") })
        .collect()
}

/// Puts a value into a row behind the triggers' back.
async fn put(owner: &mut PgConnection, name: &str, row: &str, sealed: &[u8]) {
    let (table, column) = name.split_once('.').unwrap();
    let key = primary_key(owner, table).await;
    let sql = format!("UPDATE {table} SET {column} = $2 WHERE {key} = $1");
    let done = sqlx::query(AssertSqlSafe(sql)).bind(row).bind(sealed).execute(owner).await.unwrap();
    assert_eq!(done.rows_affected(), 1, "{name}");
}

#[tokio::test]
async fn no_value_opens_in_another_row_column_patient_or_clinic() {
    let world = filled().await;
    let now = || NOW;
    let clean = keys::verify(&world.records, &now).await.unwrap();
    assert_eq!((clean.bad_keys.len(), clean.bad_values.len()), (0, 0));
    let mut owner = world.db.owner().await;
    sqlx::query("SET session_replication_role = replica").execute(&mut owner).await.unwrap();
    let mut names = Vec::new();
    let mut all: Vec<Vec<Value>> = Vec::new();
    for name in keys::sealed_columns() {
        let values = values(&mut owner, name).await;
        if values.is_empty() {
            println!("{name}: this world has no value in it");
            continue;
        }
        names.push(name);
        all.push(values);
    }
    for name in FILLED {
        let at = names.iter().position(|one| one == name).unwrap_or_else(|| panic!("{name} has no value to move"));
        assert!(all[at].len() >= 4, "{name} has two values in both clinics");
    }
    // What is put into the first value of each column: another row of the clinic (another patient's, mostly), a row of the
    // other clinic, and a value of each other column, of the own clinic and of the other one.
    let foreign = |n: usize, turn: usize| -> Option<&[u8]> {
        let victim = &all[n][0];
        let own_clinic = |value: &&Value| value.clinic == victim.clinic;
        let other_clinic = |value: &&Value| value.clinic != victim.clinic;
        let found = match turn {
            0 => all[n].iter().skip(1).find(own_clinic),
            1 => all[n].iter().find(other_clinic),
            turn => {
                let other = &all[(n + turn / 2) % all.len()];
                if turn % 2 == 0 { other.iter().find(own_clinic) } else { other.iter().find(other_clinic) }
            }
        };
        found.map(|value| value.sealed.as_slice())
    };
    let mut moves = 0;
    for turn in 0..all.len() * 2 {
        let mut expected = Vec::new();
        for (n, name) in names.iter().enumerate() {
            if let Some(sealed) = foreign(n, turn) {
                put(&mut owner, name, &all[n][0].row, sealed).await;
                expected.push(*name);
            }
        }
        let verified = keys::verify(&world.records, &now).await.unwrap();
        let mut bad: Vec<&str> = verified.bad_values.iter().map(|bad: &Unopened| bad.column).collect();
        bad.sort_unstable();
        expected.sort_unstable();
        moves += expected.len();
        assert_eq!(bad, expected, "turn {turn}");
        for (n, name) in names.iter().enumerate() {
            put(&mut owner, name, &all[n][0].row, &all[n][0].sealed).await;
        }
    }
    assert!(moves > 2 * FILLED.len() * FILLED.len() - FILLED.len(), "{moves}");
    assert_eq!(keys::verify(&world.records, &now).await.unwrap(), clean);
}

#[tokio::test]
async fn what_does_not_open_is_an_error_for_the_reader_and_stands_in_the_log() {
    let world = World::new().await;
    let site = &world.riverside;
    let [a, b] = [site.demo.patients[0].patient_id, site.demo.patients[1].patient_id];
    world
        .db
        .execute_as_owner(&format!(
            "UPDATE patient SET name = (SELECT name FROM patient WHERE patient_id = '{a}') WHERE patient_id = '{b}'"
        ))
        .await;
    let actor = Actor::Staff { id: site.front_desk, role: Role::FrontDesk, clinic: site.clinic };
    let context = RequestContext { actor, ..site.as_front_desk() };
    let mut tx = world.records.begin(context).await.unwrap();
    let may = tx.authorize(SearchPatients).await.unwrap();
    let refused = patients::search(&mut tx, &may, &Wanted::default(), None).await.map(|_| ()).unwrap_err();
    assert!(matches!(refused, SearchError::Failed(Error::Sealed("patient.name"))));
    drop(tx);
    let logged = "SELECT detail::text FROM audit_event WHERE action = 'patient.search' AND outcome = 'failed' AND reason = 'does_not_open'";
    let detail: String = loop {
        // Written right after the reader was refused.
        let found = sqlx::query_scalar(logged).fetch_optional(&mut world.db.owner().await).await.unwrap();
        if let Some(detail) = found {
            break detail;
        }
        tokio::task::yield_now().await;
    };
    assert!(detail.contains("patient.name") && detail.contains(&b.to_string()), "{detail}");
    assert!(!detail.contains("Whitfield"));
}
