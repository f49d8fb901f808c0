use super::args::millis;
use super::build::{Arg, Draft};
use super::{ClusterSpec, CompiledPackage, Ops, Outcome, Pcrs, PositionOutcome, SealSpec, SlashSpec, StakeSpec, TxError};
use crate::index::IndexIds;
use daas_types::onchain::Event;
use daas_types::{Address, Mist, PackageId, PositionId, SealId, WalletAddress};

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
    pub async fn create_cluster(
        &self,
        package: PackageId,
        spec: &ClusterSpec,
    ) -> Result<(IndexIds, Outcome), TxError> {
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
        let ids =
            IndexIds { package, cluster: made.cluster, registry: made.registry, nautilus: made.nautilus };
        Ok((ids, outcome))
    }

    /// Names the positions whose nodes are the operator's pool.
    pub async fn set_operator_positions(
        &self,
        ids: &IndexIds,
        positions: &[PositionId],
    ) -> Result<Outcome, TxError> {
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
}

/// `staking`: the staker's transactions, and those about a staker.
impl Ops {
    /// Stakes, and mints the first Seal.
    pub async fn stake_and_mint_seal(&self, ids: &IndexIds, spec: &StakeSpec) -> Result<PositionOutcome, TxError> {
        let node_id = spec.node_id.as_ref().map_or("", |node| node.as_str());
        let args = [
            Arg::shared(ids.cluster.0),
            Arg::shared_mut(ids.registry.0),
            Arg::Payment(spec.amount),
            Arg::pure(&spec.salt),
            Arg::pure(node_id),
        ];
        let args = args.into_iter().chain(seal_args(&spec.seal)).chain([Arg::clock()]).collect();
        self.call(ids.package, "staking", "stake_and_mint_seal", args).await?.position()
    }

    /// Adds stake.
    pub async fn restake(
        &self,
        ids: &IndexIds,
        position: PositionId,
        amount: Mist,
    ) -> Result<PositionOutcome, TxError> {
        self.of_position(ids, position, "restake", vec![Arg::Payment(amount)]).await
    }

    /// Mints another Seal, in place of `replaces` if that is given.
    pub async fn refresh_seal_token(
        &self,
        ids: &IndexIds,
        position: PositionId,
        replaces: Option<SealId>,
        seal: &SealSpec,
    ) -> Result<PositionOutcome, TxError> {
        let args = [Arg::pure(&replaces)].into_iter().chain(seal_args(seal)).chain([Arg::clock()]).collect();
        self.of_position(ids, position, "refresh_seal_token", args).await
    }

    /// Sends active stake on its way out.
    pub async fn unstake(
        &self,
        ids: &IndexIds,
        position: PositionId,
        amount: Mist,
    ) -> Result<PositionOutcome, TxError> {
        self.of_position(ids, position, "unstake", vec![Arg::pure(&amount), Arg::clock()]).await
    }

    /// Takes out what has unbonded.
    pub async fn withdraw(&self, ids: &IndexIds, position: PositionId) -> Result<PositionOutcome, TxError> {
        let args = vec![
            Arg::shared(ids.cluster.0),
            Arg::shared_mut(ids.registry.0),
            Arg::shared_mut(position.0),
            Arg::clock(),
        ];
        self.call(ids.package, "staking", "withdraw", args).await?.position()
    }

    /// Proposes a slash, which suspends the position at once.
    pub async fn propose_slash(
        &self,
        ids: &IndexIds,
        position: PositionId,
        spec: &SlashSpec,
    ) -> Result<PositionOutcome, TxError> {
        let cap = self.client.caps(ids, self.wallet.address()).await?.proposer;
        let args = vec![
            self.held(cap, "ProposerCap")?,
            Arg::shared(ids.cluster.0),
            Arg::shared_mut(position.0),
            Arg::pure(&spec.reason),
            Arg::pure(spec.evidence_hash.as_slice()),
            Arg::pure(&spec.evidence),
            Arg::pure(&spec.uri),
            Arg::clock(),
        ];
        self.call(ids.package, "staking", "propose_slash", args).await?.position()
    }

    /// Appeals the pending slash of one's own position.
    pub async fn appeal_slash(
        &self,
        ids: &IndexIds,
        position: PositionId,
        statement: &str,
    ) -> Result<PositionOutcome, TxError> {
        self.of_position(ids, position, "appeal_slash", vec![Arg::pure(statement), Arg::clock()]).await
    }

    /// Upholds an appealed slash.
    pub async fn uphold_slash(&self, ids: &IndexIds, position: PositionId) -> Result<PositionOutcome, TxError> {
        self.judge(ids, position, "uphold_slash").await
    }

    /// Cancels a pending slash.
    pub async fn cancel_slash(&self, ids: &IndexIds, position: PositionId) -> Result<PositionOutcome, TxError> {
        self.judge(ids, position, "cancel_slash").await
    }

    /// Executes a slash whose appeal window is over. Anyone may.
    pub async fn execute_slash(&self, ids: &IndexIds, position: PositionId) -> Result<PositionOutcome, TxError> {
        let args = vec![Arg::shared_mut(ids.cluster.0), Arg::shared_mut(position.0), Arg::clock()];
        self.call(ids.package, "staking", "execute_slash", args).await?.position()
    }

    async fn judge(
        &self,
        ids: &IndexIds,
        position: PositionId,
        function: &'static str,
    ) -> Result<PositionOutcome, TxError> {
        let cap = self.client.caps(ids, self.wallet.address()).await?.judge;
        let args = vec![self.held(cap, "JudgeCap")?, Arg::shared(ids.cluster.0), Arg::shared_mut(position.0)];
        self.call(ids.package, "staking", function, args).await?.position()
    }

    /// A call whose first arguments are the cluster and the position.
    async fn of_position(
        &self,
        ids: &IndexIds,
        position: PositionId,
        function: &'static str,
        rest: Vec<Arg>,
    ) -> Result<PositionOutcome, TxError> {
        let args = [Arg::shared(ids.cluster.0), Arg::shared_mut(position.0)].into_iter().chain(rest).collect();
        self.call(ids.package, "staking", function, args).await?.position()
    }

    async fn call(
        &self,
        package: PackageId,
        module: &'static str,
        function: &'static str,
        args: Vec<Arg>,
    ) -> Result<Outcome, TxError> {
        self.run(Some(package), &Draft::Call { package, module, function, args }).await
    }

    async fn admin(&self, ids: &IndexIds) -> Result<Arg, TxError> {
        let cap = self.client.caps(ids, self.wallet.address()).await?.admin;
        self.held(cap, "AdminCap")
    }

    fn held(&self, id: Option<Address>, cap: &'static str) -> Result<Arg, TxError> {
        id.map(Arg::owned).ok_or(TxError::CapMissing { address: self.wallet.address(), cap })
    }
}

fn seal_args(seal: &SealSpec) -> [Arg; 5] {
    [
        Arg::pure(&seal.permissions),
        Arg::pure(seal.locator.0.as_slice()),
        Arg::pure(seal.commitment.0.as_slice()),
        Arg::pure(&seal.session),
        Arg::pure(&millis(seal.lifetime)),
    ]
}
