//! The growing end of a log: leaves, tree, and the segment they are written to. Blocking; knows no queue and no task.

use crate::disk::{self, Disk, DiskFile as _};
use crate::hash::{Digest, LogId};
use crate::merkle::Frontier;
use crate::segment::{self, FRAMING, Frame, Header, MARK, Mark};
use daas_types::UnixMs;
use std::io;
use std::sync::Arc;

/// Where the log ends, for whoever extends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tip {
    /// Of the last record; before the first, the log's origin.
    pub(crate) leaf: Digest,
    pub(crate) tree: Frontier,
}

/// Records not yet in the log: each its length and its canonical bytes.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) bytes: Vec<u8>,
    pub(crate) count: u32,
}

/// Appends batches to the last segment.
pub(crate) struct Chain<D: Disk> {
    disk: Arc<D>,
    log: LogId,
    file: D::File,
    index: u64,
    opened: UnixMs,
    /// Everything before is on disk for good.
    synced: u64,
    tip: Tip,
    /// The batch under way, as it lies on disk, and how much of it is written.
    out: Vec<u8>,
    written: usize,
}

/// Why a batch is not on disk.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// There is no space. The batch is kept and may be tried again.
    #[error("there is no space for the audit log: {0}")]
    Full(#[source] io::Error),
    /// What is on disk is not known any more. Nothing may be written until the log has been opened again.
    #[error("the audit log cannot be written: {0}")]
    Failed(#[source] io::Error),
}

// === impl Tip ===

impl Tip {
    pub(crate) fn origin(log: &LogId) -> Self {
        Self { leaf: log.origin(), tree: Frontier::default() }
    }

    /// Takes a record in; returns its leaf.
    pub(crate) fn extend(&mut self, record: &[u8]) -> Digest {
        let leaf = Digest::leaf(&self.leaf, record);
        self.push(leaf);
        leaf
    }

    /// Takes in a record whose leaf this is.
    pub(crate) fn push(&mut self, leaf: Digest) {
        self.leaf = leaf;
        self.tree.push(leaf);
    }

    /// Whether a record is the one after this, by all it says of itself.
    pub(crate) fn fits(&self, frame: &Frame<'_>) -> Result<(), &'static str> {
        let next = self.tree.leaves();
        if frame.opens.is_some_and(|mark| mark.first != next || mark.leaf != self.leaf) {
            return Err("a batch does not continue the one before");
        }
        if frame.sequence != next {
            return Err("a record is not where its number says");
        }
        if Digest::leaf(&self.leaf, frame.record) != frame.leaf {
            return Err("a record does not match its leaf");
        }
        Ok(())
    }
}

// === impl Batch ===

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn records(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.bytes.as_slice();
        core::iter::from_fn(move || {
            let (length, after) = rest.split_first_chunk::<4>()?;
            let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
            let (record, after) = after.split_at_checked(length)?;
            rest = after;
            Some(record)
        })
    }
}

// === impl Chain ===

impl<D: Disk> Chain<D> {
    /// Goes on in a segment that is on disk up to `synced`.
    pub(crate) fn resume(disk: Arc<D>, file: D::File, header: &Header, synced: u64, tip: Tip) -> Self {
        let (out, written) = (Vec::new(), 0);
        Self { disk, log: header.log, file, index: header.index, opened: header.opened, synced, tip, out, written }
    }

    /// The first segment of a log.
    pub(crate) fn begin(disk: Arc<D>, log: LogId, now: UnixMs) -> io::Result<Self> {
        let tip = Tip::origin(&log);
        let (file, synced) = create(&*disk, &Header::new(log, 0, tip.leaf, tip.tree.clone(), now))?;
        Ok(Self { disk, log, file, index: 0, opened: now, synced, tip, out: Vec::new(), written: 0 })
    }

    pub(crate) fn tip(&self) -> &Tip {
        &self.tip
    }

    /// Bytes of the present segment, and since when it is written.
    pub(crate) fn segment(&self) -> (u64, UnixMs) {
        (self.synced, self.opened)
    }

    /// Begins the next segment. Only between batches. A segment with another behind it is whole, so its last mark is synced
    /// too: torn by a crash it would be damage.
    pub(crate) fn rotate(&mut self, now: UnixMs) -> Result<(), WriteError> {
        self.rest().and_then(|()| self.file.sync()).map_err(WriteError::of)?;
        let header = Header::new(self.log, self.index.saturating_add(1), self.tip.leaf, self.tip.tree.clone(), now);
        let (file, synced) = create(&*self.disk, &header).map_err(WriteError::of)?;
        (self.file, self.index, self.opened, self.synced) = (file, header.index, now, synced);
        Ok(())
    }

    /// How many bytes the disk has space for; none where that cannot be found out.
    pub(crate) fn room(&self) -> u64 {
        self.disk.room().unwrap_or(0)
    }

    /// Chains a batch to the log. [`Self::flush`] then writes it: so many bytes.
    pub(crate) fn stage(&mut self, batch: &Batch) -> u64 {
        let (first, leaf) = (self.tip.tree.leaves(), self.tip.leaf);
        let records = usize::try_from(batch.count).unwrap_or_default();
        self.out.clear();
        self.out.reserve(MARK.saturating_add(batch.bytes.len()).saturating_add(records.saturating_mul(FRAMING)));
        self.out.resize(MARK, 0);
        for record in batch.records() {
            let leaf = self.tip.extend(record);
            segment::frame(&mut self.out, record, &leaf);
        }
        let length = u32::try_from(self.out.len().saturating_sub(MARK)).unwrap_or(u32::MAX);
        let mark = Mark { segment: self.index, offset: self.synced, first, count: batch.count, length, leaf };
        if let Some(place) = self.out.first_chunk_mut::<MARK>() {
            *place = mark.to_bytes();
        }
        self.written = 0;
        long(self.out.len())
    }

    /// Writes and syncs what is staged. After [`WriteError::Full`] it goes on where it was.
    pub(crate) fn flush(&mut self) -> Result<(), WriteError> {
        while let Some(rest) = self.out.get(self.written..).filter(|rest| !rest.is_empty()) {
            let offset = self.synced.saturating_add(long(self.written));
            let written = disk::write_some(&mut self.file, rest, offset).map_err(WriteError::of)?;
            self.written = self.written.saturating_add(written);
        }
        if let Err(error) = self.file.sync() {
            // After a failed sync the written pages may be marked clean though they are not on disk: only writing them
            // again would bring them there.
            self.written = 0;
            let full = disk::is_full(&error) && self.file.truncate(self.synced).is_ok();
            return Err(if full { WriteError::Full(error) } else { WriteError::Failed(error) });
        }
        self.synced = self.synced.saturating_add(long(self.out.len()));
        self.out.clear();
        self.written = 0;
        Ok(())
    }

    /// Says that the last batch is on disk. Not synced, and overwritten by the next batch: a help, not a promise.
    pub(crate) fn rest(&mut self) -> io::Result<()> {
        let mark = empty_mark(self.index, self.synced, &self.tip);
        disk::write_all(&mut self.file, &mark, self.synced)
    }
}

impl WriteError {
    fn of(error: io::Error) -> Self {
        if disk::is_full(&error) { Self::Full(error) } else { Self::Failed(error) }
    }
}

/// What stands after the last batch when all is on disk.
pub(crate) fn empty_mark(segment: u64, offset: u64, tip: &Tip) -> [u8; MARK] {
    Mark { segment, offset, first: tip.tree.leaves(), count: 0, length: 0, leaf: tip.leaf }.to_bytes()
}

fn create<D: Disk>(disk: &D, header: &Header) -> io::Result<(D::File, u64)> {
    let bytes = header.to_bytes();
    let file = disk::replace(disk, &segment::name(header.index), &bytes)?;
    Ok((file, long(bytes.len())))
}

pub(crate) fn long(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
