//! What is judged, against what, and what a verdict gives.

use crate::VerifyError;
use crate::nitro::{self, Document, Pcr};
use daas_types::genesis::Genesis;
use daas_types::onchain::Pcrs;
use daas_types::{ClusterId, Digest, PackageId, UnixMs};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::time::Duration;

/// The oldest document any caller may accept; [`Expected::max_age`] can only be stricter.
pub const MAX_AGE: Duration = Duration::from_mins(5);
/// How far a document's clock may run ahead.
pub const FUTURE_TOLERANCE: Duration = Duration::from_mins(1);

const USER_DATA_LABEL: &[u8] = b"k3s-daas/v1";
const NONCE_LABEL: &[u8] = b"k3s-daas/bind";

/// Evidence of what runs in a TEE, as it came over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Evidence {
    /// An AWS Nitro attestation document (untagged COSE_Sign1), or the simulated TEE's, which differs in its root only.
    Nitro(Vec<u8>),
}

/// Which roots count. AWS' always does; the simulated TEE's only on the devnet whose genesis names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    simulated: Option<[u8; 32]>,
}

/// What the evidence has to say. Every field counts, none has a default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Allowed images, from the chain. An empty list allows none.
    pub measurements: Vec<Pcrs>,
    /// [`bind_nonce`] of the client's nonce and this session's exporter.
    pub nonce: [u8; 32],
    /// What the enclave must have bound itself to.
    pub binding: Binding,
    /// Greatest age of the document. Above [`MAX_AGE`] it counts as [`MAX_AGE`].
    pub max_age: Duration,
}

/// What an enclave binds itself to: the parts of `user_data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Full digest of the genesis checkpoint.
    pub genesis: Digest,
    /// The cluster it serves.
    pub cluster: ClusterId,
    /// The contract it obeys.
    pub package: PackageId,
    /// Digest of its measured configuration.
    pub config_digest: [u8; 32],
    /// SHA-256 of the cluster CA's SubjectPublicKeyInfo.
    pub ca_spki: [u8; 32],
    /// Its Ed25519 key, which is also the document's `public_key`.
    pub signing_key: [u8; 32],
}

/// How much a verdict is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecurityLevel {
    /// A development network's simulated TEE: proves nothing to anyone else.
    Simulated,
    /// AWS Nitro.
    Nitro,
}

/// Evidence that held. Only [`verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedEvidence {
    pcrs: BTreeMap<u8, Pcr>,
    module_id: String,
    timestamp: UnixMs,
    public_key: [u8; 32],
    level: SecurityLevel,
}

/// Judges `evidence` at `now`.
pub fn verify(
    evidence: &Evidence,
    roots: &Roots,
    expected: &Expected,
    now: UnixMs,
) -> Result<VerifiedEvidence, VerifyError> {
    match evidence {
        Evidence::Nitro(bytes) => {
            let (document, level) = nitro::verify_document(bytes, roots, now)?;
            VerifiedEvidence::judge(document, level, expected, now)
        }
    }
}

/// The nonce a document must carry to answer `client_nonce` on the TLS session with this `exporter`
/// ([`daas_types::api::EXPORTER_LABEL`], empty context).
pub fn bind_nonce(client_nonce: &[u8; 32], exporter: &[u8; 32]) -> [u8; 32] {
    Sha256::new().chain_update(NONCE_LABEL).chain_update(client_nonce).chain_update(exporter).finalize().into()
}

// === impl Roots ===

impl Roots {
    /// AWS' root alone.
    pub const fn aws() -> Self {
        Self { simulated: None }
    }

    /// AWS' root, and the simulated root if `genesis` (whose full digest is pinned) names one.
    pub fn for_genesis(genesis: &Genesis) -> Self {
        Self { simulated: genesis.devnet().map(|anchor| anchor.tee_root) }
    }

    /// SHA-256 of the simulated root's SubjectPublicKeyInfo, if one counts.
    pub(crate) const fn simulated(&self) -> Option<[u8; 32]> {
        self.simulated
    }
}

// === impl Binding ===

impl Binding {
    /// The document's `user_data`: SHA-256 over the BCS of (label, genesis, cluster, package, configuration, CA, key).
    pub fn user_data(&self) -> [u8; 32] {
        // BCS of a string is its length (one byte below 128) and its bytes; a fixed array is its bytes.
        let mut hash = Sha256::new();
        hash.update([u8::try_from(USER_DATA_LABEL.len()).expect("the label must be shorter than 128 bytes")]);
        hash.update(USER_DATA_LABEL);
        hash.update(self.genesis.as_bytes());
        hash.update(self.cluster.0.as_bytes());
        hash.update(self.package.0.as_bytes());
        hash.update(self.config_digest);
        hash.update(self.ca_spki);
        hash.update(self.signing_key);
        hash.finalize().into()
    }
}

// === impl SecurityLevel ===

impl SecurityLevel {
    /// `security_level` of the attestation endpoint.
    pub const fn number(self) -> u8 {
        match self {
            Self::Simulated => 0,
            Self::Nitro => 5,
        }
    }

    /// `tee_type` of the attestation endpoint.
    pub const fn tee_type(self) -> &'static str {
        match self {
            Self::Simulated => "SIMULATED_NITRO",
            Self::Nitro => "AWS_NITRO",
        }
    }
}

// === impl VerifiedEvidence ===

impl VerifiedEvidence {
    /// All PCRs by index.
    pub fn pcrs(&self) -> &BTreeMap<u8, Pcr> {
        &self.pcrs
    }

    /// The TEE's name for the enclave.
    pub fn module_id(&self) -> &str {
        &self.module_id
    }

    /// When the document was made.
    pub fn timestamp(&self) -> UnixMs {
        self.timestamp
    }

    /// The enclave's Ed25519 signing key.
    pub fn public_key(&self) -> &[u8; 32] {
        &self.public_key
    }

    /// How much this is worth.
    pub fn security_level(&self) -> SecurityLevel {
        self.level
    }

    fn judge(document: Document, level: SecurityLevel, expected: &Expected, now: UnixMs) -> Result<Self, VerifyError> {
        fresh(document.timestamp, expected.max_age.min(MAX_AGE), now)?;
        let got = document.measurement();
        if !expected.measurements.contains(&got) {
            return Err(VerifyError::Measurement { allowed: expected.measurements.clone(), got });
        }
        same(document.nonce.as_deref(), &expected.nonce)
            .map_err(|(expected, got)| VerifyError::Nonce { expected, got })?;
        same(document.public_key.as_deref(), &expected.binding.signing_key)
            .map_err(|(expected, got)| VerifyError::SigningKey { expected, got })?;
        same(document.user_data.as_deref(), &expected.binding.user_data())
            .map_err(|(expected, got)| VerifyError::UserData { expected, got })?;
        Ok(Self {
            pcrs: document.pcrs,
            module_id: document.module_id,
            timestamp: document.timestamp,
            public_key: expected.binding.signing_key,
            level,
        })
    }
}

fn fresh(timestamp: UnixMs, max: Duration, now: UnixMs) -> Result<(), VerifyError> {
    let (age, ahead) = (now.since(timestamp), timestamp.since(now));
    if ahead > FUTURE_TOLERANCE {
        return Err(VerifyError::FromFuture { ahead, max: FUTURE_TOLERANCE });
    }
    if age > max {
        return Err(VerifyError::TooOld { age, max });
    }
    Ok(())
}

/// Equality, or what was expected and what came, in hex.
fn same(got: Option<&[u8]>, expected: &[u8; 32]) -> Result<(), (String, String)> {
    if got == Some(expected.as_slice()) {
        return Ok(());
    }
    Err((hex::encode(expected), got.map_or_else(|| "none".to_owned(), hex::encode)))
}

#[cfg(test)]
mod tests;
