//! Reads a segment's batches. The bytes are the host's: whatever they are, this ends, and does not panic.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use super::{FRAMING, MARK, Mark, take};
use crate::hash::Digest;
use crate::record::LONGEST;

/// A record as it lies there, its leaf not yet checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// In which segment.
    pub(crate) segment: u64,
    /// Where its length stands.
    pub(crate) offset: usize,
    /// Its canonical bytes.
    pub(crate) record: &'a [u8],
    /// The leaf it is said to have.
    pub(crate) leaf: Digest,
    /// Its own claim of its place in the log.
    pub(crate) sequence: u64,
    /// The batch it lies in, if it is the first there.
    pub(crate) opens: Option<Mark>,
}

/// Why no more can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// From where on.
    pub(crate) offset: usize,
    /// What is wrong.
    pub(crate) what: &'static str,
    /// Whether the file just ends: bytes that were never written, or zeros in their place.
    pub(crate) cut: bool,
}

/// Iterates over a segment's records.
pub(crate) struct Frames<'a> {
    bytes: &'a [u8],
    segment: u64,
    offset: usize,
    /// What is left of the batch: records, and where it ends.
    left: u32,
    end: usize,
    opens: Option<Mark>,
}

/// What stands where a batch may begin.
enum Next {
    Batch,
    End,
}

// === impl Frames ===

impl<'a> Frames<'a> {
    /// `offset` is where the header ends.
    pub(crate) fn new(bytes: &'a [u8], segment: u64, offset: usize) -> Self {
        Self { bytes, segment, offset, left: 0, end: offset, opens: None }
    }

    /// Where the next record, or the next batch, would begin.
    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.offset..).unwrap_or_default()
    }

    fn damage(&self, what: &'static str, cut: bool) -> Damage {
        Damage { offset: self.offset, what, cut: cut || self.rest().iter().all(|byte| *byte == 0) }
    }

    fn batch(&mut self) -> Result<Next, Damage> {
        let rest = self.rest();
        if rest.is_empty() {
            return Ok(Next::End);
        }
        let place = u64::try_from(self.offset).unwrap_or(u64::MAX);
        let mark = Mark::parse(rest, self.segment, place);
        // A mark may be half written over an empty one, so that much is no more than a cut.
        let mark = mark.ok_or_else(|| self.damage("there is no mark of a batch", rest.len() <= MARK))?;
        let length = usize::try_from(mark.length).unwrap_or(usize::MAX);
        if mark.count == 0 {
            // It stays where it is: the next batch takes its place.
            let last = length == 0 && rest.len() == MARK;
            return if last { Ok(Next::End) } else { Err(self.damage("bytes follow the mark of the end", false)) };
        }
        self.offset = self.offset.saturating_add(MARK);
        self.end = self.offset.saturating_add(length);
        (self.left, self.opens) = (mark.count, Some(mark));
        Ok(Next::Batch)
    }

    fn record(&mut self) -> Result<Frame<'a>, Damage> {
        let batch = self.bytes.get(self.offset..self.end.min(self.bytes.len())).unwrap_or_default();
        // A batch that is not all there may end anywhere; one that is has exactly its records.
        let cut = self.end > self.bytes.len();
        let short = || self.damage("a record ends beyond its batch", cut);
        let (length, rest) = take::<4>(batch).ok_or_else(short)?;
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        if length > LONGEST {
            return Err(self.damage("a record is too long", false));
        }
        let (record, rest) = rest.split_at_checked(length).ok_or_else(short)?;
        let (leaf, _) = take::<32>(rest).ok_or_else(short)?;
        let (sequence, _) = take::<8>(record).ok_or_else(|| self.damage("a record is too short", false))?;
        let sequence = u64::from_le_bytes(sequence);
        let (segment, offset, opens) = (self.segment, self.offset, self.opens.take());
        let frame = Frame { segment, offset, record, leaf: Digest(leaf), sequence, opens };
        self.offset = self.offset.saturating_add(length).saturating_add(FRAMING);
        self.left = self.left.saturating_sub(1);
        if self.left == 0 && self.offset != self.end {
            self.offset = frame.offset;
            return Err(self.damage("a batch is longer than its records", false));
        }
        Ok(frame)
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, Damage>;

    /// Damage comes again if asked for again.
    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            match self.batch() {
                Ok(Next::Batch) => {}
                Ok(Next::End) => return None,
                Err(damage) => return Some(Err(damage)),
            }
        }
        Some(self.record())
    }
}

/// Whether the mark of a batch stands anywhere after `offset`: then all up to it was synced once.
pub(crate) fn mark_after(bytes: &[u8], segment: u64, offset: usize) -> bool {
    let from = offset.saturating_add(1);
    let rest = bytes.get(from..).unwrap_or_default();
    Mark::candidates(rest).any(|at| {
        let place = u64::try_from(from.saturating_add(at)).unwrap_or(u64::MAX);
        Mark::parse(rest.get(at..).unwrap_or_default(), segment, place).is_some()
    })
}
