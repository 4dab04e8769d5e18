//! What happened in visits.

use records::action::{ReadTimeline, ReadVisit};
use records::facts::{self, AppendError};
use records::visits::{self, VisitState};
use records::{Error, RequestContext};
use time::Duration;
use visit::fact::LeaveReason;
use visit::{Fact, ParticipantId, Person};

use crate::cast::{NOW, World, day, ms, store, whole_visit};

#[tokio::test]
async fn facts_come_back_as_they_were_in_order_with_their_chat_text() {
    let world = World::new().await;
    let site = &world.riverside;
    let happened = whole_visit(site, 0, "does it hurt?");
    assert_eq!(facts::load(&world.records, site.clinic, site.visit(0)).await.unwrap(), []);
    store(&world, site, 0, &happened).await;
    let loaded = facts::load(&world.records, site.clinic, site.visit(0)).await.unwrap();
    assert_eq!(loaded.len(), happened.len());
    for (i, (stored, (fact, by))) in loaded.iter().zip(&happened).enumerate() {
        assert_eq!((stored.seq, &stored.fact, stored.by), (i as u64 + 1, fact, *by));
        assert_eq!(stored.at, ms(NOW + Duration::seconds(i64::try_from(i).unwrap())));
    }
    assert!(matches!(facts::load(&world.records, world.lakeside.clinic, site.visit(0)).await, Err(Error::NotFound)));
}

#[tokio::test]
async fn a_repeated_or_skipped_number_is_refused_and_of_two_at_once_one_is_stored() {
    let world = World::new().await;
    let site = &world.riverside;
    let (visit, person) = (site.visit(0), Person::Patient(site.patient(0)));
    let fact = Fact::Waiting { participant: ParticipantId::of(visit, person) };
    let append = async |seq| facts::append(&world.records, site.clinic, visit, seq, ms(NOW), &fact, Some(person)).await;
    assert!(matches!(append(2).await, Err(AppendError::SeqConflict { seq: 2 })));
    assert!(matches!(append(0).await, Err(AppendError::SeqConflict { seq: 0 })));
    append(1).await.unwrap();
    assert!(matches!(append(1).await, Err(AppendError::SeqConflict { seq: 1 })));
    let both = futures_util::future::join_all([append(2), append(2), append(2)]).await;
    assert_eq!(both.iter().filter(|stored| stored.is_ok()).count(), 1);
    let foreign = facts::append(&world.records, world.lakeside.clinic, visit, 3, ms(NOW), &fact, Some(person)).await;
    assert!(matches!(foreign, Err(AppendError::Failed(Error::NotFound))));
}

#[tokio::test]
async fn the_day_list_follows_the_patient_through_the_visit() {
    let world = World::new().await;
    let site = &world.riverside;
    let (visit, patient, provider) = (site.visit(0), Person::Patient(site.patient(0)), Person::Staff(site.provider));
    let (p, d) = (ParticipantId::of(visit, patient), ParticipantId::of(visit, provider));
    let state = async || {
        let item = day(&world, site.as_provider()).await.items.into_iter().find(|item| item.visit_id == visit).unwrap();
        (item.state, item.waiting_since)
    };
    assert_eq!(state().await, (VisitState::Booked, None));
    crate::cast::check_in(&world, site, 0).await;
    assert_eq!(state().await, (VisitState::CheckingIn, None));
    let steps = [
        (Fact::Joined { participant: p, person: patient, role: visit::Role::Patient }, patient, VisitState::CheckingIn),
        (Fact::Waiting { participant: p }, patient, VisitState::Waiting),
        (Fact::Joined { participant: d, person: provider, role: visit::Role::Provider }, provider, VisitState::Waiting),
        (Fact::Left { participant: p, why: LeaveReason::TimedOut }, patient, VisitState::CheckingIn),
        (Fact::Waiting { participant: p }, patient, VisitState::Waiting),
        (Fact::Admitted { participant: p, by: d }, provider, VisitState::InVisit),
        (Fact::ReturnedToWaiting { participant: p, by: d }, provider, VisitState::Waiting),
        (Fact::Admitted { participant: p, by: d }, provider, VisitState::InVisit),
        (Fact::Left { participant: p, why: LeaveReason::Left }, patient, VisitState::InVisit),
        (Fact::Ended { by: d }, provider, VisitState::Ended),
    ];
    for (i, (fact, by, expected)) in steps.iter().enumerate() {
        let at = NOW + Duration::seconds(i64::try_from(i).unwrap());
        facts::append(&world.records, site.clinic, visit, i as u64 + 1, ms(at), fact, Some(*by)).await.unwrap();
        let (now, since) = state().await;
        assert_eq!(now, *expected, "after {fact:?}");
        assert_eq!(since.is_some(), *expected == VisitState::Waiting, "after {fact:?}");
    }
    let mut tx = world.records.begin(site.as_provider()).await.unwrap();
    let may = tx.authorize(ReadVisit(visit)).await.unwrap();
    let detail = visits::detail(&mut tx, &may).await.unwrap();
    let detail = tx.commit(detail).await.unwrap();
    assert_eq!(detail.started_at.map(ms), Some(ms(NOW + Duration::seconds(5))), "the first time");
    assert_eq!(detail.ended_at.map(ms), Some(ms(NOW + Duration::seconds(9))));
    assert_eq!(detail.location.unwrap().region.expose(), "IL");
    assert_eq!(detail.consent.unwrap().version, "2026-11");
}

#[tokio::test]
async fn rooms_to_revive_are_those_where_something_happened_and_nothing_ended() {
    let world = World::new().await;
    let site = &world.riverside;
    assert_eq!(visits::in_progress(&world.records).await.unwrap(), []);
    store(&world, site, 0, &whole_visit(site, 0, "x")).await;
    store(&world, site, 1, &whole_visit(site, 1, "x")[..4]).await;
    store(&world, &world.lakeside, 0, &whole_visit(&world.lakeside, 0, "x")[..1]).await;
    let mut expected = vec![(site.clinic, site.visit(1)), (world.lakeside.clinic, world.lakeside.visit(0))];
    let mut found = visits::in_progress(&world.records).await.unwrap();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn everyones_answer_about_recording_is_on_record() {
    let world = World::new().await;
    let site = &world.riverside;
    store(&world, site, 0, &whole_visit(site, 0, "x")).await;
    let mut owner = world.db.owner().await;
    let answers: Vec<(String, bool, String)> =
        sqlx::query_as("SELECT decision, patient_id IS NOT NULL, text_version FROM consent WHERE kind = 'recording_consent' ORDER BY at")
            .fetch_all(&mut owner)
            .await
            .unwrap();
    let expected = [("accepted", false), ("accepted", true), ("withdrawn", true)]
        .map(|(what, patient)| (what.to_owned(), patient, "2026-11".to_owned()));
    assert_eq!(answers, expected);
    let admitted: (String, uuid::Uuid) =
        sqlx::query_as("SELECT actor_role, actor_id FROM audit_event WHERE action = 'visit.admitted'")
            .fetch_one(&mut owner)
            .await
            .unwrap();
    assert_eq!(admitted, ("provider".to_owned(), site.provider.0));
}

#[tokio::test]
async fn the_timeline_names_who_did_what_and_shows_chat_to_those_who_treat_only() {
    let world = World::new().await;
    let site = &world.riverside;
    store(&world, site, 0, &whole_visit(site, 0, "does it hurt?")).await;
    let timeline = async |context: RequestContext| {
        let mut tx = world.records.begin(context).await.unwrap();
        let may = tx.authorize(ReadTimeline(site.visit(0))).await.unwrap();
        let items = visits::timeline(&mut tx, &may).await.unwrap();
        tx.commit(items).await.unwrap()
    };
    let items = timeline(site.as_provider()).await;
    assert_eq!(items[3].fact, "admitted");
    assert_eq!(items[3].by_name.as_ref().unwrap().expose(), "Dr. Maya Chen");
    assert_eq!(items[1].by_name.as_ref().unwrap().expose(), &site.demo.visits[0].patient_name);
    assert_eq!(items[4].chat_text.as_ref().unwrap().expose(), "does it hurt?");
    assert_eq!(items[4].detail.get("text"), None);
    assert!(timeline(site.as_compliance()).await[4].chat_text.is_some());
    assert!(timeline(site.as_front_desk()).await[4].chat_text.is_none());
    assert!(timeline(site.as_clinic_admin()).await[4].chat_text.is_none());
}
