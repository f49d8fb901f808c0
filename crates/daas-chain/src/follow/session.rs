#[cfg(test)]
mod tests;

use super::Follower;
use super::pace::Pace;
use crate::client::ChainError;
use crate::clock;
use crate::index::{Applied, Base, Freshness};
use crate::store::StoreError;
use crate::verified::{Proven, ProvenObject, Sequence};
use core::time::Duration;
use daas_types::Problem;
use futures::{StreamExt, TryStreamExt, stream};

/// How many missed checkpoints are asked for at once.
const AT_ONCE: usize = 16;
/// After this much of the chain's time without a checkpoint, starting anew may leave some out. Endpoints forget old
/// checkpoints; one that says so of young ones would have a slash forgotten with them.
const OUTAGE: Duration = Duration::from_hours(1);

/// How often, and how long apart, the objects are read again until they are of late enough a checkpoint.
const READ_AGAIN: u32 = 5;
const BEHIND: Duration = Duration::from_secs(1);

/// Why a follower gave up. A chain that cannot be reached is not a reason: it tries again.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The chain cannot be read.
    #[error(transparent)]
    Chain(ChainError),
    /// The index cannot be saved.
    #[error(transparent)]
    Store(#[from] StoreError),
}

// === impl Follower ===

impl Follower {
    /// Follows until something fails.
    pub(super) async fn session(&mut self) -> Result<core::convert::Infallible, FollowError> {
        if self.lost {
            self.client.move_on().await?;
            self.lost = false;
        }
        let (height, lowest) = self.client.heights().await?;
        self.start(lowest).await?;
        self.client.learn_versions(self.index.ids().package, &mut self.packages).await?;
        self.catch_up(height).await?;
        let mut tip = self.client.subscribe().await?;
        loop {
            self.mend_gaps().await?;
            let next = self.index.snapshot().next_checkpoint();
            let proven = tip.next(next, self.idle_limit).await?;
            if let Some(missed) = proven.sequence().checked_sub(1) {
                self.catch_up(missed).await?;
            }
            let upgraded = self.client.upgraded(&proven).await?;
            self.take(&proven, &upgraded).await?;
            self.client.praise();
            self.keep_up()?;
        }
    }

    /// Reads the cluster's objects, if there is nothing to go on from.
    async fn start(&mut self, lowest: u64) -> Result<(), FollowError> {
        let snapshot = self.index.snapshot();
        let next = snapshot.next_checkpoint();
        if snapshot.is_based() && next >= lowest {
            return Ok(());
        }
        if let Some(last) = snapshot.timestamp()
            && snapshot.is_based()
            && self.client.newest().await?.timestamp.since(last) < OUTAGE
        {
            return Err(ChainError::Pruned { next, lowest }.into());
        }
        let base = self.base().await?;
        tracing::info!(chain.checkpoint = base.checkpoint, positions = base.positions.len(), "index bootstrapped");
        let applied = self.index.bootstrap(base);
        if self.index.snapshot().next_checkpoint() != next {
            self.sequence = Sequence::default();
        }
        self.save(applied)
    }

    /// Reads all checkpoints up to and with `until`.
    async fn catch_up(&mut self, until: u64) -> Result<(), FollowError> {
        let next = self.index.snapshot().next_checkpoint();
        let client = self.client.clone();
        let missed = stream::iter(next..=until).map(|sequence| client.proven_with_packages(sequence));
        let mut missed = missed.buffered(AT_ONCE);
        let mut pace = Pace::from(self.age());
        while let Some((proven, upgraded)) = missed.try_next().await? {
            self.take(&proven, &upgraded).await?;
            let age = self.age();
            if pace.is_lost(age) && self.client.has_others() {
                return Err(ChainError::lagging(self.index.snapshot().checkpoint(), age).into());
            }
        }
        Ok(())
    }

    /// How far the index is behind, if it is.
    fn age(&self) -> Duration {
        match self.index.freshness(clock::now()) {
            Freshness::Stale(age) => age,
            Freshness::Fresh => Duration::ZERO,
            Freshness::Unknown => Duration::MAX,
        }
    }

    /// Takes a checkpoint, and the packages upgraded in it, into the index, if it comes next.
    async fn take(&mut self, proven: &Proven, upgraded: &[ProvenObject]) -> Result<(), FollowError> {
        for package in upgraded.iter().filter(|package| self.packages.learn(package)) {
            tracing::info!(package = %package.object().object_id(), "a later version of the package");
        }
        let checkpoint = proven.read(&self.packages).map_err(ChainError::from)?;
        if self.index.misses(&checkpoint) {
            self.read_again(checkpoint.sequence()).await?;
        }
        self.sequence.extend(&checkpoint).map_err(ChainError::from)?;
        let applied = self.index.apply(&checkpoint);
        self.save(applied)
    }

    /// Reads the cluster's objects as of `sequence` or later: its events alone do not say what happened in it.
    async fn read_again(&mut self, sequence: u64) -> Result<(), FollowError> {
        let mut base = self.base().await?;
        for _ in 0..READ_AGAIN {
            if base.checkpoint >= sequence {
                break;
            }
            // Not all endpoints have it yet.
            tokio::time::sleep(BEHIND).await;
            base = self.base().await?;
        }
        if base.checkpoint < sequence {
            return Err(ChainError::lagging(base.checkpoint, self.age()).into());
        }
        tracing::info!(chain.checkpoint = base.checkpoint, "the cluster's objects were read again");
        let applied = self.index.read_again(base);
        self.save(applied)
    }

    /// The cluster's objects. No position is ever taken out of the registry, so those that are in the index have to be there.
    async fn base(&self) -> Result<Base, ChainError> {
        let known = self.index.snapshot().positions().map(|live| live.state.position).collect();
        self.client.base(&self.index.ids(), known).await
    }

    /// Another endpoint may be further, if this one's newest checkpoint is old.
    fn keep_up(&self) -> Result<(), FollowError> {
        match self.index.freshness(clock::now()) {
            Freshness::Stale(age) if self.client.has_others() => {
                Err(ChainError::lagging(self.index.snapshot().checkpoint(), age).into())
            }
            Freshness::Stale(_) | Freshness::Fresh | Freshness::Unknown => Ok(()),
        }
    }

    /// Saves once there is a verified checkpoint to save with; what changed before that waits.
    fn save(&mut self, applied: Applied) -> Result<(), FollowError> {
        let Some(store) = &mut self.store else { return Ok(()) };
        self.unsaved.positions.extend(applied.positions);
        self.unsaved.cluster |= applied.cluster;
        let snapshot = self.index.snapshot();
        if snapshot.timestamp().is_some() {
            store.save(&snapshot, self.sequence, &self.unsaved)?;
            store.save_ends(self.client.committees())?;
            self.unsaved = Applied::default();
        }
        Ok(())
    }

    async fn mend_gaps(&mut self) -> Result<(), FollowError> {
        for id in self.index.snapshot().gaps() {
            if let Some(state) = self.client.position(&self.index.ids(), id).await? {
                let applied = self.index.reread(state);
                self.save(applied)?;
            }
        }
        Ok(())
    }
}

impl From<ChainError> for FollowError {
    fn from(error: ChainError) -> Self {
        Self::Chain(error)
    }
}

impl From<FollowError> for Problem {
    fn from(error: FollowError) -> Self {
        match error {
            FollowError::Chain(error) => error.into(),
            FollowError::Store(error) => error.into(),
        }
    }
}
