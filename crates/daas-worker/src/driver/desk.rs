//! Orders of the worker's owner: which of them the worker takes where it stands, and who waits for an answer.

use crate::api::command::{Command, Inbox, Leaving, Reply, Staked};
use crate::state::{Event, Leave, Phase, StakeOrder, State};
use daas_types::{ErrorCode, Problem};

/// How many may wait for the same thing.
const WAITING: usize = 8;

/// Who gave an order and waits.
pub(crate) struct Desk {
    inbox: Inbox,
    stake: Option<(StakeOrder, Reply<Staked>)>,
    registrations: Vec<Reply<()>>,
    departures: Vec<Reply<Leaving>>,
}

/// What an order asks of the driver.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Order {
    Event(Event),
    Stake(StakeOrder),
}

// === impl Desk ===

impl Desk {
    /// A desk that orders come to through `inbox`.
    pub(crate) fn new(inbox: Inbox) -> Self {
        Self { inbox, stake: None, registrations: Vec::new(), departures: Vec::new() }
    }

    /// The next order. Nothing is lost if this is dropped while it waits.
    pub(super) async fn next(&mut self) -> Command {
        match self.inbox.recv().await {
            Some(command) => command,
            // Nobody is left who could give one.
            None => std::future::pending().await,
        }
    }

    /// Takes an order in, or refuses it. What it asks for now, if anything. A worker that is `idle` has nothing on its way to
    /// the chain.
    pub(super) fn take(&mut self, command: Command, state: &State, idle: bool) -> Option<Order> {
        match command {
            Command::Stake(order, reply) => self.take_stake(order, reply, state),
            Command::Register(reply) => {
                if is_leaving(state.phase) {
                    return refuse(reply, busy("the worker is leaving"));
                }
                wait(&mut self.registrations, reply);
                (state.phase == Phase::Joined).then_some(Order::Event(Event::RegisterAsked))
            }
            Command::Unstake(reply) => match (state.phase, state.leave) {
                (Phase::Unproven, Leave::No) if !idle || state.order.is_none() => {
                    refuse(reply, busy("no stake is known yet"))
                }
                (Phase::Draining | Phase::Gone, Leave::No) => refuse(reply, busy("the worker is leaving")),
                (_, leave) => {
                    wait(&mut self.departures, reply);
                    self.settle(state);
                    (leave == Leave::No).then_some(Order::Event(Event::UnstakeAsked))
                }
            },
        }
    }

    /// The order that the next Seal is made by, if there is one.
    pub(super) fn stake_order(&self) -> Option<StakeOrder> {
        self.stake.as_ref().map(|(order, _)| *order)
    }

    /// Tells who ordered a Seal what came of it.
    pub(super) fn staked(&mut self, made: Result<Staked, Problem>) {
        if let Some((_, reply)) = self.stake.take() {
            answer(reply, made);
        }
    }

    /// Answers those for whom the worker has come far enough.
    pub(super) fn settle(&mut self, state: &State) {
        let left = match state.leave {
            Leave::Unbonding(withdrawable) => Some(Leaving::Unbonding { withdrawable }),
            Leave::Withdrawn => Some(Leaving::Unstaked),
            Leave::No | Leave::Asked => None,
        };
        if let Some(left) = left {
            self.departures.drain(..).for_each(|reply| answer(reply, Ok(left)));
        }
        if state.phase == Phase::Joined {
            self.registrations.drain(..).for_each(|reply| answer(reply, Ok(())));
        }
        if is_leaving(state.phase) {
            let refused = |reply| answer(reply, Err(busy("the worker is leaving")));
            self.registrations.drain(..).for_each(refused);
        }
        let cause = || state.ending.as_ref().map_or_else(String::new, |ending| ending.cause.clone());
        if matches!(state.phase, Phase::Draining | Phase::Unbonding | Phase::Gone) {
            self.staked(Err(busy(&cause())));
        }
        if is_leaving(state.phase) && state.leave == Leave::No {
            let cause = cause();
            self.departures.drain(..).for_each(|reply| answer(reply, Err(busy(&cause))));
        }
    }

    fn take_stake(&mut self, order: StakeOrder, reply: Reply<Staked>, state: &State) -> Option<Order> {
        if self.stake.is_some() {
            return refuse(reply, busy("another order is being done"));
        }
        let asks = match state.phase {
            Phase::Draining | Phase::Unbonding | Phase::Gone => return refuse(reply, busy("the worker is leaving")),
            Phase::Unproven | Phase::Withdrawn => Some(Order::Event(Event::StakeAsked(order))),
            _ => Some(Order::Stake(order)),
        };
        self.stake = Some((order, reply));
        asks
    }
}

fn is_leaving(phase: Phase) -> bool {
    matches!(phase, Phase::Draining | Phase::Unbonding | Phase::Withdrawn | Phase::Gone)
}

fn busy(cause: &str) -> Problem {
    Problem::new(ErrorCode::WorkerBusy, cause)
}

fn wait<T>(waiting: &mut Vec<Reply<T>>, reply: Reply<T>) {
    if waiting.len() < WAITING {
        waiting.push(reply);
    } else {
        answer(reply, Err(busy("enough wait for the same")));
    }
}

fn refuse<T>(reply: Reply<T>, problem: Problem) -> Option<Order> {
    answer(reply, Err(problem));
    None
}

/// Who asked may have stopped listening.
fn answer<T>(reply: Reply<T>, result: Result<T, Problem>) {
    drop(reply.send(result));
}
