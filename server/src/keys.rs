//! `bedside keys`: what wraps what, new keys for old ones, opening everything once. Beside a running server or without one.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use records::keys::{self, KeyStatus, Scope};
use records::{KeyRing, Records};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use visit::PatientId;

use crate::data_dir::DataDir;

/// `bedside keys ..`
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Say which keys wrap how many data keys, and what is left to renew; exits with 0 if nothing is left, 1 if something is, 2 if a key is lost
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Add a random key-encryption key to the key ring; it wraps what is new from now on
    Add,
    /// Wrap all data keys with the newest key-encryption key; with --data-keys, renew the data keys as well
    Rotate {
        /// Give every patient and clinic new data keys and seal all values again under them
        #[arg(long)]
        data_keys: bool,
        /// Only this patient's data key
        #[arg(long, value_name = "ID")]
        patient: Option<PatientId>,
    },
    /// Take a key-encryption key that wraps nothing any more out of the key ring; backups that need it can't be read then
    Remove {
        /// Its id, as `keys status` shows it
        id: String,
    },
    /// Open every data key and every sealed value once
    Verify,
}

/// Does what was asked.
///
/// # Errors
/// One line that says what to do.
pub async fn run(what: KeysCommand, records: &Records, data: &DataDir) -> Result<ExitCode> {
    match what {
        KeysCommand::Status { json } => status(records, data, json).await,
        KeysCommand::Add => {
            let id = KeyRing::add(&data.key_ring(), OffsetDateTime::now_utc())?;
            println!("{id} was added to {} and wraps what is new from now on.", data.key_ring().display());
            println!("Back the file up now; then `bedside keys rotate` wraps all data keys with it.");
            Ok(ExitCode::SUCCESS)
        }
        KeysCommand::Rotate { data_keys, patient } => rotate(records, data_keys, patient).await,
        KeysCommand::Remove { id } => {
            let left = keys::wrapped_by(records, &id, OffsetDateTime::now_utc()).await?;
            anyhow::ensure!(left == 0, "{id} still wraps {left} data keys; run `bedside keys rotate` first");
            KeyRing::remove(&data.key_ring(), &id)?;
            println!(
                "{id} is gone from {}. Backups of the database that need it can't be read any more.",
                data.key_ring().display()
            );
            Ok(ExitCode::SUCCESS)
        }
        KeysCommand::Verify => verify(records).await,
    }
}

async fn rotate(records: &Records, data_keys: bool, patient: Option<PatientId>) -> Result<ExitCode> {
    let now = OffsetDateTime::now_utc;
    let rewrapped = keys::rewrap(records, &now).await?;
    println!("{} data keys were wrapped again; {} wraps all of them now.", rewrapped.data_keys, rewrapped.wrapping_key);
    let scope = match patient {
        Some(patient) => Scope::Patient(patient),
        None if data_keys => Scope::Everything,
        None => return Ok(ExitCode::SUCCESS),
    };
    let rotated = keys::rotate(records, scope, &now, |done| {
        println!("{} data keys renewed, {} values sealed again so far", done.data_keys, done.values);
    })
    .await?;
    if rotated.resumed {
        println!("A renewal that had been cut off was finished.");
    }
    println!("{} data keys were renewed and {} values sealed again.", rotated.data_keys, rotated.values);
    Ok(ExitCode::SUCCESS)
}

async fn verify(records: &Records) -> Result<ExitCode> {
    let verified = keys::verify(records, &OffsetDateTime::now_utc).await?;
    for id in &verified.bad_keys {
        println!("BAD  data key {id} does not unwrap");
    }
    for bad in &verified.bad_values {
        println!("BAD  {} of row {} (part {}) does not open", bad.column, bad.row, bad.part);
    }
    println!(
        "{} data keys unwrap, {} do not; {} values open, {} do not; {} are of keys that were destroyed",
        verified.data_keys,
        verified.bad_keys.len(),
        verified.values,
        verified.bad_values.len(),
        verified.destroyed,
    );
    let good = verified.bad_keys.is_empty() && verified.bad_values.is_empty();
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn status(records: &Records, data: &DataDir, json: bool) -> Result<ExitCode> {
    let status = keys::status(records, OffsetDateTime::now_utc()).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&as_json(&status))?);
    } else {
        print(&status, data);
    }
    Ok(match (status.something_is_lost(), status.something_is_left()) {
        (true, _) => ExitCode::from(2),
        (false, true) => ExitCode::FAILURE,
        (false, false) => ExitCode::SUCCESS,
    })
}

fn print(status: &KeyStatus, data: &DataDir) {
    println!("Key-encryption keys");
    for key in &status.wrapping_keys {
        let note = match (key.known, key.newest) {
            (false, _) => "LOST: in no key ring or key service that is configured",
            (true, true) => "newest",
            (true, false) => "older: `bedside keys rotate` wraps again",
        };
        println!("  {}  wraps {} data keys, the oldest of {}; {note}", key.id, key.data_keys, date(key.oldest));
    }
    let idle = KeyRing::list(&data.key_ring()).unwrap_or_default();
    for key in idle.iter().filter(|key| status.wrapping_keys.iter().all(|used| used.id != key.id)) {
        println!("  {}  in the key ring, wraps nothing; only backups may need it (`bedside keys remove`)", key.id);
    }
    println!("Data keys");
    for (purpose, keys) in &status.data_keys {
        println!(
            "  {purpose:<10}  {} active (oldest of {}), {} prepared, {} retired, {} kept for the audit log, {} destroyed",
            keys.active,
            date(keys.oldest),
            keys.prepared,
            keys.retired,
            keys.kept,
            keys.destroyed,
        );
    }
    for column in &status.columns {
        println!("  {}: {} values under retired data keys", column.column, column.retired);
    }
    if status.unfinished > 0 {
        println!(
            "{} renewals of data keys were cut off: `bedside keys rotate --data-keys` goes on with them",
            status.unfinished
        );
    }
}

fn as_json(status: &KeyStatus) -> serde_json::Value {
    let wrapping: Vec<_> = status
        .wrapping_keys
        .iter()
        .map(|key| {
            serde_json::json!({ "id": key.id, "newest": key.newest, "known": key.known, "data_keys": key.data_keys, "oldest": date(key.oldest) })
        })
        .collect();
    let data_keys: serde_json::Map<String, serde_json::Value> = status
        .data_keys
        .iter()
        .map(|(purpose, keys)| {
            let counts = serde_json::json!({ "active": keys.active, "prepared": keys.prepared, "retired": keys.retired, "kept": keys.kept,
                "destroyed": keys.destroyed, "oldest": date(keys.oldest) });
            (purpose.clone(), counts)
        })
        .collect();
    let columns: Vec<_> = status
        .columns
        .iter()
        .map(|column| serde_json::json!({ "column": column.column, "retired": column.retired }))
        .collect();
    serde_json::json!({ "wrapping_keys": wrapping, "data_keys": data_keys, "under_retired_keys": columns, "unfinished": status.unfinished })
}

fn date(at: Option<OffsetDateTime>) -> String {
    at.and_then(|at| at.replace_nanosecond(0).ok())
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_else(|| "-".into())
}
