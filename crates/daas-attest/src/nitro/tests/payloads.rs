use super::*;
use crate::testkit::{cbor, chain, set};
use ciborium::Value;

fn changed(chain: &Chain, key: &str, value: Value) -> Result<(), VerifyError> {
    let mut content = chain.content();
    set(&mut content, key, value);
    judge(chain, &chain.document(content))
}

fn pcrs(entries: Vec<(u64, usize, u8)>) -> Value {
    Value::Map(entries.into_iter().map(|(i, len, fill)| (i.into(), Value::Bytes(vec![fill; len]))).collect())
}

fn length(field: &'static str, expected: &'static str, got: usize) -> Result<(), VerifyError> {
    Err(VerifyError::Length { field, expected, got })
}

#[test]
fn indefinite_maps_and_arrays_are_read() {
    let chain = chain();
    let mut payload = vec![0xbf];
    for (key, value) in chain.content() {
        payload.extend(cbor(&key));
        match value {
            Value::Map(entries) => {
                payload.push(0xbf);
                payload.extend(entries.iter().flat_map(|(k, v)| [cbor(k), cbor(v)].concat()));
                payload.push(0xff);
            }
            Value::Array(elements) => {
                payload.push(0x9f);
                payload.extend(elements.iter().flat_map(cbor));
                payload.push(0xff);
            }
            other => payload.extend(cbor(&other)),
        }
    }
    let open = payload.clone();
    payload.push(0xff);
    assert_eq!(judge(&chain, &chain.sign(&payload)), Ok(()));
    assert!(matches!(judge(&chain, &chain.sign(&open)), Err(VerifyError::Payload { .. })));
    payload.push(0xff);
    assert!(matches!(judge(&chain, &chain.sign(&payload)), Err(VerifyError::Payload { .. })));
}

#[test]
fn keys_stand_once_and_are_known() {
    let chain = chain();
    for index in 0..chain.content().len() {
        let mut content = chain.content();
        let entry = content[index].clone();
        let key = entry.0.as_text().unwrap().to_owned();
        content.push(entry);
        assert_eq!(judge(&chain, &chain.document(content)), Err(VerifyError::DuplicateKey(key)));
    }
    let mut content = chain.content();
    content.push(("extra".into(), Value::Null));
    assert_eq!(judge(&chain, &chain.document(content)), Err(VerifyError::UnknownKey("extra".to_owned())));
    let mut content = chain.content();
    content.push((Value::Bytes(b"nonce".to_vec()), Value::Null));
    assert!(matches!(judge(&chain, &chain.document(content)), Err(VerifyError::Payload { .. })));
}

#[test]
fn what_must_be_there_is() {
    let chain = chain();
    for key in ["module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle"] {
        let content = chain.content().into_iter().filter(|(k, _)| k.as_text() != Some(key)).collect();
        assert_eq!(judge(&chain, &chain.document(content)), Err(VerifyError::MissingKey(key)));
        assert!(matches!(changed(&chain, key, Value::Null), Err(VerifyError::Payload { .. })), "{key}");
    }
}

#[test]
fn fields_have_their_types_and_sizes() {
    let chain = chain();
    let bytes = |len| Value::Bytes(vec![1; len]);
    assert_eq!(changed(&chain, "digest", "SHA256".into()), Err(VerifyError::Digest { got: "SHA256".to_owned() }));
    assert_eq!(changed(&chain, "module_id", "".into()), length("module_id", "1..=256", 0));
    assert_eq!(changed(&chain, "public_key", bytes(1025)), length("public_key", "0..=1024", 1025));
    assert_eq!(changed(&chain, "user_data", bytes(513)), length("user_data", "0..=512", 513));
    assert_eq!(changed(&chain, "nonce", bytes(513)), length("nonce", "0..=512", 513));
    assert_eq!(changed(&chain, "nonce", bytes(512)), Ok(()));
    assert_eq!(changed(&chain, "certificate", bytes(1025)), length("certificate", "1..=1024", 1025));
    assert_eq!(changed(&chain, "cabundle", Value::Array(vec![])), length("cabundle", "1..=9", 0));
    let many = chain.certificates.iter().cycle().take(10).map(|der| Value::Bytes(der.clone())).collect();
    assert_eq!(changed(&chain, "cabundle", Value::Array(many)), length("cabundle", "1..=9", 10));
    for (key, wrong) in [("timestamp", Value::from(-1)), ("timestamp", "1".into()), ("nonce", "text".into())] {
        assert!(matches!(changed(&chain, key, wrong), Err(VerifyError::Payload { .. })), "{key}");
    }
}

#[test]
fn pcrs_are_taken_by_index() {
    let chain = chain();
    let pcr = |entries| changed(&chain, "pcrs", pcrs(entries));
    // Neither order nor gaps matter; zero above PCR2 does not either.
    assert_eq!(pcr(vec![(31, 48, 0), (2, 48, 3), (0, 48, 1), (1, 48, 2)]), Ok(()));
    assert_eq!(pcr(vec![(0, 48, 1), (2, 48, 1)]), Err(VerifyError::MissingKey("PCR1")));
    assert_eq!(pcr(vec![(0, 48, 1), (1, 48, 1), (2, 48, 1), (32, 48, 1)]), Err(VerifyError::PcrIndex { got: 32 }));
    assert_eq!(pcr(vec![(256, 48, 1)]), Err(VerifyError::PcrIndex { got: 256 }));
    assert_eq!(pcr(vec![(0, 48, 1), (0, 48, 2)]), Err(VerifyError::DuplicateKey("PCR0".to_owned())));
    assert_eq!(pcr(vec![(0, 32, 1)]), length("PCR", "48", 32));
}

#[test]
fn any_zero_measurement_is_debug_mode() {
    let chain = chain();
    for index in 0..3_u8 {
        let fill = |i: u8| u8::from(i != index);
        let entries = (0..5).map(|i| (u64::from(i), 48, fill(i))).collect();
        assert_eq!(changed(&chain, "pcrs", pcrs(entries)), Err(VerifyError::Debug { index }));
    }
}

#[test]
fn claimed_lengths_are_not_believed() {
    let chain = chain();
    for hex in [
        "bbffffffffffffffff",
        "bf697369676e6174757265",
        "a1695baaffffffffffffffff",
        "a1656e6f6e63655bffffffffffffffff",
        "a168636162756e646c659bffffffffffffffff",
        "a1656e6f6e63655fff",
        "a1",
        "bc",
        "ff",
    ] {
        let payload = hex::decode(hex).unwrap();
        let refused = judge(&chain, &chain.sign(&payload)).unwrap_err();
        assert!(matches!(refused, VerifyError::Payload { .. } | VerifyError::UnknownKey(_)), "{hex}: {refused}");
    }
}
