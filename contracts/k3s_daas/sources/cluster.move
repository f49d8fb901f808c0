/// A cluster: its policy, its offices, its treasury.
///
/// `Cluster` changes rarely and is read by every other call; what changes often is one shared object per staker
/// (`position::StakePosition`), so stakers never contend.
module k3s_daas::cluster;

use k3s_daas::caps::{Self, AdminCap, JudgeCap, ProposerCap};
use k3s_daas::policy::{Self, Policy};
use std::string::String;
use sui::balance::{Self, Balance};
use sui::clock::Clock;
use sui::event;
use sui::sui::SUI;

// === Errors ===

#[error(code = 1)]
const EWrongVersion: vector<u8> = b"The cluster is at another version of this package";
#[error(code = 2)]
const ENotOlder: vector<u8> = b"The cluster is not at an older version";
#[error(code = 3)]
const EBadGenesis: vector<u8> = b"A genesis digest is 32 bytes";
#[error(code = 4)]
const EOfficesNotApart: vector<u8> = b"Proposer, judge and beneficiary must be three addresses";
#[error(code = 5)]
const ENotProposer: vector<u8> = b"The capability is not the cluster's current proposer's";
#[error(code = 6)]
const ENotJudge: vector<u8> = b"The capability is not the cluster's current judge's";
#[error(code = 7)]
const ENothingAnnounced: vector<u8> = b"No policy is announced";
#[error(code = 8)]
const ETooEarly: vector<u8> = b"The announced policy is not in force yet";
#[error(code = 9)]
const EPaused: vector<u8> = b"The cluster takes no new stake for now";
#[error(code = 10)]
const ETooManyOperators: vector<u8> = b"A cluster has at most 64 operator positions";
#[error(code = 11)]
const ETreasuryEmpty: vector<u8> = b"The treasury is empty";
#[error(code = 12)]
const ENameTooLong: vector<u8> = b"A cluster's name is at most 128 bytes";

// === Constants ===

const VERSION: u64 = 1;
const GENESIS_LENGTH: u64 = 32;
const MAX_OPERATORS: u64 = 64;
const MAX_NAME_LENGTH: u64 = 128;

// === Structs ===

public struct Cluster has key {
    id: UID,
    /// The package version that may touch it and what hangs off it.
    version: u64,
    name: String,
    /// Digest of the network's first checkpoint, part of what a master's attestation is bound to.
    genesis: vector<u8>,
    /// +1 with each change of anything but the treasury.
    generation: u64,
    registry: ID,
    nautilus: ID,
    anchors: ID,
    policy: Policy,
    announced: Option<Announcement>,
    /// Whether new stake is refused. Unstaking and withdrawing never are.
    paused: bool,
    /// Positions whose nodes are the operator's pool, and which may answer for masters.
    operator_positions: vector<ID>,
    proposer_cap: ID,
    judge_cap: ID,
    /// Slashed money, for the beneficiary of the policy in force when it is paid out.
    treasury: Balance<SUI>,
}

/// A policy to come.
public struct Announcement has copy, drop, store {
    policy: Policy,
    effective_ms: u64,
}

/// A `Cluster` as its events carry it: the same bytes up to the treasury.
public struct ClusterState has copy, drop, store {
    cluster: ID,
    version: u64,
    name: String,
    genesis: vector<u8>,
    generation: u64,
    registry: ID,
    nautilus: ID,
    anchors: ID,
    policy: Policy,
    announced: Option<Announcement>,
    paused: bool,
    operator_positions: vector<ID>,
    proposer_cap: ID,
    judge_cap: ID,
}

// === Events ===

public struct ClusterCreated has copy, drop {
    state: ClusterState,
}

public struct PolicyAnnounced has copy, drop {
    state: ClusterState,
}

public struct PolicyRecalled has copy, drop {
    state: ClusterState,
}

public struct PolicyApplied has copy, drop {
    state: ClusterState,
}

public struct PauseChanged has copy, drop {
    state: ClusterState,
}

public struct OperatorsChanged has copy, drop {
    state: ClusterState,
}

public struct OfficesChanged has copy, drop {
    state: ClusterState,
}

public struct ClusterMigrated has copy, drop {
    state: ClusterState,
}

/// The treasury is no part of the state, so nothing else changed.
public struct TreasuryPaid has copy, drop {
    cluster: ID,
    amount: u64,
    beneficiary: address,
}

// === Entry Functions ===

/// Announces a policy in place of any announced before. See `policy::new` for `numbers`.
entry fun announce_policy(
    cap: &AdminCap,
    cluster: &mut Cluster,
    numbers: vector<u64>,
    super_is_masters: bool,
    beneficiary: address,
    clock: &Clock,
) {
    cluster.assert_admin(cap);
    let policy = policy::new(numbers, super_is_masters, beneficiary);
    let effective_ms = clock.timestamp_ms() + cluster.policy.delay_ms();
    cluster.announced = option::some(Announcement { policy, effective_ms });
    event::emit(PolicyAnnounced { state: cluster.changed() });
}

/// Takes back the announced policy.
entry fun recall_policy(cap: &AdminCap, cluster: &mut Cluster) {
    cluster.assert_admin(cap);
    assert!(cluster.announced.is_some(), ENothingAnnounced);
    cluster.announced = option::none();
    event::emit(PolicyRecalled { state: cluster.changed() });
}

/// Puts the announced policy in force. Anyone may, once its delay is over.
entry fun apply_policy(cluster: &mut Cluster, clock: &Clock) {
    cluster.assert_version();
    assert!(cluster.announced.is_some(), ENothingAnnounced);
    let Announcement { policy, effective_ms } = cluster.announced.extract();
    assert!(clock.timestamp_ms() >= effective_ms, ETooEarly);
    cluster.policy = policy;
    event::emit(PolicyApplied { state: cluster.changed() });
}

/// Stops or allows new stake.
entry fun set_paused(cap: &AdminCap, cluster: &mut Cluster, paused: bool) {
    cluster.assert_admin(cap);
    cluster.paused = paused;
    event::emit(PauseChanged { state: cluster.changed() });
}

/// Names the positions whose nodes carry the system's pods, and which may answer for masters.
entry fun set_operator_positions(cap: &AdminCap, cluster: &mut Cluster, positions: vector<ID>) {
    cluster.assert_admin(cap);
    assert!(positions.length() <= MAX_OPERATORS, ETooManyOperators);
    cluster.operator_positions = positions;
    event::emit(OperatorsChanged { state: cluster.changed() });
}

/// Gives the proposer's office to `holder`; the capability of whoever had it is void.
entry fun appoint_proposer(
    cap: &AdminCap,
    cluster: &mut Cluster,
    holder: address,
    ctx: &mut TxContext,
) {
    cluster.assert_admin(cap);
    let office = caps::new_proposer(object::id(cluster), ctx);
    cluster.proposer_cap = object::id(&office);
    transfer::public_transfer(office, holder);
    event::emit(OfficesChanged { state: cluster.changed() });
}

/// Gives the judge's office to `holder`; the capability of whoever had it is void.
entry fun appoint_judge(
    cap: &AdminCap,
    cluster: &mut Cluster,
    holder: address,
    ctx: &mut TxContext,
) {
    cluster.assert_admin(cap);
    let office = caps::new_judge(object::id(cluster), ctx);
    cluster.judge_cap = object::id(&office);
    transfer::public_transfer(office, holder);
    event::emit(OfficesChanged { state: cluster.changed() });
}

/// Pays the treasury to the policy's beneficiary. Anyone may.
entry fun pay_treasury(cluster: &mut Cluster, ctx: &mut TxContext) {
    cluster.assert_version();
    let amount = cluster.treasury.value();
    assert!(amount > 0, ETreasuryEmpty);
    let beneficiary = cluster.policy.beneficiary();
    transfer::public_transfer(cluster.treasury.withdraw_all().into_coin(ctx), beneficiary);
    event::emit(TreasuryPaid { cluster: object::id(cluster), amount, beneficiary });
}

/// Moves the cluster to this version of the package, after which older versions refuse it.
entry fun migrate(cap: &AdminCap, cluster: &mut Cluster) {
    cap.assert_of(object::id(cluster));
    assert!(cluster.version < VERSION, ENotOlder);
    cluster.version = VERSION;
    event::emit(ClusterMigrated { state: cluster.changed() });
}

// === View Functions ===

public fun state(self: &Cluster): ClusterState {
    ClusterState {
        cluster: object::id(self),
        version: self.version,
        name: self.name,
        genesis: self.genesis,
        generation: self.generation,
        registry: self.registry,
        nautilus: self.nautilus,
        anchors: self.anchors,
        policy: self.policy,
        announced: self.announced,
        paused: self.paused,
        operator_positions: self.operator_positions,
        proposer_cap: self.proposer_cap,
        judge_cap: self.judge_cap,
    }
}

public fun version(self: &Cluster): u64 { self.version }

public fun name(self: &Cluster): String { self.name }

public fun genesis(self: &Cluster): vector<u8> { self.genesis }

public fun generation(self: &Cluster): u64 { self.generation }

public fun registry(self: &Cluster): ID { self.registry }

public fun nautilus(self: &Cluster): ID { self.nautilus }

public fun anchors(self: &Cluster): ID { self.anchors }

public fun policy(self: &Cluster): &Policy { &self.policy }

public fun is_paused(self: &Cluster): bool { self.paused }

public fun treasury(self: &Cluster): u64 { self.treasury.value() }

/// Whether the position's nodes are the operator's pool.
public fun is_operator(self: &Cluster, position: ID): bool {
    self.operator_positions.contains(&position)
}

// === Package Functions ===

/// Makes a cluster and its three capabilities. It is not complete before `found`.
public(package) fun new(
    name: String,
    genesis: vector<u8>,
    policy: Policy,
    admin: address,
    proposer: address,
    judge: address,
    ctx: &mut TxContext,
): Cluster {
    assert!(name.length() <= MAX_NAME_LENGTH, ENameTooLong);
    assert!(genesis.length() == GENESIS_LENGTH, EBadGenesis);
    let beneficiary = policy.beneficiary();
    assert!(
        proposer != judge && proposer != beneficiary && judge != beneficiary,
        EOfficesNotApart,
    );
    let id = object::new(ctx);
    let cluster = id.to_inner();
    let admin_cap = caps::new_admin(cluster, ctx);
    let proposer_cap = caps::new_proposer(cluster, ctx);
    let judge_cap = caps::new_judge(cluster, ctx);
    let cluster = Cluster {
        id,
        version: VERSION,
        name,
        genesis,
        generation: 1,
        registry: cluster,
        nautilus: cluster,
        anchors: cluster,
        policy,
        announced: option::none(),
        paused: false,
        operator_positions: vector[],
        proposer_cap: object::id(&proposer_cap),
        judge_cap: object::id(&judge_cap),
        treasury: balance::zero(),
    };
    transfer::public_transfer(admin_cap, admin);
    transfer::public_transfer(proposer_cap, proposer);
    transfer::public_transfer(judge_cap, judge);
    cluster
}

/// Completes a new cluster with what hangs off it, and shares it.
#[allow(lint(share_owned))]
public(package) fun found(mut self: Cluster, registry: ID, nautilus: ID, anchors: ID) {
    self.registry = registry;
    self.nautilus = nautilus;
    self.anchors = anchors;
    event::emit(ClusterCreated { state: self.state() });
    transfer::share_object(self);
}

public(package) fun assert_version(self: &Cluster) {
    assert!(self.version == VERSION, EWrongVersion);
}

public(package) fun assert_open(self: &Cluster) {
    self.assert_version();
    assert!(!self.paused, EPaused);
}

public(package) fun assert_admin(self: &Cluster, cap: &AdminCap) {
    self.assert_version();
    cap.assert_of(object::id(self));
}

public(package) fun assert_proposer(self: &Cluster, cap: &ProposerCap) {
    self.assert_version();
    assert!(self.proposer_cap == object::id(cap), ENotProposer);
}

public(package) fun assert_judge(self: &Cluster, cap: &JudgeCap) {
    self.assert_version();
    assert!(self.judge_cap == object::id(cap), ENotJudge);
}

public(package) fun deposit(self: &mut Cluster, money: Balance<SUI>) {
    self.treasury.join(money);
}

// === Private Functions ===

/// One change: generation +1. Returns the state after it, for the event.
fun changed(self: &mut Cluster): ClusterState {
    self.generation = self.generation + 1;
    self.state()
}

// === Test-Only Functions ===

#[test_only]
public fun set_version_for_testing(self: &mut Cluster, version: u64) {
    self.version = version;
}
