use super::args::millis;
use super::build::{Arg, Draft};
use super::{ClusterSpec, CompiledPackage, Ops, Outcome, Pcrs, TxError};
use crate::index::IndexIds;
use daas_types::onchain::Event;
use daas_types::{Mist, PackageId, PositionId, WalletAddress};

/// `cluster` and `nautilus`: the operator's transactions.
impl Ops {
    /// Publishes the compiled package.
    pub async fn publish(&self, package: &CompiledPackage) -> Result<(PackageId, Outcome), TxError> {
        let modules = package.modules.values().cloned().collect();
        let draft = Draft::Publish { modules, dependencies: package.dependencies.clone() };
        let outcome = self.run(None, &draft).await?;
        let id = outcome.package().ok_or_else(|| TxError::Broken(format!("{} made no package", outcome.digest)))?;
        Ok((id, outcome))
    }

    /// Makes a cluster. The wallet gets its three capabilities.
    pub async fn create_cluster(&self, package: PackageId, spec: &ClusterSpec) -> Result<(IndexIds, Outcome), TxError> {
        let thresholds = spec.thresholds;
        let thresholds = [thresholds.viewer, thresholds.developer, thresholds.admin, thresholds.super_user];
        let args = vec![
            Arg::pure(&spec.name),
            Arg::pure(&thresholds.to_vec()),
            Arg::pure(&spec.min_stake),
            Arg::pure(&spec.node_minimum),
            Arg::pure(&spec.slash_bps),
            Arg::pure(&millis(spec.appeal_window)),
            Arg::pure(&millis(spec.unbonding)),
            Arg::pure(&millis(spec.max_seal_lifetime)),
            Arg::pure(&millis(spec.evidence_max_age)),
        ];
        let outcome = self.call(package, "cluster", "create_cluster", args).await?;
        let made = outcome.events.iter().find_map(|event| match event {
            Event::ClusterCreated(made) => Some(made),
            Event::PolicyChanged(_) | Event::Position { .. } | Event::Nautilus(_) => None,
        });
        let made = made.ok_or_else(|| TxError::Broken(format!("{} made no cluster", outcome.digest)))?;
        let ids = IndexIds { package, cluster: made.cluster, registry: made.registry, nautilus: made.nautilus };
        Ok((ids, outcome))
    }

    /// Names the positions whose nodes are the operator's pool.
    pub async fn set_operator_positions(&self, ids: &IndexIds, positions: &[PositionId]) -> Result<Outcome, TxError> {
        let cap = self.admin(ids).await?;
        let args = vec![cap, Arg::shared_mut(ids.cluster.0), Arg::pure(positions)];
        self.call(ids.package, "cluster", "set_operator_positions", args).await
    }

    /// Lets masters measure as `pcrs`.
    pub async fn allow_measurement(&self, ids: &IndexIds, pcrs: &Pcrs) -> Result<Outcome, TxError> {
        let Pcrs { pcr0, pcr1, pcr2 } = pcrs;
        let cap = self.admin(ids).await?;
        let pcrs = [pcr0, pcr1, pcr2].map(|pcr| Arg::pure(pcr.as_slice()));
        let args = [cap, Arg::shared_mut(ids.nautilus.0)].into_iter().chain(pcrs).collect();
        self.call(ids.package, "nautilus", "allow_measurement", args).await
    }

    /// No longer lets masters measure as the image with this PCR0.
    pub async fn revoke_measurement(&self, ids: &IndexIds, pcr0: &[u8; 48]) -> Result<Outcome, TxError> {
        let cap = self.admin(ids).await?;
        let args = vec![cap, Arg::shared_mut(ids.nautilus.0), Arg::pure(pcr0.as_slice())];
        self.call(ids.package, "nautilus", "revoke_measurement", args).await
    }

    /// Registers a master, in place of the one with the same endpoint.
    pub async fn register_master(
        &self,
        ids: &IndexIds,
        endpoint: &str,
        ca_spki: &[u8; 32],
        signing_key: &[u8; 32],
        config_digest: &[u8; 32],
    ) -> Result<Outcome, TxError> {
        let cap = self.admin(ids).await?;
        let digests = [ca_spki, signing_key, config_digest].map(|digest| Arg::pure(digest.as_slice()));
        let args = [cap, Arg::shared_mut(ids.nautilus.0), Arg::pure(endpoint)];
        let args = args.into_iter().chain(digests).chain([Arg::clock()]).collect();
        self.call(ids.package, "nautilus", "register_master", args).await
    }

    /// Takes a master off the list.
    pub async fn remove_master(&self, ids: &IndexIds, signing_key: &[u8; 32]) -> Result<Outcome, TxError> {
        let cap = self.admin(ids).await?;
        let args = vec![cap, Arg::shared_mut(ids.nautilus.0), Arg::pure(signing_key.as_slice())];
        self.call(ids.package, "nautilus", "remove_master", args).await
    }

    /// Sends SUI.
    pub async fn transfer(&self, to: WalletAddress, amount: Mist) -> Result<Outcome, TxError> {
        self.run(None, &Draft::Transfer { to, amount }).await
    }

    async fn admin(&self, ids: &IndexIds) -> Result<Arg, TxError> {
        let cap = self.client.caps(ids, self.wallet.address()).await?.admin;
        self.held(cap, "AdminCap")
    }
}
