/// What stakers, proposers and judges do to a position. Every change raises its generation by one and emits one
/// event with the full state after it.
///
/// A proposed slash suspends the position at once, whatever stake remains; the amount is frozen until the slash is
/// cancelled, executed, or lapses. A lapsed one counts as over: whoever touches the position next clears it away.
module k3s_daas::staking;

use k3s_daas::caps::{JudgeCap, ProposerCap};
use k3s_daas::cluster::Cluster;
use k3s_daas::enclave;
use k3s_daas::nautilus::Nautilus;
use k3s_daas::position::{Self, PositionState, StakePosition};
use k3s_daas::registry::Registry;
use k3s_daas::seal_token;
use k3s_daas::slashing;
use std::string::String;
use sui::clock::Clock;
use sui::coin::Coin;
use sui::event;
use sui::sui::SUI;

// === Errors ===

#[error(code = 1)]
const EBadAmount: vector<u8> = b"The amount must be above zero and at most the active stake";
#[error(code = 2)]
const ENodeIdMissing: vector<u8> = b"A stake for a node needs a node id";
#[error(code = 3)]
const ENothingToWithdraw: vector<u8> = b"No stake is on its way out";
#[error(code = 4)]
const EStillUnbonding: vector<u8> = b"The unbonding time is not over";
#[error(code = 5)]
const ESlashPending: vector<u8> = b"A slash is already proposed";
#[error(code = 6)]
const ECoolingDown: vector<u8> = b"The position's last slash ended too recently";
#[error(code = 7)]
const EBeneficiary: vector<u8> = b"The beneficiary of slashes neither proposes nor judges them";
#[error(code = 8)]
const EOwnPosition: vector<u8> = b"A position's owner does not judge its slash";
#[error(code = 9)]
const EStatementTooLong: vector<u8> = b"A statement is at most 1,024 bytes";
#[error(code = 10)]
const ENotNextOwner: vector<u8> = b"The position is not offered to the sender";
#[error(code = 11)]
const EForeignKey: vector<u8> = b"The position does not answer for this enclave key";
#[error(code = 12)]
const ESameRoot: vector<u8> = b"The two roots are the same";
#[error(code = 13)]
const EBadSignature: vector<u8> = b"The enclave key did not sign both roots";

// === Constants ===

const MAX_STATEMENT_LENGTH: u64 = 1024;

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

public struct SealRevoked has copy, drop {
    state: PositionState,
    seal: ID,
}

public struct AllSealsRevoked has copy, drop {
    state: PositionState,
}

public struct Unstaked has copy, drop {
    state: PositionState,
    amount: u64,
}

public struct Withdrawn has copy, drop {
    state: PositionState,
    amount: u64,
}

public struct OperatorChanged has copy, drop {
    state: PositionState,
}

public struct OwnershipOffered has copy, drop {
    state: PositionState,
}

public struct OwnershipAccepted has copy, drop {
    state: PositionState,
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

public struct SlashReduced has copy, drop {
    state: PositionState,
}

public struct SlashCancelled has copy, drop {
    state: PositionState,
}

public struct SlashLapsed has copy, drop {
    state: PositionState,
}

/// Also what follows from a proof.
public struct SlashExecuted has copy, drop {
    state: PositionState,
    amount: u64,
}

// === Entry Functions: stake ===

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
    session_expires_ms: u64,
    lifetime_ms: u64,
    clock: &Clock,
    ctx: &mut TxContext,
) {
    cluster.assert_open();
    let (owner, now_ms) = (ctx.sender(), clock.timestamp_ms());
    let request = seal_token::request(
        permissions,
        locator,
        commitment,
        session,
        session_expires_ms,
        lifetime_ms,
        cluster.policy().max_seal_lifetime_ms(),
        now_ms,
    );
    let mut position = position::create(
        cluster,
        registry,
        payment.into_balance(),
        owner,
        owner,
        salt,
        node_id,
    );
    position.add_seal(request, option::none(), now_ms, ctx);
    event::emit(Staked { state: position.state() });
    position.share();
}

/// Makes the sender's position under `salt` for a node that `operator` keeps: it makes the node's Seals, with
/// `k8s_gateway::create_worker_seal_token`, and cannot move the money.
entry fun stake_for_node(
    cluster: &Cluster,
    registry: &mut Registry,
    payment: Coin<SUI>,
    salt: u64,
    node_id: String,
    operator: address,
    ctx: &TxContext,
) {
    cluster.assert_open();
    assert!(!node_id.is_empty(), ENodeIdMissing);
    let position = position::create(
        cluster,
        registry,
        payment.into_balance(),
        ctx.sender(),
        operator,
        salt,
        node_id,
    );
    event::emit(Staked { state: position.state() });
    position.share();
}

/// Adds stake. After a slash it is the first of two steps back; `refresh_seal_token` is the second.
entry fun restake(
    cluster: &Cluster,
    position: &mut StakePosition,
    payment: Coin<SUI>,
    clock: &Clock,
    ctx: &TxContext,
) {
    position.assert_owned(cluster, ctx);
    cluster.assert_open();
    position.clear_lapsed(cluster, clock.timestamp_ms());
    position.assert_not_suspended();
    position.assert_not_closed();
    assert!(payment.value() > 0, EBadAmount);
    position.add_active(payment.into_balance());
    position.assert_stake(cluster);
    event::emit(Restaked { state: position.changed() });
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
    session_expires_ms: u64,
    lifetime_ms: u64,
    clock: &Clock,
    ctx: &mut TxContext,
) {
    let now_ms = clock.timestamp_ms();
    position.assert_owned(cluster, ctx);
    position.clear_lapsed(cluster, now_ms);
    position.assert_not_suspended();
    position.assert_not_slashed();
    position.assert_not_closed();
    position.assert_minimum(cluster);
    let request = seal_token::request(
        permissions,
        locator,
        commitment,
        session,
        session_expires_ms,
        lifetime_ms,
        cluster.policy().max_seal_lifetime_ms(),
        now_ms,
    );
    position.recover();
    let seal = position.add_seal(request, replaces, now_ms, ctx);
    event::emit(SealRefreshed { state: position.changed(), seal });
}

/// Voids one Seal. The operator may too.
entry fun revoke_seal(
    cluster: &Cluster,
    position: &mut StakePosition,
    seal: ID,
    clock: &Clock,
    ctx: &TxContext,
) {
    position.assert_kept(cluster, ctx);
    position.clear_lapsed(cluster, clock.timestamp_ms());
    position.remove_seal(seal);
    event::emit(SealRevoked { state: position.changed(), seal });
}

/// Voids all Seals. The operator may too.
entry fun revoke_all_seals(
    cluster: &Cluster,
    position: &mut StakePosition,
    clock: &Clock,
    ctx: &TxContext,
) {
    position.assert_kept(cluster, ctx);
    position.clear_lapsed(cluster, clock.timestamp_ms());
    position.remove_all_seals();
    event::emit(AllSealsRevoked { state: position.changed() });
}

/// Sends active stake on its way out, where it stays slashable. Taking all of it closes the position.
entry fun unstake(
    cluster: &Cluster,
    position: &mut StakePosition,
    amount: u64,
    clock: &Clock,
    ctx: &TxContext,
) {
    let now_ms = clock.timestamp_ms();
    position.assert_owned(cluster, ctx);
    position.clear_lapsed(cluster, now_ms);
    position.assert_not_suspended();
    assert!(amount > 0 && amount <= position.active(), EBadAmount);
    position.unbond(amount, now_ms + cluster.policy().unbonding_ms());
    if (!position.is_closed()) position.assert_minimum(cluster);
    event::emit(Unstaked { state: position.changed(), amount });
}

/// Pays out what has unbonded. A closed position gives up its node id with it, even if nothing is left to pay.
entry fun withdraw(
    cluster: &Cluster,
    registry: &mut Registry,
    position: &mut StakePosition,
    clock: &Clock,
    ctx: &mut TxContext,
) {
    let now_ms = clock.timestamp_ms();
    position.assert_owned(cluster, ctx);
    registry.assert_of(object::id(cluster));
    position.clear_lapsed(cluster, now_ms);
    assert!(position.proposal().is_none(), ESlashPending);
    let leaves = position.is_closed() && !position.node_id().is_empty();
    assert!(position.unbonding() > 0 || leaves, ENothingToWithdraw);
    assert!(now_ms >= position.unbonding_until_ms(), EStillUnbonding);
    if (leaves) registry.release_node(position.take_node_id());
    let money = position.take_unbonded();
    let amount = money.value();
    transfer::public_transfer(money.into_coin(ctx), position.owner());
    event::emit(Withdrawn { state: position.changed(), amount });
}

// === Entry Functions: keys ===

/// Gives the daily key to `operator`.
entry fun set_operator(
    cluster: &Cluster,
    position: &mut StakePosition,
    operator: address,
    clock: &Clock,
    ctx: &TxContext,
) {
    position.assert_owned(cluster, ctx);
    position.clear_lapsed(cluster, clock.timestamp_ms());
    position.set_operator(operator);
    event::emit(OperatorChanged { state: position.changed() });
}

/// Offers the position to `next_owner`, who must accept; with none, takes the offer back.
entry fun offer_ownership(
    cluster: &Cluster,
    position: &mut StakePosition,
    next_owner: Option<address>,
    clock: &Clock,
    ctx: &TxContext,
) {
    position.assert_owned(cluster, ctx);
    position.clear_lapsed(cluster, clock.timestamp_ms());
    position.set_next_owner(next_owner);
    event::emit(OwnershipOffered { state: position.changed() });
}

/// Takes over an offered position with its money and its debts. Its Seals are void.
entry fun accept_ownership(
    cluster: &Cluster,
    position: &mut StakePosition,
    clock: &Clock,
    ctx: &TxContext,
) {
    position.assert_of(cluster);
    assert!(position.next_owner().contains(&ctx.sender()), ENotNextOwner);
    position.clear_lapsed(cluster, clock.timestamp_ms());
    position.set_owner(ctx.sender());
    event::emit(OwnershipAccepted { state: position.changed() });
}

// === Entry Functions: slashes ===

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
    ctx: &TxContext,
) {
    let now_ms = clock.timestamp_ms();
    position.assert_of(cluster);
    cluster.assert_proposer(cap);
    let policy = cluster.policy();
    assert!(ctx.sender() != policy.beneficiary(), EBeneficiary);
    position.clear_lapsed(cluster, now_ms);
    assert!(position.proposal().is_none(), ESlashPending);
    assert!(now_ms >= position.cooldown_until_ms(), ECoolingDown);
    slashing::assert_grounds(policy, reason, &evidence_hash, evidence_ms, &uri, now_ms);
    let oldest_ms = now_ms - now_ms.min(policy.evidence_max_age_ms());
    position.record_trial(evidence_hash, evidence_ms, oldest_ms);
    let (money, from_unbonding) = position.take_share(policy.slash_bps());
    let proposal = slashing::new(
        policy,
        reason,
        evidence_hash,
        uri,
        ctx.sender(),
        money.value(),
        from_unbonding,
        position.status(),
        now_ms,
    );
    position.suspend(money, proposal);
    event::emit(SlashProposed { state: position.changed() });
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
    position.pending().appeal(clock.timestamp_ms());
    event::emit(SlashAppealed { state: position.changed(), statement });
}

/// Rejects the appeal.
entry fun uphold_slash(
    cap: &JudgeCap,
    cluster: &Cluster,
    position: &mut StakePosition,
    clock: &Clock,
    ctx: &TxContext,
) {
    position.assert_judge(cap, cluster, ctx);
    position.pending().uphold(cluster.policy(), ctx.sender(), clock.timestamp_ms());
    event::emit(SlashUpheld { state: position.changed() });
}

/// Rejects the appeal in part: `amount` stands, the rest goes back.
entry fun reduce_slash(
    cap: &JudgeCap,
    cluster: &Cluster,
    position: &mut StakePosition,
    amount: u64,
    clock: &Clock,
    ctx: &TxContext,
) {
    position.assert_judge(cap, cluster, ctx);
    let (to_active, to_unbonding) = position
        .pending()
        .reduce(cluster.policy(), amount, ctx.sender(), clock.timestamp_ms());
    position.thaw(to_active, to_unbonding);
    event::emit(SlashReduced { state: position.changed() });
}

/// Puts the money back where it came from and restores the status.
entry fun cancel_slash(
    cap: &JudgeCap,
    cluster: &Cluster,
    position: &mut StakePosition,
    clock: &Clock,
    ctx: &TxContext,
) {
    let now_ms = clock.timestamp_ms();
    position.assert_judge(cap, cluster, ctx);
    position.pending().assert_judge(ctx.sender(), now_ms);
    position.release(now_ms + cluster.policy().cooldown_ms());
    event::emit(SlashCancelled { state: position.changed() });
}

/// Moves the frozen money to the treasury and voids all Seals. Anyone may, once the time to appeal is over.
entry fun execute_slash(cluster: &mut Cluster, position: &mut StakePosition, clock: &Clock) {
    let now_ms = clock.timestamp_ms();
    position.assert_of(cluster);
    position.pending().assert_executable(now_ms);
    let money = position.forfeit(now_ms + cluster.policy().cooldown_ms());
    let amount = money.value();
    cluster.deposit(money);
    event::emit(SlashExecuted { state: position.changed(), amount });
}

/// Clears a lapsed slash away. Anyone may; whoever else touches the position does so too.
entry fun release_lapsed_slash(cluster: &Cluster, position: &mut StakePosition, clock: &Clock) {
    position.assert_of(cluster);
    position.pending().assert_lapsed(clock.timestamp_ms());
    position.clear_lapsed(cluster, clock.timestamp_ms());
}

/// The proof: one enclave key signed two audit roots under one sequence number. Anyone may show it; it is executed at
/// once, against the position that answers for the key. No judge, no appeal, no age. The key is no master's any more.
entry fun slash_double_signed(
    cluster: &mut Cluster,
    nautilus: &mut Nautilus,
    position: &mut StakePosition,
    signing_key: vector<u8>,
    sequence: u64,
    root: vector<u8>,
    signature: vector<u8>,
    other_root: vector<u8>,
    other_signature: vector<u8>,
    clock: &Clock,
) {
    position.assert_of(cluster);
    position.clear_lapsed(cluster, clock.timestamp_ms());
    let answers = nautilus.answers_for(cluster, signing_key);
    assert!(answers.contains(&object::id(position)), EForeignKey);
    assert!(root != other_root, ESameRoot);
    let id = object::id(cluster);
    let signed = enclave::signed_root(id, signing_key, sequence, root, signature)
        && enclave::signed_root(id, signing_key, sequence, other_root, other_signature);
    assert!(signed, EBadSignature);
    position.record_proof(enclave::offence(id, signing_key, sequence));
    let (money, _) = position.take_share(cluster.policy().slash_bps());
    let amount = money.value();
    position.condemn();
    cluster.deposit(money);
    event::emit(SlashExecuted { state: position.changed(), amount });
    nautilus.expel(signing_key);
}

// === Package Functions ===

/// A slash that has lapsed ended when it lapsed: it is cleared away before anything else happens to its position.
public(package) fun clear_lapsed(position: &mut StakePosition, cluster: &Cluster, now_ms: u64) {
    position.proposal().do!(|proposal| if (proposal.has_lapsed(now_ms)) {
        position.release(proposal.expires_ms() + cluster.policy().cooldown_ms());
        event::emit(SlashLapsed { state: position.changed() });
    });
}

use fun clear_lapsed as StakePosition.clear_lapsed;

// === Private Functions ===

/// The sender may judge slashes of this position: neither the money's beneficiary nor the position's owner.
fun assert_judge(position: &StakePosition, cap: &JudgeCap, cluster: &Cluster, ctx: &TxContext) {
    position.assert_of(cluster);
    cluster.assert_judge(cap);
    assert!(ctx.sender() != cluster.policy().beneficiary(), EBeneficiary);
    assert!(ctx.sender() != position.owner(), EOwnPosition);
}

use fun assert_judge as StakePosition.assert_judge;
