//! `bedside audit`: verify, export, search, show the key, drop what is past its retention.

use std::fs::File;
use std::io::{BufReader, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use records::Records;
use records::audit::checkpoint::VerifyingKey;
use records::audit::{self, Filter, Journal, Outcome, Report, Selection};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;
use visit::{ClinicId, PatientId};

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Recompute everything; name every row that was edited, removed, inserted, reordered or cut off
    Verify {
        /// An export instead of the database; needs no data folder if --key is given
        #[arg(long, value_name = "FILE")]
        export: Option<PathBuf>,
        /// The key that you trust, as `bedside audit key` shows it
        #[arg(long, value_name = "KEY", requires = "export")]
        key: Option<String>,
    },
    /// Write the sealed rows as signed JSON lines
    Export {
        #[command(flatten)]
        range: Range,
        /// Of this clinic only
        #[arg(long)]
        clinic: Option<Uuid>,
        /// Where to; standard output if it is not said
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Find rows, newest first
    Search {
        #[command(flatten)]
        range: Range,
        /// Of this clinic only
        #[arg(long)]
        clinic: Option<Uuid>,
        /// Done by this person
        #[arg(long, value_name = "ID")]
        person: Option<Uuid>,
        /// About this patient, alone or in a list
        #[arg(long, value_name = "ID")]
        patient: Option<Uuid>,
        /// Exactly this action, such as note.read
        #[arg(long)]
        action: Option<String>,
        /// How it ended: allowed, denied or failed
        #[arg(long)]
        outcome: Option<String>,
        /// Rows at most
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// JSON lines instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Accept that the database was restored from a backup: what was signed beyond it is set aside, and sealing goes on
    AcceptRestore,
    /// Show the key that checks checkpoints and exports
    Key,
    /// Drop the rows of a month, YYYY-MM, seven years after its end; their hashes are kept
    Drop {
        /// Which
        month: String,
    },
}

#[derive(Debug, Args)]
pub struct Range {
    /// Not before, such as 2026-11-01 or 2026-11-01T08:00:00Z
    #[arg(long, value_parser = moment)]
    from: Option<OffsetDateTime>,
    /// Before
    #[arg(long, value_parser = moment)]
    to: Option<OffsetDateTime>,
}

fn moment(text: &str) -> Result<OffsetDateTime, String> {
    let whole = if text.contains('T') { text.to_owned() } else { format!("{text}T00:00:00Z") };
    OffsetDateTime::parse(&whole, &Rfc3339).map_err(|_| "not a date, nor a time with a zone".to_owned())
}

/// `audit verify --export`: needs no database.
///
/// # Errors
/// The file can't be read, or is no export.
pub fn verify_export(file: &std::path::Path, key: Option<&str>, journal: Option<&Journal>) -> Result<ExitCode> {
    let given = key
        .map(|text| VerifyingKey::from_vkey(text).context("--key: not a key as `bedside audit key` shows it"))
        .transpose()?;
    let own = journal.map(|journal| journal.key().public().clone());
    let trusted = given.or(own);
    let lines = BufReader::with_capacity(1 << 20, File::open(file).with_context(|| file.display().to_string())?);
    let checked = audit::check_export(lines, trusted.as_ref())?;
    if trusted.is_none() {
        println!("signed by   {} (compare this with the key that you trust)", checked.key.to_vkey());
    }
    Ok(print(&checked.report))
}

/// The other commands.
///
/// # Errors
/// What is printed as one line.
pub async fn run(command: AuditCommand, records: &Records, journal: &Journal) -> Result<ExitCode> {
    let now = OffsetDateTime::now_utc();
    match command {
        AuditCommand::Verify { .. } => {
            let shows = std::io::stderr().is_terminal();
            let report = audit::verify(records, journal, |rows| {
                if shows {
                    eprint!("\r{rows} rows");
                }
            })
            .await?;
            if shows {
                eprint!("\r");
            }
            audit::remember(records, &report, now, OffsetDateTime::now_utc()).await?;
            Ok(print(&report))
        }
        AuditCommand::Export { range, clinic, out } => {
            let clinic = clinic.map(ClinicId);
            audit::note(records, clinic, "audit.export", now).await?;
            let selection = Selection { clinic, from: range.from, to: range.to };
            export(records, journal, selection, now, out).await
        }
        AuditCommand::Search { range, clinic, person, patient, action, outcome, limit, json } => {
            let outcome = outcome
                .map(|word| {
                    Outcome::parse(&word).map_err(|_| anyhow::anyhow!("--outcome: allowed are allowed, denied, failed"))
                })
                .transpose()?;
            let filter = Filter {
                actor: person,
                patient: patient.map(PatientId),
                action,
                outcome,
                resource_type: None,
                from: range.from,
                to: range.to,
            };
            let lines = audit::search_all(records, clinic.map(ClinicId), &filter, limit, now).await?;
            show(&lines, json)?;
            Ok(ExitCode::SUCCESS)
        }
        AuditCommand::AcceptRestore => {
            let given_up = audit::accept_restore(records, journal, now).await?;
            println!(
                "leaves {} to {} are given up; their checkpoints are kept in audit/aside",
                given_up.from, given_up.to
            );
            println!("a running server goes on sealing within half a minute");
            Ok(ExitCode::SUCCESS)
        }
        AuditCommand::Key => {
            println!("{}", journal.key().public().to_vkey());
            Ok(ExitCode::SUCCESS)
        }
        AuditCommand::Drop { month } => {
            let Some(first) = audit::month(&month) else { bail!("{month}: not a month such as 2019-11") };
            let rows = audit::drop_month(records, first).await?;
            println!("{rows} rows of {month} are gone; their hashes stay in the tree");
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn export(
    records: &Records,
    journal: &Journal,
    selection: Selection,
    now: OffsetDateTime,
    out: Option<PathBuf>,
) -> Result<ExitCode> {
    let (sender, mut pieces) = tokio::sync::mpsc::channel(4);
    let (records, journal) = (records.clone(), journal.clone());
    let export = tokio::spawn(async move { audit::export(&records, &journal, selection, now, sender).await });
    let mut to: Box<dyn std::io::Write> = match &out {
        Some(path) => Box::new(File::create_new(path).with_context(|| path.display().to_string())?),
        None => Box::new(std::io::stdout().lock()),
    };
    while let Some(piece) = pieces.recv().await {
        to.write_all(&piece).context("writing the export")?;
    }
    to.flush().context("writing the export")?;
    let rows = export.await.context("exporting")??;
    eprintln!("{rows} rows");
    Ok(ExitCode::SUCCESS)
}

/// Prints what was found. Success means: everything is as it was sealed.
fn print(report: &Report) -> ExitCode {
    println!("sealed      {} events, root {}", report.sealed, hex::encode(report.root));
    println!("read        {} rows", report.rows);
    if report.unsealed > 0 {
        println!("not sealed  {} rows; a running server seals them within a second or two", report.unsealed);
    }
    if report.dropped > 0 {
        println!("dropped     {} rows past their retention; their hashes are in the tree", report.dropped);
    }
    if report.hidden > 0 {
        println!("left out    {} rows of other clinics or times; their hashes are in the tree", report.hidden);
    }
    for one in &report.given_up {
        println!("restored    from a backup with {} of {} leaves, accepted by an operator", one.from, one.to);
    }
    for fault in &report.faults {
        println!("{fault}");
    }
    let more = report.count - report.faults.len() as u64;
    if more > 0 {
        println!("and {more} more");
    }
    if report.intact() {
        println!("intact");
        ExitCode::SUCCESS
    } else {
        println!("NOT INTACT: {} faults", report.count);
        ExitCode::FAILURE
    }
}

fn show(lines: &[audit::Line], json: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for line in lines {
        if json {
            writeln!(out, "{}", serde_json::to_string(line)?)?;
            continue;
        }
        let id = |id: Option<Uuid>| id.map_or_else(|| "-".to_owned(), |id| id.to_string());
        writeln!(
            out,
            "{:>9}  {}  {:<12} {:<36}  {:<22} {:<8} {:<12} {:<36}  patient {}{}",
            line.seq,
            line.at.format(&Rfc3339)?,
            line.actor_role,
            id(line.actor_id),
            line.action,
            line.outcome.as_str(),
            line.resource_type,
            id(line.resource_id),
            id(line.patient_id),
            if line.patient_ids.is_empty() {
                String::new()
            } else {
                format!(" and a list of {}", line.patient_ids.len())
            },
        )?;
    }
    if lines.is_empty() && !json {
        writeln!(out, "no rows match")?;
    }
    Ok(())
}
