use super::args::millis;
use super::build::Arg;
use super::{Ops, PositionOutcome, SealSpec, SlashSpec, StakeSpec, TxError};
use crate::index::IndexIds;
use daas_types::{Mist, PositionId, SealId};

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
