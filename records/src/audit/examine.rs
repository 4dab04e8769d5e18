//! The verifier: seals and rows in, in order; out, which rows are not what was sealed. Pure, in constant memory.
//!
//! For each seal: [`Examiner::begin`], then [`Examiner::row`] for every row whose key is at most that of the seal's last
//! leaf, in order, then [`Examiner::end`]. At last [`Examiner::finish`]. Rows and leaves are merged by their key, so one
//! row more or less does not shift what comes after it.

use std::collections::BTreeMap;

use super::checkpoint::{Checkpoint, VerifyingKey};
use super::findings::{Fault, Report};
use super::leaves::{self, Key, Leaf};
use super::tree::{Frontier, Hash};

/// Rows that are remembered in order to tell a moved one from one that was removed and another that was inserted.
const REMEMBERED: usize = 20_000;
/// Rows that are remembered in order to prove them where their seal is gone or was changed.
const SEEN: usize = 200_000;

/// A stretch of time, in microseconds since 1970, whose rows were dropped after their retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// From.
    pub from: i64,
    /// Before.
    pub to: i64,
}

/// One seal, as it is stored or exported.
#[derive(Debug, Clone, Copy)]
pub struct Seal<'a> {
    /// Leaves before it.
    pub first: u64,
    /// Its leaves, packed.
    pub leaves: &'a [u8],
    /// The key of its last leaf, as it is stored beside them.
    pub last: Option<Key>,
    /// The tree's subtrees after it.
    pub frontier: &'a [u8],
    /// The signed note.
    pub checkpoint: &'a str,
    /// The same note as it was kept outside the database, if it was.
    pub witness: Option<&'a str>,
    /// Positions of leaves whose rows are not there on purpose.
    pub hidden: &'a [bool],
    /// Whether the signature is checked even if both copies of the note are the same. The last one's covers all before.
    pub prove: bool,
}

/// Where an examination begins.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// The tree before the first seal.
    pub frontier: Frontier,
    /// The chain over the index before the first seal.
    pub index: Hash,
}

/// See the module.
pub struct Examiner {
    key: VerifyingKey,
    dropped: Vec<Dropped>,
    frontier: Frontier,
    index: Hash,
    last_key: Option<Key>,
    batch: Batch,
    missing: BTreeMap<i64, Leaf>,
    missing_at: BTreeMap<i64, u64>,
    extra: BTreeMap<i64, Leaf>,
    report: Report,
}

/// The seal at hand.
#[derive(Default)]
struct Batch {
    leaves: Vec<Leaf>,
    /// The next leaf that no row was seen for.
    next: usize,
    /// What the rows give, and for hidden ones what the seal says.
    seen: Vec<Leaf>,
    /// Positions whose row differs.
    edited: Vec<usize>,
    missing: Vec<usize>,
    extra: Vec<Leaf>,
    hidden: Vec<bool>,
    dropped: u64,
    /// What was signed.
    said: Option<Checkpoint>,
    /// The tree and the index after its leaves, if they are what was signed.
    proved: Option<(Frontier, Hash)>,
}

impl Examiner {
    /// An examination of a log whose checkpoints `key` signed.
    #[must_use]
    pub fn new(key: VerifyingKey, start: Start, dropped: Vec<Dropped>) -> Self {
        Self {
            key,
            dropped,
            frontier: start.frontier,
            index: start.index,
            last_key: None,
            batch: Batch::default(),
            missing: BTreeMap::new(),
            missing_at: BTreeMap::new(),
            extra: BTreeMap::new(),
            report: Report::default(),
        }
    }

    /// Leaves that were gone through.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Takes up a seal; gives the key up to which rows belong to it.
    pub fn begin(&mut self, seal: &Seal<'_>) -> Option<Key> {
        let leaves = leaves::unpack(seal.leaves).unwrap_or_default();
        let mut hidden = seal.hidden.to_vec();
        hidden.resize(leaves.len(), false);
        let said = self.checkpoint(seal);
        let is_sorted = leaves.is_sorted_by(|a, b| a.key < b.key)
            && leaves.first().is_none_or(|first| self.last_key.is_none_or(|last| last < first.key));
        let proved = said.as_ref().filter(|_| is_sorted).and_then(|said| self.fits(&leaves, said));
        // Where the leaves are not what was signed, their keys may not be either.
        let end = leaves.iter().map(|leaf| leaf.key).max();
        let to = if proved.is_some() { end } else { seal.last.or(end) };
        self.batch = Batch { leaves, hidden, said, proved, ..Batch::default() };
        to
    }

    /// A row of the seal at hand, or one that came before and has no leaf.
    pub fn row(&mut self, row: Leaf) {
        self.report.rows += 1;
        self.skip_to(row.key);
        let batch = &mut self.batch;
        if batch.seen.len() < SEEN {
            batch.seen.push(row);
        }
        match batch.leaves.get(batch.next) {
            Some(leaf) if leaf.key == row.key => {
                if leaf.hash != row.hash || leaf.at != row.at {
                    batch.edited.push(batch.next);
                }
                batch.next += 1;
            }
            _ => batch.extra.push(row),
        }
    }

    /// Leaves before `key` have no row.
    fn skip_to(&mut self, key: Key) {
        while self.batch.leaves.get(self.batch.next).is_some_and(|leaf| leaf.key < key) {
            self.skip();
        }
    }

    fn skip(&mut self) {
        let batch = &mut self.batch;
        let leaf = batch.leaves[batch.next];
        if batch.hidden[batch.next] {
            self.report.hidden += 1;
            batch.seen.push(leaf);
        } else if self.dropped.iter().any(|gap| (gap.from..gap.to).contains(&leaf.at)) {
            batch.dropped += 1;
            batch.seen.push(leaf);
        } else {
            batch.missing.push(batch.next);
        }
        batch.next += 1;
    }

    /// Closes the seal at hand.
    pub fn end(&mut self, seal: &Seal<'_>) {
        while self.batch.next < self.batch.leaves.len() {
            self.skip();
        }
        let mut batch = std::mem::take(&mut self.batch);
        if let Some((frontier, index)) = batch.proved.take() {
            self.settle(frontier, index, batch.leaves.last());
            self.report.dropped += batch.dropped;
            return self.judge(seal.first, &batch);
        }
        let are_gone = seal.first > self.frontier.size();
        if are_gone {
            self.report.push(Fault::SealsMissing { from: self.frontier.size(), to: seal.first });
        }
        // Rows may still prove themselves: those of this seal, and those of the seals before it that are gone.
        let seen = if are_gone { batch.seen.clone() } else { batch.rows_alone() };
        if let Some(said) = &batch.said
            && seen.is_sorted_by(|a, b| a.key < b.key)
            && let Some((frontier, index)) = self.fits(&seen, said)
        {
            if !are_gone {
                self.report.push(Fault::SealAltered { first: seal.first, what: "the list of its leaves" });
            }
            self.settle(frontier, index, seen.last());
            self.report.dropped += batch.dropped;
            return;
        }
        if are_gone {
            let begin = batch.leaves.first().map(|leaf| leaf.key);
            batch.extra.retain(|row| begin.is_some_and(|begin| row.key > begin));
        }
        self.lost(seal, &batch);
    }

    /// The rows with a gap in the sealed order are told apart, and the examination is over.
    #[must_use]
    pub fn finish(mut self) -> Report {
        for (seq, row) in std::mem::take(&mut self.extra) {
            if let Some(leaf) = self.missing.remove(&seq) {
                let index = self.missing_at[&seq];
                self.report.push(Fault::Moved { index, seq, at: leaf.at });
            } else {
                self.report.push(Fault::Inserted { seq, at: row.at });
            }
        }
        for (seq, leaf) in std::mem::take(&mut self.missing) {
            self.report.push(Fault::Removed { index: self.missing_at[&seq], seq, at: leaf.at });
        }
        self.report.sealed = self.frontier.size();
        self.report.root = self.frontier.root();
        self.report
    }

    /// A row that stands at another place among those of its seal.
    pub fn displaced(&mut self, index: u64, row: &Leaf) {
        self.report.push(Fault::Moved { index, seq: row.key.seq, at: row.at });
    }

    /// A checkpoint outside of the database for which there is no seal.
    pub fn unknown_witness(&mut self, size: u64) {
        self.report.push(Fault::CheckpointWithoutSeal { size });
    }

    /// A checkpoint outside of the database is damaged or gone.
    pub fn witness_altered(&mut self, size: u64) {
        self.report.push(Fault::WitnessAltered { size });
    }

    /// A sealed tree larger than what there is.
    pub fn truncated(&mut self, sealed: &Checkpoint) {
        let (size, time) = (self.frontier.size(), sealed.time);
        self.report.push(Fault::Truncated { size, sealed: sealed.size, time });
    }

    /// A row after the last seal.
    pub fn unsealed(&mut self) {
        self.report.unsealed += 1;
    }

    /// What the checkpoint says that the seal ends with: the signed one, wherever it was kept.
    fn checkpoint(&mut self, seal: &Seal<'_>) -> Option<Checkpoint> {
        let first = seal.first;
        if !seal.prove && seal.witness.is_some_and(|witness| witness == seal.checkpoint) {
            return Checkpoint::read(seal.checkpoint).ok();
        }
        let here = Checkpoint::open(seal.checkpoint, &self.key);
        let there = seal.witness.map(|witness| Checkpoint::open(witness, &self.key));
        match (here, there) {
            (Ok(here), None) => Some(here),
            (Ok(here), Some(Ok(there))) if here == there => Some(here),
            (Ok(_), Some(Ok(there))) => {
                self.report.push(Fault::Forked { size: there.size });
                Some(there)
            }
            (Ok(here), Some(Err(_))) => {
                self.report.push(Fault::WitnessAltered { size: here.size });
                Some(here)
            }
            (Err(_), Some(Ok(there))) => {
                self.report.push(Fault::SealAltered { first, what: "its checkpoint" });
                Some(there)
            }
            (Err(error), _) => {
                self.report.push(Fault::CheckpointUnsigned { first, why: error.to_string() });
                None
            }
        }
    }

    fn fits(&self, leaves: &[Leaf], said: &Checkpoint) -> Option<(Frontier, Hash)> {
        let mut frontier = self.frontier.clone();
        leaves.iter().for_each(|leaf| frontier.push(leaf.hash));
        let index = leaves::chain(&self.index, &leaves::pack(leaves));
        (frontier.size() == said.size && frontier.root() == said.root && index == said.index)
            .then_some((frontier, index))
    }

    fn settle(&mut self, frontier: Frontier, index: Hash, last: Option<&Leaf>) {
        self.frontier = frontier;
        self.index = index;
        self.last_key = last.map(|leaf| leaf.key).or(self.last_key);
    }

    /// Where the leaves are proved, whatever differs is the row.
    fn judge(&mut self, first: u64, batch: &Batch) {
        for &position in &batch.edited {
            let leaf = batch.leaves[position];
            let index = first + position as u64;
            self.report.push(Fault::Edited { index, seq: leaf.key.seq, at: leaf.at });
        }
        for &position in &batch.missing {
            let leaf = batch.leaves[position];
            let index = first + position as u64;
            if self.missing.len() < REMEMBERED {
                self.missing.insert(leaf.key.seq, leaf);
                self.missing_at.insert(leaf.key.seq, index);
            } else {
                self.report.push(Fault::Removed { index, seq: leaf.key.seq, at: leaf.at });
            }
        }
        self.note_extra(&batch.extra);
    }

    fn note_extra(&mut self, extra: &[Leaf]) {
        for row in extra {
            if self.extra.len() < REMEMBERED && !self.extra.contains_key(&row.key.seq) {
                self.extra.insert(row.key.seq, *row);
            } else {
                self.report.push(Fault::Inserted { seq: row.key.seq, at: row.at });
            }
        }
    }

    /// Neither what the seal says nor what the rows say is what was signed: rows that differ are named, else the stretch.
    fn lost(&mut self, seal: &Seal<'_>, batch: &Batch) {
        let named = batch.edited.len() + batch.missing.len() + batch.extra.len();
        self.report.dropped += batch.dropped;
        self.judge(seal.first, batch);
        let times = || batch.leaves.iter().chain(&batch.seen).map(|leaf| leaf.at);
        let seqs = || batch.leaves.iter().chain(&batch.seen).map(|leaf| leaf.key.seq);
        self.report.push(Fault::StretchAltered {
            first: seal.first,
            seqs: (seqs().min().unwrap_or(0), seqs().max().unwrap_or(0)),
            times: (times().min().unwrap_or(0), times().max().unwrap_or(0)),
            named,
        });
        // Go on behind it, where the stored subtrees are proved by the signed root.
        if let Some(said) = &batch.said
            && let Some(frontier) = Frontier::from_bytes(said.size, seal.frontier)
            && frontier.root() == said.root
        {
            let last = batch.leaves.iter().max_by_key(|leaf| leaf.key);
            self.settle(frontier, said.index, last);
        }
    }
}

impl Batch {
    /// What the rows say, and for leaves whose rows are not there on purpose, the leaves.
    fn rows_alone(&self) -> Vec<Leaf> {
        if self.seen.is_sorted_by(|a, b| a.key < b.key) {
            return self.seen.clone();
        }
        let mut seen = self.seen.clone();
        seen.sort_by_key(|leaf| leaf.key);
        seen
    }
}
