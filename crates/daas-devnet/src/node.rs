//! The network's inside, as its servers share it.

use crate::StoreError;
use crate::execute::{Executor, Refusal};
use crate::faults::Faults;
use crate::ledger::StoredTransaction;
use crate::time::Time;
use std::sync::Arc;
use sui_sdk_types::SignedTransaction;
use tokio_util::sync::CancellationToken;

/// A handle; clones share everything.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) executor: Arc<Executor>,
    pub(crate) time: Arc<Time>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) shutdown: CancellationToken,
}

// === impl Node ===

impl Node {
    /// Executes and checkpoints a transaction; while the network is stalled, later.
    pub(crate) async fn submit(&self, signed: SignedTransaction) -> Result<StoredTransaction, Refusal> {
        tokio::select! {
            () = self.shutdown.cancelled() => return Err(Refusal::Stopping),
            () = self.faults.until_running() => {}
        }
        let executor = self.executor.clone();
        blocking(move || executor.submit(signed)).await?
    }

    /// An empty checkpoint if there has been none within `idle_ms`, unless the network is stalled, makes them on demand, or has
    /// no room for one.
    pub(crate) async fn keep_fresh(&self, idle_ms: u64) -> Result<(), StoreError> {
        if self.time.is_still() || self.faults.stalled() {
            return Ok(());
        }
        let executor = self.executor.clone();
        match blocking(move || executor.tick(idle_ms)).await? {
            Err(StoreError::Full { .. }) => Ok(()),
            ticked => ticked,
        }
    }
}

/// Work that waits for the disk.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|e| StoreError::Task(e.to_string()))
}
