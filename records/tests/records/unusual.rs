//! Unusual access is found in the sealed log, once, and reviewed by compliance; who viewed a patient is told.

use records::action::{
    ChangeAccessRules, ReadAccessRules, ReadFindings, ReadSeals, ReadViewers, ReadVisit, ReviewFindings, SearchAudit,
};
use records::audit::access::{self, ReviewError};
use records::audit::unusual::{Rule, Rules};
use records::audit::{self, Filter, Journal, Sealer};
use records::staff::{self, NewStaff};
use records::{Error, Phi, RequestContext, visits};
use visit::{Role, StaffId};
use zeroize::Zeroizing;

use crate::cast::{NOW, Site, World};

/// A nurse called Rosa Okafor, like one of the patients, who cares for all of them.
async fn relative(world: &World, site: &Site) -> StaffId {
    let system = RequestContext::system("test", site.clinic, NOW);
    let mut tx = world.records.begin(system.clone()).await.unwrap();
    let new = NewStaff {
        email: "rosa.okafor@riverside.example".to_owned(),
        name: "Rosa Okafor".to_owned(),
        role: Role::Nurse,
        password: Phi::from("correct horse battery"),
        totp_secret: Zeroizing::new([9; 20]),
    };
    let made = staff::create(&mut tx, &new).await.unwrap();
    let id = tx.commit(made).await.unwrap();
    for n in 0..site.demo.visits.len() {
        let mut tx = world.records.begin(system.clone()).await.unwrap();
        let assigned = staff::assign(&mut tx, id, site.patient(n)).await.unwrap();
        tx.commit(assigned).await.unwrap();
    }
    id
}

async fn open(world: &World, context: RequestContext, site: &Site, n: usize) {
    let mut tx = world.records.begin(context).await.unwrap();
    let may = tx.authorize(ReadVisit(site.visit(n))).await.unwrap();
    let detail = visits::detail(&mut tx, &may).await.unwrap();
    tx.commit(detail).await.unwrap();
}

async fn seal_all(world: &World, folder: &tempfile::TempDir) {
    let journal = Journal::open(&folder.path().join("audit")).unwrap();
    let mut sealer = Sealer::acquire(&world.records, &journal).await.unwrap().unwrap();
    let rows: i64 = world.look("SELECT count(*) FROM audit_event").await;
    while sealer.size() < rows.unsigned_abs() {
        sealer.seal(NOW).await.unwrap();
    }
    sealer.release().await.unwrap();
}

async fn findings(world: &World, site: &Site, open: bool) -> Vec<access::Finding> {
    let mut tx = world.records.begin(site.as_compliance()).await.unwrap();
    let may = tx.authorize(ReadFindings).await.unwrap();
    let page = access::findings(&mut tx, &may, open, None).await.unwrap();
    tx.commit(page).await.unwrap().items
}

#[tokio::test]
async fn a_relative_by_name_is_found_once_and_closed_with_a_note() {
    let world = World::new().await;
    let site = &world.riverside;
    let folder = tempfile::tempdir().unwrap();
    let rosa = relative(&world, site).await;
    let n = site.demo.visits.iter().position(|visit| visit.patient_name == "Amara Okafor").expect("is in the demo");
    let other = (n + 1) % site.demo.visits.len();
    open(&world, site.as_staff(rosa, Role::Nurse), site, n).await;
    open(&world, site.as_staff(rosa, Role::Nurse), site, other).await;
    open(&world, site.as_provider(), site, n).await;
    // Only what is sealed is looked at.
    assert_eq!(access::look_for_unusual(&world.records, site.clinic, NOW).await.unwrap(), 0);
    seal_all(&world, &folder).await;
    assert_eq!(access::look_for_unusual(&world.records, site.clinic, NOW).await.unwrap(), 1);
    assert_eq!(access::look_for_unusual(&world.records, site.clinic, NOW).await.unwrap(), 0, "known by now");
    let found = findings(&world, site, true).await;
    let [finding] = &found[..] else { panic!("{} findings", found.len()) };
    assert_eq!((finding.rule, finding.staff_id, finding.patient_id), (Rule::SameName, rosa, Some(site.patient(n))));
    assert_eq!(findings(&world, &world.lakeside, true).await.len(), 0, "another clinic sees nothing of it");
    let text: Vec<String> = sqlx::query_scalar("SELECT row_to_json(f)::text FROM access_finding f")
        .fetch_all(&mut world.db.owner().await)
        .await
        .unwrap();
    assert!(!text.concat().contains("Okafor"), "the name itself is not stored");

    let review = async |site: &Site, note: &str| {
        let mut tx = world.records.begin(site.as_compliance()).await.unwrap();
        let may = tx.authorize(ReviewFindings).await.unwrap();
        match access::review(&mut tx, &may, finding.id, &Phi::from(note)).await {
            Ok(done) => tx.commit(done).await.map_err(ReviewError::from),
            Err(error) => Err(error),
        }
    };
    assert!(matches!(review(site, " ").await, Err(ReviewError::Note)));
    assert!(matches!(review(&world.lakeside, "mine").await, Err(ReviewError::Failed(Error::NotFound))));
    review(site, "Not related; asked her.").await.unwrap();
    assert!(matches!(review(site, "again").await, Err(ReviewError::Reviewed)));
    assert_eq!(findings(&world, site, true).await.len(), 0);
    let reviewed = findings(&world, site, false).await;
    assert_eq!(reviewed[0].review.as_ref().unwrap().note.expose(), "Not related; asked her.");
    assert_eq!(access::look_for_unusual(&world.records, site.clinic, NOW).await.unwrap(), 0, "reviewed stays reviewed");
    // The words stand in the log as well: sealed, and opened only for whoever may search it.
    let mut tx = world.records.begin(site.as_compliance()).await.unwrap();
    let may = tx.authorize(SearchAudit).await.unwrap();
    let filter = Filter { action: Some("audit.finding_reviewed".to_owned()), ..Filter::default() };
    let page = audit::search(&mut tx, &may, &filter, None).await.unwrap();
    let logged = tx.commit(page).await.unwrap().items;
    assert_eq!(logged[0].private.as_ref().unwrap().expose(), "Not related; asked her.");
    let rows: Vec<String> = sqlx::query_scalar("SELECT row_to_json(e)::text FROM audit_event e")
        .fetch_all(&mut world.db.owner().await)
        .await
        .unwrap();
    assert!(!rows.concat().contains("asked her"), "nobody reads it in the table");
}

#[tokio::test]
async fn the_rules_are_the_clinics_own_and_change_what_is_found() {
    let world = World::new().await;
    let site = &world.riverside;
    let folder = tempfile::tempdir().unwrap();
    for n in 0..3 {
        open(&world, site.as_provider(), site, n).await;
    }
    seal_all(&world, &folder).await;
    assert_eq!(access::look_for_unusual(&world.records, site.clinic, NOW).await.unwrap(), 0, "an ordinary morning");
    let set = async |rules: Rules| {
        let mut tx = world.records.begin(site.as_compliance()).await.unwrap();
        let may = tx.authorize(ChangeAccessRules).await.unwrap();
        match access::set_rules(&mut tx, &may, &rules).await {
            Ok(done) => tx.commit(done).await.is_ok(),
            Err(_) => false,
        }
    };
    assert!(!set(Rules { refusals: 0, ..Rules::default() }).await);
    let strict = Rules { many_patients: 3, ..Rules::default() };
    assert!(set(strict).await);
    let mut tx = world.records.begin(site.as_clinic_admin()).await.unwrap();
    let may = tx.authorize(ReadAccessRules).await.unwrap();
    let rules = access::rules(&mut tx, &may).await.unwrap();
    assert_eq!(tx.commit(rules).await.unwrap(), strict);
    assert_eq!(access::look_for_unusual(&world.records, site.clinic, NOW).await.unwrap(), 1);
    assert_eq!(findings(&world, site, true).await[0].rule, Rule::ManyPatients);
    assert_eq!(access::look_for_unusual(&world.records, world.lakeside.clinic, NOW).await.unwrap(), 0);
}

#[tokio::test]
async fn who_viewed_a_patient_is_told_with_how_often_and_what() {
    let world = World::new().await;
    let site = &world.riverside;
    open(&world, site.as_provider(), site, 0).await;
    open(&world, site.as_provider(), site, 0).await;
    crate::cast::day(&world, site.as_front_desk()).await;
    open(&world, site.as_provider(), site, 1).await;
    let viewers = async |context: RequestContext| {
        let mut tx = world.records.begin(context).await.unwrap();
        let may = tx.authorize(ReadViewers(site.patient(0))).await?;
        let viewers = audit::viewers_of(&mut tx, &may, None, None).await?;
        tx.commit(viewers).await
    };
    let found = viewers(site.as_compliance()).await.unwrap();
    let provider = found.iter().find(|viewer| viewer.staff_id == site.provider).unwrap();
    assert_eq!((provider.count, provider.in_lists, provider.role.as_str()), (2, 0, "provider"));
    assert_eq!(provider.actions, ["visit.read"]);
    let desk = found.iter().find(|viewer| viewer.staff_id == site.front_desk).unwrap();
    assert_eq!((desk.count, desk.in_lists), (1, 1));
    // Whoever asks is in the answer the next time.
    let again = viewers(site.as_clinic_admin()).await.unwrap();
    assert!(again.iter().any(|viewer| viewer.staff_id == site.compliance && viewer.actions == ["audit.viewers"]));
    assert!(matches!(viewers(site.as_front_desk()).await, Err(Error::Forbidden)));
    assert!(matches!(viewers(world.lakeside.as_compliance()).await, Err(Error::NotFound)));
}

#[tokio::test]
async fn verifying_on_request_is_logged_and_remembered() {
    let world = World::new().await;
    let site = &world.riverside;
    let folder = tempfile::tempdir().unwrap();
    seal_all(&world, &folder).await;
    let without_key = audit::verify_now(&world.records, site.as_compliance()).await.unwrap_err();
    assert!(matches!(without_key, audit::VerifyNowError::NoKey));
    world.records.keep_journal(Journal::open(&folder.path().join("audit")).unwrap());
    assert!(audit::verify_now(&world.records, site.as_compliance()).await.unwrap().intact());
    let refused = audit::verify_now(&world.records, site.as_front_desk()).await.unwrap_err();
    assert!(matches!(refused, audit::VerifyNowError::Failed(Error::Forbidden)));
    let mut tx = world.records.begin(site.as_compliance()).await.unwrap();
    let may = tx.authorize(ReadSeals).await.unwrap();
    let state = audit::seal_state(&mut tx, &may).await.unwrap();
    let state = tx.commit(state).await.unwrap();
    let last = state.verification.expect("it is remembered");
    assert_eq!((last.fault_count, last.tree_size, last.rows), (0, state.tree_size, state.tree_size));
    assert!(state.checkpoint.unwrap().starts_with("bedside.audit/"));
    let mut tx = world.records.begin(site.as_compliance()).await.unwrap();
    let may = tx.authorize(SearchAudit).await.unwrap();
    let filter = Filter { action: Some("audit.verify".to_owned()), ..Filter::default() };
    let page = audit::search(&mut tx, &may, &filter, None).await.unwrap();
    assert_eq!(tx.commit(page).await.unwrap().items.len(), 3, "also the one without a key, and the refused one");
}
