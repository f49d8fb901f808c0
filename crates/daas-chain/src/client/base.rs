//! Where following starts: a cluster's objects, proven, and a checkpoint that was there before any of them was read.

use super::objects::listed;
use super::proofs::Prover;
use super::{ChainClient, ChainError, DEADLINE};
use crate::index::{Base, FRESH_FOR, IndexIds};
use crate::verified::Packages;
use core::time::Duration;
use daas_types::{Address, PackageId, UnixMs};
use futures::FutureExt;
use std::collections::BTreeSet;
use sui_rpc::proto::sui::rpc::v2 as proto;
use tonic::Code;

/// Versions that a package may have.
const MAX_VERSIONS: u64 = 10_000;

/// An endpoint's newest checkpoint, verified.
#[derive(Clone, Copy)]
pub(crate) struct Newest {
    pub(crate) sequence: u64,
    pub(crate) timestamp: UnixMs,
}

// === impl ChainClient ===

impl ChainClient {
    /// Everything an index starts from.
    ///
    /// All endpoints are asked. What the newest version of an object is, inclusion cannot prove; so the newest of all that
    /// they have is taken, and following starts at the oldest of their newest checkpoints: whatever one of them knew by then
    /// is in the objects, and whatever came after is read. An endpoint that is behind the others does not count.
    ///
    /// One endpoint alone could withhold what is newest, and then whoever silences the others chooses what is believed. So
    /// where there are several, two have to answer, or to be caught lying: but on a devnet, which is one program.
    pub(crate) async fn base(&self, ids: &IndexIds) -> Result<Base, ChainError> {
        let all = self.prover();
        let enough = if self.genesis().devnet().is_some() { 1 } else { all.count().min(2) };
        let all = all.needing(enough);
        let newest = all.ask(|endpoint| {
            async move {
                let newest = endpoint.newest().await?;
                Ok((endpoint, newest))
            }
            .boxed()
        });
        let newest = newest.await?;
        let latest = newest.iter().map(|(_, newest)| newest.timestamp).max().unwrap_or_default();
        let (mut counted, mut checkpoint) = (Vec::new(), u64::MAX);
        for (endpoint, newest) in newest {
            let behind = latest.since(newest.timestamp);
            if behind > FRESH_FOR {
                let error = ChainError::lagging(newest.sequence, behind);
                tracing::warn!(%error, rpc.url = endpoint.url(), "RPC endpoint passed over");
                endpoint.blame(&error);
                continue;
            }
            checkpoint = checkpoint.min(newest.sequence);
            counted.push(endpoint);
        }
        let enough = enough.saturating_sub(all.liars());
        if counted.len() < enough {
            return Err(ChainError::too_few(counted.len(), enough));
        }
        let prover = Prover::new(counted).needing(enough);
        let cluster = prover.cluster(ids.package, ids.cluster).await?.state();
        let nautilus = prover.nautilus(ids).await?;
        Ok(Base { cluster, nautilus, positions: prover.positions(ids).await?, checkpoint })
    }

    /// The endpoint's newest checkpoint, verified.
    pub(crate) async fn newest(&self) -> Result<Newest, ChainError> {
        let (height, _) = self.heights().await?;
        let header = self.header(height).await?;
        Ok(Newest { sequence: height, timestamp: UnixMs(header.summary().timestamp_ms) })
    }

    /// Adds the later versions of the package that any endpoint names, each proven to be one. What an endpoint keeps to
    /// itself another one may tell.
    pub(crate) async fn learn_versions(&self, original: PackageId, packages: &mut Packages) -> Result<(), ChainError> {
        let prover = self.prover();
        let named = prover.ask(|endpoint| async move { endpoint.last_version(original).await }.boxed()).await?;
        let named: BTreeSet<Address> = named.into_iter().flatten().filter(|id| !packages.define(id)).collect();
        for id in named {
            match prover.object(id).await? {
                Some(object) if packages.learn(&object) => {
                    tracing::info!(package = %id, "a later version of the package");
                }
                _ => tracing::warn!(package = %id, "an endpoint calls it a version of the package, and it is none"),
            }
        }
        Ok(())
    }

    /// The last version of the package that the endpoint names, if it names any.
    async fn last_version(&self, original: PackageId) -> Result<Option<Address>, ChainError> {
        const CALL: &str = "list package versions";
        let request = proto::ListPackageVersionsRequest::default().with_package_id(original.0.to_string());
        let versions = match listed(CALL, MAX_VERSIONS, DEADLINE, self.rpc().list_package_versions(request)).await {
            Err(ChainError::Refused { code: Code::Unimplemented, .. }) => return Ok(None),
            versions => versions?,
        };
        // Each version has the origins of all types before it.
        let last = versions.iter().max_by_key(|version| version.version());
        let id = last.map(|last| last.package_id().parse());
        id.transpose().map_err(|_| ChainError::malformed(CALL, "no package id"))
    }

    /// Adds a package to the versions, if it is one.
    pub(crate) async fn learn_version(&self, id: Address, packages: &mut Packages) -> Result<(), ChainError> {
        if packages.define(&id) {
            return Ok(());
        }
        let prover = Prover::new(vec![self.clone()]);
        let object = prover.object(id).await?.ok_or(ChainError::Missing { what: "package", id })?;
        if packages.learn(&object) {
            tracing::info!(package = %id, "a later version of the package");
        }
        Ok(())
    }
}

// === impl ChainError ===

impl ChainError {
    /// Too few endpoints answered.
    pub(super) fn too_few(answered: usize, enough: usize) -> Self {
        let cause = format!("{answered} of the endpoints answered, {enough} have to");
        Self::Unreachable { call: "ask several endpoints", cause }
    }

    pub(crate) fn lagging(checkpoint: u64, age: Duration) -> Self {
        Self::Lagging { checkpoint, age_ms: age.as_millis() }
    }
}
