//! `bedside recordings`: what lies in the data folder, and whether it is what the record says.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use recorder::ObjectKey;
use records::Records;
use records::recordings::{Catalogued, RecordingState};
use visit::RecordingId;

use crate::data_dir::DataDir;
use crate::live::object_path;

/// Prints every recording: id, state, start, length, hash.
///
/// # Errors
/// The database refuses.
pub async fn list(records: &Records) -> Result<ExitCode> {
    let all = records::recordings::catalogue(records).await?;
    if all.is_empty() {
        println!("no recordings");
    }
    for Catalogued { recording, .. } in all {
        let seconds = recording.duration_ms.map_or("-".into(), |ms| format!("{:.1} s", ms as f64 / 1_000.0));
        println!(
            "{}  {:<11}  {}  {:>9}  {}",
            recording.recording_id,
            recording.state.as_str(),
            recording.started_at,
            seconds,
            recording.sha256.as_deref().unwrap_or("-"),
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads composed recordings back and compares them with the hashes in the record.
///
/// # Errors
/// The database refuses, or nothing was named.
pub async fn verify(records: &Records, data: &DataDir, one: Option<RecordingId>, all: bool) -> Result<ExitCode> {
    anyhow::ensure!(one.is_some() != all, "name one recording, or say --all");
    let chosen: Vec<Catalogued> = records::recordings::catalogue(records)
        .await?
        .into_iter()
        .filter(|found| one.is_none_or(|id| id == found.recording.recording_id))
        .collect();
    if let Some(id) = one {
        anyhow::ensure!(!chosen.is_empty(), "there is no recording {id}; `bedside recordings list` shows all");
    }
    let (mut good, mut bad) = (0_u32, 0_u32);
    for found in chosen.iter().filter(|found| found.recording.state == RecordingState::Ready) {
        let id = found.recording.recording_id;
        match verify_one(records, data, found).await {
            Ok(()) => good += 1,
            Err(error) => {
                bad += 1;
                println!("BAD  {id}  {error:#}");
            }
        }
    }
    println!(
        "{good} good, {bad} bad, {} without a composed file",
        chosen.len() as u64 - u64::from(good) - u64::from(bad)
    );
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn verify_one(records: &Records, data: &DataDir, found: &Catalogued) -> Result<()> {
    let id = found.recording.recording_id;
    let expected = found.recording.sha256.as_deref().context("the record holds no hash")?;
    let key = records::recordings::open_key(records, found.clinic, id).await?;
    let path = object_path(&data.objects(), id);
    recorder::verify_object(&path, &ObjectKey::new(*key), id, Some(expected))?;
    Ok(())
}
