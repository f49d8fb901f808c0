//! The Merkle tree of RFC 9162 over the records, each behind the leaf before it: roots as the log grows, proofs from a read of it.
//!
//! Nothing here holds the leaves. A [`Frontier`] is the at most 64 perfect subtrees of a growing tree; a proof is the root
//! of a few ranges of leaves, each hashed by a frontier of its own in one pass.

use crate::hash::Digest;
use core::ops::Range;
use serde::{Deserialize, Serialize};

/// A growing tree, as the roots of its perfect subtrees, the largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frontier {
    leaves: u64,
    peaks: Vec<Digest>,
}

/// The hashes of a proof, computed in one pass over the leaves.
#[derive(Debug)]
pub(crate) struct ProofBuilder {
    /// In the order of the proof.
    parts: Vec<(Range<u64>, Frontier)>,
}

// === impl Frontier ===

impl Frontier {
    /// How many leaves it has.
    pub fn leaves(&self) -> u64 {
        self.leaves
    }

    /// Whether there are as many subtrees as a tree of so many leaves has. Their hashes are anyone's word.
    pub(crate) fn is_sound(&self) -> bool {
        usize::try_from(self.leaves.count_ones()).is_ok_and(|peaks| peaks == self.peaks.len())
    }

    /// Adds a leaf.
    pub(crate) fn push(&mut self, leaf: Digest) {
        let mut hash = leaf;
        for _ in 0..self.leaves.trailing_ones() {
            let Some(left) = self.peaks.pop() else { break };
            hash = Digest::node(&left, &hash);
        }
        self.peaks.push(hash);
        self.leaves = self.leaves.saturating_add(1);
    }

    /// The root; of no leaves, the hash of nothing.
    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return Digest::of_bytes(&[]) };
        peaks.fold(*last, |right, left| Digest::node(left, &right))
    }
}

// === impl ProofBuilder ===

impl ProofBuilder {
    /// Of the path from leaf `index` to the root of a tree of `size` leaves; none if it has no such leaf.
    pub(crate) fn inclusion(index: u64, size: u64) -> Option<Self> {
        if index >= size {
            return None;
        }
        let (mut low, mut high, mut ranges) = (0, size, Vec::new());
        while high - low > 1 {
            let middle = low + split(high - low);
            if index < middle {
                ranges.push(middle..high);
                high = middle;
            } else {
                ranges.push(low..middle);
                low = middle;
            }
        }
        Some(Self::of(ranges))
    }

    /// Of the proof that a tree of `new` leaves begins with one of `old`; none if it is smaller.
    pub(crate) fn consistency(old: u64, new: u64) -> Option<Self> {
        if old > new {
            return None;
        }
        let (mut low, mut high, mut ranges) = (0, new, Vec::new());
        if old == 0 {
            return Some(Self::of(ranges));
        }
        while high != old {
            let middle = low + split(high - low);
            if old <= middle {
                ranges.push(middle..high);
                high = middle;
            } else {
                ranges.push(low..middle);
                low = middle;
            }
        }
        // The old tree itself is known to whoever checks, unless it was reached through a left sibling.
        if low != 0 {
            ranges.push(low..high);
        }
        Some(Self::of(ranges))
    }

    /// The next leaf; they come in order from 0.
    pub(crate) fn push(&mut self, index: u64, leaf: Digest) {
        if let Some((_, tree)) = self.parts.iter_mut().find(|(range, _)| range.contains(&index)) {
            tree.push(leaf);
        }
    }

    /// The proof, if all leaves came.
    pub(crate) fn finish(self) -> Option<Vec<Digest>> {
        let complete = |(range, tree): (Range<u64>, Frontier)| {
            (tree.leaves() == range.end.saturating_sub(range.start)).then(|| tree.root())
        };
        self.parts.into_iter().map(complete).collect()
    }

    /// From the root downward; a proof goes upward.
    fn of(mut ranges: Vec<Range<u64>>) -> Self {
        ranges.reverse();
        Self { parts: ranges.into_iter().map(|range| (range, Frontier::default())).collect() }
    }
}

/// Whether `path` leads from leaf `index` to `root` in a tree of `size` leaves (RFC 9162, 2.1.3.2).
pub fn inclusion_holds(leaf: Digest, index: u64, size: u64, path: &[Digest], root: Digest) -> bool {
    if index >= size {
        return false;
    }
    let (mut place, mut last, mut hash) = (index, size - 1, leaf);
    for step in path {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            hash = Digest::node(step, &hash);
            while place & 1 == 0 && place != 0 {
                (place, last) = (place >> 1, last >> 1);
            }
        } else {
            hash = Digest::node(&hash, step);
        }
        (place, last) = (place >> 1, last >> 1);
    }
    last == 0 && hash == root
}

/// Whether the tree of `new` leaves begins with that of `old` (RFC 9162, 2.1.4.2).
pub fn consistency_holds(old: u64, old_root: Digest, new: u64, new_root: Digest, proof: &[Digest]) -> bool {
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    if old == 0 || old > new {
        return old == 0 && proof.is_empty() && old_root == Frontier::default().root();
    }
    let known = old.is_power_of_two().then_some(old_root);
    let mut steps = known.into_iter().chain(proof.iter().copied());
    let Some(first) = steps.next() else { return false };
    let (mut place, mut last) = (old - 1, new - 1);
    while place & 1 == 1 {
        (place, last) = (place >> 1, last >> 1);
    }
    let (mut before, mut after) = (first, first);
    for step in steps {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            (before, after) = (Digest::node(&step, &before), Digest::node(&step, &after));
            while place & 1 == 0 && place != 0 {
                (place, last) = (place >> 1, last >> 1);
            }
        } else {
            after = Digest::node(&after, &step);
        }
        (place, last) = (place >> 1, last >> 1);
    }
    last == 0 && before == old_root && after == new_root
}

/// The largest power of two below `n`, for `n` > 1: where a tree is parted.
fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

#[cfg(test)]
mod tests;
