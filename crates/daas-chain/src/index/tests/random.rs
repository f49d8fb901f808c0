//! Random histories of a few positions, cut into checkpoints at random, with events delivered again at random.

use super::*;

#[derive(Clone, Debug)]
struct Step {
    position: u8,
    status: Status,
    sui: u64,
    seals: Vec<u8>,
    again: bool,
    cut_here: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let seals = prop::collection::btree_set(0..3_u8, 0..3);
    (0..4_u8, 0..5_u8, 0..12_u64, seals, any::<bool>(), any::<bool>()).prop_map(
        |(position, status, sui, seals, again, cut_here)| Step {
            position,
            status: Status::try_from(status).unwrap(),
            sui,
            // Seal ids are unique across positions, as object ids are.
            seals: seals.into_iter().map(|n| position * 10 + n).collect(),
            again,
            cut_here,
        },
    )
}

/// The history's events in order, and how it is cut into checkpoints.
fn history(steps: &[Step]) -> (Vec<VerifiedCheckpoint>, Vec<PositionState>) {
    let mut generations = [0; 4];
    let mut last: [Option<PositionState>; 4] = Default::default();
    let (mut done, mut events) = (Vec::new(), Vec::new());
    for step in steps {
        let at = usize::from(step.position);
        generations[at] += 1;
        let next = state(step.position, generations[at], step.status, step.sui, &step.seals);
        if step.again {
            events.extend(last[at].clone().map(event));
        }
        events.push(event(next.clone()));
        last[at] = Some(next);
        if step.cut_here {
            done.push(std::mem::take(&mut events));
        }
    }
    done.push(events);
    let checkpoints = (2..).zip(done).map(|(sequence, events)| checkpoint(sequence, &events)).collect();
    (checkpoints, last.into_iter().flatten().collect())
}

/// All a reader can see, apart from tokens.
fn visible(index: &Index) -> Vec<String> {
    let snapshot = index.snapshot();
    let mut seen: Vec<_> = snapshot
        .positions()
        .map(|p| {
            let seals: Vec<_> = p.state.seals.iter().map(|s| s.id).collect();
            let found: Vec<_> = seals.iter().map(|id| snapshot.seal(*id).map(|(p, _)| p.state.position)).collect();
            let node = p.node().and_then(|n| snapshot.by_node(&n).map(|p| p.state.position));
            format!("{:?} {:?} {} {seals:?} {found:?} {node:?}", p.state, p.rights, p.gap)
        })
        .collect();
    for n in 0..40 {
        let found: std::collections::BTreeSet<_> = snapshot.by_locator(Locator([n; 16])).map(|(_, s)| s.id).collect();
        seen.push(format!("{n} {found:?} {}", snapshot.seal(SealId(address(6, n))).is_some()));
    }
    seen.sort();
    seen
}

proptest! {
    #[test]
    fn a_history_ends_as_its_last_events_alone(steps in prop::collection::vec(step(), 0..40)) {
        let (checkpoints, last) = history(&steps);
        let whole = index();
        for checkpoint in &checkpoints {
            whole.apply(checkpoint);
        }
        let short = index();
        for state in last {
            short.reread(state);
        }
        prop_assert_eq!(visible(&whole), visible(&short));
    }

    #[test]
    fn whoever_may_less_has_been_cut(steps in prop::collection::vec(step(), 1..40)) {
        let (checkpoints, _) = history(&steps);
        let index = index();
        let mut held: Vec<(Arc<LivePosition>, SealRecord, [Hold; 2])> = Vec::new();
        for checkpoint in &checkpoints {
            index.apply(checkpoint);
            for (old, seal, [person, node]) in &held {
                let now = index.snapshot().position(old.state.position).unwrap().clone();
                let gone = !now.state.seals.contains(seal);
                prop_assert!(!gone || (is_lost(person) && is_lost(node)));
                prop_assert!(now.rights.tier >= old.rights.tier || is_lost(person));
                prop_assert!(now.rights.node || !old.rights.node || is_lost(node));
            }
            for position in index.snapshot().positions() {
                for seal in &position.state.seals {
                    let holds = [Right::People, Right::Node]
                        .map(|right| index.hold(position.clone(), right, Some(seal.clone())));
                    prop_assert!(!holds.iter().any(is_lost));
                    held.push((position.clone(), seal.clone(), holds));
                }
            }
        }
    }
}
