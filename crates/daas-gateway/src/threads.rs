//! The threads that connections are served on, each with a runtime and connections to the API server of its own.
//!
//! A request is looked at by two connections' tasks and one of its own. On one runtime with several threads those are on several
//! threads: each hand-over wakes a thread, and what a core has in its cache another has to fetch. Here all three are on one. Shared
//! by all is what has to be counted together: buckets, shares, places, and the index.

use crate::forward::Forwarder;
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
    ended: Vec<JoinHandle<()>>,
    _end: DropGuard,
}

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
        let end = CancellationToken::new();
        let (mut all, mut own) = (Vec::new(), Own { ended: Vec::new(), _end: end.clone().drop_guard() });
        for number in 0..count {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            all.push(thread(Some(runtime.handle().clone())));
            let end = end.clone();
            let run = move || runtime.block_on(end.cancelled());
            own.ended.push(std::thread::Builder::new().name(format!("gateway-{number}")).spawn(run)?);
        }
        Ok(Self { all, own: Some(own) })
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

    /// Ends those of the gateway's own, on which nothing is left to do, and waits for that.
    pub(crate) async fn end(&mut self) {
        let Some(Own { ended, _end: end }) = self.own.take() else { return };
        drop(end);
        // A thread that panicked has ended, too.
        let joined = tokio::task::spawn_blocking(|| ended.into_iter().for_each(|thread| drop(thread.join())));
        let _ = joined.await;
    }
}

// === impl Seat ===

impl Drop for Seat {
    fn drop(&mut self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
