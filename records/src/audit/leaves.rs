//! The index of the tree: beside each leaf's hash, which row it is and where that row stands in the order of sealing. Pure.
//!
//! A leaf is 56 bytes: `xid` (8, big endian), `seq` (8), `at` (8, microseconds since 1970), hash (32). Batches of them are
//! chained: `index(n) = SHA-256(index(n-1) || leaves of batch n)`, beginning with 32 zero bytes; checkpoints sign it.

use super::tree::{Hash, sha256};

/// Bytes of a packed leaf.
pub const LEAF_BYTES: usize = 56;

/// Where a row stands in the order of sealing: by transaction, then by sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The transaction that wrote it.
    pub xid: u64,
    /// Its sequence number.
    pub seq: i64,
}

/// One leaf of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    /// Its place.
    pub key: Key,
    /// When what it tells happened, microseconds since 1970.
    pub at: i64,
    /// The hash of its row.
    pub hash: Hash,
}

impl Leaf {
    /// Adds its 56 bytes to `out`.
    pub fn pack(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.key.xid.to_be_bytes());
        out.extend_from_slice(&self.key.seq.to_be_bytes());
        out.extend_from_slice(&self.at.to_be_bytes());
        out.extend_from_slice(&self.hash);
    }

    fn unpack(bytes: &[u8; LEAF_BYTES]) -> Self {
        let number = |from: usize| <[u8; 8]>::try_from(&bytes[from..from + 8]).expect("8 bytes");
        Self {
            key: Key { xid: u64::from_be_bytes(number(0)), seq: i64::from_be_bytes(number(8)) },
            at: i64::from_be_bytes(number(16)),
            hash: bytes[24..].try_into().expect("32 bytes"),
        }
    }
}

/// All leaves, packed.
#[must_use]
pub fn pack(leaves: &[Leaf]) -> Vec<u8> {
    let mut out = Vec::with_capacity(leaves.len() * LEAF_BYTES);
    leaves.iter().for_each(|leaf| leaf.pack(&mut out));
    out
}

/// The leaves of a batch; `None` if these are not whole leaves.
#[must_use]
pub fn unpack(bytes: &[u8]) -> Option<Vec<Leaf>> {
    let (leaves, rest) = bytes.as_chunks::<LEAF_BYTES>();
    rest.is_empty().then(|| leaves.iter().map(Leaf::unpack).collect())
}

/// The next link of the chain over the index.
#[must_use]
pub fn chain(before: &Hash, packed: &[u8]) -> Hash {
    let mut bytes = before.to_vec();
    bytes.extend_from_slice(packed);
    sha256(&bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn leaves_survive_packing(all in prop::collection::vec((any::<u64>(), any::<i64>(), any::<i64>(), any::<Hash>()), 0..5)) {
            let leaves: Vec<Leaf> = all.into_iter().map(|(xid, seq, at, hash)| Leaf { key: Key { xid, seq }, at, hash }).collect();
            let packed = pack(&leaves);
            prop_assert_eq!(packed.len(), leaves.len() * LEAF_BYTES);
            prop_assert_eq!(unpack(&packed), Some(leaves));
            if !packed.is_empty() {
                prop_assert_eq!(unpack(&packed[1..]), None);
            }
        }
    }
}
