/// The Seal: what a staker holds and the cluster accepts. Soulbound, so it cannot be sold or stolen by transfer; and
/// public, so its id is no credential: what counts is the secret behind `commitment`, or the owner's or session key.
module k3s_daas::seal_token;

use std::string::String;

// === Errors ===

#[error(code = 1)]
const EBadPermissions: vector<u8> = b"Permissions are 1 (user), 2 (node) or 3 (both)";
#[error(code = 2)]
const ENodeIdMissing: vector<u8> = b"The node permission needs a position with a node id";
#[error(code = 3)]
const EBadLocator: vector<u8> = b"A locator is 16 bytes";
#[error(code = 4)]
const EBadCommitment: vector<u8> = b"A commitment is 32 bytes";
#[error(code = 5)]
const EBadLifetime: vector<u8> = b"A Seal lives longer than zero and at most as long as the policy allows";

// === Constants ===

const USER: u8 = 1;
const NODE: u8 = 2;
const LOCATOR_LENGTH: u64 = 16;
const COMMITMENT_LENGTH: u64 = 32;

// === Structs ===

public struct SealToken has key {
    id: UID,
    cluster: ID,
    position: ID,
    /// The node it may join as; empty for none.
    node_id: String,
    permissions: u8,
    locator: vector<u8>,
    commitment: vector<u8>,
    session: Option<address>,
    expires_ms: u64,
}

/// A Seal as its position keeps it. What is not in its position is void.
public struct SealRecord has copy, drop, store {
    id: ID,
    permissions: u8,
    /// Finds the Seal by its secret.
    locator: vector<u8>,
    /// Accepts the secret, for this position alone.
    commitment: vector<u8>,
    /// Address of a key that may sign beside the owner's.
    session: Option<address>,
    expires_ms: u64,
}

// === View Functions ===

public fun position(self: &SealToken): ID { self.position }

public fun id(self: &SealRecord): ID { self.id }

public fun permissions(self: &SealRecord): u8 { self.permissions }

public fun session(self: &SealRecord): Option<address> { self.session }

public fun expires_ms(self: &SealRecord): u64 { self.expires_ms }

/// Whether the Seal has ended.
public fun is_expired(self: &SealRecord, now_ms: u64): bool { self.expires_ms <= now_ms }

// === Package Functions ===

/// Makes a Seal, sends its token to `owner`, and returns what the position keeps of it.
public(package) fun mint(
    owner: address,
    cluster: ID,
    position: ID,
    node_id: String,
    permissions: u8,
    locator: vector<u8>,
    commitment: vector<u8>,
    session: Option<address>,
    lifetime_ms: u64,
    max_lifetime_ms: u64,
    now_ms: u64,
    ctx: &mut TxContext,
): SealRecord {
    assert!(permissions >= USER && permissions <= USER | NODE, EBadPermissions);
    assert!(permissions & NODE == 0 || !node_id.is_empty(), ENodeIdMissing);
    assert!(locator.length() == LOCATOR_LENGTH, EBadLocator);
    assert!(commitment.length() == COMMITMENT_LENGTH, EBadCommitment);
    assert!(lifetime_ms > 0 && lifetime_ms <= max_lifetime_ms, EBadLifetime);
    let expires_ms = now_ms + lifetime_ms;
    let token = SealToken {
        id: object::new(ctx),
        cluster,
        position,
        node_id,
        permissions,
        locator,
        commitment,
        session,
        expires_ms,
    };
    let id = object::id(&token);
    transfer::transfer(token, owner);
    SealRecord { id, permissions, locator, commitment, session, expires_ms }
}
