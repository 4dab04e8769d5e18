//! Verifies an export without a database. Pure but for reading its lines.

use std::io::{self, BufRead};

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::checkpoint::{Checkpoint, VerifyingKey};
use super::examine::{Dropped, Examiner, Seal, Start};
use super::export_line::{self, Row};
use super::findings::{Fault, Report};
use super::leaves::{Key, LEAF_BYTES, Leaf};
use super::tree::Frontier;

/// Longest line: a seal of a thousand leaves is about 80 kB, a row a few hundred bytes.
const LINE_BYTES: u64 = 1 << 20;
/// Rows that are held until their seal is complete; a seal has at most a thousand.
const SECTION_ROWS: usize = 10_000;

#[derive(Deserialize)]
struct Header {
    #[serde(rename = "type")]
    kind: String,
    format: u32,
    key: String,
    start: Option<StartLine>,
    dropped: Vec<[String; 2]>,
}

#[derive(Deserialize)]
struct StartLine {
    size: u64,
    frontier: String,
    checkpoint: String,
}

#[derive(Deserialize)]
struct SealLine {
    first: u64,
    leaves: String,
    frontier: String,
    hidden: Vec<[usize; 2]>,
    checkpoint: String,
}

#[derive(Deserialize)]
struct EndLine {
    rows: u64,
    seals: u64,
    sha256: String,
    signature: String,
}

/// A seal whose rows are being read.
struct Open {
    first: u64,
    leaves: Vec<u8>,
    frontier: Vec<u8>,
    hidden: Vec<bool>,
    checkpoint: String,
    /// Which rows it has, in their order.
    keys: Vec<Key>,
}

impl Open {
    fn seal(&self) -> Seal<'_> {
        Seal {
            first: self.first,
            leaves: &self.leaves,
            last: None,
            frontier: &self.frontier,
            checkpoint: &self.checkpoint,
            witness: None,
            hidden: &self.hidden,
            prove: true,
        }
    }
}

/// What an export's check found, and by which key.
#[derive(Debug)]
pub struct Checked {
    /// The outcome.
    pub report: Report,
    /// The key that signed.
    pub key: VerifyingKey,
}

/// Verifies an export. `trusted` is the key of the log as it is known from elsewhere; without it, the key that the file
/// names is believed, and only whoever compares it knows who signed.
///
/// # Errors
/// See [`CheckError`]; what is wrong with the rows is in the report, not here.
pub fn check_export(mut lines: impl BufRead, trusted: Option<&VerifyingKey>) -> Result<Checked, CheckError> {
    let mut text = Vec::new();
    let mut digest = Context::new(&SHA256);
    read_line(&mut lines, &mut text)?;
    let header: Header = serde_json::from_slice(&text).map_err(|_| CheckError::NoExport)?;
    if header.kind != "bedside.audit.export" || header.format != export_line::FORMAT {
        return Err(CheckError::NoExport);
    }
    digest.update(&text);
    let named = VerifyingKey::from_vkey(&header.key).ok_or(CheckError::NoExport)?;
    let key = match trusted {
        Some(trusted) if *trusted != named => return Err(CheckError::OtherKey(named.to_vkey())),
        _ => named,
    };
    let mut altered: Vec<String> = Vec::new();
    let start = match &header.start {
        None => Start::default(),
        Some(start) => start_of(start, &key).ok_or(CheckError::Start)?,
    };
    let dropped = header
        .dropped
        .iter()
        .filter_map(|[from, to]| Some(Dropped { from: export_line::micros(from)?, to: export_line::micros(to)? }))
        .collect();
    let mut examiner = Examiner::new(key.clone(), start, dropped);
    let mut open: Option<Open> = None;
    let (mut rows, mut seals, mut number, mut ended) = (0, 0, 1_u64, false);
    let mut scratch = Vec::new();
    let mut section: Vec<Leaf> = Vec::new();
    while read_line(&mut lines, &mut text)? {
        number += 1;
        if ended {
            altered.push(format!("line {number} comes after its end"));
            break;
        }
        if let Ok(row) = serde_json::from_slice::<Row>(&text) {
            digest.update(&text);
            rows += 1;
            section.push(row.leaf(&mut scratch));
            if section.len() >= SECTION_ROWS {
                hand_in(&mut section, open.as_ref(), &mut examiner);
            }
            continue;
        }
        match kind(&text).as_deref() {
            Some("seal") => match seal_of(&text) {
                Some(next) => {
                    hand_in(&mut section, open.as_ref(), &mut examiner);
                    if let Some(last) = open.take() {
                        examiner.end(&last.seal());
                    }
                    seals += 1;
                    examiner.begin(&next.seal());
                    open = Some(next);
                }
                None => altered.push(format!("line {number} is a damaged seal")),
            },
            Some("end") => {
                ended = true;
                let sum = hex::encode(digest.clone().finish());
                match serde_json::from_slice::<EndLine>(&text) {
                    Ok(end) => altered.extend(end_faults(&end, &sum, rows, seals, &key)),
                    Err(_) => altered.push("its last line is damaged".to_owned()),
                }
            }
            _ => altered.push(format!("line {number} is neither row nor seal")),
        }
        digest.update(&text);
    }
    hand_in(&mut section, open.as_ref(), &mut examiner);
    if let Some(last) = open.take() {
        examiner.end(&last.seal());
    }
    if !ended {
        altered.push("its end is cut off".to_owned());
    }
    let mut report = examiner.finish();
    altered.into_iter().for_each(|what| report.push(Fault::FileAltered { what }));
    Ok(Checked { report, key })
}

/// The rows of a seal, in the order in which they were sealed; those that stood elsewhere are named.
fn hand_in(section: &mut Vec<Leaf>, open: Option<&Open>, examiner: &mut Examiner) {
    if let Some(open) = open {
        // Rows of other seals are named by the examiner.
        let own: Vec<Leaf> = section.iter().filter(|row| open.keys.binary_search(&row.key).is_ok()).copied().collect();
        for position in out_of_order(&own) {
            let row = &own[position];
            let place = open.keys.binary_search(&row.key).expect("one of these");
            examiner.displaced(open.first + place as u64, row);
        }
    }
    section.sort_by_key(|leaf| leaf.key);
    section.iter().for_each(|leaf| examiner.row(*leaf));
    section.clear();
}

/// Rows that stand elsewhere: those that are not at their place, or, where that is fewer, those without which the others
/// stand in order (all that are not in a longest increasing subsequence).
fn out_of_order(rows: &[Leaf]) -> Vec<usize> {
    let mut sorted: Vec<Key> = rows.iter().map(|row| row.key).collect();
    sorted.sort_unstable();
    let misplaced: Vec<usize> = (0..rows.len()).filter(|&position| rows[position].key != sorted[position]).collect();
    let passed = not_increasing(rows);
    if passed.len() < misplaced.len() { passed } else { misplaced }
}

fn not_increasing(rows: &[Leaf]) -> Vec<usize> {
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(rows.len());
    for (at, row) in rows.iter().enumerate() {
        let length = ends.partition_point(|&end| rows[end].key < row.key);
        before.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        if length == ends.len() {
            ends.push(at);
        } else {
            ends[length] = at;
        }
    }
    let mut in_order = vec![false; rows.len()];
    let mut at = ends.last().copied();
    while let Some(position) = at {
        in_order[position] = true;
        at = before[position];
    }
    (0..rows.len()).filter(|&position| !in_order[position]).collect()
}

fn end_faults(end: &EndLine, sum: &str, rows: u64, seals: u64, key: &VerifyingKey) -> Option<String> {
    let signature = STANDARD.decode(&end.signature).unwrap_or_default();
    if (end.rows, end.seals) != (rows, seals) {
        return Some(format!("it had {} rows and {} seals, and has {rows} and {seals}", end.rows, end.seals));
    }
    if end.sha256 != sum {
        return Some("lines were changed".to_owned());
    }
    (!key.verifies(&export_line::signed(sum), &signature)).then(|| "its signature is wrong".to_owned())
}

/// One line with its newline; false at the end.
fn read_line(lines: &mut impl BufRead, text: &mut Vec<u8>) -> io::Result<bool> {
    text.clear();
    io::Read::take(lines, LINE_BYTES).read_until(b'\n', text)?;
    Ok(!text.is_empty())
}

fn kind(text: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Line {
        #[serde(rename = "type")]
        kind: String,
    }
    serde_json::from_slice::<Line>(text).ok().map(|line| line.kind)
}

fn start_of(line: &StartLine, key: &VerifyingKey) -> Option<Start> {
    let frontier = Frontier::from_bytes(line.size, &STANDARD.decode(&line.frontier).ok()?)?;
    let checkpoint = Checkpoint::open(&line.checkpoint, key).ok()?;
    (checkpoint.size == line.size && checkpoint.root == frontier.root())
        .then_some(Start { frontier, index: checkpoint.index })
}

fn seal_of(text: &[u8]) -> Option<Open> {
    let line: SealLine = serde_json::from_slice(text).ok()?;
    let leaves = STANDARD.decode(&line.leaves).ok()?;
    let mut hidden = vec![false; leaves.len() / LEAF_BYTES];
    for [from, to] in line.hidden {
        hidden.get_mut(from..to)?.fill(true);
    }
    let keys = super::leaves::unpack(&leaves)?.iter().map(|leaf| leaf.key).collect();
    Some(Open {
        first: line.first,
        keys,
        leaves,
        frontier: STANDARD.decode(&line.frontier).ok()?,
        hidden,
        checkpoint: line.checkpoint,
    })
}

/// The file can't be verified at all.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It can't be read.
    #[error("the export can't be read: {0}")]
    Io(#[from] io::Error),
    /// It is something else.
    #[error("this is not an export of an audit log that this version reads; its first line says what it is")]
    NoExport,
    /// It names another key than the trusted one.
    #[error("the export was signed by another key than the one that you trust: {0}")]
    OtherKey(String),
    /// Where it begins is not signed.
    #[error("the export's first line was changed: where it begins is not what was signed")]
    Start,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(seqs: &[i64]) -> Vec<Leaf> {
        seqs.iter().map(|&seq| Leaf { key: Key { xid: 1, seq }, at: 0, hash: [0; 32] }).collect()
    }

    #[test]
    fn rows_that_stand_elsewhere_are_told_from_those_that_only_made_room() {
        assert_eq!(out_of_order(&rows(&[])), Vec::<usize>::new());
        assert_eq!(out_of_order(&rows(&[1, 2, 3, 4])), Vec::<usize>::new());
        assert_eq!(out_of_order(&rows(&[4, 2, 3, 1])), [0, 3]);
        assert_eq!(out_of_order(&rows(&[9, 1, 2, 3])), [0]);
        assert_eq!(out_of_order(&rows(&[1, 3, 4, 5, 2])), [4]);
        assert_eq!(out_of_order(&rows(&[3, 2, 1])), [0, 2]);
    }
}
