//! The tree over a miner's receipts of a period (RFC 9162's shape, with BLAKE3 and our names).
//!
//! Leaves are receipts in the order of their numbers, without gaps. The left half of a tree of
//! `n` leaves is the largest power of two below `n`.

use crate::Digest;
use crate::signed::{Payload, Receipt};
use alloc::vec::Vec;

/// Most receipts of a period.
pub const MAX_RECEIPTS: u32 = 1 << 20;
/// Longest path in a tree of [`MAX_RECEIPTS`].
pub const MAX_PATH: u32 = 20;

fn leaf(receipt: &Receipt, genesis: &Digest) -> Digest {
    *blake3::Hasher::new_derive_key("cyborg receipt leaf v1")
        .update(&receipt.payload(genesis))
        .finalize()
        .as_bytes()
}

fn node(left: &Digest, right: &Digest) -> Digest {
    *blake3::Hasher::new_derive_key("cyborg receipt node v1").update(left).update(right).finalize().as_bytes()
}

/// Leaves in the left subtree of a tree of `count` leaves; `count` is at least 2.
fn left_leaves(count: usize) -> usize {
    count.next_power_of_two() / 2
}

/// The root of receipts; `None` if there are none.
#[must_use]
pub fn root(receipts: &[Receipt], genesis: &Digest) -> Option<Digest> {
    match receipts {
        [] => None,
        [receipt] => Some(leaf(receipt, genesis)),
        more => {
            let (left, right) = more.split_at(left_leaves(more.len()));
            Some(node(&root(left, genesis)?, &root(right, genesis)?))
        }
    }
}

/// The siblings of a leaf, from the leaf up; `None` if the index is out of range.
#[must_use]
pub fn path(receipts: &[Receipt], index: usize, genesis: &Digest) -> Option<Vec<Digest>> {
    if index >= receipts.len() {
        return None;
    }
    if receipts.len() == 1 {
        return Some(Vec::new());
    }
    let (left, right) = receipts.split_at(left_leaves(receipts.len()));
    let (mut siblings, other) = if index < left.len() {
        (path(left, index, genesis)?, right)
    } else {
        (path(right, index - left.len(), genesis)?, left)
    };
    siblings.push(root(other, genesis)?);
    Some(siblings)
}

/// Whether a receipt is the leaf at an index of a tree of `count` leaves with this root.
#[must_use]
pub fn opens(
    root: &Digest,
    count: u32,
    index: u32,
    receipt: &Receipt,
    path: &[Digest],
    genesis: &Digest,
) -> bool {
    fn climb(count: usize, index: usize, leaf: Digest, path: &[Digest]) -> Option<Digest> {
        if count == 1 {
            return path.is_empty().then_some(leaf);
        }
        let (sibling, below) = path.split_last()?;
        let left = left_leaves(count);
        Some(if index < left {
            node(&climb(left, index, leaf, below)?, sibling)
        } else {
            node(sibling, &climb(count - left, index - left, leaf, below)?)
        })
    }
    index < count
        && count <= MAX_RECEIPTS
        && climb(count as usize, index as usize, leaf(receipt, genesis), path) == Some(*root)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn receipts(count: u64) -> Vec<Receipt> {
        (1..=count)
            .map(|number| Receipt { task: 7, miner: [1; 32], number, input: [2; 32], output: [3; 32] })
            .collect()
    }

    #[test]
    fn every_leaf_opens_and_nothing_else_does() {
        let genesis = [9; 32];
        for count in 1..20 {
            let all = receipts(count);
            let root = root(&all, &genesis).unwrap();
            for (index, receipt) in all.iter().enumerate() {
                let path = path(&all, index, &genesis).unwrap();
                let opens = |count, index, receipt: &Receipt, path: &[Digest], genesis| {
                    opens(&root, count, index, receipt, path, genesis)
                };
                let (count, index) = (count as u32, index as u32);
                assert!(opens(count, index, receipt, &path, &genesis));
                assert!(!opens(count, index, &Receipt { output: [4; 32], ..*receipt }, &path, &genesis));
                assert!(!opens(count, index, receipt, &path, &[8; 32]));
                assert!(!opens(count, count, receipt, &path, &genesis));
                for other in (0..count).filter(|other| *other != index) {
                    assert!(!opens(count, other, receipt, &path, &genesis), "{count} {index} {other}");
                }
                let mut longer = path.clone();
                longer.push([0; 32]);
                assert!(!opens(count, index, receipt, &longer, &genesis));
                if let Some((_, shorter)) = path.split_last() {
                    assert!(!opens(count, index, receipt, shorter, &genesis));
                }
            }
            assert!(path(&all, count as usize, &genesis).is_none());
        }
        assert!(super::root(&[], &genesis).is_none());
    }

    #[test]
    fn the_longest_path_fits() {
        assert_eq!(1_u32 << MAX_PATH, MAX_RECEIPTS);
    }
}
