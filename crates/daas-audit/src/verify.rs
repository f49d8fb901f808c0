//! Whether a log is as it was written, and on whose word.
//!
//! Three things can be told. Records that do not fit each other were changed, removed or reordered. Records that fit each
//! other and an anchor are what the enclave wrote. Records after the last anchor fit each other, and that is all: the host
//! could have cut off the end, or written it anew.

use crate::anchor::{Anchor, AnchorMissing};
use crate::chain::{Tip, long};
use crate::disk::Disk;
use crate::hash::{Digest, LogId};
use crate::record::{Entry, Lost, Record};
use crate::segment;
use crate::walk::{Damaged, Loaded, MISSING, Walk};
use daas_types::{ErrorCode, Problem};
use serde::Serialize;
use std::collections::HashSet;
use std::io;

/// More findings are counted, not kept.
const MOST: usize = 100;

/// What a log is found to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Which log.
    pub log: LogId,
    /// How many segments there are.
    pub segments: u64,
    /// How many records, up to the last that fits.
    pub records: u64,
    /// The root of their tree.
    pub root: Digest,
    /// The greatest anchor that the log has: with no finding, nobody changed what is up to there.
    pub anchored: Option<Anchor>,
    /// How many records come after it. They rest on the host's word alone.
    pub on_the_host_alone: u64,
    /// How many times a process began to write.
    pub opened: u64,
    /// Starts without an end because the process ended before.
    pub cut_short: u64,
    /// Starts without an end that may still run.
    pub running: u64,
    /// What the log itself says it has no records of.
    pub lost: Lost,
    /// What was being written when the process ended, or is being written now.
    pub tail: Option<Tail>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// How many more findings there are.
    pub more: u64,
}

/// The unfinished end of a log. It holds nothing that was ever committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Tail {
    /// Where in the last segment it begins.
    pub offset: u64,
    /// How long it is.
    pub bytes: u64,
}

/// Something that is wrong with a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// Records were changed, removed or reordered.
    #[error(transparent)]
    Damaged(Damaged),
    /// What the chain has, the log has not.
    #[error(transparent)]
    Anchor(AnchorMissing),
    /// Records fit, and tell no story that a master writes.
    #[error("record {record}: it ends request {start}, which is not open")]
    EndWithoutStart {
        /// Which record.
        record: u64,
        /// Which start it names.
        start: u64,
    },
}

/// A verification under way.
struct Verification<'a> {
    /// By number of records.
    anchors: Vec<Anchor>,
    report: &'a mut Report,
    open: HashSet<u64>,
    /// Behind damage it is not known which requests are open,
    blind: bool,
    /// nor where the next segment should begin.
    adrift: bool,
}

/// Compares a log with itself and with anchors that the caller trusts: those that the chain has under the log's key.
pub fn verify<D: Disk>(disk: &D, log: LogId, anchors: &[Anchor]) -> io::Result<Report> {
    let mut report = Report::new(log);
    let mut anchors = anchors.to_vec();
    anchors.sort_unstable_by_key(|anchor| anchor.records);
    let mut verification =
        Verification { anchors, report: &mut report, open: HashSet::new(), blind: false, adrift: false };
    verification.run(disk, log)?;
    Ok(report)
}

// === impl Report ===

impl Report {
    fn new(log: LogId) -> Self {
        let Tip { tree, leaf: _ } = Tip::origin(&log);
        Self {
            log,
            segments: 0,
            records: 0,
            root: tree.root(),
            anchored: None,
            on_the_host_alone: 0,
            opened: 0,
            cut_short: 0,
            running: 0,
            lost: Lost::default(),
            tail: None,
            findings: Vec::new(),
            more: 0,
        }
    }

    /// Whether nothing is wrong. What rests on the host alone is not wrong.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// As a person is told, if anything is wrong.
    pub fn problem(&self) -> Option<Problem> {
        let first = self.findings.first()?;
        let code = match first {
            Finding::Damaged(_) | Finding::EndWithoutStart { .. } => ErrorCode::AuditDamaged,
            Finding::Anchor(_) => ErrorCode::AuditLacksAnchor,
        };
        Some(Problem::new(code, first))
    }

    fn add(&mut self, finding: Finding) {
        if self.findings.len() < MOST {
            self.findings.push(finding);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }
}

// === impl Verification ===

impl Verification<'_> {
    fn run<D: Disk>(&mut self, disk: &D, log: LogId) -> io::Result<()> {
        let indices = segment::indices(&disk.list()?);
        let mut walk = Walk::new(disk, log);
        self.compare(&walk.tip);
        let mut next = 0;
        for index in &indices {
            if *index != next {
                self.damaged(walk.damaged(next, 0, MISSING));
            }
            next = index.saturating_add(1);
            self.report.segments = self.report.segments.saturating_add(1);
            match walk.load::<io::Error>(*index)? {
                Ok(loaded) => self.segment(&mut walk, &loaded, indices.last() == Some(index)),
                Err(damaged) => self.damaged(damaged),
            }
        }
        let tree = &walk.tip.tree;
        (self.report.records, self.report.root) = (tree.leaves(), tree.root());
        self.finish();
        Ok(())
    }

    fn segment<D: Disk>(&mut self, walk: &mut Walk<'_, D>, loaded: &Loaded, last: bool) {
        if let Err(damaged) = walk.continues(loaded) {
            if !self.adrift {
                self.damaged(damaged);
            }
            walk.tip = loaded.tip();
            self.compare(&walk.tip);
        }
        self.adrift = false;
        let visited = walk.records(loaded, &mut |tip, frame| {
            self.compare(tip);
            match frame {
                Some(frame) => frame.to_record().map(|record| self.record(record)),
                None => Ok(()),
            }
        });
        let whole = match visited {
            Ok(whole) => whole,
            Err(damaged) => return self.damaged(damaged),
        };
        match whole.rest {
            None => {}
            Some(damage) if last && damage.cut => {
                let bytes = long(loaded.bytes.len().saturating_sub(whole.end));
                self.report.tail = Some(Tail { offset: long(whole.end), bytes });
            }
            Some(damage) => self.damaged(walk.damaged(loaded.header.index, damage.offset, damage.what)),
        }
    }

    fn record(&mut self, record: Record) {
        let report = &mut *self.report;
        match record.entry {
            Entry::Opened(_) => {
                report.opened = report.opened.saturating_add(1);
                report.cut_short = report.cut_short.saturating_add(long(self.open.len()));
                self.open.clear();
                self.blind = false;
            }
            Entry::Start(_) => {
                self.open.insert(record.sequence);
            }
            Entry::End(end) => {
                if !self.open.remove(&end.start) && !self.blind {
                    report.add(Finding::EndWithoutStart { record: record.sequence, start: end.start });
                }
            }
            Entry::Lost(lost) => report.lost.add(&lost),
        }
    }

    /// Compares the tree with the anchors of its size.
    fn compare(&mut self, tip: &Tip) {
        let records = tip.tree.leaves();
        let passed = self.anchors.partition_point(|anchor| anchor.records <= records);
        for anchor in self.anchors.drain(..passed) {
            let checked = if anchor.records == records { anchor.check(tip.tree.root()) } else { Err(anchor.unread()) };
            match checked {
                Ok(()) => self.report.anchored = Some(anchor),
                Err(missing) => self.report.add(Finding::Anchor(missing)),
            }
        }
    }

    fn damaged(&mut self, damaged: Damaged) {
        (self.blind, self.adrift) = (true, true);
        self.report.add(Finding::Damaged(damaged));
    }

    fn finish(&mut self) {
        let report = &mut *self.report;
        for anchor in self.anchors.drain(..) {
            report.add(Finding::Anchor(anchor.short(report.records)));
        }
        report.running = long(self.open.len());
        report.on_the_host_alone = report.records.saturating_sub(report.anchored.map_or(0, |anchor| anchor.records));
    }
}

#[cfg(test)]
mod tests;
