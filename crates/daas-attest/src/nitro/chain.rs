//! The certificate chain: a pinned root, CAs, and the certificate that signed the document.

use crate::{CertificateFault as Fault, Roots, SecurityLevel, VerifyError};
use daas_types::UnixMs;
use p384::ecdsa::signature::Verifier as _;
use p384::ecdsa::{DerSignature, VerifyingKey};
use sha2::{Digest as _, Sha256};
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::referenced::OwnedToRef as _;
use x509_cert::der::{Decode, Encode as _, Reader as _, SliceReader};
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};
use x509_cert::{Certificate, Version};

/// SHA-256 of the AWS Nitro Enclaves root certificate (G1), DER.
const AWS_ROOT: [u8; 32] = [
    0x64, 0x1a, 0x03, 0x21, 0xa3, 0xe2, 0x44, 0xef, 0xe4, 0x56, 0x46, 0x31, 0x95, 0xd6, 0x06, 0x31, 0x7e, 0xd7, 0xcd,
    0xcc, 0x3c, 0x17, 0x56, 0xe0, 0x98, 0x93, 0xf3, 0xc6, 0x8f, 0x79, 0xbb, 0x5b,
];
const ECDSA_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");

/// A certificate with the exact bytes its issuer signed.
struct Link {
    parsed: Certificate,
    signed: Vec<u8>,
    key: VerifyingKey,
}

/// Judges root → CAs (`cabundle`) → `leaf` at `now`; gives the leaf's key and what the root is worth.
pub(super) fn verify(
    cabundle: &[Vec<u8>],
    leaf: &[u8],
    roots: &Roots,
    now: UnixMs,
) -> Result<(VerifyingKey, SecurityLevel), VerifyError> {
    let root = cabundle.first().ok_or(VerifyError::MissingKey("cabundle"))?;
    let level = level(root, roots).ok_or_else(|| unknown_root(root, roots))?;
    let at = |index: usize| move |fault| VerifyError::Certificate { index, fault };

    // The root is its own issuer; every other certificate's issuer is the one before it.
    let mut issuer = Link::read(root).map_err(at(0))?;
    issuer.issued_by(&issuer).and_then(|()| issuer.valid_at(now)).map_err(at(0))?;
    for (index, der) in cabundle.iter().enumerate().skip(1) {
        let next = Link::read(der).map_err(at(index))?;
        next.issued_by(&issuer).and_then(|()| next.valid_at(now)).map_err(at(index))?;
        issuer.may_issue(cabundle.len() - index).map_err(at(index - 1))?;
        issuer = next;
    }
    issuer.may_issue(0).map_err(at(cabundle.len() - 1))?;
    let index = cabundle.len();
    let leaf = Link::read(leaf).map_err(at(index))?;
    leaf.issued_by(&issuer)
        .and_then(|()| leaf.valid_at(now))
        .and_then(|()| leaf.may_sign_documents())
        .map_err(at(index))?;
    Ok((leaf.key, level))
}

/// What `root` is worth under `roots`; `None` if they do not know it.
pub(super) fn level(root: &[u8], roots: &Roots) -> Option<SecurityLevel> {
    if sha256(root) == AWS_ROOT {
        return Some(SecurityLevel::Nitro);
    }
    (key_hash(root)? == roots.simulated()?).then_some(SecurityLevel::Simulated)
}

fn unknown_root(root: &[u8], roots: &Roots) -> VerifyError {
    let key = key_hash(root).map_or_else(|| "unreadable".to_owned(), hex::encode);
    let simulated = roots.simulated().map(|hash| format!(" or simulated key {}", hex::encode(hash)));
    VerifyError::UnknownRoot {
        expected: format!("AWS certificate {}{}", hex::encode(AWS_ROOT), simulated.unwrap_or_default()),
        got: format!("certificate {} with key {key}", hex::encode(sha256(root))),
    }
}

/// SHA-256 of a certificate's SubjectPublicKeyInfo.
fn key_hash(certificate: &[u8]) -> Option<[u8; 32]> {
    let certificate = Certificate::from_der(certificate).ok()?;
    Some(sha256(&certificate.tbs_certificate.subject_public_key_info.to_der().ok()?))
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

// === impl Link ===

impl Link {
    fn read(der: &[u8]) -> Result<Self, Fault> {
        let malformed = |e: x509_cert::der::Error| Fault::Malformed(e.to_string());
        let parsed = Certificate::from_der(der).map_err(malformed)?;
        let signed = signed_part(der).map_err(malformed)?.to_vec();
        let tbs = &parsed.tbs_certificate;
        if tbs.version != Version::V3 {
            return Err(Fault::Version);
        }
        for algorithm in [&parsed.signature_algorithm, &tbs.signature] {
            if algorithm.oid != ECDSA_WITH_SHA384 || algorithm.parameters.is_some() {
                return Err(Fault::SignatureAlgorithm { got: algorithm.oid.to_string() });
            }
        }
        let key = VerifyingKey::try_from(tbs.subject_public_key_info.owned_to_ref()).map_err(|_| Fault::Key)?;
        let link = Self { parsed, signed, key };
        link.refuse_unknown_critical()?;
        Ok(link)
    }

    fn refuse_unknown_critical(&self) -> Result<(), Fault> {
        let known = [BasicConstraints::OID, KeyUsage::OID];
        let extensions = self.parsed.tbs_certificate.extensions.iter().flatten();
        let mut unknown = extensions.filter(|extension| extension.critical && !known.contains(&extension.extn_id));
        unknown.next().map_or(Ok(()), |extension| Err(Fault::CriticalExtension(extension.extn_id.to_string())))
    }

    fn issued_by(&self, issuer: &Self) -> Result<(), Fault> {
        let (expected, got) = (&issuer.parsed.tbs_certificate.subject, &self.parsed.tbs_certificate.issuer);
        if expected != got {
            return Err(Fault::Issuer { expected: expected.to_string(), got: got.to_string() });
        }
        let signature = self.parsed.signature.as_bytes().ok_or(Fault::Signature)?;
        let signature = DerSignature::try_from(signature).map_err(|_| Fault::Signature)?;
        issuer.key.verify(&self.signed, &signature).map_err(|_| Fault::Signature)
    }

    /// Both ends of the validity are inside it.
    fn valid_at(&self, now: UnixMs) -> Result<(), Fault> {
        let validity = &self.parsed.tbs_certificate.validity;
        let (from, until) = (validity.not_before.to_unix_duration(), validity.not_after.to_unix_duration());
        let (from, until) = (UnixMs::default().plus(from), UnixMs::default().plus(until));
        if now < from {
            return Err(Fault::NotYetValid { from, now });
        }
        if now.secs() > until.secs() {
            return Err(Fault::Expired { until, now });
        }
        Ok(())
    }

    /// As the issuer of a certificate that has `below` CAs under this one.
    fn may_issue(&self, below: usize) -> Result<(), Fault> {
        let constraints = self.extension::<BasicConstraints>()?.filter(|constraints| constraints.ca);
        let constraints = constraints.ok_or(Fault::NotCa)?;
        if !self.extension::<KeyUsage>()?.is_some_and(|usage| usage.key_cert_sign()) {
            return Err(Fault::KeyUsage { expected: "keyCertSign" });
        }
        match constraints.path_len_constraint.map(usize::from) {
            Some(allowed) if below > allowed => Err(Fault::PathLength { allowed, got: below }),
            _ => Ok(()),
        }
    }

    fn may_sign_documents(&self) -> Result<(), Fault> {
        if self.extension::<BasicConstraints>()?.is_some_and(|constraints| constraints.ca) {
            return Err(Fault::LeafIsCa);
        }
        if !self.extension::<KeyUsage>()?.is_some_and(|usage| usage.digital_signature()) {
            return Err(Fault::KeyUsage { expected: "digitalSignature" });
        }
        Ok(())
    }

    /// A second extension of the same kind is malformed.
    fn extension<'a, T: Decode<'a> + AssociatedOid>(&'a self) -> Result<Option<T>, Fault> {
        let found = self.parsed.tbs_certificate.get::<T>().map_err(|e| Fault::Malformed(e.to_string()))?;
        Ok(found.map(|(_critical, value)| value))
    }
}

/// The signed bytes of a certificate as received: never an encoding of ours.
fn signed_part(der: &[u8]) -> x509_cert::der::Result<&[u8]> {
    let mut reader = SliceReader::new(der)?;
    x509_cert::der::Header::decode(&mut reader)?;
    reader.tlv_bytes()
}
