//! What is pulled to end an answer under way.
//!
//! hyper asks an answer's body for more only when the client has room for what came before, so a body cannot end the answer of a
//! client that stopped reading. Therefore the cord sits around what hyper runs: over HTTP/2 around the stream's task, whose
//! end resets the stream and throws away what was queued; over HTTP/1.1 around the connection.
//!
//! It is pulled when the permit's right ends, and when the client takes nothing of what there is for it: see [`Patience`].

use super::streams::{Stream, Streams};
use crate::admit::{CutReason, Lease};
use crate::measure;
use crate::request::{self, App};
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicU8, Ordering};
use core::task::{Context, Poll};
use core::time::Duration;
use futures::FutureExt as _;
use hyper::rt::Executor;
use pin_project_lite::pin_project;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::futures::TaskLocalFuture;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::task::TaskTracker;

#[cfg(test)]
mod tests;

/// Why a cord was pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pulled {
    /// The right is gone.
    Cut(CutReason),
    /// The client does not read.
    Stalled,
}

/// Spawns one task per server stream, with a cord around it.
#[derive(Clone)]
pub(super) struct StreamExecutor {
    tasks: TaskTracker,
    context: Arc<request::Context>,
    patience: Duration,
    streams: Arc<Streams>,
}

/// What those who answer have tied to the cord around them.
#[derive(Default)]
struct Knot {
    lease: Mutex<Option<Lease>>,
    /// What became of the answer's body. Only the task that the cord is around looks at it.
    body: AtomicU8,
}

/// There is no body, or what there was of it is taken and no more has come.
const WAITS: u8 = 0;
/// The connection has taken a frame out of it, and not asked for another.
const TOOK: u8 = 1;
/// And is still busy with that one: hyper asks again at once where there is room, so the client has none.
const BUSY: u8 = 2;
/// For too long.
const STALLED: u8 = 3;

/// How long a client may take nothing, with something there for it. What waits for the API server, an idle watch, does not
/// count. Costs nothing while answers flow; one timer is made when a client first has no room, and not moved when it has.
struct Patience {
    limit: Duration,
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

pin_project! {
    /// A future that a cord is around. A type of its own, because an `async` block has what it is given twice, and there is
    /// one of these for each open watch.
    pub(super) struct Around<F> {
        #[pin]
        served: TaskLocalFuture<Arc<Knot>, F>,
        knot: Arc<Knot>,
        patience: Patience,
    }
}

tokio::task_local! {
    static KNOT: Arc<Knot>;
}

/// From here on the end of this lease ends the answer.
pub(crate) fn tie(lease: Lease) {
    let tied = KNOT.try_with(|knot| *lock(knot) = Some(lease));
    tied.expect("a service must run inside a cord");
}

/// The former answer is complete, and its leash ends nothing any more.
pub(crate) fn untie() {
    let untied = KNOT.try_with(|knot| *lock(knot) = None);
    untied.expect("a service must run inside a cord");
}

/// The connection asked the answer's body for a frame, and `got` one or has to wait for it.
pub(crate) fn asked(got: bool) {
    note(if got { TOOK } else { WAITS });
}

/// The answer's body is over, or given up. Whether that is because the client did not read it.
pub(crate) fn over() -> bool {
    let stalled = KNOT.try_with(|knot| knot.body.load(Ordering::Relaxed) == STALLED).unwrap_or(false);
    note(WAITS);
    stalled
}

/// Runs what serves answers, until it ends or must not go on. Within a stalled one, [`over`] says so.
pub(super) fn around<F: Future>(served: F, patience: Duration) -> Around<F> {
    let knot = Arc::<Knot>::default();
    let patience = Patience { limit: patience, since: None, timer: None };
    Around { served: KNOT.scope(knot.clone(), served), knot, patience }
}

fn note(body: u8) {
    // Without a cord there is nobody to tell: what is dropped with the gateway is.
    let _ = KNOT.try_with(|knot| knot.body.store(body, Ordering::Relaxed));
}

fn lock(knot: &Knot) -> MutexGuard<'_, Option<Lease>> {
    knot.lease.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Around ===

impl<F: Future> Future for Around<F> {
    type Output = Result<F::Output, Pulled>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.served.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        // Who answers ties in its own turn, so what is tied is seen at once.
        if let Some(Poll::Ready(reason)) = lock(this.knot).as_mut().map(|lease| Pin::new(lease).poll(cx)) {
            return Poll::Ready(Err(Pulled::Cut(reason)));
        }
        this.patience.poll(&this.knot.body, cx).map(|()| Err(Pulled::Stalled))
    }
}

// === impl Patience ===

impl Patience {
    /// Ready when it is over.
    fn poll(&mut self, body: &AtomicU8, cx: &mut Context<'_>) -> Poll<()> {
        match body.load(Ordering::Relaxed) {
            TOOK => {
                body.store(BUSY, Ordering::Relaxed);
                self.since = Some(Instant::now());
            }
            BUSY => {}
            _ => self.since = None,
        }
        let over = self.since.map(|since| since + self.limit);
        if self.timer.is_none() {
            self.timer = over.map(|over| Box::pin(sleep_until(over)));
        }
        while let Some(timer) = &mut self.timer {
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            match over {
                None => self.timer = None,
                Some(over) if over > Instant::now() => timer.as_mut().reset(over),
                Some(_) => {
                    body.store(STALLED, Ordering::Relaxed);
                    return Poll::Ready(());
                }
            }
        }
        Poll::Pending
    }
}

// === impl Pulled ===

impl Pulled {
    /// For the metrics.
    pub(super) fn count(self, app: &App) {
        match self {
            Self::Cut(reason) => measure::revocation(reason, app.since_checkpoint()),
            Self::Stalled => measure::stalled(),
        }
    }
}

// === impl StreamExecutor ===

impl StreamExecutor {
    pub(super) fn new(
        tasks: TaskTracker,
        context: Arc<request::Context>,
        patience: Duration,
        streams: Arc<Streams>,
    ) -> Self {
        Self { tasks, context, patience, streams }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for StreamExecutor {
    fn execute(&self, future: F) {
        let (connection, open) = (self.context.clone(), Stream::begin(&self.streams));
        // It needs no word of the gateway's end: that ends the connection, and a stream without one ends.
        self.tasks.spawn(around(future, self.patience).map(move |ended| {
            drop(open);
            if let Err(pulled) = ended {
                pulled.count(&connection.app);
            }
        }));
    }
}
