//! Care relationships begin and end.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use records::action::{ChangeSettings, ReadClinical, ReadNote};
use records::settings::{self, Change};
use records::{Actor, Error, RequestContext};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use visit::{Role, VisitId};

use crate::cast::{NOW, Site, World, origin};

/// An appointment of the colleague with the patient, in hours from [`NOW`].
#[derive(Debug, Clone)]
struct Slot {
    starts: i64,
    hours: i64,
    cancelled: bool,
    /// The visit ended so long after the slot began.
    ended: Option<i64>,
    /// Of another provider.
    others: bool,
}

/// An assignment of the colleague to the patient, in hours from [`NOW`].
#[derive(Debug, Clone)]
struct Assignment {
    from: i64,
    hours: Option<i64>,
}

#[derive(Debug, Clone)]
struct Story {
    slots: Vec<Slot>,
    assignment: Option<Assignment>,
    days: i32,
    /// When it is asked, in hours from [`NOW`].
    asked: i64,
}

impl Story {
    /// What the rules say, in the plainest words.
    fn cares(&self) -> bool {
        let lasts = i64::from(self.days) * 24;
        let by_slot = self.slots.iter().filter(|slot| !slot.cancelled && !slot.others).any(|slot| {
            let over = slot.ended.map_or(slot.hours, |ended| ended.max(slot.hours));
            self.asked < slot.starts + over + lasts
        });
        let assigned = self
            .assignment
            .as_ref()
            .is_some_and(|one| one.from <= self.asked && one.hours.is_none_or(|hours| self.asked < one.from + hours));
        by_slot || assigned
    }
}

fn stories() -> impl Strategy<Value = Story> {
    // Whole days for slots, so that two never overlap; the edges of care by themselves among the moments.
    let slot = (-80i64..80, 1i64..5, prop::bool::weighted(0.2), prop::option::of(1i64..60), prop::bool::weighted(0.2))
        .prop_map(|(day, hours, cancelled, ended, others)| Slot { starts: day * 24, hours, cancelled, ended, others });
    let assignment = (-900i64..100, prop::option::of(0i64..900)).prop_map(|(from, hours)| Assignment { from, hours });
    let slots = prop::collection::vec(slot, 0..3);
    (
        slots,
        prop::option::weighted(0.3, assignment),
        1i32..60,
        -1_000i64..1_500,
        any::<prop::sample::Index>(),
        -1i64..=1,
    )
        .prop_map(|(mut slots, assignment, days, anywhere, which, off)| {
            slots.sort_by_key(|slot| slot.starts);
            slots.dedup_by_key(|slot| slot.starts);
            // Most questions are asked at an edge, or an hour before or after it.
            let edges: Vec<i64> = slots
                .iter()
                .map(|slot| {
                    slot.starts + slot.ended.map_or(slot.hours, |ended| ended.max(slot.hours)) + i64::from(days) * 24
                })
                .collect();
            let asked = if edges.is_empty() { anywhere } else { edges[which.index(edges.len())] + off };
            Story { slots, assignment, days, asked }
        })
}

fn hours(n: i64) -> OffsetDateTime {
    NOW + Duration::hours(n)
}

/// The log's tables of the months that these tests ask in: the server makes those around today.
async fn make_months(world: &World) {
    world
        .db
        .execute_as_owner(
            "SELECT make_audit_month(m::date)
             FROM (SELECT generate_series('2026-08-01'::date, '2027-04-01', '1 month') UNION SELECT generate_series('2037-09-01'::date, '2038-01-01', '1 month')) AS months (m)
             WHERE to_regclass('audit_event_' || to_char(m, 'YYYY_MM')) IS NULL",
        )
        .await;
}

async fn tell(world: &World, site: &Site, colleague: Uuid, patient: Uuid, story: &Story) {
    let mut owner = world.db.owner().await;
    for gone in [
        "DELETE FROM visit WHERE appointment_id IN (SELECT appointment_id FROM appointment WHERE visit_type = 'in_person')",
        "DELETE FROM appointment WHERE visit_type = 'in_person'",
        "DELETE FROM care_assignment",
    ] {
        sqlx::query(gone).execute(&mut owner).await.unwrap();
    }
    sqlx::query("UPDATE clinic SET care_days = $1").bind(story.days).execute(&mut owner).await.unwrap();
    for slot in &story.slots {
        let id = Uuid::now_v7();
        let provider = if slot.others { site.provider.0 } else { colleague };
        // Long before everything else that the other provider has.
        let shift = if slot.others { -4_000 } else { 0 };
        sqlx::query(
            "INSERT INTO appointment (appointment_id, clinic_id, patient_id, provider_id, starts_at, ends_at, visit_type, reason, state, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, 'in_person', '\\x00', $7, $8)",
        )
        .bind(id)
        .bind(site.clinic.0)
        .bind(patient)
        .bind(provider)
        .bind(hours(slot.starts + shift))
        .bind(hours(slot.starts + shift + slot.hours))
        .bind(if slot.cancelled { "cancelled" } else { "booked" })
        .bind(NOW)
        .execute(&mut owner)
        .await
        .unwrap();
        sqlx::query("INSERT INTO visit (visit_id, clinic_id, appointment_id, patient_id, state, ended_at) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(Uuid::now_v7())
            .bind(site.clinic.0)
            .bind(id)
            .bind(patient)
            .bind(if slot.ended.is_some() { "ended" } else { "booked" })
            .bind(slot.ended.map(|ended| hours(slot.starts + ended)))
            .execute(&mut owner)
            .await
            .unwrap();
    }
    if let Some(assignment) = &story.assignment {
        sqlx::query("INSERT INTO care_assignment (care_assignment_id, clinic_id, staff_id, patient_id, from_at, until_at) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(Uuid::now_v7())
            .bind(site.clinic.0)
            .bind(colleague)
            .bind(patient)
            .bind(hours(assignment.from))
            .bind(assignment.hours.map(|long| hours(assignment.from + long)))
            .execute(&mut owner)
            .await
            .unwrap();
    }
}

#[test]
fn care_begins_and_ends_as_the_rules_say_whatever_was_booked() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime.block_on(World::new());
    let site = &world.riverside;
    runtime.block_on(make_months(&world));
    let colleague = runtime.block_on(world.nurse(site));
    let patient = site.patient(0);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config { failure_persistence: None, ..Config::with_cases(200) }, rng);
    let (mut open, mut closed) = (0, 0);
    for _ in 0..200 {
        let story = stories().new_tree(&mut runner).unwrap().current();
        runtime.block_on(tell(&world, site, colleague.0, patient.0, &story));
        let actor = Actor::Staff { id: colleague, role: Role::Nurse, clinic: site.clinic };
        let context = RequestContext { actor, at: hours(story.asked), origin: origin(), second_factor_at: None };
        let may = runtime.block_on(async {
            let mut tx = world.records.begin(context).await.unwrap();
            match tx.authorize(ReadClinical(patient)).await {
                Ok(_) => true,
                Err(Error::NotFound) => false,
                Err(error) => panic!("{error:?}"),
            }
        });
        assert_eq!(may, story.cares(), "{story:?}");
        if may { open += 1 } else { closed += 1 }
    }
    assert!(open > 40 && closed > 40, "both are asked for: {open} open, {closed} closed");
}

async fn reads(world: &World, site: &Site, visit: VisitId, at: OffsetDateTime) -> (bool, bool) {
    let context = RequestContext { at, ..site.as_provider() };
    let mut tx = world.records.begin(context.clone()).await.unwrap();
    let note = tx.authorize(ReadNote(visit)).await;
    assert!(note.is_ok() || matches!(note, Err(Error::NotFound)), "{:?}", note.err());
    drop(tx);
    let mut tx = world.records.begin(context).await.unwrap();
    let chart = tx.authorize(ReadClinical(site.patient(0))).await;
    assert!(chart.is_ok() || matches!(chart, Err(Error::NotFound)), "{:?}", chart.err());
    (note.is_ok(), chart.is_ok())
}

#[tokio::test]
async fn after_care_has_ended_ones_own_note_stays_readable_and_the_rest_of_the_record_closes() {
    let world = World::new().await;
    let site = &world.riverside;
    let visit = site.visit(0);
    make_months(&world).await;
    world.db.execute_as_owner(&format!("DELETE FROM care_assignment WHERE staff_id = '{}'", site.provider)).await;
    let ends: OffsetDateTime = sqlx::query_scalar("SELECT max(ends_at) FROM appointment WHERE patient_id = $1")
        .bind(site.patient(0).0)
        .fetch_one(&mut world.db.owner().await)
        .await
        .unwrap();
    let days = |n| ends + Duration::days(n);
    assert_eq!(reads(&world, site, visit, days(30) - Duration::SECOND).await, (true, true));
    assert_eq!(reads(&world, site, visit, days(30)).await, (true, false));
    assert_eq!(reads(&world, site, visit, days(4_000)).await, (true, false));

    let mut tx = world.records.begin(site.as_clinic_admin()).await.unwrap();
    let may = tx.authorize(ChangeSettings).await.unwrap();
    let change = Change { retention_years: 7, care_days: 90, shares_recordings: false };
    let changed = settings::change(&mut tx, &may, &change).await.unwrap();
    assert_eq!(tx.commit(changed).await.unwrap().care_days, 90);
    assert_eq!(reads(&world, site, visit, days(90) - Duration::SECOND).await, (true, true));
    assert_eq!(reads(&world, site, visit, days(90)).await, (true, false));
    let detail: serde_json::Value = world.look("SELECT detail FROM audit_event WHERE action = 'settings.change'").await;
    assert_eq!((&detail["from"]["care_days"], &detail["to"]["care_days"]), (&30.into(), &90.into()));
}
