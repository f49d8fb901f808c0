//! What a chain's own check of a document says.

use super::*;
use crate::testkit::{HOUR_MS, chain, devnet, set};
use ciborium::Value;

fn signed(chain: &Chain, document: &[u8], now: UnixMs) -> Result<SignedDocument, SignedDocumentError> {
    SignedDocument::verify(document, &chain.roots(), now)
}

#[test]
fn whoever_is_in_debug_mode_is_for_the_contract_to_judge() {
    let chain = chain();
    let mut content = chain.content();
    let pcrs = (0..16_u8).map(|index| (Value::from(index), Value::Bytes(vec![0; 48]))).collect();
    set(&mut content, "pcrs", Value::Map(pcrs));
    let document = chain.document(content);
    assert!(matches!(judge(&chain, &document), Err(VerifyError::Debug { index: 0 })));
    let read = signed(&chain, &document, NOW).unwrap();
    assert_eq!((read.pcrs[&0], read.timestamp, read.module_id.as_str()), ([0; 48], NOW, "i-test-enc1"));
    let parts = [read.public_key, read.user_data, read.nonce].map(|part| part.unwrap().len());
    assert_eq!(parts, [32; 3]);
}

#[test]
fn malformed_and_unproven_are_told_apart() {
    let chain = chain();
    let document = chain.document(chain.content());
    assert!(signed(&chain, &document, NOW).is_ok());
    let cut = signed(&chain, &document[1..], NOW);
    assert!(matches!(cut, Err(SignedDocumentError::Malformed(VerifyError::Envelope(_)))), "{cut:?}");
    let late = signed(&chain, &document, UnixMs(NOW.0 + 2 * HOUR_MS));
    assert!(matches!(late, Err(SignedDocumentError::Unproven(VerifyError::Certificate { .. }))), "{late:?}");
    let foreign = SignedDocument::verify(&document, &Roots::for_genesis(&devnet([0xee; 32])), NOW);
    assert!(matches!(foreign, Err(SignedDocumentError::Unproven(VerifyError::UnknownRoot { .. }))), "{foreign:?}");
    let mut forged = document.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(signed(&chain, &forged, NOW), Err(SignedDocumentError::Unproven(VerifyError::Signature)));
}
