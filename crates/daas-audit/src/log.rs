//! The log as the master holds it: opened, told of requests, asked how far it is.

use crate::anchor::Anchor;
use crate::config::{Clock, LONGEST_INTERVAL, LogConfig};
use crate::disk::Disk;
use crate::hash::Digest;
use crate::open::{self, Found, OpenError};
use crate::queue::Queue;
use crate::record::{Opened, What};
use crate::ticket::{Arrival, Unwritten};
use crate::writer::Writer;
use core::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// The log, for those who write to it. Cheap to clone.
#[derive(Clone)]
pub struct Log(Arc<Shared>);

/// What writers and the writer share.
pub(crate) struct Shared {
    pub(crate) queue: Queue,
    pub(crate) progress: watch::Sender<Progress>,
    pub(crate) clock: Clock,
    pub(crate) config: LogConfig,
}

/// How far the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Whether it is written.
    pub state: State,
    /// What is on disk.
    pub head: Head,
}

/// The log on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// How many records.
    pub records: u64,
    /// The root of their tree.
    pub root: Digest,
}

/// Whether the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is.
    Writing,
    /// There is no space. It goes on by itself when there is.
    Full,
    /// The disk failed, and the writer has ended.
    Failed,
    /// The writer was stopped.
    Closed,
}

// === impl Log ===

impl Log {
    /// Takes up the log on `disk`, or begins it; refuses one that lacks an `expected` anchor. Reads files: not for an async
    /// task. Nothing is written until [`Writer::run`].
    pub fn open<D: Disk>(
        config: LogConfig,
        disk: Arc<D>,
        clock: Clock,
        expected: &[Anchor],
    ) -> Result<(Self, Writer<D>, Found), OpenError> {
        let now = clock();
        let (chain, found) = open::open(disk, config.id, expected, now)?;
        let tree = &chain.tip().tree;
        let head = Head { records: tree.leaves(), root: tree.root() };
        let queue = Queue::new(head.records, config.queue_bytes);
        queue.opened(now, &Opened { version: config.version.clone(), torn: found.torn });
        let progress = watch::Sender::new(Progress { state: State::Writing, head });
        let config = LogConfig { interval: config.interval.min(LONGEST_INTERVAL), ..config };
        let shared = Arc::new(Shared { queue, progress, clock, config });
        Ok((Self(shared.clone()), Writer::new(shared, chain), found))
    }

    /// A request's head was read. What of it may be kept is decided in [`What::of`].
    pub fn arrive(&self, peer: SocketAddr, what: &What<'_>) -> Arrival {
        Arrival::new(self.0.clone(), peer, what)
    }

    /// How far the log is, now.
    pub fn progress(&self) -> Progress {
        *self.0.progress.borrow()
    }

    /// How far the log is, from now on.
    pub fn watch(&self) -> watch::Receiver<Progress> {
        self.0.progress.subscribe()
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("id", &self.0.config.id).field("progress", &self.progress()).finish_non_exhaustive()
    }
}

// === impl State ===

impl State {
    pub(crate) fn trouble(self) -> Option<Unwritten> {
        match self {
            Self::Writing => None,
            Self::Full => Some(Unwritten::Full),
            Self::Failed => Some(Unwritten::Failed),
            Self::Closed => Some(Unwritten::Closed),
        }
    }
}

#[cfg(test)]
mod tests;
