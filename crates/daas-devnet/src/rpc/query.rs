//! Walking the ledger between two positions, for the `List*` methods.
//!
//! A cursor is a position: checkpoint, transaction, event, compared in that order; the end of a checkpoint comes after
//! everything in it. Cursors of events, transactions and checkpoints so compare with each other.

use sui_rpc::proto::sui::rpc::v2::{Ordering, QueryEnd, QueryEndReason, QueryOptions, Watermark};
use tonic::Status;

/// Checkpoints read for one request; the client goes on from there with the next.
const MAX_SCAN: u64 = 20_000;

/// A place in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) checkpoint: u64,
    transaction: u64,
    event: u32,
}

/// What is asked for.
pub(crate) struct Query {
    after: Option<Position>,
    before: Option<Position>,
    start: u64,
    end: Option<u64>,
    tip: u64,
    limit: usize,
    descending: bool,
    /// Checkpoints are covered with their own item; events and transactions with the end of theirs.
    whole_checkpoints: bool,
}

/// One frame of the answer.
pub(crate) struct Frame<T> {
    pub(crate) item: Option<T>,
    pub(crate) watermark: Watermark,
    pub(crate) end: Option<QueryEnd>,
}

// === impl Position ===

impl Position {
    pub(crate) fn of_event(checkpoint: u64, transaction: u64, event: u32) -> Self {
        Self { checkpoint, transaction, event }
    }

    pub(crate) fn of_transaction(checkpoint: u64, transaction: u64) -> Self {
        Self { checkpoint, transaction, event: u32::MAX }
    }

    pub(crate) fn end_of(checkpoint: u64) -> Self {
        Self { checkpoint, transaction: u64::MAX, event: u32::MAX }
    }

    fn start_of(checkpoint: u64) -> Self {
        Self { checkpoint, transaction: 0, event: 0 }
    }

    pub(crate) fn watermark(self, covered: Option<u64>) -> Watermark {
        let parts = [&self.checkpoint.to_be_bytes()[..], &self.transaction.to_be_bytes(), &self.event.to_be_bytes()];
        let mut watermark = Watermark::default().with_cursor(parts.concat());
        watermark.checkpoint = covered;
        watermark
    }

    fn parse(cursor: &[u8]) -> Result<Self, Status> {
        let bytes: &[u8; 20] =
            cursor.try_into().map_err(|_| Status::invalid_argument("not a cursor of this server"))?;
        let (checkpoint, rest) = bytes.split_first_chunk().expect("20 bytes must hold a u64");
        let (transaction, event) = rest.split_first_chunk().expect("12 bytes must hold a u64");
        Ok(Self {
            checkpoint: u64::from_be_bytes(*checkpoint),
            transaction: u64::from_be_bytes(*transaction),
            event: u32::from_be_bytes(event.try_into().expect("4 bytes must remain")),
        })
    }
}

// === impl Query ===

impl Query {
    pub(crate) fn new(
        options: Option<&QueryOptions>,
        start: Option<u64>,
        end: Option<u64>,
        tip: u64,
        whole_checkpoints: bool,
    ) -> Result<Self, Status> {
        let options = options.cloned().unwrap_or_default();
        let cursor = |bytes: Option<&[u8]>| bytes.map(Position::parse).transpose();
        Ok(Self {
            after: cursor(options.after.as_deref())?,
            before: cursor(options.before.as_deref())?,
            start: start.unwrap_or(0),
            end,
            tip,
            limit: super::page_size(options.limit),
            descending: options.ordering() == Ordering::Descending,
            whole_checkpoints,
        })
    }

    /// Collects frames; `items_of` answers the matching items of a checkpoint, in ascending order.
    pub(crate) fn walk<T>(
        &self,
        mut items_of: impl FnMut(u64) -> Result<Vec<(Position, T)>, Status>,
    ) -> Result<Vec<Frame<T>>, Status> {
        let (first, last) = self.checkpoints();
        let (mut frames, mut scanned) = (vec![], 0);
        let mut at = if self.descending { last } else { first };
        while first <= last && (first..=last).contains(&at) {
            let mut items = items_of(at)?;
            if self.descending {
                items.reverse();
            }
            for (position, item) in items.into_iter().filter(|(position, _)| self.within(*position)) {
                let watermark = position.watermark(self.covered_before(at));
                frames.push(Frame { item: Some(item), watermark, end: None });
                if frames.len() == self.limit {
                    set_end(&mut frames, QueryEndReason::ItemLimit);
                    return Ok(frames);
                }
            }
            scanned += 1;
            if scanned == MAX_SCAN && at != if self.descending { first } else { last } {
                let reached = if self.descending { Position::start_of(at) } else { Position::end_of(at) };
                let watermark = reached.watermark(Some(at));
                frames.push(Frame { item: None, watermark, end: Some(end(QueryEndReason::ScanLimit)) });
                return Ok(frames);
            }
            let next = if self.descending { at.checked_sub(1) } else { at.checked_add(1) };
            let Some(next) = next else { break };
            at = next;
        }
        let (position, covered, reason) = if self.descending { self.bottom() } else { self.top() };
        frames.push(Frame { item: None, watermark: position.watermark(covered), end: Some(end(reason)) });
        Ok(frames)
    }

    /// First and last checkpoint that may hold an item.
    fn checkpoints(&self) -> (u64, u64) {
        let first = self.after.map_or(self.start, |after| after.checkpoint.max(self.start));
        let last = self.end.map_or(self.tip, |end| end.saturating_sub(1).min(self.tip));
        (first, self.before.map_or(last, |before| before.checkpoint.min(last)))
    }

    fn within(&self, position: Position) -> bool {
        let inside_end = self.end.is_none_or(|end| position.checkpoint < end);
        self.after.is_none_or(|after| position > after)
            && self.before.is_none_or(|before| position < before)
            && position.checkpoint >= self.start
            && inside_end
    }

    /// What an item's frame may claim to have covered.
    fn covered_before(&self, checkpoint: u64) -> Option<u64> {
        if self.whole_checkpoints {
            return Some(checkpoint);
        }
        if !self.descending {
            return checkpoint.checked_sub(1);
        }
        // The first checkpoint from above is not covered yet.
        (checkpoint < self.checkpoints().1).then(|| checkpoint + 1)
    }

    /// Where an ascending walk ends.
    fn top(&self) -> (Position, Option<u64>, QueryEndReason) {
        let (bound, reason) = match self.end {
            Some(end) if end <= self.tip.saturating_add(1) => (end.saturating_sub(1), QueryEndReason::CheckpointBound),
            _ => (self.tip, QueryEndReason::LedgerTip),
        };
        match self.before {
            Some(before) if before <= Position::end_of(bound) => {
                (before, before.checkpoint.checked_sub(1), QueryEndReason::CursorBound)
            }
            _ => {
                let position = Position::end_of(bound);
                (self.after.map_or(position, |after| after.max(position)), Some(bound), reason)
            }
        }
    }

    /// Where a descending walk ends.
    fn bottom(&self) -> (Position, Option<u64>, QueryEndReason) {
        match self.after {
            Some(after) if after >= Position::start_of(self.start) => {
                (after, Some(after.checkpoint.saturating_add(1)), QueryEndReason::CursorBound)
            }
            _ => (Position::start_of(self.start), Some(self.start), QueryEndReason::CheckpointBound),
        }
    }
}

fn set_end<T>(frames: &mut [Frame<T>], reason: QueryEndReason) {
    if let Some(frame) = frames.last_mut() {
        frame.end = Some(end(reason));
    }
}

fn end(reason: QueryEndReason) -> QueryEnd {
    QueryEnd::default().with_reason(reason)
}
