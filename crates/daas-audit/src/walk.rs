//! Reads a log segment by segment and keeps its tip. What does not fit is said, with its place; what that means is for the
//! caller: whoever extends the log, verifies it, or shows it.

use crate::chain::{Tip, long};
use crate::disk::{self, Disk};
use crate::hash::LogId;
use crate::record::Record;
use crate::segment::{self, Damage, Frame, Frames, Header, MARK, Mark};
use core::ops::ControlFlow;
use daas_types::{ErrorCode, Problem};
use serde::Serialize;
use std::io;

pub(crate) const MISSING: &str = "the segment is missing";

/// Something in a log is not as it was written, and no crash does that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("segment {segment}, byte {offset}, record {record}: {what}")]
pub struct Damaged {
    /// In which segment.
    pub segment: u64,
    /// Where.
    pub offset: u64,
    /// The first record that it concerns.
    pub record: u64,
    /// What.
    pub what: &'static str,
}

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is not as it was written.
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

/// Where in a log one is.
pub(crate) struct Walk<'a, D> {
    disk: &'a D,
    log: LogId,
    pub(crate) tip: Tip,
}

/// A segment as it lies there.
pub(crate) struct Loaded {
    pub(crate) header: Header,
    pub(crate) bytes: Vec<u8>,
    start: usize,
}

/// How much of a segment is whole, in bytes and records.
#[derive(Clone, Copy)]
pub(crate) struct Whole {
    /// Behind the last whole record: where the next batch would begin.
    pub(crate) end: usize,
    /// The last batch, if it is not complete: where it begins, and how many of its records are.
    pub(crate) part: Option<(usize, Mark, u32)>,
    /// What stands behind the end, if anything but the mark of the end does.
    pub(crate) rest: Option<Damage>,
}

/// Gives `visit` the records from number `from` on, as far as they are whole; it may break off.
pub fn read<D: Disk>(
    disk: &D,
    log: LogId,
    from: u64,
    mut visit: impl FnMut(Record) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    /// Why the walk ends.
    enum Stop {
        Asked,
        Error(ReadError),
    }
    impl<E: Into<ReadError>> From<E> for Stop {
        fn from(error: E) -> Self {
            Self::Error(error.into())
        }
    }
    let indices = segment::indices(&disk.list()?);
    let walked = Walk::new(disk, log).run(&indices, from, |tip, frame| {
        let first = indices.first().copied().unwrap_or_default();
        match frame {
            None if tip.tree.leaves() > from => {
                Err(Damaged { segment: first.saturating_sub(1), offset: 0, record: from, what: MISSING }.into())
            }
            Some(frame) if frame.sequence >= from => {
                let record = frame.to_record()?;
                if visit(record).is_break() { Err(Stop::Asked) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    });
    match walked {
        Ok(_) | Err(Stop::Asked) => Ok(()),
        Err(Stop::Error(error)) => Err(error),
    }
}

// === impl ReadError ===

impl ReadError {
    /// As a person is told.
    pub fn problem(&self) -> Problem {
        let code = match self {
            Self::Io(error) if disk::is_full(error) => ErrorCode::AuditFull,
            Self::Io(_) => ErrorCode::AuditFailed,
            Self::Damaged(_) => ErrorCode::AuditDamaged,
        };
        Problem::new(code, self)
    }
}

// === impl Walk ===

impl<'a, D: Disk> Walk<'a, D> {
    pub(crate) fn new(disk: &'a D, log: LogId) -> Self {
        Self { disk, log, tip: Tip::origin(&log) }
    }

    /// From the last segment that has no more than `records` records before it to the last of all, without a gap. Calls
    /// `visit` where it begins, and after each record. The last segment may end anywhere, as a crash leaves it.
    pub(crate) fn run<E: From<io::Error> + From<Damaged>>(
        &mut self,
        indices: &[u64],
        records: u64,
        mut visit: impl FnMut(&Tip, Option<&Frame<'_>>) -> Result<(), E>,
    ) -> Result<Option<(Loaded, Whole)>, E> {
        let mut place = indices.len().saturating_sub(1);
        let mut last = None;
        while let Some(index) = indices.get(place) {
            let loaded = self.load::<E>(*index)??;
            if place == 0 || loaded.header.before.leaves() <= records {
                // The first of all is chained to the log's name.
                self.tip = if *index == 0 { Tip::origin(&self.log) } else { loaded.tip() };
                last = Some(loaded);
                break;
            }
            place = place.saturating_sub(1);
        }
        visit(&self.tip, None)?;
        while let Some(loaded) = last {
            self.continues(&loaded)?;
            let whole = self.records(&loaded, &mut visit)?;
            place = place.saturating_add(1);
            let Some(index) = indices.get(place) else { return Ok(Some((loaded, whole))) };
            if let Some(damage) = whole.rest {
                return Err(self.damaged(loaded.header.index, damage.offset, damage.what).into());
            }
            let next = loaded.header.index.saturating_add(1);
            if *index != next {
                return Err(self.damaged(next, 0, MISSING).into());
            }
            last = Some(self.load::<E>(*index)??);
        }
        Ok(None)
    }

    /// A segment, if it is this log's and has its right name.
    pub(crate) fn load<E: From<io::Error>>(&self, index: u64) -> Result<Result<Loaded, Damaged>, E> {
        let bytes = self.disk.read(&segment::name(index))?;
        Ok(self.parse(index, bytes).map_err(|what| self.damaged(index, 0, what)))
    }

    fn parse(&self, index: u64, bytes: Vec<u8>) -> Result<Loaded, &'static str> {
        let (header, start) = Header::parse(&bytes)?;
        if header.log != self.log {
            return Err("the segment is of another log");
        }
        if header.index != index {
            return Err("the segment was renamed");
        }
        Ok(Loaded { header, bytes, start })
    }

    /// Whether a segment begins where the walk is.
    pub(crate) fn continues(&self, loaded: &Loaded) -> Result<(), Damaged> {
        if loaded.tip() == self.tip {
            return Ok(());
        }
        Err(self.damaged(loaded.header.index, 0, "the segment does not continue the one before"))
    }

    /// Takes a segment's records in, up to the first that does not fit. That is damage if anything behind it was written
    /// later.
    pub(crate) fn records<E: From<Damaged>>(
        &mut self,
        loaded: &Loaded,
        visit: &mut impl FnMut(&Tip, Option<&Frame<'_>>) -> Result<(), E>,
    ) -> Result<Whole, E> {
        let index = loaded.header.index;
        let mut frames = Frames::new(&loaded.bytes, index, loaded.start);
        let mut whole = Whole { end: loaded.start, part: None, rest: None };
        while let Some(next) = frames.next() {
            let fitting = next.and_then(|frame| match self.tip.fits(&frame) {
                Ok(()) => Ok(frame),
                Err(what) => Err(Damage { offset: frame.offset, what, cut: false }),
            });
            let frame = match fitting {
                Ok(frame) => frame,
                Err(damage) if segment::mark_after(&loaded.bytes, index, damage.offset) => {
                    return Err(self.damaged(index, damage.offset, damage.what).into());
                }
                Err(damage) => return Ok(Whole { rest: Some(damage), ..whole }),
            };
            self.tip.push(frame.leaf);
            whole.took(&frame, frames.offset());
            visit(&self.tip, Some(&frame))?;
        }
        Ok(whole)
    }

    pub(crate) fn damaged(&self, segment: u64, offset: usize, what: &'static str) -> Damaged {
        Damaged { segment, offset: long(offset), record: self.tip.tree.leaves(), what }
    }
}

// === impl Loaded ===

impl Loaded {
    /// What its header says of all before it.
    pub(crate) fn tip(&self) -> Tip {
        Tip { leaf: self.header.previous, tree: self.header.before.clone() }
    }
}

// === impl Frame ===

impl Frame<'_> {
    /// What it says.
    pub(crate) fn to_record(self) -> Result<Record, Damaged> {
        let Self { segment, offset, sequence: record, .. } = self;
        let unreadable = Damaged { segment, offset: long(offset), record, what: "a record cannot be read" };
        Record::from_bytes(self.record).ok_or(unreadable)
    }
}

// === impl Whole ===

impl Whole {
    fn took(&mut self, frame: &Frame<'_>, end: usize) {
        if let Some(mark) = frame.opens {
            self.part = Some((frame.offset.saturating_sub(MARK), mark, 0));
        }
        self.part = self.part.and_then(|(at, mark, records)| {
            let records = records.saturating_add(1);
            (records < mark.count).then_some((at, mark, records))
        });
        self.end = end;
    }
}

#[cfg(test)]
mod tests;
