//! `k3s_daas::position`: the books.

use super::seal_token::{self, Wanted};
use super::{Call, cluster, declare_errors, registry};
use crate::execute::Fault;
use daas_types::onchain::{Cluster, PositionKey, PositionState, Proposal, Registry, Status, Trial};
use daas_types::{Mist, SealId, UnixMs, WalletAddress};

declare_errors! { "position":
    FOREIGN_POSITION = 1 "EForeignPosition" "The position is of another cluster";
    NOT_OWNER = 2 "ENotOwner" "The sender does not own the position";
    NOT_KEEPER = 3 "ENotKeeper" "The sender is neither the position's owner nor its operator";
    BELOW_MINIMUM = 4 "EBelowMinimum" "Active stake would be below the minimum";
    ABOVE_MAXIMUM = 5 "EAboveMaximum" "Active stake would be above the maximum";
    SUSPENDED = 6 "ESuspended" "The position is suspended by a proposed slash";
    SLASHED = 7 "ESlashed" "The position was slashed: restake first";
    CLOSED = 8 "EClosed" "The position is closed";
    RECOVERING = 9 "ERecovering" "The position was restaked after a slash: refresh its Seal first";
    TOO_MANY_SEALS = 10 "ETooManySeals" "The position has 16 live Seals: name one to replace";
    NO_SUCH_SEAL = 11 "ENoSuchSeal" "The position has no such Seal";
    NO_SLASH_PENDING = 12 "ENoSlashPending" "No slash is proposed";
    NOTHING_TO_SLASH = 13 "ENothingToSlash" "The slash would take nothing";
    ALREADY_TRIED = 14 "EAlreadyTried" "The position was already tried on this evidence";
    TOO_MANY_TRIALS = 15 "ETooManyTrials" "The position was tried 32 times on evidence that still counts";
}

const MAX_SEALS: usize = 16;
const MAX_TRIALS: usize = 32;
const BASIS_POINTS: u128 = 10_000;
/// The date of evidence that never ages.
const NEVER: UnixMs = UnixMs(u64::MAX);

// === Making ===

/// `create`, for the sender; the payment is argument `payment`, the registry argument `registry` and gets the position.
pub(super) fn create(
    call: &mut Call<'_, '_>,
    cluster: &Cluster,
    (registry, payment): (usize, usize),
    (salt, node_id): (u64, String),
    operator: WalletAddress,
) -> Result<PositionState, Fault> {
    let owner = WalletAddress(call.sender);
    let mut books: Registry = call.object(registry)?;
    let position = PositionState {
        position: registry::claim(call, &books, cluster.id, PositionKey(owner, salt))?,
        cluster: cluster.id,
        generation: 1,
        owner,
        next_owner: None,
        operator,
        node_id,
        status: Status::Active,
        active: call.spend_coin(payment)?,
        frozen: Mist(0),
        unbonding: Mist(0),
        unbonding_until_ms: UnixMs(0),
        jailed_until_ms: UnixMs(0),
        maintenance: None,
        cooldown_until_ms: UnixMs(0),
        proposal: None,
        trials: vec![],
        seals: vec![],
    };
    assert_stake(call, &position, cluster)?;
    registry::record(call, &mut books, position.position, &position.node_id)?;
    call.store(registry, &books)?;
    Ok(position)
}

pub(super) fn share(call: &mut Call<'_, '_>, position: &PositionState) {
    call.share(position.position.0, call.tag("position", "StakePosition"), position);
}

// === Asserting ===

pub(super) fn assert_of(call: &Call<'_, '_>, position: &PositionState, cluster: &Cluster) -> Result<(), Fault> {
    cluster::assert_version(call, cluster)?;
    call.ensure(position.cluster == cluster.id, FOREIGN_POSITION, "assert_of")
}

pub(super) fn assert_owned(call: &Call<'_, '_>, position: &PositionState, cluster: &Cluster) -> Result<(), Fault> {
    assert_of(call, position, cluster)?;
    call.ensure(position.owner.0 == call.sender, NOT_OWNER, "assert_owned")
}

pub(super) fn assert_kept(call: &Call<'_, '_>, position: &PositionState, cluster: &Cluster) -> Result<(), Fault> {
    assert_of(call, position, cluster)?;
    let keeps = position.owner.0 == call.sender || position.operator.0 == call.sender;
    call.ensure(keeps, NOT_KEEPER, "assert_kept")
}

pub(super) fn assert_stake(call: &Call<'_, '_>, position: &PositionState, cluster: &Cluster) -> Result<(), Fault> {
    assert_minimum(call, position, cluster)?;
    call.ensure(position.active <= cluster.policy.max_stake, ABOVE_MAXIMUM, "assert_stake")
}

pub(super) fn assert_minimum(call: &Call<'_, '_>, position: &PositionState, cluster: &Cluster) -> Result<(), Fault> {
    call.ensure(position.active >= cluster.policy.min_stake, BELOW_MINIMUM, "assert_minimum")
}

pub(super) fn assert_not_suspended(call: &Call<'_, '_>, position: &PositionState) -> Result<(), Fault> {
    call.ensure(position.status != Status::Suspended, SUSPENDED, "assert_not_suspended")
}

pub(super) fn assert_not_slashed(call: &Call<'_, '_>, position: &PositionState) -> Result<(), Fault> {
    call.ensure(position.status != Status::Slashed, SLASHED, "assert_not_slashed")
}

pub(super) fn assert_not_closed(call: &Call<'_, '_>, position: &PositionState) -> Result<(), Fault> {
    call.ensure(position.status != Status::Closed, CLOSED, "assert_not_closed")
}

pub(super) fn assert_active(call: &Call<'_, '_>, position: &PositionState) -> Result<(), Fault> {
    assert_not_suspended(call, position)?;
    assert_not_slashed(call, position)?;
    assert_not_closed(call, position)?;
    call.ensure(position.status != Status::Recovering, RECOVERING, "assert_active")
}

// === Money ===

pub(super) fn add_active(call: &Call<'_, '_>, position: &mut PositionState, money: Mist) -> Result<(), Fault> {
    position.active = call.join(position.active, money)?;
    if position.status == Status::Slashed {
        position.status = Status::Recovering;
    }
    Ok(())
}

/// Active stake goes on its way out. Taking all of it closes the position.
pub(super) fn unbond(
    call: &Call<'_, '_>,
    position: &mut PositionState,
    amount: Mist,
    until_ms: u64,
) -> Result<(), Fault> {
    position.active = call.split(position.active, amount)?;
    position.unbonding = call.join(position.unbonding, amount)?;
    position.unbonding_until_ms = UnixMs(until_ms);
    if position.active.0 == 0 {
        position.status = Status::Closed;
        position.seals.clear();
    }
    Ok(())
}

/// Takes `slash_bps` of all stake out, rounded down, active first. Answers it, and how much was unbonding.
pub(super) fn take_share(
    call: &Call<'_, '_>,
    position: &mut PositionState,
    slash_bps: u64,
) -> Result<(Mist, Mist), Fault> {
    let all = u128::from(position.active.0) + u128::from(position.unbonding.0);
    let share = all.saturating_mul(u128::from(slash_bps)) / BASIS_POINTS;
    let amount = u64::try_from(share).map_err(|_| call.overflow())?;
    call.ensure(amount > 0, NOTHING_TO_SLASH, "take_share")?;
    let from_active = amount.min(position.active.0);
    let from_unbonding = Mist(amount - from_active);
    position.active.0 -= from_active;
    position.unbonding = call.split(position.unbonding, from_unbonding)?;
    Ok((Mist(amount), from_unbonding))
}

pub(super) fn thaw(
    call: &Call<'_, '_>,
    position: &mut PositionState,
    to_active: Mist,
    to_unbonding: Mist,
) -> Result<(), Fault> {
    position.frozen = call.split(call.split(position.frozen, to_active)?, to_unbonding)?;
    position.active = call.join(position.active, to_active)?;
    position.unbonding = call.join(position.unbonding, to_unbonding)?;
    Ok(())
}

// === A slash ===

pub(super) fn record_trial(
    call: &Call<'_, '_>,
    position: &mut PositionState,
    trial: Trial,
    oldest_ms: u64,
) -> Result<(), Fault> {
    position.trials.retain(|t| t.evidence_ms.0 >= oldest_ms);
    let aging = position.trials.iter().filter(|t| t.evidence_ms < NEVER).count();
    call.ensure(aging < MAX_TRIALS, TOO_MANY_TRIALS, "record_trial")?;
    let tried = position.trials.iter().any(|t| t.evidence_hash == trial.evidence_hash);
    call.ensure(!tried, ALREADY_TRIED, "record_trial")?;
    position.trials.push(trial);
    Ok(())
}

pub(super) fn record_proof(
    call: &Call<'_, '_>,
    position: &mut PositionState,
    evidence_hash: Vec<u8>,
) -> Result<(), Fault> {
    let proof = Trial { evidence_hash, evidence_ms: NEVER };
    call.ensure(!position.trials.contains(&proof), ALREADY_TRIED, "record_proof")?;
    position.trials.push(proof);
    Ok(())
}

pub(super) fn suspend(
    call: &Call<'_, '_>,
    position: &mut PositionState,
    money: Mist,
    proposal: Proposal,
) -> Result<(), Fault> {
    position.frozen = call.join(position.frozen, money)?;
    position.proposal = Some(Box::new(proposal));
    position.status = Status::Suspended;
    Ok(())
}

pub(super) fn pending<'p>(call: &Call<'_, '_>, position: &'p mut PositionState) -> Result<&'p mut Proposal, Fault> {
    position.proposal.as_deref_mut().ok_or_else(|| call.abort(NO_SLASH_PENDING, "pending"))
}

/// The slash ends without taking anything.
pub(super) fn release(call: &Call<'_, '_>, position: &mut PositionState, cooldown_until_ms: u64) -> Result<(), Fault> {
    let proposal = take_proposal(call, position, cooldown_until_ms)?;
    let to_active = call.split(proposal.amount, proposal.from_unbonding)?;
    thaw(call, position, to_active, proposal.from_unbonding)?;
    position.status = proposal.prior_status;
    Ok(())
}

/// The slash ends with what is frozen.
pub(super) fn forfeit(
    call: &Call<'_, '_>,
    position: &mut PositionState,
    cooldown_until_ms: u64,
) -> Result<Mist, Fault> {
    let proposal = take_proposal(call, position, cooldown_until_ms)?;
    position.status = proposal.prior_status;
    condemn(position);
    Ok(std::mem::take(&mut position.frozen))
}

/// What follows from any executed slash.
pub(super) fn condemn(position: &mut PositionState) {
    position.seals.clear();
    match (position.status, &mut position.proposal) {
        (Status::Suspended, Some(proposal)) if proposal.prior_status != Status::Closed => {
            proposal.prior_status = Status::Slashed;
        }
        (Status::Suspended | Status::Closed, _) => {}
        _ => position.status = Status::Slashed,
    }
}

fn take_proposal(call: &Call<'_, '_>, position: &mut PositionState, cooldown_until_ms: u64) -> Result<Proposal, Fault> {
    let proposal = position.proposal.take().ok_or_else(|| call.abort(NO_SLASH_PENDING, "take_proposal"))?;
    position.cooldown_until_ms = UnixMs(cooldown_until_ms);
    Ok(*proposal)
}

// === Seals ===

/// Adds a Seal, in place of `replaces` if that is given and still there. Answers its id.
pub(super) fn add_seal(
    call: &mut Call<'_, '_>,
    position: &mut PositionState,
    wanted: &Wanted,
    replaces: Option<SealId>,
) -> Result<SealId, Fault> {
    let now = UnixMs(call.now_ms);
    position.seals.retain(|seal| !seal.is_expired(now) && Some(seal.id) != replaces);
    call.ensure(position.seals.len() < MAX_SEALS, TOO_MANY_SEALS, "add_seal")?;
    let record = seal_token::mint(call, wanted, position)?;
    let id = record.id;
    position.seals.push(record);
    Ok(id)
}

pub(super) fn remove_seal(call: &Call<'_, '_>, position: &mut PositionState, seal: SealId) -> Result<(), Fault> {
    let found = position.seals.iter().position(|record| record.id == seal);
    position.seals.remove(found.ok_or_else(|| call.abort(NO_SUCH_SEAL, "remove_seal"))?);
    Ok(())
}
