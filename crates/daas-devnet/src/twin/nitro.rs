//! `sui::nitro_attestation`: what the network itself checks of a document. As AWS' root is on every Sui network, the
//! simulated root is on this one, if its genesis names it.

use super::params::{BYTES, CLOCK, DOCUMENT};
use super::{Call, Function, Run};
use crate::execute::Fault;
use daas_attest::{SignedDocument, SignedDocumentError};
use daas_types::UnixMs;
use serde::{Deserialize, Serialize};

pub(super) const FUNCTIONS: &[Function] = &[Function {
    module: "nitro_attestation",
    name: "load_nitro_attestation",
    params: &[BYTES, CLOCK],
    run: Run::Answer(load_nitro_attestation, DOCUMENT),
}];

/// `NitroAttestationDocument`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Document {
    pub(super) module_id: Vec<u8>,
    pub(super) timestamp: u64,
    pub(super) digest: Vec<u8>,
    /// By index.
    pub(super) pcrs: Vec<(u8, Vec<u8>)>,
    pub(super) public_key: Option<Vec<u8>>,
    pub(super) user_data: Option<Vec<u8>>,
    pub(super) nonce: Option<Vec<u8>>,
}

/// The PCRs that every document must have, and that are handed on.
const INDICES: [u8; 6] = [0, 1, 2, 3, 4, 8];
const DIGEST: &[u8] = b"SHA384";

const PARSE_ERROR: u64 = 1;
const VERIFY_ERROR: u64 = 2;

/// What a call costs in thousandths of a gas unit: parsing, each byte of it, verifying, each certificate of it.
const PARSE_COST: u64 = 2_650;
const PARSE_COST_PER_BYTE: u64 = 50;
const VERIFY_COST: u64 = 2_481_600;
const VERIFY_COST_PER_CERTIFICATE: u64 = 2_618_450;
/// Documents have this many certificates above the enclave's own.
const CERTIFICATES: u64 = 4;

fn load_nitro_attestation(call: &mut Call<'_, '_>) -> Result<Vec<u8>, Fault> {
    let bytes = call.bytes(0)?;
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    call.work.spend(PARSE_COST.saturating_add(PARSE_COST_PER_BYTE.saturating_mul(length)));
    let signed = SignedDocument::verify(&bytes, call.work.roots, UnixMs(call.now_ms));
    if !matches!(signed, Err(SignedDocumentError::Malformed(_))) {
        call.work.spend(VERIFY_COST + VERIFY_COST_PER_CERTIFICATE * CERTIFICATES);
    }
    let aborted = |code| Call::framework_abort("nitro_attestation", "load_nitro_attestation_internal", code);
    let signed = signed.map_err(|error| match error {
        SignedDocumentError::Malformed(_) => aborted(PARSE_ERROR),
        SignedDocumentError::Unproven(_) => aborted(VERIFY_ERROR),
    })?;
    let pcr = |index: u8| signed.pcrs.get(&index).map(|value| (index, value.to_vec()));
    let pcrs: Option<Vec<_>> = INDICES.into_iter().map(pcr).collect();
    let document = Document {
        module_id: signed.module_id.into_bytes(),
        timestamp: signed.timestamp.0,
        digest: DIGEST.to_vec(),
        pcrs: pcrs.ok_or_else(|| aborted(PARSE_ERROR))?,
        public_key: signed.public_key,
        user_data: signed.user_data,
        nonce: signed.nonce,
    };
    Ok(super::call::encode(&document))
}
