//! AWS Nitro attestation documents: an untagged COSE_Sign1 whose payload names the certificates that signed it.
//!
//! The format is the one of the NSM's attestation documents; where the documents that AWS makes today differ from its
//! description (indefinite-length maps, `null` for absent fields, 96-byte signatures), the documents count.

mod cbor;
mod chain;
mod payload;

pub(crate) use payload::Document;

use crate::{Roots, SecurityLevel, VerifyError};
use coset::{CborSerializable as _, CoseSign1};
use daas_types::UnixMs;
use p384::ecdsa::Signature;
use p384::ecdsa::signature::Verifier as _;
use std::collections::BTreeMap;

/// One platform configuration register, SHA-384.
pub type Pcr = [u8; 48];

/// `{1: -35}`: ES384 and nothing else.
const PROTECTED: [u8; 4] = [0xa1, 0x01, 0x38, 0x22];
const SIGNATURE_LEN: usize = 96;
const MAX_PAYLOAD: usize = 16 * 1024;
/// The payload and at most 128 bytes around it.
const MAX_DOCUMENT: usize = MAX_PAYLOAD + 128;

/// What a document claims, without any verdict: for the enclave's own view of its own document, and for display.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnverifiedDocument {
    /// The TEE's name for the enclave.
    pub module_id: String,
    /// When it was made.
    pub timestamp: UnixMs,
    /// PCRs by index.
    pub pcrs: BTreeMap<u8, Pcr>,
    /// The certificate that signed it, DER.
    pub certificate: Vec<u8>,
    /// Its signature, r ‖ s.
    pub signature: Vec<u8>,
    /// The level its root would have under the roots it was read with; `None` if they do not know it.
    pub level: Option<SecurityLevel>,
}

/// A document that a trusted root signed, of which nothing else has been judged: not its age, not its PCRs (they may be
/// those of a debug enclave), not what it is bound to. This is what a chain's own check leaves to the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedDocument {
    /// The TEE's name for the enclave.
    pub module_id: String,
    /// When it was made.
    pub timestamp: UnixMs,
    /// PCRs by index; 0, 1 and 2 are among them.
    pub pcrs: BTreeMap<u8, Pcr>,
    /// The enclave's key.
    pub public_key: Option<Vec<u8>>,
    /// What the enclave bound itself to.
    pub user_data: Option<Vec<u8>>,
    /// What it answers.
    pub nonce: Option<Vec<u8>>,
}

/// Why a document is not a [`SignedDocument`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignedDocumentError {
    /// It does not read as a document.
    #[error(transparent)]
    Malformed(VerifyError),
    /// It reads, and no trusted root stands behind it.
    #[error(transparent)]
    Unproven(VerifyError),
}

/// Everything about a document that does not depend on who asks: envelope, payload, debug mode, chain at `now`,
/// signature.
pub(crate) fn verify_document(
    bytes: &[u8],
    roots: &Roots,
    now: UnixMs,
) -> Result<(Document, SecurityLevel), VerifyError> {
    let (envelope, document) = open(bytes)?;
    document.refuse_debug()?;
    let level = proven(&envelope, &document, roots, now)?;
    Ok((document, level))
}

/// The certificate chain at `now`, and the signature.
fn proven(envelope: &CoseSign1, document: &Document, roots: &Roots, now: UnixMs) -> Result<SecurityLevel, VerifyError> {
    let (key, level) = chain::verify(&document.cabundle, &document.certificate, roots, now)?;
    envelope.verify_signature(b"", |signature, signed| {
        let signature = Signature::from_slice(signature).map_err(|_| VerifyError::Signature)?;
        key.verify(signed, &signature).map_err(|_| VerifyError::Signature)
    })?;
    Ok(level)
}

fn open(bytes: &[u8]) -> Result<(CoseSign1, Document), VerifyError> {
    length("document", bytes.len(), MAX_DOCUMENT, "1..=16512")?;
    let envelope = CoseSign1::from_slice(bytes).map_err(|e| VerifyError::Envelope(e.to_string()))?;
    let protected = envelope.protected.original_data.as_deref().unwrap_or_default();
    if protected != PROTECTED {
        return Err(VerifyError::Algorithm { got: hex::encode(protected) });
    }
    if !envelope.unprotected.is_empty() {
        return Err(VerifyError::UnprotectedHeader);
    }
    let payload = envelope.payload.as_deref().unwrap_or_default();
    length("payload", payload.len(), MAX_PAYLOAD, "1..=16384")?;
    if envelope.signature.len() != SIGNATURE_LEN {
        return Err(VerifyError::Length { field: "signature", expected: "96", got: envelope.signature.len() });
    }
    // One document has one encoding: another spelling of the same envelope would have another hash.
    if envelope.clone().to_vec().ok().as_deref() != Some(bytes) {
        return Err(VerifyError::Envelope("not in its shortest encoding".to_owned()));
    }
    let document = Document::read(payload)?;
    Ok((envelope, document))
}

fn length(field: &'static str, got: usize, max: usize, expected: &'static str) -> Result<(), VerifyError> {
    if got == 0 || got > max {
        return Err(VerifyError::Length { field, expected, got });
    }
    Ok(())
}

// === impl UnverifiedDocument ===

impl UnverifiedDocument {
    /// Reads what `bytes` claim. Says nothing about whether it is true.
    pub fn read(bytes: &[u8], roots: &Roots) -> Result<Self, VerifyError> {
        let (envelope, document) = open(bytes)?;
        let level = document.cabundle.first().and_then(|root| chain::level(root, roots));
        Ok(Self {
            module_id: document.module_id,
            timestamp: document.timestamp,
            pcrs: document.pcrs,
            certificate: document.certificate,
            signature: envelope.signature,
            level,
        })
    }
}

// === impl SignedDocument ===

impl SignedDocument {
    /// Reads a document and sees, at `now`, that a root of `roots` stands behind it.
    pub fn verify(bytes: &[u8], roots: &Roots, now: UnixMs) -> Result<Self, SignedDocumentError> {
        let (envelope, document) = open(bytes).map_err(SignedDocumentError::Malformed)?;
        proven(&envelope, &document, roots, now).map_err(SignedDocumentError::Unproven)?;
        let Document { module_id, timestamp, pcrs, public_key, user_data, nonce, .. } = document;
        Ok(Self { module_id, timestamp, pcrs, public_key, user_data, nonce })
    }
}

#[cfg(test)]
mod tests;
