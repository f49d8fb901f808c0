//! Keeping an [`Index`] at the tip of the chain.

mod pace;
mod session;

pub use session::FollowError;

use crate::client::{ChainClient, DEADLINE};
use crate::clock;
use crate::index::{Applied, Freshness, Index};
use crate::store::Store;
use crate::verified::{Packages, Sequence};
use core::time::Duration;
use tokio_util::sync::CancellationToken;

const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Reads every checkpoint in order and feeds it to an index, for as long as it runs.
///
/// An answer that does not verify changes nothing: the next endpoint is asked, and if there is none, the same one again.
/// Meanwhile the index grows stale.
#[derive(Debug)]
pub struct Follower {
    client: ChainClient,
    index: Index,
    store: Option<Store>,
    unsaved: Applied,
    /// The checkpoints that are in the index.
    sequence: Sequence,
    packages: Packages,
    /// Whether the connection is to be made anew, and the network checked, before anything else is read.
    lost: bool,
    idle_limit: Duration,
}

/// Waits until `index`, which somebody follows the chain with over `client`, is fresh: for as long as anything that is read
/// verifies within each `patience`. Whether it is. With many positions it takes a while, and an endpoint that is silent may
/// answer yet.
pub async fn until_fresh(index: &Index, client: &ChainClient, patience: Duration) -> bool {
    let mut checkpoints = index.checkpoints();
    let fresh = async {
        while index.freshness(clock::now()) != Freshness::Fresh {
            if checkpoints.changed().await.is_err() {
                return false;
            }
        }
        true
    };
    let mut fresh = core::pin::pin!(fresh);
    loop {
        let before = client.verified();
        if let Ok(fresh) = tokio::time::timeout(patience, &mut fresh).await {
            return fresh;
        }
        if client.verified() == before {
            return false;
        }
    }
}

// === impl Follower ===

impl Follower {
    /// A follower that starts from what the chain says now.
    pub fn new(client: ChainClient, index: Index) -> Self {
        let packages = Packages::of(index.ids().package);
        let (sequence, unsaved) = (Sequence::default(), Applied::default());
        Self { client, index, store: None, unsaved, sequence, packages, lost: false, idle_limit: DEADLINE }
    }

    /// Saves what it learns, and starts from what was saved.
    pub fn with_store(mut self, store: Store) -> Result<Self, FollowError> {
        for end in store.ends()? {
            if let Err(error) = self.client.committees().advance(end) {
                tracing::warn!(%error, "a saved end of epoch is not taken");
                break;
            }
        }
        if let Some((saved, sequence)) = store.load()? {
            self.index.restore(saved);
            self.sequence = sequence;
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

    /// Follows until `shutdown`. Connects again, after a wait that grows, whenever the chain falls silent or an answer does
    /// not verify.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), FollowError> {
        let mut wait = FIRST_WAIT;
        loop {
            let before = self.index.snapshot().next_checkpoint();
            let ended = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                ended = self.session() => ended,
            };
            match ended {
                Err(store @ FollowError::Store(_)) => return Err(store),
                Err(FollowError::Chain(error)) => {
                    if self.index.snapshot().next_checkpoint() > before {
                        wait = FIRST_WAIT;
                        self.client.praise();
                    }
                    let (url, retry) = (self.client.url(), wait.as_millis());
                    if error.is_lie() {
                        tracing::error!(%error, rpc.url = url, retry.ms = retry, "the RPC endpoint is not believed");
                    } else {
                        tracing::warn!(%error, rpc.url = url, retry.ms = retry, "chain lost");
                    }
                    self.client.blame(&error);
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
}
