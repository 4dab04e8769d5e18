//! A journal reads back what was written, and names what was done to it since.

use std::fs;
use std::path::Path;

use sfu_core::tap::{Codec, PeerKey, Source, TapPacket};
use uuid::Uuid;

use super::*;
use crate::Mark;

const CHUNKS: u64 = 24;

fn key() -> ObjectKey {
    ObjectKey::new([9; 32])
}

fn packet(n: u64) -> TapPacket {
    TapPacket {
        peer: PeerKey(u128::from(n % 3)),
        source: [Source::Microphone, Source::Camera, Source::Screen][(n % 3) as usize],
        codec: [Codec::Opus, Codec::Vp8, Codec::H264][(n % 3) as usize],
        seq: n,
        rtp_time: n * 960,
        marker: n.is_multiple_of(5),
        payload: Bytes::from(vec![n as u8; (n * 37 % 300) as usize]),
        received_us: n as i64 * 1_000,
    }
}

fn mark(n: u64) -> TimedMark {
    TimedMark { at: Now(n as i64), mark: Mark::Paused { by: None } }
}

/// A journal of [`CHUNKS`] chunks and what is in it.
fn written(dir: &Path, recording: u128, last: bool) -> Vec<Entry> {
    let identity = Identity {
        recording: RecordingId(Uuid::from_u128(recording)),
        visit: VisitId(Uuid::from_u128(2)),
        started: Now(1_000),
    };
    let mut entries = Vec::new();
    let file = File::create(dir.join(FILE_NAME)).unwrap();
    let mut journal = JournalWriter::new(file, &key(), identity).unwrap();
    for chunk in 0..CHUNKS {
        for n in chunk * 10..chunk * 10 + 10 {
            journal.packet(chunk as u32, &packet(n));
            entries.push(Entry::Packet { epoch: chunk as u32, packet: packet(n) });
        }
        journal.mark(&mark(chunk));
        entries.push(Entry::Mark(mark(chunk)));
        journal.write_chunk(last && chunk == CHUNKS - 1).unwrap();
    }
    entries
}

struct ReadBack {
    entries: Vec<Entry>,
    tail: Tail,
    damage: Vec<Damage>,
    chain: Chain,
}

fn read_back(dir: &Path) -> Result<ReadBack, JournalError> {
    let mut journal = Journal::open(dir, &key())?;
    let mut entries = Vec::new();
    while let Some(entry) = journal.next()? {
        entries.push(entry);
    }
    Ok(ReadBack { entries, tail: journal.tail(), damage: journal.damage().to_vec(), chain: journal.chain() })
}

/// Where chunks begin, and the end.
fn chunk_starts(bytes: &[u8]) -> Vec<usize> {
    let mut starts = vec![HEADER_LEN];
    while let Some(&at) = starts.last().filter(|&&at| at < bytes.len()) {
        let length = u32::from_be_bytes(bytes[at + 13..at + 17].try_into().unwrap());
        starts.push(at + CHUNK_HEADER_LEN + length as usize);
    }
    starts
}

#[test]
fn what_was_written_is_read_in_the_same_order() {
    let dir = tempfile::tempdir().unwrap();
    let entries = written(dir.path(), 1, true);
    let back = read_back(dir.path()).unwrap();
    assert_eq!(back.entries, entries);
    assert_eq!(back.tail, Tail::Complete);
    assert_eq!(back.damage, []);
}

#[test]
fn a_torn_tail_costs_only_the_chunk_that_is_torn() {
    let dir = tempfile::tempdir().unwrap();
    let entries = written(dir.path(), 1, true);
    let path = dir.path().join(FILE_NAME);
    let bytes = fs::read(&path).unwrap();
    let starts = chunk_starts(&bytes);
    for cut in (HEADER_LEN..bytes.len()).step_by(7) {
        fs::write(&path, &bytes[..cut]).unwrap();
        let back = read_back(dir.path()).unwrap();
        let whole = starts.iter().filter(|&&start| start <= cut).count() - 1;
        assert_eq!(back.entries, entries[..whole * 11], "cut at {cut}");
        let between = starts.contains(&cut);
        assert_eq!(back.tail, if between { Tail::Unfinished } else { Tail::Torn }, "cut at {cut}");
        assert_eq!(back.damage, [], "cut at {cut}");
    }
}

#[test]
fn zeros_after_a_power_cut_are_a_torn_tail() {
    let dir = tempfile::tempdir().unwrap();
    let entries = written(dir.path(), 1, false);
    let path = dir.path().join(FILE_NAME);
    let mut bytes = fs::read(&path).unwrap();
    bytes.resize(bytes.len() + 5_000, 0);
    fs::write(&path, &bytes).unwrap();
    let back = read_back(dir.path()).unwrap();
    assert_eq!((back.entries, back.tail, back.damage), (entries, Tail::Torn, Vec::new()));
}

#[test]
fn a_damaged_chunk_is_named_and_the_rest_still_read() {
    let dir = tempfile::tempdir().unwrap();
    let entries = written(dir.path(), 1, true);
    let path = dir.path().join(FILE_NAME);
    let mut bytes = fs::read(&path).unwrap();
    let starts = chunk_starts(&bytes);
    bytes[starts[7] + 100] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let back = read_back(dir.path()).unwrap();
    let rest: Vec<Entry> = [&entries[..77], &entries[88..]].concat();
    assert_eq!(back.entries, rest);
    assert_eq!(back.damage[0], Damage { chunk: 7, offset: starts[7] as u64, kind: DamageKind::Altered });
    assert_eq!(back.tail, Tail::Complete);
}

#[test]
fn another_key_opens_nothing() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 1, true);
    let mut journal = Journal::open(dir.path(), &ObjectKey::new([1; 32])).unwrap();
    assert_eq!(journal.next().unwrap(), None);
    assert_eq!(journal.chunks(), 0);
}

/// A small generator with a fixed seed: a failing case stays the same.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

#[test]
fn two_thousand_ways_to_tamper_are_all_found_and_never_believed() {
    let dir = tempfile::tempdir().unwrap();
    let entries = written(dir.path(), 1, true);
    let path = dir.path().join(FILE_NAME);
    let bytes = fs::read(&path).unwrap();
    let chain = read_back(dir.path()).unwrap().chain;
    let other_dir = tempfile::tempdir().unwrap();
    written(other_dir.path(), 1, true);
    let other = fs::read(other_dir.path().join(FILE_NAME)).unwrap();
    let (starts, other_starts) = (chunk_starts(&bytes), chunk_starts(&other));
    let mut seeded = Seeded(42);
    let mut kinds = [0; 8];
    for round in 0..2_000 {
        let kind = round % 8;
        let mut chunks: Vec<&[u8]> = starts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        let last = chunks.len() - 1;
        let (a, b) = (seeded.below(chunks.len()), seeded.below(chunks.len()));
        let mut tampered = None;
        match kind {
            0 => {
                let mut flipped = bytes.clone();
                flipped[seeded.below(bytes.len())] ^= 1 << seeded.below(8);
                tampered = Some(flipped);
            }
            1 => {
                let mut overwritten = bytes.clone();
                let at = seeded.below(bytes.len() - 40);
                overwritten[at..at + 40].iter_mut().for_each(|byte| *byte = byte.wrapping_add(1));
                tampered = Some(overwritten);
            }
            2 => chunks.swap(a, if a == b { (b + 1) % (last + 1) } else { b }),
            3 => {
                chunks.remove(a);
            }
            4 => chunks.insert(b, chunks[a]),
            5 => chunks[a] = &other[other_starts[a]..other_starts[a + 1]],
            6 => tampered = Some(bytes[..seeded.below(bytes.len())].to_vec()),
            _ => chunks.truncate(1 + seeded.below(last)),
        }
        let tampered = tampered.unwrap_or_else(|| [&bytes[..HEADER_LEN], &chunks.concat()].concat());
        fs::write(&path, &tampered).unwrap();
        kinds[kind] += 1;
        let Ok(back) = read_back(dir.path()) else {
            continue;
        };
        let named = !back.damage.is_empty() || back.tail != Tail::Complete;
        assert!(named, "round {round}: nothing was noticed");
        assert!(back.entries.len() <= entries.len(), "round {round}: something came twice");
        assert!(back.entries.iter().all(|entry| entries.contains(entry)), "round {round}: something is false");
        if matches!(kind, 6 | 7) {
            assert_ne!(back.chain, chain, "round {round}: a chain kept elsewhere would not show the cut");
        }
    }
    assert_eq!(kinds, [250; 8]);
}
