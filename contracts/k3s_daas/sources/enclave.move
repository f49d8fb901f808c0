/// What a master's enclave signs, and the Sui address of its key.
module k3s_daas::enclave;

use std::bcs;
use sui::ed25519;
use sui::hash;

// === Constants ===

/// What stands before an audit root when an enclave signs it.
const AUDIT_ROOT_LABEL: vector<u8> = b"k3s-daas/audit-root";
/// The flag of Ed25519 keys in Sui addresses.
const ED25519_FLAG: u8 = 0;

// === Structs ===

/// What an enclave signs for others, as `nautilus::verify_signature` checks it.
public struct IntentMessage has copy, drop {
    intent: u8,
    timestamp_ms: u64,
    payload: vector<u8>,
}

/// What an enclave signs of its audit log.
public struct AuditRoot has copy, drop {
    label: vector<u8>,
    cluster: ID,
    sequence: u64,
    root: vector<u8>,
}

// === Package Functions ===

/// The Sui address of an Ed25519 key.
public(package) fun key_address(signing_key: &vector<u8>): address {
    let mut bytes = vector[ED25519_FLAG];
    bytes.append(*signing_key);
    sui::address::from_bytes(hash::blake2b256(&bytes))
}

public(package) fun signed_intent(
    signing_key: vector<u8>,
    intent: u8,
    timestamp_ms: u64,
    payload: vector<u8>,
    signature: vector<u8>,
): bool {
    let message = bcs::to_bytes(&IntentMessage { intent, timestamp_ms, payload });
    ed25519::ed25519_verify(&signature, &signing_key, &message)
}

/// Whether a key signed an audit root of a cluster.
public(package) fun signed_root(
    cluster: ID,
    signing_key: vector<u8>,
    sequence: u64,
    root: vector<u8>,
    signature: vector<u8>,
): bool {
    let message = bcs::to_bytes(&AuditRoot { label: AUDIT_ROOT_LABEL, cluster, sequence, root });
    ed25519::ed25519_verify(&signature, &signing_key, &message)
}

/// What a key's signing twice under one sequence number is judged as, whatever the roots.
public(package) fun offence(cluster: ID, signing_key: vector<u8>, sequence: u64): vector<u8> {
    let subject = AuditRoot { label: AUDIT_ROOT_LABEL, cluster, sequence, root: signing_key };
    hash::blake2b256(&bcs::to_bytes(&subject))
}

// === Test-Only Functions ===

#[test_only]
public fun message_for_testing(
    intent: u8,
    timestamp_ms: u64,
    payload: vector<u8>,
): IntentMessage {
    IntentMessage { intent, timestamp_ms, payload }
}

#[test_only]
public fun root_for_testing(cluster: ID, sequence: u64, root: vector<u8>): AuditRoot {
    AuditRoot { label: AUDIT_ROOT_LABEL, cluster, sequence, root }
}
