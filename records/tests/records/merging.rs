//! Two records of one person: made one, and taken apart again. Nothing sealed is touched by either.

use records::action::{MergePatients, ReadNote, ReadVisit};
use records::patients::merge::{self, MergeError, Undone};
use records::patients::record::{Record, SaveError};
use records::patients::{Demographics, Patient};
use records::{Error, Phi, notes, patients, visits};
use uuid::Uuid;
use visit::PatientId;

use crate::cast::World;
use crate::charts::{allergy, enter, lists, read, register};
use crate::notes::{BODY, write_and_sign};

/// Somebody with a visit and a signed note, and the same person put on record once more.
struct Twice {
    world: World,
    first: PatientId,
    second: PatientId,
}

impl Twice {
    async fn new() -> Self {
        let world = World::new().await;
        write_and_sign(&world, &world.riverside, 0).await;
        let first = world.riverside.patient(0);
        let known = read(&world, world.riverside.as_front_desk(), first).await.unwrap();
        let known = known.demographics.expose();
        let again = Demographics::of(&known.shown_name(), &known.date_of_birth);
        let desk = world.riverside.as_front_desk();
        let second = register(&world, desk, "again", again, Some("NEW-1"), true).await.unwrap();
        Self { world, first, second }
    }

    async fn record(&self, patient: PatientId) -> Record {
        read(&self.world, self.world.riverside.as_front_desk(), patient).await.unwrap()
    }

    async fn candidates(&self, patient: PatientId) -> Vec<Patient> {
        let mut tx = self.world.records.begin(self.world.riverside.as_front_desk()).await.unwrap();
        let may = tx.authorize(MergePatients(patient)).await.unwrap();
        let found = merge::candidates(&mut tx, &may).await.unwrap();
        tx.commit(found).await.unwrap()
    }

    async fn merge(
        &self,
        survivor: PatientId,
        other: PatientId,
        versions: (i32, i32),
        who: &Demographics,
    ) -> Result<Record, MergeError> {
        let mut tx = self.world.records.begin(self.world.riverside.as_front_desk()).await?;
        let (a, b) = (tx.authorize(MergePatients(survivor)).await?, tx.authorize(MergePatients(other)).await?);
        let merged = merge::merge(&mut tx, &a, &b, versions, &Phi::new(who.clone())).await?;
        Ok(tx.commit(merged).await?)
    }

    async fn unmerge(&self, survivor: PatientId, other: PatientId) -> Result<(Record, Undone), MergeError> {
        let mut tx = self.world.records.begin(self.world.riverside.as_front_desk()).await?;
        let may = tx.authorize(MergePatients(survivor)).await?;
        let undone = merge::unmerge(&mut tx, &may, other).await?;
        Ok(tx.commit(undone).await?)
    }

    /// The record with the visit goes into the other one.
    async fn merged_into_second(&self) -> Record {
        let (one, other) = (self.record(self.first).await, self.record(self.second).await);
        let mut who = one.demographics.expose().clone();
        who.preferred_name = Some("Chosen".to_owned());
        self.merge(self.second, self.first, (other.version, one.version), &who).await.unwrap()
    }

    /// Every sealed byte of visits, notes and charts, as one number.
    async fn evidence(&self) -> String {
        self.world
            .look(
                "SELECT md5(string_agg(x, '|' ORDER BY x)) FROM (
                     SELECT r.note_id::text || r.version || encode(r.body, 'hex') AS x FROM note_revision r
                     UNION ALL SELECT n::text FROM note n UNION ALL SELECT v::text FROM visit v UNION ALL SELECT a::text FROM appointment a
                     UNION ALL SELECT c::text FROM chart_revision c UNION ALL SELECT e::text FROM chart_entry e) y",
            )
            .await
    }
}

#[tokio::test]
async fn whoever_asks_for_either_gets_the_one_with_the_visits_and_entries_of_both() {
    let twice = Twice::new().await;
    let (world, desk, provider) =
        (&twice.world, twice.world.riverside.as_front_desk(), twice.world.riverside.as_provider());
    assert_eq!(twice.candidates(twice.first).await[0].patient_id, twice.second);
    let before = twice.evidence().await;
    let survivor = twice.merged_into_second().await;
    assert_eq!((survivor.patient_id, survivor.aliases.len()), (twice.second, 1));
    assert_eq!(survivor.aliases[0].patient_id, twice.first);
    assert_eq!(twice.evidence().await, before, "not a byte was touched");

    let asked = read(world, desk, twice.first).await.unwrap();
    assert_eq!((asked.patient_id, asked.mrn.expose().as_str()), (twice.second, "NEW-1"));
    assert_eq!(asked.demographics.expose().preferred_name.as_deref(), Some("Chosen"));
    assert!(twice.candidates(twice.second).await.is_empty(), "an alias is no candidate");

    // The old number still finds the patient, once.
    let mut tx = world.records.begin(provider.clone()).await.unwrap();
    let may = tx.authorize(records::action::SearchPatients).await.unwrap();
    let old = survivor.aliases[0].mrn.expose().as_str();
    let wanted = patients::Wanted { mrn: Some(Phi::from(old)), ..Default::default() };
    let found = patients::search(&mut tx, &may, &wanted, None).await.unwrap();
    let everybody = patients::search(&mut tx, &may, &patients::Wanted::default(), None).await.unwrap();
    let (found, everybody) = tx.commit(found.and(everybody)).await.unwrap();
    assert_eq!(found.items.iter().map(|one| one.patient_id).collect::<Vec<_>>(), [twice.second]);
    assert!(everybody.items.iter().all(|one| one.patient_id != twice.first));

    // The provider's appointment was the other record's: it is a care relationship with this one now.
    let (of_first, _) = lists(world, provider.clone(), twice.second).await;
    assert!(!of_first.is_empty(), "the entries of the merged record are shown");
    assert!(of_first.iter().all(|entry| entry.entered_for == twice.first));
    let entry = &of_first[0];
    let changed =
        enter(world, provider.clone(), twice.second, entry.id, entry.version, entry.document.expose().clone()).await;
    assert_eq!(changed.unwrap().entered_for, twice.first, "it stays with its record and its key");
    let new = enter(world, provider.clone(), twice.first, Uuid::now_v7(), 0, allergy("Latex")).await.unwrap();
    assert_eq!(new.entered_for, twice.second, "what is entered now is entered for the survivor");

    // The signed note still opens, and the visit is the survivor's.
    let mut tx = world.records.begin(provider.clone()).await.unwrap();
    let may = tx.authorize(ReadNote(world.riverside.visit(0))).await.unwrap();
    let note = notes::read(&mut tx, &may).await.unwrap();
    assert_eq!(tx.commit(note).await.unwrap().body.expose(), BODY);
    let mut tx = world.records.begin(provider).await.unwrap();
    let may = tx.authorize(ReadVisit(world.riverside.visit(0))).await.unwrap();
    let visit = visits::detail(&mut tx, &may).await.unwrap();
    let visit = tx.commit(visit).await.unwrap();
    assert_eq!(visit.patient_id, twice.second);
    assert!(visit.reason.is_some_and(|reason| !reason.expose().is_empty()), "sealed for the alias, still open");
}

#[tokio::test]
async fn a_merge_is_undone_within_the_same_data() {
    let twice = Twice::new().await;
    let before = twice.record(twice.second).await.demographics.expose().clone();
    let entries = lists(&twice.world, twice.world.riverside.as_provider(), twice.first).await.0.len();
    twice.merged_into_second().await;
    let (survivor, undone) = twice.unmerge(twice.second, twice.first).await.unwrap();
    assert_eq!(undone, Undone::Restored);
    assert!(survivor.demographics.expose() == &before && survivor.aliases.is_empty());
    assert_eq!(twice.record(twice.first).await.patient_id, twice.first);
    let (own, _) = lists(&twice.world, twice.world.riverside.as_provider(), twice.first).await;
    assert_eq!(own.len(), entries);
    let mut tx = twice.world.records.begin(twice.world.riverside.as_provider()).await.unwrap();
    let refused = tx.authorize(records::action::ReadClinical(twice.second)).await.err();
    assert!(matches!(refused, Some(Error::NotFound)), "the care relationship went with the visits");
    assert!(matches!(twice.unmerge(twice.second, twice.first).await, Err(MergeError::NotMerged)));
    twice.merged_into_second().await;
}

#[tokio::test]
async fn what_was_changed_since_the_merge_stays_when_it_is_undone() {
    let twice = Twice::new().await;
    let merged = twice.merged_into_second().await;
    let mut who = merged.demographics.expose().clone();
    who.pronouns = Some("they/them".to_owned());
    let mut tx = twice.world.records.begin(twice.world.riverside.as_front_desk()).await.unwrap();
    let may = tx.authorize(records::action::WriteDemographics(twice.first)).await.unwrap();
    let saved = records::patients::record::save(&mut tx, &may, merged.version, &Phi::new(who)).await.unwrap();
    tx.commit(saved).await.unwrap();
    let (survivor, undone) = twice.unmerge(twice.second, twice.first).await.unwrap();
    assert_eq!((undone, survivor.demographics.expose().pronouns.as_deref()), (Undone::Kept, Some("they/them")));
}

#[tokio::test]
async fn a_merge_over_versions_that_are_not_the_stored_ones_is_refused_and_so_is_one_with_itself() {
    let twice = Twice::new().await;
    let (one, other) = (twice.record(twice.first).await, twice.record(twice.second).await);
    let who = one.demographics.expose();
    let merge = |versions| twice.merge(twice.first, twice.second, versions, who);
    assert!(matches!(
        merge((one.version + 1, other.version)).await,
        Err(MergeError::Save(SaveError::ChangedElsewhere { .. }))
    ));
    assert!(matches!(
        merge((one.version, other.version + 1)).await,
        Err(MergeError::Save(SaveError::ChangedElsewhere { .. }))
    ));
    let same = twice.merge(twice.first, twice.first, (one.version, one.version), who).await;
    assert!(matches!(same, Err(MergeError::SameRecord)));
    merge((one.version, other.version)).await.unwrap();
    let again = merge((one.version + 1, other.version)).await;
    assert!(matches!(again, Err(MergeError::SameRecord)), "an alias is merged no further");
    assert!(twice.record(twice.second).await.aliases.len() == 1);
}

#[tokio::test]
async fn records_merge_in_a_chain_and_all_lead_to_the_last() {
    let twice = Twice::new().await;
    let desk = twice.world.riverside.as_front_desk();
    let survivor = twice.merged_into_second().await;
    let who = survivor.demographics.expose().clone();
    let third = register(&twice.world, desk, "third", who.clone(), None, true).await.unwrap();
    twice.merge(third, twice.second, (1, survivor.version), &who).await.unwrap();
    for asked in [twice.first, twice.second, third] {
        assert_eq!(twice.record(asked).await.patient_id, third);
    }
    assert_eq!(twice.record(third).await.aliases.len(), 2);
    // The inner merge is undone from where it stands: its survivor is an alias itself, so the outer one goes first.
    assert!(matches!(twice.unmerge(third, twice.first).await, Err(MergeError::NotMerged)));
    twice.unmerge(third, twice.second).await.unwrap();
    twice.unmerge(twice.second, twice.first).await.unwrap();
    assert_eq!(twice.record(twice.first).await.patient_id, twice.first);
}

#[tokio::test]
async fn merging_and_undoing_are_in_the_log_of_both() {
    let twice = Twice::new().await;
    twice.merged_into_second().await;
    twice.unmerge(twice.second, twice.first).await.unwrap();
    let told: Vec<(String, Uuid)> = sqlx::query_as(
        "SELECT action, patient_id FROM audit_event WHERE action IN ('patient.merge', 'patient.unmerge') ORDER BY seq",
    )
    .fetch_all(&mut twice.world.db.owner().await)
    .await
    .unwrap();
    let expected = [
        ("patient.merge", twice.second),
        ("patient.merge", twice.first),
        ("patient.unmerge", twice.second),
        ("patient.unmerge", twice.first),
    ];
    assert_eq!(told, expected.map(|(action, patient)| (action.to_owned(), patient.0)));
}
