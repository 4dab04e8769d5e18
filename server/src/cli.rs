//! The command line.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::audit::{self, AuditCommand};
use crate::config::{Config, Flags};
use crate::data_dir::DataDir;
use crate::keys::{self, KeysCommand};
use crate::{database, demo, doctor, logging, recordings, serve, staff};

/// Self-hosted telehealth: waiting room, video visits, recordings, notes, audit.
#[derive(Debug, Parser)]
#[command(name = "bedside", version, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server until SIGINT or SIGTERM
    Serve {
        /// Seed a fictitious clinic with visits due now, and write DIR/demo.json
        #[arg(long)]
        demo: bool,
    },
    /// Bring the database to this version's schema
    Migrate,
    /// Look at the configuration
    Config {
        #[command(subcommand)]
        what: ConfigCommand,
    },
    /// Say what this machine lacks to run Bedside, and by which ways media gets through
    Doctor,
    /// Make a fictitious clinic and print its accounts as JSON
    Seed {
        /// `second`: another clinic, to see what its staff can't see
        #[arg(long, value_parser = ["second"])]
        clinic: String,
    },
    /// The demonstration's accounts
    Demo {
        #[command(subcommand)]
        what: DemoCommand,
    },
    /// The audit log: verify, export, search
    Audit {
        #[command(subcommand)]
        what: AuditCommand,
    },
    /// Members of staff
    Staff {
        #[command(subcommand)]
        what: StaffCommand,
    },
    /// The keys that the records are encrypted with
    Keys {
        #[command(subcommand)]
        what: KeysCommand,
    },
    /// Recordings that lie in the data folder
    Recordings {
        #[command(subcommand)]
        what: RecordingsCommand,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Check file, environment and flags; print what is in force
    Check,
}

#[derive(Debug, Subcommand)]
enum DemoCommand {
    /// Print the sign-in code of an account right now
    Code {
        /// The account's email address
        email: String,
    },
}

#[derive(Debug, Subcommand)]
enum StaffCommand {
    /// Invite somebody, e.g. a clinic's first administrator, and print the link
    Invite(staff::Invite),
}

#[derive(Debug, Subcommand)]
enum RecordingsCommand {
    /// List all, with state, length and hash
    List,
    /// Read composed recordings back and compare their hashes with the record
    Verify {
        /// Which; all of them with --all
        recording: Option<visit::RecordingId>,
        /// Every composed recording
        #[arg(long)]
        all: bool,
    },
}

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    /// What is printed as one line.
    pub fn run(self) -> Result<ExitCode> {
        let config = Config::load(&self.flags)?;
        match self.command {
            Command::Serve { demo } => {
                logging::start(&config.log);
                serve::run(&config, demo)?;
            }
            Command::Migrate => {
                let (_, _runtime, _database) = open(&config)?;
                println!("the database has this version's schema");
            }
            Command::Config { what: ConfigCommand::Check } => println!("{}", serde_json::to_string_pretty(&config)?),
            Command::Doctor => return Ok(doctor::run(&config)),
            Command::Seed { .. } => {
                let (_, runtime, database) = open(&config)?;
                let now = time::OffsetDateTime::now_utc();
                let seeded = runtime.block_on(records::demo::seed(
                    &database.records,
                    records::demo::DemoSite::Lakeside,
                    None,
                    &config.origin(),
                    now,
                ))?;
                println!("{}", serde_json::to_string_pretty(&seeded)?);
            }
            Command::Demo { what: DemoCommand::Code { email } } => {
                println!("{}", demo::code(&DataDir::open_shared(&config.data.dir)?, &email)?);
            }
            Command::Audit { what: AuditCommand::Verify { export: Some(file), key } } => {
                let own = if key.is_some() { None } else { open_journal(&config).ok() };
                return audit::verify_export(&file, key.as_deref(), own.as_ref());
            }
            Command::Audit { what } => {
                let journal = open_journal(&config)?;
                let (_, runtime, database) = open(&config)?;
                return runtime.block_on(audit::run(what, &database.records, &journal));
            }
            Command::Staff { what: StaffCommand::Invite(invite) } => {
                let (_, runtime, database) = open(&config)?;
                runtime.block_on(staff::invite(&database.records, &config.origin(), &invite))?;
            }
            Command::Keys { what } => {
                let (data, runtime, database) = open(&config)?;
                return runtime.block_on(keys::run(what, &database.records, &data));
            }
            Command::Recordings { what } => {
                let (data, runtime, database) = open(&config)?;
                return match what {
                    RecordingsCommand::List => runtime.block_on(recordings::list(&database.records)),
                    RecordingsCommand::Verify { recording, all } => {
                        runtime.block_on(recordings::verify(&database.records, &data, recording, all))
                    }
                };
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The data folder's audit key and checkpoints.
fn open_journal(config: &Config) -> Result<records::audit::Journal> {
    Ok(records::audit::Journal::open(&DataDir::open_shared(&config.data.dir)?.audit())?)
}

/// The data folder's database, beside a running server or without one.
fn open(config: &Config) -> Result<(DataDir, tokio::runtime::Runtime, database::Database)> {
    let data = DataDir::open_shared(&config.data.dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let database = database::open(&runtime, config, &data)?;
    Ok((data, runtime, database))
}

/// An error and what caused it, on one line.
#[must_use]
pub fn one_line(error: &anyhow::Error) -> String {
    format!("{error:#}").replace('\n', " ")
}
