//! How the log lies on disk: segments, in them batches, in them records.
//!
//! ```text
//! audit-00000000.seg   header  batch  batch …
//! header   "K3DAUDIT"  length u32  BCS Header                                             SHA-256 of all before
//! batch    "K3DBATCH"  segment u64  offset u64  first u64  count u32  length u32  leaf 32  SHA-256 of all before
//!          record, record …
//! record   length u32  BCS Record  leaf 32
//! ```
//!
//! A header is complete before its segment has its name. A batch is written only after the one before it was synced, so
//! a mark of a batch is proof that everything before it was on disk: that tells a crash, which can only spoil the last
//! batch, from damage. When nothing comes for a while, a mark without records says the same of the batch before; the next
//! batch is written over it. Numbers are little-endian.

mod header;
mod mark;
mod reader;

pub(crate) use header::Header;
pub(crate) use mark::{MARK, Mark};
pub(crate) use reader::{Damage, Frame, Frames, mark_after};

use crate::hash::Digest;

/// Before and after a record's bytes: its length, and its leaf.
pub(crate) const FRAMING: usize = 4 + 32;

/// A segment's name.
pub(crate) fn name(index: u64) -> String {
    format!("audit-{index:08}.seg")
}

/// The indices of the segments among a folder's names, in order.
pub(crate) fn indices(names: &[String]) -> Vec<u64> {
    let mut indices: Vec<u64> = names.iter().filter_map(|name| index(name)).collect();
    indices.sort_unstable();
    indices
}

/// The index in a name, if it is a segment's.
pub(crate) fn index(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("audit-")?.strip_suffix(".seg")?;
    let index = digits.parse().ok()?;
    (self::name(index) == name).then_some(index)
}

/// Appends a record as it lies in a batch.
pub(crate) fn frame(to: &mut Vec<u8>, record: &[u8], leaf: &Digest) {
    // Records are bounded far below 4 GiB.
    let length = u32::try_from(record.len()).unwrap_or(u32::MAX);
    to.extend_from_slice(&length.to_le_bytes());
    to.extend_from_slice(record);
    to.extend_from_slice(&leaf.0);
}

/// The first `N` bytes, and the rest.
fn take<const N: usize>(bytes: &[u8]) -> Option<([u8; N], &[u8])> {
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    Some((*first, rest))
}

#[cfg(test)]
mod tests;
