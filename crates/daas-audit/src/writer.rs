//! The one task that writes: takes what has gathered, chains it, writes it, syncs it, and only then says so.

use crate::chain::{Batch, Chain, WriteError};
use crate::disk::Disk;
use crate::log::{Head, Progress, Shared, State};
use crate::record::Lost;
use core::time::Duration;
use std::io;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// When nothing came for so long, the last batch is marked as being on disk.
const REST: Duration = Duration::from_secs(1);

/// How often the disk is asked how much space it has: each time costs a fortieth of a commit.
const LOOK: Duration = Duration::from_secs(1);

/// Writes a log, for as long as the process lives.
pub struct Writer<D: Disk> {
    shared: Arc<Shared>,
    chain: Chain<D>,
}

/// A batch on its way; what was done of it is not done again.
struct Job<D: Disk> {
    chain: Chain<D>,
    batch: Batch,
    rotate: Option<daas_types::UnixMs>,
    /// How many bytes it is on disk, once it is chained.
    staged: Option<u64>,
}

/// How many bytes the disk has space for.
#[derive(Default)]
struct Room {
    bytes: u64,
    asked: Option<Instant>,
}

/// However the writer ends, those who wait for it learn that it did.
struct Closing(Arc<Shared>);

// === impl Writer ===

impl<D: Disk> Writer<D> {
    pub(crate) fn new(shared: Arc<Shared>, chain: Chain<D>) -> Self {
        Self { shared, chain }
    }

    /// Writes until `shutdown`, and then what is left. Cancel it when the last request has ended: what comes later is refused.
    /// An error means that the disk failed; the process must end, and open the log anew.
    ///
    /// On a thread of its own: a commit each few milliseconds, handed to one of a pool's threads and back, costs more in threads that
    /// are woken than in what is written. Dropped, it ends as if it was shut down.
    pub async fn run_apart(self, shutdown: CancellationToken) -> Result<(), WriteError> {
        let shutdown = shutdown.child_token();
        let _dropped = shutdown.clone().drop_guard();
        let (ended, end) = oneshot::channel();
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            // Whoever asked may have been dropped.
            let _ = ended
                .send(runtime.map_err(WriteError::Failed).and_then(|runtime| runtime.block_on(self.run(shutdown))));
        };
        std::thread::Builder::new().name("audit-log".to_owned()).spawn(run).map_err(WriteError::Failed)?;
        end.await.unwrap_or_else(|_| Err(WriteError::Failed(io::Error::other("the audit log's thread panicked"))))
    }

    /// The same, as a task that waits for the disk where it runs.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), WriteError> {
        let Self { shared, mut chain } = self;
        let _closing = Closing(shared.clone());
        let (mut spare, mut rested, mut room) = (Batch::default(), true, Room::default());
        loop {
            let closing = tokio::select! {
                biased;
                () = shutdown.cancelled() => true,
                () = shared.queue.due(shared.config.interval) => false,
                () = tokio::time::sleep(REST), if !rested => {
                    rest(&mut chain);
                    rested = true;
                    continue;
                }
            };
            if closing {
                shared.close();
            }
            let batch = shared.queue.take(spare, (shared.clock)());
            if closing && batch.is_empty() {
                break;
            }
            (chain, spare) = commit(&shared, (chain, batch), &mut room, &shutdown).await?;
            rested = false;
        }
        rest(&mut chain);
        Ok(())
    }
}

/// Writes a batch, waiting for space if there is none.
async fn commit<D: Disk>(
    shared: &Shared,
    (chain, batch): (Chain<D>, Batch),
    room: &mut Room,
    shutdown: &CancellationToken,
) -> Result<(Chain<D>, Batch), WriteError> {
    let config = &shared.config;
    let now = (shared.clock)();
    let (bytes, opened) = chain.segment();
    let due = bytes >= config.segment_bytes || now.since(opened) >= config.segment_age;
    let mut job = Job { chain, batch, rotate: due.then_some(now), staged: None };
    while let Err(error) = job.run() {
        let full = matches!(error, WriteError::Full(_));
        shared.set_state(if full { State::Full } else { State::Failed }, &error);
        if !full || shutdown.is_cancelled() {
            return Err(error);
        }
        // What the disk said before is no longer so.
        *room = Room::default();
        tokio::select! {
            () = tokio::time::sleep(config.retry) => {}
            () = shutdown.cancelled() => {}
        }
    }
    if shared.queue.set_scarce(room.after(job.staged.unwrap_or_default(), &job.chain) < config.reserve) {
        tracing::warn!(audit.room = room.bytes, "little space is left: requests of strangers are counted, not written");
    }
    let tree = &job.chain.tip().tree;
    let head = Head { records: tree.leaves(), root: tree.root() };
    let mut was_full = false;
    shared.progress.send_modify(|progress| {
        was_full = progress.state == State::Full;
        let state = if was_full { State::Writing } else { progress.state };
        *progress = Progress { state, head };
    });
    if was_full {
        shared.tell_the_queue();
        tracing::info!(audit.records = head.records, "the audit log is written again");
    }
    Ok((job.chain, job.batch))
}

fn rest<D: Disk>(chain: &mut Chain<D>) {
    // Without it the last batch is still there, only less sure to be found damaged.
    if let Err(error) = chain.rest() {
        tracing::debug!(%error, "the end of the audit log could not be marked");
    }
}

// === impl Job ===

impl<D: Disk> Job<D> {
    fn run(&mut self) -> Result<(), WriteError> {
        if let Some(now) = self.rotate {
            self.chain.rotate(now)?;
            self.rotate = None;
        }
        if self.staged.is_none() {
            self.staged = Some(self.chain.stage(&self.batch));
        }
        self.chain.flush()
    }
}

// === impl Room ===

impl Room {
    /// What is left after so many bytes of the log. Between two looks what others write is not seen.
    fn after<D: Disk>(&mut self, written: u64, chain: &Chain<D>) -> u64 {
        let now = Instant::now();
        if self.asked.is_some_and(|asked| now.duration_since(asked) < LOOK) {
            self.bytes = self.bytes.saturating_sub(written);
        } else {
            (self.bytes, self.asked) = (chain.room(), Some(now));
        }
        self.bytes
    }
}

// === impl Shared ===

impl Shared {
    /// Nothing is taken from now on. What is in no record, and the number of the record that would be next.
    fn close(&self) -> (Lost, u64) {
        self.progress.send_if_modified(|progress| {
            let open = matches!(progress.state, State::Writing | State::Full);
            if open {
                progress.state = State::Closed;
            }
            open
        });
        self.tell_the_queue();
        self.queue.close()
    }

    fn set_state(&self, state: State, error: &WriteError) {
        let changed =
            self.progress.send_if_modified(|progress| core::mem::replace(&mut progress.state, state) != state);
        if changed {
            self.tell_the_queue();
            tracing::error!(%error, "audit records are not on disk");
        }
    }

    /// Requests ask there.
    fn tell_the_queue(&self) {
        self.queue.set_trouble(self.progress.borrow().state.trouble());
    }
}

// === impl Closing ===

impl Drop for Closing {
    fn drop(&mut self) {
        let (lost, next) = self.0.close();
        let unwritten = next.saturating_sub(self.0.progress.borrow().head.records);
        if unwritten != 0 || !lost.is_nothing() {
            let Lost { requests, ends, .. } = lost;
            tracing::error!(audit.unwritten = unwritten, audit.requests = requests, audit.ends = ends, "unrecorded");
        }
    }
}
