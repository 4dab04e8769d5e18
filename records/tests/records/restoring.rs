//! A database that was put back from a backup: said as such, accepted by an operator, never forgotten.

use records::audit::{AcceptError, Fault, GivenUp, SealError, Sealer, accept_restore};
use sqlx::Row as _;

use crate::tree::{Log, SEALED_AT};

/// 3 seals of 20 rows, then put back to the first 2 with their rows, as a backup from before would.
async fn put_back() -> Log {
    let log = Log::sealed(3, 20).await;
    to_40(&log).await;
    log
}

async fn to_40(log: &Log) {
    log.tamper("DELETE FROM audit_seal WHERE tree_size > 40; DELETE FROM audit_event WHERE seq > (SELECT max(last_seq) FROM audit_seal)").await;
}

async fn accept(log: &Log) -> Result<GivenUp, AcceptError> {
    accept_restore(&log.db.records(), &log.journal, SEALED_AT).await
}

fn files(log: &Log, folder: &str) -> Vec<(String, String)> {
    let Ok(entries) = std::fs::read_dir(log.folder.path().join("audit").join(folder)) else { return Vec::new() };
    let mut all: Vec<_> = entries
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read_to_string(entry.path()).unwrap()))
        .collect();
    all.sort();
    all
}

#[tokio::test]
async fn an_accepted_restore_is_logged_its_checkpoints_are_kept_and_sealing_goes_on() {
    let log = put_back().await;
    let refused = Sealer::acquire(&log.db.records(), &log.journal).await.map(|_| ()).unwrap_err();
    assert!(matches!(refused, SealError::DatabaseBehind { sealed: 60, found: 40 }));
    assert!(refused.to_string().contains("bedside audit accept-restore"), "{refused}");
    let signed = files(&log, "checkpoints");
    let given_up = GivenUp { from: 40, to: 60 };
    assert_eq!(accept(&log).await.unwrap(), given_up);
    // What was signed is whole: in its place up to the restore, and aside.
    let [kept, aside] = [files(&log, "checkpoints"), files(&log, "aside")];
    assert_eq!(format!("{}{}", kept[0].1, aside[0].1), signed[0].1);
    assert_eq!(aside[0].0, "40-60.1.txt");

    let mut sealer = log.sealer().await;
    log.write(5).await;
    // The word about the restore is a row like any other.
    log.seal_to(&mut sealer, 46).await;
    sealer.release().await.unwrap();
    let report = log.verify().await;
    assert_eq!(
        (report.faults.as_slice(), report.sealed, report.given_up.as_slice()),
        ([].as_slice(), 46, [given_up].as_slice())
    );
    let row = sqlx::query("SELECT actor_role, detail::text FROM audit_event WHERE action = 'audit.restore_accepted'")
        .fetch_one(&mut log.db.owner().await)
        .await
        .unwrap();
    assert_eq!((row.get("actor_role"), row.get("detail")), ("operator", r#"{"to": 60, "from": 40}"#));

    // Again, from the same backup: what the log said of the first time is gone with it, and is said again.
    to_40(&log).await;
    let again = GivenUp { from: 40, to: 46 };
    assert_eq!(accept(&log).await.unwrap(), again);
    log.sealer().await.release().await.unwrap();
    let report = log.verify().await;
    assert_eq!((report.faults.as_slice(), report.given_up.as_slice()), ([].as_slice(), [again, given_up].as_slice()));
}

#[tokio::test]
async fn nothing_is_accepted_but_an_end_that_is_missing() {
    let intact = Log::sealed(2, 10).await;
    assert!(matches!(accept(&intact).await, Err(AcceptError::NotBehind)));
    let sealer = intact.sealer().await;
    assert!(matches!(accept(&intact).await, Err(AcceptError::Sealing)));
    sealer.release().await.unwrap();

    let edited = put_back().await;
    edited.tamper("UPDATE audit_event SET action = 'note.sign' WHERE seq = 7").await;
    let before = files(&edited, "checkpoints");
    assert!(matches!(accept(&edited).await, Err(AcceptError::Damaged(2))));
    assert_eq!((files(&edited, "checkpoints"), files(&edited, "aside")), (before, Vec::new()));

    let empty = put_back().await;
    empty.tamper("DELETE FROM audit_seal; DELETE FROM audit_event").await;
    assert!(matches!(accept(&empty).await, Err(AcceptError::Empty)));
}

#[tokio::test]
async fn what_was_set_aside_and_what_the_log_says_of_it_must_agree() {
    let log = put_back().await;
    accept(&log).await.unwrap();
    let given_up = GivenUp { from: 40, to: 60 };
    let path = log.folder.path().join("audit/aside/40-60.1.txt");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(log.verify().await.faults, [Fault::AsideMissing(given_up)]);
    std::fs::write(&path, text).unwrap();
    assert!(log.verify().await.intact());
    log.tamper("DELETE FROM audit_event WHERE action = 'audit.restore_accepted'").await;
    assert_eq!(log.verify().await.faults, [Fault::AsideUnlogged(given_up)]);
}

#[tokio::test]
async fn an_acceptance_that_was_cut_off_is_done_again() {
    let log = put_back().await;
    let signed = files(&log, "checkpoints");
    accept(&log).await.unwrap();
    let cut = files(&log, "checkpoints");
    // As if it had ended before the checkpoints were cut.
    std::fs::write(log.folder.path().join("audit/checkpoints").join(&signed[0].0), &signed[0].1).unwrap();
    assert_eq!(accept(&log).await.unwrap(), GivenUp { from: 40, to: 60 });
    assert_eq!((files(&log, "checkpoints"), files(&log, "aside").len()), (cut, 1));
    log.sealer().await.release().await.unwrap();
    assert!(log.verify().await.intact());
}
