/// A staker's position: its money, its status, its keys and its Seals. `staking` and `k8s_gateway` decide; this module
/// keeps the books.
module k3s_daas::position;

use k3s_daas::cluster::Cluster;
use k3s_daas::registry::{Self, Registry};
use k3s_daas::seal_token::{SealRecord, SealRequest};
use k3s_daas::slashing::Proposal;
use std::string::String;
use sui::balance::{Self, Balance};
use sui::derived_object;
use sui::sui::SUI;

// === Errors ===

#[error(code = 1)]
const EForeignPosition: vector<u8> = b"The position is of another cluster";
#[error(code = 2)]
const ENotOwner: vector<u8> = b"The sender does not own the position";
#[error(code = 3)]
const ENotKeeper: vector<u8> = b"The sender is neither the position's owner nor its operator";
#[error(code = 4)]
const EBelowMinimum: vector<u8> = b"Active stake would be below the minimum";
#[error(code = 5)]
const EAboveMaximum: vector<u8> = b"Active stake would be above the maximum";
#[error(code = 6)]
const ESuspended: vector<u8> = b"The position is suspended by a proposed slash";
#[error(code = 7)]
const ESlashed: vector<u8> = b"The position was slashed: restake first";
#[error(code = 8)]
const EClosed: vector<u8> = b"The position is closed";
#[error(code = 9)]
const ERecovering: vector<u8> = b"The position was restaked after a slash: refresh its Seal first";
#[error(code = 10)]
const ETooManySeals: vector<u8> = b"The position has 16 live Seals: name one to replace";
#[error(code = 11)]
const ENoSuchSeal: vector<u8> = b"The position has no such Seal";
#[error(code = 12)]
const ENoSlashPending: vector<u8> = b"No slash is proposed";
#[error(code = 13)]
const ENothingToSlash: vector<u8> = b"The slash would take nothing";
#[error(code = 14)]
const EAlreadyTried: vector<u8> = b"The position was already tried on this evidence";
#[error(code = 15)]
const ETooManyTrials: vector<u8> = b"The position was tried 32 times on evidence that still counts";

// === Constants ===

/// Its stake counts.
const ACTIVE: u8 = 0;
/// A slash is proposed: nothing counts.
const SUSPENDED: u8 = 1;
/// A slash was executed; the owner must restake.
const SLASHED: u8 = 2;
/// Restaked after a slash; the owner must refresh the Seal.
const RECOVERING: u8 = 3;
/// All unstaked.
const CLOSED: u8 = 4;

const MAX_SEALS: u64 = 16;
const MAX_TRIALS: u64 = 32;
const BASIS_POINTS: u128 = 10_000;
/// The date of evidence that never ages.
const NEVER_MS: u64 = 0xFFFF_FFFF_FFFF_FFFF;

// === Structs ===

public struct StakePosition has key {
    id: UID,
    cluster: ID,
    /// +1 with each change.
    generation: u64,
    owner: address,
    /// To whom the owner offers the position.
    next_owner: Option<address>,
    /// A key for daily use: node Seals, jail, maintenance. It moves no money.
    operator: address,
    /// Empty when it has no node.
    node_id: String,
    status: u8,
    active: Balance<SUI>,
    /// What a proposed slash holds.
    frozen: Balance<SUI>,
    /// On its way out, still slashable.
    unbonding: Balance<SUI>,
    /// When all of it may be withdrawn: each unstaking starts the time anew.
    unbonding_until_ms: u64,
    /// Zero, or the node is jailed at least until then.
    jailed_until_ms: u64,
    maintenance: Option<Maintenance>,
    /// No slash may be proposed before.
    cooldown_until_ms: u64,
    proposal: Option<Proposal>,
    /// Evidence it was tried on.
    trials: vector<Trial>,
    seals: vector<SealRecord>,
}

/// A time in which the node is not jailed for its silence.
public struct Maintenance has copy, drop, store {
    from_ms: u64,
    until_ms: u64,
}

/// Evidence is judged once.
public struct Trial has copy, drop, store {
    evidence_hash: vector<u8>,
    evidence_ms: u64,
}

/// A `StakePosition` as events carry it: the same bytes.
public struct PositionState has copy, drop, store {
    position: ID,
    cluster: ID,
    generation: u64,
    owner: address,
    next_owner: Option<address>,
    operator: address,
    node_id: String,
    status: u8,
    active: u64,
    frozen: u64,
    unbonding: u64,
    unbonding_until_ms: u64,
    jailed_until_ms: u64,
    maintenance: Option<Maintenance>,
    cooldown_until_ms: u64,
    proposal: Option<Proposal>,
    trials: vector<Trial>,
    seals: vector<SealRecord>,
}

// === View Functions ===

public fun state(self: &StakePosition): PositionState {
    PositionState {
        position: object::id(self),
        cluster: self.cluster,
        generation: self.generation,
        owner: self.owner,
        next_owner: self.next_owner,
        operator: self.operator,
        node_id: self.node_id,
        status: self.status,
        active: self.active.value(),
        frozen: self.frozen.value(),
        unbonding: self.unbonding.value(),
        unbonding_until_ms: self.unbonding_until_ms,
        jailed_until_ms: self.jailed_until_ms,
        maintenance: self.maintenance,
        cooldown_until_ms: self.cooldown_until_ms,
        proposal: self.proposal,
        trials: self.trials,
        seals: self.seals,
    }
}

public fun generation(self: &StakePosition): u64 { self.generation }

public fun owner(self: &StakePosition): address { self.owner }

public fun next_owner(self: &StakePosition): Option<address> { self.next_owner }

public fun operator(self: &StakePosition): address { self.operator }

public fun node_id(self: &StakePosition): String { self.node_id }

public fun active(self: &StakePosition): u64 { self.active.value() }

public fun frozen(self: &StakePosition): u64 { self.frozen.value() }

public fun unbonding(self: &StakePosition): u64 { self.unbonding.value() }

public fun unbonding_until_ms(self: &StakePosition): u64 { self.unbonding_until_ms }

public fun jailed_until_ms(self: &StakePosition): u64 { self.jailed_until_ms }

public fun maintenance(self: &StakePosition): Option<Maintenance> { self.maintenance }

public fun cooldown_until_ms(self: &StakePosition): u64 { self.cooldown_until_ms }

public fun proposal(self: &StakePosition): Option<Proposal> { self.proposal }

public fun seals(self: &StakePosition): &vector<SealRecord> { &self.seals }

public fun is_active(self: &StakePosition): bool { self.status == ACTIVE }

public fun is_suspended(self: &StakePosition): bool { self.status == SUSPENDED }

public fun is_slashed(self: &StakePosition): bool { self.status == SLASHED }

public fun is_recovering(self: &StakePosition): bool { self.status == RECOVERING }

public fun is_closed(self: &StakePosition): bool { self.status == CLOSED }

public fun from_ms(self: &Maintenance): u64 { self.from_ms }

public fun until_ms(self: &Maintenance): u64 { self.until_ms }

// === Package Functions: making ===

/// Makes `owner`'s position under `salt`, with an id that follows from both.
public(package) fun create(
    cluster: &Cluster,
    registry: &mut Registry,
    money: Balance<SUI>,
    owner: address,
    operator: address,
    salt: u64,
    node_id: String,
): StakePosition {
    let key = registry::position_key(owner, salt);
    let position = StakePosition {
        id: derived_object::claim(registry.unclaimed(object::id(cluster), key), key),
        cluster: object::id(cluster),
        generation: 1,
        owner,
        next_owner: option::none(),
        operator,
        node_id,
        status: ACTIVE,
        active: money,
        frozen: balance::zero(),
        unbonding: balance::zero(),
        unbonding_until_ms: 0,
        jailed_until_ms: 0,
        maintenance: option::none(),
        cooldown_until_ms: 0,
        proposal: option::none(),
        trials: vector[],
        seals: vector[],
    };
    position.assert_stake(cluster);
    registry.record(object::id(&position), node_id);
    position
}

#[allow(lint(share_owned))]
public(package) fun share(self: StakePosition) {
    transfer::share_object(self);
}

/// What ids below the position are derived from.
public(package) fun uid_mut(self: &mut StakePosition): &mut UID { &mut self.id }

/// One change: generation +1. Returns the state after it, for the event.
public(package) fun changed(self: &mut StakePosition): PositionState {
    self.generation = self.generation + 1;
    self.state()
}

// === Package Functions: asserting ===

public(package) fun assert_of(self: &StakePosition, cluster: &Cluster) {
    cluster.assert_version();
    assert!(self.cluster == object::id(cluster), EForeignPosition);
}

public(package) fun assert_owned(self: &StakePosition, cluster: &Cluster, ctx: &TxContext) {
    self.assert_of(cluster);
    assert!(self.owner == ctx.sender(), ENotOwner);
}

/// The sender is the owner or the operator.
public(package) fun assert_kept(self: &StakePosition, cluster: &Cluster, ctx: &TxContext) {
    self.assert_of(cluster);
    assert!(self.owner == ctx.sender() || self.operator == ctx.sender(), ENotKeeper);
}

/// Active stake is within the policy's bounds.
public(package) fun assert_stake(self: &StakePosition, cluster: &Cluster) {
    self.assert_minimum(cluster);
    assert!(self.active.value() <= cluster.policy().max_stake(), EAboveMaximum);
}

public(package) fun assert_minimum(self: &StakePosition, cluster: &Cluster) {
    assert!(self.active.value() >= cluster.policy().min_stake(), EBelowMinimum);
}

public(package) fun assert_not_suspended(self: &StakePosition) {
    assert!(self.status != SUSPENDED, ESuspended);
}

public(package) fun assert_not_slashed(self: &StakePosition) {
    assert!(self.status != SLASHED, ESlashed);
}

public(package) fun assert_not_closed(self: &StakePosition) {
    assert!(self.status != CLOSED, EClosed);
}

public(package) fun assert_active(self: &StakePosition) {
    self.assert_not_suspended();
    self.assert_not_slashed();
    self.assert_not_closed();
    assert!(self.status != RECOVERING, ERecovering);
}

// === Package Functions: money ===

public(package) fun add_active(self: &mut StakePosition, money: Balance<SUI>) {
    self.active.join(money);
    if (self.status == SLASHED) self.status = RECOVERING;
}

/// Sends active stake on its way out. Taking all of it closes the position.
public(package) fun unbond(self: &mut StakePosition, amount: u64, until_ms: u64) {
    self.unbonding.join(self.active.split(amount));
    self.unbonding_until_ms = until_ms;
    if (self.active.value() == 0) {
        self.status = CLOSED;
        self.seals = vector[];
    };
}

public(package) fun take_unbonded(self: &mut StakePosition): Balance<SUI> {
    self.unbonding.withdraw_all()
}

/// The node id, which the position gives up.
public(package) fun take_node_id(self: &mut StakePosition): String {
    let node_id = self.node_id;
    self.node_id = b"".to_string();
    node_id
}

/// Takes `slash_bps` of all stake out, rounded down, active first. Returns it, and how much was unbonding.
public(package) fun take_share(self: &mut StakePosition, slash_bps: u64): (Balance<SUI>, u64) {
    let (active, unbonding) = (self.active.value(), self.unbonding.value());
    let all = (active as u128) + (unbonding as u128);
    let amount = (all * (slash_bps as u128) / BASIS_POINTS) as u64;
    assert!(amount > 0, ENothingToSlash);
    let from_active = amount.min(active);
    let mut money = self.active.split(from_active);
    money.join(self.unbonding.split(amount - from_active));
    (money, amount - from_active)
}

// === Package Functions: a slash ===

/// Evidence is judged once. Trials on evidence that no longer counts are forgotten.
public(package) fun record_trial(
    self: &mut StakePosition,
    evidence_hash: vector<u8>,
    evidence_ms: u64,
    oldest_ms: u64,
) {
    self.trials = self.trials.filter!(|trial| trial.evidence_ms >= oldest_ms);
    let aging = self.trials.count!(|trial| trial.evidence_ms < NEVER_MS);
    assert!(aging < MAX_TRIALS, ETooManyTrials);
    assert!(!self.trials.any!(|trial| trial.evidence_hash == evidence_hash), EAlreadyTried);
    self.trials.push_back(Trial { evidence_hash, evidence_ms });
}

/// As `record_trial`, for evidence that is a proof: it never ages, and there is nothing to hide it behind, neither the
/// number of trials nor an accusation made under its hash.
public(package) fun record_proof(self: &mut StakePosition, evidence_hash: vector<u8>) {
    let proof = Trial { evidence_hash, evidence_ms: NEVER_MS };
    assert!(!self.trials.contains(&proof), EAlreadyTried);
    self.trials.push_back(proof);
}

public(package) fun suspend(self: &mut StakePosition, money: Balance<SUI>, proposal: Proposal) {
    self.frozen.join(money);
    self.proposal.fill(proposal);
    self.status = SUSPENDED;
}

public(package) fun status(self: &StakePosition): u8 { self.status }

public(package) fun pending(self: &mut StakePosition): &mut Proposal {
    assert!(self.proposal.is_some(), ENoSlashPending);
    self.proposal.borrow_mut()
}

public(package) fun thaw(self: &mut StakePosition, to_active: u64, to_unbonding: u64) {
    self.active.join(self.frozen.split(to_active));
    self.unbonding.join(self.frozen.split(to_unbonding));
}

/// The slash ends without taking anything: money and status are what they were.
public(package) fun release(self: &mut StakePosition, cooldown_until_ms: u64) {
    let proposal = self.take_proposal(cooldown_until_ms);
    let to_unbonding = proposal.from_unbonding();
    self.thaw(proposal.amount() - to_unbonding, to_unbonding);
    self.status = proposal.prior_status();
}

/// The slash ends with what is frozen.
public(package) fun forfeit(self: &mut StakePosition, cooldown_until_ms: u64): Balance<SUI> {
    let proposal = self.take_proposal(cooldown_until_ms);
    self.status = proposal.prior_status();
    self.condemn();
    self.frozen.withdraw_all()
}

/// What follows from any executed slash: all Seals are void, and the owner must restake. A pending proposal stays, with
/// that to return to.
public(package) fun condemn(self: &mut StakePosition) {
    self.seals = vector[];
    if (self.status == SUSPENDED) {
        let proposal = self.proposal.borrow_mut();
        if (proposal.prior_status() != CLOSED) proposal.set_prior_status(SLASHED);
    } else if (self.status != CLOSED) {
        self.status = SLASHED;
    }
}

// === Package Functions: keys, node, Seals ===

public(package) fun set_operator(self: &mut StakePosition, operator: address) {
    self.operator = operator;
}

public(package) fun set_next_owner(self: &mut StakePosition, next_owner: Option<address>) {
    self.next_owner = next_owner;
}

/// The new owner holds all keys; Seals of the old one are void.
public(package) fun set_owner(self: &mut StakePosition, owner: address) {
    self.owner = owner;
    self.operator = owner;
    self.next_owner = option::none();
    self.seals = vector[];
}

public(package) fun set_jailed_until(self: &mut StakePosition, until_ms: u64) {
    self.jailed_until_ms = until_ms;
}

public(package) fun set_maintenance(self: &mut StakePosition, from_ms: u64, until_ms: u64) {
    self.maintenance = option::some(Maintenance { from_ms, until_ms });
}

/// Adds a Seal, in place of `replaces` if that is given and still there. Returns its id.
public(package) fun add_seal(
    self: &mut StakePosition,
    request: SealRequest,
    replaces: Option<ID>,
    now_ms: u64,
    ctx: &mut TxContext,
): ID {
    self.seals =
        self.seals.filter!(|seal| !seal.is_expired(now_ms) && !replaces.contains(&seal.id()));
    assert!(self.seals.length() < MAX_SEALS, ETooManySeals);
    let record = request.mint(self.owner, self.cluster, object::id(self), self.node_id, ctx);
    self.seals.push_back(record);
    record.id()
}

/// A refreshed Seal makes a recovering position active.
public(package) fun recover(self: &mut StakePosition) {
    self.status = ACTIVE;
}

public(package) fun remove_seal(self: &mut StakePosition, seal: ID) {
    let found = self.seals.find_index!(|record| record.id() == seal);
    assert!(found.is_some(), ENoSuchSeal);
    self.seals.remove(found.destroy_some());
}

public(package) fun remove_all_seals(self: &mut StakePosition) {
    self.seals = vector[];
}

// === Private Functions ===

fun take_proposal(self: &mut StakePosition, cooldown_until_ms: u64): Proposal {
    assert!(self.proposal.is_some(), ENoSlashPending);
    self.cooldown_until_ms = cooldown_until_ms;
    self.proposal.extract()
}
