//! Letters: what they say, and that they go out if and only if what they tell about was done.

use records::action::{BookAppointment, ManageLink, ManageMail};
use records::appointments::{self, NewAppointment, VisitType};
use records::outbox::{self, KeptMessage};
use records::{Error, Phi, join_links};
use time::Duration;

use crate::cast::{NOW, Site, World, check_in};

async fn letters(world: &World, site: &Site) -> Vec<KeptMessage> {
    outbox::kept(&world.records, site.clinic, NOW).await.unwrap()
}

async fn emptied(world: &World) {
    world.db.execute_as_owner("DELETE FROM outbox_message").await;
}

fn slot(site: &Site, visit_type: VisitType) -> NewAppointment {
    let starts_at = NOW + Duration::days(3);
    NewAppointment {
        provider_id: site.provider,
        starts_at,
        ends_at: starts_at + Duration::minutes(30),
        visit_type,
        reason: Phi::from("Canary rash"),
    }
}

async fn book(world: &World, site: &Site, visit_type: VisitType, key: &str) -> appointments::Booked {
    let mut tx = world.records.begin(site.as_front_desk()).await.unwrap();
    let may = tx.authorize(BookAppointment(site.patient(0))).await.unwrap();
    let booked = appointments::book(&mut tx, &may, &slot(site, visit_type), key).await.unwrap();
    tx.commit(booked).await.unwrap()
}

#[tokio::test]
async fn a_booking_mails_the_link_with_a_calendar_entry_and_nothing_about_why() {
    let world = World::new().await;
    let site = &world.riverside;
    emptied(&world).await;
    let booked = book(&world, site, VisitType::Video, "key-1").await;
    let letters = letters(&world, site).await;
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    let patient = &site.demo.visits[0].patient_name;
    let email = &site.demo.patients.iter().find(|p| p.name == *patient).unwrap().email;
    assert_eq!((letter.recipient.expose(), letter.kind), (email, outbox::Kind::VisitLink));
    assert_eq!(letter.subject.expose(), "Your appointment with Riverside Family Clinic");
    let text = letter.body.expose();
    assert!(text.contains(&format!("/v/{}\n", booked.link.token)), "{text}");
    assert!(text.contains("Friday, November 27, 2026, 9:10 AM (America/Chicago)"), "{text}");
    let calendar = letter.calendar.as_ref().unwrap().expose().replace("\r\n ", "");
    assert!(calendar.contains(&format!("UID:{}@", booked.appointment_id)) && calendar.contains("SEQUENCE:0"));
    assert!(calendar.contains("DTSTART:20261127T151020Z") && calendar.contains(&booked.link.token), "{calendar}");
    for secret in ["Canary", "Maya", patient.as_str(), "RF-"] {
        assert!(!format!("{}{text}{calendar}", letter.subject.expose()).contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn a_repeated_or_refused_booking_mails_nothing_more() {
    let world = World::new().await;
    let site = &world.riverside;
    emptied(&world).await;
    book(&world, site, VisitType::Video, "key-1").await;
    book(&world, site, VisitType::Video, "key-1").await;
    assert_eq!(letters(&world, site).await.len(), 1);
    let mut tx = world.records.begin(site.as_front_desk()).await.unwrap();
    let may = tx.authorize(BookAppointment(site.patient(1))).await.unwrap();
    assert!(appointments::book(&mut tx, &may, &slot(site, VisitType::Video), "key-2").await.is_err(), "overlaps");
    drop(tx);
    // Not committed: as if it had never been.
    let mut tx = world.records.begin(site.as_front_desk()).await.unwrap();
    let may = tx.authorize(ManageLink(site.demo.visits[0].appointment_id)).await.unwrap();
    let _ = join_links::issue(&mut tx, &may).await.unwrap();
    drop(tx);
    assert_eq!(letters(&world, site).await.len(), 1);
}

#[tokio::test]
async fn a_new_link_is_mailed_and_its_calendar_entry_replaces_the_former() {
    let world = World::new().await;
    let site = &world.riverside;
    emptied(&world).await;
    let appointment = site.demo.visits[0].appointment_id;
    let mut tx = world.records.begin(site.as_front_desk()).await.unwrap();
    let may = tx.authorize(ManageLink(appointment)).await.unwrap();
    let issued = join_links::issue(&mut tx, &may).await.unwrap();
    let issued = tx.commit(issued).await.unwrap();
    let letters = letters(&world, site).await;
    assert_eq!(letters.len(), 1);
    assert!(letters[0].body.expose().contains(&issued.token));
    assert!(letters[0].calendar.as_ref().unwrap().expose().contains("SEQUENCE:1\r\n"));
}

#[tokio::test]
async fn the_letter_is_in_the_language_that_the_patient_reads() {
    let world = World::new().await;
    let site = &world.riverside;
    check_in(&world, site, 0).await;
    world
        .db
        .execute_as_owner("ALTER TABLE consent DISABLE TRIGGER consent_evidence; UPDATE consent SET lang = 'es'")
        .await;
    emptied(&world).await;
    book(&world, site, VisitType::Video, "key-1").await;
    let letters = letters(&world, site).await;
    assert_eq!(letters[0].subject.expose(), "Su cita con Riverside Family Clinic");
    assert!(letters[0].body.expose().contains("viernes 27 de noviembre de 2026, 9:10"), "{}", letters[0].body.expose());
}

#[tokio::test]
async fn only_a_video_visit_has_a_link_and_a_patient_without_an_address_gets_no_letter() {
    let world = World::new().await;
    let site = &world.riverside;
    emptied(&world).await;
    let booked = book(&world, site, VisitType::InPerson, "key-1").await;
    let first = letters(&world, site).await;
    assert!(!first[0].body.expose().contains(&booked.link.token), "{}", first[0].body.expose());
    emptied(&world).await;
    world.db.execute_as_owner("UPDATE patient SET email = NULL; UPDATE appointment SET state = 'cancelled'").await;
    book(&world, site, VisitType::Video, "key-2").await;
    assert_eq!(letters(&world, site).await.len(), 0);
}

#[tokio::test]
async fn the_table_holds_nothing_in_clear_and_another_clinic_sees_nothing() {
    let world = World::new().await;
    let site = &world.riverside;
    emptied(&world).await;
    let booked = book(&world, site, VisitType::Video, "key-1").await;
    let row: String = world.look("SELECT outbox_message::text FROM outbox_message").await;
    let email = &site.demo.patients[0].email;
    for secret in [booked.link.token.as_str(), email.as_str(), "Riverside"] {
        assert!(!row.contains(&hex::encode(secret)) && !row.contains(secret), "{secret}");
    }
    assert_eq!(letters(&world, &world.lakeside).await.len(), 0);
    assert!(outbox::next_due(&world.records, world.lakeside.clinic, NOW).await.unwrap().is_none());
}

#[tokio::test]
async fn only_the_administrator_sees_the_mail_and_a_delivery_is_in_the_audit_log() {
    let world = World::new().await;
    let site = &world.riverside;
    emptied(&world).await;
    book(&world, site, VisitType::Video, "key-1").await;
    for context in [site.as_provider(), site.as_front_desk(), site.as_compliance(), site.as_patient(0)] {
        let mut tx = world.records.begin(context).await.unwrap();
        assert!(matches!(tx.authorize(ManageMail).await, Err(Error::Forbidden)));
    }
    let list = async || {
        let mut tx = world.records.begin(site.as_clinic_admin()).await.unwrap();
        let may = tx.authorize(ManageMail).await.unwrap();
        let listed = outbox::list(&mut tx, &may, None).await.unwrap();
        tx.commit(listed).await.unwrap()
    };
    assert!(list().await[0].recipient.is_some());
    let delivery = outbox::next_due(&world.records, site.clinic, NOW).await.unwrap().unwrap();
    let id = delivery.id;
    delivery.delivered().await.unwrap();
    let listed = list().await;
    assert_eq!((listed[0].id, listed[0].state, listed[0].recipient.is_none()), (id, outbox::State::Delivered, true));
    let about: uuid::Uuid =
        world.look("SELECT patient_id FROM audit_event WHERE action = 'mail.delivered' AND actor_role = 'mail'").await;
    assert_eq!(about, site.patient(0).0);
}
