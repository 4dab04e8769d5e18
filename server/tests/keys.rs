//! `bedside keys` as an operator runs it, killed at random moments, beside writers who never stop.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use records::action::{BookAppointment, CreatePatient, ReadNote, ReadVisit, SearchPatients, WriteNote};
use records::appointments::{self, NewAppointment, VisitType};
use records::demo::{Demo, DemoSite, seed};
use records::patients::{self, NewPatient, Wanted};
use records::testing::TestDatabase;
use records::{Actor, KeyRing, Origin, Phi, Records, RequestContext, facts, notes, visits};
use time::macros::date;
use time::{Duration as Span, OffsetDateTime};
use tokio::process::Command;
use visit::{ClinicId, Fact, Now, ParticipantId, PatientId, Person, Role, StaffId, VisitId};

/// How often the renewal is killed. `make endurance-keys` sets more.
fn kills() -> usize {
    std::env::var("BEDSIDE_KEY_KILLS").ok().map_or(5, |text| text.parse().expect("BEDSIDE_KEY_KILLS is a number"))
}

/// A clinic in a database and a data folder, as `bedside` finds them.
struct House {
    db: TestDatabase,
    folder: tempfile::TempDir,
    records: Records,
    demo: Demo,
    provider: StaffId,
    front_desk: StaffId,
    /// Bookings are made from here on, so that none overlaps another.
    opened_at: OffsetDateTime,
}

impl House {
    async fn open() -> Self {
        let db = TestDatabase::new().await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("FORMAT"), "1\n").unwrap();
        let ring = KeyRing::open_or_create(&folder.path().join("keyring.json")).unwrap();
        let records = Records::connect(&db.app_url(), ring).await.unwrap();
        let now = OffsetDateTime::now_utc();
        let demo = seed(&records, DemoSite::Riverside, None, "http://127.0.0.1:8080", now).await.unwrap();
        let mut staff = Vec::new();
        for account in [&demo.provider, &demo.front_desk] {
            staff.push(db.staff_id(&account.email).await);
        }
        Self { db, folder, records, demo, provider: staff[0], front_desk: staff[1], opened_at: now }
    }

    fn ring(&self) -> PathBuf {
        self.folder.path().join("keyring.json")
    }

    fn clinic(&self) -> ClinicId {
        self.demo.clinic.id
    }

    fn bedside(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(Path::new(env!("CARGO_BIN_EXE_bedside")));
        command
            .args(["keys"])
            .args(arguments)
            .arg("--data")
            .arg(self.folder.path())
            .env("BEDSIDE__DATABASE__URL", self.db.app_url())
            .env("BEDSIDE__DATABASE__OWNER_URL", self.db.owner_url())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    async fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let Output { status, stdout, stderr } = self.bedside(arguments).output().await.unwrap();
        (status.code(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
    }

    fn as_staff(&self, id: StaffId, role: Role) -> RequestContext {
        let actor = Actor::Staff { id, role, clinic: self.clinic() };
        RequestContext { actor, at: OffsetDateTime::now_utc(), origin: Origin::default(), second_factor_at: None }
    }

    fn as_provider(&self) -> RequestContext {
        self.as_staff(self.provider, Role::Provider)
    }

    fn as_front_desk(&self) -> RequestContext {
        self.as_staff(self.front_desk, Role::FrontDesk)
    }

    /// A patient, a booking, a chat line and two versions of a note: what was acknowledged of them.
    async fn write(&self, n: usize) -> Written {
        let name = format!("Writer{n} Testpatient{n}");
        let mut tx = self.records.begin(self.as_front_desk()).await.unwrap();
        let may = tx.authorize(CreatePatient).await.unwrap();
        let new = NewPatient {
            name: Phi::from(name.as_str()),
            date_of_birth: date!(1980 - 01 - 01),
            mrn: Phi::from(format!("W-{n}")),
            phone: Some(Phi::from("312 555 0100")),
            email: None,
        };
        let made = patients::create(&mut tx, &may, &new).await.unwrap();
        let patient = tx.commit(made).await.unwrap();

        let starts_at = self.opened_at + Span::days(2) + Span::minutes(20 * i64::try_from(n).unwrap());
        let booking = NewAppointment {
            provider_id: self.provider,
            starts_at,
            ends_at: starts_at + Span::minutes(20),
            visit_type: VisitType::Video,
            reason: Phi::from(format!("reason {n}")),
        };
        let mut tx = self.records.begin(self.as_front_desk()).await.unwrap();
        let may = tx.authorize(BookAppointment(patient)).await.unwrap();
        let booked = appointments::book(&mut tx, &may, &booking, &format!("key-{n}")).await.unwrap();
        let visit = tx.commit(booked).await.unwrap().visit_id;

        let person = Person::Staff(self.provider);
        let participant = ParticipantId::of(visit, person);
        let said = [
            Fact::Joined { participant, person, role: Role::Provider },
            Fact::ChatPosted { id: uuid::Uuid::from_u128(n as u128), participant, text: format!("chat {n}") },
        ];
        for (seq, fact) in said.iter().enumerate() {
            let at = Now(i64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).unwrap());
            facts::append(&self.records, self.clinic(), visit, seq as u64 + 1, at, fact, Some(person)).await.unwrap();
        }
        for version in 0..2 {
            let mut tx = self.records.begin(self.as_provider()).await.unwrap();
            let may = tx.authorize(WriteNote(visit)).await.unwrap();
            let text = Phi::from(format!("note {n} version {}", version + 1));
            let saved = notes::save(&mut tx, &may, version, &text).await.unwrap();
            tx.commit(saved).await.unwrap();
        }
        Written { n, patient, visit }
    }

    /// Everything that was acknowledged is there, and says what was written.
    async fn read(&self, written: &Written) {
        let Written { n, patient, visit } = *written;
        let mut tx = self.records.begin(self.as_front_desk()).await.unwrap();
        let may = tx.authorize(SearchPatients).await.unwrap();
        let wanted = Wanted {
            name: Some(Phi::from(format!("testpatient{n}"))),
            mrn: Some(Phi::from(format!("w-{n}"))),
            ..Wanted::default()
        };
        let found = patients::search(&mut tx, &may, &wanted, None).await.unwrap();
        let found = tx.commit(found).await.unwrap().items;
        assert_eq!(found.iter().map(|one| one.patient_id).collect::<Vec<_>>(), [patient]);
        assert_eq!(found[0].name.expose(), &format!("Writer{n} Testpatient{n}"));

        let mut tx = self.records.begin(self.as_provider()).await.unwrap();
        let may = tx.authorize(ReadVisit(visit)).await.unwrap();
        let detail = visits::detail(&mut tx, &may).await.unwrap();
        let reason = tx.commit(detail).await.unwrap().reason.map(|reason| reason.expose().clone());
        assert_eq!(reason, Some(format!("reason {n}")));
        let mut tx = self.records.begin(self.as_provider()).await.unwrap();
        let may = tx.authorize(ReadNote(visit)).await.unwrap();
        let note = notes::read(&mut tx, &may).await.unwrap();
        assert_eq!(tx.commit(note).await.unwrap().body.expose(), &format!("note {n} version 2"));
        let stored = facts::load(&self.records, self.clinic(), visit).await.unwrap();
        assert!(
            stored.iter().any(|one| matches!(&one.fact, Fact::ChatPosted { text, .. } if *text == format!("chat {n}")))
        );
    }

    async fn count(&self, sql: &'static str) -> i64 {
        self.db.count(sql).await
    }
}

struct Written {
    n: usize,
    patient: PatientId,
    visit: VisitId,
}

/// Writes and reads until told to stop: nobody may notice the renewal.
async fn keep_writing(house: Arc<House>, next: Arc<AtomicUsize>, stop: Arc<AtomicBool>) -> Vec<Written> {
    let mut all: Vec<Written> = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        all.push(house.write(next.fetch_add(1, Ordering::SeqCst)).await);
        house.read(&all[all.len() / 2]).await;
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_that_is_killed_at_any_moment_goes_on_and_loses_nothing() {
    let house = Arc::new(House::open().await);
    let (next, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let mut before = Vec::new();
    for _ in 0..10 {
        before.push(house.write(next.fetch_add(1, Ordering::SeqCst)).await);
    }
    let writers: Vec<_> =
        (0..2).map(|_| tokio::spawn(keep_writing(house.clone(), next.clone(), stop.clone()))).collect();

    // How long a renewal takes here, to kill at every part of it.
    let began = std::time::Instant::now();
    let (code, said) = house.run(&["rotate", "--data-keys"]).await;
    assert_eq!(code, Some(0), "{said}");
    let whole = began.elapsed();
    let (mut killed, mut finished) = (0, 0);
    while killed < kills() {
        KeyRing::add(&house.ring(), OffsetDateTime::now_utc()).unwrap();
        let mut running = house.bedside(&["rotate", "--data-keys"]).spawn().unwrap();
        let moment = whole.mul_f64(f64::from(rand_u16()) / f64::from(u16::MAX));
        match tokio::time::timeout(moment, running.wait()).await {
            Ok(status) => {
                assert!(status.unwrap().success());
                finished += 1;
            }
            Err(_) => {
                running.kill().await.unwrap();
                killed += 1;
            }
        }
    }
    stop.store(true, Ordering::SeqCst);
    let mut written = before;
    for writer in writers {
        written.extend(writer.await.expect("a writer was disturbed by the renewal"));
    }
    let (code, said) = house.run(&["rotate", "--data-keys"]).await;
    assert_eq!(code, Some(0), "{said}");
    println!(
        "{killed} killed and {finished} finished of {whole:?} each; {} patients written meanwhile; {said}",
        written.len()
    );

    let (code, said) = house.run(&["verify"]).await;
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = house.run(&["status"]).await;
    assert_eq!(code, Some(0), "{said}");
    let left = house
        .count("SELECT count(*) FROM data_key WHERE activated_at IS NULL OR (retired_at IS NULL) = (wrapped IS NULL) OR (retired_at IS NOT NULL AND destroyed_at IS NULL)")
        .await;
    assert_eq!(left, 0, "every key is active, or retired and destroyed");
    assert!(house.count("SELECT count(*) FROM data_key WHERE destroyed_at IS NOT NULL").await > 0);
    let stale = house
        .count("SELECT count(*) FROM patient_index i WHERE key_version <> (SELECT version FROM data_key WHERE purpose = 'index' AND retired_at IS NULL)")
        .await;
    assert_eq!(stale, 0, "no token of an old index key");
    for one in &written {
        house.read(one).await;
    }
}

#[tokio::test]
async fn status_says_what_is_left_and_its_exit_code_means_it() {
    let house = House::open().await;
    let (code, said) = house.run(&["status"]).await;
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = house.run(&["add"]).await;
    assert_eq!(code, Some(0), "{said}");
    let first = KeyRing::list(&house.ring()).unwrap()[0].id.clone();
    let (code, said) = house.run(&["status"]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("{first}  wraps 6 data keys")), "{said}");

    let (code, said) = house.run(&["remove", &first]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("still wraps 6 data keys"), "{said}");
    // The server that runs puts somebody on record with the new key before anything is rotated.
    house.write(1).await;
    let newest = house
        .count("SELECT count(*) FROM data_key k WHERE wrapping_key <> (SELECT wrapping_key FROM data_key WHERE purpose = 'clinic')")
        .await;
    assert_eq!(newest, 1);
    let (code, said) = house.run(&["rotate"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("6 data keys were wrapped again"), "{said}");
    let (code, said) = house.run(&["status"]).await;
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = house.run(&["remove", &first]).await;
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = house.run(&["verify"]).await;
    assert_eq!(code, Some(0), "{said}");

    // A key that is lost.
    let path = house.ring();
    let text = std::fs::read_to_string(&path).unwrap();
    let (code, said) = house.run(&["add"]).await;
    assert_eq!(code, Some(0), "{said}");
    house.write(2).await;
    std::fs::write(&path, text).unwrap();
    let (code, said) = house.run(&["status"]).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("LOST"), "{said}");
    let (code, said) = house.run(&["verify"]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("BAD  patient.name"), "{said}");
}

#[tokio::test]
async fn one_patients_key_is_renewed_alone_and_an_unknown_patient_is_said_to_be_unknown() {
    let house = House::open().await;
    let written = house.write(1).await;
    let id = written.patient.to_string();
    let (code, said) = house.run(&["rotate", "--patient", &id]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("1 data keys were renewed and 9 values sealed again"), "{said}");
    assert_eq!(house.count("SELECT count(*) FROM data_key WHERE destroyed_at IS NOT NULL").await, 1);
    house.read(&written).await;
    let (code, said) = house.run(&["rotate", "--patient", &uuid::Uuid::nil().to_string()]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("no patient with this id"), "{said}");
}

#[tokio::test]
async fn a_key_ring_is_whole_whenever_adding_to_it_is_killed() {
    let house = House::open().await;
    let began = std::time::Instant::now();
    assert_eq!(house.run(&["add"]).await.0, Some(0));
    let whole = began.elapsed();
    for _ in 0..kills() {
        let before = KeyRing::list(&house.ring()).unwrap();
        let mut adding = house.bedside(&["add"]).spawn().unwrap();
        let moment = whole.mul_f64(0.5 + f64::from(rand_u16()) / f64::from(u16::MAX) / 2.0);
        if tokio::time::timeout(moment, adding.wait()).await.is_err() {
            adding.kill().await.unwrap();
        }
        let after = KeyRing::list(&house.ring()).unwrap();
        assert!(after.starts_with(&before), "no key was lost");
        KeyRing::open(&house.ring()).unwrap();
    }
    let (code, said) = house.run(&["verify"]).await;
    assert_eq!(code, Some(0), "{said}");
}

/// A random number, so that every run kills at other moments.
fn rand_u16() -> u16 {
    u16::from_be_bytes(uuid::Uuid::new_v4().as_bytes()[..2].try_into().unwrap())
}
