//! The Merkle tree of RFC 9162, section 2.1 (the same as RFC 6962's): hashes, roots, and proofs. Pure.
//!
//! [`Frontier`] is all that is needed to append and to give roots: the roots of the perfect subtrees of which the tree
//! is made, one for each 1 in the binary form of its size. Proofs are made over a slice of leaf hashes.

use aws_lc_rs::digest::{SHA256, digest};

/// A SHA-256 value.
pub type Hash = [u8; 32];

/// SHA-256 of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Hash {
    digest(&SHA256, bytes).as_ref().try_into().expect("SHA-256 gives 32 bytes")
}

/// The hash of a leaf: `SHA-256(0x00 || data)`.
#[must_use]
pub fn leaf_hash(data: &[u8]) -> Hash {
    let mut prefixed = Vec::with_capacity(1 + data.len());
    prefixed.push(0);
    prefixed.extend_from_slice(data);
    sha256(&prefixed)
}

/// The hash of an inner node: `SHA-256(0x01 || left || right)`.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [1u8; 65];
    bytes[1..33].copy_from_slice(left);
    bytes[33..].copy_from_slice(right);
    sha256(&bytes)
}

/// Enough of a tree to append to it and to know its root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// Largest subtree first.
    subtrees: Vec<Hash>,
}

impl Frontier {
    /// A tree of `size` leaves from the roots of its perfect subtrees, largest first; `None` if that is not how many
    /// there are.
    #[must_use]
    pub fn from_parts(size: u64, subtrees: Vec<Hash>) -> Option<Self> {
        (subtrees.len() == size.count_ones() as usize).then_some(Self { size, subtrees })
    }

    /// The same from the form of [`Frontier::to_bytes`].
    #[must_use]
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Option<Self> {
        let (hashes, rest) = bytes.as_chunks::<32>();
        if rest.is_empty() { Self::from_parts(size, hashes.to_vec()) } else { None }
    }

    /// The subtrees' roots, one after the other.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.subtrees.concat()
    }

    /// How many leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds the hash of one more leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        for _ in 0..self.size.trailing_ones() {
            let left = self.subtrees.pop().expect("one subtree for each 1 in the size");
            node = node_hash(&left, &node);
        }
        self.subtrees.push(node);
        self.size += 1;
    }

    /// The root; that of an empty tree is the hash of nothing.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut subtrees = self.subtrees.iter().rev();
        match subtrees.next() {
            None => sha256(b""),
            Some(smallest) => subtrees.fold(*smallest, |right, left| node_hash(left, &right)),
        }
    }
}

/// The root over `leaves`.
#[must_use]
pub fn root(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    frontier.root()
}

/// The largest power of two smaller than `n` (which is at least 2).
fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

/// The hashes that lead from leaf `index` to the root over `leaves` (RFC 9162, 2.1.3.1); `None` if there is no such leaf.
#[must_use]
pub fn inclusion_proof(index: u64, leaves: &[Hash]) -> Option<Vec<Hash>> {
    if index >= leaves.len() as u64 {
        return None;
    }
    let mut path = Vec::new();
    let (mut index, mut leaves) = (index, leaves);
    while leaves.len() > 1 {
        let (left, right) = leaves.split_at(split(leaves.len() as u64) as usize);
        if index < left.len() as u64 {
            path.push(root(right));
            leaves = left;
        } else {
            path.push(root(left));
            index -= left.len() as u64;
            leaves = right;
        }
    }
    path.reverse();
    Some(path)
}

/// Whether `path` shows that `leaf` stands at `index` in the tree of `size` leaves with this root (RFC 9162, 2.1.3.2).
#[must_use]
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// What shows that the tree over the first `old` leaves is the beginning of that over all (RFC 9162, 2.1.4.1); `None` if
/// `old` is 0 or more than there are.
#[must_use]
pub fn consistency_proof(old: u64, leaves: &[Hash]) -> Option<Vec<Hash>> {
    if old == 0 || old > leaves.len() as u64 {
        return None;
    }
    let mut proof = Vec::new();
    let (mut old, mut leaves, mut whole) = (old, leaves, true);
    while old != leaves.len() as u64 {
        let (left, right) = leaves.split_at(split(leaves.len() as u64) as usize);
        if old <= left.len() as u64 {
            proof.push(root(right));
            leaves = left;
        } else {
            proof.push(root(left));
            old -= left.len() as u64;
            leaves = right;
            whole = false;
        }
    }
    if !whole {
        proof.push(root(leaves));
    }
    proof.reverse();
    Some(proof)
}

/// Whether `proof` shows that the tree of `old` leaves with `old_root` is the beginning of that of `new` leaves with
/// `new_root` (RFC 9162, 2.1.4.2). An empty tree is the beginning of every other, without a proof.
#[must_use]
pub fn verify_consistency(old: u64, old_root: &Hash, new: u64, new_root: &Hash, proof: &[Hash]) -> bool {
    if old > new {
        return false;
    }
    if old == 0 {
        return proof.is_empty() && *old_root == sha256(b"");
    }
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    let mut hashes = proof.iter();
    let first = if old.is_power_of_two() { Some(old_root) } else { hashes.next() };
    let Some(first) = first else { return false };
    let (mut at, mut last) = (old - 1, new - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let (mut from_old, mut from_new) = (*first, *first);
    for hash in hashes {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            from_old = node_hash(hash, &from_old);
            from_new = node_hash(hash, &from_new);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            from_new = node_hash(&from_new, hash);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && from_old == *old_root && from_new == *new_root
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 9162, 2.1.1, word by word.
    fn naive_root(leaves: &[Vec<u8>]) -> Hash {
        match leaves {
            [] => sha256(b""),
            [one] => leaf_hash(one),
            many => {
                let mut k = 1;
                while k * 2 < many.len() {
                    k *= 2;
                }
                node_hash(&naive_root(&many[..k]), &naive_root(&many[k..]))
            }
        }
    }

    #[test]
    fn nothing_is_the_beginning_of_everything_and_a_tree_that_of_itself() {
        let (empty, one, two) = (sha256(b""), leaf_hash(b"1"), leaf_hash(b"2"));
        assert!(verify_consistency(0, &empty, 3, &one, &[]));
        assert!(!verify_consistency(0, &one, 3, &one, &[]), "the root of nothing is another");
        assert!(!verify_consistency(0, &empty, 3, &one, &[two]), "a proof of nothing");
        assert!(verify_consistency(3, &one, 3, &one, &[]));
        assert!(!verify_consistency(3, &one, 3, &two, &[]), "two trees of one size");
        assert!(!verify_consistency(3, &one, 3, &one, &[two]), "a proof where none is needed");
        assert!(!verify_consistency(4, &one, 3, &one, &[]), "larger than the whole");
    }

    /// The leaves and roots of the tests of the certificate-transparency project.
    const LEAVES: [&str; 8] =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    #[test]
    fn the_known_leaves_give_the_known_roots() {
        let mut frontier = Frontier::default();
        assert_eq!(hex::encode(frontier.root()), ROOTS[0]);
        for (leaf, expected) in LEAVES.iter().zip(&ROOTS[1..]) {
            frontier.push(leaf_hash(&hex::decode(leaf).unwrap()));
            assert_eq!(hex::encode(frontier.root()), *expected);
        }
    }

    #[test]
    fn a_frontier_of_the_wrong_shape_is_refused() {
        assert!(Frontier::from_bytes(3, &[0; 64]).is_some());
        assert!(Frontier::from_bytes(3, &[0; 32]).is_none());
        assert!(Frontier::from_bytes(1, &[0; 33]).is_none());
    }

    fn leaves() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 0..70)
    }

    proptest! {
        #[test]
        fn the_root_is_the_naive_one_also_after_a_restart(data in leaves(), at in any::<prop::sample::Index>()) {
            let hashes: Vec<Hash> = data.iter().map(|leaf| leaf_hash(leaf)).collect();
            prop_assert_eq!(root(&hashes), naive_root(&data));
            let (before, after) = hashes.split_at(at.index(hashes.len() + 1));
            let mut frontier = Frontier::default();
            before.iter().for_each(|leaf| frontier.push(*leaf));
            let mut again = Frontier::from_bytes(frontier.size(), &frontier.to_bytes()).unwrap();
            after.iter().for_each(|leaf| again.push(*leaf));
            prop_assert_eq!(again.root(), naive_root(&data));
        }

        #[test]
        fn every_leaf_has_a_proof_that_fits_nowhere_else(data in leaves(), other in 0u64..80, flip in any::<prop::sample::Index>()) {
            let hashes: Vec<Hash> = data.iter().map(|leaf| leaf_hash(leaf)).collect();
            let (size, top) = (hashes.len() as u64, root(&hashes));
            for index in 0..size {
                let path = inclusion_proof(index, &hashes).unwrap();
                let leaf = &hashes[index as usize];
                prop_assert!(verify_inclusion(leaf, index, size, &path, &top));
                if other != index && other < size {
                    prop_assert!(!verify_inclusion(leaf, other, size, &path, &top) || hashes[other as usize] == *leaf);
                }
                if !path.is_empty() {
                    let mut bent = path.clone();
                    bent[flip.index(path.len())][0] ^= 1;
                    prop_assert!(!verify_inclusion(leaf, index, size, &bent, &top));
                    prop_assert!(!verify_inclusion(leaf, index, size, &path[1..], &top));
                }
            }
            prop_assert_eq!(inclusion_proof(size, &hashes), None);
        }

        #[test]
        fn every_beginning_is_proved_and_no_other(data in leaves(), flip in any::<prop::sample::Index>()) {
            let hashes: Vec<Hash> = data.iter().map(|leaf| leaf_hash(leaf)).collect();
            let (size, top) = (hashes.len() as u64, root(&hashes));
            for old in 1..=size {
                let proof = consistency_proof(old, &hashes).unwrap();
                let old_root = root(&hashes[..old as usize]);
                prop_assert!(verify_consistency(old, &old_root, size, &top, &proof));
                let mut other = old_root;
                other[31] ^= 1;
                prop_assert!(!verify_consistency(old, &other, size, &top, &proof));
                if !proof.is_empty() {
                    let mut bent = proof.clone();
                    bent[flip.index(proof.len())][0] ^= 1;
                    prop_assert!(!verify_consistency(old, &old_root, size, &top, &bent));
                    prop_assert!(!verify_consistency(old, &old_root, size, &top, &proof[..proof.len() - 1]));
                }
            }
            prop_assert_eq!(consistency_proof(size + 1, &hashes), None);
        }
    }
}
