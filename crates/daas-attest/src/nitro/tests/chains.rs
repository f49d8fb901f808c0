use super::*;
use crate::CertificateFault as Fault;
use crate::testkit::{Spec, chain, issue, specs};
use rcgen::{BasicConstraints, CustomExtension, IsCa, KeyUsagePurpose};
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
use sha2::{Digest as _, Sha256};
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _};

const LEAF: usize = 4;

fn key_hash(certificate: &[u8]) -> [u8; 32] {
    let certificate = Certificate::from_der(certificate).unwrap();
    Sha256::digest(certificate.tbs_certificate.subject_public_key_info.to_der().unwrap()).into()
}

/// A chain with certificate `index` changed: the verdict on a document it signs.
fn changed(index: usize, change: impl FnOnce(&mut Spec)) -> Result<(), VerifyError> {
    let mut specs = specs();
    change(&mut specs[index]);
    let chain = issue(&specs);
    judge(&chain, &chain.document(chain.content()))
}

fn fault(index: usize, fault: Fault) -> Result<(), VerifyError> {
    Err(VerifyError::Certificate { index, fault })
}

#[test]
fn every_certificate_must_be_valid_now() {
    let (second, ms) = (1000, 1);
    for index in 0..=LEAF {
        assert_eq!(changed(index, |spec| spec.until = NOW), Ok(()));
        let until = UnixMs(NOW.0 - second);
        assert_eq!(changed(index, |spec| spec.until = until), fault(index, Fault::Expired { until, now: NOW }));
        assert_eq!(changed(index, |spec| spec.from = NOW), Ok(()));
        let from = UnixMs(NOW.0 + second);
        assert_eq!(changed(index, |spec| spec.from = from), fault(index, Fault::NotYetValid { from, now: NOW }));
    }
    let chain = chain();
    let before = UnixMs(NOW.0 - crate::testkit::HOUR_MS - ms);
    let refused = verify_document(&chain.document(chain.content()), &chain.roots(), before).unwrap_err();
    assert!(matches!(refused, VerifyError::Certificate { index: 0, fault: Fault::NotYetValid { .. } }));
}

#[test]
fn every_issuer_must_be_a_ca_that_may_sign_certificates() {
    for index in 0..LEAF {
        for not_ca in [IsCa::ExplicitNoCa, IsCa::NoCa] {
            assert_eq!(changed(index, |spec| spec.is_ca = not_ca), fault(index, Fault::NotCa));
        }
        for usages in [vec![], vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::CrlSign]] {
            let expected = fault(index, Fault::KeyUsage { expected: "keyCertSign" });
            assert_eq!(changed(index, |spec| spec.usages = usages), expected);
        }
    }
}

#[test]
fn the_path_length_counts() {
    for (index, below) in [(0, 3), (1, 2), (2, 1)] {
        let limit = |allowed| move |spec: &mut Spec| spec.is_ca = IsCa::Ca(BasicConstraints::Constrained(allowed));
        assert_eq!(changed(index, limit(below)), Ok(()));
        let (allowed, got) = (usize::from(below - 1), usize::from(below));
        assert_eq!(changed(index, limit(below - 1)), fault(index, Fault::PathLength { allowed, got }));
    }
    // One CA more under the last.
    let mut specs = specs();
    specs.insert(LEAF, Spec { name: "more", ..specs[3].clone() });
    let chain = issue(&specs);
    let refused = judge(&chain, &chain.document(chain.content()));
    assert_eq!(refused, fault(1, Fault::PathLength { allowed: 2, got: 3 }));
}

#[test]
fn the_leaf_signs_documents_and_nothing_else() {
    let ca = IsCa::Ca(BasicConstraints::Unconstrained);
    assert_eq!(changed(LEAF, |spec| spec.is_ca = ca), fault(LEAF, Fault::LeafIsCa));
    for usages in [vec![], vec![KeyUsagePurpose::KeyCertSign], vec![KeyUsagePurpose::KeyAgreement]] {
        let expected = fault(LEAF, Fault::KeyUsage { expected: "digitalSignature" });
        assert_eq!(changed(LEAF, |spec| spec.usages = usages), expected);
    }
}

#[test]
fn names_and_signatures_chain() {
    for index in 1..=LEAF {
        let name = changed(index, |spec| spec.issuer_name = Some("someone else")).unwrap_err();
        assert!(matches!(name, VerifyError::Certificate { index: i, fault: Fault::Issuer { .. } } if i == index));
        let key = changed(index, |spec| spec.issuer_key = Some(&PKCS_ECDSA_P384_SHA384));
        assert_eq!(key, fault(index, Fault::Signature));
    }
    // A certificate left out, two exchanged.
    for change in [|c: &mut Vec<Vec<u8>>| drop(c.remove(2)), |c: &mut Vec<Vec<u8>>| c.swap(1, 2)] {
        let mut chain = chain();
        change(&mut chain.certificates);
        let refused = judge(&chain, &chain.document(chain.content())).unwrap_err();
        assert!(matches!(refused, VerifyError::Certificate { fault: Fault::Issuer { .. }, .. }), "{refused}");
    }
}

#[test]
fn only_p384_with_sha384_signs() {
    let algorithm = |oid: &str| Fault::SignatureAlgorithm { got: oid.to_owned() };
    for index in 1..=LEAF {
        let p256 = changed(index, |spec| spec.issuer_key = Some(&PKCS_ECDSA_P256_SHA256));
        assert_eq!(p256, fault(index, algorithm("1.2.840.10045.4.3.2")));
        let ed25519 = changed(index, |spec| spec.issuer_key = Some(&PKCS_ED25519));
        assert_eq!(ed25519, fault(index, algorithm("1.3.101.112")));
    }
    for key in [&PKCS_ECDSA_P256_SHA256, &PKCS_ED25519] {
        // Only the leaf's key type can be wrong without a certificate above it having a wrong signature.
        let mut specs = specs();
        specs[LEAF].key = key;
        let chain = issue(&specs);
        let (leaf, bundle) = chain.certificates.split_last().unwrap();
        let refused = chain::verify(bundle, leaf, &chain.roots(), NOW).map(|_| ());
        assert_eq!(refused, fault(LEAF, Fault::Key));
    }
}

#[test]
fn unknown_critical_and_doubled_extensions_are_refused() {
    let extension = |oid: &[u64], critical| {
        let mut extension = CustomExtension::from_oid_content(oid, vec![0x30, 0x00]);
        extension.set_criticality(critical);
        vec![extension]
    };
    for index in 0..=LEAF {
        let refused = changed(index, |spec| spec.extensions = extension(&[1, 2, 3, 4], true));
        assert_eq!(refused, fault(index, Fault::CriticalExtension("1.2.3.4".to_owned())));
        assert_eq!(changed(index, |spec| spec.extensions = extension(&[1, 2, 3, 4], false)), Ok(()));
        let doubled = changed(index, |spec| spec.extensions = extension(&[2, 5, 29, 19], true)).unwrap_err();
        assert!(matches!(doubled, VerifyError::Certificate { index: i, fault: Fault::Malformed(_) } if i == index));
    }
}

#[test]
fn the_root_must_be_pinned_and_sign_itself() {
    let (trusted, foreign) = (chain(), chain());
    let refused = judge(&trusted, &foreign.document(foreign.content())).unwrap_err();
    assert!(matches!(refused, VerifyError::UnknownRoot { .. }), "{refused}");

    // A pinned key whose certificate another key signed, under another name and under the same.
    for (name, expected) in [("region", None), ("root", Some(Fault::Signature))] {
        let mut specs = specs();
        specs[1] = Spec { name, is_ca: specs[0].is_ca, ..specs[1].clone() };
        let mut chain = issue(&specs);
        chain.certificates.remove(0);
        chain.root_key = key_hash(&chain.certificates[0]);
        let refused = judge(&chain, &chain.document(chain.content())).unwrap_err();
        let VerifyError::Certificate { index: 0, fault } = refused else { panic!("{refused}") };
        assert!(expected.map_or(matches!(fault, Fault::Issuer { .. }), |expected| fault == expected), "{fault}");
    }

    let garbage = chain::verify(&[b"no certificate".to_vec()], b"", &trusted.roots(), NOW).map(|_| ());
    assert!(matches!(garbage, Err(VerifyError::UnknownRoot { .. })));
}

#[test]
fn certificates_are_der_to_their_end() {
    for index in 1..=LEAF {
        let mut chain = chain();
        chain.certificates[index].push(0);
        let refused = judge(&chain, &chain.document(chain.content())).unwrap_err();
        assert!(matches!(refused, VerifyError::Certificate { index: i, fault: Fault::Malformed(_) } if i == index));
    }
}
