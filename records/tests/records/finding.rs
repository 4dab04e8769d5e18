//! Finding patients by the blind index, without opening the others.

use records::action::{CreatePatient, ReadDemographics, SearchPatients, WriteDemographics};
use records::patients::{self, NewPatient, PatientPage, SearchError, Wanted, record};
use records::{Phi, RequestContext, patient_index};
use time::macros::date;
use time::{Date, Duration};
use visit::PatientId;

use crate::cast::{NOW, Site, World};

fn name(text: &str) -> Wanted {
    Wanted { name: Some(Phi::from(text)), ..Wanted::default() }
}

async fn page(
    world: &World,
    context: RequestContext,
    wanted: &Wanted,
    cursor: Option<&str>,
) -> Result<PatientPage, SearchError> {
    let mut tx = world.records.begin(context).await?;
    let may = tx.authorize(SearchPatients).await?;
    let page = patients::search(&mut tx, &may, wanted, cursor).await?;
    Ok(tx.commit(page).await?)
}

pub async fn names(world: &World, site: &Site, wanted: &Wanted) -> Vec<String> {
    let (mut names, mut cursor) = (Vec::new(), None);
    loop {
        let page = page(world, site.as_front_desk(), wanted, cursor.as_deref()).await.unwrap();
        names.extend(page.items.iter().map(|patient| patient.name.expose().clone()));
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => return names,
        }
    }
}

fn patient(name: &str, born: Date, mrn: &str, phone: Option<&str>, email: Option<&str>) -> NewPatient {
    NewPatient {
        name: Phi::from(name),
        date_of_birth: born,
        mrn: Phi::from(mrn),
        phone: phone.map(Phi::from),
        email: email.map(Phi::from),
    }
}

async fn put_on_record(world: &World, site: &Site, all: &[NewPatient]) -> Vec<PatientId> {
    let mut tx = world.records.begin(site.as_front_desk()).await.unwrap();
    let mut made = Vec::new();
    for new in all {
        let may = tx.authorize(CreatePatient).await.unwrap();
        made.push(patients::create(&mut tx, &may, new).await.unwrap());
    }
    let made = made.into_iter().fold(None, |all: Option<records::Pending<Vec<PatientId>>>, one| {
        Some(match all {
            None => one.map(|id| vec![id]),
            Some(all) => all.and(one).map(|(mut all, id)| {
                all.push(id);
                all
            }),
        })
    });
    tx.commit(made.unwrap()).await.unwrap()
}

#[tokio::test]
async fn patients_are_found_by_name_within_their_clinic_only() {
    let world = World::new().await;
    assert_eq!(names(&world, &world.riverside, &name("fern")).await, ["Lucía Fernández"]);
    assert_eq!(names(&world, &world.riverside, &name("FERNÁN luc")).await, ["Lucía Fernández"]);
    assert_eq!(
        names(&world, &world.riverside, &Wanted::default()).await,
        ["Marcus Bell", "Lucía Fernández", "Amara Okafor", "Eleanor Whitfield"]
    );
    assert_eq!(names(&world, &world.lakeside, &name("fern")).await, Vec::<String>::new());
    assert_eq!(names(&world, &world.riverside, &name("fernandezz")).await, Vec::<String>::new());
}

#[tokio::test]
async fn every_criterion_finds_alone_and_all_that_are_given_must_match() {
    let world = World::new().await;
    let site = &world.riverside;
    let (born, other) = (date!(1990 - 02 - 03), date!(1990 - 02 - 04));
    let new = [
        patient("Siobhán O'Brien-Ruiz", born, "RF-77 1", Some("(312) 555-0111"), Some("sio@example.org")),
        patient("Siobhan Ruiz", other, "RF-772", Some("+1 312 555 0112"), None),
    ];
    put_on_record(&world, site, &new).await;
    let first = ["Siobhán O'Brien-Ruiz"];
    let by = |change: fn(&mut Wanted)| {
        let mut wanted = Wanted::default();
        change(&mut wanted);
        wanted
    };
    for (what, wanted) in [
        ("joined name", name("obrien")),
        ("date of birth", by(|wanted| wanted.date_of_birth = Some(date!(1990 - 02 - 03)))),
        ("telephone", by(|wanted| wanted.phone = Some(Phi::from("1-312-555-0111")))),
        ("number", by(|wanted| wanted.mrn = Some(Phi::from("rf-771")))),
        ("e-mail", by(|wanted| wanted.email = Some(Phi::from(" SIO@example.org ")))),
    ] {
        assert_eq!(names(&world, site, &wanted).await, first, "{what}");
    }
    assert_eq!(names(&world, site, &name("ruiz siobh")).await.len(), 2);
    let both = Wanted { date_of_birth: Some(born), ..name("ruiz siobh") };
    assert_eq!(names(&world, site, &both).await, first);
    let neither = Wanted { date_of_birth: Some(other), mrn: Some(Phi::from("RF-771")), ..Wanted::default() };
    assert_eq!(names(&world, site, &neither).await, Vec::<String>::new());
    // Part of a number or address finds nothing, and what has nothing to look for in it does not find everybody.
    for wanted in [
        by(|wanted| wanted.mrn = Some(Phi::from("RF-77"))),
        by(|wanted| wanted.phone = Some(Phi::from("555-0111"))),
        by(|wanted| wanted.phone = Some(Phi::from("unknown"))),
        by(|wanted| wanted.email = Some(Phi::from(" "))),
        name("?"),
    ] {
        assert_eq!(names(&world, site, &wanted).await, Vec::<String>::new());
    }
    let found = patient_index::with_email(&world.records, &Phi::from("Sio@Example.org"), NOW).await.unwrap();
    assert_eq!(found.iter().map(|(clinic, _)| *clinic).collect::<Vec<_>>(), [site.clinic]);
}

#[tokio::test]
async fn a_long_list_is_read_page_by_page_without_opening_the_rest() {
    let world = World::new().await;
    let site = &world.riverside;
    let many: Vec<NewPatient> = (0..120)
        .map(|n| {
            // Alike in the eight letters that are indexed, so that some are told apart only after opening.
            let name = format!("Pat Featherst{}", if n % 3 == 0 { "one" } else { "onehaugh" });
            patient(&name, date!(1970 - 01 - 01), &format!("LONG-{n}"), None, None)
        })
        .collect();
    let made = put_on_record(&world, site, &many).await;
    let mut seen = Vec::new();
    let mut cursor: Option<String> = None;
    let mut sizes = Vec::new();
    loop {
        let page = page(&world, site.as_front_desk(), &name("featherstoneh"), cursor.as_deref()).await.unwrap();
        sizes.push(page.items.len());
        seen.extend(page.items.iter().map(|patient| patient.patient_id));
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(sizes, [50, 30]);
    let mut expected: Vec<PatientId> = made.iter().enumerate().filter(|(n, _)| n % 3 != 0).map(|(_, id)| *id).collect();
    seen.sort();
    expected.sort();
    assert_eq!(seen, expected, "everyone once");
    assert!(matches!(page(&world, site.as_front_desk(), &name("pat"), Some("x")).await, Err(SearchError::BadCursor)));

    // Somebody who is not on the page does not open any more, and nobody notices.
    world
        .db
        .execute_as_owner(&format!(
            "UPDATE patient SET name = '\\x00' WHERE patient_id = '{}'",
            site.demo.patients[0].patient_id
        ))
        .await;
    assert_eq!(page(&world, site.as_front_desk(), &name("feather"), None).await.unwrap().items.len(), 50);
    assert_eq!(page(&world, site.as_front_desk(), &Wanted::default(), None).await.unwrap().items.len(), 50);
}

#[tokio::test]
async fn patients_of_an_earlier_version_are_indexed_in_pieces_and_once() {
    let world = World::new().await;
    let before: Vec<(i64, i64)> = tokens(&world).await;
    world.db.execute_as_owner("DELETE FROM patient_index; UPDATE patient SET indexed_with = 0").await;
    assert_eq!(names(&world, &world.riverside, &name("fern")).await, Vec::<String>::new());
    let again = NOW + Duration::hours(1);
    assert_eq!(patient_index::rebuild(&world.records, || again).await.unwrap(), 8);
    assert_eq!(tokens(&world).await, before);
    assert_eq!(patient_index::rebuild(&world.records, || again).await.unwrap(), 0);
    assert_eq!(names(&world, &world.riverside, &name("fern")).await, ["Lucía Fernández"]);

    // A clinic of an earlier version has no index key: it gets one when the database is opened.
    world
        .db
        .execute_as_owner(
            "DELETE FROM patient_index; DELETE FROM data_key WHERE purpose = 'index'; UPDATE patient SET indexed_with = 0",
        )
        .await;
    let keys = records::KeyRing::open(&world.db.key_ring_path()).unwrap();
    let records = records::Records::connect(&world.db.app_url(), keys).await.unwrap();
    assert_eq!(patient_index::rebuild(&records, || again).await.unwrap(), 8);
    assert_eq!(names(&world, &world.riverside, &name("fern")).await, ["Lucía Fernández"]);
}

async fn tokens(world: &World) -> Vec<(i64, i64)> {
    sqlx::query_as("SELECT token, count(*) FROM patient_index GROUP BY token ORDER BY token")
        .fetch_all(&mut world.db.owner().await)
        .await
        .unwrap()
}

/// Writes its figures to the terminal: `cargo nextest run --run-ignored only -E 'test(how_long_a_search_takes)' --no-capture`.
#[tokio::test]
#[ignore = "makes 100,000 patients: minutes"]
async fn how_long_a_search_takes_among_100_000_patients() {
    const PATIENTS: usize = 100_000;
    const FIRST: [&str; 20] = [
        "James",
        "Mary",
        "Robert",
        "Patricia",
        "John",
        "Jennifer",
        "Michael",
        "Linda",
        "David",
        "Elizabeth",
        "William",
        "Barbara",
        "Richard",
        "Susan",
        "Joseph",
        "Jessica",
        "Thomas",
        "Karen",
        "Christopher",
        "Lucía",
    ];
    const LAST: [&str; 16] = [
        "Smi", "Johns", "Will", "Brow", "Jon", "Garcí", "Mill", "Dav", "Rodrígu", "Martín", "Hern", "Lop", "Gonz",
        "Wils", "Anders", "Tho",
    ];
    const ENDS: [&str; 14] =
        ["th", "on", "iams", "n", "es", "a", "er", "is", "ez", "ero", "andez", "sen", "berg", "mas"];
    let world = World::new().await;
    let site = &world.riverside;
    let started = std::time::Instant::now();
    for block in 0..PATIENTS / 1_000 {
        let new: Vec<NewPatient> = (0..1_000)
            .map(|n| {
                let n = block * 1_000 + n;
                let name = format!("{} {}{}", FIRST[n % 20], LAST[n / 20 % 16], ENDS[n / 320 % 14]);
                let born = date!(1940 - 01 - 01) + Duration::days(i64::try_from(n % 30_000).unwrap());
                patient(
                    &name,
                    born,
                    &format!("M-{n:06}"),
                    Some(&format!("312{n:07}")),
                    Some(&format!("p{n}@example.org")),
                )
            })
            .collect();
        put_on_record(&world, site, &new).await;
    }
    println!("{PATIENTS} patients put on record in {:?}", started.elapsed());
    world.db.execute_as_owner("ANALYZE").await;
    let (table, indexes): (i64, i64) = (
        world.look("SELECT pg_table_size('patient_index')").await,
        world.look("SELECT pg_indexes_size('patient_index')").await,
    );
    let rows: i64 = world.look("SELECT count(*) FROM patient_index").await;
    println!("{rows} tokens, table {} MB, indexes {} MB", table / 1_000_000, indexes / 1_000_000);
    for (what, wanted) in [
        ("nobody's name", name("zzyzx")),
        ("a rare beginning", name("lucia gonzez")),
        ("a common beginning (5,000 match)", name("lu")),
        ("two common beginnings", name("ja smi")),
        ("number", Wanted { mrn: Some(Phi::from("m-050000")), ..Wanted::default() }),
        ("telephone", Wanted { phone: Some(Phi::from("(312) 005-0000")), ..Wanted::default() }),
        ("date of birth", Wanted { date_of_birth: Some(date!(1980 - 05 - 05)), ..Wanted::default() }),
        ("everybody, first page", Wanted::default()),
    ] {
        let mut took = Vec::new();
        let mut items = 0;
        for _ in 0..50 {
            let started = std::time::Instant::now();
            items = page(&world, site.as_front_desk(), &wanted, None).await.unwrap().items.len();
            took.push(started.elapsed());
        }
        took.sort();
        println!("{what}: {items} rows on the page, p50 {:?}, p95 {:?}, max {:?}", took[25], took[47], took[49]);
    }
}

async fn rename(world: &World, site: &Site, patient: PatientId, given: &str, family: &str) {
    let mut tx = world.records.begin(site.as_front_desk()).await.unwrap();
    let may = tx.authorize(ReadDemographics(patient)).await.unwrap();
    let stored = record::read(&mut tx, &may).await.unwrap();
    let stored = tx.commit(stored).await.unwrap();
    let mut document = stored.demographics.expose().clone();
    (document.name.given, document.name.family) = (given.to_owned(), family.to_owned());
    let mut tx = world.records.begin(site.as_front_desk()).await.unwrap();
    let may = tx.authorize(WriteDemographics(patient)).await.unwrap();
    let saved = record::save(&mut tx, &may, stored.version, &Phi::new(document)).await.unwrap();
    tx.commit(saved).await.unwrap();
}

#[tokio::test]
async fn a_patient_is_found_by_every_name_they_ever_had_each_as_a_whole() {
    let world = World::new().await;
    let site = &world.riverside;
    let born = date!(1980 - 05 - 06);
    let id = put_on_record(&world, site, &[patient("Wilhelmina Quillfeather", born, "RF-901", None, None)]).await[0];
    rename(&world, site, id, "Wilhelmina", "Oakes").await;
    rename(&world, site, id, "Mina", "Oakes-Thistlewood").await;
    let found = async |text: &str| names(&world, site, &name(text)).await;
    let now = vec!["Mina Oakes-Thistlewood".to_owned()];
    for text in ["quillfeath", "wilhelmina quillfeather", "wilhelmina oak", "mina thistle", "oakes"] {
        assert_eq!(found(text).await, now, "{text}");
    }
    assert_eq!(found("mina quillfeather").await, Vec::<String>::new(), "never the name of one person");
    assert_eq!(found("quillfeatherington").await, Vec::<String>::new(), "longer than what is indexed");
    // What somebody says they were called counts as well, and nothing of it is another clinic's.
    assert_eq!(found("ruth marsh").await, ["Eleanor Whitfield"]);
    assert_eq!(names(&world, &world.lakeside, &name("quillfeather")).await, Vec::<String>::new());

    // What an earlier version wrote is indexed by the next start, and is found by the same tokens.
    let tokens = "SELECT string_agg(token::text, ' ' ORDER BY token) FROM patient_index WHERE kind = 'name'";
    let before: String = world.look(tokens).await;
    world.db.execute_as_owner("DELETE FROM patient_index; UPDATE patient SET indexed_with = 0").await;
    patient_index::rebuild(&world.records, || NOW).await.unwrap();
    assert_eq!(world.look::<String>(tokens).await, before);
    let versions: i64 = world
        .look("SELECT count(*) FROM patient_revision r JOIN patient p USING (patient_id) WHERE p.version = 3")
        .await;
    assert_eq!(versions, 3, "and history is as it was");
}
