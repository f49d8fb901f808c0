//! From the pinned committee to later ones.

use super::*;
use daas_types::genesis::{Genesis, MAINNET};
use sui_sdk_types::{SignedCheckpointSummary, ValidatorCommittee};

/// Two epochs with two checkpoints each, and the first checkpoint of a third.
fn three_epochs(chain: &mut TestChain) -> Vec<Claim> {
    let mut claims = vec![];
    for n in 0..5 {
        claims.push(chain.append(T0, &[transaction(n)], n % 2 == 1));
    }
    claims
}

fn signed(chain: &TestChain, change: impl FnOnce(&mut sui_sdk_types::CheckpointSummary)) -> SignedCheckpointSummary {
    let mut checkpoint = chain.last().clone();
    change(&mut checkpoint);
    let claim = Claim {
        summary: Some(bcs::to_bytes(&checkpoint).unwrap().into()),
        signature: Some(chain.sign(&checkpoint)),
        ..Claim::default()
    };
    claim.signed_summary().unwrap()
}

fn pinned(chain: &TestChain) -> Committees {
    Committees::pinned(chain.genesis()).unwrap().unwrap()
}

#[test]
fn each_epochs_last_checkpoint_names_the_next_committee() {
    let mut chain = TestChain::new(1);
    let claims = three_epochs(&mut chain);
    let known = pinned(&chain);
    assert_eq!((known.first_epoch(), known.last_epoch()), (0, 0));
    for (sequence, claim) in (1..).zip(&claims) {
        let committee = known.of_epoch(claim.epoch().unwrap()).unwrap();
        let proven = prove(sequence, claim, &committee).unwrap();
        if let Some(end) = proven.end_of_epoch() {
            known.advance(end.clone()).unwrap();
        }
    }
    assert_eq!((known.first_epoch(), known.last_epoch()), (0, 2));
    // What was kept of it leads there again.
    let again = pinned(&chain);
    known.ends_from(0).into_iter().for_each(|end| again.advance(end).unwrap());
    assert_eq!(again.last_epoch(), 2);
    assert_eq!(known.ends_from(1).len(), 1);
}

#[test]
fn nobody_else_names_a_committee() {
    let mut chain = TestChain::new(1);
    three_epochs(&mut chain);
    let ends = chain.committees().ends_from(0);
    let known = pinned(&chain);
    let refused = |end: SignedCheckpointSummary| known.advance(end).unwrap_err().check;
    // An epoch that was not reached yet.
    assert_eq!(refused(ends[1].clone()), Check::UnknownCommittee { epoch: 1, pinned: 0 });
    // A committee of the server's own.
    let mut forged = ends[0].clone();
    let stranger = TestChain::new(2);
    let data = forged.checkpoint.end_of_epoch_data.as_mut().unwrap();
    data.next_epoch_committee = stranger.genesis().committee().unwrap().members.clone();
    let altered = refused(forged.clone());
    assert!(matches!(altered, Check::Signature { epoch: 0, .. }), "{altered}");
    forged.signature = signed(&stranger, |summary| *summary = forged.checkpoint.clone()).signature;
    let altered = refused(forged);
    assert!(matches!(altered, Check::Signature { epoch: 0, .. }), "{altered}");
    // A checkpoint in the middle of an epoch.
    let chain = TestChain::new(1);
    assert_eq!(refused(signed(&chain, |_| ())), Check::EndOfEpoch { epoch: 0 });
    assert_eq!(known.last_epoch(), 0);
}

#[test]
fn an_epoch_is_not_signed_by_anothers_committee() {
    let mut chain = TestChain::new(1);
    let claims = three_epochs(&mut chain);
    let (first, second) = (chain.committees().of_epoch(0).unwrap(), chain.committees().of_epoch(1).unwrap());
    let check = |sequence, claim, committee: &Committee| prove(sequence, claim, committee).unwrap_err().check;
    assert_eq!(check(3, &claims[2], &first), Check::Epoch { expected: 0, got: 1 });
    assert_eq!(check(1, &claims[0], &second), Check::Epoch { expected: 1, got: 0 });
}

#[test]
fn a_committee_has_keys_and_stake() {
    let chain = TestChain::new(1);
    let good = chain.genesis().committee().unwrap().clone();
    let bad = |change: fn(&mut ValidatorCommittee)| {
        let mut committee = good.clone();
        change(&mut committee);
        assert!(matches!(Committee::new(committee), Err(Check::Committee(_))));
    };
    bad(|committee| committee.members.clear());
    bad(|committee| committee.members[0].stake = 0);
    bad(|committee| {
        committee.members.push(committee.members[0].clone());
        committee.members[1].stake = u64::MAX;
    });
    bad(|committee| committee.members[0].public_key = sui_sdk_types::Bls12381PublicKey::new([7; 96]));
    assert!(Committees::pinned(&Genesis::of_digest(MAINNET.parse().unwrap())).is_none());
    // A quorum is two thirds.
    let mut joint = good;
    joint.members.extend(TestChain::new(2).genesis().committee().unwrap().members.clone());
    joint.members[1].stake = joint.members[0].stake / 2 + 4;
    let alone = signed(&chain, |_| ());
    let check = |committee| Committee::new(committee).unwrap().check(&alone.checkpoint, &alone.signature);
    let refused = check(joint.clone()).unwrap_err();
    assert!(matches!(&refused, Check::Signature { cause, .. } if cause.contains("weight")), "{refused}");
    joint.members[1].stake = joint.members[0].stake / 2;
    check(joint).unwrap();
}
