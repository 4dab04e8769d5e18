//! A sealer that is killed at any moment leaves neither a gap nor a second history.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use records::audit::{Journal, Sealer};
use records::{KeyRing, Records};

use crate::tree::{Log, SEALED_AT};

const URL: &str = "BEDSIDE_KILLED_SEALER_URL";
const KEYS: &str = "BEDSIDE_KILLED_SEALER_KEYS";
const FOLDER: &str = "BEDSIDE_KILLED_SEALER_FOLDER";

/// Not a test: the process that the test below kills. Seals whatever there is, and says so, until it is killed.
#[tokio::test]
#[ignore = "the process that another test kills"]
async fn seals_until_it_is_killed() {
    let of = |name| std::env::var(name).expect("started by the test");
    let keys = KeyRing::open(of(KEYS).as_ref()).unwrap();
    let records = Records::connect(&of(URL), keys).await.unwrap();
    let journal = Journal::open(of(FOLDER).as_ref()).unwrap();
    let mut sealer = loop {
        // PostgreSQL has not noticed yet that the former one is gone.
        if let Some(sealer) = Sealer::acquire(&records, &journal).await.unwrap() {
            break sealer;
        }
    };
    loop {
        if sealer.seal(SEALED_AT).await.unwrap() > 0 {
            println!("sealed {}", sealer.size());
        }
    }
}

#[tokio::test]
async fn a_sealer_that_is_killed_at_any_moment_leaves_no_gap_and_no_fork() {
    let log = Log::new().await;
    let kills = std::env::var("BEDSIDE_AUDIT_KILLS").map_or(6, |kills| kills.parse().unwrap());
    let mut written = 0;
    for kill in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killing::seals_until_it_is_killed", "--ignored", "--nocapture"])
            .env(URL, log.db.app_url())
            .env(KEYS, log.db.key_ring_path())
            .env(FOLDER, log.folder.path().join("audit"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        // Rows keep coming, so that it is killed while it works; after which row differs from time to time.
        let mut seen = 0;
        while seen <= kill % 4 {
            log.write(7).await;
            written += 7;
            seen += usize::from(said.next().expect("it seals").unwrap().starts_with("sealed"));
        }
        log.write(3 + kill).await;
        written += 3 + kill;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let mut sealer = loop {
        if let Some(sealer) = Sealer::acquire(&log.db.records(), &log.journal).await.unwrap() {
            break sealer;
        }
    };
    log.seal_to(&mut sealer, written as u64).await;
    let report = log.verify().await;
    assert_eq!((report.faults.clone(), report.rows), (vec![], written as u64));
    let stored: Vec<String> = sqlx::query_scalar("SELECT checkpoint FROM audit_seal ORDER BY tree_size")
        .fetch_all(&mut log.db.owner().await)
        .await
        .unwrap();
    let kept: Vec<String> = log.journal.notes().unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(kept, stored, "every checkpoint once, outside as inside");
    println!("{kills} kills, {written} rows, {} checkpoints", kept.len());
}
