//! Destroying a patient's keys after retention: who may, when, what is left, and what a backup from before still holds.

use std::process::Stdio;

use records::action::{
    DestroyPatient, LiftLegalHold, PlaceLegalHold, ReadAttachment, ReadClinical, ReadNote, ReadRetention, ReadVisit,
    UploadAttachment,
};
use records::attachments::{self, Category, NewAttachment};
use records::patients::Wanted;
use records::retention::{self, DestroyError, Destroyed, HoldError};
use records::testing::TestDatabase;
use records::{Error, KeyRing, Phi, Records, RequestContext, keys, recordings, visits};
use time::{Duration, OffsetDateTime};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use uuid::Uuid;
use visit::{AttachmentId, PatientId, RecordingId};
use zeroize::Zeroizing;

use crate::cast::{NOW, Site, World, check_in, store, whole_visit};

/// Long after everything that the world does.
fn later() -> OffsetDateTime {
    NOW + Duration::days(8 * 365)
}

/// Compliance, with a second factor given just now.
fn officer(site: &Site, at: OffsetDateTime) -> RequestContext {
    RequestContext { at, second_factor_at: Some(at), ..site.as_compliance() }
}

async fn destroy(
    world: &World,
    context: RequestContext,
    patient: PatientId,
    mrn: &str,
) -> Result<Destroyed, DestroyError> {
    let mut tx = world.records.begin(context).await?;
    let may = tx.authorize(DestroyPatient(patient)).await?;
    let destroyed = retention::destroy(&mut tx, &may, &Phi::from(mrn)).await?;
    Ok(tx.commit(destroyed).await?)
}

/// A legal hold, placed by compliance.
pub async fn hold(world: &World, site: &Site, patient: PatientId, reason: &str) -> Result<(), HoldError> {
    let mut tx = world.records.begin(officer(site, NOW)).await?;
    let may = tx.authorize(PlaceLegalHold(patient)).await?;
    let placed = retention::place_hold(&mut tx, &may, &Phi::from(reason)).await?;
    Ok(tx.commit(placed).await?)
}

fn mrn(site: &Site, patient: PatientId) -> &str {
    &site.demo.patients.iter().find(|one| one.patient_id == patient).unwrap().mrn
}

/// A world with a patient who was seen, recorded and written about.
async fn seen() -> (World, PatientId, RecordingId) {
    let world = World::new().await;
    let site = &world.riverside;
    check_in(&world, site, 0).await;
    store(&world, site, 0, &whole_visit(site, 0, "zebra-chat")).await;
    crate::notes::write_and_sign(&world, site, 0).await;
    let recording = RecordingId::of(site.visit(0), 6);
    recordings::create_key(&world.records, site.clinic, recording).await.unwrap();
    // The log's months are made a little ahead only.
    world
        .db
        .execute_as_owner(
            "SELECT make_audit_month(m) FROM unnest('{2027-11-01,2028-11-01,2033-11-01,2034-11-01}'::date[]) m",
        )
        .await;
    let patient = site.patient(0);
    attach(&world, site, patient, NOW).await;
    (world, patient, recording)
}

/// A document of the patient, with a key of its own.
async fn attach(world: &World, site: &Site, patient: PatientId, at: OffsetDateTime) -> AttachmentId {
    let mut tx = world.records.begin(RequestContext { at, ..site.as_front_desk() }).await.unwrap();
    let may = tx.authorize(UploadAttachment(patient)).await.unwrap();
    let new = NewAttachment {
        attachment_id: AttachmentId(Uuid::now_v7()),
        category: Category::InsuranceCard,
        file_name: Phi::from("card.png"),
        media_type: "image/png",
        bytes: 9,
        sha256: [1; 32],
        key: Zeroizing::new([2; 32]),
    };
    let kept = attachments::create(&mut tx, &may, &new).await.unwrap();
    tx.commit(kept).await.unwrap()
}

async fn kept_until(world: &World, site: &Site, patient: PatientId) -> OffsetDateTime {
    let mut tx = world.records.begin(officer(site, NOW)).await.unwrap();
    let may = tx.authorize(ReadRetention(patient)).await.unwrap();
    let read = retention::read(&mut tx, &may).await.unwrap();
    tx.commit(read).await.unwrap().kept_until
}

#[tokio::test]
async fn a_document_and_a_line_of_the_chart_keep_a_record_as_visits_do() {
    let (world, patient, _) = seen().await;
    let site = &world.riverside;
    let first = kept_until(&world, site, patient).await;
    let (year, later_year) = (NOW + Duration::days(365), NOW + Duration::days(730));
    attach(&world, site, patient, year).await;
    let second = kept_until(&world, site, patient).await;
    assert!(second > first, "a document: {first} {second}");
    // Care by the visit is long over: an assignment is what lets the provider write.
    let mut tx = world.records.begin(RequestContext::system("test", site.clinic, NOW)).await.unwrap();
    let assigned = records::staff::assign(&mut tx, site.provider, patient).await.unwrap();
    tx.commit(assigned).await.unwrap();
    let context = RequestContext { at: later_year, ..site.as_provider() };
    crate::charts::enter(&world, context, patient, Uuid::now_v7(), 0, crate::charts::allergy("Penicillin"))
        .await
        .unwrap();
    let third = kept_until(&world, site, patient).await;
    assert!(third > second, "a line of the chart: {second} {third}");
    let early = destroy(&world, officer(site, later()), patient, mrn(site, patient)).await;
    assert!(matches!(early, Err(DestroyError::TooEarly { until }) if until == third), "{early:?}");
}

#[tokio::test]
async fn a_record_is_destroyed_after_retention_only_and_never_under_a_legal_hold() {
    let (world, patient, _) = seen().await;
    let site = &world.riverside;
    let number = mrn(site, patient).to_owned();
    for context in [site.as_provider(), site.as_front_desk(), site.as_clinic_admin()] {
        let context = RequestContext { at: later(), second_factor_at: Some(later()), ..context };
        let refused = destroy(&world, context, patient, &number).await;
        assert!(matches!(refused, Err(DestroyError::Failed(Error::Forbidden))), "{refused:?}");
    }
    let stale = RequestContext { second_factor_at: None, ..officer(site, later()) };
    assert!(matches!(destroy(&world, stale, patient, &number).await, Err(DestroyError::Failed(Error::StaleFactor))));
    let foreign = destroy(&world, officer(&world.lakeside, later()), patient, &number).await;
    assert!(matches!(foreign, Err(DestroyError::Failed(Error::NotFound))));
    let early = destroy(&world, officer(site, NOW + Duration::days(7 * 365 - 2)), patient, &number).await;
    assert!(matches!(early, Err(DestroyError::TooEarly { .. })), "{early:?}");
    let typed = destroy(&world, officer(site, later()), patient, mrn(site, site.patient(1))).await;
    assert!(matches!(typed, Err(DestroyError::OtherNumber)), "{typed:?}");

    let hold = async |reason: &str| hold(&world, site, patient, reason).await;
    let lift = async || {
        let mut tx = world.records.begin(officer(site, later())).await.unwrap();
        let may = tx.authorize(LiftLegalHold(patient)).await.unwrap();
        let lifted = retention::lift_hold(&mut tx, &may).await?;
        Ok::<_, HoldError>(tx.commit(lifted).await?)
    };
    assert!(matches!(lift().await, Err(HoldError::NotHeld)));
    assert!(matches!(hold("  ").await, Err(HoldError::Reason)));
    hold("Bell v. Riverside").await.unwrap();
    assert!(matches!(hold("again").await, Err(HoldError::AlreadyHeld)));
    assert!(matches!(destroy(&world, officer(site, later()), patient, &number).await, Err(DestroyError::Held)));
    let mut tx = world.records.begin(officer(site, later())).await.unwrap();
    let may = tx.authorize(ReadRetention(patient)).await.unwrap();
    let read = retention::read(&mut tx, &may).await.unwrap();
    let read = tx.commit(read).await.unwrap();
    assert_eq!(read.hold.as_ref().unwrap().reason.expose(), "Bell v. Riverside");
    assert_eq!((read.may_be_destroyed, read.years), (false, 7));
    lift().await.unwrap();
    let done = destroy(&world, officer(site, later()), patient, &number).await.unwrap();
    assert_eq!(done, Destroyed { data_keys: 1, object_keys: 2 });
    let twice = destroy(&world, officer(site, later()), patient, &number).await;
    assert!(matches!(twice, Err(DestroyError::Failed(Error::NotFound))), "{twice:?}");
    let logged: i64 = world
        .look("SELECT count(*) FROM audit_event WHERE action = 'patient.destroyed' AND outcome = 'allowed' AND patient_id IS NOT NULL")
        .await;
    assert_eq!(logged, 1);
}

#[tokio::test]
async fn nothing_of_a_destroyed_patient_opens_and_everybody_else_is_as_before() {
    let (world, patient, recording) = seen().await;
    let site = &world.riverside;
    let document = attach(&world, site, patient, NOW).await;
    let now = || NOW;
    let before = keys::verify(&world.records, &now).await.unwrap();
    let mail: i64 = sqlx::query_scalar(
        "SELECT sum(num_nonnulls(recipient, subject, body, calendar)) FROM outbox_message WHERE patient_id = $1",
    )
    .bind(patient.0)
    .fetch_one(&mut world.db.owner().await)
    .await
    .unwrap();
    destroy(&world, officer(site, later()), patient, mrn(site, patient)).await.unwrap();

    let after = keys::verify(&world.records, &now).await.unwrap();
    assert_eq!((after.bad_keys.len(), after.bad_values.len()), (0, 0));
    assert_eq!(after.data_keys, before.data_keys - 2);
    // Name, date of birth, number, reason, where the patient was, chat, the note's versions and its addendum.
    assert!(after.destroyed >= 11, "{}", after.destroyed);
    // The contents of mail to them are thrown away.
    assert!(mail > 0);
    assert_eq!(after.values + after.destroyed + u64::try_from(mail).unwrap(), before.values);
    assert!(matches!(
        recordings::open_key(&world.records, site.clinic, recording).await,
        Err(Error::Sealed(_) | Error::NotFound)
    ));

    let found = crate::finding::names(&world, site, &Wanted::default()).await;
    assert_eq!(found.len(), site.demo.patients.len() - 1);
    let mut tx = world.records.begin(site.as_provider()).await.unwrap();
    let gone = tx.authorize(ReadVisit(site.visit(0))).await.map(|_| ());
    assert!(matches!(gone, Err(Error::NotFound)), "{gone:?}");
    let mut tx = world.records.begin(site.as_provider()).await.unwrap();
    assert!(matches!(tx.authorize(ReadAttachment(document)).await.map(|_| ()), Err(Error::NotFound)));
    let mut tx = world.records.begin(site.as_provider()).await.unwrap();
    assert!(matches!(tx.authorize(ReadClinical(patient)).await.map(|_| ()), Err(Error::NotFound)));
    let mut tx = world.records.begin(site.as_compliance()).await.unwrap();
    assert!(matches!(tx.authorize(ReadNote(site.visit(0))).await.map(|_| ()), Err(Error::NotFound)));
    let mut tx = world.records.begin(site.as_provider()).await.unwrap();
    let may = tx.authorize(ReadVisit(site.visit(1))).await.unwrap();
    let other = visits::detail(&mut tx, &may).await.unwrap();
    tx.commit(other).await.unwrap();
    // The day on which they were seen is still a list.
    let day = crate::cast::day(&world, site.as_front_desk()).await;
    assert!(day.items.iter().all(|item| item.patient_id != patient));
    assert!(!day.items.is_empty());
    let tokens: i64 = world
        .look("SELECT count(*) FROM patient_index i JOIN patient p USING (patient_id) WHERE p.destroyed_at IS NOT NULL")
        .await;
    assert_eq!(tokens, 0);
    // A renewal of everything does not bring them back.
    keys::rotate(&world.records, keys::Scope::Everything, &later, |_| ()).await.unwrap();
    let renewed = keys::verify(&world.records, &now).await.unwrap();
    assert_eq!((renewed.destroyed, renewed.bad_values.len()), (after.destroyed, 0));
}

/// The owner's address in the words that PostgreSQL's own programs know.
fn address(db: &TestDatabase) -> String {
    let url = db.owner_url();
    let (server, settings) = url.split_once('?').unwrap_or((&url, ""));
    let host = settings.split('&').find(|setting| setting.starts_with("host=")).unwrap_or_default();
    format!("{server}?{host}")
}

/// Everything of the database, as `pg_dump` writes it.
async fn dump(db: &TestDatabase) -> Vec<u8> {
    let dumped = Command::new("pg_dump").arg(address(db)).stderr(Stdio::inherit()).output().await.unwrap();
    assert!(dumped.status.success());
    dumped.stdout
}

/// A database made of a dump.
async fn restored(dump: &[u8]) -> TestDatabase {
    let db = TestDatabase::empty().await;
    let mut psql = Command::new("psql")
        .args(["--quiet", "--no-psqlrc", "-v", "ON_ERROR_STOP=1"])
        .arg(address(&db))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = psql.stdin.take().unwrap();
    input.write_all(dump).await.unwrap();
    drop(input);
    assert!(psql.wait().await.unwrap().success());
    db
}

#[tokio::test]
async fn a_later_dump_opens_nothing_of_them_and_an_earlier_one_until_its_key_encryption_key_is_gone() {
    let (world, patient, _) = seen().await;
    let site = &world.riverside;
    let path = world.db.key_ring_path();
    let ring = || KeyRing::open(&path).unwrap();
    let now = || NOW;
    let wrapped: Vec<Vec<u8>> = sqlx::query_scalar("SELECT wrapped FROM data_key WHERE owner_id = $1")
        .bind(patient.0)
        .fetch_all(&mut world.db.owner().await)
        .await
        .unwrap();
    let early = dump(&world.db).await;
    destroy(&world, officer(site, later()), patient, mrn(site, patient)).await.unwrap();
    let late = dump(&world.db).await;

    let contains = |dump: &[u8], bytes: &[u8]| {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        dump.windows(hex.len()).any(|window| window == hex.as_bytes())
    };
    assert!(contains(&early, &wrapped[0]) && !contains(&late, &wrapped[0]));
    let db = restored(&late).await;
    let records = Records::connect(&db.app_url(), ring()).await.unwrap();
    let verified = keys::verify(&records, &now).await.unwrap();
    assert!(verified.destroyed >= 11 && verified.bad_values.is_empty());

    // What a backup from before still holds, with the key ring of today: everything. It is said in docs/keys.md.
    let db = restored(&early).await;
    let records = Records::connect(&db.app_url(), ring()).await.unwrap();
    assert_eq!(keys::verify(&records, &now).await.unwrap().destroyed, 0);

    // Until the key-encryption key that wrapped it is gone from the ring.
    let old = KeyRing::list(&path).unwrap()[0].id.clone();
    KeyRing::add(&path, NOW).unwrap();
    keys::rewrap(&world.records, &now).await.unwrap();
    assert_eq!(keys::wrapped_by(&world.records, &old, NOW).await.unwrap(), 0);
    KeyRing::remove(&path, &old).unwrap();
    assert!(keys::verify(&world.records, &now).await.unwrap().bad_values.is_empty(), "the clinic itself reads on");
    let db = restored(&early).await;
    let refused = Records::connect(&db.app_url(), ring()).await.err().expect("nothing opens").to_string();
    assert!(refused.contains("key ring is not the one"), "{refused}");
}
