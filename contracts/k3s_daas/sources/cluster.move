/// A cluster: its policy, its treasury, and the registry of its positions and node ids.
///
/// `Cluster` changes rarely and is read by every other call; what changes often is one shared object per staker
/// (`staking::StakePosition`), so stakers never contend.
module k3s_daas::cluster;

use k3s_daas::caps::{Self, AdminCap};
use k3s_daas::nautilus;
use std::string::String;
use sui::balance::{Self, Balance};
use sui::derived_object;
use sui::event;
use sui::sui::SUI;
use sui::table::{Self, Table};

// === Errors ===

#[error(code = 1)]
const EWrongVersion: vector<u8> = b"The cluster is at another version of this package";
#[error(code = 2)]
const EThresholdCount: vector<u8> = b"There must be four thresholds: viewer, developer, admin, super";
#[error(code = 3)]
const EThresholdOrder: vector<u8> = b"Each threshold must be above the one before it";
#[error(code = 4)]
const ESlashShare: vector<u8> = b"The slashed share is above 10,000 basis points";
#[error(code = 5)]
const ESealLifetime: vector<u8> = b"The longest life of a Seal must be above zero and at most 30 days";
#[error(code = 6)]
const EEvidenceAge: vector<u8> = b"Evidence may be older than stake stays slashable";
#[error(code = 7)]
const EForeignRegistry: vector<u8> = b"The registry is of another cluster";
#[error(code = 8)]
const EPositionExists: vector<u8> = b"The sender already used this salt";
#[error(code = 9)]
const EBadNodeId: vector<u8> = b"The node id is not a DNS-1123 label";
#[error(code = 10)]
const ENodeIdTaken: vector<u8> = b"Another position has this node id";

// === Constants ===

const VERSION: u64 = 1;
const MAX_BASIS_POINTS: u64 = 10_000;
const MAX_SEAL_LIFETIME_MS: u64 = 30 * 24 * 60 * 60 * 1000;
const MAX_NODE_ID_LENGTH: u64 = 63;

// === Structs ===

public struct Cluster has key {
    id: UID,
    version: u64,
    name: String,
    /// +1 with each change of policy.
    generation: u64,
    registry: ID,
    nautilus: ID,
    policy: Policy,
    /// Slashed money. It never goes to whoever proposed or judged the slash.
    treasury: Balance<SUI>,
}

public struct Policy has copy, drop, store {
    thresholds: Thresholds,
    min_stake: u64,
    node_minimum: u64,
    slash_bps: u64,
    appeal_window_ms: u64,
    /// How long unstaked money stays slashable.
    unbonding_ms: u64,
    max_seal_lifetime_ms: u64,
    evidence_max_age_ms: u64,
    super_is_masters: bool,
    /// Positions whose nodes are the operator's pool.
    operator_positions: vector<ID>,
}

/// Least active stake of each tier.
public struct Thresholds has copy, drop, store {
    viewer: u64,
    developer: u64,
    admin: u64,
    super_user: u64,
}

/// Every position ever made, so that a reader can enumerate them at a checkpoint, and the node ids in use.
public struct Registry has key {
    id: UID,
    cluster: ID,
    positions: Table<u64, ID>,
    nodes: Table<String, ID>,
}

/// What a position's id is derived from: owner and salt. A client so knows the id before it stakes.
public struct PositionKey(address, u64) has copy, drop, store;

// === Events ===

public struct ClusterCreated has copy, drop {
    cluster: ID,
    registry: ID,
    nautilus: ID,
    name: String,
    policy: Policy,
}

public struct PolicyChanged has copy, drop {
    cluster: ID,
    generation: u64,
    policy: Policy,
}

// === Entry Functions ===

/// Makes a cluster and gives the sender its three capabilities.
entry fun create_cluster(
    name: String,
    thresholds: vector<u64>,
    min_stake: u64,
    node_minimum: u64,
    slash_bps: u64,
    appeal_window_ms: u64,
    unbonding_ms: u64,
    max_seal_lifetime_ms: u64,
    evidence_max_age_ms: u64,
    ctx: &mut TxContext,
) {
    assert!(slash_bps <= MAX_BASIS_POINTS, ESlashShare);
    assert!(
        max_seal_lifetime_ms > 0 && max_seal_lifetime_ms <= MAX_SEAL_LIFETIME_MS,
        ESealLifetime,
    );
    assert!(evidence_max_age_ms <= unbonding_ms, EEvidenceAge);
    let policy = Policy {
        thresholds: new_thresholds(thresholds),
        min_stake,
        node_minimum,
        slash_bps,
        appeal_window_ms,
        unbonding_ms,
        max_seal_lifetime_ms,
        evidence_max_age_ms,
        super_is_masters: false,
        operator_positions: vector[],
    };
    let id = object::new(ctx);
    let cluster = id.to_inner();
    let registry = Registry {
        id: object::new(ctx),
        cluster,
        positions: table::new(ctx),
        nodes: table::new(ctx),
    };
    let nautilus = nautilus::create(cluster, ctx);
    let (admin, proposer, judge) = caps::new(cluster, ctx);
    event::emit(ClusterCreated {
        cluster,
        registry: object::id(&registry),
        nautilus,
        name,
        policy,
    });
    transfer::share_object(Cluster {
        id,
        version: VERSION,
        name,
        generation: 1,
        registry: object::id(&registry),
        nautilus,
        policy,
        treasury: balance::zero(),
    });
    transfer::share_object(registry);
    transfer::public_transfer(admin, ctx.sender());
    transfer::public_transfer(proposer, ctx.sender());
    transfer::public_transfer(judge, ctx.sender());
}

/// Names the positions whose nodes carry the system's pods.
entry fun set_operator_positions(cap: &AdminCap, cluster: &mut Cluster, positions: vector<ID>) {
    cluster.assert_version();
    cap.assert_admin(object::id(cluster));
    cluster.policy.operator_positions = positions;
    cluster.generation = cluster.generation + 1;
    event::emit(PolicyChanged {
        cluster: object::id(cluster),
        generation: cluster.generation,
        policy: cluster.policy,
    });
}

// === View Functions ===

public fun version(self: &Cluster): u64 { self.version }

public fun name(self: &Cluster): String { self.name }

public fun generation(self: &Cluster): u64 { self.generation }

public fun registry(self: &Cluster): ID { self.registry }

public fun nautilus(self: &Cluster): ID { self.nautilus }

public fun policy(self: &Cluster): &Policy { &self.policy }

public fun treasury(self: &Cluster): u64 { self.treasury.value() }

public fun min_stake(self: &Policy): u64 { self.min_stake }

public fun slash_bps(self: &Policy): u64 { self.slash_bps }

public fun appeal_window_ms(self: &Policy): u64 { self.appeal_window_ms }

public fun unbonding_ms(self: &Policy): u64 { self.unbonding_ms }

public fun max_seal_lifetime_ms(self: &Policy): u64 { self.max_seal_lifetime_ms }

public fun evidence_max_age_ms(self: &Policy): u64 { self.evidence_max_age_ms }

public fun operator_positions(self: &Policy): vector<ID> { self.operator_positions }

/// How many positions were ever made.
public fun position_count(self: &Registry): u64 { self.positions.length() }

/// The n-th position made, from 0.
public fun position_at(self: &Registry, index: u64): ID { self.positions[index] }

/// The position that has a node id, if any.
public fun position_of_node(self: &Registry, node_id: String): Option<ID> {
    if (self.nodes.contains(node_id)) option::some(self.nodes[node_id]) else option::none()
}

// === Package Functions ===

public(package) fun assert_version(self: &Cluster) {
    assert!(self.version == VERSION, EWrongVersion);
}

public(package) fun assert_of(self: &Registry, cluster: ID) {
    assert!(self.cluster == cluster, EForeignRegistry);
}

/// The key of `owner`'s position under `salt`.
public(package) fun position_key(owner: address, salt: u64): PositionKey {
    PositionKey(owner, salt)
}

/// What a position's id is claimed from, once. (The claim itself must stand where the object is made.)
public(package) fun unclaimed(self: &mut Registry, cluster: ID, key: PositionKey): &mut UID {
    self.assert_of(cluster);
    assert!(!derived_object::exists(&self.id, key), EPositionExists);
    &mut self.id
}

/// Records a new position, and its node id if it has one.
public(package) fun record(self: &mut Registry, position: ID, node_id: String) {
    let index = self.positions.length();
    self.positions.add(index, position);
    if (!node_id.is_empty()) {
        assert!(is_dns_label(&node_id), EBadNodeId);
        assert!(!self.nodes.contains(node_id), ENodeIdTaken);
        self.nodes.add(node_id, position);
    }
}

/// Frees a node id for other positions.
public(package) fun release_node(self: &mut Registry, node_id: String) {
    if (!node_id.is_empty()) {
        self.nodes.remove(node_id);
    }
}

public(package) fun deposit(self: &mut Cluster, money: Balance<SUI>) {
    self.treasury.join(money);
}

// === Private Functions ===

fun new_thresholds(thresholds: vector<u64>): Thresholds {
    assert!(thresholds.length() == 4, EThresholdCount);
    let (viewer, developer) = (thresholds[0], thresholds[1]);
    let (admin, super_user) = (thresholds[2], thresholds[3]);
    assert!(viewer < developer && developer < admin && admin < super_user, EThresholdOrder);
    Thresholds { viewer, developer, admin, super_user }
}

/// 1 to 63 characters of a-z, 0-9 and '-', starting and ending with a letter or digit. It becomes part of
/// `system:node:<id>`, a Node object's name and a host name.
fun is_dns_label(text: &String): bool {
    let bytes = text.as_bytes();
    let length = bytes.length();
    length > 0
        && length <= MAX_NODE_ID_LENGTH
        && is_lower_alphanumeric(bytes[0])
        && is_lower_alphanumeric(bytes[length - 1])
        && bytes.all!(|byte| is_lower_alphanumeric(*byte) || *byte == 0x2D)
}

/// a-z or 0-9.
fun is_lower_alphanumeric(byte: u8): bool {
    (byte >= 0x61 && byte <= 0x7A) || (byte >= 0x30 && byte <= 0x39)
}

// === Test-Only Functions ===

#[test_only]
public fun set_version_for_testing(self: &mut Cluster, version: u64) {
    self.version = version;
}
