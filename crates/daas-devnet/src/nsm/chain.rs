//! A certificate chain like AWS': root, region, zone, instance, and the enclave's certificate, which lives three hours.

use super::root::Root;
use daas_types::UnixMs;
use p384::ecdsa::SigningKey;
use p384::pkcs8::DecodePrivateKey as _;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P384_SHA384,
};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use time::OffsetDateTime;

/// Certificates are valid from a minute ago, as far as a verifier's clock may be behind.
const BACKDATED: Duration = Duration::from_mins(1);
const LEAF_LIFE: Duration = Duration::from_hours(3);
/// A chain with less left is issued anew.
const RENEWED_BEFORE: Duration = Duration::from_mins(30);

/// Issues chains from the root and keeps the current one.
pub(super) struct Authority {
    root: Root,
    current: Mutex<Option<Arc<Chain>>>,
}

/// One chain and the key of its last certificate.
pub(super) struct Chain {
    /// The enclave's certificate, DER.
    pub(super) certificate: Vec<u8>,
    /// Root first, DER.
    pub(super) cabundle: Vec<Vec<u8>>,
    /// The enclave certificate's key.
    pub(super) key: SigningKey,
    issued: UnixMs,
}

// === impl Authority ===

impl Authority {
    pub(super) fn new(root: Root) -> Self {
        Self { root, current: Mutex::new(None) }
    }

    /// SHA-256 of the root's SubjectPublicKeyInfo.
    pub(super) fn key_hash(&self) -> [u8; 32] {
        self.root.key_hash()
    }

    /// The current chain, issued anew when it has little time left, or when the clock went back before it.
    pub(super) fn chain(&self, now: UnixMs) -> Result<Arc<Chain>, rcgen::Error> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        match current.as_ref() {
            Some(chain) if chain.serves(now) => Ok(Arc::clone(chain)),
            _ => Ok(Arc::clone(current.insert(Arc::new(Chain::issue(&self.root, now)?)))),
        }
    }
}

// === impl Chain ===

impl Chain {
    fn serves(&self, now: UnixMs) -> bool {
        now >= self.issued && now < self.issued.plus(LEAF_LIFE.saturating_sub(RENEWED_BEFORE))
    }

    fn issue(root: &Root, now: UnixMs) -> Result<Self, rcgen::Error> {
        let day = Duration::from_hours(24);
        let params = ca("simulated.nitro-enclaves", BasicConstraints::Unconstrained, now, day * 365 * 30);
        let mut cabundle = vec![params.self_signed(&root.key)?.der().to_vec()];
        let region = ca("region.simulated.nitro-enclaves", BasicConstraints::Constrained(2), now, day * 20);
        let zone = ca("zone.simulated.nitro-enclaves", BasicConstraints::Constrained(1), now, day * 6);
        let instance = ca("i-simulated.nitro-enclaves", BasicConstraints::Constrained(0), now, day);
        let mut issuer = Issuer::from_params(&params, &root.key);
        let (mut names, mut keys) = (Vec::new(), Vec::new());
        for params in [region, zone, instance] {
            keys.push(KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384)?);
            names.push(params);
        }
        for (params, key) in names.iter().zip(&keys) {
            cabundle.push(params.signed_by(key, &issuer)?.der().to_vec());
            issuer = Issuer::from_params(params, key);
        }
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384)?;
        let certificate = leaf(now).signed_by(&key, &issuer)?.der().to_vec();
        let key = SigningKey::from_pkcs8_der(key.serialized_der()).expect("a generated P-384 key must parse");
        Ok(Self { certificate, cabundle, key, issued: now })
    }
}

fn ca(name: &str, limit: BasicConstraints, now: UnixMs, life: Duration) -> CertificateParams {
    let mut params = named(name, now, life);
    params.is_ca = IsCa::Ca(limit);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn leaf(now: UnixMs) -> CertificateParams {
    let mut params = named("i-simulated-enc.nitro-enclaves", now, LEAF_LIFE);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params
}

fn named(name: &str, now: UnixMs, life: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "K3s-DaaS devnet");
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date(UnixMs(now.0.saturating_sub(BACKDATED.as_millis().try_into().unwrap_or(u64::MAX))));
    params.not_after = date(now.plus(life));
    params
}

/// Times after the year 9999 do not fit into a certificate; no clock of ours shows one.
fn date(time: UnixMs) -> OffsetDateTime {
    let secs = i64::try_from(time.secs()).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(secs).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
