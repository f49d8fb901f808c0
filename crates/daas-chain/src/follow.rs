//! Keeping an [`Index`] at the tip of the chain.

use crate::client::{ChainClient, ChainError, DEADLINE};
use crate::index::{Applied, Index};
use crate::store::{Store, StoreError};
use crate::verified::VerifiedCheckpoint;
use core::time::Duration;
use daas_types::Problem;
use futures::{StreamExt, stream};
use tokio_util::sync::CancellationToken;

/// How many missed checkpoints are asked for at once.
const AT_ONCE: usize = 32;
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Reads every checkpoint in order and feeds it to an index, for as long as it runs.
#[derive(Debug)]
pub struct Follower {
    client: ChainClient,
    index: Index,
    store: Option<Store>,
    unsaved: Applied,
    /// Whether the connection is to be made anew, and the network checked, before anything else is read.
    lost: bool,
    idle_limit: Duration,
}

/// Why a follower gave up. A chain that cannot be reached is not a reason: it tries again.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// This network's checkpoints cannot be verified.
    #[error(transparent)]
    Chain(ChainError),
    /// The index cannot be saved.
    #[error(transparent)]
    Store(#[from] StoreError),
}

// === impl Follower ===

impl Follower {
    /// A follower that starts from what the chain says now.
    pub fn new(client: ChainClient, index: Index) -> Self {
        Self { client, index, store: None, unsaved: Applied::default(), lost: false, idle_limit: DEADLINE }
    }

    /// Saves what it learns, and starts from what was saved.
    pub fn with_store(mut self, store: Store) -> Result<Self, FollowError> {
        if let Some(saved) = store.load()? {
            self.index.restore(saved);
        }
        self.store = Some(store);
        Ok(self)
    }

    /// Connects again after this much silence instead of [`DEADLINE`].
    #[must_use]
    pub fn with_idle_limit(mut self, limit: Duration) -> Self {
        self.idle_limit = limit;
        self
    }

    /// The index it feeds.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Follows until `shutdown`. Connects again, after a wait that grows, whenever the chain falls silent.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), FollowError> {
        let mut wait = FIRST_WAIT;
        loop {
            let before = self.index.snapshot().next_checkpoint();
            let ended = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                ended = self.session() => ended,
            };
            match ended {
                Err(FollowError::Chain(fatal @ ChainError::NotADevnet(_))) => {
                    return Err(FollowError::Chain(fatal));
                }
                Err(store @ FollowError::Store(_)) => return Err(store),
                Err(FollowError::Chain(error)) => {
                    if self.index.snapshot().next_checkpoint() > before {
                        wait = FIRST_WAIT;
                    }
                    tracing::warn!(%error, rpc.url = self.client.url(), retry.ms = wait.as_millis(), "chain lost");
                }
                Ok(never) => match never {},
            }
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(wait) => wait = LONGEST_WAIT.min(wait * 2),
            }
            self.lost = true;
        }
    }

    /// Follows until something fails.
    async fn session(&mut self) -> Result<core::convert::Infallible, FollowError> {
        if self.lost {
            // Another network may stand at that address by now.
            self.client = self.client.reconnect().await?;
            self.lost = false;
        }
        let package = self.index.ids().package;
        let (height, lowest) = self.client.heights().await?;
        let snapshot = self.index.snapshot();
        if !snapshot.is_based() || snapshot.next_checkpoint() < lowest {
            let base = self.client.base(&self.index.ids()).await?;
            tracing::info!(chain.checkpoint = base.checkpoint, positions = base.positions.len(), "index bootstrapped");
            let applied = self.index.bootstrap(base);
            self.save(applied)?;
        }
        self.catch_up(height).await?;
        let mut tip = self.client.subscribe(package).await?;
        loop {
            self.mend_gaps().await?;
            let checkpoint = tip.next(self.idle_limit).await?;
            if let Some(missed) = checkpoint.sequence().checked_sub(1) {
                self.catch_up(missed).await?;
            }
            self.apply(&checkpoint)?;
        }
    }

    /// Reads all checkpoints up to and with `until`.
    async fn catch_up(&mut self, until: u64) -> Result<(), FollowError> {
        let package = self.index.ids().package;
        let next = self.index.snapshot().next_checkpoint();
        let client = self.client.clone();
        let mut missed =
            stream::iter(next..=until).map(|sequence| client.checkpoint(package, sequence)).buffered(AT_ONCE);
        while let Some(checkpoint) = missed.next().await {
            self.apply(&checkpoint?)?;
        }
        Ok(())
    }

    fn apply(&mut self, checkpoint: &VerifiedCheckpoint) -> Result<(), FollowError> {
        let applied = self.index.apply(checkpoint);
        self.save(applied)
    }

    /// Saves once there is a verified checkpoint to save with; what changed before that waits.
    fn save(&mut self, applied: Applied) -> Result<(), FollowError> {
        let Some(store) = &self.store else { return Ok(()) };
        self.unsaved.positions.extend(applied.positions);
        self.unsaved.cluster |= applied.cluster;
        let snapshot = self.index.snapshot();
        if snapshot.timestamp().is_some() {
            store.save(&snapshot, &self.unsaved)?;
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
