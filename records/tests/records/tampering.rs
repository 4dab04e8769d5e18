//! Whoever changes the log behind the server's back is found, and the row is named: random edits, removals, insertions,
//! reorderings and truncations, in the tables by a superuser without triggers, and in an export.
//!
//! `make endurance-audit` runs thousands of them; `BEDSIDE_AUDIT_MUTATIONS` says how many.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use records::audit::{Fault, Report, Selection, check_export, export};
use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};

use crate::tree::{Log, SEALED_AT};

const SEALS: usize = 6;
const ROWS: usize = 25;

/// SplitMix64: the same seed, the same mutations.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % below as u64).unwrap()
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.roll(from.len())]
    }
}

fn mutations(short: usize) -> usize {
    std::env::var("BEDSIDE_AUDIT_MUTATIONS").map_or(short, |count| count.parse().expect("a number"))
}

/// The rows that a report names.
fn named(report: &Report) -> BTreeSet<i64> {
    report.faults.iter().filter_map(Fault::seq).collect()
}

/// Every row's key as it was sealed.
async fn keys(connection: &mut PgConnection) -> Vec<(String, i64)> {
    sqlx::query("SELECT xid::text AS xid, seq FROM audit_event ORDER BY audit_event.xid, seq")
        .fetch_all(connection)
        .await
        .unwrap()
        .iter()
        .map(|row| (row.get("xid"), row.get("seq")))
        .collect()
}

/// One mutation: the statement, the rows that it touches, and whether they can be named.
fn mutation(dice: &mut Dice, keys: &[(String, i64)]) -> (&'static str, String, BTreeSet<i64>) {
    let (xid, seq) = dice.pick(keys).clone();
    match dice.roll(12) {
        0..=4 => {
            let change = *dice.pick(&[
                "action = 'note.sign'",
                "at = at + interval '1 microsecond'",
                "at = at + interval '30 days'",
                "clinic_id = gen_random_uuid()",
                "clinic_id = NULL",
                "actor_id = gen_random_uuid()",
                "actor_kind = 'patient'",
                "actor_role = 'nurse'",
                "resource_type = 'recording'",
                "resource_id = NULL",
                "patient_id = gen_random_uuid()",
                "patient_ids = ARRAY[gen_random_uuid()]",
                "patient_ids = ARRAY[[gen_random_uuid()], [gen_random_uuid()]]",
                "outcome = 'denied'",
                "reason = coalesce(reason || ' ', 'x')",
                "address = '192.0.2.8'",
                "user_agent = NULL",
                "request_id = request_id || '0'",
                "detail = coalesce(detail, '{}') || '{\"x\": 1}'",
                "detail_sealed = '\\x00'",
            ]);
            ("edit", format!("UPDATE audit_event SET {change} WHERE seq = {seq}"), BTreeSet::from([seq]))
        }
        5 => {
            let new = 1_000_000 + i64::try_from(dice.roll(1_000)).unwrap();
            // Behind the last seal it would only be a row that is not sealed yet, and the old one is gone.
            let is_last = keys.last().map(|(last, _)| last) == Some(&xid);
            let touched = if is_last { BTreeSet::from([seq]) } else { BTreeSet::from([seq, new]) };
            ("renumber", format!("UPDATE audit_event SET seq = {new} WHERE seq = {seq}"), touched)
        }
        6 | 7 => ("remove", format!("DELETE FROM audit_event WHERE seq = {seq}"), BTreeSet::from([seq])),
        8 | 9 => {
            let new = 1_000_000 + i64::try_from(dice.roll(1_000)).unwrap();
            let sql = format!(
                "INSERT INTO audit_event SELECT (r).* FROM (SELECT jsonb_populate_record(e, jsonb_build_object('seq', {new}, 'action', 'note.read')) AS r
                 FROM audit_event e WHERE e.seq = {seq}) x"
            );
            // Beside the row that it was copied from; after the last seal it would only be a row that is not sealed yet.
            let last = keys.last().map(|(last, _)| last) == Some(&xid);
            if last { mutation(dice, keys) } else { ("insert", sql, BTreeSet::from([new])) }
        }
        10 => {
            let other = dice.pick(keys).clone();
            if other.0 == xid {
                return mutation(dice, keys);
            }
            let sql = format!(
                "UPDATE audit_event SET xid = '{}' WHERE seq = {seq}; UPDATE audit_event SET xid = '{xid}' WHERE seq = {}",
                other.0, other.1
            );
            ("reorder", sql, BTreeSet::from([seq, other.1]))
        }
        _ => {
            let gone = &keys[keys.len() - 1 - dice.roll(40)..];
            let seqs: BTreeSet<i64> = gone.iter().map(|(_, seq)| *seq).collect();
            let list = seqs.iter().fold(String::new(), |mut list, seq| {
                write!(list, "{}{seq}", if list.is_empty() { "" } else { ", " }).unwrap();
                list
            });
            ("truncate", format!("DELETE FROM audit_event WHERE seq IN ({list})"), seqs)
        }
    }
}

#[tokio::test]
async fn every_change_to_the_table_is_found_and_its_row_named() {
    let log = Log::sealed(SEALS, ROWS).await;
    let mut superuser = log.db.owner().await;
    superuser
        .execute("SET session_replication_role = replica; CREATE TABLE untouched AS SELECT * FROM audit_event")
        .await
        .unwrap();
    let keys = keys(&mut superuser).await;
    assert!(log.verify().await.intact());
    let mut dice = Dice(1);
    let mut counts = std::collections::BTreeMap::new();
    for round in 0..mutations(60) {
        let (kind, sql, touched) = mutation(&mut dice, &keys);
        superuser.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql.clone()))).await.unwrap();
        let report = log.verify().await;
        assert_eq!(named(&report), touched, "round {round}, {kind}: {sql}: {:?}", report.faults);
        *counts.entry(kind).or_insert(0) += 1;
        superuser.execute("TRUNCATE audit_event; INSERT INTO audit_event SELECT * FROM untouched").await.unwrap();
    }
    assert!(log.verify().await.intact(), "what was put back is as it was");
    println!("changes to the table, all found and named: {counts:?}");
    superuser.close().await.unwrap();
}

#[tokio::test]
async fn every_change_to_the_seals_is_found() {
    let log = Log::sealed(SEALS, ROWS).await;
    let mut superuser = log.db.owner().await;
    superuser
        .execute("SET session_replication_role = replica; CREATE TABLE untouched AS SELECT * FROM audit_seal")
        .await
        .unwrap();
    let mut dice = Dice(2);
    for round in 0..mutations(40) / 2 {
        let size = (1 + dice.roll(SEALS)) * ROWS;
        let byte = dice.roll(ROWS * 56);
        let sql = match dice.roll(5) {
            0 => format!(
                "UPDATE audit_seal SET leaves = set_byte(leaves, {byte}, get_byte(leaves, {byte}) # 1) WHERE tree_size = {size}"
            ),
            1 => format!(
                "UPDATE audit_seal SET checkpoint = replace(checkpoint, 'time 1', 'time 2') WHERE tree_size = {size}"
            ),
            2 => format!("DELETE FROM audit_seal WHERE tree_size = {size}"),
            3 => format!("DELETE FROM audit_seal WHERE tree_size >= {size}"),
            // A row and what the seal says about it, alike: the stretch is named.
            _ => "UPDATE audit_event SET reason = 'forged' WHERE seq = (SELECT min(seq) FROM audit_event);
                 UPDATE audit_seal SET leaves = overlay(leaves placing sha256('forged') from 25) WHERE first_leaf = 0"
                .to_owned(),
        };
        superuser.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql.clone()))).await.unwrap();
        let report = log.verify().await;
        assert!(!report.intact(), "round {round}: {sql}");
        // Rows are as they were signed: none is accused, but where a seal's own list says that it was tampered with.
        if !sql.contains("forged") {
            assert_eq!(named(&report), BTreeSet::new(), "round {round}: {sql}: {:?}", report.faults);
        } else {
            assert!(
                report.faults.iter().any(|fault| matches!(fault, Fault::StretchAltered { first: 0, .. })),
                "{:?}",
                report.faults
            );
        }
        let back = "TRUNCATE audit_seal; INSERT INTO audit_seal SELECT * FROM untouched;
                    UPDATE audit_event SET reason = NULL WHERE reason = 'forged'";
        superuser.execute(back).await.unwrap();
    }
    assert!(log.verify().await.intact(), "what was put back is as it was");
    superuser.close().await.unwrap();
}

async fn exported(log: &Log, selection: Selection) -> String {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    let (records, journal) = (log.db.records(), log.journal.clone());
    let writing = tokio::spawn(async move { export(&records, &journal, selection, SEALED_AT, sender).await });
    let mut bytes = Vec::new();
    while let Some(piece) = receiver.recv().await {
        bytes.extend_from_slice(&piece);
    }
    writing.await.unwrap().unwrap();
    String::from_utf8(bytes).unwrap()
}

fn check(log: &Log, lines: &[String]) -> Report {
    let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    check_export(text.as_bytes(), Some(log.journal.key().public())).unwrap().report
}

fn seq_of(line: &str) -> i64 {
    serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_i64().unwrap()
}

#[tokio::test]
async fn every_change_to_an_export_is_found_and_its_row_named() {
    let log = Log::sealed(SEALS, ROWS).await;
    let whole: Vec<String> = exported(&log, Selection::default()).await.lines().map(str::to_owned).collect();
    let report = check(&log, &whole);
    assert_eq!((report.faults.len(), report.rows, report.sealed), (0, 150, 150));
    let rows: Vec<usize> = (0..whole.len()).filter(|&line| whole[line].starts_with("{\"type\":\"row\"")).collect();
    assert_eq!(rows.len(), SEALS * ROWS);
    let mut dice = Dice(3);
    let mut counts = std::collections::BTreeMap::new();
    for round in 0..mutations(300) {
        let mut lines = whole.clone();
        let (one, two) = (*dice.pick(&rows), *dice.pick(&rows));
        let seq = seq_of(&whole[one]);
        let (kind, touched) = match dice.roll(6) {
            0 | 1 => {
                let mut row: serde_json::Value = serde_json::from_str(&whole[one]).unwrap();
                let fields: Vec<String> = row
                    .as_object()
                    .unwrap()
                    .keys()
                    .filter(|key| !["type", "xid", "seq"].contains(&key.as_str()))
                    .cloned()
                    .collect();
                let field = dice.pick(&fields);
                row[field] = match field.as_str() {
                    "at" => "2026-11-24T15:00:00.5Z".into(),
                    field if field.ends_with("_id") && field != "request_id" => uuid::Uuid::nil().to_string().into(),
                    "patient_ids" => serde_json::json!([uuid::Uuid::nil()]),
                    _ => "Zm9yZ2Vk".into(),
                };
                lines[one] = row.to_string();
                ("edit", BTreeSet::from([seq]))
            }
            2 => {
                lines.remove(one);
                ("remove", BTreeSet::from([seq]))
            }
            3 => {
                let new = 1_000_000 + i64::try_from(round).unwrap();
                lines.insert(one, whole[one].replace(&format!("\"seq\":{seq},"), &format!("\"seq\":{new},")));
                ("insert", BTreeSet::from([new]))
            }
            4 => {
                if one == two {
                    continue;
                }
                lines.swap(one, two);
                ("reorder", BTreeSet::from([seq, seq_of(&whole[two])]))
            }
            _ => {
                let next_seal = (one..whole.len()).find(|&line| !rows.contains(&line)).unwrap();
                lines.truncate(one);
                ("truncate", whole[one..next_seal].iter().map(|line| seq_of(line)).collect())
            }
        };
        let report = check(&log, &lines);
        let found = named(&report);
        assert!(report.faults.iter().any(|fault| matches!(fault, Fault::FileAltered { .. })), "round {round}, {kind}");
        // Of two neighbours that changed places, one stands where it stood.
        let is_named =
            if kind == "reorder" { !found.is_empty() && found.is_subset(&touched) } else { found == touched };
        assert!(is_named, "round {round}, {kind}: {found:?} for {touched:?}: {:?}", report.faults);
        *counts.entry(kind).or_insert(0) += 1;
    }
    println!("changes to an export, all found and named: {counts:?}");
}

#[tokio::test]
async fn an_export_of_a_time_or_a_clinic_verifies_by_itself() {
    let log = Log::sealed(4, 20).await;
    let clinic: uuid::Uuid = sqlx::query_scalar("SELECT clinic_id FROM audit_event WHERE seq = 30")
        .fetch_one(&mut log.db.owner().await)
        .await
        .unwrap();
    let (from, to) =
        (SEALED_AT - time::Duration::seconds(10 * 60 + 15), SEALED_AT - time::Duration::seconds(10 * 60 + 10));
    for (selection, rows) in [
        (Selection { clinic: Some(visit::ClinicId(clinic)), ..Selection::default() }, 1),
        (Selection { from: Some(from), to: Some(to), clinic: None }, 20),
    ] {
        let lines: Vec<String> = exported(&log, selection).await.lines().map(str::to_owned).collect();
        let report = check(&log, &lines);
        assert_eq!((report.faults.clone(), report.rows, report.hidden), (vec![], rows, 80 - rows), "{selection:?}");
        let row = lines.iter().position(|line| line.starts_with("{\"type\":\"row\"")).unwrap();
        let mut less = lines.clone();
        less.remove(row);
        assert_eq!(named(&check(&log, &less)), BTreeSet::from([seq_of(&lines[row])]));
        // Saying that it was left out on purpose does not help: the file is signed.
        let all_hidden: Vec<String> = less
            .iter()
            .map(|line| match line.find("\"hidden\":") {
                Some(at) => format!(
                    "{}\"hidden\":[[0,20]]{}",
                    &line[..at],
                    &line[line[at..].find("]]").map_or(at, |end| at + end + 2)..]
                ),
                None => line.clone(),
            })
            .collect();
        assert!(!check(&log, &all_hidden).intact());
    }
    // Behind the first seals, it begins with a checkpoint instead of an empty tree.
    let mut owner = log.db.owner().await;
    owner.execute("SET session_replication_role = replica; UPDATE audit_seal SET sealed_at = sealed_at - interval '3 hours' WHERE tree_size <= 40").await.unwrap();
    let late = Selection { from: Some(SEALED_AT - time::Duration::hours(1)), ..Selection::default() };
    let lines: Vec<String> = exported(&log, late).await.lines().map(str::to_owned).collect();
    let report = check(&log, &lines);
    assert_eq!((report.faults.clone(), report.rows, report.sealed), (vec![], 40, 80));
}
