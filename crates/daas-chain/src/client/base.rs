//! Where following starts: a cluster's objects, proven, and a checkpoint that was there before any of them was read.

use super::objects::listed;
use super::proofs::Prover;
use super::{ChainClient, ChainError, DEADLINE};
use crate::index::{Base, FRESH_FOR, IndexIds};
use crate::verified::{Packages, Proven, ProvenObject, Upgrade};
use core::time::Duration;
use daas_types::{Address, PackageId, PositionId, UnixMs};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use std::collections::BTreeSet;
use sui_rpc::proto::sui::rpc::v2 as proto;
use tonic::Code;

/// Versions that a package may have.
const MAX_VERSIONS: u64 = 10_000;

/// How many packages are asked for at once.
const AT_ONCE: usize = 16;

/// An endpoint's newest checkpoint, verified.
#[derive(Clone, Copy)]
pub(crate) struct Newest {
    pub(crate) sequence: u64,
    pub(crate) timestamp: UnixMs,
    pub(crate) epoch: u64,
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
    ///
    /// The `known` positions have to be among those that are read.
    pub(crate) async fn base(&self, ids: &IndexIds, known: BTreeSet<PositionId>) -> Result<Base, ChainError> {
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
        let Abreast { counted, checkpoint, behind } = abreast(newest);
        for (endpoint, error) in behind {
            tracing::warn!(%error, rpc.url = endpoint.url(), "RPC endpoint passed over");
            endpoint.blame(&error);
        }
        let enough = enough.saturating_sub(all.liars());
        if counted.len() < enough {
            return Err(ChainError::too_few(counted.len(), enough));
        }
        let prover = Prover::new(counted).needing(enough);
        let cluster = prover.cluster(ids.package, ids.cluster).await?.state();
        let nautilus = prover.nautilus(ids).await?;
        Ok(Base { cluster, nautilus, positions: prover.positions(ids, known).await?, checkpoint })
    }

    /// The endpoint's newest checkpoint, verified.
    pub(crate) async fn newest(&self) -> Result<Newest, ChainError> {
        let (height, _) = self.heights().await?;
        let header = self.header(height).await?;
        let summary = header.summary();
        Ok(Newest { sequence: height, timestamp: UnixMs(summary.timestamp_ms), epoch: summary.epoch })
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
        let versions = match self.versions(original).await {
            Err(ChainError::Refused { code: Code::Unimplemented, .. }) => return Ok(None),
            versions => versions?,
        };
        // Each version has the origins of all types before it.
        Ok(versions.into_iter().max().map(|(_, id)| id))
    }

    /// The versions of a package that the endpoint lists: number and id.
    pub(crate) async fn versions(&self, original: PackageId) -> Result<Vec<(u64, Address)>, ChainError> {
        const CALL: &str = "list package versions";
        let request = proto::ListPackageVersionsRequest::default().with_package_id(original.0.to_string());
        let versions = self.short().list_package_versions(request);
        let versions = versions.map_ok(|listed| Some((listed.version(), listed.package_id().parse().ok()?)));
        let versions: Option<Vec<_>> = listed(CALL, MAX_VERSIONS, DEADLINE, versions).await?.into_iter().collect();
        versions.ok_or_else(|| ChainError::malformed(CALL, "no package id"))
    }

    /// One checkpoint, verified, and the packages upgraded in it.
    pub(crate) async fn proven_with_packages(&self, sequence: u64) -> Result<(Proven, Vec<ProvenObject>), ChainError> {
        let proven = self.proven(sequence).await?;
        let upgraded = self.upgraded(&proven).await?;
        Ok((proven, upgraded))
    }

    /// The packages upgraded in a checkpoint, whosever they are. Their bytes are proven by the checkpoint itself.
    pub(crate) async fn upgraded(&self, proven: &Proven) -> Result<Vec<ProvenObject>, ChainError> {
        let asked: Vec<_> = proven.upgrades().iter().map(|upgrade| self.package_of(proven, upgrade).boxed()).collect();
        stream::iter(asked).buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn package_of(&self, proven: &Proven, upgrade: &Upgrade) -> Result<ProvenObject, ChainError> {
        let package = self.claimed_object(upgrade.id).await?;
        let package = package.ok_or(ChainError::Missing { what: "package", id: upgrade.id })?;
        Ok(upgrade.prove(proven.sequence(), &package)?)
    }
}

/// Which endpoints count, and where following starts with them.
struct Abreast<E> {
    counted: Vec<E>,
    /// The oldest of their newest checkpoints.
    checkpoint: u64,
    /// The others, and how far they are behind.
    behind: Vec<(E, ChainError)>,
}

/// One that is behind counts neither among those who have to answer nor for where following starts.
fn abreast<E>(newest: Vec<(E, Newest)>) -> Abreast<E> {
    let latest = newest.iter().map(|(_, newest)| newest.timestamp).max().unwrap_or_default();
    let mut all = Abreast { counted: Vec::new(), checkpoint: u64::MAX, behind: Vec::new() };
    for (endpoint, newest) in newest {
        let age = latest.since(newest.timestamp);
        if age > FRESH_FOR {
            all.behind.push((endpoint, ChainError::lagging(newest.sequence, age)));
        } else {
            all.checkpoint = all.checkpoint.min(newest.sequence);
            all.counted.push(endpoint);
        }
    }
    all
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_behind_counts_for_nothing() {
        let fresh = u64::try_from(FRESH_FOR.as_millis()).unwrap();
        let at = |sequence, ms| Newest { sequence, timestamp: UnixMs(ms), epoch: 0 };
        let Abreast { counted, checkpoint, behind } =
            abreast(vec![("old", at(1, 999)), ("latest", at(9, 1000 + fresh)), ("just", at(2, 1000))]);
        assert_eq!((counted, checkpoint), (vec!["latest", "just"], 2));
        let error = ChainError::lagging(1, FRESH_FOR + Duration::from_millis(1)).to_string();
        let behind: Vec<_> = behind.iter().map(|(who, why)| (*who, why.to_string())).collect();
        assert_eq!(behind, [("old", error)]);
        assert_eq!(abreast(vec![("alone", at(1, 0))]).counted, ["alone"]);
    }
}
