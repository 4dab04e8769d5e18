//! Guests of one visit: what is kept of them, and that they answer for themselves.

use records::action::{Attend, ManageGuests, ReadTimeline};
use records::guests::way_in;
use records::guests::{self, GuestRole, Invited, Invitee};
use records::join::SeatError;
use records::outbox::Lang;
use records::{Actor, Error, Phi, RequestContext, visits};
use visit::{Fact, GuestId, ParticipantId, Person, RecordingId, Role, VisitId};

use crate::cast::{NOW, Site, World, origin, store};

async fn invite(world: &World, site: &Site, visit: VisitId) -> Invited {
    let mut tx = world.records.begin(site.as_provider()).await.unwrap();
    let may = tx.authorize(ManageGuests(visit)).await.unwrap();
    let (name, email) = (Phi::from("Iris Canary"), Some(Phi::from("iris@guests.example")));
    let invitee = Invitee::Stranger { role: GuestRole::Interpreter, name, email, lang: Lang::En };
    let invited = guests::invite(&mut tx, &may, &invitee).await.unwrap();
    tx.commit(invited).await.unwrap()
}

fn as_guest(site: &Site, id: GuestId, visit: VisitId) -> RequestContext {
    let actor = Actor::Guest { id, role: Role::Interpreter, visit, clinic: site.clinic };
    RequestContext { actor, at: NOW, origin: origin(), second_factor_at: None }
}

#[tokio::test]
async fn a_guests_name_address_and_token_are_in_the_database_only_sealed_or_hashed() {
    let world = World::new().await;
    let invited = invite(&world, &world.riverside, world.riverside.visit(0)).await;
    let token = invited.token.unwrap();
    let rows: String = world
        .look(
            "SELECT string_agg(t, ' ') FROM (SELECT g::text || encode(g.name, 'escape') || encode(g.email, 'escape') AS t FROM visit_guest g
             UNION ALL SELECT encode(m.body, 'escape') || encode(m.recipient, 'escape') FROM outbox_message m
             UNION ALL SELECT e::text FROM audit_event e) x",
        )
        .await;
    for secret in ["Canary", "iris@", token.as_str()] {
        assert!(!rows.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn what_a_guest_does_in_a_visit_is_theirs_on_the_record() {
    let world = World::new().await;
    let site = &world.riverside;
    let visit = site.visit(0);
    let invited = invite(&world, site, visit).await;
    let guest = Person::Guest(invited.guest);
    let (provider, recording) = (Person::Staff(site.provider), RecordingId::of(visit, 5));
    let (g, d) = (ParticipantId::of(visit, guest), ParticipantId::of(visit, provider));
    let text_version = "2026-11".to_owned();
    let told = [
        (Fact::Joined { participant: d, person: provider, role: Role::Provider }, Some(provider)),
        (Fact::Joined { participant: g, person: guest, role: Role::Interpreter }, Some(guest)),
        (Fact::Waiting { participant: g }, Some(guest)),
        (Fact::Admitted { participant: g, by: d }, Some(provider)),
        (Fact::RecordingAsked { recording, by: d, text_version: text_version.clone() }, Some(provider)),
        (Fact::RecordingAllowed { recording, participant: g, text_version }, Some(guest)),
        (Fact::RecordingWithdrawn { recording, participant: g }, Some(guest)),
    ];
    store(&world, site, 0, &told).await;
    // The visit follows its patient, who has not come.
    let state: String = world.look("SELECT string_agg(DISTINCT state, ',') FROM visit WHERE last_seq > 0").await;
    assert_eq!(state, "booked");
    let answers: Vec<(String, bool, String)> = sqlx::query_as(
        "SELECT decision, visit_guest_id IS NOT NULL AND patient_id IS NULL AND staff_id IS NULL, text_version FROM consent
         WHERE kind = 'recording_consent' ORDER BY at",
    )
    .fetch_all(&mut world.db.owner().await)
    .await
    .unwrap();
    let answer = |decision: &str| (decision.to_owned(), true, "2026-11".to_owned());
    assert_eq!(answers, [answer("accepted"), answer("withdrawn")]);
    let logged: i64 = world
        .look("SELECT count(*) FROM audit_event WHERE actor_kind = 'guest' AND actor_role = 'interpreter' AND patient_id IS NOT NULL")
        .await;
    assert_eq!(logged, 4, "joined, waiting, allowed, withdrawn");
    let facts = records::facts::load(&world.records, site.clinic, visit).await.unwrap();
    assert_eq!(facts[2].by, Some(guest), "a rebuilt room knows whose deed it was");
    let mut tx = world.records.begin(site.as_provider()).await.unwrap();
    let may = tx.authorize(ReadTimeline(visit)).await.unwrap();
    let timeline = visits::timeline(&mut tx, &may).await.unwrap();
    let timeline = tx.commit(timeline).await.unwrap();
    assert_eq!(timeline[2].by_name.as_ref().unwrap().expose(), "Iris Canary");
}

#[tokio::test]
async fn a_guest_attends_the_visit_of_the_invitation_and_no_other_and_not_after_it_was_taken_back() {
    let world = World::new().await;
    let site = &world.riverside;
    let (visit, other) = (site.visit(0), site.visit(1));
    let invited = invite(&world, site, visit).await;
    let attends = async |context: RequestContext, visit| {
        let mut tx = world.records.begin(context).await.unwrap();
        tx.authorize(Attend(visit)).await.map(drop)
    };
    attends(as_guest(site, invited.guest, visit), visit).await.unwrap();
    for (claimed, asked) in [(visit, other), (other, other), (other, visit)] {
        let refused = attends(as_guest(site, invited.guest, claimed), asked).await;
        assert!(matches!(refused, Err(Error::NotFound)), "{refused:?}");
    }
    let elsewhere = attends(as_guest(&world.lakeside, invited.guest, visit), visit).await;
    assert!(matches!(elsewhere, Err(Error::NotFound)));
    let later = RequestContext { at: invited.expires_at, ..as_guest(site, invited.guest, visit) };
    assert!(matches!(attends(later, visit).await, Err(Error::NotFound)), "over");
    let mut tx = world.records.begin(site.as_provider()).await.unwrap();
    let may = tx.authorize(ManageGuests(visit)).await.unwrap();
    let out = guests::revoke(&mut tx, &may, invited.guest).await.unwrap();
    assert_eq!(tx.commit(out).await.unwrap(), Person::Guest(invited.guest));
    assert!(matches!(attends(as_guest(site, invited.guest, visit), visit).await, Err(Error::NotFound)), "taken back");
    let token = invited.token.unwrap();
    assert!(way_in::open(&world.records, &token, NOW).await.unwrap().is_none());
    let arrived = way_in::arrive(&world.records, &origin(), &token, &Phi::from("Iris"), NOW).await.unwrap();
    assert!(arrived.is_none());
}

#[tokio::test]
async fn a_guest_gets_no_seat_in_a_visit_that_is_over_or_whose_patient_did_not_come() {
    let world = World::new().await;
    let site = &world.riverside;
    let visit = site.visit(0);
    let invited = invite(&world, site, visit).await;
    let seat = async || {
        let mut tx = world.records.begin(as_guest(site, invited.guest, visit)).await.unwrap();
        let may = tx.authorize(Attend(visit)).await.unwrap();
        way_in::seat(&mut tx, &may).await.map(drop)
    };
    assert!(matches!(seat().await, Err(SeatError::Incomplete)), "only the consent is missing");
    for state in ["ended", "no_show"] {
        world.db.execute_as_owner(&format!("UPDATE visit SET state = '{state}' WHERE visit_id = '{visit}'")).await;
        let refused = seat().await;
        assert!(matches!(refused, Err(SeatError::Over)), "{state}: {refused:?}");
    }
}

#[tokio::test]
async fn of_many_who_invite_at_once_four_succeed() {
    let world = World::new().await;
    let site = &world.riverside;
    let visit = site.visit(0);
    let one = async || {
        let mut tx = world.records.begin(site.as_provider()).await.unwrap();
        let may = tx.authorize(ManageGuests(visit)).await.unwrap();
        let invitee =
            Invitee::Stranger { role: GuestRole::Guardian, name: Phi::from("G"), email: None, lang: Lang::En };
        let invited = guests::invite(&mut tx, &may, &invitee).await.ok()?;
        tx.commit(invited).await.ok()
    };
    let made = futures_util::future::join_all((0..7).map(|_| one())).await;
    assert_eq!(made.iter().flatten().count(), 4);
    assert_eq!(world.look::<i64>("SELECT count(*) FROM visit_guest").await, 4);
}
