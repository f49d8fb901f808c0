//! What is pulled to end an answer under way.
//!
//! hyper asks an answer's body for more only when the client has room for more, so a body cannot end the answer of a
//! client that stopped reading. Therefore the cord sits around it: over HTTP/2 around the stream's task, whose end
//! resets the stream and throws away what was queued; over HTTP/1.1 around the connection.

use crate::admit::{CutReason, Lease, Leash};
use crate::measure;
use crate::request::App;
use core::future::{Future, pending};
use daas_types::UnixMs;
use hyper::rt::Executor;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Where a request ties the leash of its permit.
pub(crate) enum Cord {
    /// To the stream whose task is running.
    Stream,
    /// To the connection, in place of the former request's.
    Connection(watch::Sender<Option<Leash>>),
}

/// The connection's end of [`Cord::Connection`].
pub(crate) struct ConnectionCord(watch::Receiver<Option<Leash>>);

/// Spawns what hyper's clients need spawned.
#[derive(Clone)]
pub(crate) struct TrackedExecutor {
    tasks: TaskTracker,
    kill: CancellationToken,
}

/// Spawns one task per server stream, with a cord around it.
#[derive(Clone)]
pub(super) struct StreamExecutor {
    tasks: TaskTracker,
    kill: CancellationToken,
    app: Arc<App>,
}

type Knot = Mutex<Option<oneshot::Sender<Lease>>>;

tokio::task_local! {
    static STREAM: Knot;
}

// === impl Cord ===

impl Cord {
    pub(super) fn connection() -> (Self, ConnectionCord) {
        let (tie, cord) = watch::channel(None);
        (Self::Connection(tie), ConnectionCord(cord))
    }

    /// From here on the end of `leash` ends the answer.
    pub(crate) fn tie(&self, leash: &Leash, now: UnixMs) {
        match self {
            Self::Connection(cord) => {
                cord.send_replace(Some(leash.clone()));
            }
            Self::Stream => {
                let knot = STREAM.try_with(|knot| knot.lock().unwrap_or_else(PoisonError::into_inner).take());
                let knot = knot.expect("a stream's service must run inside its executor's task");
                // The receiver is gone only when the stream is.
                let _ = knot.map(|knot| knot.send(leash.lease(now)));
            }
        }
    }

    /// An answer of ours ends by itself.
    pub(crate) fn untie(&self) {
        match self {
            Self::Connection(cord) => {
                cord.send_replace(None);
            }
            Self::Stream => {}
        }
    }
}

// === impl ConnectionCord ===

impl ConnectionCord {
    pub(super) async fn pulled(&mut self, app: &App) -> CutReason {
        loop {
            let leash = self.0.borrow_and_update().clone();
            let lease = async {
                match leash {
                    Some(leash) => leash.lease(app.now()).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                reason = lease => return reason,
                changed = self.0.changed() => if changed.is_err() {
                    return pending().await;
                },
            }
        }
    }
}

// === impl TrackedExecutor ===

impl TrackedExecutor {
    pub(crate) fn new(tasks: TaskTracker, kill: CancellationToken) -> Self {
        Self { tasks, kill }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for TrackedExecutor {
    fn execute(&self, future: F) {
        let kill = self.kill.clone();
        self.tasks.spawn(async move { kill.run_until_cancelled_owned(future).await.map(drop) });
    }
}

// === impl StreamExecutor ===

impl StreamExecutor {
    pub(super) fn new(tasks: TaskTracker, kill: CancellationToken, app: Arc<App>) -> Self {
        Self { tasks, kill, app }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for StreamExecutor {
    fn execute(&self, future: F) {
        let Self { kill, app, .. } = self.clone();
        let (tie, tied) = oneshot::channel::<Lease>();
        let pulled = async {
            match tied.await {
                Ok(lease) => lease.await,
                Err(_) => pending().await,
            }
        };
        let stream = STREAM.scope(Mutex::new(Some(tie)), future);
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = kill.cancelled() => {}
                reason = pulled => measure::revocation(reason, app.since_checkpoint()),
                _ = stream => {}
            }
        });
    }
}
