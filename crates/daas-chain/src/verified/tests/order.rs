//! One checkpoint after the other.

use super::*;

/// The checks that refuse `chain`'s next checkpoint after the sequence so far, once `lie` has changed and its committee has
/// signed it.
fn refused(lie: impl FnOnce(&mut sui_sdk_types::CheckpointSummary)) -> Check {
    let mut chain = TestChain::new(1);
    let mut sequence = Sequence::default();
    sequence.extend(&chain.checkpoint(PACKAGE, T0, &[])).unwrap();
    let claim = chain.append(T0.plus(core::time::Duration::from_secs(1)), &[], false);
    let mut summary = claim.signed_summary().unwrap().checkpoint;
    lie(&mut summary);
    let lie = Claim {
        summary: Some(bcs::to_bytes(&summary).unwrap().into()),
        signature: Some(chain.sign(&summary)),
        ..claim.clone()
    };
    let checkpoint = verified(&chain, summary.sequence_number, &lie).unwrap();
    let error = sequence.extend(&checkpoint).unwrap_err();
    assert_eq!(error.checkpoint, Some(summary.sequence_number));
    assert_eq!(sequence.last(), Some(1), "a lie changes nothing");
    sequence.extend(&verified(&chain, 2, &claim).unwrap()).unwrap();
    error.check
}

#[test]
fn none_is_left_out_and_none_comes_again() {
    assert_eq!(refused(|summary| summary.sequence_number = 3), Check::Order { last: 1 });
    assert_eq!(refused(|summary| summary.sequence_number = 1), Check::Order { last: 1 });
    assert_eq!(refused(|summary| summary.sequence_number = 0), Check::Order { last: 1 });
}

#[test]
fn each_builds_on_the_one_before() {
    for other in [None, Some(Digest::ZERO)] {
        let check = refused(|summary| summary.previous_digest = other);
        assert!(matches!(check, Check::Previous { got, .. } if got == other), "{check}");
    }
    assert_eq!(refused(|summary| summary.timestamp_ms = T0.0 - 1), Check::Timestamp { last: T0.0, got: T0.0 - 1 });
}

#[test]
fn an_epoch_begins_after_the_last_has_ended() {
    let mut chain = TestChain::new(1);
    let mut sequence = Sequence::default();
    for (n, ends) in [(1, false), (2, true), (3, false)] {
        let claim = chain.append(T0, &[], ends);
        sequence.extend(&verified(&chain, n, &claim).unwrap()).unwrap();
    }
    // The old committee goes on as if nothing had been.
    let mut summary = chain.last().clone();
    (summary.sequence_number, summary.previous_digest) = (4, Some(chain.last().digest()));
    summary.epoch = 0;
    let claim = chain.append(T0, &[], false);
    let lie = Claim {
        summary: Some(bcs::to_bytes(&summary).unwrap().into()),
        signature: Some(chain.sign(&summary)),
        ..claim
    };
    let error = sequence.extend(&verified(&chain, 4, &lie).unwrap()).unwrap_err();
    assert_eq!(error.check, Check::Epoch { expected: 1, got: 0 });
}
