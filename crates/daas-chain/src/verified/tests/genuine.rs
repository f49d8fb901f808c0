//! A checkpoint that the real node software made and four validators signed: this crate's idea of signing messages, digests
//! and bitmaps is theirs.

use super::*;
use crate::verified::checkpoint::{digest, effects_of};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::Value;

const SEQUENCE: u64 = 1137;
const CLOCK: Address = Address::from_static("0x6");

fn part(value: &Value) -> Bytes {
    STANDARD.decode(value.as_str().unwrap()).unwrap().into()
}

fn file() -> Value {
    serde_json::from_str(include_str!("checkpoint_1137.json")).unwrap()
}

fn served() -> (Committee, Claim) {
    let file = file();
    let committee = Committee::new(bcs::from_bytes(&part(&file["committee"])).unwrap()).unwrap();
    let signature = &file["signature"];
    let signature = ClaimedSignature {
        epoch: signature["epoch"].as_u64().unwrap(),
        signature: part(&signature["signature"]),
        bitmap: part(&signature["bitmap"]),
    };
    let effects = file["effects"].as_array().unwrap().iter();
    let transactions = effects.map(|effects| ClaimedTransaction { effects: Some(part(effects)), events: None });
    let claim = Claim {
        summary: Some(part(&file["summary"])),
        signature: Some(signature),
        contents: Some(part(&file["contents"])),
        transactions: transactions.collect(),
    };
    (committee, claim)
}

#[test]
fn what_real_validators_signed_is_believed() {
    let (committee, claim) = served();
    let header = Header::prove(SEQUENCE, &claim, &committee).unwrap();
    assert_eq!(header.summary().sequence_number, SEQUENCE);
    let summary = claim.summary.as_ref().unwrap();
    assert_eq!(header.summary().digest(), digest("CheckpointSummary::", summary));
    let committed = header.into_effects();
    assert_eq!(committed.len(), 9);
    for transaction in &claim.transactions {
        let served = transaction.effects.as_ref();
        let effects: sui_sdk_types::TransactionEffects = bcs::from_bytes(served.unwrap()).unwrap();
        let transaction = *effects.transaction_digest();
        assert_eq!(effects_of(transaction, committed[&transaction], served).unwrap(), effects);
    }
    // The file has four of them only, which is not enough to believe that it has all events.
    let refused = prove(SEQUENCE, &claim, &committee).unwrap_err().check;
    assert!(matches!(refused, Check::TransactionHidden { .. }), "{refused}");
}

#[test]
fn an_object_that_a_real_transaction_wrote_is_believed() {
    let (committee, claim) = served();
    let committed = Header::prove(SEQUENCE, &claim, &committee).unwrap().into_effects();
    let effects = claim.transactions[0].effects.as_ref();
    let decoded: sui_sdk_types::TransactionEffects = bcs::from_bytes(effects.unwrap()).unwrap();
    let object =
        ClaimedObject { id: CLOCK, bytes: part(&file()["object"]), transaction: *decoded.transaction_digest() };
    let done = ProvenEffects::prove(SEQUENCE, object.transaction, &committed, effects).unwrap();
    let proven = object.prove(&done).unwrap();
    assert_eq!(proven.object().object_id(), CLOCK);
    let mut earlier = object.bytes.to_vec();
    *earlier.last_mut().unwrap() ^= 1;
    let refused = ClaimedObject { bytes: earlier.into(), ..object }.prove(&done).unwrap_err();
    assert!(matches!(refused.check, Check::Unwritten { id: CLOCK, .. }), "{refused}");
}

#[test]
fn what_they_did_not_sign_is_not() {
    let (committee, claim) = served();
    let refused = |lie: &Claim| Header::prove(SEQUENCE, lie, &committee).unwrap_err().check;
    let mut lie = claim.clone();
    let mut summary = lie.summary.take().unwrap().to_vec();
    *summary.last_mut().unwrap() ^= 1;
    lie.summary = Some(summary.into());
    assert!(matches!(refused(&lie), Check::Signature { .. }));
    // Three of the four signed. Said to be by all, or by two of them, it does not add up.
    for signers in [vec![0, 1, 2, 3], vec![2, 3], vec![0, 1, 2], vec![1, 2, 4]] {
        let mut bitmap = sui_sdk_types::Bitmap::new();
        for signer in &signers {
            bitmap.insert(*signer);
        }
        let mut bytes = Vec::new();
        bitmap.serialize_into(&mut bytes).unwrap();
        let mut lie = claim.clone();
        lie.signature.as_mut().unwrap().bitmap = bytes.into();
        assert!(matches!(refused(&lie), Check::Signature { .. }), "{signers:?}");
    }
}
