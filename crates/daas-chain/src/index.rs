//! Every position of one cluster, in memory, as of the last verified checkpoint.
//!
//! Readers take a [`Snapshot`]: immutable, consistent, free of locks. A decision and the [`Hold`] that tells when it is no
//! longer true come out of the same snapshot, so between deciding and registering nothing can slip through:
//! [`Index::apply`] publishes the new snapshot first and wakes the holders of old states after, hence whoever still holds
//! an old state looks again, and sees the new one.

mod apply;
mod finder;
mod live;
mod snapshot;
#[cfg(test)]
mod tests;
mod totals;

pub use apply::Applied;
pub use live::{Hold, LivePosition, Right, namespace_of};
pub use snapshot::Snapshot;
pub use totals::Totals;

use crate::verified::VerifiedCheckpoint;
use apply::Plan;
use arc_swap::ArcSwap;
use core::time::Duration;
use daas_types::join::JoinFile;
use daas_types::onchain::{ClusterState, NautilusState, PositionState, SealRecord};
use daas_types::{ClusterId, NautilusId, PackageId, PositionId, RegistryId, Rights, UnixMs};
use serde::{Deserialize, Serialize};
use snapshot::ChainClock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{broadcast, watch};

/// Without a verified checkpoint for longer than this the index is stale.
pub const FRESH_FOR: Duration = Duration::from_secs(30);

/// Changes a slow listener may lag behind before it is told so.
const CHANGES: usize = 1024;

/// Which cluster an index is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexIds {
    /// The Move package.
    pub package: PackageId,
    /// The cluster; events of others are dropped.
    pub cluster: ClusterId,
    /// Its registry.
    pub registry: RegistryId,
    /// Its measurements and masters.
    pub nautilus: NautilusId,
}

/// The live positions of one cluster. Cheap to clone; all clones are the same index.
#[derive(Clone, Debug)]
pub struct Index {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    ids: IndexIds,
    fresh_for: Duration,
    current: ArcSwap<Snapshot>,
    writer: Mutex<()>,
    /// Whatever happened up to this checkpoint is in objects that were read.
    covered: AtomicU64,
    changes: broadcast::Sender<Change>,
    checkpoints: watch::Sender<u64>,
}

/// How old the index's knowledge is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Young enough to decide by.
    Fresh,
    /// This old, and too old.
    Stale(Duration),
    /// No verified checkpoint yet.
    Unknown,
}

/// A position changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which one.
    pub position: PositionId,
    /// Its generation after the change.
    pub generation: u64,
    /// What it might do before.
    pub before: Rights,
    /// What it may do now.
    pub after: Rights,
}

/// A cluster's objects as read, from which following starts.
#[derive(Clone, Debug)]
pub struct Base {
    /// The cluster.
    pub cluster: ClusterState,
    /// Its measurements and masters.
    pub nautilus: NautilusState,
    /// Every position.
    pub positions: Vec<PositionState>,
    /// A checkpoint that existed before any of these was read. It and its successors are to be applied.
    pub checkpoint: u64,
}

// === impl IndexIds ===

impl From<&JoinFile> for IndexIds {
    fn from(file: &JoinFile) -> Self {
        let JoinFile { package, cluster, registry, nautilus, .. } = *file;
        Self { package, cluster, registry, nautilus }
    }
}

// === impl Index ===

impl Index {
    /// An empty index, which gives nobody any right and is not fresh. It is stale after [`FRESH_FOR`].
    pub fn new(ids: IndexIds) -> Self {
        Self::with_bound(ids, FRESH_FOR)
    }

    /// An empty index that is stale after `fresh_for` without a verified checkpoint.
    pub fn with_bound(ids: IndexIds, fresh_for: Duration) -> Self {
        let inner = Inner {
            ids,
            fresh_for,
            current: ArcSwap::from_pointee(Snapshot::empty()),
            writer: Mutex::new(()),
            covered: AtomicU64::new(0),
            changes: broadcast::Sender::new(CHANGES),
            checkpoints: watch::Sender::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Which cluster it is of.
    pub fn ids(&self) -> IndexIds {
        self.inner.ids
    }

    /// The state now. Take one per decision.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.inner.current.load_full()
    }

    /// Takes in a checkpoint. Checkpoints come in order; one that was already applied changes nothing. Nor does one that
    /// [`Self::misses`] something.
    pub fn apply(&self, checkpoint: &VerifiedCheckpoint) -> Applied {
        let _writer = self.lock();
        if self.misses(checkpoint) {
            return Applied::default();
        }
        let plan = Plan::checkpoint(&self.inner.ids, &self.snapshot(), checkpoint);
        self.commit(plan)
    }

    /// Whether the last verified checkpoint is young enough to decide by. Time is the latest of `now` and of every verified
    /// checkpoint's with what has passed since it came: neither a clock set back nor checkpoints that come ever later make
    /// the last one younger.
    pub fn freshness(&self, now: UnixMs) -> Freshness {
        let snapshot = self.inner.current.load();
        let Some(timestamp) = snapshot.timestamp() else {
            return Freshness::Unknown;
        };
        let chain = snapshot.clock.map_or(timestamp, ChainClock::now);
        let age = now.max(chain).since(timestamp);
        if age <= self.inner.fresh_for { Freshness::Fresh } else { Freshness::Stale(age) }
    }

    /// What tells when `position`, as a snapshot of this index had it, has lost `right`, or `seal` is no longer on it.
    pub fn hold(&self, position: Arc<LivePosition>, right: Right, seal: Option<SealRecord>) -> Hold {
        Hold::new(self.clone(), position, right, seal)
    }

    /// Every later change of a position. A receiver that lags is told so and must look at the snapshot again.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.inner.changes.subscribe()
    }

    /// The last applied checkpoint, as it moves. Also moves when only policy, measurements or masters changed.
    pub fn checkpoints(&self) -> watch::Receiver<u64> {
        self.inner.checkpoints.subscribe()
    }

    /// Takes in a cluster's objects as read. Positions that the index knows at a later generation stay.
    pub(crate) fn bootstrap(&self, base: Base) -> Applied {
        let _writer = self.lock();
        self.inner.covered.fetch_max(base.checkpoint, Ordering::Relaxed);
        let plan = Plan::bootstrap(&self.inner.ids, &self.snapshot(), base);
        self.commit(plan)
    }

    /// Whether something happened in the checkpoint that only the cluster's objects can tell, as of it or later: until they
    /// are read it is not taken in, and the index grows stale.
    pub fn misses(&self, checkpoint: &VerifiedCheckpoint) -> bool {
        checkpoint.has_unknown() && checkpoint.sequence() > self.inner.covered.load(Ordering::Relaxed)
    }

    /// Takes in a cluster's objects as read again. Checkpoints follow where they did before.
    pub(crate) fn read_again(&self, base: Base) -> Applied {
        let _writer = self.lock();
        self.inner.covered.fetch_max(base.checkpoint, Ordering::Relaxed);
        let plan = Plan::bootstrap(&self.inner.ids, &self.snapshot(), Base { checkpoint: 0, ..base });
        self.commit(plan)
    }

    /// Takes in a position as read again after a gap. Ignored if it is older than what the gap revealed.
    pub(crate) fn reread(&self, state: PositionState) -> Applied {
        let _writer = self.lock();
        let plan = Plan::reread(&self.inner.ids, &self.snapshot(), state);
        self.commit(plan)
    }

    /// Puts back what was saved, into an index that has seen nothing yet.
    pub(crate) fn restore(&self, saved: Snapshot) {
        let _writer = self.lock();
        if self.snapshot().next_checkpoint() == 0 {
            self.inner.checkpoints.send_replace(saved.checkpoint());
            self.inner.current.store(Arc::new(saved));
        }
    }

    fn commit(&self, mut plan: Plan) -> Applied {
        for step in Plan::STEPS {
            step(&plan, &self.inner.current);
        }
        for change in plan.take_changes() {
            // Nobody listening is no error.
            let _ = self.inner.changes.send(change);
        }
        self.inner.checkpoints.send_replace(self.snapshot().checkpoint());
        plan.into_applied()
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        // A panicking writer has published all or nothing.
        self.inner.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
