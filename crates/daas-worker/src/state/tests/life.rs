//! Whole lives in a world that keeps count: what is killed and asked at random stakes once, and what was asked for, takes its
//! money out once, and comes to rest.

use super::*;
use std::collections::{BTreeMap, VecDeque};

/// Where a position's money is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Money {
    Active,
    Jailed,
    Suspended,
    Unbonding,
    Back,
}

/// What outlives the process beside its state file.
#[derive(Default)]
struct World {
    seal_file: Option<PositionId>,
    chain: BTreeMap<PositionId, Money>,
    stakes: usize,
    /// The wallet lacks what is to be staked.
    poor: bool,
    /// What the owner wants: the last order of theirs that was taken and not refused with an end to it.
    wanted: Option<StakeOrder>,
    unstakes: usize,
    withdrawals: usize,
    prepared: u8,
}

/// One thing that happens.
#[derive(Clone, Debug)]
enum Turn {
    /// The next action is done.
    Go,
    /// kill -9, and a start.
    Kill,
    /// The next action is done, and nobody lives to hear of it.
    KillAfter,
    /// Somebody or something from outside.
    Outside(Event),
    /// The wallet is emptied, or filled.
    Wallet(bool),
}

struct Life {
    world: World,
    state: State,
    queue: VecDeque<Action>,
    restakes: usize,
    /// Its owner has the next word.
    refused: bool,
}

// === impl World ===

impl World {
    fn perform(&mut self, action: Action) -> Option<Event> {
        Some(match action {
            Prepare(former) => Event::Prepared(self.prepare(former)),
            Mint(order) => self.mint(order),
            AwaitRelease => Event::MayRecover("time".into()),
            Recover => {
                if let Some(money) = self.own().filter(|money| **money == Money::Jailed) {
                    *money = Money::Active;
                }
                self.mint(None)
            }
            VerifyMaster => Event::MasterVerified,
            Join => Event::NodeUp,
            StopNode => Event::Drained,
            Unstake => {
                let money = self.own().expect("nothing is unstaked that was never staked");
                if !matches!(*money, Money::Unbonding | Money::Back) {
                    *money = Money::Unbonding;
                    self.unstakes += 1;
                }
                Event::StakeUnbonding(UnixMs(60))
            }
            Withdraw => {
                let money = self.own().expect("nothing is withdrawn that was never staked");
                if *money != Money::Back {
                    assert_eq!(*money, Money::Unbonding);
                    *money = Money::Back;
                    self.withdrawals += 1;
                }
                Event::StakeWithdrawn
            }
            RestartNode | Cordon | StopPods | Clean => return None,
        })
    }

    fn prepare(&mut self, former: Option<PositionId>) -> PositionId {
        let known = self.seal_file.filter(|known| Some(*known) != former);
        let made = known.unwrap_or_else(|| {
            self.prepared += 1;
            position(self.prepared)
        });
        *self.seal_file.insert(made)
    }

    fn mint(&mut self, order: Option<StakeOrder>) -> Event {
        let position = self.seal_file.expect("a Seal file is there before its stake");
        match self.chain.get(&position) {
            None if self.poor => Event::StakeRefused(ErrorCode::InsufficientFunds, "poor".into()),
            None => {
                assert_eq!(order, self.wanted, "another stake than was ordered");
                self.stakes += 1;
                self.wanted = None;
                self.chain.insert(position, Money::Active);
                Event::SealLive
            }
            Some(Money::Active) => Event::SealLive,
            Some(Money::Jailed) => Event::Jailed("silent".into()),
            Some(Money::Suspended) => Event::Slashed("reason 1".into()),
            Some(Money::Unbonding | Money::Back) => Event::StakeLost(ErrorCode::PositionClosed, String::new()),
        }
    }

    fn own(&mut self) -> Option<&mut Money> {
        self.chain.get_mut(&self.seal_file?)
    }

    /// What the chain looks like once it says so; of a position that is not there it says nothing.
    fn shows(&mut self, event: &Event) -> bool {
        let Some(money) = self.own() else {
            return !matches!(event, Event::Slashed(_) | Event::Jailed(_) | Event::StakeLost(..));
        };
        *money = match (event, *money) {
            (Event::Slashed(_), Money::Active | Money::Jailed) => Money::Suspended,
            (Event::Jailed(_), Money::Active) => Money::Jailed,
            (Event::StakeLost(..), Money::Active | Money::Jailed) => Money::Unbonding,
            (_, money) => money,
        };
        true
    }
}

// === impl Life ===

impl Life {
    fn begin() -> Self {
        let mut life = Self {
            world: World::default(),
            state: State::default(),
            queue: VecDeque::new(),
            restakes: 0,
            refused: false,
        };
        life.take(Event::Started);
        life
    }

    fn turn(&mut self, turn: Turn) {
        match turn {
            Turn::Go => {
                if let Some(event) = self.act() {
                    self.take(event);
                }
            }
            Turn::Kill => self.kill(),
            Turn::KillAfter => {
                drop(self.act());
                self.kill();
            }
            Turn::Outside(event) => {
                if !self.world.shows(&event) {
                    return;
                }
                // An order that was refused is dropped; one that may be on its way is not, and the driver says so.
                if event == Event::UnstakeAsked && self.state.phase == Phase::Unproven {
                    if !self.queue.is_empty() {
                        return;
                    }
                    self.world.wanted = None;
                }
                if let Event::StakeAsked(order) = event {
                    self.ask(order);
                }
                self.take(event);
            }
            Turn::Wallet(poor) => self.world.poor = poor,
        }
    }

    /// Its owner wants something. Of a stake that is there it says nothing.
    fn ask(&mut self, order: StakeOrder) {
        let there = self.world.own().is_some_and(|money| *money != Money::Back);
        if matches!(self.state.phase, Phase::Unproven | Phase::Withdrawn) && !there {
            self.restakes += usize::from(self.state.phase == Phase::Withdrawn);
            self.world.wanted = Some(order);
        }
    }

    /// Until nothing is left to do.
    fn rest(&mut self) {
        for _ in 0..20 {
            self.turn(Turn::Go);
        }
    }

    fn act(&mut self) -> Option<Event> {
        let action = self.queue.pop_front()?;
        self.world.perform(action)
    }

    fn take(&mut self, event: Event) {
        if matches!(event, Event::StakeRefused(..)) && self.state.former.is_some() {
            // Its owner was told, and is asked no more.
            self.world.wanted = None;
        }
        let refused = matches!(event, Event::StakeRefused(..));
        let (state, actions) = step(self.state.clone(), event);
        self.refused = refused || (self.refused && actions.is_empty());
        self.state = state;
        if !actions.is_empty() {
            self.queue = actions.into();
        }
    }

    fn kill(&mut self) {
        let saved = serde_json::to_string(&self.state).unwrap();
        (self.state, self.queue) = (serde_json::from_str(&saved).unwrap(), VecDeque::new());
        self.take(Event::Started);
    }
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let outside = prop_oneof![
        Just(Event::Slashed("reason 1".into())),
        Just(Event::Jailed("silent".into())),
        Just(Event::StakeLost(ErrorCode::PositionClosed, "closed".into())),
        Just(Event::SealLost),
        Just(Event::MasterRefused("no".into())),
        Just(Event::HeartbeatsFailing),
        Just(Event::StopAsked),
        Just(Event::RegisterAsked),
        Just(Event::Failed(ErrorCode::InsufficientFunds, "no gas".into())),
    ];
    // What an owner asks for is what these lives are about.
    let owner = prop_oneof![Just(Event::UnstakeAsked), (5..9u64).prop_map(|sui| Event::StakeAsked(order(sui)))];
    let turn = prop_oneof![
        12 => Just(Turn::Go),
        2 => Just(Turn::Kill),
        2 => Just(Turn::KillAfter),
        1 => outside.prop_map(Turn::Outside),
        1 => owner.prop_map(Turn::Outside),
        1 => prop::bool::weighted(0.3).prop_map(Turn::Wallet),
    ];
    prop::collection::vec(turn, 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn every_life_stakes_once_loses_nothing_and_comes_to_rest(turns in turns()) {
        let mut life = Life::begin();
        for turn in turns {
            life.turn(turn);
        }
        life.rest();
        let Life { world, state, queue, restakes, refused } = life;
        prop_assert!(queue.is_empty(), "{queue:?}");
        let waits = state.phase == Phase::Unproven && refused && state.order.is_some();
        prop_assert!(waits || matches!(state.phase, Phase::Joined | Phase::Withdrawn | Phase::Gone), "{}", state.phase);
        prop_assert!(state.phase != Phase::Joined || state.order.is_none());
        prop_assert!(world.stakes <= 1 + restakes, "{} stakes, {restakes} asked for", world.stakes);
        prop_assert!(world.unstakes <= world.stakes && world.withdrawals <= world.stakes);
        for (position, money) in &world.chain {
            let known = state.position == Some(*position) && world.seal_file == Some(*position);
            prop_assert!(known || *money == Money::Back, "{position} has {money:?} and nobody knows of it");
        }
        let money = state.position.and_then(|position| world.chain.get(&position));
        prop_assert!(state.phase != Phase::Withdrawn || matches!(money, Some(Money::Back) | None), "{money:?}");
        let back = money == Some(&Money::Back);
        prop_assert!(!back || matches!(state.phase, Phase::Withdrawn | Phase::Gone), "{}", state.phase);
    }
}

#[test]
fn a_life_can_come_to_each_place_of_rest() {
    let ends = [
        (vec![], Phase::Joined),
        (vec![Event::StopAsked], Phase::Gone),
        (vec![Event::UnstakeAsked], Phase::Withdrawn),
        (vec![Event::UnstakeAsked, Event::StakeAsked(order(7))], Phase::Joined),
    ];
    for (asked, phase) in ends {
        let mut life = Life::begin();
        life.rest();
        for event in asked {
            life.turn(Turn::Outside(event));
            life.rest();
        }
        assert_eq!(life.state.phase, phase);
    }
}

/// Every place where a process can be killed between an order and its stake: after each number of actions, before or after the
/// last one is heard of.
#[test]
fn what_is_ordered_is_what_is_staked_wherever_it_is_killed() {
    let places = (0..6)
        .flat_map(|steps| [(steps, true, true), (steps, true, false), (steps, false, true), (steps, false, false)]);
    for (steps, heard, left) in places {
        let mut life = Life::begin();
        if left {
            life.rest();
            life.turn(Turn::Outside(Event::UnstakeAsked));
            life.rest();
            assert_eq!(life.state.phase, Phase::Withdrawn);
        }
        let before = life.world.stakes;
        life.turn(Turn::Outside(Event::StakeAsked(order(7))));
        for n in 0..=steps {
            life.turn(match (n == steps, heard) {
                (false, _) => Turn::Go,
                (true, true) => Turn::Kill,
                (true, false) => Turn::KillAfter,
            });
        }
        life.rest();
        // The world compares the amounts.
        assert_eq!((life.state.phase, life.world.stakes), (Phase::Joined, before + 1), "killed after {steps} steps");
    }
}
