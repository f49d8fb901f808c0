//! Taking up a log that a process left, however it ended.
//!
//! A crash spoils the last batch of the last segment and nothing else: that much is cut, and the record [`Opened`] says so.
//! Everything else that does not fit is refused, because it is not what a crash does. What is kept of the last segment is
//! written anew, because a former process may have read back what was never on disk.
//!
//! Read are the segments from the one that holds the last anchor; the older ones rest on that anchor, and are
//! [`crate::verify`]'s.
//!
//! [`Opened`]: crate::Opened

use crate::anchor::{Anchor, AnchorMissing};
use crate::chain::{Chain, Tip, empty_mark, long};
use crate::disk::{self, Disk};
use crate::hash::{Digest, LogId};
use crate::record::Torn;
use crate::segment::{self, MARK, Mark};
use crate::walk::{Damaged, Loaded, ReadError, Walk, Whole};
use daas_types::{ErrorCode, Problem, UnixMs};
use std::io;
use std::sync::Arc;

/// Why a log is not taken up.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be read or written, or no crash leaves it so.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It lacks what was anchored.
    #[error(transparent)]
    Anchor(#[from] AnchorMissing),
}

/// How a log was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// How many records it has.
    pub records: u64,
    /// What was cut off its end.
    pub torn: Option<Torn>,
}

// === impl OpenError ===

impl OpenError {
    /// As a person is told.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Read(error) => error.problem(),
            Self::Anchor(missing) => Problem::new(ErrorCode::AuditLacksAnchor, missing),
        }
    }
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Read(error.into())
    }
}

impl From<Damaged> for OpenError {
    fn from(damaged: Damaged) -> Self {
        Self::Read(damaged.into())
    }
}

/// Takes up the log on `disk`, or begins it.
pub(crate) fn open<D: Disk>(
    disk: Arc<D>,
    log: LogId,
    expected: &[Anchor],
    now: UnixMs,
) -> Result<(Chain<D>, Found), OpenError> {
    let segments = segments(&*disk)?;
    // Without anchors the last segment alone is read.
    let from = expected.iter().map(|anchor| anchor.records).min().unwrap_or(u64::MAX);
    let mut walk = Walk::new(&*disk, log);
    let last = walk.run(&segments, from, |tip, frame| match frame {
        None => may_be_seen(expected, tip).and_then(|()| has(expected, tip)),
        Some(_) => has(expected, tip),
    })?;
    let (tip, records) = (walk.tip.clone(), walk.tip.tree.leaves());
    if let Some(anchor) = expected.iter().find(|anchor| anchor.records > records) {
        return Err(anchor.short(records).into());
    }
    let Some((last, whole)) = last else {
        return Ok((Chain::begin(disk, log, now)?, Found { records: 0, torn: None }));
    };
    let (kept, torn) = mended(&last, whole, &tip);
    let file = disk::replace(&*disk, &segment::name(last.header.index), &kept)?;
    let synced = long(kept.len().saturating_sub(MARK));
    Ok((Chain::resume(disk, file, &last.header, synced, tip), Found { records, torn }))
}

/// The indices of all segments, in order. What was being made when a process ended goes.
fn segments<D: Disk>(disk: &D) -> io::Result<Vec<u64>> {
    let names = disk.list()?;
    let unfinished = |name: &&String| name.strip_suffix(".new").is_some_and(|name| segment::index(name).is_some());
    names.iter().filter(unfinished).try_for_each(|name| disk.remove(name))?;
    Ok(segment::indices(&names))
}

/// An anchor of less than what the walk begins with would never come by.
fn may_be_seen(expected: &[Anchor], tip: &Tip) -> Result<(), OpenError> {
    match expected.iter().find(|anchor| anchor.records < tip.tree.leaves()) {
        Some(anchor) => Err(anchor.unread().into()),
        None => Ok(()),
    }
}

/// Compares the tree with the anchors of its size.
fn has(expected: &[Anchor], tip: &Tip) -> Result<(), OpenError> {
    let here = expected.iter().filter(|anchor| anchor.records == tip.tree.leaves());
    here.map(|anchor| anchor.check(tip.tree.root())).try_for_each(|checked| checked.map_err(Into::into))
}

/// The last segment's bytes as they are to be: its whole records, the last batch's mark put right, and a mark that says all
/// this is on disk. And what is left out.
fn mended(last: &Loaded, whole: Whole, tip: &Tip) -> (Vec<u8>, Option<Torn>) {
    let Whole { end, part, rest: _ } = whole;
    let (kept, rest) = last.bytes.split_at_checked(end).unwrap_or((&last.bytes, &[]));
    let mut bytes = kept.to_vec();
    if let Some((at, mark, count)) = part {
        let length = u32::try_from(end.saturating_sub(at).saturating_sub(MARK)).unwrap_or(u32::MAX);
        let mark = Mark { count, length, ..mark };
        if let Some(place) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<MARK>()) {
            *place = mark.to_bytes();
        }
    }
    // An empty mark is no loss, nor is what a mark announced and nothing came of.
    let idle = empty_mark(last.header.index, long(end), tip);
    let torn = rest.strip_prefix(idle.as_slice()).unwrap_or(rest);
    let torn = (!torn.is_empty()).then(|| Torn { bytes: long(torn.len()), digest: Digest::of_bytes(torn) });
    bytes.extend_from_slice(&empty_mark(last.header.index, long(bytes.len()), tip));
    (bytes, torn)
}

#[cfg(test)]
mod tests;
