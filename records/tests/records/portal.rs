//! Patients and guardians in the portal.

use records::action::{
    JoinFromPortal, ManagePortalAccess, ReadNote, ReadOwnViewers, ReadPortal, SearchPatients, WriteNote,
};
use records::outbox::{self, Kind, Lang};
use records::portal::factor::{self, CodeError, FAILURES_TO_LOCK, LOCKED_FOR};
use records::portal::links::{self, AT_ONCE, GOOD_FOR, OpenError};
use records::portal::{PortalSession, record, sessions};
use records::sessions::{Activity, IDLE};
use records::{Error, Phi, SessionToken, notes, patients};
use time::{Duration, OffsetDateTime};
use visit::PatientId;

use crate::cast::{NOW, Site, World, check_in, origin};

/// Tokens of the links that were mailed to `email`, newest first.
async fn mailed(world: &World, site: &Site, email: &str, now: OffsetDateTime) -> Vec<String> {
    let kept = outbox::kept(&world.records, site.clinic, now).await.unwrap();
    let links = kept.iter().filter(|mail| mail.kind == Kind::PortalLink && mail.recipient.expose() == email);
    links
        .map(|mail| mail.body.expose().split("/portal/in#").nth(1).unwrap().lines().next().unwrap().to_owned())
        .collect()
}

async fn ask(world: &World, email: &str, now: OffsetDateTime) {
    links::ask(&world.records, &origin(), &Phi::from(email), Lang::En, now).await.unwrap();
}

/// Asks for a link and uses it.
async fn sign_in(world: &World, site: &Site, email: &str, now: OffsetDateTime) -> SessionToken {
    ask(world, email, now).await;
    let token = mailed(world, site, email, now).await.remove(0);
    let opened = links::open(&world.records, &origin(), &token, now).await.ok().unwrap();
    assert!(!opened.second_factor);
    opened.token
}

async fn session(world: &World, token: &SessionToken, now: OffsetDateTime) -> Option<PortalSession> {
    sessions::find(&world.records, token, Activity::User, now).await.unwrap()
}

fn email(site: &Site, n: usize) -> &str {
    &site.demo.patients.iter().find(|patient| patient.patient_id == site.patient(n)).unwrap().email
}

async fn names(world: &World, session: &PortalSession, now: OffsetDateTime) -> Vec<(String, bool)> {
    let people = record::people(&world.records, session, &origin(), now).await.unwrap();
    people.iter().map(|whose| (whose.name.expose().clone(), whose.oneself)).collect()
}

async fn sees(world: &World, session: &PortalSession, patient: PatientId, now: OffsetDateTime) -> bool {
    let mut tx = world.records.begin(session.context_for(patient, &origin(), now)).await.unwrap();
    match tx.authorize(ReadPortal(patient)).await {
        Ok(_) => true,
        Err(Error::NotFound) => false,
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_link_signs_in_once_and_not_after_a_quarter_of_an_hour() {
    let world = World::new().await;
    let site = &world.riverside;
    ask(&world, &email(site, 0).to_uppercase(), NOW).await;
    assert_eq!(mailed(&world, site, email(site, 0), NOW).await.len(), 0, "it goes to the address that was typed");
    ask(&world, email(site, 0), NOW).await;
    let token = mailed(&world, site, email(site, 0), NOW).await.remove(0);
    for wrong in ["", "x", &"A".repeat(43)] {
        assert!(matches!(links::open(&world.records, &origin(), wrong, NOW).await, Err(OpenError::NotUsable)));
    }
    let late = links::open(&world.records, &origin(), &token, NOW + GOOD_FOR).await;
    assert!(matches!(late, Err(OpenError::NotUsable)));
    let opened = links::open(&world.records, &origin(), &token, NOW + GOOD_FOR - Duration::SECOND).await.ok().unwrap();
    let again = links::open(&world.records, &origin(), &token, NOW + GOOD_FOR - Duration::SECOND).await;
    assert!(matches!(again, Err(OpenError::NotUsable)));
    let me = session(&world, &opened.token, NOW + GOOD_FOR).await.unwrap();
    assert_eq!((me.patient, me.guardian), (Some(site.patient(0)), None));
    let hidden: bool =
        world.look("SELECT bool_and(token_hash IS NOT NULL AND octet_length(token_hash) = 32) FROM portal_link").await;
    assert!(hidden);
}

#[tokio::test]
async fn two_who_use_one_link_at_once_are_one() {
    let world = World::new().await;
    let site = &world.riverside;
    ask(&world, email(site, 0), NOW).await;
    let token = mailed(&world, site, email(site, 0), NOW).await.remove(0);
    let from = origin();
    let open = || links::open(&world.records, &from, &token, NOW);
    let (one, two) = tokio::join!(open(), open());
    assert_eq!([one.is_ok(), two.is_ok()].iter().filter(|in_| **in_).count(), 1);
}

#[tokio::test]
async fn an_unknown_address_gets_no_mail_and_nobodys_mailbox_is_filled() {
    let world = World::new().await;
    let site = &world.riverside;
    ask(&world, "nobody@patients.example", NOW).await;
    assert_eq!(mailed(&world, site, "nobody@patients.example", NOW).await.len(), 0);
    for _ in 0..AT_ONCE + 2 {
        ask(&world, email(site, 0), NOW).await;
    }
    assert_eq!(i64::try_from(mailed(&world, site, email(site, 0), NOW).await.len()).unwrap(), AT_ONCE);
    ask(&world, email(site, 0), NOW + GOOD_FOR + Duration::SECOND).await;
    assert_eq!(mailed(&world, site, email(site, 0), NOW).await.len(), 4);
    assert_eq!(mailed(&world, &world.lakeside, email(site, 0), NOW).await.len(), 0);
}

#[tokio::test]
async fn a_session_ends_with_idleness_with_age_and_by_hand() {
    let world = World::new().await;
    let site = &world.riverside;
    let idle = sign_in(&world, site, email(site, 0), NOW).await;
    assert!(session(&world, &idle, NOW + IDLE - Duration::SECOND).await.is_some());
    assert!(session(&world, &idle, NOW + IDLE * 2 - Duration::seconds(2)).await.is_some(), "it was used meanwhile");
    assert!(session(&world, &idle, NOW + IDLE * 4).await.is_none());

    let old = sign_in(&world, site, email(site, 1), NOW).await;
    let mut now = NOW;
    while now < NOW + Duration::hours(24) - Duration::minutes(10) {
        now += Duration::minutes(10);
        assert!(session(&world, &old, now).await.is_some(), "{now}");
    }
    assert!(session(&world, &old, NOW + Duration::hours(24)).await.is_none());

    let left = sign_in(&world, site, email(site, 2), NOW).await;
    sessions::end(&world.records, &left, &origin(), NOW).await.unwrap();
    assert!(session(&world, &left, NOW).await.is_none());
}

#[tokio::test]
async fn one_lists_and_ends_ones_own_sessions_and_nobody_elses() {
    let world = World::new().await;
    let site = &world.riverside;
    let (mine, also_mine) = (
        sign_in(&world, site, email(site, 0), NOW).await,
        sign_in(&world, site, email(site, 0), NOW + Duration::SECOND).await,
    );
    let theirs = sign_in(&world, site, email(site, 1), NOW).await;
    let now = NOW + Duration::seconds(2);
    let me = session(&world, &mine, now).await.unwrap();
    let (other, stranger) =
        (session(&world, &also_mine, now).await.unwrap(), session(&world, &theirs, now).await.unwrap());
    let mut tx = world.records.begin(me.context(&origin(), now)).await.unwrap();
    let may = tx.authorize(ManagePortalAccess).await.unwrap();
    let listed = sessions::list(&mut tx, &may, &me).await.unwrap();
    let not_mine = sessions::revoke(&mut tx, &may, &me, stranger.id).await;
    assert!(matches!(not_mine.err(), Some(Error::NotFound)));
    let ended = sessions::revoke(&mut tx, &may, &me, other.id).await.unwrap();
    let (listed, ()) = tx.commit(listed.and(ended)).await.unwrap();
    let seen: Vec<_> = listed.iter().map(|one| (one.id, one.current)).collect();
    assert_eq!(seen, [(other.id, false), (me.id, true)]);
    assert!(session(&world, &also_mine, now).await.is_none());
    assert!(session(&world, &theirs, now).await.is_some());
}

#[tokio::test]
async fn a_patient_sees_their_own_record_alone() {
    let world = World::new().await;
    let site = &world.riverside;
    let token = sign_in(&world, site, email(site, 0), NOW).await;
    let me = session(&world, &token, NOW).await.unwrap();
    assert_eq!(names(&world, &me, NOW).await, [(site.demo.visits[0].patient_name.clone(), true)]);
    assert!(sees(&world, &me, site.patient(0), NOW).await);
    assert!(!sees(&world, &me, site.patient(1), NOW).await);
    assert!(!sees(&world, &me, world.lakeside.patient(0), NOW).await);
    for visit in [site.visit(1), world.lakeside.visit(0)] {
        let mut tx = world.records.begin(me.context_for(site.patient(0), &origin(), NOW)).await.unwrap();
        assert!(matches!(tx.authorize(JoinFromPortal(visit)).await, Err(Error::NotFound)));
    }
}

#[tokio::test]
async fn a_guardian_chooses_among_wards_as_long_as_they_are_wards() {
    let world = World::new().await;
    let site = &world.riverside;
    let (ward, stranger) = (site.patient(0), site.patient(1));
    let address = "parent@patients.example";
    records::testing::guardian(&world.records, site.clinic, ("Ruth Whitfield", address), ward, site.front_desk, NOW)
        .await;
    let token = sign_in(&world, site, address, NOW).await;
    let me = session(&world, &token, NOW).await.unwrap();
    assert_eq!((me.patient, me.guardian.is_some()), (None, true));
    assert_eq!(names(&world, &me, NOW).await, [(site.demo.visits[0].patient_name.clone(), false)]);
    assert!(sees(&world, &me, ward, NOW).await);
    assert!(!sees(&world, &me, stranger, NOW).await);
    world.db.execute_as_owner("UPDATE guardianship SET until_at = from_at").await;
    let later = NOW + Duration::SECOND;
    assert!(!sees(&world, &me, ward, later).await);
    assert_eq!(names(&world, &me, later).await, []);
    ask(&world, address, later).await;
    assert_eq!(mailed(&world, site, address, later).await.len(), 1, "no new link for one who guards nobody");
}

#[tokio::test]
async fn who_is_patient_and_guardian_is_both_at_once() {
    let world = World::new().await;
    let site = &world.riverside;
    let address = email(site, 0);
    records::testing::guardian(
        &world.records,
        site.clinic,
        ("Themselves", address),
        site.patient(1),
        site.front_desk,
        NOW,
    )
    .await;
    let token = sign_in(&world, site, address, NOW).await;
    let me = session(&world, &token, NOW).await.unwrap();
    let mine = &site.demo.visits;
    assert_eq!(
        names(&world, &me, NOW).await,
        [(mine[0].patient_name.clone(), true), (mine[1].patient_name.clone(), false)]
    );
    assert!(sees(&world, &me, site.patient(0), NOW).await && sees(&world, &me, site.patient(1), NOW).await);
    assert!(!sees(&world, &me, site.patient(2), NOW).await);
}

/// The code of a base32 secret.
fn code(secret: &str, now: OffsetDateTime) -> String {
    let secret = totp_rs::Secret::try_from_base32(secret).unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret).build_noncompliant();
    totp.generate(u64::try_from(now.unix_timestamp()).unwrap()).to_string()
}

#[tokio::test]
async fn a_second_factor_is_asked_for_once_it_is_confirmed_and_each_code_counts_once() {
    let world = World::new().await;
    let site = &world.riverside;
    let token = sign_in(&world, site, email(site, 0), NOW).await;
    let me = session(&world, &token, NOW).await.unwrap();
    let mut tx = world.records.begin(me.context(&origin(), NOW)).await.unwrap();
    let may = tx.authorize(ManagePortalAccess).await.unwrap();
    let begun = factor::begin(&mut tx, &may, &me).await.unwrap();
    let secret = tx.commit(begun).await.unwrap();
    // Not confirmed yet: not asked for.
    sign_in(&world, site, email(site, 0), NOW).await;
    let confirm = async |code: &str, now| factor::confirm(&world.records, &origin(), &me, code, now).await;
    assert!(matches!(confirm("000000", NOW).await, Err(CodeError::Wrong)));
    confirm(&code(&secret, NOW), NOW).await.unwrap();

    ask(&world, email(site, 0), NOW).await;
    let link = mailed(&world, site, email(site, 0), NOW).await.remove(0);
    let opened = links::open(&world.records, &origin(), &link, NOW).await.ok().unwrap();
    assert!(opened.second_factor);
    assert!(session(&world, &opened.token, NOW).await.is_none(), "the link alone is not enough");
    let try_in = async |token: &SessionToken, code: &str, now| {
        factor::sign_in(&world.records, &origin(), token, code, now).await
    };
    assert!(matches!(try_in(&opened.token, &code(&secret, NOW), NOW).await, Err(CodeError::Wrong)), "used before");
    let next = NOW + Duration::seconds(30);
    let full = try_in(&opened.token, &code(&secret, next), next).await.unwrap();
    assert_ne!(full, opened.token);
    assert_eq!(session(&world, &full, next).await.unwrap().second_factor_at, Some(next));
    assert!(matches!(try_in(&opened.token, &code(&secret, next), next).await, Err(CodeError::SignedOut)));

    // Off again, by a code.
    let later = next + Duration::seconds(30);
    let mine = session(&world, &full, later).await.unwrap();
    assert!(matches!(factor::remove(&world.records, &origin(), &mine, "000000", later).await, Err(CodeError::Wrong)));
    factor::remove(&world.records, &origin(), &mine, &code(&secret, later), later).await.unwrap();
    let left: i64 = world.look("SELECT count(*) FROM portal_factor WHERE totp_secret IS NOT NULL").await;
    assert_eq!(left, 0, "its secret is gone");
    sign_in(&world, site, email(site, 0), later + GOOD_FOR).await;
}

#[tokio::test]
async fn wrong_codes_lock_and_the_right_one_does_not_open_a_locked_door() {
    let world = World::new().await;
    let site = &world.riverside;
    let token = sign_in(&world, site, email(site, 0), NOW).await;
    let me = session(&world, &token, NOW).await.unwrap();
    let mut tx = world.records.begin(me.context(&origin(), NOW)).await.unwrap();
    let may = tx.authorize(ManagePortalAccess).await.unwrap();
    let begun = factor::begin(&mut tx, &may, &me).await.unwrap();
    let secret = tx.commit(begun).await.unwrap();
    factor::confirm(&world.records, &origin(), &me, &code(&secret, NOW), NOW).await.unwrap();
    let now = NOW + Duration::minutes(1);
    ask(&world, email(site, 0), now).await;
    let link = mailed(&world, site, email(site, 0), now).await.remove(0);
    let pending = links::open(&world.records, &origin(), &link, now).await.ok().unwrap().token;
    for _ in 0..FAILURES_TO_LOCK {
        let wrong = factor::sign_in(&world.records, &origin(), &pending, "000000", now).await;
        assert!(matches!(wrong, Err(CodeError::Wrong)));
    }
    let right = code(&secret, now);
    assert!(matches!(factor::sign_in(&world.records, &origin(), &pending, &right, now).await, Err(CodeError::Locked)));
    let free = now + LOCKED_FOR;
    ask(&world, email(site, 0), free).await;
    let link = mailed(&world, site, email(site, 0), free).await.remove(0);
    let pending = links::open(&world.records, &origin(), &link, free).await.ok().unwrap().token;
    factor::sign_in(&world.records, &origin(), &pending, &code(&secret, free), free).await.unwrap();
    let failed: i64 = world
        .look("SELECT count(*) FROM audit_event WHERE action = 'portal.second_factor' AND outcome = 'failed'")
        .await;
    assert_eq!(failed, i64::from(FAILURES_TO_LOCK));
}

#[tokio::test]
async fn who_looked_is_told_by_name_and_role_without_the_patients_own_looks() {
    let world = World::new().await;
    let site = &world.riverside;
    let mut tx = world.records.begin(site.as_provider()).await.unwrap();
    let may = tx.authorize(ReadNote(site.visit(0))).await.unwrap();
    let note = notes::read(&mut tx, &may).await.unwrap();
    tx.commit(note).await.unwrap();
    // A list with the patient on it.
    let mut tx = world.records.begin(site.as_front_desk()).await.unwrap();
    let may = tx.authorize(SearchPatients).await.unwrap();
    let found = patients::search(&mut tx, &may, &patients::Wanted::default(), None).await.unwrap();
    tx.commit(found).await.unwrap();
    // Somebody else's record.
    let mut tx = world.records.begin(site.as_provider()).await.unwrap();
    let may = tx.authorize(ReadNote(site.visit(1))).await.unwrap();
    let note = notes::read(&mut tx, &may).await.unwrap();
    tx.commit(note).await.unwrap();

    let token = sign_in(&world, site, email(site, 0), NOW).await;
    let me = session(&world, &token, NOW).await.unwrap();
    names(&world, &me, NOW).await;
    let mut tx = world.records.begin(me.context_for(site.patient(0), &origin(), NOW)).await.unwrap();
    let may = tx.authorize(ReadOwnViewers(site.patient(0))).await.unwrap();
    let page = record::accesses(&mut tx, &may, None).await.unwrap();
    let page = tx.commit(page).await.unwrap();
    let seen: Vec<_> =
        page.items.iter().map(|access| (access.who.as_deref(), access.role.as_str(), access.action.as_str())).collect();
    assert_eq!(
        seen,
        [
            (Some(site.demo.front_desk.name.as_str()), "front_desk", "patient.search"),
            (Some(site.demo.provider.name.as_str()), "provider", "note.read"),
        ]
    );
}

#[tokio::test]
async fn visits_notes_and_consents_are_shown_as_they_stand() {
    let world = World::new().await;
    let site = &world.riverside;
    check_in(&world, site, 0).await;
    let token = sign_in(&world, site, email(site, 0), NOW).await;
    let me = session(&world, &token, NOW).await.unwrap();
    let context = me.context_for(site.patient(0), &origin(), NOW);
    let look = async || {
        let mut tx = world.records.begin(context.clone()).await.unwrap();
        let may = tx.authorize(ReadPortal(site.patient(0))).await.unwrap();
        let visits = record::visits(&mut tx, &may).await.unwrap();
        let consents = record::consents(&mut tx, &may).await.unwrap();
        tx.commit(visits.and(consents)).await.unwrap()
    };
    let (visits, consents) = look().await;
    assert_eq!(visits.len(), 1);
    assert!(visits[0].can_join && !visits[0].has_note);
    assert_eq!((consents.len(), consents[0].decision.as_str()), (1, "accepted"));
    let mut tx = world.records.begin(context.clone()).await.unwrap();
    assert!(matches!(tx.authorize(ReadNote(site.visit(0))).await, Err(Error::NotFound)), "nothing signed yet");

    let mut tx = world.records.begin(site.as_provider()).await.unwrap();
    let may = tx.authorize(WriteNote(site.visit(0))).await.unwrap();
    let saved = notes::save(&mut tx, &may, 0, &Phi::from("Rest.")).await.unwrap();
    let signed = notes::sign(&mut tx, &may, 1).await.unwrap();
    tx.commit(saved.and(signed)).await.unwrap();
    assert!(look().await.0[0].has_note);
    let mut tx = world.records.begin(context.clone()).await.unwrap();
    let may = tx.authorize(ReadNote(site.visit(0))).await.unwrap();
    let note = notes::read(&mut tx, &may).await.unwrap();
    assert_eq!(tx.commit(note).await.unwrap().body.expose(), "Rest.");
}

#[tokio::test]
async fn the_visit_is_entered_by_a_fresh_link_in_its_time_only() {
    let world = World::new().await;
    let site = &world.riverside;
    let token = sign_in(&world, site, email(site, 0), NOW).await;
    let me = session(&world, &token, NOW).await.unwrap();
    let enter = async |now| {
        let mut tx = world.records.begin(me.context_for(site.patient(0), &origin(), now)).await.unwrap();
        let may = tx.authorize(JoinFromPortal(site.visit(0))).await.unwrap();
        let link = record::join(&mut tx, &may).await?;
        tx.commit(link).await
    };
    let link = enter(NOW).await.unwrap();
    assert!(records::join::open(&world.records, &link.token, NOW).await.unwrap().is_some());
    assert!(
        records::join::open(&world.records, site.token(0), NOW).await.unwrap().is_none(),
        "the former one is withdrawn"
    );
    assert!(matches!(enter(NOW + Duration::hours(6)).await, Err(Error::NotFound)));
    assert!(matches!(enter(NOW - Duration::hours(6)).await, Err(Error::NotFound)));
}
