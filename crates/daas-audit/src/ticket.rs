//! What one request has of the log: an [`Arrival`], then a [`Ticket`]. Both record themselves when they are dropped, so that
//! no way out of a request's code is a way past the log.

use crate::config::WhenFull;
use crate::log::{Progress, Shared, State};
use crate::record::{End, What, Who, encode};
use core::fmt;
use daas_types::{ErrorCode, UnixMs};
use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

/// How a request ends of which nothing else was said.
const ABORTED: &str = "Aborted";

/// Room for a start: few take more.
const USUAL: usize = 512;

/// A request whose head was read. It is recorded when it is dropped, if not before.
#[must_use = "dropping it records an aborted request"]
pub struct Arrival {
    shared: Arc<Shared>,
    at: UnixMs,
    /// The start's bytes: what is asked for and, once that is known, who asks. None when it was recorded.
    start: Option<Vec<u8>>,
    /// Where in them the asker begins.
    asker: usize,
    /// Its asker's right was found, and is drawn from.
    let_in: bool,
    mutates: bool,
}

/// A request whose start is recorded. Its end is when this is dropped.
#[must_use = "dropping it records the request's end"]
pub struct Ticket {
    shared: Arc<Shared>,
    start: Option<u64>,
    /// What kept the log from being written when the start was recorded.
    trouble: Option<Unwritten>,
    let_in: bool,
    mutates: bool,
    outcome: Outcome,
}

/// A request that must not be forwarded. Its end is recorded when this is dropped.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
#[must_use = "dropping it records the request's end"]
pub struct Refused {
    /// Why.
    pub why: Unwritten,
    /// To record the answer with.
    pub ticket: Ticket,
}

/// How a request ends, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// HTTP status; 0 while there is none.
    pub status: u16,
    /// Why; `Aborted` until something else is said.
    pub reason: Cow<'static, str>,
    /// Bytes from the client.
    pub received: u64,
    /// Bytes to the client.
    pub sent: u64,
    /// The API server's `Audit-ID`.
    pub audit_id: String,
}

/// Why a record is not on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwritten {
    /// No space.
    #[error("there is no space for the audit log")]
    Full,
    /// Too many records wait, or one waited too long.
    #[error("the audit log's disk is too slow")]
    Behind,
    /// The disk failed.
    #[error("the audit log's disk failed")]
    Failed,
    /// The master is stopping.
    #[error("the audit log is closed")]
    Closed,
}

// === impl Arrival ===

impl Arrival {
    pub(crate) fn new(shared: Arc<Shared>, peer: SocketAddr, what: &What<'_>) -> Self {
        let at = (shared.clock)();
        let mut start = Vec::with_capacity(USUAL);
        encode::start(&mut start, peer, what);
        let asker = start.len();
        Self { shared, at, start: Some(start), asker, let_in: false, mutates: what.mutates() }
    }

    /// It is known who asks; until it is said, nobody known does.
    pub fn identify(&mut self, who: &Who<'_>) {
        if let Some(start) = &mut self.start {
            start.truncate(self.asker);
            encode::who(start, &who.bounded());
        }
    }

    /// Its asker's right was found. Whoever asks without one shares the strangers' part of queue and disk, stake or not.
    pub fn let_in(&mut self) {
        self.let_in = true;
    }

    /// It changes nothing, although its method is one of those that do, and waits for nothing.
    pub fn changes_nothing(&mut self) {
        self.mutates = false;
    }

    /// Records the start and says whether the request may be forwarded. For one that changes something that is when its
    /// start is on disk for good; others wait for nothing. Dropped while it waits, it records an aborted request.
    pub async fn begin(self) -> Result<Ticket, Refused> {
        let ticket = self.start();
        let ready = match ticket.may_proceed() {
            Ok(()) if ticket.mutates => ticket.committed().await,
            ready => ready,
        };
        match ready {
            Ok(()) => Ok(ticket),
            Err(why) => Err(Refused { why, ticket }),
        }
    }

    /// Records the start. For requests that are not forwarded, and for callers that forward while the start is being
    /// written: see [`Ticket::may_proceed`], [`Ticket::committed`].
    pub fn start(mut self) -> Ticket {
        self.record()
    }

    fn record(&mut self) -> Ticket {
        let mut start = self.start.take().unwrap_or_default();
        if start.len() == self.asker {
            encode::who(&mut start, &Who::default());
        }
        let (start, trouble) = self.shared.queue.start(self.at, &start, (self.let_in, self.mutates));
        let (shared, let_in, mutates) = (self.shared.clone(), self.let_in, self.mutates);
        Ticket { shared, start, trouble, let_in, mutates, outcome: Outcome::default() }
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        if self.start.is_some() {
            drop(self.record());
        }
    }
}

// === impl Ticket ===

impl Ticket {
    /// The start's sequence number; none if it found no room.
    pub fn sequence(&self) -> Option<u64> {
        self.start
    }

    /// To be asked before anything is forwarded: whether the request may go on although nothing could be written when its start
    /// was recorded.
    pub fn may_proceed(&self) -> Result<(), Unwritten> {
        let strict = self.mutates || self.shared.config.when_full == WhenFull::RefuseAll;
        match self.trouble {
            // What follows a failed disk would leave no trace at all.
            Some(trouble) if strict || trouble != Unwritten::Full => Err(trouble),
            // That strangers' part is full must not keep anybody from asking for evidence.
            None if strict && (self.let_in || self.mutates) && self.start.is_none() => Err(Unwritten::Behind),
            _ => Ok(()),
        }
    }

    /// To be awaited before a request that changes something is answered: ends when the start is on disk for good.
    pub async fn committed(&self) -> Result<(), Unwritten> {
        let progress = &self.shared.progress;
        let Some(start) = self.start else {
            return Err(progress.borrow().state.trouble().unwrap_or(Unwritten::Behind));
        };
        let on_disk = |progress: &Progress| progress.head.records > start;
        let mut receiver = progress.subscribe();
        let settled = receiver.wait_for(|progress| on_disk(progress) || progress.state != State::Writing);
        match tokio::time::timeout(self.shared.config.deadline, settled).await {
            Ok(Ok(progress)) if on_disk(&progress) => Ok(()),
            Ok(Ok(progress)) => Err(progress.state.trouble().unwrap_or(Unwritten::Behind)),
            Ok(Err(_)) => Err(Unwritten::Closed),
            Err(_) => Err(Unwritten::Behind),
        }
    }

    /// Whether [`Self::committed`] is to be awaited.
    pub fn mutates(&self) -> bool {
        self.mutates
    }

    /// What is to be recorded as the end.
    pub fn outcome(&mut self) -> &mut Outcome {
        &mut self.outcome
    }

    /// The request ended so.
    pub fn finish(mut self, status: u16, reason: impl Into<Cow<'static, str>>) {
        (self.outcome.status, self.outcome.reason) = (status, reason.into());
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { start, trouble: _, mutates, outcome, let_in: _, shared: _ } = self;
        let mut fields = f.debug_struct("Ticket");
        fields.field("start", start).field("mutates", mutates).field("outcome", outcome).finish_non_exhaustive()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // A request without a start was counted as a whole.
        let Some(start) = self.start else { return };
        let Outcome { status, reason, received, sent, audit_id } = &self.outcome;
        let (reason, audit_id) = (Cow::Borrowed(reason.as_ref()), Cow::Borrowed(audit_id.as_str()));
        let end = End { start, status: *status, reason, received: *received, sent: *sent, audit_id };
        self.shared.queue.end((self.shared.clock)(), &end.bounded());
    }
}

impl Default for Outcome {
    fn default() -> Self {
        Self { status: 0, reason: Cow::Borrowed(ABORTED), received: 0, sent: 0, audit_id: String::new() }
    }
}

// === impl Unwritten ===

impl Unwritten {
    /// As a client is told.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::Full => ErrorCode::AuditFull,
            Self::Behind | Self::Closed => ErrorCode::AuditBehind,
            Self::Failed => ErrorCode::AuditFailed,
        }
    }
}
