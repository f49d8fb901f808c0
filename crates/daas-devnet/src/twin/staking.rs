//! `k3s_daas::staking`.

mod slash;

use super::cluster::{assert_version, claim_position, record, release_node};
use super::{Call, Function, declare_errors, seal_token};
use crate::execute::Fault;
use daas_types::onchain::{Cluster, PositionState, Registry, Status};
use daas_types::{Mist, SealId, UnixMs, WalletAddress};
use serde::Serialize;

declare_errors! { ERRORS, "staking":
    FOREIGN_POSITION = 1 "EForeignPosition" "The position is of another cluster";
    NOT_OWNER = 2 "ENotOwner" "The sender does not own the position";
    BELOW_MINIMUM = 3 "EBelowMinimum" "Active stake would be below the minimum";
    SUSPENDED = 4 "ESuspended" "The position is suspended by a proposed slash";
    SLASHED = 5 "ESlashed" "The position was slashed: restake first";
    CLOSED = 6 "EClosed" "The position is closed";
    TOO_MANY_SEALS = 7 "ETooManySeals" "The position has 16 live Seals: name one to replace";
    BAD_AMOUNT = 8 "EBadAmount" "The amount must be above zero and at most the active stake";
    NOTHING_UNBONDING = 9 "ENothingUnbonding" "No stake is on its way out";
    STILL_UNBONDING = 10 "EStillUnbonding" "The unbonding time is not over";
    SLASH_PENDING = 11 "ESlashPending" "A slash is already proposed";
    NO_SLASH_PENDING = 12 "ENoSlashPending" "No slash is proposed";
    BAD_REASON = 13 "EBadReason" "The reason is not one of 1 to 5";
    BAD_EVIDENCE_HASH = 14 "EBadEvidenceHash" "An evidence hash is 32 bytes";
    EVIDENCE_IN_FUTURE = 15 "EEvidenceInFuture" "The evidence is dated after now";
    EVIDENCE_TOO_OLD = 16 "EEvidenceTooOld" "The evidence is older than the policy allows";
    NOTHING_TO_SLASH = 17 "ENothingToSlash" "The slash would take nothing";
    APPEAL_OVER = 18 "EAppealOver" "The time to appeal is over";
    ALREADY_APPEALED = 19 "EAlreadyAppealed" "The slash is already appealed";
    STATEMENT_TOO_LONG = 20 "EStatementTooLong" "A statement is at most 1,024 bytes";
    NOT_APPEALED = 21 "ENotAppealed" "The slash is not appealed";
    ALREADY_UPHELD = 22 "EAlreadyUpheld" "The slash is already upheld";
    APPEAL_OPEN = 23 "EAppealOpen" "The owner may still appeal";
    AWAITING_JUDGE = 24 "EAwaitingJudge" "The slash is appealed and not upheld";
}

const CLUSTER: &str = "&0x0::cluster::Cluster";
const POSITION: &str = "&mut 0x0::staking::StakePosition";
const REGISTRY: &str = "&mut 0x0::cluster::Registry";
const CLOCK: &str = "&0x2::clock::Clock";
const BYTES: &str = "vector<u8>";
const STRING: &str = "0x1::string::String";
const COIN: &str = "0x2::coin::Coin<0x2::sui::SUI>";
const SESSION: &str = "0x1::option::Option<address>";
const JUDGE: &str = "&0x0::caps::JudgeCap";

macro_rules! function {
    ($name:ident, $run:path, [$($param:expr),*]) => {
        Function { module: "staking", name: stringify!($name), params: &[$($param),*], run: $run }
    };
}

pub(super) const FUNCTIONS: &[Function] = &[
    function!(
        stake_and_mint_seal,
        stake_and_mint_seal,
        [CLUSTER, REGISTRY, COIN, "u64", STRING, "u8", BYTES, BYTES, SESSION, "u64", CLOCK]
    ),
    function!(restake, restake, [CLUSTER, POSITION, COIN]),
    function!(
        refresh_seal_token,
        refresh_seal_token,
        [CLUSTER, POSITION, "0x1::option::Option<0x2::object::ID>", "u8", BYTES, BYTES, SESSION, "u64", CLOCK]
    ),
    function!(unstake, unstake, [CLUSTER, POSITION, "u64", CLOCK]),
    function!(withdraw, withdraw, [CLUSTER, REGISTRY, POSITION, CLOCK]),
    function!(
        propose_slash,
        slash::propose_slash,
        ["&0x0::caps::ProposerCap", CLUSTER, POSITION, "u8", BYTES, "u64", STRING, CLOCK]
    ),
    function!(appeal_slash, slash::appeal_slash, [CLUSTER, POSITION, STRING, CLOCK]),
    function!(uphold_slash, slash::uphold_slash, [JUDGE, CLUSTER, POSITION]),
    function!(cancel_slash, slash::cancel_slash, [JUDGE, CLUSTER, POSITION]),
    function!(execute_slash, slash::execute_slash, ["&mut 0x0::cluster::Cluster", POSITION, CLOCK]),
];

const MAX_SEALS: usize = 16;

fn stake_and_mint_seal(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let cluster: Cluster = call.object(0)?;
    let mut registry: Registry = call.object(1)?;
    assert_version(call, &cluster)?;
    let enough = call.coin_value(2)? >= cluster.policy.min_stake.0;
    call.ensure(enough, BELOW_MINIMUM, "stake_and_mint_seal")?;
    let salt = call.pure(3)?;
    let mut position = PositionState {
        position: claim_position(call, &registry, cluster.id, salt)?,
        cluster: cluster.id,
        generation: 1,
        owner: WalletAddress(call.sender),
        node_id: call.pure(4)?,
        status: Status::Active,
        active: Mist(call.spend_coin(2)?),
        frozen: Mist(0),
        unbonding: Mist(0),
        unbonding_until_ms: UnixMs(0),
        proposal: None,
        seals: vec![],
    };
    record(call, &mut registry, position.position, &position.node_id)?;
    let seal = seal_token::mint(call, 5, &position, cluster.policy.max_seal_lifetime_ms)?;
    position.seals.push(seal);
    call.emit("Staked", &position);
    call.share(position.position.0, call.tag("staking", "StakePosition"), &position);
    call.store(1, &registry)
}

fn restake(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let (cluster, mut position) = owned(call, 1)?;
    call.ensure(position.status != Status::Suspended, SUSPENDED, "restake")?;
    call.ensure(position.status != Status::Closed, CLOSED, "restake")?;
    let payment = call.spend_coin(2)?;
    position.active = plus(call, position.active, payment)?;
    assert_minimum(call, &cluster, &position)?;
    if position.status == Status::Slashed {
        position.status = Status::Recovering;
    }
    finish(call, 1, position, "Restaked", ())
}

fn refresh_seal_token(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    const NAME: &str = "refresh_seal_token";
    let (cluster, mut position) = owned(call, 1)?;
    call.ensure(position.status != Status::Suspended, SUSPENDED, NAME)?;
    call.ensure(position.status != Status::Slashed, SLASHED, NAME)?;
    call.ensure(position.status != Status::Closed, CLOSED, NAME)?;
    assert_minimum(call, &cluster, &position)?;
    let replaces: Option<SealId> = call.pure(2)?;
    let (now, recovering) = (UnixMs(call.now_ms), position.status == Status::Recovering);
    position.seals.retain(|s| !recovering && s.expires_ms > now && Some(s.id) != replaces);
    call.ensure(position.seals.len() < MAX_SEALS, TOO_MANY_SEALS, NAME)?;
    position.status = Status::Active;
    let seal = seal_token::mint(call, 3, &position, cluster.policy.max_seal_lifetime_ms)?;
    let id = seal.id;
    position.seals.push(seal);
    finish(call, 1, position, "SealRefreshed", id)
}

fn unstake(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let (cluster, mut position) = owned(call, 1)?;
    call.ensure(position.status != Status::Suspended, SUSPENDED, "unstake")?;
    let amount: u64 = call.pure(2)?;
    call.ensure(amount > 0 && amount <= position.active.0, BAD_AMOUNT, "unstake")?;
    position.active.0 -= amount;
    position.unbonding = plus(call, position.unbonding, amount)?;
    let until = call.now_ms.checked_add(cluster.policy.unbonding_ms).ok_or_else(|| call.overflow())?;
    position.unbonding_until_ms = UnixMs(until);
    if position.active.0 == 0 {
        position.status = Status::Closed;
        position.seals = vec![];
    } else {
        assert_minimum(call, &cluster, &position)?;
    }
    finish(call, 1, position, "Unstaked", amount)
}

fn withdraw(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let (_, mut position) = owned(call, 2)?;
    let mut registry: Registry = call.object(1)?;
    call.ensure(position.proposal.is_none(), SLASH_PENDING, "withdraw")?;
    call.ensure(position.unbonding.0 > 0, NOTHING_UNBONDING, "withdraw")?;
    call.ensure(call.now_ms >= position.unbonding_until_ms.0, STILL_UNBONDING, "withdraw")?;
    if position.status == Status::Closed {
        release_node(call, &mut registry, position.cluster, &position.node_id)?;
        call.store(1, &registry)?;
    }
    let amount = std::mem::take(&mut position.unbonding).0;
    call.pay(amount, position.owner.0);
    finish(call, 2, position, "Withdrawn", amount)
}

/// The cluster (argument before the position, or the first) and the position at `n`, which belongs to it.
fn of_cluster(call: &Call<'_, '_>, cluster: usize, n: usize) -> Result<(Cluster, PositionState), Fault> {
    let (cluster, position): (Cluster, PositionState) = (call.object(cluster)?, call.object(n)?);
    assert_version(call, &cluster)?;
    call.ensure(position.cluster == cluster.id, FOREIGN_POSITION, "assert_of")?;
    Ok((cluster, position))
}

/// As above, with the cluster as first argument, and the position is the sender's.
fn owned(call: &Call<'_, '_>, n: usize) -> Result<(Cluster, PositionState), Fault> {
    let (cluster, position) = of_cluster(call, 0, n)?;
    call.ensure(position.owner.0 == call.sender, NOT_OWNER, "assert_owned")?;
    Ok((cluster, position))
}

fn assert_minimum(call: &Call<'_, '_>, cluster: &Cluster, position: &PositionState) -> Result<(), Fault> {
    call.ensure(position.active >= cluster.policy.min_stake, BELOW_MINIMUM, "assert_minimum")
}

/// `Balance::join`.
fn plus(call: &Call<'_, '_>, balance: Mist, more: u64) -> Result<Mist, Fault> {
    balance.0.checked_add(more).map(Mist).ok_or_else(|| call.overflow())
}

/// The position at `n` has changed: one event with its state, and `more` after it.
fn finish<T: Serialize>(
    call: &mut Call<'_, '_>,
    n: usize,
    mut position: PositionState,
    event: &'static str,
    more: T,
) -> Result<(), Fault> {
    position.generation += 1;
    call.emit(event, &(&position, more));
    call.store(n, &position)
}
