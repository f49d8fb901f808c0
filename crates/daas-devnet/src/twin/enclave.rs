//! `k3s_daas::enclave`.

use daas_types::ClusterId;
use daas_types::onchain::{AuditRoot, IntentMessage};
use sui_crypto::Verifier as _;
use sui_crypto::ed25519::Ed25519VerifyingKey;
use sui_sdk_types::{Address, Ed25519PublicKey, Ed25519Signature};

/// The Sui address of an Ed25519 key; `None` if it has another length.
pub(super) fn key_address(signing_key: &[u8]) -> Option<Address> {
    Some(Ed25519PublicKey::new(signing_key.try_into().ok()?).derive_address())
}

pub(super) fn signed_intent(signing_key: &[u8], message: &IntentMessage, signature: &[u8]) -> bool {
    verify(signature, signing_key, &message.to_signed_bytes())
}

pub(super) fn signed_root(
    cluster: ClusterId,
    signing_key: &[u8],
    sequence: u64,
    root: &[u8],
    signature: &[u8],
) -> bool {
    let message = AuditRoot { cluster, sequence, root };
    verify(signature, signing_key, &message.to_signed_bytes())
}

/// `sui::ed25519::ed25519_verify`: whatever is no key or no signature signs nothing.
fn verify(signature: &[u8], signing_key: &[u8], message: &[u8]) -> bool {
    let (Ok(signature), Ok(key)) = (signature.try_into(), signing_key.try_into()) else {
        return false;
    };
    let key = Ed25519VerifyingKey::new(&Ed25519PublicKey::new(key));
    key.is_ok_and(|key| key.verify(message, &Ed25519Signature::new(signature)).is_ok())
}
