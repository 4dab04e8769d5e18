//! Recordings are listed, played by range, and each opening is in the audit log once.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::{Opening, RecordingMedia, SeekableMedia};
use axum::http::{Method, StatusCode};
use serde_json::json;
use visit::{ClinicId, RecordingId};

use crate::app::{Answer, App, Browser};
use crate::story;

/// Files in memory, in the place of the recorder's sealed ones.
#[derive(Clone, Default)]
pub struct Shelf(Arc<Mutex<BTreeMap<RecordingId, Vec<u8>>>>);

impl Shelf {
    pub fn put(&self, recording: RecordingId, file: Vec<u8>) {
        self.0.lock().unwrap().insert(recording, file);
    }
}

impl RecordingMedia for Shelf {
    fn open(&self, _clinic: ClinicId, recording: RecordingId) -> Opening<'_> {
        let file = self.0.lock().unwrap().get(&recording).cloned();
        Box::pin(async move { Ok(file.map(|bytes| Box::new(File(bytes)) as Box<dyn SeekableMedia>)) })
    }
}

struct File(Vec<u8>);

impl SeekableMedia for File {
    fn byte_len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let from = usize::try_from(offset).unwrap().min(self.0.len());
        // Odd sizes, as a store of chunks gives them.
        let count = buffer.len().min(self.0.len() - from).min(65_521);
        buffer[..count].copy_from_slice(&self.0[from..from + count]);
        Ok(count)
    }
}

async fn play(browser: &mut Browser, recording: RecordingId, range: Option<&str>) -> Answer {
    let headers: Vec<_> = range.map(|range| ("range", range)).into_iter().collect();
    browser.send(Method::GET, &format!("/api/v1/recordings/{recording}/media"), &headers, None).await
}

#[tokio::test]
async fn a_recording_is_listed_when_it_starts_and_played_when_it_is_ready() {
    let app = App::start().await;
    let visit = app.riverside.visits[0].clone();
    let recording = story::recorded_visit(&app, &visit).await.recording;
    let mut provider = app.signed_in(&app.riverside.provider).await;
    let list = format!("/api/v1/visits/{}/recordings", visit.visit_id);
    let listed = provider.get(&list).await.is(StatusCode::OK).json();
    assert_eq!(listed["items"][0]["recording_id"], recording.to_string());
    assert_eq!(listed["items"][0]["sha256"], json!(null));
    play(&mut provider, recording, None).await.refuses(StatusCode::CONFLICT, "recording.not_ready");
    let file: Vec<u8> = (0..700_001_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
    story::composed(&app, recording, file.clone()).await;
    let listed = provider.get(&list).await.is(StatusCode::OK).json();
    assert_eq!(
        (&listed["items"][0]["state"], &listed["items"][0]["sha256"]),
        (&json!("ready"), &json!("07".repeat(32)))
    );

    let whole = play(&mut provider, recording, None).await.is(StatusCode::OK);
    assert_eq!((whole.header("content-type"), whole.header("accept-ranges")), ("video/webm", "bytes"));
    assert!(whole.bytes == file);
    let part = play(&mut provider, recording, Some("bytes=300000-")).await.is(StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.header("content-range"), "bytes 300000-700000/700001");
    assert_eq!(part.header("content-length"), "400001");
    assert!(part.bytes == file[300_000..]);
    let tail = play(&mut provider, recording, Some("bytes=-10")).await.is(StatusCode::PARTIAL_CONTENT);
    assert!(tail.bytes == file[699_991..]);
    let past = play(&mut provider, recording, Some("bytes=700001-")).await;
    assert_eq!(
        past.refuses(StatusCode::RANGE_NOT_SATISFIABLE, "range.unsatisfiable").header("content-range"),
        "bytes */700001"
    );
}

#[tokio::test]
async fn one_playback_is_one_row_of_the_audit_log_and_half_an_hour_later_it_is_another() {
    let app = App::start().await;
    let visit = app.riverside.visits[0].clone();
    let recording = story::recorded_visit(&app, &visit).await.recording;
    story::composed(&app, recording, vec![1; 1_000]).await;
    let mut provider = app.signed_in(&app.riverside.provider).await;
    let mut second = app.signed_in(&app.riverside.provider).await;
    for n in 0..20 {
        play(&mut provider, recording, Some(&format!("bytes={n}-"))).await.is(StatusCode::PARTIAL_CONTENT);
    }
    assert_eq!(openings(&app, recording).await, 1);
    play(&mut second, recording, None).await.is(StatusCode::OK);
    assert_eq!(openings(&app, recording).await, 2);
    for _ in 0..3 {
        app.clock.advance(Duration::from_secs(11 * 60));
        provider.get("/api/v1/me").await.is(StatusCode::OK);
    }
    play(&mut provider, recording, Some("bytes=900-")).await.is(StatusCode::PARTIAL_CONTENT);
    assert_eq!(openings(&app, recording).await, 3);
}

async fn openings(app: &Arc<App>, recording: RecordingId) -> usize {
    let mut compliance = app.signed_in(&app.riverside.compliance).await;
    let log = compliance.get("/api/v1/audit?action=recording.play").await.is(StatusCode::OK).json();
    let rows = log["items"].as_array().unwrap();
    rows.iter().filter(|row| row["resource_id"] == recording.to_string()).count()
}
