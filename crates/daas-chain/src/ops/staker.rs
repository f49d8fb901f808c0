use super::args::millis;
use super::build::Arg;
use super::{Call, NodeStakeSpec, Ops, PositionOutcome, SealSpec, StakeSpec};
use crate::index::IndexIds;
use core::time::Duration;
use daas_types::{Mist, PositionId, SealId, WalletAddress};

/// `staking`: what only a position's owner may do.
impl Ops {
    /// Stakes, and mints the first Seal.
    pub fn stake_and_mint_seal(&self, ids: &IndexIds, spec: &StakeSpec) -> Call<'_, PositionOutcome> {
        let node_id = spec.node_id.as_ref().map_or("", |node| node.as_str());
        let args = [
            Arg::shared(ids.cluster.0),
            Arg::shared_mut(ids.registry.0),
            Arg::Payment(spec.amount),
            Arg::pure(&spec.salt),
            Arg::pure(node_id),
        ];
        self.entry(ids, "staking", "stake_and_mint_seal", args.into_iter().chain(seal_args(&spec.seal))).position()
    }

    /// Stakes for a node that somebody else keeps. The position has no Seal yet.
    pub fn stake_for_node(&self, ids: &IndexIds, spec: &NodeStakeSpec) -> Call<'_, PositionOutcome> {
        let args = [
            Arg::shared(ids.cluster.0),
            Arg::shared_mut(ids.registry.0),
            Arg::Payment(spec.amount),
            Arg::pure(&spec.salt),
            Arg::pure(spec.node_id.as_str()),
            Arg::pure(&spec.operator),
        ];
        self.entry(ids, "staking", "stake_for_node", args).position()
    }

    /// Adds stake.
    pub fn restake(&self, ids: &IndexIds, position: PositionId, amount: Mist) -> Call<'_, PositionOutcome> {
        self.on_position(ids, position, ("staking", "restake"), [Arg::Payment(amount), Arg::clock()])
    }

    /// Mints another Seal, in place of `replaces` if that is given and still there.
    pub fn refresh_seal_token(
        &self,
        ids: &IndexIds,
        position: PositionId,
        replaces: Option<SealId>,
        seal: &SealSpec,
    ) -> Call<'_, PositionOutcome> {
        let args = [Arg::pure(&replaces)].into_iter().chain(seal_args(seal));
        self.on_position(ids, position, ("staking", "refresh_seal_token"), args)
    }

    /// Sends active stake on its way out.
    pub fn unstake(&self, ids: &IndexIds, position: PositionId, amount: Mist) -> Call<'_, PositionOutcome> {
        self.on_position(ids, position, ("staking", "unstake"), [Arg::pure(&amount), Arg::clock()])
    }

    /// Takes out what has unbonded.
    pub fn withdraw(&self, ids: &IndexIds, position: PositionId) -> Call<'_, PositionOutcome> {
        let args =
            [Arg::shared(ids.cluster.0), Arg::shared_mut(ids.registry.0), Arg::shared_mut(position.0), Arg::clock()];
        self.entry(ids, "staking", "withdraw", args).position()
    }

    /// Gives the daily key to `operator`.
    pub fn set_operator(
        &self,
        ids: &IndexIds,
        position: PositionId,
        operator: WalletAddress,
    ) -> Call<'_, PositionOutcome> {
        self.on_position(ids, position, ("staking", "set_operator"), [Arg::pure(&operator), Arg::clock()])
    }

    /// Offers the position to another owner; with none, takes the offer back.
    pub fn offer_ownership(
        &self,
        ids: &IndexIds,
        position: PositionId,
        next_owner: Option<WalletAddress>,
    ) -> Call<'_, PositionOutcome> {
        self.on_position(ids, position, ("staking", "offer_ownership"), [Arg::pure(&next_owner), Arg::clock()])
    }

    /// Takes over a position that is offered to this wallet.
    pub fn accept_ownership(&self, ids: &IndexIds, position: PositionId) -> Call<'_, PositionOutcome> {
        self.on_position(ids, position, ("staking", "accept_ownership"), [Arg::clock()])
    }

    /// Appeals the pending slash of one's own position.
    pub fn appeal_slash(&self, ids: &IndexIds, position: PositionId, statement: &str) -> Call<'_, PositionOutcome> {
        self.on_position(ids, position, ("staking", "appeal_slash"), [Arg::pure(statement), Arg::clock()])
    }
}

fn seal_args(seal: &SealSpec) -> impl Iterator<Item = Arg> {
    let secret = secret_args(seal.locator.0.as_slice(), seal.commitment.0.as_slice(), seal.session, seal.lifetime);
    [Arg::pure(&seal.permissions)].into_iter().chain(secret)
}

/// What follows the permissions. A session key lives as long as its Seal.
pub(super) fn secret_args(
    locator: &[u8],
    commitment: &[u8],
    session: Option<WalletAddress>,
    lifetime: Duration,
) -> [Arg; 6] {
    let ends = if session.is_some() { Arg::End(lifetime) } else { Arg::pure(&0_u64) };
    [Arg::pure(locator), Arg::pure(commitment), Arg::pure(&session), ends, Arg::pure(&millis(lifetime)), Arg::clock()]
}
