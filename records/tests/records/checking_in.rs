//! The patient's way in.

use records::action::{CheckIn, ManageLink};
use records::join::{self, ConsentError, DATE_OF_BIRTH_TRIES, IdentifyError, SeatError};
use records::join_links::{self, LinkState};
use records::sessions::{self, Activity};
use records::{Error, RequestContext};
use time::macros::date;
use time::{Duration, OffsetDateTime};

use crate::cast::{NOW, Site, World, check_in, day, origin};

async fn identify(
    world: &World,
    token: &str,
    born: time::Date,
    now: OffsetDateTime,
) -> Result<join::Identified, IdentifyError> {
    join::identify(&world.records, &origin(), token, born, now).await
}

async fn link_state(world: &World, site: &Site, n: usize) -> LinkState {
    day(world, site.as_front_desk()).await.items.iter().find(|item| item.visit_id == site.visit(n)).unwrap().link_state
}

#[tokio::test]
async fn scanners_that_open_a_link_a_hundred_times_use_nothing_up() {
    let world = World::new().await;
    let site = &world.riverside;
    for _ in 0..100 {
        let page = join::open(&world.records, site.token(0), NOW).await.unwrap().expect("usable");
        assert_eq!(page.clinic_name, "Riverside Family Clinic");
    }
    let came = identify(&world, site.token(0), site.born(0), NOW).await.ok().unwrap();
    assert_eq!(came.state.visit_id, site.visit(0));
    assert_eq!(came.state.patient_name.expose(), &site.demo.visits[0].patient_name);
    let session = sessions::patient(&world.records, &came.token, Activity::User, NOW).await.unwrap().unwrap();
    assert_eq!((session.patient_id, session.visit_id), (site.patient(0), site.visit(0)));
    assert!(
        sessions::staff(&world.records, &came.token, Activity::User, NOW).await.unwrap().is_none(),
        "a patient is not staff"
    );
    // And again from another device.
    assert!(identify(&world, site.token(0), site.born(0), NOW).await.is_ok());
}

#[tokio::test]
async fn five_wrong_dates_of_birth_lock_the_link_also_when_sent_at_once_and_the_front_desk_sees_it() {
    let world = World::new().await;
    let site = &world.riverside;
    let wrong = date!(1900 - 01 - 01);
    for tries_left in (1..DATE_OF_BIRTH_TRIES).rev() {
        match identify(&world, site.token(0), wrong, NOW).await {
            Err(IdentifyError::Mismatch { tries_left: left }) => assert_eq!(left, tries_left),
            _ => panic!("must not match"),
        }
    }
    assert!(matches!(identify(&world, site.token(0), wrong, NOW).await, Err(IdentifyError::Locked)));
    assert!(
        matches!(identify(&world, site.token(0), site.born(0), NOW).await, Err(IdentifyError::Locked)),
        "the right one comes too late"
    );
    assert!(join::open(&world.records, site.token(0), NOW).await.unwrap().is_none());
    assert_eq!(link_state(&world, site, 0).await, LinkState::Locked);

    let at_once = futures_util::future::join_all((0..20).map(|_| identify(&world, site.token(1), wrong, NOW))).await;
    assert_eq!(at_once.iter().filter(|answer| matches!(answer, Err(IdentifyError::Mismatch { .. }))).count(), 4);
    assert_eq!(at_once.iter().filter(|answer| matches!(answer, Err(IdentifyError::Locked))).count(), 16);
}

#[tokio::test]
async fn a_new_link_revokes_the_former_and_its_sessions() {
    let world = World::new().await;
    let site = &world.riverside;
    let appointment = site.demo.visits[0].appointment_id;
    let came = identify(&world, site.token(0), site.born(0), NOW).await.ok().unwrap();
    let manage = async |issue: bool| {
        let mut tx = world.records.begin(site.as_front_desk()).await.unwrap();
        let may = tx.authorize(ManageLink(appointment)).await.unwrap();
        if issue {
            let link = join_links::issue(&mut tx, &may).await.unwrap();
            Some(tx.commit(link).await.unwrap())
        } else {
            let revoked = join_links::revoke(&mut tx, &may).await.unwrap();
            tx.commit(revoked).await.unwrap();
            None
        }
    };
    let link = manage(true).await.unwrap();
    assert!(join::open(&world.records, site.token(0), NOW).await.unwrap().is_none());
    assert!(matches!(identify(&world, site.token(0), site.born(0), NOW).await, Err(IdentifyError::NotUsable)));
    assert!(sessions::patient(&world.records, &came.token, Activity::User, NOW).await.unwrap().is_none());
    let came = identify(&world, &link.token, site.born(0), NOW).await.ok().unwrap();
    assert_eq!(link_state(&world, site, 0).await, LinkState::Active);
    manage(false).await;
    assert!(sessions::patient(&world.records, &came.token, Activity::User, NOW).await.unwrap().is_none());
    assert_eq!(link_state(&world, site, 0).await, LinkState::Revoked);
}

#[tokio::test]
async fn a_link_works_from_an_hour_before_to_four_hours_after_the_start_only() {
    let world = World::new().await;
    let site = &world.riverside;
    let start = site.demo.visits[0].starts_at;
    let second = Duration::SECOND;
    for (now, usable) in [
        (start - Duration::hours(1) - second, false),
        (start - Duration::hours(1), true),
        (start + Duration::hours(4) - second, true),
        (start + Duration::hours(4), false),
    ] {
        assert_eq!(join::open(&world.records, site.token(0), now).await.unwrap().is_some(), usable, "{now}");
        assert_eq!(identify(&world, site.token(0), site.born(0), now).await.is_ok(), usable, "{now}");
    }
    for nonsense in ["", "x", &"A".repeat(43), "../../etc/passwd"] {
        assert!(join::open(&world.records, nonsense, NOW).await.unwrap().is_none());
        assert!(matches!(identify(&world, nonsense, site.born(0), NOW).await, Err(IdentifyError::NotUsable)));
    }
}

#[tokio::test]
async fn there_is_no_seat_before_location_and_consent_and_none_after_the_end() {
    let world = World::new().await;
    let site = &world.riverside;
    let seat = async |n| {
        let mut tx = world.records.begin(site.as_patient(n)).await.unwrap();
        let may = tx.authorize(CheckIn(site.visit(n))).await.unwrap();
        match join::seat(&mut tx, &may).await {
            Ok(seat) => Ok(tx.commit(seat).await.unwrap()),
            Err(error) => Err(error),
        }
    };
    assert!(matches!(seat(0).await, Err(SeatError::Incomplete)));
    check_in(&world, site, 0).await;
    let identity = seat(0).await.unwrap();
    assert_eq!(identity.name, site.demo.visits[0].patient_name);
    assert_eq!(identity.person, visit::Person::Patient(site.patient(0)));
    assert_eq!(identity.role, visit::Role::Patient);
    crate::cast::store(&world, site, 0, &crate::cast::whole_visit(site, 0, "bye")).await;
    assert!(matches!(seat(0).await, Err(SeatError::Over)));
}

#[tokio::test]
async fn agreeing_to_a_text_that_is_not_the_current_one_is_refused() {
    let world = World::new().await;
    let site = &world.riverside;
    let agree = async |version: &str, lang: &str| {
        let mut tx = world.records.begin(site.as_patient(0)).await.unwrap();
        let may = tx.authorize(CheckIn(site.visit(0))).await.unwrap();
        let agreed = join::accept_consent(&mut tx, &may, version, lang).await?;
        tx.commit(agreed).await.unwrap();
        Ok(())
    };
    assert!(matches!(agree("2025-01", "en").await, Err(ConsentError::TextChanged)));
    assert!(matches!(agree("2026-11", "fr").await, Err(ConsentError::TextChanged)));
    assert!(agree("2026-11", "es").await.is_ok());
    let text =
        records::consents::current_text(&world.records, records::consents::TextKind::Telehealth, "es").await.unwrap();
    assert_eq!((text.version.as_str(), text.title.as_str()), ("2026-11", "Su consulta por video"));
    let text =
        records::consents::current_text(&world.records, records::consents::TextKind::Recording, "fr").await.unwrap();
    assert_eq!(text.lang, "en", "English where there is no translation");
}

#[tokio::test]
async fn a_patient_reaches_their_own_visit_only_and_nothing_of_the_staffs() {
    let world = World::new().await;
    let site = &world.riverside;
    let check = async |context: RequestContext, visit| {
        let mut tx = world.records.begin(context).await.unwrap();
        tx.authorize(CheckIn(visit)).await.map(|_| ())
    };
    assert!(check(site.as_patient(0), site.visit(0)).await.is_ok());
    assert!(matches!(check(site.as_patient(0), site.visit(1)).await, Err(Error::NotFound)));
    assert!(matches!(check(site.as_patient(0), world.lakeside.visit(0)).await, Err(Error::NotFound)));
    assert!(matches!(check(site.as_provider(), site.visit(0)).await, Err(Error::Forbidden)));
    let mut tx = world.records.begin(site.as_patient(0)).await.unwrap();
    assert!(matches!(tx.authorize(records::action::ReadNote(site.visit(0))).await, Err(Error::Forbidden)));
}
