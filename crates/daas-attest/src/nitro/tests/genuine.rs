//! Public documents made by AWS, see `tests/fixtures/PROVENANCE.md`.

use super::*;
use crate::CertificateFault as Fault;
use proptest::prelude::*;

const EU: &[u8] = include_bytes!("../../../tests/fixtures/eu-central-1-2025-01.cose");
/// Indefinite-length map, PCR16.
const AP: &[u8] = include_bytes!("../../../tests/fixtures/ap-south-1-2025-11.cose");
/// Debug mode.
const US: &[u8] = include_bytes!("../../../tests/fixtures/us-east-1-2024-11.cose");

const EU_TIME: UnixMs = UnixMs(1_736_179_625_472);
const AP_TIME: UnixMs = UnixMs(1_762_795_210_812);
const US_TIME: UnixMs = UnixMs(1_731_627_989_450);
const HOURS_4: u64 = 4 * 3_600_000;

fn verified(bytes: &[u8], now: UnixMs) -> Document {
    let (document, level) = verify_document(bytes, &Roots::aws(), now).unwrap();
    assert_eq!(level, SecurityLevel::Nitro);
    document
}

#[test]
fn they_hold_at_their_own_time() {
    let eu = verified(EU, EU_TIME);
    assert_eq!(eu.module_id, "i-0bee92034f3d60691-enc01943c5eaab3ad6a");
    assert_eq!(eu.timestamp, EU_TIME);
    let pcr = |document: &Document, index: u8| hex::encode(document.pcrs[&index]);
    assert!(pcr(&eu, 0).starts_with("8bb159f202bb95d6d4d98e0e103918246cea734f1d57cd26"));
    assert!(pcr(&eu, 1).starts_with("3b4a7e1b5f13c5a1000b3ed32ef8995ee13e9876329f9bc7"));
    assert!(pcr(&eu, 2).starts_with("f4e86b12ad3df5f9fea962ff706c23ee190b463740a32f1a"));
    assert!(pcr(&eu, 3).starts_with("957daeb0196a044bd93133dc03d41017db77bacb95d21c41"));
    assert_eq!(eu.public_key.as_ref().map(Vec::len), Some(294));
    assert_eq!((eu.user_data.as_ref(), eu.nonce.as_ref()), (None, None));

    let ap = verified(AP, AP_TIME);
    assert_eq!(ap.module_id, "i-06fb0bf4e70d5129f-enc019a5376999041b1");
    assert_eq!(ap.pcrs.len(), 17);
    assert!(pcr(&ap, 0).starts_with("3aa0e6e6ed7d8301655fced7e6ddcc443a3e57bf62f070ca"));
    assert!(pcr(&ap, 16).starts_with("28827566f8b004a75ccd77ffab1813059cfc384b3b23f926"));
    // Zero PCRs stay in the map: absent and zero are not the same.
    assert_eq!(ap.pcrs[&3], [0; 48]);
    assert_eq!(ap.user_data.as_deref(), Some(b"".as_slice()));
}

#[test]
fn debug_mode_is_refused_though_its_chain_holds() {
    let (_, document) = open(US).unwrap();
    assert!(document.pcrs[&4].iter().any(|byte| *byte != 0));
    chain::verify(&document.cabundle, &document.certificate, &Roots::aws(), US_TIME).unwrap();
    let refused = verify_document(US, &Roots::aws(), US_TIME).map(|_| ());
    assert_eq!(refused, Err(VerifyError::Debug { index: 0 }));
}

#[test]
fn four_hours_off_their_certificates_are_not_valid() {
    for (bytes, time) in [(EU, EU_TIME), (AP, AP_TIME)] {
        let late = verify_document(bytes, &Roots::aws(), UnixMs(time.0 + HOURS_4)).unwrap_err();
        assert!(matches!(late, VerifyError::Certificate { index: 4, fault: Fault::Expired { .. } }), "{late}");
        let early = verify_document(bytes, &Roots::aws(), UnixMs(time.0 - HOURS_4)).unwrap_err();
        assert!(matches!(early, VerifyError::Certificate { fault: Fault::NotYetValid { .. }, .. }), "{early}");
    }
}

#[test]
fn a_flipped_signature_bit_is_refused() {
    for (bytes, time) in [(EU, EU_TIME), (AP, AP_TIME)] {
        let mut flipped = bytes.to_vec();
        *flipped.last_mut().unwrap() ^= 1;
        let refused = verify_document(&flipped, &Roots::aws(), time).map(|_| ());
        assert_eq!(refused, Err(VerifyError::Signature));
    }
}

#[test]
fn trailing_bytes_are_refused() {
    for tail in [&b"\0"[..], b"\xf6", AP] {
        let refused = verify_document(&[AP, tail].concat(), &Roots::aws(), AP_TIME).unwrap_err();
        assert!(matches!(refused, VerifyError::Envelope(_)), "{refused}");
    }
}

#[test]
fn what_they_claim_can_be_read_without_a_verdict() {
    let claims = UnverifiedDocument::read(US, &Roots::aws()).unwrap();
    assert_eq!(claims.module_id, "i-0f73a4b4cb74cc9f2-enc0192e4188fef781d");
    assert_eq!(claims.level, Some(SecurityLevel::Nitro));
    assert_eq!(claims.signature.as_slice(), &US[US.len() - 96..]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_flipped_bit_is_refused(bit in 0..AP.len() * 8) {
        let mut flipped = AP.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(verify_document(&flipped, &Roots::aws(), AP_TIME).is_err());
    }

    #[test]
    fn any_cut_is_refused(len in 0..EU.len()) {
        prop_assert!(verify_document(&EU[..len], &Roots::aws(), EU_TIME).is_err());
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = verify_document(&bytes, &Roots::aws(), EU_TIME);
        let _ = Document::read(&bytes);
        let _ = chain::verify(std::slice::from_ref(&bytes), &bytes, &Roots::aws(), EU_TIME);
    }

    #[test]
    fn no_damaged_payload_panics(at in 0..4400_usize, bytes in proptest::collection::vec(any::<u8>(), 1..6)) {
        let payload = open(AP).unwrap().0.payload.unwrap();
        let mut damaged = payload.clone();
        let at = at.min(damaged.len() - bytes.len());
        damaged[at..at + bytes.len()].copy_from_slice(&bytes);
        if let Ok(document) = Document::read(&damaged) {
            let _ = chain::verify(&document.cabundle, &document.certificate, &Roots::aws(), AP_TIME);
        }
    }
}
