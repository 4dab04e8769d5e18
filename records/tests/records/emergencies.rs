//! Emergency access: asked with a reason and a fresh second factor, for one patient and one hour, and reviewed.

use records::action::{
    AskEmergencyAccess, ListEmergencyAccess, ReadAccess, ReadEmergencyAccess, ReadNote, ReadVisit,
    ReviewEmergencyAccess, WriteNote,
};
use records::emergency::{self, Access, AskError, EmergencyAccess, Finding, Granted, ReviewError, ReviewState};
use records::{Error, Phi, RequestContext, notes, visits};
use time::Duration;
use visit::{EmergencyAccessId, Role, StaffId};

use crate::cast::{NOW, Site, World};

const REASON: &str = "canary-reason: found unconscious in the lobby";

/// A nurse without a care relationship, with a second factor given a minute ago.
async fn nurse(world: &World, site: &Site) -> RequestContext {
    let id = world.nurse(site).await;
    RequestContext { second_factor_at: Some(NOW - Duration::minutes(1)), ..site.as_staff(id, Role::Nurse) }
}

async fn ask(world: &World, who: &RequestContext, site: &Site, n: usize, reason: &str) -> Result<Granted, AskError> {
    let mut tx = world.records.begin(who.clone()).await.map_err(AskError::from)?;
    let may = tx.authorize(AskEmergencyAccess(site.patient(n))).await?;
    let granted = emergency::ask(&mut tx, &may, &Phi::from(reason)).await?;
    Ok(tx.commit(granted).await?)
}

async fn read(world: &World, who: &RequestContext, site: &Site, n: usize) -> Result<(), Error> {
    let mut tx = world.records.begin(who.clone()).await?;
    let may = tx.authorize(ReadVisit(site.visit(n))).await?;
    let detail = visits::detail(&mut tx, &may).await?;
    tx.commit(detail).await?;
    let mut tx = world.records.begin(who.clone()).await?;
    let may = tx.authorize(ReadNote(site.visit(n))).await?;
    let note = notes::read(&mut tx, &may).await?;
    tx.commit(note).await.map(|_| ())
}

async fn queue(world: &World, site: &Site, state: Option<ReviewState>) -> Vec<EmergencyAccess> {
    let mut tx = world.records.begin(site.as_compliance()).await.unwrap();
    let may = tx.authorize(ListEmergencyAccess).await.unwrap();
    let page = emergency::list(&mut tx, &may, state, None).await.unwrap();
    tx.commit(page).await.unwrap().items
}

async fn review(world: &World, who: RequestContext, id: EmergencyAccessId) -> Result<(), ReviewError> {
    let mut tx = world.records.begin(who).await?;
    let may = tx.authorize(ReviewEmergencyAccess(id)).await?;
    let remarks = Phi::from("canary-remarks: no emergency that day");
    let reviewed = emergency::review(&mut tx, &may, Finding::NotJustified, &remarks).await?;
    Ok(tx.commit(reviewed).await?)
}

#[tokio::test]
async fn one_hour_for_one_patient_marked_and_put_before_compliance() {
    let world = World::new().await;
    let site = &world.riverside;
    let who = nurse(&world, site).await;
    assert!(matches!(read(&world, &who, site, 0).await, Err(Error::NotFound)));
    let granted = ask(&world, &who, site, 0, REASON).await.unwrap();
    assert_eq!(granted.expires_at, NOW + Duration::hours(1));

    read(&world, &who, site, 0).await.unwrap();
    assert!(matches!(read(&world, &who, site, 1).await, Err(Error::NotFound)), "another patient's visit stays closed");
    let elsewhere = world.lakeside.as_staff(StaffId(who.actor.id().unwrap()), Role::Nurse);
    assert!(matches!(read(&world, &elsewhere, site, 0).await, Err(Error::NotFound)), "another clinic");
    let mut tx = world.records.begin(who.clone()).await.unwrap();
    assert!(matches!(tx.authorize(WriteNote(site.visit(0))).await, Err(Error::NotFound)), "reading, not writing");

    let last = RequestContext { at: NOW + Duration::minutes(59), ..who.clone() };
    read(&world, &last, site, 0).await.unwrap();
    let over = RequestContext { at: NOW + Duration::hours(1), ..who.clone() };
    assert!(matches!(read(&world, &over, site, 0).await, Err(Error::NotFound)), "the hour is over");

    let open = queue(&world, site, Some(ReviewState::Open)).await;
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].id, open[0].patient_id, open[0].accesses), (granted.id, site.patient(0), 4));
    assert_eq!((open[0].staff_name.as_str(), open[0].reason.expose().as_str()), ("Sam Rivera", REASON));
    assert!(queue(&world, &world.lakeside, None).await.is_empty());

    let mut tx = world.records.begin(site.as_compliance()).await.unwrap();
    let may = tx.authorize(ReadEmergencyAccess(granted.id)).await.unwrap();
    let found = emergency::detail(&mut tx, &may).await.unwrap();
    let (_, opened) = tx.commit(found).await.unwrap();
    let actions: Vec<&str> = opened.iter().map(|opened| opened.action.as_str()).collect();
    assert_eq!(actions, ["visit.read", "note.read", "visit.read", "note.read"]);
    // The provider, who cares for the patient, is not marked.
    read(&world, &site.as_provider(), site, 0).await.unwrap();
    let marked: i64 = world.look("SELECT count(*) FROM audit_event WHERE reason = 'emergency.access'").await;
    assert_eq!(marked, 4);
    let in_clear: bool = world.look("SELECT position('canary'::bytea IN reason) > 0 FROM emergency_access").await;
    assert!(!in_clear);
}

#[tokio::test]
async fn without_a_fresh_second_factor_a_reason_or_a_need_nothing_opens() {
    let world = World::new().await;
    let site = &world.riverside;
    let who = nurse(&world, site).await;
    for given in [None, Some(NOW - Duration::minutes(5)), Some(NOW + Duration::seconds(1))] {
        let stale = RequestContext { second_factor_at: given, ..who.clone() };
        assert!(matches!(ask(&world, &stale, site, 0, REASON).await, Err(AskError::Failed(Error::StaleFactor))));
    }
    let in_time = Some(NOW - Duration::minutes(5) + Duration::seconds(1));
    for reason in ["", "curious", "a                              b"] {
        let fresh = RequestContext { second_factor_at: in_time, ..who.clone() };
        assert!(matches!(ask(&world, &fresh, site, 0, reason).await, Err(AskError::BadReason)), "{reason}");
    }
    let provider = RequestContext { second_factor_at: in_time, ..site.as_provider() };
    assert!(matches!(ask(&world, &provider, site, 0, REASON).await, Err(AskError::NotNeeded)));
    for other in [site.as_front_desk(), site.as_clinic_admin(), site.as_compliance(), site.as_patient(0)] {
        let other = RequestContext { second_factor_at: in_time, ..other };
        assert!(matches!(ask(&world, &other, site, 0, REASON).await, Err(AskError::Failed(Error::Forbidden))));
    }
    // Another clinic's patient is none.
    let foreign = RequestContext { second_factor_at: in_time, ..world.lakeside.as_provider() };
    assert!(matches!(ask(&world, &foreign, site, 0, REASON).await, Err(AskError::Failed(Error::NotFound))));
    assert!(queue(&world, site, None).await.is_empty());
    assert!(matches!(read(&world, &who, site, 0).await, Err(Error::NotFound)));
}

#[tokio::test]
async fn a_finding_is_given_once_and_never_by_the_one_who_asked() {
    let world = World::new().await;
    let site = &world.riverside;
    let who = nurse(&world, site).await;
    let granted = ask(&world, &who, site, 0, REASON).await.unwrap();
    // The nurse has become a compliance officer since.
    let own = site.as_staff(StaffId(who.actor.id().unwrap()), Role::Compliance);
    assert!(matches!(review(&world, own, granted.id).await, Err(ReviewError::Failed(Error::NotFound))));
    for other in [site.as_clinic_admin(), site.as_provider()] {
        assert!(matches!(review(&world, other, granted.id).await, Err(ReviewError::Failed(Error::Forbidden))));
    }
    let foreign = world.lakeside.as_compliance();
    assert!(matches!(review(&world, foreign, granted.id).await, Err(ReviewError::Failed(Error::NotFound))));
    review(&world, site.as_compliance(), granted.id).await.unwrap();
    assert!(matches!(review(&world, site.as_compliance(), granted.id).await, Err(ReviewError::ReviewedBefore)));
    assert!(queue(&world, site, Some(ReviewState::Open)).await.is_empty());
    let reviewed = queue(&world, site, Some(ReviewState::Reviewed)).await.pop().unwrap();
    let review = reviewed.review.expect("a finding");
    assert_eq!((review.finding, review.by_name.as_str()), (Finding::NotJustified, "Henry Brooks"));
    assert_eq!(review.remarks.expose(), "canary-remarks: no emergency that day");
    // Behind the server's back neither; only the bytes of the remarks change, when a key is renewed by the owner's function.
    let (mut owner, mut app) = (world.db.owner().await, world.db.app().await);
    for change in [
        "UPDATE emergency_access_review SET finding = 'justified'",
        "UPDATE emergency_access_review SET state = 'open', finding = NULL, remarks = NULL, reviewed_by = NULL, reviewed_at = NULL",
        "DELETE FROM emergency_access",
    ] {
        assert!(sqlx::query(change).execute(&mut owner).await.is_err(), "{change}");
    }
    sqlx::query("UPDATE emergency_access_review SET remarks = remarks || '\\x00'").execute(&mut owner).await.unwrap();
    sqlx::query("SELECT set_config('bedside.clinic_id', $1, false)")
        .bind(site.clinic.to_string())
        .execute(&mut app)
        .await
        .unwrap();
    let changed = sqlx::query("UPDATE emergency_access_review SET remarks = '\\x00'").execute(&mut app).await;
    assert!(changed.expect_err("by the app's own UPDATE").to_string().contains("never changes"));
}

#[tokio::test]
async fn a_provider_learns_whether_a_record_is_open_and_nothing_else() {
    let world = World::new().await;
    let site = &world.riverside;
    let who = nurse(&world, site).await;
    let access = async |context: RequestContext| {
        let mut tx = world.records.begin(context).await.unwrap();
        let may = tx.authorize(ReadAccess(site.patient(0))).await?;
        let access = emergency::access(&mut tx, &may).await?;
        tx.commit(access).await
    };
    assert_eq!(access(who.clone()).await.unwrap(), Access::Closed);
    assert_eq!(access(site.as_provider()).await.unwrap(), Access::Care);
    let granted = ask(&world, &who, site, 0, REASON).await.unwrap();
    assert_eq!(access(who).await.unwrap(), Access::Emergency { until: granted.expires_at });
    assert!(matches!(access(world.lakeside.as_provider()).await, Err(Error::NotFound)));
    assert!(matches!(access(site.as_clinic_admin()).await, Err(Error::Forbidden)));
}
