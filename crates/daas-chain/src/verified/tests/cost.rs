//! What a checkpoint costs to verify: `cargo test --release -p daas-chain -- --ignored --nocapture verified::tests::cost`.

use super::*;
use std::hint::black_box;
use sui_crypto::bls12381::{Bls12381PrivateKey, ValidatorCommitteeSignatureAggregator};
use sui_sdk_types::{ValidatorCommittee, ValidatorCommitteeMember};
use tokio::time::Instant;

const TIMES: u32 = 200;

fn measure(what: &str, claim: &Claim, committee: &Committee) {
    let start = Instant::now();
    for _ in 0..TIMES {
        black_box(prove(1, black_box(claim), committee).unwrap());
    }
    println!("{what}: {} µs", (start.elapsed() / TIMES).as_micros());
}

#[test]
#[ignore = "prints figures and checks nothing"]
fn of_a_checkpoint() {
    for count in [0, 10, 100, 1000] {
        let mut chain = TestChain::new(1);
        let transactions: Vec<_> = (0..count).map(transaction).collect();
        let claim = chain.append(T0, &transactions, false);
        measure(&format!("1 validator, {count} transactions"), &claim, &chain.committees().of_epoch(0).unwrap());
    }
    let keys: Vec<_> = (1..=120)
        .map(|n| {
            let mut scalar = [0; 32];
            scalar[31] = n;
            Bls12381PrivateKey::new(scalar).unwrap()
        })
        .collect();
    let member = |key: &Bls12381PrivateKey| ValidatorCommitteeMember { public_key: key.public_key(), stake: 83 };
    let committee = ValidatorCommittee { epoch: 0, members: keys.iter().map(member).collect() };
    let mut claim = TestChain::new(1).append(T0, &[transaction(1)], false);
    let summary = claim.signed_summary().unwrap().checkpoint;
    let mut votes = ValidatorCommitteeSignatureAggregator::new_checkpoint_summary(committee.clone(), &summary).unwrap();
    for key in &keys {
        votes.add_signature(key.sign_checkpoint_summary(&summary)).unwrap();
    }
    let signature = votes.finish().unwrap();
    let mut bitmap = Vec::new();
    signature.bitmap.serialize_into(&mut bitmap).unwrap();
    let bytes = signature.signature.as_bytes().to_vec().into();
    claim.signature = Some(ClaimedSignature { epoch: 0, signature: bytes, bitmap: bitmap.into() });
    let start = Instant::now();
    let committee = Committee::new(committee).unwrap();
    println!("a committee of 120, once an epoch: {} µs", start.elapsed().as_micros());
    measure("120 validators, 1 transaction", &claim, &committee);
}
