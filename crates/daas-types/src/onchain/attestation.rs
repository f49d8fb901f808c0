//! What an enclave puts into its documents and under its signatures, byte for byte as the contract computes it.

use super::bytes;
use crate::{ClusterId, NautilusId};
use blake2::{Blake2b, Digest as _, digest::consts::U32};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

const NONCE_LABEL: &[u8] = b"k3s-daas/register";
const AUDIT_ROOT_LABEL: &[u8] = b"k3s-daas/audit-root";

/// What an enclave signs of its audit log, `k3s_daas::enclave::AuditRoot`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditRoot<'a> {
    /// The cluster.
    pub cluster: ClusterId,
    /// Rises with each root. Two roots signed under one number are a proof against the enclave.
    pub sequence: u64,
    /// Merkle root of the log up to there, 32 bytes.
    pub root: &'a [u8],
}

/// What an enclave signs for `k3s_daas::nautilus::verify_signature`, `k3s_daas::enclave::IntentMessage`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntentMessage {
    /// Which kind of payload it is.
    pub intent: u8,
    /// When it was signed.
    pub timestamp_ms: u64,
    /// What was signed.
    #[serde(with = "bytes")]
    pub payload: Vec<u8>,
}

/// The nonce of the document with which a master registers: SHA-256 of `k3s_daas::attestation::RegistrationNonce`. With
/// every registration it is another, so a document serves once.
pub fn registration_nonce(nautilus: NautilusId, registrations: u64) -> [u8; 32] {
    Sha256::digest(encode(&(NONCE_LABEL, nautilus, registrations))).into()
}

/// What a key's signing twice under one sequence number is judged as, whatever the roots: the `evidence_hash` of the
/// position's trial.
pub fn offence(cluster: ClusterId, signing_key: &[u8], sequence: u64) -> [u8; 32] {
    let subject = AuditRoot { cluster, sequence, root: signing_key };
    Blake2b::<U32>::digest(subject.to_signed_bytes()).into()
}

// === impl AuditRoot ===

impl AuditRoot<'_> {
    /// The bytes under the signature.
    pub fn to_signed_bytes(&self) -> Vec<u8> {
        encode(&(AUDIT_ROOT_LABEL, self.cluster, self.sequence, self.root))
    }
}

// === impl IntentMessage ===

impl IntentMessage {
    /// The bytes under the signature.
    pub fn to_signed_bytes(&self) -> Vec<u8> {
        encode(self)
    }
}

/// Tuples and structs of numbers, ids and byte vectors cannot fail to serialize.
fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    bcs::to_bytes(value).unwrap_or_default()
}
