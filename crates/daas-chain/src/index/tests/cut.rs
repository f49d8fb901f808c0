//! What ends whose hold, and in which order.

use super::*;

#[test]
fn less_rights_cut_and_more_do_not() {
    let index = index();
    let mut changes = index.changes();
    index.apply(&checkpoint(2, &[event(state(1, 1, Status::Active, 2, &[1]))]));
    let before = hold(&index, 1, Right::People, Some(1));
    index.apply(&checkpoint(3, &[event(state(1, 2, Status::Active, 5, &[1]))]));
    assert!(!is_lost(&before));

    let held = [hold(&index, 1, Right::People, Some(1)), hold(&index, 1, Right::Node, None)];
    index.apply(&checkpoint(4, &[event(state(1, 3, Status::Suspended, 4, &[1]))]));
    assert!(held.iter().all(is_lost) && is_lost(&before));
    assert_eq!(live(&index, 1).rights, NOTHING);
    assert!(!is_lost(&hold(&index, 1, Right::People, Some(1))), "nothing to lose");
    let seen: Vec<_> = core::iter::from_fn(|| changes.try_recv().ok()).map(|c| (c.before, c.after)).collect();
    assert_eq!(seen, [(NOTHING, DEVELOPER), (DEVELOPER, ADMIN), (ADMIN, NOTHING)]);
}

#[test]
fn a_lower_tier_cuts_people_and_not_the_node() {
    let index = index();
    index.apply(&checkpoint(2, &[event(state(1, 1, Status::Active, 5, &[1]))]));
    let (person, node) = (hold(&index, 1, Right::People, Some(1)), hold(&index, 1, Right::Node, Some(1)));
    index.apply(&checkpoint(3, &[event(state(1, 2, Status::Active, 2, &[1]))]));
    assert!(is_lost(&person) && !is_lost(&node));
}

#[test]
fn rights_lost_and_regained_within_a_checkpoint_still_cut() {
    let index = index();
    index.apply(&checkpoint(2, &[event(state(1, 1, Status::Active, 5, &[1]))]));
    let held = hold(&index, 1, Right::People, Some(1));
    let there_and_back = [state(1, 2, Status::Suspended, 4, &[1]), state(1, 3, Status::Active, 5, &[1])];
    index.apply(&checkpoint(3, &there_and_back.map(event)));
    assert!(is_lost(&held));
    assert!(!is_lost(&hold(&index, 1, Right::People, Some(1))));
}

#[test]
fn a_seal_that_disappears_is_cut_alone() {
    let index = index();
    index.apply(&checkpoint(2, &[event(state(1, 1, Status::Active, 5, &[1, 2]))]));
    let (gone, kept) = (hold(&index, 1, Right::People, Some(1)), hold(&index, 1, Right::People, Some(2)));
    let (node, nobodys) = (hold(&index, 1, Right::Node, Some(1)), hold(&index, 1, Right::Node, None));
    let revoked = Event::Position { name: PositionEvent::SealRevoked, state: state(1, 2, Status::Active, 5, &[2, 3]) };
    index.apply(&checkpoint(3, &[revoked]));
    assert!(is_lost(&gone) && is_lost(&node) && !is_lost(&kept) && !is_lost(&nobodys));
    assert!(index.snapshot().seal(SealId(address(6, 1))).is_none());
    // The survivor still dies with its position.
    index.apply(&checkpoint(4, &[event(state(1, 3, Status::Closed, 0, &[]))]));
    assert!(is_lost(&kept));
}

#[test]
fn all_seals_revoked_and_a_new_owner_cut_everything_shown_before() {
    for name in [PositionEvent::AllSealsRevoked, PositionEvent::OwnershipAccepted] {
        let index = index();
        index.apply(&checkpoint(2, &[event(state(1, 1, Status::Active, 5, &[1, 2]))]));
        let held = [hold(&index, 1, Right::People, Some(1)), hold(&index, 1, Right::Node, Some(2))];
        let mut after = state(1, 2, Status::Active, 5, &[]);
        if name == PositionEvent::OwnershipAccepted {
            after.owner = WalletAddress(address(7, 9));
        }
        index.apply(&checkpoint(3, &[Event::Position { name, state: after }]));
        assert!(held.iter().all(is_lost));
        assert_eq!(live(&index, 1).rights, ADMIN, "the stake is untouched");
        assert_eq!(index.snapshot().by_locator(Locator([1; 16])).count(), 0);
    }
}

/// Every interleaving of a writer that revokes with a reader that serves (take a snapshot and decide; start to serve;
/// look at the hold, and again at the index). The steps are the real ones; between them nothing is shared but the
/// snapshot's pointer and the states' tokens, so their orders are all there is to try.
#[test]
fn no_interleaving_of_admission_and_revocation_leaks() {
    for order in interleavings(Plan::STEPS.len(), 3) {
        let index = index();
        index.apply(&checkpoint(2, &[event(state(1, 1, Status::Active, 5, &[1]))]));
        let suspend = checkpoint(3, &[event(state(1, 2, Status::Suspended, 4, &[1]))]);
        let plan = Plan::checkpoint(&ids(), &index.snapshot(), &suspend);
        let (mut writer, mut reader) = (Plan::STEPS.iter(), 0);
        let mut admitted: Option<Hold> = None;
        let mut serving = false;
        for step in order {
            if step {
                writer.next().unwrap()(&plan, &index.inner.current);
                continue;
            }
            match reader {
                0 => {
                    let position = live(&index, 1);
                    let seal = position.state.seals[0].clone();
                    let may = position.rights.tier.is_some();
                    admitted = may.then(|| index.hold(position, Right::People, Some(seal)));
                }
                1 => serving = admitted.is_some(),
                _ => {
                    if admitted.as_ref().is_some_and(is_lost) {
                        serving = false;
                        assert_eq!(live(&index, 1).rights, NOTHING, "whoever is cut sees why");
                    }
                }
            }
            reader += 1;
        }
        assert!(!serving || is_lost(&admitted.unwrap()), "whoever serves has been told to stop");
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
