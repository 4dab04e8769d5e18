//! Appointments: no overlap, each request once.

use records::action::BookAppointment;
use records::appointments::{self, BookError, Booked, NewAppointment, VisitType};
use records::{Error, Phi, RequestContext};
use time::{Duration, OffsetDateTime};
use visit::{PatientId, StaffId};

use crate::cast::{NOW, Site, World, day};

pub const REASON: &str = "canary-reason-of-the-visit";

fn slot(provider: StaffId, starts_at: OffsetDateTime) -> NewAppointment {
    NewAppointment {
        provider_id: provider,
        starts_at,
        ends_at: starts_at + Duration::minutes(20),
        visit_type: VisitType::Video,
        reason: Phi::from(REASON),
    }
}

async fn try_book(
    world: &World,
    context: RequestContext,
    patient: PatientId,
    new: &NewAppointment,
    key: &str,
) -> Result<Booked, BookError> {
    let mut tx = world.records.begin(context).await?;
    let may = tx.authorize(BookAppointment(patient)).await?;
    let booked = appointments::book(&mut tx, &may, new, key).await?;
    Ok(tx.commit(booked).await?)
}

/// A slot of tomorrow.
pub async fn book(world: &World, site: &Site, key: &str) -> Booked {
    book_on(world, site, key, 1).await
}

/// A slot in some days.
pub async fn book_on(world: &World, site: &Site, key: &str, days: i64) -> Booked {
    let slot = slot(site.provider, NOW + Duration::days(days));
    try_book(world, site.as_front_desk(), site.patient(0), &slot, key).await.unwrap()
}

#[tokio::test]
async fn two_appointments_of_one_provider_can_not_overlap_but_may_touch() {
    let world = World::new().await;
    let site = &world.riverside;
    book(&world, site, "a").await;
    let at = NOW + Duration::DAY;
    for shift in [-19, -1, 0, 1, 19] {
        let overlap = try_book(
            &world,
            site.as_front_desk(),
            site.patient(1),
            &slot(site.provider, at + Duration::minutes(shift)),
            &format!("s{shift}"),
        )
        .await;
        assert!(matches!(overlap, Err(BookError::Overlap)), "{shift} minutes");
    }
    for shift in [-20, 20] {
        try_book(
            &world,
            site.as_front_desk(),
            site.patient(1),
            &slot(site.provider, at + Duration::minutes(shift)),
            &format!("t{shift}"),
        )
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn of_many_who_book_the_same_slot_at_once_one_gets_it() {
    let world = World::new().await;
    let site = &world.riverside;
    let new = slot(site.provider, NOW + Duration::DAY);
    let keys: Vec<String> = (0..8).map(|n| format!("key-{n}")).collect();
    let booked = futures_util::future::join_all(
        keys.iter().map(|key| try_book(&world, site.as_front_desk(), site.patient(0), &new, key)),
    )
    .await;
    assert_eq!(booked.iter().filter(|booked| booked.is_ok()).count(), 1);
    assert!(booked.iter().all(|booked| matches!(booked, Ok(_) | Err(BookError::Overlap))));
}

#[tokio::test]
async fn the_same_key_gives_the_same_answer_and_books_once_also_at_the_same_time() {
    let world = World::new().await;
    let site = &world.riverside;
    let new = slot(site.provider, NOW + Duration::DAY);
    let again = futures_util::future::join_all(
        (0..5).map(|_| try_book(&world, site.as_front_desk(), site.patient(0), &new, "key")),
    )
    .await;
    let first = again[0].as_ref().unwrap();
    for booked in &again {
        let booked = booked.as_ref().unwrap();
        assert_eq!((booked.appointment_id, &booked.link.token), (first.appointment_id, &first.link.token));
    }
    let count: i64 = world.look("SELECT count(*) FROM idempotency_key").await;
    assert_eq!(count, 1);
    let other = slot(site.provider, NOW + Duration::days(2));
    let reused = try_book(&world, site.as_front_desk(), site.patient(0), &other, "key").await;
    assert!(matches!(reused, Err(BookError::KeyReused)));
    // The key is the person's own.
    try_book(&world, site.as_provider(), site.patient(0), &other, "key").await.unwrap();
}

#[tokio::test]
async fn a_slot_needs_sane_times_a_provider_of_the_clinic_and_a_patient_of_the_clinic() {
    let world = World::new().await;
    let (site, other) = (&world.riverside, &world.lakeside);
    let at = NOW + Duration::DAY;
    for ends_at in [at, at - Duration::minutes(1), at + Duration::hours(9)] {
        let new = NewAppointment { ends_at, ..slot(site.provider, at) };
        assert!(matches!(
            try_book(&world, site.as_front_desk(), site.patient(0), &new, "a").await,
            Err(BookError::BadTimes)
        ));
    }
    for nobody in [other.provider, site.front_desk] {
        assert!(matches!(
            try_book(&world, site.as_front_desk(), site.patient(0), &slot(nobody, at), "a").await,
            Err(BookError::UnknownProvider)
        ));
    }
    let foreign = try_book(&world, site.as_front_desk(), other.patient(0), &slot(site.provider, at), "a").await;
    assert!(matches!(foreign, Err(BookError::Failed(Error::NotFound))));
    let auditor = try_book(&world, site.as_compliance(), site.patient(0), &slot(site.provider, at), "a").await;
    assert!(matches!(auditor, Err(BookError::Failed(Error::Forbidden))));
}

#[tokio::test]
async fn a_day_is_the_clinics_own_and_each_role_sees_its_part() {
    let world = World::new().await;
    let site = &world.riverside;
    let today = day(&world, site.as_provider()).await;
    assert_eq!(today.time_zone, "America/Chicago");
    assert_eq!(today.date.to_string(), "2026-11-24");
    assert_eq!(today.items.len(), 3);
    assert!(today.items.iter().all(|item| item.reason.is_some()));
    assert_eq!(day(&world, site.as_front_desk()).await.items.len(), 3);
    let admin = day(&world, site.as_clinic_admin()).await;
    assert!(admin.items.iter().all(|item| item.reason.is_none()), "why a patient comes is clinical");

    // 05:30 UTC is still the evening before in Chicago.
    let late = RequestContext { at: time::macros::datetime!(2026-11-25 05:30 UTC), ..site.as_front_desk() };
    assert_eq!(day(&world, late).await.date.to_string(), "2026-11-24");
}
