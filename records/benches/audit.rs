//! What the audit log costs: audited writes against the same statements by pgbench in the same run (P9), the lag of
//! sealing under 2,000 writes a second, verifying millions of rows (P10). A PostgreSQL of its own, with fsync.
//!
//! `cargo bench -p records --bench audit [-- writes lag verify]`; `BEDSIDE_BENCH_ROWS` (5,000,000) says how many rows are
//! verified. Writes `target/bench/audit.json`.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use records::action::{Resource, ReviewFindings};
use records::audit::{self, BATCH, Journal, Sealer, access};
use records::{Actor, KeyRing, Origin, Phi, PrivatePostgres, Records, RequestContext, demo, migrate};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use time::OffsetDateTime;
use tokio::sync::Mutex;
use uuid::Uuid;
use visit::{ClinicId, Role, StaffId};

const CLIENTS: usize = 8;
const RUNS: usize = 3;
const RUN_S: u64 = 8;
/// Findings that each side may review; each is reviewed once.
const FINDINGS: u64 = 150_000;
const LAG_S: u64 = 60;
const LAG_RATE: u64 = 2_000;

struct Bench {
    postgres: PrivatePostgres,
    records: Records,
    journal: Journal,
    clinic: ClinicId,
    staff: StaffId,
}

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wants = |part: &str| chosen.is_empty() || chosen.iter().any(|word| word == part);
    let folder = tempfile::Builder::new().prefix("bedside-bench").tempdir_in("/tmp").expect("a folder");
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("ours");
    let postgres = PrivatePostgres::start(&folder.path().join("postgres")).expect("a private PostgreSQL");
    let runtime = tokio::runtime::Runtime::new().expect("tokio");
    let mut figures = Vec::new();
    runtime.block_on(async {
        let bench = Bench::new(postgres, folder.path()).await;
        if wants("writes") {
            figures.extend(bench.writes().await);
        }
        if wants("lag") {
            figures.push(bench.lag().await);
        }
        if wants("verify") {
            figures.extend(bench.verify().await);
        }
        bench.records.close().await;
        drop(bench.postgres);
    });
    let dir = PathBuf::from(
        std::env::var("BEDSIDE_BENCH_DIR")
            .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bench").to_owned()),
    );
    std::fs::create_dir_all(&dir).expect("the folder for figures");
    let text = serde_json::to_string_pretty(&figures).expect("numbers are JSON");
    std::fs::write(dir.join("audit.json"), &text).expect("the figures");
    println!("{text}");
}

impl Bench {
    async fn new(postgres: PrivatePostgres, folder: &std::path::Path) -> Self {
        migrate(&postgres.owner_url()).await.expect("the migrations run");
        let keys = KeyRing::open_or_create(&folder.join("keys.json")).expect("a key ring");
        let records = Records::connect(&postgres.app_url(), keys).await.expect("the app role connects");
        let now = OffsetDateTime::now_utc();
        let seeded =
            demo::seed(&records, demo::DemoSite::Riverside, None, "http://127.0.0.1", now).await.expect("a clinic");
        let mut owner = PgConnection::connect(&postgres.owner_url()).await.expect("the owner connects");
        let staff: Uuid = sqlx::query_scalar("SELECT staff_id FROM staff WHERE email = $1")
            .bind(&seeded.compliance.email)
            .fetch_one(&mut owner)
            .await
            .expect("the compliance officer");
        let journal = Journal::open(&folder.join("audit")).expect("a journal");
        Self { postgres, records, journal, clinic: seeded.clinic.id, staff: StaffId(staff) }
    }

    async fn owner(&self) -> PgConnection {
        PgConnection::connect(&self.postgres.owner_url()).await.expect("the owner connects")
    }

    fn context(&self) -> RequestContext {
        RequestContext {
            actor: Actor::Staff { id: self.staff, role: Role::Compliance, clinic: self.clinic },
            at: OffsetDateTime::now_utc(),
            second_factor_at: Some(OffsetDateTime::now_utc()),
            origin: Origin {
                address: Some([192, 0, 2, 7].into()),
                user_agent: Some("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36".to_owned()),
                request_id: Uuid::now_v7().to_string(),
                ..Origin::default()
            },
        }
    }

    /// One audited write: a finding is closed with a note.
    async fn review(&self, finding: u64) {
        let mut tx = self.records.begin(self.context()).await.expect("begins");
        let may = tx.authorize(ReviewFindings).await.expect("allowed");
        let id = Uuid::from_u128(finding.into());
        let done = access::review(&mut tx, &may, id, &Phi::from("Looked into it.")).await.expect("open");
        tx.commit(done).await.expect("commits");
    }

    async fn writes(&self) -> Vec<Value> {
        let mut owner = self.owner().await;
        let total = 2 * FINDINGS;
        println!("{total} findings to review ..");
        let fill = format!(
            "INSERT INTO access_finding (access_finding_id, clinic_id, rule, staff_id, day, first_at, last_at, count, found_at)
             SELECT ('00000000-0000-0000-0000-' || lpad(to_hex(n), 12, '0'))::uuid, '{}', 'refusals', '{}', date '2000-01-01' + n, now(), now(), 5, now()
             FROM generate_series(1, {total}) n; ANALYZE",
            self.clinic, self.staff
        );
        owner.execute(sqlx::raw_sql(AssertSqlSafe(fill))).await.expect("findings");
        let next = Arc::new(AtomicU64::new(FINDINGS + 1));
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for run in 0..RUNS {
            theirs.push(self.pgbench(run));
            ours.push(self.as_fast_as_possible(&next).await);
            println!("run {run}: {:.0} audited writes/s, pgbench {:.0}", ours[run], theirs[run]);
        }
        let ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
        let rate = median(&mut ours.clone()) / 2.0;
        let mut late = self.at_rate(&next, rate).await;
        let p99 = percentile(&mut late, 0.99);
        let how = format!(
            "closing a finding with a sealed note and its audit row through Records, {CLIENTS} clients, {RUN_S} s, against pgbench -M prepared with the same statements, {RUNS} pairs in turn, fsync on"
        );
        vec![
            figure("P9_audited_writes", median(&mut ours.clone()), "writes/s", Some(2_000.0), &ours, true, &how),
            figure("P9_ratio_to_pgbench", median(&mut ratios.clone()), "x", Some(0.7), &ratios, true, &how),
            figure(
                "P9_p99_at_half_load",
                p99,
                "ms",
                Some(10.0),
                &[p99],
                false,
                &format!("{rate:.0} writes/s evenly spaced for {RUN_S} s, from when each was due"),
            ),
        ]
    }

    async fn as_fast_as_possible(&self, next: &Arc<AtomicU64>) -> f64 {
        let (begun, until) = (Instant::now(), Instant::now() + Duration::from_secs(RUN_S));
        let clients = (0..CLIENTS).map(|_| async {
            let mut done = 0_u64;
            while Instant::now() < until {
                self.review(next.fetch_add(1, Ordering::Relaxed)).await;
                done += 1;
            }
            done
        });
        let done: u64 = futures_util::future::join_all(clients).await.into_iter().sum();
        done as f64 / begun.elapsed().as_secs_f64()
    }

    /// Latencies in ms, counted from when each write was due.
    async fn at_rate(&self, next: &Arc<AtomicU64>, rate: f64) -> Vec<f64> {
        let begun = Instant::now();
        let (ticket, total) = (AtomicU64::new(0), (rate * RUN_S as f64) as u64);
        let late = Mutex::new(Vec::new());
        let clients = (0..CLIENTS).map(|_| async {
            loop {
                let n = ticket.fetch_add(1, Ordering::Relaxed);
                if n >= total {
                    return;
                }
                let due = begun + Duration::from_secs_f64(n as f64 / rate);
                tokio::time::sleep_until(due.into()).await;
                self.review(next.fetch_add(1, Ordering::Relaxed)).await;
                late.lock().await.push(due.elapsed().as_secs_f64() * 1_000.0);
            }
        });
        futures_util::future::join_all(clients).await;
        late.into_inner()
    }

    /// The same statements by pgbench, as the app role.
    fn pgbench(&self, run: usize) -> f64 {
        let each = FINDINGS / RUNS as u64;
        let (from, to) = (1 + each * run as u64, each * (run as u64 + 1));
        let (clinic, staff) = (self.clinic, self.staff);
        let script = format!(
            "\\set n random({from}, {to})
BEGIN;
SELECT set_config('bedside.clinic_id', '{clinic}', true);
SELECT owner_id, version, wrapping_key, wrapped FROM data_key WHERE purpose = 'clinic' AND owner_id = '{clinic}' AND wrapped IS NOT NULL ORDER BY owner_id, version;
UPDATE access_finding SET state = 'reviewed', reviewed_at = now(), reviewed_by = '{staff}', note = decode('{note}', 'hex') WHERE access_finding_id = ('00000000-0000-0000-0000-' || lpad(to_hex(:n ::bigint), 12, '0'))::uuid AND state = 'open' RETURNING staff_id, patient_id, rule;
INSERT INTO audit_event (at, clinic_id, actor_kind, actor_id, actor_role, action, resource_type, resource_id, outcome, address, user_agent, request_id, detail, detail_sealed) VALUES (now(), '{clinic}', 'staff', '{staff}', 'compliance', 'audit.finding_reviewed', 'staff', '{staff}', 'allowed', '192.0.2.7', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36', '01936b3e-0000-7000-8000-000000000000', '{{\"rule\": \"refusals\", \"finding\": \"00000000-0000-0000-0000-000000000000\"}}', decode('{note}', 'hex'));
COMMIT;
",
            note = "00".repeat(49)
        );
        let path = std::env::temp_dir().join(format!("bedside-pgbench-{}.sql", std::process::id()));
        std::fs::write(&path, script).expect("the script");
        let said = Command::new("pgbench")
            .args(["-n", "-M", "prepared", "-c", &CLIENTS.to_string(), "-j", "2", "-T", &RUN_S.to_string(), "-f"])
            .arg(&path)
            .arg(self.postgres.app_url())
            .output()
            .expect("pgbench runs");
        let _ = std::fs::remove_file(&path);
        let text = String::from_utf8_lossy(&said.stdout);
        let tps = text.lines().find_map(|line| line.strip_prefix("tps = ")).and_then(|rest| rest.split(' ').next());
        tps.unwrap_or_else(|| panic!("pgbench: {text} {}", String::from_utf8_lossy(&said.stderr)))
            .parse()
            .expect("a number")
    }

    /// Sealing as the server does it, while rows are committed at a steady rate.
    async fn lag(&self) -> Value {
        let mut sealer = Sealer::acquire(&self.records, &self.journal).await.expect("seals").expect("alone");
        while sealer.seal(OffsetDateTime::now_utc()).await.expect("seals") > 0 {}
        let first = sealer.size();
        let (begun, ticket) = (Instant::now(), AtomicU64::new(0));
        let writers = (0..CLIENTS).map(|_| async {
            loop {
                let n = ticket.fetch_add(1, Ordering::Relaxed);
                if n >= LAG_S * LAG_RATE {
                    return;
                }
                let due = begun + Duration::from_secs_f64(n as f64 / LAG_RATE as f64);
                tokio::time::sleep_until(due.into()).await;
                let at = OffsetDateTime::now_utc();
                audit::append(&self.records, "bench", self.clinic, at, "bench.write", Resource::Clinic, None)
                    .await
                    .expect("writes");
            }
        });
        let sealing = async {
            let mut sealed_at: Vec<(u64, i64)> = Vec::new();
            let mut every = tokio::time::interval(Duration::from_secs(1));
            every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            while sealer.size() - first < LAG_S * LAG_RATE {
                tokio::select! {
                    _ = every.tick() => {}
                    () = self.records.seal_is_full() => {}
                }
                loop {
                    let sealed = sealer.seal(OffsetDateTime::now_utc()).await.expect("seals");
                    if sealed > 0 {
                        sealed_at.push((sealer.size(), micros(OffsetDateTime::now_utc())));
                    }
                    if sealed < BATCH {
                        break;
                    }
                }
            }
            sealed_at
        };
        let (_, sealed_at) = tokio::join!(futures_util::future::join_all(writers), sealing);
        let took = begun.elapsed().as_secs_f64();
        let mut owner = self.owner().await;
        let mut lags = Vec::new();
        for (size, done) in sealed_at {
            let leaves: Vec<u8> = sqlx::query_scalar("SELECT leaves FROM audit_seal WHERE tree_size = $1")
                .bind(size as i64)
                .fetch_one(&mut owner)
                .await
                .expect("the seal");
            for leaf in leaves.chunks(56) {
                let at = i64::from_be_bytes(leaf[16..24].try_into().expect("8 bytes"));
                lags.push((done - at) as f64 / 1_000.0);
            }
        }
        sealer.release().await.expect("lets go");
        let (p50, p99) = (percentile(&mut lags, 0.5), percentile(&mut lags, 0.99));
        let worst = percentile(&mut lags, 1.0);
        println!("{} rows in {took:.1} s; lag p50 {p50:.0} ms, p99 {p99:.0} ms, longest {worst:.0} ms", lags.len());
        let how = format!(
            "{} rows/s through Records, each a transaction, for {took:.0} s; from the row's time to its checkpoint on disk",
            lags.len() as f64 / took
        );
        figure("audit_sealing_lag_p99", p99, "ms", Some(2_000.0), &[p50, worst], false, &how)
    }

    async fn verify(&self) -> Vec<Value> {
        let rows: u64 = std::env::var("BEDSIDE_BENCH_ROWS").map_or(5_000_000, |rows| rows.parse().expect("a number"));
        let mut owner = self.owner().await;
        println!("{rows} rows ..");
        for chunk in 0..rows / 10_000 {
            let fill = format!(
                "INSERT INTO audit_event (at, clinic_id, actor_kind, actor_id, actor_role, action, resource_type, resource_id, patient_id, outcome, address,
                                          user_agent, request_id, detail)
                 SELECT now(), '{}', 'staff', '{}', 'provider', 'note.saved', 'visit', gen_random_uuid(), gen_random_uuid(), 'allowed', '192.0.2.7',
                        'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36', gen_random_uuid()::text, CASE WHEN n % 2 = 0 THEN '{{\"version\": 3}}'::jsonb END
                 FROM generate_series(1, 10000) n",
                self.clinic, self.staff
            );
            owner.execute(sqlx::raw_sql(AssertSqlSafe(fill))).await.expect("rows");
            if chunk % 100 == 99 {
                println!("  {} rows", (chunk + 1) * 10_000);
            }
        }
        owner.execute("ANALYZE audit_event").await.expect("analyzes");
        let mut sealer = Sealer::acquire(&self.records, &self.journal).await.expect("seals").expect("alone");
        let begun = Instant::now();
        while sealer.seal(OffsetDateTime::now_utc()).await.expect("seals") > 0 {}
        println!("sealed {} rows in {:.1} s", sealer.size(), begun.elapsed().as_secs_f64());
        sealer.release().await.expect("lets go");
        let (mut end_to_end, mut per_core) = (Vec::new(), Vec::new());
        for run in 0..RUNS {
            let (begun, cpu) = (Instant::now(), cpu_seconds());
            let report = audit::verify(&self.records, &self.journal, |_| {}).await.expect("verifies");
            assert!(report.intact(), "{:?}", report.faults);
            let (wall, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds() - cpu);
            end_to_end.push(report.rows as f64 / wall);
            per_core.push(report.rows as f64 / cpu);
            println!(
                "run {run}: {} rows, {:.0} rows/s, {:.0} rows per second of our processor time",
                report.rows, end_to_end[run], per_core[run]
            );
        }
        let how = format!(
            "{rows} rows of about 400 bytes; ours is parsing, hashing, tree and index, without PostgreSQL's own time for COPY"
        );
        vec![
            figure(
                "P10_verify_per_core",
                median(&mut per_core.clone()),
                "rows/s of processor time",
                Some(500_000.0),
                &per_core,
                true,
                &how,
            ),
            figure("P10_verify_end_to_end", median(&mut end_to_end.clone()), "rows/s", None, &end_to_end, true, &how),
        ]
    }
}

fn micros(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000).expect("this century")
}

fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn median(numbers: &mut [f64]) -> f64 {
    percentile(numbers, 0.5)
}

fn percentile(numbers: &mut [f64], share: f64) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let at = (share * (numbers.len() - 1) as f64).round() as usize;
    numbers[at]
}

fn figure(
    name: &str,
    value: f64,
    unit: &str,
    target: Option<f64>,
    runs: &[f64],
    more_is_better: bool,
    how: &str,
) -> Value {
    let met = target.map(|target| if more_is_better { value >= target } else { value <= target });
    let (low, high) = runs.iter().fold((f64::MAX, f64::MIN), |(low, high), run| (low.min(*run), high.max(*run)));
    json!({
        "name": name, "value": value, "unit": unit, "target": target, "met": met, "runs": runs.len(), "spread": [low, high],
        "how": format!("cargo bench -p records --bench audit: {how}"),
    })
}
