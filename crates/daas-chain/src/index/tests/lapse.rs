//! A proposed slash that nobody executes in time ends by itself: time that acts like an event.

use super::*;

/// Position 1 with 4.5 SUI left of 5, and what a slash proposed at checkpoint 3 holds of it.
fn suspended(generation: u64, expires: u64) -> PositionState {
    let mut state = state(1, generation, Status::Suspended, 4, &[1]);
    (state.active, state.frozen) = (Mist(4_600_000_000), Mist(500_000_000));
    state.proposal = Some(Box::new(Proposal {
        reason: 5,
        evidence_hash: vec![1; 32],
        uri: String::new(),
        proposer: WalletAddress(address(7, 8)),
        amount: Mist(500_000_000),
        from_unbonding: Mist(100_000_000),
        proposed_ms: T0,
        appeal_until_ms: T0,
        expires_ms: T0.plus(Duration::from_secs(expires)),
        stage: Stage::Appealed,
        prior_status: Status::Active,
    }));
    state
}

fn proposed(generation: u64, expires: u64) -> Event {
    Event::Position { name: PositionEvent::SlashProposed, state: suspended(generation, expires) }
}

#[test]
fn rights_come_back_when_verified_time_has_passed() {
    let index = index();
    index.apply(&checkpoint(2, &[event(state(1, 1, Status::Active, 5, &[1]))]));
    let before = hold(&index, 1, Right::People, Some(1));
    index.apply(&checkpoint(3, &[proposed(2, 10)]));
    let mut changes = index.changes();
    index.apply(&checkpoint(9, &[]));
    assert_eq!(live(&index, 1).rights, NOTHING);
    assert!(changes.try_recv().is_err());

    let applied = index.apply(&checkpoint(10, &[]));
    assert_eq!(applied.positions, [PositionId(address(5, 1))]);
    let after = live(&index, 1);
    assert_eq!((after.rights, after.state.status, after.state.proposal.is_none()), (ADMIN, Status::Active, true));
    let money = (after.state.active, after.state.frozen, after.state.unbonding);
    assert_eq!(money, (Mist(5_000_000_000), Mist(0), Mist(100_000_000)));
    let change = changes.try_recv().unwrap();
    assert_eq!((change.generation, change.before, change.after), (2, NOTHING, ADMIN));
    assert!(is_lost(&before), "what was cut stays cut");
    // Once is enough.
    assert_eq!(index.apply(&checkpoint(11, &[])), Applied::default());

    // The event that clears it away on chain takes nothing from whoever came in meanwhile.
    let held = hold(&index, 1, Right::People, Some(1));
    let cleared = PositionState { generation: 3, cooldown_until_ms: T0, ..after.state.clone() };
    index.apply(&checkpoint(12, &[Event::Position { name: PositionEvent::SlashLapsed, state: cleared.clone() }]));
    assert_eq!(live(&index, 1).state, cleared);
    assert!(!is_lost(&held));
}

#[test]
fn what_is_lost_after_a_lapse_cuts_whoever_came_in_by_it() {
    let index = index();
    index.apply(&checkpoint(2, &[event(state(1, 1, Status::Active, 5, &[1])), proposed(2, 3)]));
    index.apply(&checkpoint(3, &[]));
    let held = hold(&index, 1, Right::People, Some(1));
    // Events are missing; the read shows less than the lapse gave back.
    index.apply(&checkpoint(4, &[event(state(1, 4, Status::Active, 2, &[1]))]));
    index.reread(state(1, 4, Status::Active, 2, &[1]));
    assert_eq!(live(&index, 1).rights, DEVELOPER);
    assert!(is_lost(&held));
}

#[test]
fn another_verdict_comes_first() {
    let index = index();
    index.apply(&checkpoint(2, &[event(state(1, 1, Status::Active, 5, &[1])), proposed(2, 10)]));
    // Upheld: there is more time. Executed: there is nothing left to lapse.
    index.apply(&checkpoint(3, &[Event::Position { name: PositionEvent::SlashUpheld, state: suspended(3, 20) }]));
    index.apply(&checkpoint(10, &[]));
    assert_eq!(live(&index, 1).rights, NOTHING);
    index.apply(&checkpoint(15, &[event(state(1, 4, Status::Slashed, 4, &[]))]));
    index.apply(&checkpoint(20, &[]));
    assert_eq!((live(&index, 1).rights, live(&index, 1).state.status), (NOTHING, Status::Slashed));
}

#[test]
fn a_position_with_a_gap_stays_without_rights() {
    let index = index();
    index.apply(&checkpoint(2, &[proposed(2, 5)]));
    index.apply(&checkpoint(5, &[]));
    assert_eq!((live(&index, 1).rights, live(&index, 1).gap), (NOTHING, true));
    index.reread(suspended(2, 5));
    assert_eq!((live(&index, 1).rights, live(&index, 1).gap), (ADMIN, false));
}

#[test]
fn what_lapsed_while_nobody_looked_has_lapsed() {
    let saved = Snapshot::of_saved(
        (7, T0),
        Some(cluster(1, policy())),
        Some(nautilus(1)),
        [
            (suspended(2, 0), false),
            (PositionState { position: PositionId(address(5, 2)), seals: vec![], ..suspended(2, 9) }, false),
        ],
    );
    let index = Index::new(ids());
    index.restore(saved);
    assert_eq!((live(&index, 1).rights, live(&index, 2).rights), (ADMIN, NOTHING));
    index.apply(&checkpoint(9, &[]));
    assert_eq!(live(&index, 2).rights.tier, Some(Tier::Admin));
}
