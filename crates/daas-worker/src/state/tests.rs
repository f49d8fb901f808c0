mod life;

use super::*;
use Action::{
    AwaitRelease, Clean, Cordon, Join, Mint, Prepare, Recover, RestartNode, StopNode, StopPods, Unstake, VerifyMaster,
    Withdraw,
};
use daas_types::{Address, Mist};
use proptest::prelude::*;

fn position(n: u8) -> PositionId {
    PositionId(Address::new([n; 32]))
}

fn order(sui: u64) -> StakeOrder {
    StakeOrder { amount: Some(Mist::from_sui(sui)), lifetime: None }
}

fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Started),
        (0..3u8).prop_map(|n| Event::Prepared(position(n))),
        Just(Event::SealLive),
        Just(Event::SealLost),
        Just(Event::Jailed("silent".into())),
        Just(Event::MayRecover("time".into())),
        Just(Event::MasterVerified),
        Just(Event::MasterRefused("no".into())),
        Just(Event::NodeUp),
        Just(Event::Unprepared),
        Just(Event::HeartbeatsFailing),
        Just(Event::Slashed("reason 1".into())),
        Just(Event::StakeLost(ErrorCode::PositionClosed, "closed".into())),
        Just(Event::StopAsked),
        Just(Event::RegisterAsked),
        Just(Event::UnstakeAsked),
        Just(Event::StakeUnbonding(UnixMs(60))),
        Just(Event::StakeWithdrawn),
        (5..9u64).prop_map(|sui| Event::StakeAsked(order(sui))),
        Just(Event::StakeRefused(ErrorCode::InsufficientFunds, "poor".into())),
        Just(Event::Failed(ErrorCode::Internal, "broken".into())),
        Just(Event::Drained),
    ]
}

/// The way in, which a random walk alone would seldom find.
fn way_in() -> Vec<Event> {
    vec![Event::Started, Event::Prepared(position(1)), Event::SealLive, Event::MasterVerified, Event::NodeUp]
}

fn walks() -> impl Strategy<Value = Vec<Event>> {
    (0..=5usize, prop::collection::vec(events(), 0..40))
        .prop_map(|(known, rest)| way_in().into_iter().take(known).chain(rest).collect())
}

/// What may be believed after a walk, kept apart from the machine's own state.
#[derive(Default)]
struct Witness {
    seal: bool,
    master: bool,
}

impl Witness {
    fn sees(&mut self, before: Phase, event: &Event) {
        match event {
            // A process that starts knows nothing; a drain that goes on does not need to.
            Event::Started | Event::SealLost | Event::Jailed(_) => *self = Self::default(),
            Event::MayRecover(_) if matches!(before, Phase::Unproven | Phase::Jailed) => *self = Self::default(),
            Event::StakeAsked(_) if matches!(before, Phase::Unproven | Phase::Withdrawn) => *self = Self::default(),
            Event::SealLive => self.seal = true,
            Event::MasterVerified if before == Phase::Staked => self.master = true,
            Event::MasterRefused(_) => self.master = false,
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nobody_joins_without_a_seal_and_a_verified_master(walk in walks()) {
        let (mut state, mut witness) = (State::default(), Witness::default());
        for event in walk {
            let before = state.phase;
            witness.sees(before, &event);
            let (next, actions) = step(state, event);
            if next.phase == Phase::Joined || actions.contains(&Join) {
                prop_assert!(witness.seal && witness.master, "{before} -> {}", next.phase);
                prop_assert!(next.position.is_some());
            }
            if next.phase == Phase::Joined && before != Phase::Joined {
                prop_assert_eq!(before, Phase::VerifiedMaster);
            }
            state = next;
        }
    }

    #[test]
    fn a_slash_always_stops_pods_and_node(walk in walks()) {
        let state = walk.into_iter().fold(State::default(), |state, event| step(state, event).0);
        let nodeless = matches!(state.phase, Phase::Gone | Phase::Unbonding | Phase::Withdrawn);
        let (slashed, actions) = step(state.clone(), Event::Slashed("reason 2".into()));
        if nodeless {
            prop_assert_eq!(slashed, state);
        } else {
            prop_assert_eq!(slashed.phase, Phase::Draining);
            prop_assert_eq!(actions, vec![StopPods, StopNode]);
            prop_assert_eq!(slashed.ending.as_ref().map(|e| e.why.exit_code()), Some(3));
            // Nothing but the end of the drain leads on, and the reason stays.
            let others = [Event::StopAsked, Event::UnstakeAsked, Event::StakeLost(ErrorCode::StakeTooLow, String::new())];
            for event in way_in().into_iter().chain(others) {
                let (next, _) = step(slashed.clone(), event);
                prop_assert_eq!(&next, &slashed);
            }
            let (end, actions) = step(slashed.clone(), Event::Drained);
            prop_assert_eq!((end.phase, end.ending), (Phase::Gone, slashed.ending));
            prop_assert_eq!(actions, vec![Clean]);
        }
    }

    #[test]
    fn a_position_is_left_for_another_only_when_its_money_is_back(walk in walks()) {
        let mut state = State::default();
        for event in walk {
            let (before, asked) = (state.clone(), matches!(event, Event::StakeAsked(_)));
            let refused = matches!(event, Event::StakeRefused(..));
            let unprepared = event == Event::Unprepared;
            let (next, actions) = step(state, event);
            if let Some(known) = before.position && next.position != Some(known) {
                if unprepared {
                    prop_assert_eq!((before.phase, next.position), (Phase::Unproven, None));
                    prop_assert_eq!(&actions[..], &[Prepare(before.former)]);
                } else if refused {
                    // Nothing was staked on it.
                    prop_assert!(before.phase == Phase::Unproven && before.order.is_some(), "{} lost {known}", before.phase);
                    prop_assert_eq!((next.phase, next.position), (Phase::Withdrawn, before.former));
                } else {
                    prop_assert!(before.phase == Phase::Withdrawn && asked, "{} lost {known}", before.phase);
                    prop_assert_eq!(next.former, Some(known));
                }
            }
            let prepares = actions.iter().any(|action| matches!(action, Prepare(_)));
            prop_assert!(!prepares || next.position.is_none());
            prop_assert!(!prepares || actions == vec![Prepare(next.former)], "a Seal file that was left would be used");
            if actions.iter().any(|action| matches!(action, Mint(_) | Recover | Unstake | Withdraw)) {
                prop_assert!(next.position.is_some());
            }
            state = next;
        }
    }

    #[test]
    fn a_reason_is_known_where_it_ends_and_nowhere_else(walk in walks()) {
        let mut state = State::default();
        for event in walk {
            let before = state.phase;
            let (next, _) = step(state, event);
            if next.phase == Phase::Gone && before != Phase::Gone {
                prop_assert!(matches!(before, Phase::Draining | Phase::Unbonding | Phase::Withdrawn), "{before}");
            }
            prop_assert_eq!(matches!(next.phase, Phase::Draining | Phase::Gone), next.ending.is_some());
            state = next;
        }
    }

    #[test]
    fn money_moves_out_only_when_asked_and_when_the_node_is_gone(walk in walks()) {
        let (mut state, mut asked, mut drained) = (State::default(), false, false);
        for event in walk {
            let before = state.phase;
            match &event {
                Event::UnstakeAsked => asked = true,
                Event::Drained if before == Phase::Draining => drained = true,
                _ => {}
            }
            let (next, actions) = step(state, event);
            if actions.contains(&Join) {
                drained = false;
            }
            if actions.iter().any(|action| matches!(action, Unstake | Withdraw)) {
                prop_assert!(asked && drained, "{before} -> {}", next.phase);
            }
            state = next;
        }
    }
}

#[test]
fn the_way_in_and_out() {
    let mut state = State::default();
    let mut done = vec![];
    for event in way_in().into_iter().chain([Event::HeartbeatsFailing, Event::StopAsked, Event::Drained]) {
        let (next, actions) = step(state, event);
        state = next;
        done.extend(actions);
    }
    assert_eq!(state.phase, Phase::Gone);
    assert_eq!(state.ending.as_ref().unwrap().why.exit_code(), 0);
    assert_eq!(done, [Prepare(None), Mint(None), VerifyMaster, Join, RestartNode, Cordon, StopPods, StopNode, Clean]);
}

fn joined() -> State {
    way_in().into_iter().fold(State::default(), |state, event| step(state, event).0)
}

#[test]
fn a_jailed_worker_waits_and_goes_the_whole_way_in_again() {
    let (jailed, actions) = step(joined(), Event::Jailed("silent".into()));
    assert_eq!((jailed.phase, jailed.ending.as_ref(), actions), (Phase::Jailed, None, vec![AwaitRelease]));
    let (same, actions) = step(jailed.clone(), Event::SealLost);
    assert_eq!((&same, actions), (&jailed, vec![]), "it goes on waiting");
    let (back, actions) = step(jailed, Event::MayRecover("its time is over".into()));
    assert_eq!((back.phase, actions), (Phase::Recovering, vec![Recover]));
    let back = way_in().into_iter().skip(2).fold(back, |state, event| step(state, event).0);
    assert_eq!(back, joined());
}

#[test]
fn the_way_out_with_the_stake() {
    let mut state = joined();
    let mut done = vec![];
    let out = [Event::UnstakeAsked, Event::Drained, Event::StakeUnbonding(UnixMs(60)), Event::StakeWithdrawn];
    for event in out {
        let (next, actions) = step(state, event);
        state = next;
        done.extend(actions);
    }
    assert_eq!(done, [Cordon, StopPods, StopNode, Clean, Unstake, Withdraw]);
    assert_eq!((state.phase, state.leave, state.position), (Phase::Withdrawn, Leave::Withdrawn, Some(position(1))));
    assert_eq!(step(state.clone(), Event::Started), (state.clone(), vec![]), "a restart stakes nothing");

    let (anew, actions) = step(state, Event::StakeAsked(order(7)));
    assert_eq!((anew.phase, anew.position, actions), (Phase::Unproven, None, vec![Prepare(Some(position(1)))]));
    assert_eq!(step(anew.clone(), Event::Prepared(position(1))).0, anew, "what was left is not used again");
    assert_eq!(step(anew.clone(), Event::Started), (anew.clone(), vec![Prepare(Some(position(1)))]));
    assert_eq!(step(anew, Event::Prepared(position(2))).1, [Mint(Some(order(7)))]);
}

#[test]
fn what_was_ordered_is_tried_until_it_is_staked_and_nothing_else_is() {
    let asked = |state| step(state, Event::StakeAsked(order(7)));
    let (first, actions) = asked(State::default());
    assert_eq!((first.order, actions), (Some(order(7)), vec![Prepare(None)]));
    let (prepared, actions) = step(first, Event::Prepared(position(1)));
    assert_eq!(actions, [Mint(Some(order(7)))]);
    let (anew, actions) = step(prepared.clone(), Event::Unprepared);
    assert_eq!((anew.order, anew.position, actions), (Some(order(7)), None, vec![Prepare(None)]));
    let poor = || Event::StakeRefused(ErrorCode::InsufficientFunds, "poor".into());
    let (refused, actions) = step(prepared.clone(), poor());
    assert_eq!((&refused, actions), (&prepared, vec![]), "it waits for its owner");
    assert_eq!(step(refused.clone(), Event::Started).1, [Mint(Some(order(7)))]);
    let (dropped, actions) = step(refused.clone(), Event::UnstakeAsked);
    assert_eq!((dropped.phase, dropped.order, actions), (Phase::Withdrawn, None, vec![]));
    let (other, actions) = step(refused, Event::StakeAsked(order(6)));
    assert_eq!(actions, [Mint(Some(order(6)))], "the last word counts");
    for done in [Event::SealLive, Event::Jailed("silent".into()), Event::MayRecover("restaked".into())] {
        assert_eq!(step(other.clone(), done).0.order, None);
    }

    let left = State {
        phase: Phase::Withdrawn,
        position: Some(position(1)),
        leave: Leave::Withdrawn,
        former: None,
        ..State::default()
    };
    let (anew, _) = step(asked(left.clone()).0, Event::Prepared(position(2)));
    assert_eq!(step(anew.clone(), Event::Started).1, [Mint(Some(order(7)))]);
    assert_eq!(step(anew, poor()), (left.clone(), vec![]), "as it was before the order");
    assert_eq!(step(left.clone(), poor()), (left, vec![]));
}

#[test]
fn a_stop_on_the_way_out_is_obeyed_and_the_way_out_goes_on_at_the_next_start() {
    let (asked, _) = step(joined(), Event::UnstakeAsked);
    let (again, actions) = step(asked.clone(), Event::Started);
    assert_eq!((&again, actions), (&asked, vec![Cordon, StopPods, StopNode]));

    let (stopped, actions) = step(asked, Event::StopAsked);
    assert_eq!(actions, [], "the drain goes on");
    let (gone, actions) = step(stopped, Event::Drained);
    assert_eq!(
        (gone.phase, gone.ending.as_ref().map(|e| e.why), actions),
        (Phase::Gone, Some(Why::Asked), vec![Clean])
    );
    let (resumed, actions) = step(gone, Event::Started);
    assert_eq!((resumed.phase, &resumed.ending, actions), (Phase::Unbonding, &None, vec![Unstake]));

    let (unbonding, _) = step(resumed, Event::StakeUnbonding(UnixMs(60)));
    let (stopped, _) = step(unbonding.clone(), Event::StopAsked);
    assert_eq!(stopped.phase, Phase::Gone);
    assert_eq!(step(stopped, Event::Started), (unbonding, vec![Withdraw]));
}

#[test]
fn a_slash_before_the_stake_is_on_its_way_leaves_the_owner_to_decide() {
    let (asked, _) = step(joined(), Event::UnstakeAsked);
    let (slashed, actions) = step(asked, Event::Slashed("reason 1".into()));
    assert_eq!((slashed.leave, actions), (Leave::No, vec![StopPods, StopNode]));
    let (gone, _) = step(slashed, Event::Drained);
    assert_eq!(gone.ending.as_ref().map(|ending| ending.why.exit_code()), Some(3));
}

#[test]
fn a_stake_that_may_be_on_its_way_is_not_taken_out() {
    let (prepared, _) = step(State::default(), Event::Prepared(position(1)));
    assert_eq!(step(prepared.clone(), Event::UnstakeAsked), (prepared, vec![]));
}

#[test]
fn whoever_asks_for_it_is_registered_once_more() {
    let (state, actions) = step(joined(), Event::RegisterAsked);
    assert_eq!((state.phase, actions), (Phase::VerifiedMaster, vec![Join]));
    assert_eq!(step(state, Event::NodeUp).0, joined());
}

#[test]
fn a_killed_worker_goes_on_where_it_was() {
    let joined = joined();
    let (resumed, actions) = step(joined.clone(), Event::Started);
    assert_eq!((resumed.phase, resumed.position), (Phase::Unproven, joined.position));
    assert_eq!(actions, [Mint(None)]);
    let (asked, _) = step(joined.clone(), Event::StopAsked);
    assert_eq!(step(asked, Event::Started), (resumed, actions), "an end that was asked for is over with its process");

    let (slashed, _) = step(joined, Event::Slashed("reason 3".into()));
    let (resumed, actions) = step(slashed.clone(), Event::Started);
    assert_eq!(resumed, slashed);
    assert_eq!(actions, [StopPods, StopNode]);
}

#[test]
fn the_saved_form_is_stable() {
    let state = State {
        phase: Phase::VerifiedMaster,
        position: Some(position(7)),
        ending: Some(Ending { why: Why::StakeLost, code: "PositionClosed".into(), cause: "x".into() }),
        leave: Leave::Unbonding(UnixMs(60)),
        former: Some(position(6)),
        order: Some(order(7)),
    };
    let json = serde_json::to_string(&state).unwrap();
    assert!(json.contains("\"verified-master\"") && json.contains("\"stake-lost\""), "{json}");
    assert!(json.contains("\"leave\":{\"unbonding\":60}"), "{json}");
    assert!(json.contains("\"order\":{\"amount\":7000000000,\"lifetime\":null}"), "{json}");
    assert_eq!(serde_json::from_str::<State>(&json).unwrap(), state);
    assert_eq!(state.ending.unwrap().problem().unwrap().code, ErrorCode::PositionClosed);
}
