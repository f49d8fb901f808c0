/// The Seal: what a staker holds and the cluster accepts. Soulbound, so it cannot be sold or stolen by transfer; and
/// public, so its id is no credential: what counts is the secret behind `commitment`, or the owner's or session key.
module k3s_daas::seal_token;

use std::string::String;
use sui::display_registry::{Self, DisplayRegistry};

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
#[error(code = 6)]
const EBadSession: vector<u8> = b"A session key ends after now and no later than its Seal; without one its end is zero";

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
    session: Option<Session>,
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
    session: Option<Session>,
    expires_ms: u64,
}

/// A key that may sign beside the owner's, for a time.
public struct Session has copy, drop, store {
    key: address,
    expires_ms: u64,
}

/// What a new Seal shall be.
public struct SealRequest has copy, drop {
    permissions: u8,
    locator: vector<u8>,
    commitment: vector<u8>,
    session: Option<Session>,
    expires_ms: u64,
}

// === Entry Functions ===

/// Says how wallets show a Seal. Anyone may, once. The capability to change it goes to nobody, so that a Seal can never be
/// made to look like something else.
entry fun create_display(registry: &mut DisplayRegistry, ctx: &mut TxContext) {
    let permit = internal::permit<SealToken>();
    let (mut display, cap) = display_registry::new(registry, permit, ctx);
    display.set(&cap, b"name".to_string(), b"K3s-DaaS Seal".to_string());
    display.set(
        &cap,
        b"description".to_string(),
        b"Access to the cluster {cluster}, while the position {position} lists it. Not transferable.".to_string(),
    );
    display.share();
    transfer::public_transfer(cap, @0x0);
}

// === View Functions ===

public fun position(self: &SealToken): ID { self.position }

public fun id(self: &SealRecord): ID { self.id }

public fun permissions(self: &SealRecord): u8 { self.permissions }

public fun session(self: &SealRecord): Option<Session> { self.session }

public fun expires_ms(self: &SealRecord): u64 { self.expires_ms }

public fun key(self: &Session): address { self.key }

public fun session_expires_ms(self: &Session): u64 { self.expires_ms }

/// Whether the Seal has ended.
public fun is_expired(self: &SealRecord, now_ms: u64): bool { self.expires_ms <= now_ms }

// === Package Functions ===

public(package) fun node(): u8 { NODE }

/// Checks what a caller asks of a new Seal. `session_expires_ms` is 0 without a session key.
public(package) fun request(
    permissions: u8,
    locator: vector<u8>,
    commitment: vector<u8>,
    session: Option<address>,
    session_expires_ms: u64,
    lifetime_ms: u64,
    max_lifetime_ms: u64,
    now_ms: u64,
): SealRequest {
    assert!(permissions >= USER && permissions <= USER | NODE, EBadPermissions);
    assert!(locator.length() == LOCATOR_LENGTH, EBadLocator);
    assert!(commitment.length() == COMMITMENT_LENGTH, EBadCommitment);
    assert!(lifetime_ms > 0 && lifetime_ms <= max_lifetime_ms, EBadLifetime);
    let expires_ms = now_ms + lifetime_ms;
    let fits = if (session.is_some()) {
        session_expires_ms > now_ms && session_expires_ms <= expires_ms
    } else {
        session_expires_ms == 0
    };
    assert!(fits, EBadSession);
    let session = session.map!(|key| Session { key, expires_ms: session_expires_ms });
    SealRequest { permissions, locator, commitment, session, expires_ms }
}

/// Makes a Seal, sends its token to `owner`, and returns what the position keeps of it.
public(package) fun mint(
    request: SealRequest,
    owner: address,
    cluster: ID,
    position: ID,
    node_id: String,
    ctx: &mut TxContext,
): SealRecord {
    let SealRequest { permissions, locator, commitment, session, expires_ms } = request;
    assert!(permissions & NODE == 0 || !node_id.is_empty(), ENodeIdMissing);
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
