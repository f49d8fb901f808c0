//! Documents with anything wrong with them that a test wants.

use crate::{Binding, Expected, Roots, bind_nonce};
use ciborium::Value;
use daas_types::genesis::{DevnetAnchor, Genesis};
use daas_types::onchain::Pcrs;
use daas_types::{Digest, UnixMs};
use p384::ecdsa::signature::Signer as _;
use p384::ecdsa::{Signature, SigningKey};
use p384::pkcs8::DecodePrivateKey as _;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P384_SHA384, PublicKeyData as _, SignatureAlgorithm,
};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use sui_sdk_types::{Address, CheckpointSummary, GasCostSummary};
use time::OffsetDateTime;

pub(crate) const NOW: UnixMs = UnixMs(1_800_000_000_000);
pub(crate) const HOUR_MS: u64 = 3_600_000;

/// One certificate to be made. The defaults of [`specs`] are right.
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) issuer_name: Option<&'static str>,
    pub(crate) issuer_key: Option<&'static SignatureAlgorithm>,
    pub(crate) is_ca: IsCa,
    pub(crate) usages: Vec<KeyUsagePurpose>,
    pub(crate) from: UnixMs,
    pub(crate) until: UnixMs,
    pub(crate) key: &'static SignatureAlgorithm,
    pub(crate) extensions: Vec<CustomExtension>,
}

pub(crate) struct Chain {
    /// Root first, the document's certificate last.
    pub(crate) certificates: Vec<Vec<u8>>,
    pub(crate) leaf: Vec<u8>,
    pub(crate) root_key: [u8; 32],
}

/// A chain like AWS': root, region, zone, instance, enclave.
pub(crate) fn specs() -> Vec<Spec> {
    let ca = |name, limit| Spec {
        name,
        issuer_name: None,
        issuer_key: None,
        is_ca: IsCa::Ca(limit),
        usages: vec![KeyUsagePurpose::KeyCertSign],
        from: UnixMs(NOW.0 - HOUR_MS),
        until: UnixMs(NOW.0 + HOUR_MS),
        key: &PKCS_ECDSA_P384_SHA384,
        extensions: vec![],
    };
    let mut enclave = ca("enclave", BasicConstraints::Unconstrained);
    enclave.is_ca = IsCa::ExplicitNoCa;
    enclave.usages = vec![KeyUsagePurpose::DigitalSignature];
    vec![
        ca("root", BasicConstraints::Unconstrained),
        ca("region", BasicConstraints::Constrained(2)),
        ca("zone", BasicConstraints::Constrained(1)),
        ca("instance", BasicConstraints::Constrained(0)),
        enclave,
    ]
}

pub(crate) fn issue(specs: &[Spec]) -> Chain {
    let mut issuer: Option<(CertificateParams, KeyPair)> = None;
    let mut chain = Chain { certificates: vec![], leaf: vec![], root_key: [0; 32] };
    for spec in specs {
        let key = KeyPair::generate_for(spec.key).unwrap();
        let params = spec.params();
        let certificate = match issuer {
            None => {
                chain.root_key = Sha256::digest(key.subject_public_key_info()).into();
                params.self_signed(&key).unwrap()
            }
            Some((mut params_above, key_above)) => {
                if let Some(name) = spec.issuer_name {
                    params_above.distinguished_name.push(DnType::CommonName, name);
                }
                let key_above = spec.issuer_key.map_or(key_above, |alg| KeyPair::generate_for(alg).unwrap());
                params.signed_by(&key, &Issuer::from_params(&params_above, &key_above)).unwrap()
            }
        };
        chain.certificates.push(certificate.der().to_vec());
        chain.leaf = key.serialize_der();
        issuer = Some((params, key));
    }
    chain
}

pub(crate) fn chain() -> Chain {
    issue(&specs())
}

pub(crate) fn binding() -> Binding {
    Binding {
        genesis: Digest::new([1; 32]),
        cluster: Address::new([2; 32]).into(),
        package: Address::new([3; 32]).into(),
        config_digest: [4; 32],
        ca_spki: [5; 32],
        signing_key: [6; 32],
    }
}

pub(crate) fn expected() -> Expected {
    Expected {
        measurements: vec![measurement(9), measurement(1)],
        nonce: bind_nonce(&[7; 32], &[8; 32]),
        binding: binding(),
        max_age: Duration::from_mins(1),
    }
}

/// PCR0 is all `first`, PCR1 and PCR2 are 2 and 3.
pub(crate) fn measurement(first: u8) -> Pcrs {
    Pcrs { pcr0: vec![first; 48], pcr1: vec![2; 48], pcr2: vec![3; 48] }
}

// === impl Spec ===

impl Spec {
    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, self.name);
        params.is_ca = self.is_ca;
        params.key_usages.clone_from(&self.usages);
        let date = |t: UnixMs| OffsetDateTime::from_unix_timestamp(t.secs().try_into().unwrap()).unwrap();
        params.not_before = date(self.from);
        params.not_after = date(self.until);
        params.custom_extensions.clone_from(&self.extensions);
        params
    }
}

// === impl Chain ===

impl Chain {
    /// The roots of a devnet whose genesis names this chain's root.
    pub(crate) fn roots(&self) -> Roots {
        Roots::for_genesis(&devnet(self.root_key))
    }

    /// The content of a good document, to be changed.
    pub(crate) fn content(&self) -> Vec<(Value, Value)> {
        let (leaf, bundle) = self.certificates.split_last().unwrap();
        let pcr = |index: u8, fill: u8| (Value::from(index), Value::Bytes(vec![fill; 48]));
        let pcrs = [pcr(0, 1), pcr(1, 2), pcr(2, 3)].into_iter().chain((3..16).map(|index| pcr(index, 0)));
        let bundle = bundle.iter().map(|der| Value::Bytes(der.clone())).collect();
        let field = |key: &str, value: Value| (Value::from(key), value);
        vec![
            field("module_id", "i-test-enc1".into()),
            field("digest", "SHA384".into()),
            field("timestamp", NOW.0.into()),
            field("pcrs", Value::Map(pcrs.collect())),
            field("certificate", Value::Bytes(leaf.clone())),
            field("cabundle", Value::Array(bundle)),
            field("public_key", Value::Bytes(binding().signing_key.to_vec())),
            field("user_data", Value::Bytes(binding().user_data().to_vec())),
            field("nonce", Value::Bytes(expected().nonce.to_vec())),
        ]
    }

    /// A document with this content.
    pub(crate) fn document(&self, content: Vec<(Value, Value)>) -> Vec<u8> {
        self.sign(&cbor(&Value::Map(content)))
    }

    /// A document with this payload.
    pub(crate) fn sign(&self, payload: &[u8]) -> Vec<u8> {
        self.envelope(&[0xa1, 0x01, 0x38, 0x22], Value::Map(vec![]), payload)
    }

    /// A document with this envelope, signed as what it is.
    pub(crate) fn envelope(&self, protected: &[u8], unprotected: Value, payload: &[u8]) -> Vec<u8> {
        let bytes = |bytes: &[u8]| Value::Bytes(bytes.to_vec());
        let signed = Value::Array(vec!["Signature1".into(), bytes(protected), bytes(b""), bytes(payload)]);
        let key = SigningKey::from_pkcs8_der(&self.leaf).unwrap();
        let signature: Signature = key.sign(&cbor(&signed));
        cbor(&Value::Array(vec![bytes(protected), unprotected, bytes(payload), bytes(&signature.to_bytes())]))
    }
}

pub(crate) fn set(content: &mut [(Value, Value)], key: &str, value: Value) {
    content.iter_mut().find(|(k, _)| k.as_text() == Some(key)).unwrap().1 = value;
}

pub(crate) fn cbor(value: &Value) -> Vec<u8> {
    let mut bytes = vec![];
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

pub(crate) fn devnet(tee_root: [u8; 32]) -> Genesis {
    let anchor = DevnetAnchor { validator: vec![1; 96], tee_root };
    let genesis = summary(anchor.to_version_specific_data());
    Genesis::pinned(genesis.digest(), &bcs::to_bytes(&genesis).unwrap()).unwrap()
}

fn summary(version_specific_data: Vec<u8>) -> CheckpointSummary {
    CheckpointSummary {
        epoch: 0,
        sequence_number: 0,
        network_total_transactions: 0,
        content_digest: Digest::ZERO,
        previous_digest: None,
        epoch_rolling_gas_cost_summary: GasCostSummary::default(),
        timestamp_ms: 0,
        checkpoint_commitments: vec![],
        end_of_epoch_data: None,
        version_specific_data,
    }
}
