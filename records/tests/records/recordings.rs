//! Recordings' rows, keys and hashes.

use records::Error;
use records::action::{ListRecordings, PlayRecording};
use records::recordings::{self, Change, ChangeError, RecordingState};
use visit::RecordingId;

use crate::cast::{NOW, World, store, whole_visit};

fn ready() -> Change {
    Change::Ready {
        duration_ms: 61_000,
        bytes: 4_096,
        sha256: [0xab; 32],
        gaps: 1,
        manifest: serde_json::json!({ "tracks": 2 }),
    }
}

#[tokio::test]
async fn a_recording_goes_from_capture_to_a_sealed_file_whose_hash_is_in_the_log() {
    let world = World::new().await;
    let site = &world.riverside;
    let recording = RecordingId::of(site.visit(0), 6);
    assert!(
        matches!(recordings::create_key(&world.records, site.clinic, recording).await, Err(Error::NotFound)),
        "not before the fact is stored"
    );
    store(&world, site, 0, &whole_visit(site, 0, "x")).await;
    let unfinished = recordings::unfinished(&world.records).await.unwrap();
    assert_eq!(unfinished.len(), 1);
    assert_eq!(
        (unfinished[0].clinic, unfinished[0].recording, unfinished[0].state),
        (site.clinic, recording, RecordingState::Capturing)
    );

    for change in [Change::Captured, Change::Composing, ready()] {
        recordings::change(&world.records, site.clinic, recording, &change, NOW).await.unwrap();
    }
    assert!(matches!(
        recordings::change(&world.records, site.clinic, recording, &Change::Interrupted, NOW).await,
        Err(ChangeError::Done(RecordingState::Ready))
    ));
    assert_eq!(recordings::unfinished(&world.records).await.unwrap(), []);
    assert_eq!(recordings::catalogue(&world.records).await.unwrap().len(), 1);

    let mut tx = world.records.begin(site.as_provider()).await.unwrap();
    let may = tx.authorize(ListRecordings(site.visit(0))).await.unwrap();
    let list = recordings::list(&mut tx, &may).await.unwrap();
    let list = tx.commit(list).await.unwrap();
    assert_eq!((list[0].state, list[0].duration_ms, list[0].gaps), (RecordingState::Ready, Some(61_000), Some(1)));
    assert_eq!(list[0].sha256.as_deref(), Some("ab".repeat(32).as_str()));
    let logged: String =
        world.look("SELECT detail->>'sha256' FROM audit_event WHERE action = 'recording.sealed'").await;
    assert_eq!(logged, "ab".repeat(32));
}

#[tokio::test]
async fn a_recordings_key_is_made_once_and_opens_for_its_own_clinic_only() {
    let world = World::new().await;
    let site = &world.riverside;
    let recording = RecordingId::of(site.visit(0), 6);
    store(&world, site, 0, &whole_visit(site, 0, "x")).await;
    assert!(matches!(recordings::open_key(&world.records, site.clinic, recording).await, Err(Error::NotFound)));
    let keys =
        futures_util::future::join_all((0..4).map(|_| recordings::create_key(&world.records, site.clinic, recording)))
            .await;
    let key = keys[0].as_ref().unwrap();
    assert!(keys.iter().all(|other| other.as_ref().unwrap() == key));
    assert_eq!(recordings::open_key(&world.records, site.clinic, recording).await.unwrap(), *key);
    assert!(matches!(
        recordings::open_key(&world.records, world.lakeside.clinic, recording).await,
        Err(Error::NotFound)
    ));
    world
        .db
        .execute_as_owner(&format!(
            "UPDATE data_key SET wrapped = NULL, destroyed_at = now() WHERE owner_id = '{recording}'"
        ))
        .await;
    assert!(matches!(recordings::open_key(&world.records, site.clinic, recording).await, Err(Error::Sealed(_))));
}

#[tokio::test]
async fn playing_is_logged_once_per_opening_and_refused_to_those_who_were_not_there() {
    let world = World::new().await;
    let site = &world.riverside;
    let recording = RecordingId::of(site.visit(0), 6);
    store(&world, site, 0, &whole_visit(site, 0, "x")).await;
    for first in [true, false, false] {
        let mut tx = world.records.begin(site.as_provider()).await.unwrap();
        let may = tx.authorize(PlayRecording(recording)).await.unwrap();
        let opened =
            if first { recordings::open(&mut tx, &may).await } else { recordings::reopen(&mut tx, &may).await }
                .unwrap();
        assert_eq!(tx.commit(opened).await.unwrap().recording_id, recording);
    }
    let logged: i64 =
        world.look("SELECT count(*) FROM audit_event WHERE action = 'recording.play' AND outcome = 'allowed'").await;
    assert_eq!(logged, 1);
    for (context, error) in
        [(site.as_front_desk(), "role"), (site.as_clinic_admin(), "role"), (world.lakeside.as_provider(), "unknown")]
    {
        let mut tx = world.records.begin(context).await.unwrap();
        let refused = tx.authorize(PlayRecording(recording)).await.expect_err("must be refused");
        assert_eq!(matches!(refused, Error::Forbidden), error == "role");
    }
}
