//! `k3s_daas::staking`: stake, Seals and keys; `slash` beside it has the slashes.

mod slash;

use super::params::{
    ADDRESS, BYTES, CLOCK, CLUSTER, CLUSTER_MUT, COIN, ID, JUDGE, NAUTILUS_MUT, OPTION_ADDRESS, OPTION_ID,
    POSITION_MUT, PROPOSER, REGISTRY_MUT, STRING, U8, U64,
};
use super::{Call, cluster, declare_errors, declare_functions, position, registry, seal_token};
use crate::execute::Fault;
use daas_types::onchain::{Cluster, PositionState, Registry, Status};
use daas_types::{Mist, Permissions, SealId, WalletAddress};
use serde::Serialize;

declare_errors! { "staking":
    BAD_AMOUNT = 1 "EBadAmount" "The amount must be above zero and at most the active stake";
    NODE_ID_MISSING = 2 "ENodeIdMissing" "A stake for a node needs a node id";
    NOTHING_TO_WITHDRAW = 3 "ENothingToWithdraw" "No stake is on its way out";
    STILL_UNBONDING = 4 "EStillUnbonding" "The unbonding time is not over";
    SLASH_PENDING = 5 "ESlashPending" "A slash is already proposed";
    COOLING_DOWN = 6 "ECoolingDown" "The position's last slash ended too recently";
    BENEFICIARY = 7 "EBeneficiary" "The beneficiary of slashes neither proposes nor judges them";
    OWN_POSITION = 8 "EOwnPosition" "A position's owner does not judge its slash";
    STATEMENT_TOO_LONG = 9 "EStatementTooLong" "A statement is at most 1,024 bytes";
    NOT_NEXT_OWNER = 10 "ENotNextOwner" "The position is not offered to the sender";
    FOREIGN_KEY = 11 "EForeignKey" "The position does not answer for this enclave key";
    SAME_ROOT = 12 "ESameRoot" "The two roots are the same";
    BAD_SIGNATURE = 13 "EBadSignature" "The enclave key did not sign both roots";
}

declare_functions! { "staking":
    stake_and_mint_seal(
        CLUSTER, REGISTRY_MUT, COIN, U64, STRING, U8, BYTES, BYTES, OPTION_ADDRESS, U64, U64, CLOCK,
    ) => stake_and_mint_seal;
    stake_for_node(CLUSTER, REGISTRY_MUT, COIN, U64, STRING, ADDRESS) => stake_for_node;
    restake(CLUSTER, POSITION_MUT, COIN, CLOCK) => restake;
    refresh_seal_token(
        CLUSTER, POSITION_MUT, OPTION_ID, U8, BYTES, BYTES, OPTION_ADDRESS, U64, U64, CLOCK,
    ) => refresh_seal_token;
    revoke_seal(CLUSTER, POSITION_MUT, ID, CLOCK) => revoke_seal;
    revoke_all_seals(CLUSTER, POSITION_MUT, CLOCK) => revoke_all_seals;
    unstake(CLUSTER, POSITION_MUT, U64, CLOCK) => unstake;
    withdraw(CLUSTER, REGISTRY_MUT, POSITION_MUT, CLOCK) => withdraw;
    set_operator(CLUSTER, POSITION_MUT, ADDRESS, CLOCK) => set_operator;
    offer_ownership(CLUSTER, POSITION_MUT, OPTION_ADDRESS, CLOCK) => offer_ownership;
    accept_ownership(CLUSTER, POSITION_MUT, CLOCK) => accept_ownership;
    propose_slash(PROPOSER, CLUSTER, POSITION_MUT, U8, BYTES, U64, STRING, CLOCK) => slash::propose_slash;
    appeal_slash(CLUSTER, POSITION_MUT, STRING, CLOCK) => slash::appeal_slash;
    uphold_slash(JUDGE, CLUSTER, POSITION_MUT, CLOCK) => slash::uphold_slash;
    reduce_slash(JUDGE, CLUSTER, POSITION_MUT, U64, CLOCK) => slash::reduce_slash;
    cancel_slash(JUDGE, CLUSTER, POSITION_MUT, CLOCK) => slash::cancel_slash;
    execute_slash(CLUSTER_MUT, POSITION_MUT, CLOCK) => slash::execute_slash;
    release_lapsed_slash(CLUSTER, POSITION_MUT, CLOCK) => slash::release_lapsed_slash;
    slash_double_signed(
        CLUSTER_MUT, NAUTILUS_MUT, POSITION_MUT, BYTES, U64, BYTES, BYTES, BYTES, BYTES, CLOCK,
    ) => slash::slash_double_signed;
}

pub(super) use slash::clear_lapsed;

// === Entry functions: stake ===

fn stake_and_mint_seal(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let cluster: Cluster = call.object(0)?;
    cluster::assert_open(call, &cluster)?;
    let permissions: Permissions = call.pure(5)?;
    let wanted = seal_token::request(call, permissions, 6, cluster.policy.max_seal_lifetime_ms)?;
    let (place, operator) = ((call.pure(3)?, call.pure(4)?), WalletAddress(call.sender));
    let mut position = position::create(call, &cluster, (1, 2), place, operator)?;
    position::add_seal(call, &mut position, &wanted, None)?;
    call.emit("staking", "Staked", &position);
    position::share(call, &position);
    Ok(())
}

fn stake_for_node(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let cluster: Cluster = call.object(0)?;
    cluster::assert_open(call, &cluster)?;
    let node_id: String = call.pure(4)?;
    call.ensure(!node_id.is_empty(), NODE_ID_MISSING, "stake_for_node")?;
    let (place, operator) = ((call.pure(3)?, node_id), call.pure(5)?);
    let position = position::create(call, &cluster, (1, 2), place, operator)?;
    call.emit("staking", "Staked", &position);
    position::share(call, &position);
    Ok(())
}

fn restake(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let (cluster, mut position) = load(call, 0, 1)?;
    position::assert_owned(call, &position, &cluster)?;
    cluster::assert_open(call, &cluster)?;
    clear_lapsed(call, &mut position, &cluster)?;
    position::assert_not_suspended(call, &position)?;
    position::assert_not_closed(call, &position)?;
    let money = call.spend_coin(2)?;
    call.ensure(money.0 > 0, BAD_AMOUNT, "restake")?;
    position::add_active(call, &mut position, money)?;
    position::assert_stake(call, &position, &cluster)?;
    changed(call, 1, position, "Restaked", ())
}

fn refresh_seal_token(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let (cluster, mut position) = load(call, 0, 1)?;
    position::assert_owned(call, &position, &cluster)?;
    clear_lapsed(call, &mut position, &cluster)?;
    position::assert_not_suspended(call, &position)?;
    position::assert_not_slashed(call, &position)?;
    position::assert_not_closed(call, &position)?;
    position::assert_minimum(call, &position, &cluster)?;
    let permissions: Permissions = call.pure(3)?;
    let wanted = seal_token::request(call, permissions, 4, cluster.policy.max_seal_lifetime_ms)?;
    position.status = Status::Active;
    let replaces = call.pure(2)?;
    let seal = position::add_seal(call, &mut position, &wanted, replaces)?;
    changed(call, 1, position, "SealRefreshed", seal)
}

fn revoke_seal(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let mut position = kept(call)?;
    let seal: SealId = call.pure(2)?;
    position::remove_seal(call, &mut position, seal)?;
    changed(call, 1, position, "SealRevoked", seal)
}

fn revoke_all_seals(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let mut position = kept(call)?;
    position.seals.clear();
    changed(call, 1, position, "AllSealsRevoked", ())
}

fn unstake(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let (cluster, mut position) = owned(call, 1)?;
    position::assert_not_suspended(call, &position)?;
    let amount: Mist = call.pure(2)?;
    call.ensure(amount.0 > 0 && amount <= position.active, BAD_AMOUNT, "unstake")?;
    let until_ms = call.sum(call.now_ms, cluster.policy.unbonding_ms)?;
    position::unbond(call, &mut position, amount, until_ms)?;
    if position.status != Status::Closed {
        position::assert_minimum(call, &position, &cluster)?;
    }
    changed(call, 1, position, "Unstaked", amount)
}

fn withdraw(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let (cluster, mut position) = load(call, 0, 2)?;
    position::assert_owned(call, &position, &cluster)?;
    let mut books: Registry = call.object(1)?;
    registry::assert_of(call, &books, cluster.id)?;
    clear_lapsed(call, &mut position, &cluster)?;
    call.ensure(position.proposal.is_none(), SLASH_PENDING, "withdraw")?;
    let leaves = position.status == Status::Closed && !position.node_id.is_empty();
    call.ensure(position.unbonding.0 > 0 || leaves, NOTHING_TO_WITHDRAW, "withdraw")?;
    call.ensure(call.now_ms >= position.unbonding_until_ms.0, STILL_UNBONDING, "withdraw")?;
    if leaves {
        let node_id = std::mem::take(&mut position.node_id);
        registry::release_node(call, &mut books, &node_id)?;
        call.store(1, &books)?;
    }
    let amount = std::mem::take(&mut position.unbonding);
    call.pay(amount, position.owner);
    changed(call, 2, position, "Withdrawn", amount)
}

// === Entry functions: keys ===

fn set_operator(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let (_, mut position) = owned(call, 1)?;
    position.operator = call.pure(2)?;
    changed(call, 1, position, "OperatorChanged", ())
}

fn offer_ownership(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let (_, mut position) = owned(call, 1)?;
    position.next_owner = call.pure(2)?;
    changed(call, 1, position, "OwnershipOffered", ())
}

fn accept_ownership(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let (cluster, mut position) = load(call, 0, 1)?;
    position::assert_of(call, &position, &cluster)?;
    let sender = WalletAddress(call.sender);
    call.ensure(position.next_owner == Some(sender), NOT_NEXT_OWNER, "accept_ownership")?;
    clear_lapsed(call, &mut position, &cluster)?;
    (position.owner, position.operator, position.next_owner) = (sender, sender, None);
    position.seals.clear();
    changed(call, 1, position, "OwnershipAccepted", ())
}

// === Package functions ===

/// The cluster and the position at these arguments, unjudged.
pub(super) fn load(call: &Call<'_, '_>, cluster: usize, position: usize) -> Result<(Cluster, PositionState), Fault> {
    Ok((call.object(cluster)?, call.object(position)?))
}

/// The position, argument 1, of the cluster, argument 0, which the sender keeps and which has no lapsed slash any more.
pub(super) fn kept(call: &mut Call<'_, '_>) -> Result<PositionState, Fault> {
    let (cluster, mut position) = load(call, 0, 1)?;
    position::assert_kept(call, &position, &cluster)?;
    clear_lapsed(call, &mut position, &cluster)?;
    Ok(position)
}

// === Private functions ===

/// The cluster, argument 0, and its position at `n`, which is the sender's and has no lapsed slash any more.
fn owned(call: &mut Call<'_, '_>, n: usize) -> Result<(Cluster, PositionState), Fault> {
    let (cluster, mut position) = load(call, 0, n)?;
    position::assert_owned(call, &position, &cluster)?;
    clear_lapsed(call, &mut position, &cluster)?;
    Ok((cluster, position))
}

/// The position at `n` has changed: generation +1, the event with the state after it and `more`.
fn changed<T: Serialize>(
    call: &mut Call<'_, '_>,
    n: usize,
    position: PositionState,
    event: &'static str,
    more: T,
) -> Result<(), Fault> {
    call.changed_position(n, position, ("staking", event), more)
}
