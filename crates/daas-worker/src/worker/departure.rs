//! Leaving: pods are asked to go before they are stopped, and the stake is taken out when it may be.

use super::Worker;
use super::actions::FIRST_WAIT;
use crate::stake::{Wish, Withdrawal};
use crate::state::Why;
use daas_chain::clock;
use daas_types::Problem;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long pods are given to go before they are stopped.
const CORDON: Duration = Duration::from_secs(20);
/// The same where the node leaves for good: disruption budgets may need others to start elsewhere first.
const LAST_CORDON: Duration = Duration::from_secs(90);
/// Marks that it was this worker that took its node out of scheduling.
pub(crate) const CORDONED: &str = "cordoned";
/// How often a stake on its way out is looked at, at least: a slash may make the way longer.
const LONGEST_LOOK: Duration = Duration::from_mins(10);

impl Worker {
    /// Takes the node out of scheduling and evicts its pods, as their disruption budgets allow, until none is left or the time
    /// for it is over.
    pub(super) async fn empty(&mut self, why: Option<Why>) {
        let limit = if why == Some(Why::Unstaked) { LAST_CORDON } else { CORDON };
        let emptied = async {
            if why == Some(Why::Unstaked) {
                self.come_back().await?;
            }
            self.evict_all(why).await
        };
        match timeout(limit, emptied).await {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => tracing::warn!(%problem, "pods not asked to go; stopping them"),
            Err(_) => tracing::warn!(limit.s = limit.as_secs(), "pods are still here; stopping them"),
        }
    }

    /// A worker that was killed while its pods went has Seal and master still to find again.
    async fn come_back(&mut self) -> Result<(), Problem> {
        if self.held.is_none() {
            self.mint(Wish::default()).await?;
        }
        if self.master.is_none() {
            self.verify().await?;
        }
        Ok(())
    }

    async fn evict_all(&mut self, why: Option<Why>) -> Result<(), Problem> {
        let (Ok(seal), Ok(master)) = (self.held().cloned(), self.master().map(|m| m.api.clone())) else {
            return Ok(());
        };
        if !self.host.runs() && why != Some(Why::Unstaked) {
            return Ok(());
        }
        // Who cannot remember it could not undo it.
        self.store.write(CORDONED, b"")?;
        if let Err(problem) = master.cordon(&seal, true).await {
            tracing::warn!(%problem, "node not cordoned");
        }
        loop {
            let pods = match master.pods(&seal).await {
                Ok(pods) => pods,
                // One answer that does not come is no reason to stop pods at once; the time for all of it is limited.
                Err(problem) => {
                    tracing::warn!(%problem, "list of pods not read");
                    sleep(FIRST_WAIT).await;
                    continue;
                }
            };
            let pods: Vec<_> = pods.into_iter().filter(|pod| pod.evictable).collect();
            if pods.is_empty() {
                return Ok(());
            }
            for pod in &pods {
                if let Err(problem) = master.evict(&seal, pod).await {
                    tracing::debug!(%problem, pod.name, pod.namespace, "pod not evicted");
                }
            }
            sleep(FIRST_WAIT).await;
        }
    }

    /// Undoes the worker's own cordon, and no other.
    pub(super) async fn uncordon(&mut self) {
        let marker = self.store.file(CORDONED);
        if !marker.exists() {
            return;
        }
        let (Ok(seal), Ok(master)) = (self.held().cloned(), self.master().map(|m| m.api.clone())) else {
            return;
        };
        match master.cordon(&seal, false).await {
            Ok(()) => drop(std::fs::remove_file(marker)),
            Err(problem) => tracing::warn!(%problem, "node not taken into scheduling"),
        }
    }

    /// Waits until the stake may be taken out, and takes it out.
    pub(super) async fn withdraw(&mut self) -> Result<(), Problem> {
        loop {
            match self.staker.withdraw().await? {
                Withdrawal::Done => return Ok(()),
                Withdrawal::From(at) => sleep(at.since(clock::now()).min(LONGEST_LOOK)).await,
            }
        }
    }
}
