/// Every position of a cluster ever made, so that a reader can enumerate them at a checkpoint, and the node ids in use.
module k3s_daas::registry;

use std::string::String;
use sui::derived_object;
use sui::table::{Self, Table};

// === Errors ===

#[error(code = 1)]
const EForeignRegistry: vector<u8> = b"The registry is of another cluster";
#[error(code = 2)]
const EPositionExists: vector<u8> = b"The sender already used this salt";
#[error(code = 3)]
const EBadNodeId: vector<u8> = b"The node id is not a DNS-1123 label";
#[error(code = 4)]
const ENodeIdTaken: vector<u8> = b"Another position has this node id";

// === Constants ===

const MAX_NODE_ID_LENGTH: u64 = 63;

// === Structs ===

public struct Registry has key {
    id: UID,
    cluster: ID,
    positions: Table<u64, ID>,
    nodes: Table<String, ID>,
}

/// What a position's id is derived from: its first owner and a salt. A client so knows the id before it stakes.
public struct PositionKey(address, u64) has copy, drop, store;

// === View Functions ===

/// How many positions were ever made.
public fun position_count(self: &Registry): u64 { self.positions.length() }

/// The n-th position made, from 0.
public fun position_at(self: &Registry, index: u64): ID { self.positions[index] }

/// The position that has a node id, if any.
public fun position_of_node(self: &Registry, node_id: String): Option<ID> {
    if (self.nodes.contains(node_id)) option::some(self.nodes[node_id]) else option::none()
}

// === Package Functions ===

/// Shares an empty registry and returns its id.
public(package) fun create(cluster: ID, ctx: &mut TxContext): ID {
    let registry = Registry {
        id: object::new(ctx),
        cluster,
        positions: table::new(ctx),
        nodes: table::new(ctx),
    };
    let id = object::id(&registry);
    transfer::share_object(registry);
    id
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

/// 1 to 63 characters of a-z, 0-9 and '-', starting and ending with a letter or digit. It becomes part of
/// `system:node:<id>`, a Node object's name and a host name.
public(package) fun is_dns_label(text: &String): bool {
    let bytes = text.as_bytes();
    let length = bytes.length();
    length > 0
        && length <= MAX_NODE_ID_LENGTH
        && is_lower_alphanumeric(bytes[0])
        && is_lower_alphanumeric(bytes[length - 1])
        && bytes.all!(|byte| is_lower_alphanumeric(*byte) || *byte == 0x2D)
}

// === Private Functions ===

/// a-z or 0-9.
fun is_lower_alphanumeric(byte: u8): bool {
    (byte >= 0x61 && byte <= 0x7A) || (byte >= 0x30 && byte <= 0x39)
}
