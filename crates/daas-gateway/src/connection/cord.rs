//! What is pulled to end an answer under way.
//!
//! hyper asks an answer's body for more only when the client has room for more, so a body cannot end the answer of a
//! client that stopped reading. Therefore the cord sits around it: over HTTP/2 around the stream's task, whose end
//! resets the stream and throws away what was queued; over HTTP/1.1 around the connection.

use crate::admit::{CutReason, Lease, Leash};
use crate::measure;
use crate::request::App;
use core::future::{Future, pending, poll_fn};
use core::pin::{Pin, pin};
use core::task::Poll;
use daas_types::UnixMs;
use hyper::rt::Executor;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
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

/// Spawns one task per server stream, with a cord around it.
#[derive(Clone)]
pub(super) struct StreamExecutor {
    tasks: TaskTracker,
    app: Arc<App>,
}

/// What was tied to a stream, for its task to look at.
type Knot = Arc<Mutex<Option<Lease>>>;

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
                let tied = STREAM.try_with(|knot| *lock(knot) = Some(leash.lease(now)));
                tied.expect("a stream's service must run inside its executor's task");
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

// === impl StreamExecutor ===

impl StreamExecutor {
    pub(super) fn new(tasks: TaskTracker, app: Arc<App>) -> Self {
        Self { tasks, app }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for StreamExecutor {
    fn execute(&self, future: F) {
        let (app, knot) = (self.app.clone(), Knot::default());
        // It needs no word of the gateway's end: that ends the connection, and a stream without one ends.
        self.tasks.spawn(async move {
            let mut stream = pin!(STREAM.scope(knot.clone(), future));
            let cut = poll_fn(|cx| {
                if stream.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                // The service ties in its own turn, so what is tied is seen at once.
                match lock(&knot).as_mut().map(|lease| Pin::new(lease).poll(cx)) {
                    Some(Poll::Ready(reason)) => Poll::Ready(Some(reason)),
                    Some(Poll::Pending) | None => Poll::Pending,
                }
            });
            if let Some(reason) = cut.await {
                measure::revocation(reason, app.since_checkpoint());
            }
        });
    }
}

fn lock(knot: &Knot) -> MutexGuard<'_, Option<Lease>> {
    knot.lock().unwrap_or_else(PoisonError::into_inner)
}
