//! Bytes that nobody made sense of.

use super::*;
use bytes::Bytes;
use proptest::prelude::*;
use std::sync::{Arc, LazyLock};

struct Truth {
    claim: Claim,
    committee: Arc<Committee>,
    proven: VerifiedCheckpoint,
}

static TRUTH: LazyLock<Truth> = LazyLock::new(|| {
    let mut chain = TestChain::new(1);
    let claim = chain.append(T0, &[transaction(1), transaction(2)], true);
    let proven = verified(&chain, 1, &claim).unwrap();
    Truth { claim, committee: chain.committees().of_epoch(0).unwrap(), proven }
});

/// The parts of a claim that are bytes.
#[derive(Clone, Copy, Debug)]
enum Part {
    Summary,
    Signature,
    Bitmap,
    Contents,
    Effects,
    Events,
}

const PARTS: [Part; 6] = [Part::Summary, Part::Signature, Part::Bitmap, Part::Contents, Part::Effects, Part::Events];

fn part(claim: &mut Claim, part: Part) -> &mut Bytes {
    let first = &mut claim.transactions[0];
    match part {
        Part::Summary => claim.summary.as_mut().unwrap(),
        Part::Signature => &mut claim.signature.as_mut().unwrap().signature,
        Part::Bitmap => &mut claim.signature.as_mut().unwrap().bitmap,
        Part::Contents => claim.contents.as_mut().unwrap(),
        Part::Effects => first.effects.as_mut().unwrap(),
        Part::Events => first.events.as_mut().unwrap(),
    }
}

fn prove_it(claim: &Claim) -> Result<VerifiedCheckpoint, ProofError> {
    Ok(prove(1, claim, &TRUTH.committee)?.read(&Packages::of(PACKAGE)).unwrap())
}

proptest! {
    #[test]
    fn no_bit_may_be_another(which in prop::sample::select(&PARTS[..]), at: prop::sample::Index, bit in 0..8_u8) {
        let mut claim = TRUTH.claim.clone();
        let bytes = part(&mut claim, which);
        let mut changed = bytes.to_vec();
        let at = at.index(changed.len());
        changed[at] ^= 1 << bit;
        *bytes = changed.into();
        match (which, prove_it(&claim)) {
            // Some bits of a bitmap say where its parts are, which is plain without them.
            (Part::Bitmap, Ok(checkpoint)) => prop_assert_eq!(&checkpoint, &TRUTH.proven),
            (_, Ok(_)) => prop_assert!(false, "believed"),
            (_, Err(_)) => {}
        }
    }

    #[test]
    fn no_bytes_are_believed_or_fatal(
        which in prop::sample::select(&PARTS[..]),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut claim = TRUTH.claim.clone();
        *part(&mut claim, which) = bytes.into();
        prop_assert!(prove_it(&claim).is_err());
    }

    #[test]
    fn no_part_may_end_early(which in prop::sample::select(&PARTS[..]), end: prop::sample::Index, more: bool) {
        let mut claim = TRUTH.claim.clone();
        let bytes = part(&mut claim, which);
        let end = end.index(bytes.len());
        *bytes = if more { [bytes.as_ref(), &bytes[end..]].concat().into() } else { bytes.slice(..end) };
        match (which, prove_it(&claim)) {
            // What follows a bitmap is not looked at.
            (Part::Bitmap, Ok(checkpoint)) if more => prop_assert_eq!(&checkpoint, &TRUTH.proven),
            (_, Ok(_)) => prop_assert!(false, "believed"),
            (_, Err(_)) => {}
        }
    }
}

/// A summary that says it has 2³² commitments, or the like, costs what it is long.
#[test]
fn a_huge_number_is_refused_at_once() {
    for which in PARTS {
        let mut claim = TRUTH.claim.clone();
        let bytes = part(&mut claim, which);
        let mut huge = bytes.to_vec();
        for at in 0..huge.len().saturating_sub(5) {
            let kept = huge[at..at + 5].to_vec();
            huge[at..at + 5].copy_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
            *part(&mut claim, which) = huge.clone().into();
            if let Ok(checkpoint) = prove_it(&claim) {
                assert_eq!(checkpoint, TRUTH.proven, "{which:?} {at}");
            }
            huge[at..at + 5].copy_from_slice(&kept);
        }
    }
    // A bitmap of more validators than there can be.
    let (mut all, mut bytes) = (sui_sdk_types::Bitmap::new(), Vec::new());
    for n in 0..3000 {
        all.insert(2 * n);
    }
    all.serialize_into(&mut bytes).unwrap();
    let mut claim = TRUTH.claim.clone();
    *part(&mut claim, Part::Bitmap) = bytes.into();
    assert_eq!(prove_it(&claim).unwrap_err().check, Check::Layout("signature's bitmap"));
}

/// The end of an epoch, as [`Committees::advance`] takes it, with other bytes in its summary.
fn advanced(change: impl FnOnce(&mut Vec<u8>)) -> Option<Result<(), ProofError>> {
    let mut claim = TRUTH.claim.clone();
    let mut summary = claim.summary.take().unwrap().to_vec();
    change(&mut summary);
    claim.summary = Some(summary.into());
    let known = Committees::pinned(TestChain::new(1).genesis()).unwrap().unwrap();
    let advanced = known.advance(claim.signed_summary().ok()?);
    assert_eq!(known.last_epoch(), u64::from(advanced.is_ok()));
    Some(advanced)
}

/// An object in a checkpoint of its own, with other bytes in one of its parts.
fn object_with(of_effects: bool, change: impl FnOnce(&mut Vec<u8>)) -> Result<ProvenObject, ProofError> {
    let mut served = objects::Served::example();
    let part = if of_effects { served.effects.as_mut().unwrap() } else { &mut served.object.bytes };
    let mut bytes = part.to_vec();
    change(&mut bytes);
    *part = bytes.into();
    served.prove()
}

proptest! {
    #[test]
    fn no_bit_of_a_committee_may_be_another(at: prop::sample::Index, bit in 0..8_u8) {
        let flip = |bytes: &mut Vec<u8>| {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        };
        prop_assert!(advanced(flip).is_none_or(|advanced| advanced.is_err()));
    }

    #[test]
    fn no_bytes_name_a_committee(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(advanced(|summary| *summary = bytes).is_none_or(|advanced| advanced.is_err()));
    }

    #[test]
    fn a_committee_of_anything_does_no_harm(
        epoch: u64,
        members in prop::collection::vec((prop::collection::vec(any::<u8>(), 96), any::<u64>(), any::<bool>()), 0..5),
    ) {
        let genuine = TestChain::new(1).genesis().committee().unwrap().members[0].public_key;
        let members = members.into_iter().map(|(key, stake, good)| sui_sdk_types::ValidatorCommitteeMember {
            public_key: if good { genuine } else { sui_sdk_types::Bls12381PublicKey::from_bytes(key).unwrap() },
            stake,
        });
        let committee = sui_sdk_types::ValidatorCommittee { epoch, members: members.collect() };
        if let Ok(committee) = Committee::new(committee) {
            let summary = TRUTH.claim.signed_summary().unwrap();
            prop_assert_eq!(committee.epoch(), epoch);
            // Of another epoch, it has signed nothing of this one.
            prop_assert!(epoch == 0 || committee.check(&summary.checkpoint, &summary.signature).is_err());
        }
    }

    #[test]
    fn no_bit_of_an_object_may_be_another(of_effects: bool, at: prop::sample::Index, bit in 0..8_u8) {
        let flip = |bytes: &mut Vec<u8>| {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        };
        prop_assert!(object_with(of_effects, flip).is_err());
    }

    #[test]
    fn no_bytes_are_an_object(of_effects: bool, bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(object_with(of_effects, |part| *part = bytes).is_err());
    }
}
