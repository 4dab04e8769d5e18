//! Demographics and the lists of a chart: every version kept, nothing overwritten, nothing in clear.

use records::action::{
    CreatePatient, ReadClinical, ReadDemographics, ReadInsurance, WriteClinical, WriteDemographics, WriteInsurance,
};
use records::chart::allergies::{self, AllergyState, Known};
use records::chart::entries::{self, Author, EntryError};
use records::chart::{
    Allergy, AllergyStatus, Change, Clinical, Coverage, Entry, Order, Relation, Revision, Subscriber, Verification,
};
use records::patients::record::{self, Record, SaveError};
use records::patients::register::{self, RegisterError, Registration};
use records::patients::{Demographics, is_well_formed};
use records::{Error, Phi, RequestContext};
use uuid::Uuid;
use visit::PatientId;

use crate::cast::World;

pub fn allergy(substance: &str) -> Clinical {
    Clinical::Allergy(Allergy {
        substance: substance.to_owned(),
        reaction: None,
        severity: None,
        criticality: None,
        status: AllergyStatus::Active,
        verification: Verification::Unconfirmed,
        onset: None,
        note: None,
    })
}

fn coverage(payer: &str) -> Coverage {
    Coverage {
        payer: payer.to_owned(),
        plan: None,
        member_id: "canary-member".to_owned(),
        group_number: None,
        subscriber: Subscriber { relation: Relation::Oneself, name: None, date_of_birth: None },
        order: Order::Primary,
        starts_on: None,
        ends_on: None,
        payer_phone: None,
    }
}

pub async fn register(
    world: &World,
    who: RequestContext,
    key: &str,
    document: Demographics,
    mrn: Option<&str>,
    despite: bool,
) -> Result<PatientId, RegisterError> {
    let mut tx = world.records.begin(who).await?;
    let may = tx.authorize(CreatePatient).await?;
    let new = Registration { demographics: Phi::new(document), mrn: mrn.map(Phi::from), despite_duplicates: despite };
    let id = register::register(&mut tx, &may, key, new).await?;
    Ok(tx.commit(id).await?)
}

pub async fn read(world: &World, who: RequestContext, patient: PatientId) -> Result<Record, Error> {
    let mut tx = world.records.begin(who).await?;
    let may = tx.authorize(ReadDemographics(patient)).await?;
    let found = record::read(&mut tx, &may).await?;
    tx.commit(found).await
}

async fn change(
    world: &World,
    who: RequestContext,
    patient: PatientId,
    version: i32,
    document: Demographics,
) -> Result<Record, SaveError> {
    let mut tx = world.records.begin(who).await?;
    let may = tx.authorize(WriteDemographics(patient)).await?;
    let saved = record::save(&mut tx, &may, version, &Phi::new(document)).await?;
    Ok(tx.commit(saved).await?)
}

pub async fn enter(
    world: &World,
    who: RequestContext,
    patient: PatientId,
    id: Uuid,
    version: i32,
    entry: Clinical,
) -> Result<Entry<Clinical>, EntryError> {
    let mut tx = world.records.begin(who).await?;
    let may = tx.authorize(WriteClinical(patient)).await?;
    let saved = entries::save(&mut tx, &may, id, version, entry).await?;
    Ok(tx.commit(saved).await?)
}

async fn mark(
    world: &World,
    patient: PatientId,
    id: Uuid,
    version: i32,
    reason: Option<&str>,
) -> Result<Entry<Clinical>, EntryError> {
    let mut tx = world.records.begin(world.riverside.as_provider()).await?;
    let may = tx.authorize(WriteClinical(patient)).await?;
    let reason = reason.map(Phi::from);
    let marked = entries::mark::<Clinical>(&mut tx, &may, id, version, reason.is_some(), reason.as_ref()).await?;
    Ok(tx.commit(marked).await?)
}

pub async fn lists(world: &World, who: RequestContext, patient: PatientId) -> (Vec<Entry<Clinical>>, AllergyState) {
    let mut tx = world.records.begin(who).await.unwrap();
    let may = tx.authorize(ReadClinical(patient)).await.unwrap();
    let entries = entries::all::<Clinical>(&mut tx, &may).await.unwrap();
    let known = allergies::state(&mut tx, &may, &entries).await.unwrap();
    tx.commit(entries.and(known)).await.unwrap()
}

async fn none_known(world: &World, patient: PatientId, version: i32, none: bool) -> Result<AllergyState, EntryError> {
    let mut tx = world.records.begin(world.riverside.as_provider()).await?;
    let may = tx.authorize(WriteClinical(patient)).await?;
    let state = allergies::set_none_known(&mut tx, &may, version, none).await?;
    Ok(tx.commit(state).await?)
}

async fn history(world: &World, patient: PatientId, id: Uuid) -> Vec<Revision<Clinical>> {
    let mut tx = world.records.begin(world.riverside.as_provider()).await.unwrap();
    let may = tx.authorize(ReadClinical(patient)).await.unwrap();
    let revisions = entries::history::<Clinical>(&mut tx, &may, id).await.unwrap();
    tx.commit(revisions).await.unwrap()
}

/// A patient whom the provider put on record just now, and so cares for.
async fn newcomer(world: &World) -> PatientId {
    let who = world.riverside.as_provider();
    register(world, who, "newcomer", Demographics::of("Ines Novak", "1990-05-04"), None, false).await.unwrap()
}

#[tokio::test]
async fn a_number_is_made_with_the_clinics_letters_and_a_check_digit_and_nobody_gets_one_twice() {
    let world = World::new().await;
    let desk = world.riverside.as_front_desk();
    let mut numbers = Vec::new();
    for (n, name) in ["Ana Ruiz", "Ben Cole", "Cy Dahl"].iter().enumerate() {
        let id =
            register(&world, desk.clone(), &n.to_string(), Demographics::of(name, "1980-01-01"), None, false).await;
        numbers.push(read(&world, desk.clone(), id.unwrap()).await.unwrap().mrn.expose().clone());
    }
    assert!(numbers.iter().all(|mrn| mrn.starts_with("P-") && is_well_formed(mrn) == Some(true)), "{numbers:?}");
    assert!(numbers[0] < numbers[1] && numbers[1] < numbers[2]);
    let again = |mrn: String| {
        let (world, desk) = (&world, desk.clone());
        async move { register(world, desk, &mrn, Demographics::of("Dee Eck", "1981-01-01"), Some(&mrn), true).await }
    };
    assert!(matches!(again(numbers[0].to_lowercase()).await, Err(RegisterError::MrnTaken)));
    assert!(matches!(again(" RF-10482 ".to_owned()).await, Err(RegisterError::MrnTaken)), "the demonstration's");
    assert!(
        matches!(again("P-010001-7".to_owned()).await, Err(RegisterError::Invalid(invalid)) if invalid.field == "mrn")
    );
    let kept = again("OLD 77/3".to_owned()).await.unwrap();
    assert_eq!(read(&world, desk, kept).await.unwrap().mrn.expose(), "OLD 77/3");
}

#[tokio::test]
async fn a_number_that_is_taken_over_is_passed_by_when_its_turn_comes() {
    let world = World::new().await;
    let desk = world.riverside.as_front_desk();
    register(&world, desk.clone(), "a", Demographics::of("Ana Ruiz", "1980-01-01"), Some("P-010001-6"), false)
        .await
        .unwrap();
    let next =
        register(&world, desk.clone(), "b", Demographics::of("Ben Cole", "1980-01-01"), None, false).await.unwrap();
    assert_eq!(read(&world, desk, next).await.unwrap().mrn.expose(), "P-010002-4");
}

#[tokio::test]
async fn the_same_request_again_puts_one_person_on_record() {
    let world = World::new().await;
    let desk = world.riverside.as_front_desk();
    let ana = || Demographics::of("Ana Ruiz", "1980-01-01");
    let first = register(&world, desk.clone(), "key", ana(), None, false).await.unwrap();
    assert_eq!(register(&world, desk.clone(), "key", ana(), None, false).await.unwrap(), first);
    let other = register(&world, desk, "key", Demographics::of("Ben Cole", "1980-01-01"), None, false).await;
    assert!(matches!(other, Err(RegisterError::KeyReused)));
}

#[tokio::test]
async fn somebody_alike_is_noticed_and_may_still_be_another_person() {
    let world = World::new().await;
    let desk = world.riverside.as_front_desk();
    let alike = Demographics::of("Elenore WHITFIELD", "1958-03-14");
    let refused = register(&world, desk.clone(), "1", alike.clone(), None, false).await;
    let Err(RegisterError::PossibleDuplicate(found)) = refused else { panic!("not noticed") };
    let eleanor = world.riverside.demo.patients.iter().find(|one| one.name == "Eleanor Whitfield").unwrap();
    assert_eq!(found, [eleanor.patient_id]);
    register(&world, desk.clone(), "2", Demographics::of("Eleanor Whitfield", "1958-03-15"), None, false)
        .await
        .unwrap();
    register(&world, desk.clone(), "3", Demographics::of("Peter Marsh", "1958-03-14"), None, false).await.unwrap();
    register(&world, desk, "4", alike, None, true).await.unwrap();
    let lakeside = world.lakeside.as_front_desk();
    register(&world, lakeside, "5", Demographics::of("Eleanor Whitfield", "1958-03-14"), None, false).await.unwrap();
}

#[tokio::test]
async fn demographics_are_changed_over_the_version_that_was_seen_and_every_version_says_who_and_when() {
    let world = World::new().await;
    let (desk, provider) = (world.riverside.as_front_desk(), world.riverside.as_provider());
    let patient = newcomer(&world).await;
    let first = read(&world, desk.clone(), patient).await.unwrap();
    assert_eq!(first.version, 1);
    let mut document = first.demographics.expose().clone();
    document.name.family = "Novak-Berg".to_owned();
    document.time_zone = Some("America/Chicago".to_owned());
    let second = change(&world, desk.clone(), patient, 1, document.clone()).await.unwrap();
    assert_eq!((second.version, second.demographics.expose().shown_name().as_str()), (2, "Ines Novak-Berg"));
    let late = change(&world, provider.clone(), patient, 1, document.clone()).await;
    assert!(matches!(late, Err(SaveError::ChangedElsewhere { version: 2 })));
    document.time_zone = Some("Mars/Olympus".to_owned());
    let zone = change(&world, desk.clone(), patient, 2, document).await;
    assert!(matches!(zone, Err(SaveError::Invalid(invalid)) if invalid.field == "time_zone"));

    let mut tx = world.records.begin(provider).await.unwrap();
    let may = tx.authorize(ReadDemographics(patient)).await.unwrap();
    let revisions = record::history(&mut tx, &may).await.unwrap();
    let revisions = tx.commit(revisions).await.unwrap();
    let told: Vec<_> = revisions
        .iter()
        .map(|one| (one.version, one.change, one.demographics.expose().name.family.as_str(), one.by.clone()))
        .collect();
    let by = |name: &str| Some(Author::Staff(name.to_owned()));
    assert_eq!(
        told,
        [
            (2, record::Change::Changed, "Novak-Berg", by("Tom Nguyen")),
            (1, record::Change::Created, "Novak", by("Dr. Maya Chen")),
        ]
    );
}

#[tokio::test]
async fn an_entry_is_kept_in_every_version_and_comes_back_from_an_error() {
    let world = World::new().await;
    let (provider, patient, id) = (world.riverside.as_provider(), newcomer(&world).await, Uuid::now_v7());
    let enter = |version, entry| enter(&world, provider.clone(), patient, id, version, entry);
    assert_eq!(enter(0, allergy("Penicillin")).await.unwrap().version, 1);
    assert!(matches!(enter(0, allergy("Latex")).await, Err(EntryError::ChangedElsewhere { version: 1 })));
    assert_eq!(enter(1, allergy("Amoxicillin")).await.unwrap().version, 2);
    let other_list = Clinical::Condition(records::chart::Condition {
        text: "Asthma".to_owned(),
        icd10: None,
        status: records::chart::ConditionStatus::Active,
        onset: None,
        abatement: None,
        note: None,
    });
    assert!(matches!(enter(2, other_list).await, Err(EntryError::Invalid(invalid)) if invalid.field == "list"));
    assert!(matches!(mark(&world, patient, id, 2, Some("  ")).await, Err(EntryError::Invalid(_))));
    let marked = mark(&world, patient, id, 2, Some("other patient")).await.unwrap();
    assert!(marked.entered_in_error && marked.reason.unwrap().expose() == "other patient");
    assert!(matches!(enter(3, allergy("Latex")).await, Err(EntryError::InError)));
    assert!(matches!(mark(&world, patient, id, 3, Some("again")).await, Err(EntryError::AlreadySo { in_error: true })));
    assert!(!mark(&world, patient, id, 3, None).await.unwrap().entered_in_error);
    let told: Vec<_> = history(&world, patient, id)
        .await
        .iter()
        .map(|one| {
            let Clinical::Allergy(allergy) = one.document.expose() else { panic!("another list") };
            (one.version, one.change, allergy.substance.clone(), one.reason.as_ref().map(|text| text.expose().clone()))
        })
        .collect();
    let amoxicillin = "Amoxicillin".to_owned();
    assert_eq!(
        told,
        [
            (4, Change::Restored, amoxicillin.clone(), None),
            (3, Change::EnteredInError, amoxicillin.clone(), Some("other patient".to_owned())),
            (2, Change::Changed, amoxicillin, None),
            (1, Change::Created, "Penicillin".to_owned(), None),
        ]
    );
}

#[tokio::test]
async fn no_known_allergies_is_said_by_somebody_and_an_allergy_takes_it_back() {
    let world = World::new().await;
    let (provider, patient) = (world.riverside.as_provider(), newcomer(&world).await);
    let state = async || lists(&world, provider.clone(), patient).await.1;
    assert_eq!(state().await, AllergyState { known: Known::NotAsked, version: 0 });
    assert_eq!(none_known(&world, patient, 0, true).await.unwrap(), AllergyState { known: Known::None, version: 1 });
    assert!(matches!(none_known(&world, patient, 0, false).await, Err(EntryError::ChangedElsewhere { version: 1 })));
    let id = Uuid::now_v7();
    enter(&world, provider.clone(), patient, id, 0, allergy("Latex")).await.unwrap();
    assert_eq!(state().await, AllergyState { known: Known::Listed, version: 2 });
    assert!(matches!(none_known(&world, patient, 2, true).await, Err(EntryError::AllergiesListed)));
    mark(&world, patient, id, 1, Some("misheard")).await.unwrap();
    assert_eq!(state().await.known, Known::NotAsked, "the statement does not come back by itself");
    none_known(&world, patient, 2, true).await.unwrap();
    mark(&world, patient, id, 2, None).await.unwrap();
    assert_eq!(state().await.known, Known::Listed);
}

#[tokio::test]
async fn an_entry_of_one_patient_is_not_found_through_another() {
    let world = World::new().await;
    let (provider, patient) = (world.riverside.as_provider(), newcomer(&world).await);
    let id = Uuid::now_v7();
    enter(&world, provider.clone(), patient, id, 0, allergy("Latex")).await.unwrap();
    let other = world.riverside.patient(0);
    let through = enter(&world, provider.clone(), other, id, 1, allergy("Nuts")).await;
    assert!(matches!(through, Err(EntryError::Failed(Error::NotFound))));
    // The id is taken, and that is all that can be learned.
    let taken = enter(&world, provider.clone(), other, id, 0, allergy("Nuts")).await;
    assert!(matches!(taken, Err(EntryError::ChangedElsewhere { version: 1 })));
    let mut tx = world.records.begin(provider).await.unwrap();
    let may = tx.authorize(ReadInsurance(patient)).await.unwrap();
    assert!(matches!(entries::history::<Coverage>(&mut tx, &may, id).await, Err(Error::NotFound)), "nor as insurance");
}

#[tokio::test]
async fn the_front_desk_keeps_insurance_and_never_sees_a_clinical_list() {
    let world = World::new().await;
    let (desk, patient) = (world.riverside.as_front_desk(), newcomer(&world).await);
    let mut tx = world.records.begin(desk.clone()).await.unwrap();
    let may = tx.authorize(WriteInsurance(patient)).await.unwrap();
    let saved = entries::save(&mut tx, &may, Uuid::now_v7(), 0, coverage("Prairie Mutual")).await.unwrap();
    assert_eq!(tx.commit(saved).await.unwrap().document.expose().payer, "Prairie Mutual");
    let mut tx = world.records.begin(desk).await.unwrap();
    assert!(matches!(tx.authorize(ReadClinical(patient)).await, Err(Error::Forbidden)));
    let mut tx = world.records.begin(world.riverside.as_clinic_admin()).await.unwrap();
    assert!(matches!(tx.authorize(ReadInsurance(patient)).await, Err(Error::Forbidden)));
}

#[tokio::test]
async fn nothing_that_was_written_stands_in_the_database_in_clear_or_can_be_changed_there() {
    let world = World::new().await;
    let patient = newcomer(&world).await;
    let provider = world.riverside.as_provider();
    enter(&world, provider, patient, Uuid::now_v7(), 0, allergy("canary-latex")).await.unwrap();
    let clear: i64 = world
        .look(
            "SELECT count(*) FROM (SELECT body FROM chart_revision UNION ALL SELECT body FROM patient_revision) r
             WHERE position('canary'::bytea IN body) > 0 OR position('Novak'::bytea IN body) > 0 OR position('{'::bytea IN body) = 1",
        )
        .await;
    assert_eq!(clear, 0);
    let mut app = world.db.app().await;
    for change in [
        "UPDATE patient_revision SET change = 'changed'",
        "DELETE FROM patient_revision",
        "UPDATE chart_revision SET change = 'changed'",
        "DELETE FROM chart_entry",
        "UPDATE chart_entry SET list = 'procedure'",
        "UPDATE patient_merge SET survivor_id = merged_id",
    ] {
        let refused = sqlx::query(change).execute(&mut app).await.unwrap_err();
        assert!(refused.to_string().contains("permission denied"), "{change}: {refused}");
    }
}
