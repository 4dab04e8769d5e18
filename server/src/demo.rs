//! `--demo`: a fictitious clinic with accounts and visits due now, told to people on the console and to scripts in `demo.json`.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use records::Records;
use records::demo::{Demo, DemoSite};
use time::OffsetDateTime;

use crate::data_dir::DataDir;

/// Seeds what is missing and writes `demo.json` (mode 0600: it holds passwords).
///
/// # Errors
/// The database or the data folder refuses.
pub async fn seed(records: &Records, data: &DataDir, base_url: &str, now: OffsetDateTime) -> Result<()> {
    let path = data.demo_json();
    let previous = read(&path)?;
    let demo = records::demo::seed(records, DemoSite::Riverside, previous, base_url, now).await?;
    write(&path, &demo)
}

fn read(path: &Path) -> Result<Option<Demo>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

fn write(path: &Path, demo: &Demo) -> Result<()> {
    let shown = || path.display().to_string();
    let fresh = path.with_extension("new");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)
        .with_context(shown)?;
    serde_json::to_writer_pretty(&mut file, demo).with_context(shown)?;
    file.write_all(b"\n").with_context(shown)?;
    file.sync_all().with_context(shown)?;
    std::fs::rename(&fresh, path).with_context(shown)
}

/// Says which pages to open, and as whom.
pub fn print(data: &DataDir, base_url: &str) {
    let Ok(Some(demo)) = read(&data.demo_json()) else {
        return;
    };
    println!();
    println!("Demonstration clinic: {} (all people are fictitious)", demo.clinic.name);
    println!("  Staff sign in at {base_url}/ with these accounts; the code comes from any authenticator app, or from");
    println!("  `bedside demo code EMAIL --data DIR`:");
    for (role, account) in [
        ("provider", &demo.provider),
        ("front desk", &demo.front_desk),
        ("admin", &demo.clinic_admin),
        ("compliance", &demo.compliance),
    ] {
        println!("    {role:<11} {:<34} password {}   key {}", account.email, account.password, account.totp_secret);
    }
    println!("  Patients open a link and give their date of birth:");
    for visit in &demo.visits {
        println!("    {:<20} {}   born {}", visit.patient_name, visit.patient_link, visit.date_of_birth);
    }
    println!("  All of this is in {}", data.demo_json().display());
    println!();
}

/// The code that an authenticator would show now for one of the demonstration's accounts.
///
/// # Errors
/// There is no `demo.json`, or no such account in it.
pub fn code(data: &DataDir, email: &str) -> Result<String> {
    let demo = read(&data.demo_json())?
        .with_context(|| format!("{} is missing; start `bedside serve --demo` once", data.demo_json().display()))?;
    let account = [&demo.provider, &demo.front_desk, &demo.clinic_admin, &demo.compliance]
        .into_iter()
        .find(|account| account.email == email)
        .with_context(|| format!("{email} is not an account of the demonstration"))?;
    code_of(&account.totp_secret, OffsetDateTime::now_utc())
}

fn code_of(secret: &str, now: OffsetDateTime) -> Result<String> {
    let secret = totp_rs::Secret::try_from_base32(secret).ok().context("the account's key is not base32")?;
    let totp = totp_rs::Builder::new().with_secret(secret).build_noncompliant();
    let seconds = u64::try_from(now.unix_timestamp()).context("the clock stands before 1970")?;
    Ok(totp.generate(seconds).to_string())
}
