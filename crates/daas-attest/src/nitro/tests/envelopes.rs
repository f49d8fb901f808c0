use super::*;
use crate::testkit::{cbor, chain};
use ciborium::Value;

fn payload(chain: &Chain) -> Vec<u8> {
    cbor(&Value::Map(chain.content()))
}

#[test]
fn only_es384_is_accepted() {
    let chain = chain();
    let payload = payload(&chain);
    let sign = |protected: &[u8]| chain.envelope(protected, Value::Map(vec![]), &payload);
    assert_eq!(judge(&chain, &sign(&PROTECTED)), Ok(()));
    // ES256, EdDSA, the value of an unsigned emulator, no header, one parameter more, another spelling.
    for hex in ["a10126", "a10127", "a10120", "", "a0", "a201382204", "a2013822044131", "bf013822ff", "a1183801"] {
        let refused = judge(&chain, &sign(&hex::decode(hex).unwrap())).unwrap_err();
        let expected = matches!(refused, VerifyError::Algorithm { .. } | VerifyError::Envelope(_));
        assert!(expected, "{hex}: {refused}");
    }
    let refused = judge(&chain, &sign(&hex::decode("a10126").unwrap()));
    assert_eq!(refused, Err(VerifyError::Algorithm { got: "a10126".to_owned() }));
}

#[test]
fn an_unprotected_header_is_refused() {
    let chain = chain();
    let header = Value::Map(vec![(4.into(), Value::Bytes(vec![1]))]);
    let document = chain.envelope(&PROTECTED, header, &payload(&chain));
    assert_eq!(judge(&chain, &document), Err(VerifyError::UnprotectedHeader));
}

#[test]
fn a_document_has_one_encoding() {
    let chain = chain();
    let document = chain.document(chain.content());
    assert_eq!(judge(&chain, &document), Ok(()));
    let spelled = [
        [b"\xd2", document.as_slice()].concat(),     // tagged
        [b"\x9f", &document[1..], b"\xff"].concat(), // an indefinite array
        [b"\x98\x04", &document[1..]].concat(),      // a long count
        [b"\x84\x58\x04", &document[2..]].concat(),  // a long length
        [b"\x85", &document[1..], b"\xf6"].concat(), // one element more
        [document.as_slice(), b"\0"].concat(),       // trailing
    ];
    for bytes in spelled {
        let refused = judge(&chain, &bytes).unwrap_err();
        assert!(matches!(refused, VerifyError::Envelope(_)), "{refused}");
    }
}

#[test]
fn sizes_are_bounded() {
    let chain = chain();
    let big = chain.sign(&vec![0xa0; MAX_PAYLOAD + 1]);
    let length = |field, expected, got| Err(VerifyError::Length { field, expected, got });
    assert_eq!(judge(&chain, &big), length("payload", "1..=16384", MAX_PAYLOAD + 1));
    let huge = vec![0; MAX_DOCUMENT + 1];
    assert_eq!(judge(&chain, &huge), length("document", "1..=16512", MAX_DOCUMENT + 1));
    assert_eq!(judge(&chain, &[]), length("document", "1..=16512", 0));
    assert_eq!(judge(&chain, &chain.sign(&[])), length("payload", "1..=16384", 0));

    let unsigned = |signature: Vec<u8>| {
        let bytes = |b: &[u8]| Value::Bytes(b.to_vec());
        cbor(&Value::Array(vec![
            bytes(&PROTECTED),
            Value::Map(vec![]),
            bytes(&payload(&chain)),
            Value::Bytes(signature),
        ]))
    };
    assert_eq!(judge(&chain, &unsigned(vec![1; 95])), length("signature", "96", 95));
    assert_eq!(judge(&chain, &unsigned(vec![])), length("signature", "96", 0));
    assert_eq!(judge(&chain, &unsigned(vec![0; 96])), Err(VerifyError::Signature));
    assert_eq!(judge(&chain, &unsigned(vec![0xff; 96])), Err(VerifyError::Signature));
}

#[test]
fn another_leafs_signature_is_refused() {
    let (a, b) = (chain(), chain());
    assert_eq!(judge(&a, &b.document(a.content())), Err(VerifyError::Signature));
}
