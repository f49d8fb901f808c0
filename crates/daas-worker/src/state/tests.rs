use super::*;
use Action::{Clean, Cordon, Join, Mint, Prepare, RestartNode, StopNode, StopPods, VerifyMaster};
use daas_types::Address;
use proptest::prelude::*;

fn position(n: u8) -> PositionId {
    PositionId(Address::new([n; 32]))
}

fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Started),
        (0..3u8).prop_map(|n| Event::Prepared(position(n))),
        Just(Event::SealLive),
        Just(Event::SealLost),
        Just(Event::Jailed("silent".into())),
        Just(Event::MasterVerified),
        Just(Event::MasterRefused("no".into())),
        Just(Event::NodeUp),
        Just(Event::HeartbeatsFailing),
        Just(Event::Slashed("reason 1".into())),
        Just(Event::StakeLost(ErrorCode::PositionClosed, "closed".into())),
        Just(Event::StopAsked),
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
        let gone = state.phase == Phase::Gone;
        let (slashed, actions) = step(state, Event::Slashed("reason 2".into()));
        if gone {
            prop_assert_eq!(slashed.phase, Phase::Gone);
        } else {
            prop_assert_eq!(slashed.phase, Phase::Draining);
            prop_assert_eq!(actions, vec![StopPods, StopNode]);
            prop_assert_eq!(slashed.ending.as_ref().map(|e| e.why.exit_code()), Some(3));
            // Nothing but the end of the drain leads on, and the reason stays.
            for event in way_in().into_iter().chain([Event::StopAsked, Event::StakeLost(ErrorCode::StakeTooLow, String::new())]) {
                let (next, _) = step(slashed.clone(), event);
                prop_assert_eq!(&next, &slashed);
            }
            let (end, actions) = step(slashed.clone(), Event::Drained);
            prop_assert_eq!((end.phase, end.ending), (Phase::Gone, slashed.ending));
            prop_assert_eq!(actions, vec![Clean]);
        }
    }

    #[test]
    fn a_prepared_position_is_never_prepared_again(walk in walks()) {
        let mut state = State::default();
        for event in walk {
            let known = state.position;
            let (next, actions) = step(state, event);
            if known.is_some() {
                prop_assert!(!actions.contains(&Prepare));
                prop_assert_eq!(next.position, known);
            }
            if actions.contains(&Mint) {
                prop_assert!(next.position.is_some());
            }
            state = next;
        }
    }

    #[test]
    fn only_a_drain_ends_in_gone_and_a_reason_is_known(walk in walks()) {
        let mut state = State::default();
        for event in walk {
            let before = state.phase;
            let (next, _) = step(state, event);
            if next.phase == Phase::Gone && before != Phase::Gone {
                prop_assert_eq!(before, Phase::Draining);
            }
            prop_assert_eq!(next.phase >= Phase::Draining, next.ending.is_some());
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
    assert_eq!(done, [Prepare, Mint, VerifyMaster, Join, RestartNode, Cordon, StopPods, StopNode, Clean]);
}

#[test]
fn a_jailed_worker_goes_the_whole_way_in_again() {
    let joined = way_in().into_iter().fold(State::default(), |state, event| step(state, event).0);
    let (jailed, actions) = step(joined.clone(), Event::Jailed("silent".into()));
    assert_eq!((jailed.phase, jailed.ending.as_ref(), actions), (Phase::Unproven, None, vec![Mint]));
    let back = way_in().into_iter().skip(2).fold(jailed, |state, event| step(state, event).0);
    assert_eq!(back, joined);
}

#[test]
fn a_killed_worker_goes_on_where_it_was() {
    let joined = way_in().into_iter().fold(State::default(), |state, event| step(state, event).0);
    let (resumed, actions) = step(joined.clone(), Event::Started);
    assert_eq!((resumed.phase, resumed.position), (Phase::Unproven, joined.position));
    assert_eq!(actions, [Mint]);
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
    };
    let json = serde_json::to_string(&state).unwrap();
    assert!(json.contains("\"verified-master\"") && json.contains("\"stake-lost\""), "{json}");
    assert_eq!(serde_json::from_str::<State>(&json).unwrap(), state);
    assert_eq!(state.ending.unwrap().problem().unwrap().code, ErrorCode::PositionClosed);
}
