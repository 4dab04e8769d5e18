//! `bedside`: one binary for the server and for those who operate it.
//!
//! What lives here: configuration, the data folder, wiring of signaling, media, recorder and record, subcommands.
//! What deliberately does not: any rule about visits (`visit`), packets (`sfu`), SQL (`records`), routes (`api`).

mod audit;
mod cli;
mod config;
mod data_dir;
mod database;
mod demo;
mod doctor;
mod http;
mod keys;
mod live;
mod logging;
mod mail;
mod metrics;
mod reachability;
mod recordings;
mod sealing;
mod serve;
mod staff;
mod turn;
mod web;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let command = cli::Cli::parse();
    match command.run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bedside: {}", cli::one_line(&error));
            ExitCode::FAILURE
        }
    }
}
