/// What a master's Nitro document must say beyond AWS' signature: who it is for, that it is fresh, and that nobody can look
/// into the enclave.
module k3s_daas::attestation;

use k3s_daas::cluster::Cluster;
use std::bcs;
use std::hash;
use std::type_name;
use sui::nitro_attestation::NitroAttestationDocument;

// === Errors ===

#[error(code = 1)]
const EDocumentAge: vector<u8> = b"The document is older than 5 minutes or dated after now";
#[error(code = 2)]
const EBadNonce: vector<u8> = b"The document was not made for this registration";
#[error(code = 3)]
const ENoKey: vector<u8> = b"The document has no Ed25519 public key";
#[error(code = 4)]
const ENotBound: vector<u8> = b"The document is not bound to this cluster, CA, configuration and key";
#[error(code = 5)]
const EMissingPcr: vector<u8> = b"The document lacks PCR 0, 1 or 2";
#[error(code = 6)]
const EDebugEnclave: vector<u8> = b"PCR 0, 1 or 2 is zero: the enclave runs in debug mode";

// === Constants ===

const MAX_AGE_MS: u64 = 5 * 60 * 1000;
/// How far an enclave's clock may be ahead.
const SKEW_MS: u64 = 60 * 1000;
const KEY_LENGTH: u64 = 32;

const NONCE_LABEL: vector<u8> = b"k3s-daas/register";
const BINDING_LABEL: vector<u8> = b"k3s-daas/v1";

// === Structs ===

/// The nonce is SHA-256 of its BCS: a document serves for one registration.
public struct RegistrationNonce has copy, drop {
    label: vector<u8>,
    nautilus: ID,
    registrations: u64,
}

/// `user_data` is SHA-256 of its BCS. Every part after the label has 32 bytes and no length.
public struct Binding has copy, drop {
    label: vector<u8>,
    genesis: address,
    cluster: ID,
    package: address,
    config_digest: address,
    ca_spki: address,
    signing_key: address,
}

// === Package Functions ===

public(package) fun assert_fresh(document: &NitroAttestationDocument, now_ms: u64) {
    let made_ms = *document.timestamp();
    assert!(made_ms <= now_ms + SKEW_MS && now_ms <= made_ms + MAX_AGE_MS, EDocumentAge);
}

public(package) fun assert_nonce(
    document: &NitroAttestationDocument,
    nautilus: ID,
    registrations: u64,
) {
    let nonce = RegistrationNonce { label: NONCE_LABEL, nautilus, registrations };
    let expected = hash::sha2_256(bcs::to_bytes(&nonce));
    assert!(document.nonce().contains(&expected), EBadNonce);
}

/// The enclave's Ed25519 public key.
public(package) fun signing_key(document: &NitroAttestationDocument): vector<u8> {
    let key = *document.public_key();
    assert!(key.is_some_and!(|bytes| bytes.length() == KEY_LENGTH), ENoKey);
    key.destroy_some()
}

/// `user_data` names this network, cluster, package, configuration, CA and key.
public(package) fun assert_bound(
    document: &NitroAttestationDocument,
    cluster: &Cluster,
    config_digest: vector<u8>,
    ca_spki: vector<u8>,
    signing_key: vector<u8>,
) {
    let binding = Binding {
        label: BINDING_LABEL,
        genesis: sui::address::from_bytes(cluster.genesis()),
        cluster: object::id(cluster),
        package: type_name::original_id<Cluster>(),
        config_digest: sui::address::from_bytes(config_digest),
        ca_spki: sui::address::from_bytes(ca_spki),
        signing_key: sui::address::from_bytes(signing_key),
    };
    let expected = hash::sha2_256(bcs::to_bytes(&binding));
    assert!(document.user_data().contains(&expected), ENotBound);
}

/// PCR 0, 1 and 2, found by their index, none of them zero.
public(package) fun pcrs(
    document: &NitroAttestationDocument,
): (vector<u8>, vector<u8>, vector<u8>) {
    let found = vector[0, 1, 2].map!(|index| {
        let at = document.pcrs().find_index!(|entry| entry.index() == index);
        assert!(at.is_some(), EMissingPcr);
        let value = *document.pcrs()[at.destroy_some()].value();
        assert!(!is_zero(&value), EDebugEnclave);
        value
    });
    (found[0], found[1], found[2])
}

public(package) fun is_zero(pcr: &vector<u8>): bool {
    pcr.all!(|byte| *byte == 0)
}

// === Test-Only Functions ===

#[test_only]
public fun nonce_for_testing(nautilus: ID, registrations: u64): RegistrationNonce {
    RegistrationNonce { label: NONCE_LABEL, nautilus, registrations }
}

#[test_only]
public fun binding_for_testing(
    genesis: vector<u8>,
    cluster: ID,
    config_digest: vector<u8>,
    ca_spki: vector<u8>,
    signing_key: vector<u8>,
): Binding {
    Binding {
        label: BINDING_LABEL,
        genesis: sui::address::from_bytes(genesis),
        cluster,
        package: type_name::original_id<Cluster>(),
        config_digest: sui::address::from_bytes(config_digest),
        ca_spki: sui::address::from_bytes(ca_spki),
        signing_key: sui::address::from_bytes(signing_key),
    }
}
