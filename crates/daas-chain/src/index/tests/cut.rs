//! What cancels whose token, and in which order.

use super::*;
use tokio_util::sync::CancellationToken;

#[test]
fn less_rights_cut_and_more_do_not() {
    let index = index();
    let mut changes = index.changes();
    index.apply(&checkpoint(2, vec![event(state(1, 1, Status::Active, 2, &[1]))]));
    let before = live(&index, 1);
    index.apply(&checkpoint(3, vec![event(state(1, 2, Status::Active, 5, &[1]))]));
    assert!(!before.cut.is_cancelled() && !before.seals[0].cut.is_cancelled());

    let held = live(&index, 1);
    index.apply(&checkpoint(4, vec![event(state(1, 3, Status::Suspended, 4, &[1]))]));
    assert!(held.cut.is_cancelled() && before.cut.is_cancelled() && held.seals[0].cut.is_cancelled());
    let after = live(&index, 1);
    assert_eq!(after.rights, NOTHING);
    assert!(!after.cut.is_cancelled() && !after.seals[0].cut.is_cancelled());
    let seen: Vec<_> = core::iter::from_fn(|| changes.try_recv().ok()).map(|c| (c.before, c.after)).collect();
    assert_eq!(seen, [(NOTHING, DEVELOPER), (DEVELOPER, ADMIN), (ADMIN, NOTHING)]);
}

#[test]
fn rights_lost_and_regained_within_a_checkpoint_still_cut() {
    let index = index();
    index.apply(&checkpoint(2, vec![event(state(1, 1, Status::Active, 5, &[1]))]));
    let held = live(&index, 1);
    let there_and_back = [state(1, 2, Status::Suspended, 4, &[1]), state(1, 3, Status::Active, 5, &[1])];
    index.apply(&checkpoint(3, there_and_back.map(event).to_vec()));
    assert!(held.cut.is_cancelled());
    assert!(!live(&index, 1).cut.is_cancelled());
}

#[test]
fn a_seal_that_disappears_is_cut_alone() {
    let index = index();
    index.apply(&checkpoint(2, vec![event(state(1, 1, Status::Active, 5, &[1, 2]))]));
    let held = live(&index, 1);
    index.apply(&checkpoint(3, vec![event(state(1, 2, Status::Active, 5, &[2, 3]))]));
    let cut = |seal: usize| held.seals[seal].cut.is_cancelled();
    assert_eq!((cut(0), cut(1), held.cut.is_cancelled()), (true, false, false));
    assert!(index.snapshot().seal(SealId(address(6, 1))).is_none());
    // The survivor still dies with its position.
    index.apply(&checkpoint(4, vec![event(state(1, 3, Status::Closed, 0, &[]))]));
    assert!(cut(1));
}

/// Every interleaving of a writer that revokes with a reader that serves (take a snapshot and decide; start to serve;
/// look at the token, and again at the index). The steps are the real ones; between them nothing is shared but the
/// snapshot's pointer and the tokens, so their orders are all there is to try.
#[test]
fn no_interleaving_of_admission_and_revocation_leaks() {
    for order in interleavings(Plan::STEPS.len(), 3) {
        let index = index();
        index.apply(&checkpoint(2, vec![event(state(1, 1, Status::Active, 5, &[1]))]));
        let suspend = checkpoint(3, vec![event(state(1, 2, Status::Suspended, 4, &[1]))]);
        let plan = Plan::checkpoint(&ids(), &index.snapshot(), &suspend);
        let (mut writer, mut reader) = (Plan::STEPS.iter(), 0);
        let mut admitted: Option<CancellationToken> = None;
        let mut serving = false;
        for step in order {
            if step {
                writer.next().unwrap()(&plan, &index.inner.current);
                continue;
            }
            match reader {
                0 => {
                    let position = live(&index, 1);
                    admitted = position.rights.tier.map(|_| position.seals[0].cut.clone());
                }
                1 => serving = admitted.is_some(),
                _ => {
                    if admitted.as_ref().is_some_and(CancellationToken::is_cancelled) {
                        serving = false;
                        assert_eq!(live(&index, 1).rights, NOTHING, "whoever is cut sees why");
                    }
                }
            }
            reader += 1;
        }
        assert!(!serving || admitted.unwrap().is_cancelled(), "whoever serves has been told to stop");
        assert_eq!(live(&index, 1).rights, NOTHING);
    }
}

/// All orders of `a` writer steps (true) and `b` reader steps (false).
fn interleavings(a: usize, b: usize) -> Vec<Vec<bool>> {
    if a == 0 || b == 0 {
        return vec![[vec![true; a], vec![false; b]].concat()];
    }
    let then = |first: bool, rest: Vec<Vec<bool>>| rest.into_iter().map(move |r| [vec![first], r].concat());
    then(true, interleavings(a - 1, b)).chain(then(false, interleavings(a, b - 1))).collect()
}
