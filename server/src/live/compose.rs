//! Composing: every closed capture becomes one sealed, verified file; only then are the captured chunks deleted.
//!
//! What is to be done stands in the record, so a killed server takes it up again at the next start. One at a time:
//! composing takes a core, and visits come first.

use std::path::{Path, PathBuf};
use std::time::Duration;

use recorder::{ComposeOptions, Composed, ObjectKey};
use records::recordings::{Change, RecordingState, Unfinished};
use visit::RecordingId;

use super::Live;

/// The record is also asked without being told, in case a change could not be stored when it happened.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Where a composed recording lies.
#[must_use]
pub fn object_path(objects: &Path, recording: RecordingId) -> PathBuf {
    objects.join(format!("{recording}.sealed"))
}

/// Takes up what an earlier process left and composes until the server ends.
pub async fn compose_forever(live: Live) {
    loop {
        match records::recordings::unfinished(&live.0.records).await {
            Ok(all) => {
                for one in all {
                    take_up(&live, one).await;
                }
            }
            Err(error) => tracing::error!(%error, "unfinished recordings could not be listed"),
        }
        tokio::select! {
            () = live.0.compose.notified() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}

async fn take_up(live: &Live, one: Unfinished) {
    if live.0.captures.is_running(one.recording) {
        return;
    }
    if one.state == RecordingState::Capturing {
        // Nobody captures it any more: the process that did was killed.
        store(live, &one, Change::Interrupted).await;
    }
    store(live, &one, Change::Composing).await;
    match compose(live, &one).await {
        Ok(change) => store(live, &one, change).await,
        Err(Unusable { reason, message }) => {
            tracing::error!(recording = %one.recording, visit = %one.visit, error = %message, "a recording could not be composed; its chunks are kept");
            store(live, &one, Change::Failed { reason }).await;
        }
    }
    // No receiver is fine: nobody has the visit's page open then.
    let _ = live.0.changes.send(one.clinic);
}

struct Unusable {
    reason: &'static str,
    message: String,
}

async fn compose(live: &Live, one: &Unfinished) -> Result<Change, Unusable> {
    let key = records::recordings::open_key(&live.0.records, one.clinic, one.recording)
        .await
        .map_err(|error| Unusable { reason: "no_key", message: error.to_string() })?;
    let capture = live.0.folders.captures.join(one.recording.to_string());
    let object = object_path(&live.0.folders.objects, one.recording);
    let recording = one.recording;
    let made =
        tokio::task::spawn_blocking(move || compose_and_verify(&capture, &object, &ObjectKey::new(*key), recording));
    match made.await {
        Ok(made) => made,
        Err(error) => Err(Unusable { reason: "composer_panicked", message: error.to_string() }),
    }
}

/// Blocks for as long as ffmpeg takes.
fn compose_and_verify(
    capture: &Path,
    object: &Path,
    key: &ObjectKey,
    recording: RecordingId,
) -> Result<Change, Unusable> {
    let failed = |reason| move |message: String| Unusable { reason, message };
    let composed: Composed = recorder::compose(capture, key, &ComposeOptions::default(), object)
        .map_err(|error| failed("not_composed")(error.to_string()))?;
    let verified = recorder::verify_object(object, key, recording, Some(&composed.sha256))
        .map_err(|error| failed("not_verified")(error.to_string()))?;
    if let Err(error) = recorder::delete_capture(capture, &verified) {
        tracing::warn!(%recording, %error, "the captured chunks of a composed recording could not be deleted");
    }
    let sha256 = <[u8; 32]>::try_from(hex::decode(&composed.sha256).unwrap_or_default())
        .map_err(|_| failed("not_verified")("the hash is not SHA-256".into()))?;
    Ok(Change::Ready {
        duration_ms: i64::try_from(composed.duration_ms).unwrap_or(i64::MAX),
        bytes: i64::try_from(composed.bytes).unwrap_or(i64::MAX),
        sha256,
        gaps: i32::try_from(composed.gaps.len()).unwrap_or(i32::MAX),
        manifest: serde_json::from_str(&composed.manifest_json)
            .map_err(|error| failed("no_manifest")(error.to_string()))?,
    })
}

async fn store(live: &Live, one: &Unfinished, change: Change) {
    let stored = records::recordings::change(&live.0.records, one.clinic, one.recording, &change, live.wall()).await;
    if let Err(error) = stored {
        tracing::error!(recording = %one.recording, %error, "the state of a recording could not be stored; it is taken up again");
    }
}
