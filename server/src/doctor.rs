//! `bedside doctor`: what this machine has and lacks, a line each.

use std::process::{Command, ExitCode};

use crate::config::Config;
use crate::reachability::{self, Finding};
use crate::web;

/// Prints every check; fails if one that Bedside can't do without failed.
#[must_use]
pub fn run(config: &Config) -> ExitCode {
    let mut missing = false;
    let mut say = |what: &str, found: Result<String, String>| match found {
        Ok(found) => println!("ok       {what}: {found}"),
        Err(how) => {
            missing = true;
            println!("missing  {what}: {how}");
        }
    };
    say("configuration", Ok(format!("valid; HTTP on {}, media on {}", config.http.listen, config.media.listen)));
    match &config.database.url {
        Some(_) => say("PostgreSQL", Ok("as configured by database.url".into())),
        None => say(
            "PostgreSQL",
            records::PrivatePostgres::installed()
                .map(|folder| folder.display().to_string())
                .map_err(|error| error.to_string()),
        ),
    }
    say(
        "ffmpeg",
        version("ffmpeg").ok_or_else(|| "recordings can't be composed; install it (Debian: apt install ffmpeg)".into()),
    );
    say(
        "web client",
        if web::is_built() {
            Ok("built in".into())
        } else {
            Err("not built into this binary; run `make build`".into())
        },
    );
    say("data folder", data_folder(config));
    say("mail server", mail_server(config));
    media(config);
    if missing { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Tries the ways for media, unless a running server has the ports: it has tried them itself. What does not work from here may
/// work from outside, so none of it is called missing.
fn media(config: &Config) {
    match reachability::examine(config) {
        Ok(findings) => {
            for Finding { way, address, works, advice } in findings {
                if works {
                    println!("ok       media: {way} {address} works");
                } else {
                    println!("check    media: {advice}");
                }
            }
        }
        Err(error) => println!("check    media: not tried: {error}; a running server says in its log what worked"),
    }
}

fn version(program: &str) -> Option<String> {
    let output = Command::new(program).arg("-version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    Some(text.lines().next()?.chars().take(60).collect())
}

fn mail_server(config: &Config) -> Result<String, String> {
    let Some(settings) = config.mail.smtp().map_err(|error| error.to_string())? else {
        return Ok("none configured ([mail]); patients and staff get no mail".into());
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime
        .block_on(crate::mail::Smtp::new(settings).check())
        .map_err(|error| format!("{error}; mail waits until it can be used"))
}

fn data_folder(config: &Config) -> Result<String, String> {
    let dir = &config.data.dir;
    if !dir.exists() {
        return Ok(format!("{} will be made at the first start", dir.display()));
    }
    let data = crate::data_dir::DataDir::open_shared(dir).map_err(|error| error.to_string())?;
    data.check_space(config.data.min_free_mib).map_err(|error| error.to_string())?;
    let running = data.server_is_running().map_err(|error| error.to_string())?;
    Ok(format!("{}{}", dir.display(), if running { ", in use by a running server" } else { "" }))
}
