//! What an examination of the log found, in words. Pure.

use std::fmt;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::tree::Hash;

/// Faults that are kept; more are counted.
pub const KEPT: usize = 1_000;

/// Something that is not as it was sealed. `index` is the place in the tree, `at` microseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A row says something else now.
    Edited {
        /// Place.
        index: u64,
        /// Row.
        seq: i64,
        /// When it was.
        at: i64,
    },
    /// A row is gone.
    Removed {
        /// Place.
        index: u64,
        /// Row.
        seq: i64,
        /// When it was.
        at: i64,
    },
    /// A row was put between or before sealed ones.
    Inserted {
        /// Row.
        seq: i64,
        /// When it claims to have been.
        at: i64,
    },
    /// A row stands at another place of the order.
    Moved {
        /// Its place.
        index: u64,
        /// Row.
        seq: i64,
        /// When it was.
        at: i64,
    },
    /// The end of the log is gone, seals and all.
    Truncated {
        /// Leaves there are.
        size: u64,
        /// Leaves there were.
        sealed: u64,
        /// When that was signed.
        time: i64,
    },
    /// Rows are as they were signed, but what is stored about them is not.
    SealAltered {
        /// First leaf of the seal.
        first: u64,
        /// Which part.
        what: &'static str,
    },
    /// Seals are gone.
    SealsMissing {
        /// From this leaf.
        from: u64,
        /// To before this leaf.
        to: u64,
    },
    /// Rows and seal were both changed; which rows, nothing tells for certain.
    StretchAltered {
        /// First leaf of the seal.
        first: u64,
        /// Lowest and highest row.
        seqs: (i64, i64),
        /// Earliest and latest.
        times: (i64, i64),
        /// Rows of it that are named by themselves.
        named: usize,
    },
    /// A checkpoint that nobody signed.
    CheckpointUnsigned {
        /// First leaf of the seal.
        first: u64,
        /// Why it does not count.
        why: String,
    },
    /// Two checkpoints of the same size, both signed, say different things.
    Forked {
        /// Leaves.
        size: u64,
    },
    /// The copy outside the database is damaged.
    WitnessAltered {
        /// Leaves.
        size: u64,
    },
    /// The copy outside the database has a checkpoint that the database lacks.
    CheckpointWithoutSeal {
        /// Leaves.
        size: u64,
    },
    /// A restore was accepted, but the checkpoints that were set aside then are gone.
    AsideMissing(GivenUp),
    /// Checkpoints were set aside, but the log does not know that a restore was accepted.
    AsideUnlogged(GivenUp),
    /// An export is not as it was signed.
    FileAltered {
        /// What is wrong.
        what: String,
    },
}

impl Fault {
    /// The row that it names.
    #[must_use]
    pub fn seq(&self) -> Option<i64> {
        match *self {
            Self::Edited { seq, .. }
            | Self::Removed { seq, .. }
            | Self::Inserted { seq, .. }
            | Self::Moved { seq, .. } => Some(seq),
            _ => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edited { index, seq, at } => write!(f, "EDITED    row {seq} of {}, leaf {index}", moment(*at)),
            Self::Removed { index, seq, at } => write!(f, "REMOVED   row {seq} of {}, leaf {index}", moment(*at)),
            Self::Inserted { seq, at } => write!(f, "INSERTED  row {seq} that claims to be of {}", moment(*at)),
            Self::Moved { index, seq, at } => write!(f, "REORDERED row {seq} of {}, leaf {index}", moment(*at)),
            Self::Truncated { size, sealed, time } => write!(
                f,
                "TRUNCATED {} of {sealed} leaves that were signed at {} are gone, from leaf {size} on",
                sealed - size,
                moment(*time)
            ),
            Self::SealAltered { first, what } => {
                write!(
                    f,
                    "SEAL      the seal from leaf {first} on was changed ({what}); its rows are as they were signed"
                )
            }
            Self::SealsMissing { from, to } => {
                write!(f, "SEAL      the seals of leaves {from} to before {to} are gone")
            }
            Self::StretchAltered { first, seqs, times, named } => write!(
                f,
                "ALTERED   rows {} to {} ({} to {}, seal from leaf {first} on) are not what was signed; {named} of them differ from their seal",
                seqs.0,
                seqs.1,
                moment(times.0),
                moment(times.1)
            ),
            Self::CheckpointUnsigned { first, why } => write!(f, "UNSIGNED  the seal from leaf {first} on: {why}"),
            Self::Forked { size } => write!(f, "FORKED    two different checkpoints of {size} leaves are signed"),
            Self::WitnessAltered { size } => {
                write!(f, "WITNESS   the copy outside the database of the checkpoint of {size} leaves was changed")
            }
            Self::CheckpointWithoutSeal { size } => {
                write!(f, "SEAL      the database has no seal for the signed checkpoint of {size} leaves")
            }
            Self::AsideMissing(GivenUp { from, to }) => {
                write!(f, "RESTORED  the checkpoints of leaves {from} to {to} that were set aside are gone")
            }
            Self::AsideUnlogged(GivenUp { from, to }) => {
                write!(
                    f,
                    "RESTORED  the checkpoints of leaves {from} to {to} were set aside, and the log does not say so"
                )
            }
            Self::FileAltered { what } => write!(f, "FILE      the export is not as it was signed: {what}"),
        }
    }
}

fn moment(micros: i64) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000)
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_else(|| "an impossible time".to_owned())
}

/// Leaves that were signed and are no more, since the database was put back from a backup and an operator accepted that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GivenUp {
    /// Leaves that were left.
    pub from: u64,
    /// Leaves that had been signed.
    pub to: u64,
}

/// The outcome of an examination.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Leaves in the tree.
    pub sealed: u64,
    /// Its root.
    pub root: Hash,
    /// Rows that were read and hashed.
    pub rows: u64,
    /// Rows after the last seal.
    pub unsealed: u64,
    /// Leaves whose rows were dropped after their retention.
    pub dropped: u64,
    /// Leaves whose rows an export left out on purpose.
    pub hidden: u64,
    /// Restores that were accepted: no faults, but whoever compares with checkpoints kept elsewhere has to know.
    pub given_up: Vec<GivenUp>,
    /// What is wrong, the first [`KEPT`].
    pub faults: Vec<Fault>,
    /// How much is wrong.
    pub count: u64,
}

impl Report {
    pub(crate) fn push(&mut self, fault: Fault) {
        self.count += 1;
        if self.faults.len() < KEPT {
            self.faults.push(fault);
        }
    }

    /// Whether everything is as it was sealed.
    #[must_use]
    pub fn intact(&self) -> bool {
        self.count == 0
    }
}
