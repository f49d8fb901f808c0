//! Records on their way to disk: written as bytes by whoever has one, taken as a batch by the writer.
//!
//! The bound is in bytes. A start that finds no room is counted, and the count is the next record that finds some; an end
//! may go beyond the bound by half, so that an accepted start is answered by its end.

use crate::chain::Batch;
use crate::record::{Lost, Opened};
use core::time::Duration;
use daas_types::UnixMs;
use serde::Serialize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Variants of [`crate::Entry`], as BCS numbers them.
const OPENED: u8 = 0;
const START: u8 = 1;
const END: u8 = 2;
const LOST: u8 = 3;

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
    /// When the first record of the batch came.
    since: Option<Instant>,
    closed: bool,
}

// === impl Queue ===

impl Queue {
    pub(crate) fn new(next: u64, limit: usize) -> Self {
        let state = State { batch: Batch::default(), next, lost: Lost::default(), since: None, closed: false };
        Self { state: Mutex::new(state), limit, waiting: Notify::new(), pressed: Notify::new() }
    }

    pub(crate) fn opened(&self, at: UnixMs, opened: &Opened) {
        self.push(at, usize::MAX, None, |bytes| bcs::serialize_into(bytes, &(OPENED, opened)));
    }

    /// The beginning of a start record, of which [`Self::asked_by`] is the rest. Empty if it cannot be written, which
    /// [`Self::start`] counts as lost.
    pub(crate) fn start_of(what: &impl Serialize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        match bcs::serialize_into(&mut bytes, &(START, what)) {
            Ok(()) => bytes,
            Err(_) => Vec::new(),
        }
    }

    /// The rest of a start record. Empties what cannot be written.
    pub(crate) fn asked_by(start: &mut Vec<u8>, who: &impl Serialize) {
        if start.is_empty() || bcs::serialize_into(start, who).is_err() {
            start.clear();
        }
    }

    /// `start` is whole, or empty if it could not be written.
    pub(crate) fn start(&self, at: UnixMs, start: &[u8]) -> Option<u64> {
        self.push(at, self.limit, Some(true), |bytes| {
            if start.is_empty() {
                return Err(bcs::Error::Custom(String::new()));
            }
            bytes.extend_from_slice(start);
            Ok(())
        })
    }

    pub(crate) fn end(&self, at: UnixMs, end: &impl Serialize) -> Option<u64> {
        let limit = self.limit.saturating_add(self.limit / 2);
        self.push(at, limit, Some(false), |bytes| bcs::serialize_into(bytes, &(END, end)))
    }

    /// Waits for a record, and then until it has waited for `interval` or many have come.
    pub(crate) async fn due(&self, interval: Duration) {
        let since = loop {
            let waiting = self.waiting.notified();
            if let Some(since) = self.lock().since {
                break since;
            }
            waiting.await;
        };
        tokio::select! {
            () = tokio::time::sleep_until(since + interval) => {}
            () = self.pressed.notified() => {}
        }
    }

    /// Everything there is; `spare` is a used batch, for its memory.
    pub(crate) fn take(&self, spare: Batch, now: UnixMs) -> Batch {
        let mut state = self.lock();
        state.report_lost(now);
        state.since = None;
        let mut bytes = spare.bytes;
        bytes.clear();
        core::mem::replace(&mut state.batch, Batch { bytes, count: 0 })
    }

    /// From now on nothing is accepted. What was lost and is in no record, and the number of the record that would be next.
    pub(crate) fn close(&self) -> (Lost, u64) {
        let mut state = self.lock();
        state.closed = true;
        (state.lost, state.next)
    }

    /// `loses`: what is lost without room: a request, or an end.
    fn push(
        &self,
        at: UnixMs,
        limit: usize,
        loses: Option<bool>,
        entry: impl FnOnce(&mut Vec<u8>) -> bcs::Result<()>,
    ) -> Option<u64> {
        let mut state = self.lock();
        let room = !state.closed && state.batch.bytes.len() < limit;
        if room && !state.lost.is_nothing() {
            state.report_lost(at);
        }
        let sequence = if room { state.append(at, entry) } else { None };
        if let (None, Some(request)) = (sequence, loses) {
            state.lost.count(request, at);
        }
        let first = state.since.is_none();
        if first {
            state.since = Some(Instant::now());
        }
        let pressed = state.batch.bytes.len() >= self.limit / 2;
        drop(state);
        if first {
            self.waiting.notify_one();
        }
        if pressed {
            self.pressed.notify_one();
        }
        sequence
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

    fn report_lost(&mut self, at: UnixMs) {
        let lost = self.lost;
        if !lost.is_nothing() && self.append(at, |bytes| bcs::serialize_into(bytes, &(LOST, lost))).is_some() {
            self.lost = Lost::default();
        }
    }
}

#[cfg(test)]
mod tests;
