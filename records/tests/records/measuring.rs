//! Call quality.

use records::RequestContext;
use records::action::{ListQuality, ReadQuality};
use records::quality::{self, Direction, ListError, Measured, QualityPage, Sample};
use time::Duration;
use visit::{ParticipantId, Person, Role};

use crate::cast::{NOW, Site, World, ms};

pub async fn some_samples(world: &World, site: &Site, n: usize) {
    let visit = site.visit(n);
    let people =
        [(Person::Patient(site.patient(n)), Role::Patient, 3.0), (Person::Staff(site.provider), Role::Provider, 4.2)];
    let mut samples = Vec::new();
    for (person, role, mos) in people {
        for direction in [Direction::Up, Direction::Down] {
            for i in 0..3i64 {
                let measured = Measured {
                    round_trip_ms: Some(20.0 + 10.0 * f32::from(u8::try_from(i).unwrap())),
                    loss: (i > 0).then_some(0.5),
                    freezes: Some(1),
                    mos: Some(mos),
                    ..Measured::default()
                };
                let at = ms(NOW + Duration::seconds(5 * i));
                samples.push(Sample {
                    visit,
                    participant: ParticipantId::of(visit, person),
                    role,
                    direction,
                    at,
                    measured,
                });
            }
        }
    }
    quality::insert(&world.records, site.clinic, &samples).await.unwrap();
    // A batch that is sent again changes nothing.
    quality::insert(&world.records, site.clinic, &samples).await.unwrap();
}

async fn list(world: &World, context: RequestContext, cursor: Option<&str>) -> Result<QualityPage, ListError> {
    let mut tx = world.records.begin(context).await?;
    let may = tx.authorize(ListQuality).await?;
    let page = quality::visits(&mut tx, &may, None, None, cursor).await?;
    Ok(tx.commit(page).await?)
}

#[tokio::test]
async fn samples_come_back_as_means_per_person_and_as_lines_over_time() {
    let world = World::new().await;
    let site = &world.riverside;
    some_samples(&world, site, 0).await;
    let page = list(&world, site.as_clinic_admin(), None).await.unwrap();
    assert_eq!((page.items.len(), page.next_cursor), (1, None));
    let item = &page.items[0];
    assert_eq!(
        (item.visit_id, item.provider_name.as_str(), item.worst_mos),
        (site.visit(0), "Dr. Maya Chen", Some(3.0))
    );
    let patient = item.participants.iter().find(|one| one.role == Role::Patient).unwrap();
    assert_eq!(patient.mean.round_trip_ms, Some(30.0));
    assert_eq!(patient.mean.loss, Some(0.5), "what is not known does not count as 0");
    assert_eq!((patient.mean.freezes, patient.mean.jitter_ms), (Some(6), None));

    let mut tx = world.records.begin(site.as_provider()).await.unwrap();
    let may = tx.authorize(ReadQuality(site.visit(0))).await.unwrap();
    let series = quality::series(&mut tx, &may).await.unwrap();
    let series = tx.commit(series).await.unwrap();
    assert_eq!(series.len(), 4);
    for line in series {
        assert_eq!(line.points.len(), 3);
        assert!(line.points.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}

#[tokio::test]
async fn a_provider_sees_own_visits_the_admin_all_and_the_front_desk_none() {
    let world = World::new().await;
    let site = &world.riverside;
    some_samples(&world, site, 0).await;
    some_samples(&world, &world.lakeside, 0).await;
    assert_eq!(list(&world, site.as_provider(), None).await.unwrap().items.len(), 1);
    let nurse = world.nurse(site).await;
    assert_eq!(list(&world, site.as_staff(nurse, Role::Nurse), None).await.unwrap().items.len(), 0);
    assert!(matches!(
        list(&world, site.as_front_desk(), None).await,
        Err(ListError::Failed(records::Error::Forbidden))
    ));
    assert!(matches!(list(&world, site.as_provider(), Some("x")).await, Err(ListError::BadCursor)));
    let foreign = [Sample {
        visit: site.visit(0),
        participant: ParticipantId::of(site.visit(0), Person::Staff(site.provider)),
        role: Role::Provider,
        direction: Direction::Up,
        at: ms(NOW + Duration::HOUR),
        measured: Measured::default(),
    }];
    assert!(quality::insert(&world.records, world.lakeside.clinic, &foreign).await.is_err());
}
