//! Why evidence was refused. Nothing in evidence is secret, so every message carries what was expected and what came.

use daas_types::UnixMs;
use daas_types::onchain::Pcrs;
use std::time::Duration;

/// Why evidence was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The bytes are no untagged, canonically wrapped COSE_Sign1 without anything after it.
    #[error("not a COSE_Sign1 document: {0}")]
    Envelope(String),
    /// The protected header is another than `{1: -35}`.
    #[error("expected the protected header a1013822 (ES384), got {got}")]
    Algorithm {
        /// Hex of the protected header.
        got: String,
    },
    /// The unprotected header is not empty.
    #[error("expected an empty unprotected header")]
    UnprotectedHeader,
    /// Something is longer or shorter than it may be.
    #[error("{field} must be of {expected} bytes or elements, got {got}")]
    Length {
        /// What.
        field: &'static str,
        /// The lengths allowed.
        expected: &'static str,
        /// The length found.
        got: usize,
    },
    /// The payload is not the CBOR it should be.
    #[error("the payload is malformed at byte {at}: expected {expected}")]
    Payload {
        /// Offset in the payload.
        at: usize,
        /// What should have stood there.
        expected: &'static str,
    },
    /// A key stands twice in a map.
    #[error("the payload has {0} twice")]
    DuplicateKey(String),
    /// A key no attestation document has.
    #[error("the payload has an unknown key {0:?}")]
    UnknownKey(String),
    /// A key every attestation document has.
    #[error("the payload has no {0}")]
    MissingKey(&'static str),
    /// Not SHA-384.
    #[error("expected digest SHA384, got {got:?}")]
    Digest {
        /// The name found.
        got: String,
    },
    /// A PCR index that does not exist.
    #[error("PCR indexes are 0..=31, got {got}")]
    PcrIndex {
        /// The index found.
        got: u64,
    },
    /// The enclave runs in debug mode: its memory is open to the host.
    #[error("PCR{index} is zero: the enclave runs in debug mode")]
    Debug {
        /// Which PCR.
        index: u8,
    },
    /// One certificate of the chain is wrong.
    #[error("certificate {index} of the chain (0 is the root): {fault}")]
    Certificate {
        /// Its place, the root being 0.
        index: usize,
        /// What is wrong with it.
        fault: CertificateFault,
    },
    /// The chain starts elsewhere.
    #[error("the chain's root {got} is not trusted; expected {expected}")]
    UnknownRoot {
        /// The roots trusted.
        expected: String,
        /// SHA-256 of the certificate and of its key, in hex.
        got: String,
    },
    /// The document's own signature is wrong.
    #[error("the document's signature does not match its certificate")]
    Signature,
    /// The document is too old.
    #[error("the document is {age:?} old, at most {max:?} is accepted")]
    TooOld {
        /// Its age.
        age: Duration,
        /// The greatest age accepted.
        max: Duration,
    },
    /// The document is from the future.
    #[error("the document is dated {ahead:?} ahead, at most {max:?} is accepted")]
    FromFuture {
        /// How far ahead.
        ahead: Duration,
        /// How far is accepted.
        max: Duration,
    },
    /// The measurements are none of the allowed ones.
    #[error("the enclave measures as {}, allowed: {}", measurement(got), measurements(allowed))]
    Measurement {
        /// What is allowed.
        allowed: Vec<Pcrs>,
        /// What the document says.
        got: Pcrs,
    },
    /// Not an answer to this challenge on this session.
    #[error("expected nonce {expected}, got {got}")]
    Nonce {
        /// Hex.
        expected: String,
        /// Hex, or `none`.
        got: String,
    },
    /// Not this network, cluster, package, configuration, CA and signing key.
    #[error("expected user data {expected}, got {got}: another genesis, cluster, package, configuration, CA or key")]
    UserData {
        /// Hex.
        expected: String,
        /// Hex, or `none`.
        got: String,
    },
    /// Not the registered signing key.
    #[error("expected signing key {expected}, got {got}")]
    SigningKey {
        /// Hex.
        expected: String,
        /// Hex, or `none`.
        got: String,
    },
}

/// What is wrong with one certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// Not DER, or with something after it.
    #[error("not a DER certificate: {0}")]
    Malformed(String),
    /// Not version 3.
    #[error("expected version 3")]
    Version,
    /// Signed with something else than ECDSA with SHA-384, or its two algorithm fields differ.
    #[error("expected ecdsa-with-SHA384, got {got}")]
    SignatureAlgorithm {
        /// The OID found.
        got: String,
    },
    /// Its key is not on P-384.
    #[error("expected a P-384 key")]
    Key,
    /// Not valid yet.
    #[error("not valid before {from}, it is {now}")]
    NotYetValid {
        /// Start of its validity.
        from: UnixMs,
        /// The time of the verdict.
        now: UnixMs,
    },
    /// No longer valid.
    #[error("expired at {until}, it is {now}")]
    Expired {
        /// End of its validity.
        until: UnixMs,
        /// The time of the verdict.
        now: UnixMs,
    },
    /// Its issuer is not the certificate before it.
    #[error("expected issuer {expected:?}, got {got:?}")]
    Issuer {
        /// Subject of the certificate before it.
        expected: String,
        /// Its issuer.
        got: String,
    },
    /// Its signature is not by the certificate before it.
    #[error("not signed by the certificate before it")]
    Signature,
    /// It issues, and may not.
    #[error("expected CA:TRUE")]
    NotCa,
    /// It signs documents, and is a CA.
    #[error("expected CA:FALSE")]
    LeafIsCa,
    /// It may not do what it does.
    #[error("expected key usage {expected}")]
    KeyUsage {
        /// The usage that is missing.
        expected: &'static str,
    },
    /// More CAs below it than it allows.
    #[error("allows {allowed} CAs below it, there are {got}")]
    PathLength {
        /// Its pathLenConstraint.
        allowed: usize,
        /// CAs below it in this chain.
        got: usize,
    },
    /// A critical extension we do not know.
    #[error("unknown critical extension {0}")]
    CriticalExtension(String),
}

fn measurement(m: &Pcrs) -> String {
    format!("pcr0={} pcr1={} pcr2={}", hex::encode(&m.pcr0), hex::encode(&m.pcr1), hex::encode(&m.pcr2))
}

fn measurements(all: &[Pcrs]) -> String {
    if all.is_empty() {
        return "none".to_owned();
    }
    all.iter().map(measurement).collect::<Vec<_>>().join("; ")
}
