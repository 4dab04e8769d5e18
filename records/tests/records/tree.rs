//! The audit log's tree against a real PostgreSQL: sealing in the order of commit, restarts, and whoever rewrites history.

use std::path::Path;

use records::audit::{Fault, Journal, Report, SealError, Sealer, verify};
use records::testing::TestDatabase;
use sqlx::{Connection as _, Executor as _, PgConnection};
use time::OffsetDateTime;
use time::macros::datetime;

/// When the tests seal.
pub const SEALED_AT: OffsetDateTime = datetime!(2026-11-24 15:10:20 UTC);

/// A log with its folder outside the database.
pub struct Log {
    pub db: TestDatabase,
    pub folder: tempfile::TempDir,
    pub journal: Journal,
}

impl Log {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(&folder.path().join("audit")).unwrap();
        Self { db: TestDatabase::new().await, folder, journal }
    }

    /// `count` rows in one transaction.
    pub async fn write(&self, count: usize) {
        write(&mut self.db.owner().await, count).await;
    }

    pub async fn sealer(&self) -> Sealer {
        Sealer::acquire(&self.db.records(), &self.journal).await.unwrap().expect("nobody else seals")
    }

    /// Seals until the tree has `size` leaves. Other tests' transactions on the same server can hold rows back for a while.
    pub async fn seal_to(&self, sealer: &mut Sealer, size: u64) {
        while sealer.size() < size {
            sealer.seal(SEALED_AT).await.unwrap();
        }
        assert_eq!(sealer.size(), size);
    }

    /// `seals` seals of `rows` rows.
    pub async fn sealed(seals: usize, rows: usize) -> Self {
        let log = Self::new().await;
        let mut sealer = log.sealer().await;
        for seal in 1..=seals {
            log.write(rows).await;
            log.seal_to(&mut sealer, (seal * rows) as u64).await;
        }
        sealer.release().await.unwrap();
        log
    }

    pub async fn verify(&self) -> Report {
        verify(&self.db.records(), &self.journal, |_| {}).await.unwrap()
    }

    /// As a superuser does it who has switched the triggers off.
    pub async fn tamper(&self, sql: &str) {
        self.db.execute_as_owner(&format!("SET session_replication_role = replica; {sql}")).await;
    }
}

pub async fn write(connection: &mut PgConnection, count: usize) {
    sqlx::query(
        "INSERT INTO audit_event (at, clinic_id, actor_kind, actor_id, actor_role, action, resource_type, resource_id, patient_id, patient_ids,
                                  outcome, reason, address, user_agent, request_id, detail, detail_sealed)
         SELECT timestamptz '2026-11-24 15:00:00Z' + n * interval '1 second', gen_random_uuid(), 'staff', gen_random_uuid(), 'provider', 'note.read',
                'visit', gen_random_uuid(), gen_random_uuid(), CASE WHEN n % 3 = 0 THEN ARRAY[gen_random_uuid(), gen_random_uuid()] END,
                'allowed', CASE WHEN n % 4 = 0 THEN 'grund' END, '192.0.2.7', 'Mozilla/5.0 \u{e9}', 'req-' || n,
                CASE WHEN n % 5 = 0 THEN jsonb_build_object('n', n, 'b', 1.50, 'a', 'x') END, CASE WHEN n % 7 = 0 THEN decode('0102', 'hex') END
         FROM generate_series(1, $1::int) n",
    )
    .bind(i32::try_from(count).unwrap())
    .execute(connection)
    .await
    .unwrap();
}

#[tokio::test]
async fn what_was_sealed_and_not_touched_is_intact() {
    let log = Log::sealed(3, 50).await;
    log.write(4).await;
    let report = log.verify().await;
    assert_eq!(report.faults, []);
    assert_eq!((report.sealed, report.rows, report.unsealed), (150, 150, 4));
    let notes = std::fs::read_to_string(log.folder.path().join("audit/checkpoints/2026-11.txt")).unwrap();
    assert_eq!(notes.matches("bedside.audit/").count(), 3 * 2);
}

#[tokio::test]
async fn rows_of_a_transaction_that_is_still_open_wait_and_are_not_skipped() {
    let log = Log::new().await;
    let mut old = log.db.owner().await;
    let mut open = old.begin().await.unwrap();
    write(&mut open, 3).await;
    // Younger, and committed before the old one.
    log.write(5).await;
    let mut sealer = log.sealer().await;
    for _ in 0..3 {
        assert_eq!(sealer.seal(SEALED_AT).await.unwrap(), 0, "a row below an open transaction is not final");
    }
    open.commit().await.unwrap();
    log.seal_to(&mut sealer, 8).await;
    let report = log.verify().await;
    assert_eq!((report.faults.len(), report.sealed, report.unsealed), (0, 8, 0));
}

#[tokio::test]
async fn the_order_of_sealing_is_that_of_transactions_whatever_the_numbers_say() {
    let log = Log::new().await;
    let (mut one, mut two) = (log.db.owner().await, log.db.owner().await);
    let (mut first, mut second) = (one.begin().await.unwrap(), two.begin().await.unwrap());
    first.execute("SELECT pg_current_xact_id()").await.unwrap();
    write(&mut second, 2).await;
    write(&mut first, 2).await;
    first.rollback().await.unwrap();
    second.commit().await.unwrap();
    log.write(2).await;
    let mut sealer = log.sealer().await;
    log.seal_to(&mut sealer, 4).await;
    assert!(log.verify().await.intact());
}

#[tokio::test]
async fn one_process_seals_at_a_time_and_the_next_goes_on_where_it_stopped() {
    let log = Log::new().await;
    log.write(10).await;
    let mut first = log.sealer().await;
    log.seal_to(&mut first, 10).await;
    assert!(Sealer::acquire(&log.db.records(), &log.journal).await.unwrap().is_none());
    first.release().await.unwrap();
    log.write(7).await;
    let mut second = log.sealer().await;
    log.seal_to(&mut second, 17).await;
    assert!(log.verify().await.intact());
}

fn checkpoints(folder: &Path) -> std::path::PathBuf {
    folder.join("audit/checkpoints/2026-11.txt")
}

#[tokio::test]
async fn a_crash_between_database_and_journal_is_made_up_for() {
    let log = Log::sealed(3, 20).await;
    let path = checkpoints(log.folder.path());
    let whole = std::fs::read_to_string(&path).unwrap();
    let first = whole.match_indices("\n\n").nth(1).unwrap().0 + 2;
    // As if it had been killed after the first, and in the middle of writing the second.
    for keep in [first, first + 40, 0] {
        std::fs::write(&path, &whole[..keep]).unwrap();
        log.sealer().await.release().await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), whole, "kept {keep} bytes");
    }
    assert!(log.verify().await.intact());
}

#[tokio::test]
async fn a_history_other_than_the_signed_one_is_never_continued() {
    let acquire = async |log: &Log| Sealer::acquire(&log.db.records(), &log.journal).await.map(|_| ()).unwrap_err();
    // The end was cut off, seals and all.
    let log = Log::sealed(3, 20).await;
    log.tamper("DELETE FROM audit_seal WHERE tree_size = 60").await;
    assert!(matches!(acquire(&log).await, SealError::DatabaseBehind { sealed: 60, found: 40 }));
    assert!(
        log.verify().await.faults.iter().any(|fault| matches!(fault, Fault::Truncated { size: 40, sealed: 60, .. }))
    );
    log.tamper("DELETE FROM audit_seal").await;
    assert!(matches!(acquire(&log).await, SealError::DatabaseBehind { sealed: 60, found: 0 }));
    // The stored subtrees are others.
    let log = Log::sealed(2, 20).await;
    log.tamper("UPDATE audit_seal SET frontier = overlay(frontier placing '\\xff'::bytea from 3) WHERE tree_size = 40")
        .await;
    assert!(matches!(acquire(&log).await, SealError::Forked { size: 40 }));
    // Another key.
    let log = Log::sealed(1, 20).await;
    let other = Journal::open(&log.folder.path().join("other")).unwrap();
    let refused = Sealer::acquire(&log.db.records(), &other).await.map(|_| ()).unwrap_err();
    assert!(matches!(refused, SealError::OtherKey(_)), "{refused}");
}

#[tokio::test]
async fn whoever_rewrites_rows_and_seals_alike_is_found_by_the_copy_outside() {
    let log = Log::sealed(2, 30).await;
    // The same rows but one, sealed anew by somebody who has another key.
    log.tamper("DELETE FROM audit_seal; UPDATE audit_event SET action = 'note.sign' WHERE seq = 7").await;
    let forger = Journal::open(&log.folder.path().join("forger")).unwrap();
    let mut sealer = Sealer::acquire(&log.db.records(), &forger).await.unwrap().unwrap();
    log.seal_to(&mut sealer, 60).await;
    let report = log.verify().await;
    // The forger's rows are consistent with the forger's seal; the checkpoints outside say something else.
    let is_found = |fault: &Fault| matches!(fault, Fault::StretchAltered { first: 0, seqs: (1, 60), .. });
    assert!(report.faults.iter().any(is_found), "{:?}", report.faults);
    // Nor does it help that the outside is gone: the key that is known did not sign.
    std::fs::remove_file(checkpoints(log.folder.path())).unwrap();
    let report = log.verify().await;
    assert!(
        matches!(report.faults[..], [Fault::CheckpointUnsigned { first: 0, .. }, Fault::StretchAltered { .. }]),
        "{:?}",
        report.faults
    );
}
