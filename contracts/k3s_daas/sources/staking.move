/// A staker's position, from the first stake to the last withdrawal.
///
/// A proposed slash suspends the position at once, whatever stake remains; the amount is frozen until the slash is
/// cancelled or executed. Every change raises the generation by one and emits one event with the full state after it.
module k3s_daas::staking;

use k3s_daas::caps::{JudgeCap, ProposerCap};
use k3s_daas::cluster::{Self, Cluster, Registry};
use k3s_daas::seal_token::{Self, SealRecord};
use std::string::String;
use sui::balance::{Self, Balance};
use sui::clock::Clock;
use sui::coin::Coin;
use sui::derived_object;
use sui::event;
use sui::sui::SUI;

// === Errors ===

#[error(code = 1)]
const EForeignPosition: vector<u8> = b"The position is of another cluster";
#[error(code = 2)]
const ENotOwner: vector<u8> = b"The sender does not own the position";
#[error(code = 3)]
const EBelowMinimum: vector<u8> = b"Active stake would be below the minimum";
#[error(code = 4)]
const ESuspended: vector<u8> = b"The position is suspended by a proposed slash";
#[error(code = 5)]
const ESlashed: vector<u8> = b"The position was slashed: restake first";
#[error(code = 6)]
const EClosed: vector<u8> = b"The position is closed";
#[error(code = 7)]
const ETooManySeals: vector<u8> = b"The position has 16 live Seals: name one to replace";
#[error(code = 8)]
const EBadAmount: vector<u8> = b"The amount must be above zero and at most the active stake";
#[error(code = 9)]
const ENothingUnbonding: vector<u8> = b"No stake is on its way out";
#[error(code = 10)]
const EStillUnbonding: vector<u8> = b"The unbonding time is not over";
#[error(code = 11)]
const ESlashPending: vector<u8> = b"A slash is already proposed";
#[error(code = 12)]
const ENoSlashPending: vector<u8> = b"No slash is proposed";
#[error(code = 13)]
const EBadReason: vector<u8> = b"The reason is not one of 1 to 5";
#[error(code = 14)]
const EBadEvidenceHash: vector<u8> = b"An evidence hash is 32 bytes";
#[error(code = 15)]
const EEvidenceInFuture: vector<u8> = b"The evidence is dated after now";
#[error(code = 16)]
const EEvidenceTooOld: vector<u8> = b"The evidence is older than the policy allows";
#[error(code = 17)]
const ENothingToSlash: vector<u8> = b"The slash would take nothing";
#[error(code = 18)]
const EAppealOver: vector<u8> = b"The time to appeal is over";
#[error(code = 19)]
const EAlreadyAppealed: vector<u8> = b"The slash is already appealed";
#[error(code = 20)]
const EStatementTooLong: vector<u8> = b"A statement is at most 1,024 bytes";
#[error(code = 21)]
const ENotAppealed: vector<u8> = b"The slash is not appealed";
#[error(code = 22)]
const EAlreadyUpheld: vector<u8> = b"The slash is already upheld";
#[error(code = 23)]
const EAppealOpen: vector<u8> = b"The owner may still appeal";
#[error(code = 24)]
const EAwaitingJudge: vector<u8> = b"The slash is appealed and not upheld";

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

/// An audit root signed twice.
const REASON_DOUBLE_SIGNED: u8 = 1;
/// Any other proof or evidence, by the operator's own published list.
const REASON_LAST: u8 = 5;
const HASH_LENGTH: u64 = 32;
const MAX_STATEMENT_LENGTH: u64 = 1024;
const MAX_SEALS: u64 = 16;
const BASIS_POINTS: u128 = 10_000;

// === Structs ===

public struct StakePosition has key {
    id: UID,
    cluster: ID,
    /// +1 with each change.
    generation: u64,
    owner: address,
    /// Empty when it has no node.
    node_id: String,
    status: u8,
    active: Balance<SUI>,
    /// What a proposed slash holds.
    frozen: Balance<SUI>,
    /// On its way out, still slashable.
    unbonding: Balance<SUI>,
    unbonding_until_ms: u64,
    proposal: Option<Proposal>,
    seals: vector<SealRecord>,
}

/// A proposed slash.
public struct Proposal has copy, drop, store {
    reason: u8,
    evidence_hash: vector<u8>,
    /// Where the evidence is.
    uri: String,
    /// What it froze.
    amount: u64,
    /// How much of that came from unbonding stake.
    from_unbonding: u64,
    proposed_ms: u64,
    appeal_until_ms: u64,
    appealed: bool,
    upheld: bool,
    /// What a cancellation restores.
    prior_status: u8,
}

/// A `StakePosition` as its events carry it: the same bytes.
public struct PositionState has copy, drop, store {
    position: ID,
    cluster: ID,
    generation: u64,
    owner: address,
    node_id: String,
    status: u8,
    active: u64,
    frozen: u64,
    unbonding: u64,
    unbonding_until_ms: u64,
    proposal: Option<Proposal>,
    seals: vector<SealRecord>,
}

// === Events ===

public struct Staked has copy, drop {
    state: PositionState,
}

public struct Restaked has copy, drop {
    state: PositionState,
}

public struct SealRefreshed has copy, drop {
    state: PositionState,
    seal: ID,
}

public struct Unstaked has copy, drop {
    state: PositionState,
    amount: u64,
}

public struct Withdrawn has copy, drop {
    state: PositionState,
    amount: u64,
}

public struct SlashProposed has copy, drop {
    state: PositionState,
}

public struct SlashAppealed has copy, drop {
    state: PositionState,
    statement: String,
}

public struct SlashUpheld has copy, drop {
    state: PositionState,
}

public struct SlashCancelled has copy, drop {
    state: PositionState,
}

public struct SlashExecuted has copy, drop {
    state: PositionState,
    amount: u64,
}

// === Entry Functions ===

/// Makes the sender's position under `salt`, with its first Seal.
entry fun stake_and_mint_seal(
    cluster: &Cluster,
    registry: &mut Registry,
    payment: Coin<SUI>,
    salt: u64,
    node_id: String,
    permissions: u8,
    locator: vector<u8>,
    commitment: vector<u8>,
    session: Option<address>,
    lifetime_ms: u64,
    clock: &Clock,
    ctx: &mut TxContext,
) {
    cluster.assert_version();
    assert!(payment.value() >= cluster.policy().min_stake(), EBelowMinimum);
    let owner = ctx.sender();
    let key = cluster::position_key(owner, salt);
    let mut position = StakePosition {
        id: derived_object::claim(registry.unclaimed(object::id(cluster), key), key),
        cluster: object::id(cluster),
        generation: 1,
        owner,
        node_id,
        status: ACTIVE,
        active: payment.into_balance(),
        frozen: balance::zero(),
        unbonding: balance::zero(),
        unbonding_until_ms: 0,
        proposal: option::none(),
        seals: vector[],
    };
    registry.record(object::id(&position), node_id);
    position.mint_seal(
        cluster,
        permissions,
        locator,
        commitment,
        session,
        lifetime_ms,
        clock,
        ctx,
    );
    event::emit(Staked { state: position.state() });
    transfer::share_object(position);
}

/// Adds stake. After a slash it is the first of two steps back; `refresh_seal_token` is the second.
entry fun restake(
    cluster: &Cluster,
    position: &mut StakePosition,
    payment: Coin<SUI>,
    ctx: &TxContext,
) {
    position.assert_owned(cluster, ctx);
    assert!(position.status != SUSPENDED, ESuspended);
    assert!(position.status != CLOSED, EClosed);
    position.active.join(payment.into_balance());
    position.assert_minimum(cluster);
    if (position.status == SLASHED) position.status = RECOVERING;
    position.bump();
    event::emit(Restaked { state: position.state() });
}

/// Adds a Seal, in place of `replaces` if that is given and still there. After a slash, which voided all Seals, and a
/// restake it makes the position active again.
entry fun refresh_seal_token(
    cluster: &Cluster,
    position: &mut StakePosition,
    replaces: Option<ID>,
    permissions: u8,
    locator: vector<u8>,
    commitment: vector<u8>,
    session: Option<address>,
    lifetime_ms: u64,
    clock: &Clock,
    ctx: &mut TxContext,
) {
    position.assert_owned(cluster, ctx);
    assert!(position.status != SUSPENDED, ESuspended);
    assert!(position.status != SLASHED, ESlashed);
    assert!(position.status != CLOSED, EClosed);
    position.assert_minimum(cluster);
    let now_ms = clock.timestamp_ms();
    position.seals =
        position.seals.filter!(|seal| !seal.is_expired(now_ms) && !replaces.contains(&seal.id()));
    assert!(position.seals.length() < MAX_SEALS, ETooManySeals);
    position.status = ACTIVE;
    let seal = position.mint_seal(
        cluster,
        permissions,
        locator,
        commitment,
        session,
        lifetime_ms,
        clock,
        ctx,
    );
    position.bump();
    event::emit(SealRefreshed { state: position.state(), seal });
}

/// Sends active stake on its way out, where it stays slashable. Taking all of it closes the position.
entry fun unstake(
    cluster: &Cluster,
    position: &mut StakePosition,
    amount: u64,
    clock: &Clock,
    ctx: &TxContext,
) {
    position.assert_owned(cluster, ctx);
    assert!(position.status != SUSPENDED, ESuspended);
    assert!(amount > 0 && amount <= position.active.value(), EBadAmount);
    position.unbonding.join(position.active.split(amount));
    position.unbonding_until_ms = clock.timestamp_ms() + cluster.policy().unbonding_ms();
    if (position.active.value() == 0) {
        position.status = CLOSED;
        position.seals = vector[];
    } else {
        position.assert_minimum(cluster);
    };
    position.bump();
    event::emit(Unstaked { state: position.state(), amount });
}

/// Pays out what has unbonded. A closed position gives up its node id with it.
entry fun withdraw(
    cluster: &Cluster,
    registry: &mut Registry,
    position: &mut StakePosition,
    clock: &Clock,
    ctx: &mut TxContext,
) {
    position.assert_owned(cluster, ctx);
    registry.assert_of(position.cluster);
    assert!(position.proposal.is_none(), ESlashPending);
    assert!(position.unbonding.value() > 0, ENothingUnbonding);
    assert!(clock.timestamp_ms() >= position.unbonding_until_ms, EStillUnbonding);
    if (position.status == CLOSED) registry.release_node(position.node_id);
    let money = position.unbonding.withdraw_all();
    let amount = money.value();
    transfer::public_transfer(money.into_coin(ctx), position.owner);
    position.bump();
    event::emit(Withdrawn { state: position.state(), amount });
}

/// Freezes the policy's share of all stake, active first, and suspends the position.
entry fun propose_slash(
    cap: &ProposerCap,
    cluster: &Cluster,
    position: &mut StakePosition,
    reason: u8,
    evidence_hash: vector<u8>,
    evidence_ms: u64,
    uri: String,
    clock: &Clock,
) {
    position.assert_of(cluster);
    cap.assert_proposer(object::id(cluster));
    assert!(position.proposal.is_none(), ESlashPending);
    assert!(reason >= REASON_DOUBLE_SIGNED && reason <= REASON_LAST, EBadReason);
    assert!(evidence_hash.length() == HASH_LENGTH, EBadEvidenceHash);
    let policy = cluster.policy();
    let now_ms = clock.timestamp_ms();
    assert!(evidence_ms <= now_ms, EEvidenceInFuture);
    assert!(now_ms - evidence_ms <= policy.evidence_max_age_ms(), EEvidenceTooOld);
    let amount = share(position.active.value(), position.unbonding.value(), policy.slash_bps());
    assert!(amount > 0, ENothingToSlash);
    let from_active = amount.min(position.active.value());
    let from_unbonding = amount - from_active;
    position.frozen.join(position.active.split(from_active));
    position.frozen.join(position.unbonding.split(from_unbonding));
    position
        .proposal
        .fill(Proposal {
            reason,
            evidence_hash,
            uri,
            amount,
            from_unbonding,
            proposed_ms: now_ms,
            appeal_until_ms: now_ms + policy.appeal_window_ms(),
            appealed: false,
            upheld: false,
            prior_status: position.status,
        });
    position.status = SUSPENDED;
    position.bump();
    event::emit(SlashProposed { state: position.state() });
}

/// Contests a proposed slash, once: from then on it needs a judge.
entry fun appeal_slash(
    cluster: &Cluster,
    position: &mut StakePosition,
    statement: String,
    clock: &Clock,
    ctx: &TxContext,
) {
    position.assert_owned(cluster, ctx);
    assert!(statement.length() <= MAX_STATEMENT_LENGTH, EStatementTooLong);
    let proposal = position.pending();
    assert!(!proposal.appealed, EAlreadyAppealed);
    assert!(clock.timestamp_ms() <= proposal.appeal_until_ms, EAppealOver);
    proposal.appealed = true;
    position.bump();
    event::emit(SlashAppealed { state: position.state(), statement });
}

/// Rejects the appeal.
entry fun uphold_slash(cap: &JudgeCap, cluster: &Cluster, position: &mut StakePosition) {
    position.assert_of(cluster);
    cap.assert_judge(object::id(cluster));
    let proposal = position.pending();
    assert!(proposal.appealed, ENotAppealed);
    assert!(!proposal.upheld, EAlreadyUpheld);
    proposal.upheld = true;
    position.bump();
    event::emit(SlashUpheld { state: position.state() });
}

/// Puts the money back where it came from and restores the status.
entry fun cancel_slash(cap: &JudgeCap, cluster: &Cluster, position: &mut StakePosition) {
    position.assert_of(cluster);
    cap.assert_judge(object::id(cluster));
    let Proposal { from_unbonding, prior_status, .. } = position.take_pending();
    position.unbonding.join(position.frozen.split(from_unbonding));
    position.active.join(position.frozen.withdraw_all());
    position.status = prior_status;
    position.bump();
    event::emit(SlashCancelled { state: position.state() });
}

/// Moves the frozen money to the treasury and voids all Seals. Anyone may, once the time to appeal is over.
entry fun execute_slash(cluster: &mut Cluster, position: &mut StakePosition, clock: &Clock) {
    position.assert_of(cluster);
    let proposal = position.take_pending();
    assert!(clock.timestamp_ms() > proposal.appeal_until_ms, EAppealOpen);
    assert!(!proposal.appealed || proposal.upheld, EAwaitingJudge);
    cluster.deposit(position.frozen.withdraw_all());
    position.status = if (proposal.prior_status == CLOSED) CLOSED else SLASHED;
    position.seals = vector[];
    position.bump();
    event::emit(SlashExecuted { state: position.state(), amount: proposal.amount });
}

// === View Functions ===

public fun state(self: &StakePosition): PositionState {
    PositionState {
        position: object::id(self),
        cluster: self.cluster,
        generation: self.generation,
        owner: self.owner,
        node_id: self.node_id,
        status: self.status,
        active: self.active.value(),
        frozen: self.frozen.value(),
        unbonding: self.unbonding.value(),
        unbonding_until_ms: self.unbonding_until_ms,
        proposal: self.proposal,
        seals: self.seals,
    }
}

public fun generation(self: &StakePosition): u64 { self.generation }

public fun owner(self: &StakePosition): address { self.owner }

public fun node_id(self: &StakePosition): String { self.node_id }

public fun active(self: &StakePosition): u64 { self.active.value() }

public fun frozen(self: &StakePosition): u64 { self.frozen.value() }

public fun unbonding(self: &StakePosition): u64 { self.unbonding.value() }

public fun unbonding_until_ms(self: &StakePosition): u64 { self.unbonding_until_ms }

public fun seals(self: &StakePosition): &vector<SealRecord> { &self.seals }

public fun is_active(self: &StakePosition): bool { self.status == ACTIVE }

public fun is_suspended(self: &StakePosition): bool { self.status == SUSPENDED }

public fun is_slashed(self: &StakePosition): bool { self.status == SLASHED }

public fun is_recovering(self: &StakePosition): bool { self.status == RECOVERING }

public fun is_closed(self: &StakePosition): bool { self.status == CLOSED }

// === Private Functions ===

fun assert_of(self: &StakePosition, cluster: &Cluster) {
    cluster.assert_version();
    assert!(self.cluster == object::id(cluster), EForeignPosition);
}

fun assert_owned(self: &StakePosition, cluster: &Cluster, ctx: &TxContext) {
    self.assert_of(cluster);
    assert!(self.owner == ctx.sender(), ENotOwner);
}

fun assert_minimum(self: &StakePosition, cluster: &Cluster) {
    assert!(self.active.value() >= cluster.policy().min_stake(), EBelowMinimum);
}

fun bump(self: &mut StakePosition) {
    self.generation = self.generation + 1;
}

fun pending(self: &mut StakePosition): &mut Proposal {
    assert!(self.proposal.is_some(), ENoSlashPending);
    self.proposal.borrow_mut()
}

fun take_pending(self: &mut StakePosition): Proposal {
    assert!(self.proposal.is_some(), ENoSlashPending);
    self.proposal.extract()
}

fun mint_seal(
    self: &mut StakePosition,
    cluster: &Cluster,
    permissions: u8,
    locator: vector<u8>,
    commitment: vector<u8>,
    session: Option<address>,
    lifetime_ms: u64,
    clock: &Clock,
    ctx: &mut TxContext,
): ID {
    let record = seal_token::mint(
        self.owner,
        self.cluster,
        object::id(self),
        self.node_id,
        permissions,
        locator,
        commitment,
        session,
        lifetime_ms,
        cluster.policy().max_seal_lifetime_ms(),
        clock.timestamp_ms(),
        ctx,
    );
    self.seals.push_back(record);
    record.id()
}

/// `slash_bps` basis points of the sum, rounded down. The sum of two amounts fits in u128 in any case.
fun share(active: u64, unbonding: u64, slash_bps: u64): u64 {
    let all = (active as u128) + (unbonding as u128);
    (all * (slash_bps as u128) / BASIS_POINTS) as u64
}
