//! Records on their way to disk: written as bytes by whoever has one, taken as a batch by the writer.
//!
//! The bound is in bytes. A start that finds no room is counted, and the count is the next record that finds some; an end
//! may go beyond the bound by half, so that an accepted start is answered by its end. Requests of those of whom nothing is known
//! have a quarter of it, and none once the disk's space is scarce: whatever they send, they keep nobody else out of the log.

use crate::chain::Batch;
use crate::record::{End, Lost, Opened, encode};
use crate::ticket::Unwritten;
use core::time::Duration;
use daas_types::UnixMs;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Variants of [`crate::Entry`], as BCS numbers them; those of requests: [`encode`].
const OPENED: u8 = 0;
const LOST: u8 = 3;

/// A batch that nobody waits for is due so much later: fewer commits, and with the timer's millisecond none begins later than
/// [`crate::LONGEST_INTERVAL`].
const UNHURRIED: Duration = Duration::from_millis(4);

/// What was lost of strangers' requests is written beside what comes next, and if nothing comes, after this: so many writes are
/// theirs at most, whatever they send.
const LOSSES: Duration = Duration::from_mins(1);

pub(crate) struct Queue {
    state: Mutex<State>,
    limit: usize,
    /// There is something to take.
    waiting: Notify,
    /// There is much to take.
    pressed: Notify,
}

struct State {
    batch: Batch,
    /// Sequence number of the next record.
    next: u64,
    lost: Lost,
    /// The space left on the disk is for those who are let in.
    scarce: bool,
    /// Why nothing can be written: here too, as each request asks while it has the lock anyway.
    trouble: Option<Unwritten>,
    /// When the first that is to be written came.
    since: Option<Instant>,
    /// Nothing but strangers' losses came.
    losses_only: bool,
    /// Somebody waits until it is on disk.
    hurried: bool,
    closed: bool,
}

/// What is lost where there is no room.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loss {
    Nothing,
    Request,
    StrangersRequest,
    End,
}

// === impl Queue ===

impl Queue {
    pub(crate) fn new(next: u64, limit: usize) -> Self {
        let state = State {
            batch: Batch::default(),
            next,
            lost: Lost::default(),
            scarce: false,
            trouble: None,
            since: None,
            losses_only: false,
            hurried: false,
            closed: false,
        };
        Self { state: Mutex::new(state), limit, waiting: Notify::new(), pressed: Notify::new() }
    }

    pub(crate) fn opened(&self, at: UnixMs, opened: &Opened) {
        self.push(at, usize::MAX, (Loss::Nothing, false), |bytes| bcs::serialize_into(bytes, &(OPENED, opened)));
    }

    /// `start` is what [`encode`] made of a request. `let_in`: its asker's right was found; `waits`: until it is on disk. Its number,
    /// if it found room, and why nothing can be written.
    pub(crate) fn start(
        &self,
        at: UnixMs,
        start: &[u8],
        (let_in, waits): (bool, bool),
    ) -> (Option<u64>, Option<Unwritten>) {
        let (limit, loss) =
            if let_in { (self.limit, Loss::Request) } else { (self.limit.div_ceil(4), Loss::StrangersRequest) };
        self.push(at, limit, (loss, waits), |bytes| {
            bytes.extend_from_slice(start);
            Ok(())
        })
    }

    pub(crate) fn end(&self, at: UnixMs, end: &End<'_>) -> Option<u64> {
        let limit = self.limit.saturating_add(self.limit / 2);
        let entry = |bytes: &mut Vec<u8>| {
            encode::end(bytes, end);
            Ok(())
        };
        self.push(at, limit, (Loss::End, false), entry).0
    }

    /// Waits for a record, and then until it has waited for `interval`, or somewhat longer if nobody waits for it, or many have
    /// come.
    pub(crate) async fn due(&self, interval: Duration) {
        loop {
            let waiting = self.waiting.notified();
            let due = self.lock().due(interval);
            tokio::select! {
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => return,
                () = self.pressed.notified(), if due.is_some() => return,
                () = waiting => {}
            }
        }
    }

    /// Everything there is; `spare` is a used batch, for its memory.
    pub(crate) fn take(&self, spare: Batch, now: UnixMs) -> Batch {
        let mut state = self.lock();
        state.report_lost(now);
        (state.since, state.hurried) = (None, false);
        let mut bytes = spare.bytes;
        bytes.clear();
        core::mem::replace(&mut state.batch, Batch { bytes, count: 0 })
    }

    /// Whether the disk's space is scarce. Says whether that is news.
    pub(crate) fn set_scarce(&self, scarce: bool) -> bool {
        let mut state = self.lock();
        let news = scarce && !state.scarce;
        state.scarce = scarce;
        news
    }

    /// Why nothing can be written, from now on.
    pub(crate) fn set_trouble(&self, trouble: Option<Unwritten>) {
        self.lock().trouble = trouble;
    }

    /// From now on nothing is accepted. What was lost and is in no record, and the number of the record that would be next.
    pub(crate) fn close(&self) -> (Lost, u64) {
        let mut state = self.lock();
        state.closed = true;
        (state.lost, state.next)
    }

    fn push(
        &self,
        at: UnixMs,
        limit: usize,
        (loss, waits): (Loss, bool),
        entry: impl FnOnce(&mut Vec<u8>) -> bcs::Result<()>,
    ) -> (Option<u64>, Option<Unwritten>) {
        let mut state = self.lock();
        let stranger = loss == Loss::StrangersRequest;
        let room = !state.closed && state.batch.bytes.len() < limit && !(stranger && state.scarce);
        if room && !state.lost.is_nothing() {
            state.report_lost(at);
        }
        let sequence = if room { state.append(at, entry) } else { None };
        if sequence.is_none() && loss != Loss::Nothing {
            state.lost.count(loss != Loss::End, at);
        }
        let lost = sequence.is_none() && stranger;
        let news = state.is_first(lost) | state.hurries(waits);
        let (pressed, trouble) = (state.batch.bytes.len() >= self.limit / 2, state.trouble);
        drop(state);
        if news {
            self.waiting.notify_one();
        }
        if pressed {
            self.pressed.notify_one();
        }
        (sequence, trouble)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic between two pushes leaves whole records: `append` cuts what it did not finish.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    fn append(&mut self, at: UnixMs, entry: impl FnOnce(&mut Vec<u8>) -> bcs::Result<()>) -> Option<u64> {
        let begin = self.batch.bytes.len();
        let bytes = &mut self.batch.bytes;
        let body = begin.saturating_add(4);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.next.to_le_bytes());
        bytes.extend_from_slice(&at.0.to_le_bytes());
        let encoded = entry(bytes).is_ok();
        let length = bytes.len().saturating_sub(body);
        let length = u32::try_from(length).ok().filter(|_| encoded && length <= crate::record::LONGEST);
        let place = bytes.get_mut(begin..).and_then(|rest| rest.first_chunk_mut::<4>());
        let (Some(length), Some(place)) = (length, place) else {
            bytes.truncate(begin);
            return None;
        };
        *place = length.to_le_bytes();
        self.batch.count = self.batch.count.saturating_add(1);
        let sequence = self.next;
        self.next = self.next.saturating_add(1);
        Some(sequence)
    }

    /// Whether the writer is to be told, because nothing that is due as soon as this has come yet. `lost`: there is no record, and it
    /// is a stranger's.
    fn is_first(&mut self, lost: bool) -> bool {
        // The clock is asked where it matters only: of a batch one record is the first.
        if self.since.is_some() && (lost || !self.losses_only) {
            return false;
        }
        (self.since, self.losses_only) = (Some(Instant::now()), lost);
        true
    }

    /// The same, because somebody waits from now on who did not before.
    fn hurries(&mut self, waits: bool) -> bool {
        waits && !core::mem::replace(&mut self.hurried, true)
    }

    /// When the batch is to be written. The writer asks.
    fn due(&self, interval: Duration) -> Option<Instant> {
        let patience = match (self.hurried, self.losses_only) {
            (_, true) => LOSSES,
            (true, false) => interval,
            (false, false) => interval.max(UNHURRIED),
        };
        // Who pushed may go by another clock than the writer, one that is moved by hand: it waits no longer than if it came now.
        self.since.map(|since| since.min(Instant::now()) + patience)
    }

    fn report_lost(&mut self, at: UnixMs) {
        let lost = self.lost;
        if !lost.is_nothing() && self.append(at, |bytes| bcs::serialize_into(bytes, &(LOST, lost))).is_some() {
            self.lost = Lost::default();
        }
    }
}

#[cfg(test)]
mod tests;
