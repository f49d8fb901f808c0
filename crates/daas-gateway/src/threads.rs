//! The threads that connections are served on, each with a runtime and connections to the API server of its own.
//!
//! A request is looked at by two connections' tasks and one of its own. On one runtime with several threads those are on several
//! threads: each hand-over wakes a thread, and what a core has in its cache another has to fetch. Here all three are on one. Shared
//! by all is what has to be counted together: buckets, shares, places, and the index.

use crate::forward::Forwarder;
use core::time::Duration;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

/// All of them.
pub(crate) struct Threads {
    all: Vec<Thread>,
    own: Option<Own>,
}

/// One of them.
struct Thread {
    /// None is the runtime on which the gateway runs.
    handle: Option<Handle>,
    forwarder: Arc<Forwarder>,
    connections: Arc<AtomicUsize>,
}

/// Those that are the gateway's own; they end when this is dropped.
struct Own {
    all: Vec<JoinHandle<()>>,
    _end: DropGuard,
    /// Cancelled when one of them ends.
    ended: CancellationToken,
}

/// What was begun and blocks, a device that does not answer, is not waited for longer.
const BLOCKED: Duration = Duration::from_secs(5);

/// Where one connection is served.
pub(crate) struct Seat {
    pub(crate) handle: Handle,
    pub(crate) forwarder: Arc<Forwarder>,
    connections: Arc<AtomicUsize>,
}

// === impl Threads ===

impl Threads {
    /// `count` threads, or, where that is 0, the runtime on which the gateway runs.
    pub(crate) fn start(count: usize, forwarder: impl Fn() -> Forwarder) -> io::Result<Self> {
        let thread = |handle| Thread { handle, forwarder: Arc::new(forwarder()), connections: Arc::default() };
        if count == 0 {
            return Ok(Self { all: vec![thread(None)], own: None });
        }
        let (own, handles) = Own::start(count)?;
        Ok(Self { all: handles.into_iter().map(Some).map(thread).collect(), own: Some(own) })
    }

    /// A seat on the thread with the fewest connections.
    pub(crate) fn seat(&self) -> Seat {
        let fewest = self.all.iter().min_by_key(|thread| thread.connections.load(Ordering::Relaxed));
        let Thread { handle, forwarder, connections } = fewest.expect("there must be one");
        connections.fetch_add(1, Ordering::Relaxed);
        let handle = handle.clone().unwrap_or_else(Handle::current);
        Seat { handle, forwarder: forwarder.clone(), connections: connections.clone() }
    }

    /// Closes idle connections to the API server.
    pub(crate) fn trim(&self) {
        self.all.iter().for_each(|thread| thread.forwarder.trim());
    }

    /// Ends when one of the gateway's own has, which it should not: what is given to it then is lost.
    pub(crate) async fn failed(&self) {
        match &self.own {
            Some(own) => own.ended.cancelled().await,
            None => core::future::pending().await,
        }
    }

    /// Ends those of the gateway's own, on which nothing is left to do, and waits for that.
    pub(crate) async fn end(&mut self) {
        let Some(Own { all, _end: end, .. }) = self.own.take() else { return };
        drop(end);
        // A thread that panicked has ended, too.
        let joined = tokio::task::spawn_blocking(|| all.into_iter().for_each(|thread| drop(thread.join())));
        let _ = joined.await;
    }
}

// === impl Own ===

impl Own {
    fn start(count: usize) -> io::Result<(Self, Vec<Handle>)> {
        let (end, ended) = (CancellationToken::new(), CancellationToken::new());
        let mut own = Self { all: Vec::new(), _end: end.clone().drop_guard(), ended: ended.clone() };
        let mut handles = Vec::new();
        for number in 0..count {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            handles.push(runtime.handle().clone());
            let (end, ended) = (end.clone(), ended.clone().drop_guard());
            let run = move || {
                let _ended = ended;
                runtime.block_on(end.cancelled());
                runtime.shutdown_timeout(BLOCKED);
            };
            own.all.push(std::thread::Builder::new().name(format!("gateway-{number}")).spawn(run)?);
        }
        Ok((own, handles))
    }
}

// === impl Seat ===

impl Drop for Seat {
    fn drop(&mut self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    #[tokio::test]
    async fn a_thread_that_ends_is_noticed() {
        let (own, handles) = Own::start(2).unwrap();
        let threads = Threads { all: Vec::new(), own: Some(own) };
        assert_eq!(handles[1].spawn(async { 7 }).await.unwrap(), 7);
        assert!(threads.failed().now_or_never().is_none());
        let Own { ended, _end: end, .. } = threads.own.unwrap();
        drop(end);
        tokio::time::timeout(BLOCKED, ended.cancelled()).await.expect("it must be told");
    }
}
