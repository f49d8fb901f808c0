//! `k3s_daas::attestation`.

use super::nitro::Document;
use super::{Call, declare_errors};
use crate::execute::Fault;
use daas_attest::Binding;
use daas_types::onchain::{Cluster, Pcrs, registration_nonce};
use daas_types::{NautilusId, PackageId};
use sui_sdk_types::Digest;

declare_errors! { "attestation":
    DOCUMENT_AGE = 1 "EDocumentAge" "The document is older than 5 minutes or dated after now";
    BAD_NONCE = 2 "EBadNonce" "The document was not made for this registration";
    NO_KEY = 3 "ENoKey" "The document has no Ed25519 public key";
    NOT_BOUND = 4 "ENotBound" "The document is not bound to this cluster, CA, configuration and key";
    MISSING_PCR = 5 "EMissingPcr" "The document lacks PCR 0, 1 or 2";
    DEBUG_ENCLAVE = 6 "EDebugEnclave" "PCR 0, 1 or 2 is zero: the enclave runs in debug mode";
}

const MAX_AGE_MS: u64 = 5 * 60 * 1000;
const SKEW_MS: u64 = 60 * 1000;

pub(super) fn assert_fresh(call: &Call<'_, '_>, document: &Document) -> Result<(), Fault> {
    let (made_ms, now_ms) = (document.timestamp, call.now_ms);
    let fresh = made_ms <= call.sum(now_ms, SKEW_MS)? && now_ms <= call.sum(made_ms, MAX_AGE_MS)?;
    call.ensure(fresh, DOCUMENT_AGE, "assert_fresh")
}

pub(super) fn assert_nonce(
    call: &Call<'_, '_>,
    document: &Document,
    nautilus: NautilusId,
    registrations: u64,
) -> Result<(), Fault> {
    let expected = registration_nonce(nautilus, registrations);
    call.ensure(document.nonce.as_deref() == Some(expected.as_slice()), BAD_NONCE, "assert_nonce")
}

/// The enclave's Ed25519 public key.
pub(super) fn signing_key(call: &Call<'_, '_>, document: &Document) -> Result<[u8; 32], Fault> {
    let key = document.public_key.as_deref().and_then(|key| key.try_into().ok());
    key.ok_or_else(|| call.abort(NO_KEY, "signing_key"))
}

/// `user_data` names this network, cluster, package, configuration, CA and key.
pub(super) fn assert_bound(
    call: &Call<'_, '_>,
    document: &Document,
    cluster: &Cluster,
    [config_digest, ca_spki, signing_key]: [[u8; 32]; 3],
) -> Result<(), Fault> {
    let genesis = <[u8; 32]>::try_from(cluster.genesis.as_slice()).map(Digest::new);
    let expected = genesis.map(|genesis| {
        let package = PackageId(call.package);
        Binding { genesis, cluster: cluster.id, package, config_digest, ca_spki, signing_key }.user_data()
    });
    let bound = expected.is_ok_and(|expected| document.user_data.as_deref() == Some(expected.as_slice()));
    call.ensure(bound, NOT_BOUND, "assert_bound")
}

/// PCR 0, 1 and 2, found by their index, none of them zero.
pub(super) fn pcrs(call: &Call<'_, '_>, document: &Document) -> Result<Pcrs, Fault> {
    let pcr = |index: u8| {
        let found = document.pcrs.iter().find(|(at, _)| *at == index);
        let (_, value) = found.ok_or_else(|| call.abort(MISSING_PCR, "pcrs"))?;
        call.ensure(!is_zero(value), DEBUG_ENCLAVE, "pcrs")?;
        Ok::<_, Fault>(value.clone())
    };
    Ok(Pcrs { pcr0: pcr(0)?, pcr1: pcr(1)?, pcr2: pcr(2)? })
}

pub(super) fn is_zero(pcr: &[u8]) -> bool {
    pcr.iter().all(|byte| *byte == 0)
}
