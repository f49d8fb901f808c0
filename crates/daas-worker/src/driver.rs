//! Connects the state machine with what does its actions, with what interrupts them, and with who gives orders.

mod desk;
#[cfg(test)]
mod tests;

pub(crate) use desk::Desk;
use desk::Order;

use crate::api::command::{Command, Staked};
use crate::interrupts::Interrupts;
use crate::state::{Action, Ending, Event, Journal, Phase, StakeOrder, State, Why, step};
use crate::worker::{Duties, Duty};
use core::pin::pin;
use daas_chain::clock;
use daas_types::{ErrorCode, PositionId, Problem, SealId};
use std::collections::VecDeque;

/// What does the work. Futures of it may be dropped half-way.
pub(crate) trait Hands {
    /// Does one action; `why` the worker ends, if it does.
    async fn perform(&mut self, action: Action, why: Option<Why>) -> Option<Event>;
    /// Does one of a joined node's regular duties.
    async fn duty(&mut self, duty: Duty) -> Option<Event>;
    /// Makes a new Seal where there is a stake.
    async fn reseal(&mut self, order: StakeOrder) -> Result<Staked, Problem>;
    /// What came of the order that the last [`Action::Mint`] was done by, told once.
    fn made(&mut self) -> Option<Result<Staked, Problem>>;
    /// The Seal in use, its position, and the generation of the position it was seen on.
    fn seal(&self) -> Option<(SealId, PositionId, u64)>;
    /// Saves where the worker stands.
    fn save(&self, journal: &Journal) -> Result<(), Problem>;
    /// Told of all that was written down; whether the worker has `moved` on by it, or only has something to do.
    fn noted(&mut self, journal: &Journal, moved: bool);
    /// Told once the node has joined.
    fn joined(&mut self);
}

/// One worker's life.
pub(crate) struct Driver<H> {
    journal: Journal,
    hands: H,
    interrupts: Interrupts,
    desk: Desk,
    queue: VecDeque<Action>,
}

/// What came of an order for a Seal.
enum Made {
    Seal,
    Nothing,
    Interrupted(Event),
}

/// What comes from outside.
enum Heard {
    Interrupt(Event),
    Command(Command),
}

/// What of it leads elsewhere.
enum Call {
    Interrupt(Event),
    Order(Order),
}

/// How an action ended.
enum Done {
    Action(Option<Event>),
    Not(Call),
}

// === impl Driver ===

impl<H: Hands> Driver<H> {
    /// A worker that goes on from where `journal` ends.
    pub(crate) fn new(journal: Journal, hands: H, interrupts: Interrupts, desk: Desk) -> Self {
        Self { journal, hands, interrupts, desk, queue: VecDeque::new() }
    }

    /// Lives it to its end.
    pub(crate) async fn drive(&mut self) -> Result<Ending, Problem> {
        self.take(Event::Started);
        loop {
            if let Some(order) = self.waiting_order() {
                let event = match order {
                    Order::Event(event) => Some(event),
                    Order::Stake(order) => self.reseal(order).await.interrupt(),
                };
                if let Some(event) = event {
                    self.take(event);
                }
                continue;
            }
            let event = match self.queue.pop_front() {
                Some(action) => self.act(action).await,
                None if self.state().phase == Phase::Gone => break,
                None => self.serve().await,
            };
            if let Some(event) = event {
                self.take(event);
            }
        }
        let gone = || Problem::new(ErrorCode::Internal, "the worker is gone without a reason");
        self.state().ending.clone().ok_or_else(gone)
    }

    /// What is left when it is over.
    pub(crate) fn into_interrupts(self) -> Interrupts {
        self.interrupts
    }

    fn state(&self) -> &State {
        &self.journal.state
    }

    /// Does one action. What comes from outside goes before it; once pods are being stopped, nothing does.
    async fn act(&mut self, action: Action) -> Option<Event> {
        let why = self.state().ending.as_ref().map(|ending| ending.why);
        if why.is_some() && action != Action::Cordon {
            return self.hands.perform(action, why).await;
        }
        let call = match self.perform(action, why).await {
            Done::Action(event) => return event,
            Done::Not(call) => call,
        };
        // Unless it leads elsewhere, what it interrupted is still to be done.
        self.queue.push_front(action);
        self.follow(call).await
    }

    /// Until it is done, or something leads elsewhere. Orders that lead nowhere are taken meanwhile, and what is on its way to
    /// the chain is not let go of for one: a transaction is sent once.
    async fn perform(&mut self, action: Action, why: Option<Why>) -> Done {
        let money = matches!(action, Action::Mint(_) | Action::Recover | Action::Unstake | Action::Withdraw);
        let Self { journal, hands, interrupts, desk, .. } = self;
        let mut performing = pin!(hands.perform(action, why));
        loop {
            tokio::select! {
                biased;
                event = interrupts.next() => {
                    // The stake that the worker itself takes out is lost to nobody.
                    if journal.state.phase != Phase::Unbonding || matches!(event, Event::StopAsked | Event::Failed(..)) {
                        return Done::Not(Call::Interrupt(event));
                    }
                }
                command = desk.next() => match desk.take(command, &journal.state, false) {
                    // It is done when this is.
                    Some(Order::Stake(_) | Order::Event(Event::StakeAsked(_))) if money => {}
                    Some(order) => return Done::Not(Call::Order(order)),
                    None => {}
                },
                event = performing.as_mut() => return Done::Action(event),
            }
        }
    }

    /// What a joined node does until something happens; any other worker without work only waits.
    async fn serve(&mut self) -> Option<Event> {
        if self.state().phase != Phase::Joined {
            let call = called(&mut self.interrupts, &mut self.desk).await;
            return self.answer(call).await;
        }
        self.hands.joined();
        let mut duties = Duties::default();
        loop {
            let duty = tokio::select! {
                biased;
                call = called(&mut self.interrupts, &mut self.desk) => return self.answer(call).await,
                duty = duties.next() => duty,
            };
            let done = tokio::select! {
                biased;
                call = called(&mut self.interrupts, &mut self.desk) => return self.answer(call).await,
                event = self.hands.duty(duty) => event,
            };
            self.tell_interrupts();
            if done.is_some() {
                return done;
            }
        }
    }

    async fn answer(&mut self, heard: Heard) -> Option<Event> {
        let call = match heard {
            Heard::Interrupt(event) => Call::Interrupt(event),
            Heard::Command(command) => Call::Order(self.desk.take(command, &self.journal.state, true)?),
        };
        self.follow(call).await
    }

    async fn follow(&mut self, call: Call) -> Option<Event> {
        match call {
            Call::Interrupt(event) | Call::Order(Order::Event(event)) => Some(event),
            Call::Order(Order::Stake(order)) => match self.reseal(order).await {
                // News only where there was none.
                Made::Seal => Some(Event::SealLive),
                made => made.interrupt(),
            },
        }
    }

    /// An order that came while the Seal was being made that the worker needed anyway.
    fn waiting_order(&self) -> Option<Order> {
        let order = self.desk.stake_order()?;
        match self.state().phase {
            Phase::Staked | Phase::VerifiedMaster | Phase::Joined => Some(Order::Stake(order)),
            // Of that stake nothing came.
            Phase::Unproven | Phase::Withdrawn if self.state().order != Some(order) => {
                Some(Order::Event(Event::StakeAsked(order)))
            }
            _ => None,
        }
    }

    /// Makes a Seal by somebody's order, who is told what came of it.
    async fn reseal(&mut self, order: StakeOrder) -> Made {
        let made = {
            let Self { hands, interrupts, desk, .. } = self;
            let mut making = pin!(hands.reseal(order));
            loop {
                tokio::select! {
                    biased;
                    event = interrupts.next() => {
                        // It is lost to the one that is being made.
                        if event != Event::SealLost {
                            desk.staked(Err(Problem::new(ErrorCode::WorkerBusy, &event)));
                            return Made::Interrupted(event);
                        }
                    }
                    made = making.as_mut() => break made,
                }
            }
        };
        self.tell_interrupts();
        let is_made = made.is_ok();
        self.desk.staked(made);
        if is_made { Made::Seal } else { Made::Nothing }
    }

    /// Moves on, and saves before anything is done about it.
    fn take(&mut self, event: Event) {
        let before = self.state().clone();
        let why = event.to_string();
        let is_start = event == Event::Started;
        let ordered = matches!(event, Event::StakeAsked(_)).then(|| self.journal.clone());
        let made = match &event {
            Event::SealLive => self.hands.made(),
            Event::StakeRefused(code, cause) => Some(Err(Problem::new(*code, cause))),
            _ => None,
        };
        let (state, actions) = step(before.clone(), event);
        if state.phase == before.phase {
            tracing::info!(worker.phase = %before.phase, ?actions, "{why}");
        } else {
            tracing::info!(worker.from = %before.phase, worker.to = %state.phase, ?actions, "{why}");
        }
        self.journal.note(clock::now(), &why, state);
        // A full disk must not keep a slashed node running; what a later start needs most is in the Seal file.
        if let Err(problem) = self.hands.save(&self.journal) {
            tracing::error!(%problem, "state not saved");
            // What is not written down first is not staked: after a kill another amount would be.
            if let Some(former) = ordered {
                self.journal = former;
                return self.desk.staked(Err(problem));
            }
        }
        if !actions.is_empty() {
            // New orders replace old ones: whatever was queued belonged to the former state.
            self.queue = actions.into();
        }
        self.hands.noted(&self.journal, *self.state() != before || is_start);
        // Only now: who is told that nothing was staked does not find it staked after a kill.
        if let Some(made) = made.filter(|_| before.order.is_some() && before.order == self.desk.stake_order()) {
            self.desk.staked(made);
        }
        self.desk.settle(&self.journal.state);
        self.tell_interrupts();
    }

    fn tell_interrupts(&mut self) {
        if let Some(position) = self.state().position {
            self.interrupts.watch(position);
        }
        // Of a position that was left nothing is to be known.
        let own = self.hands.seal().filter(|(_, position, _)| self.state().position == Some(*position));
        if let Some((seal, position, generation)) = own {
            self.interrupts.known(position, generation, seal);
        }
    }
}

// === impl Made ===

impl Made {
    fn interrupt(self) -> Option<Event> {
        match self {
            Self::Interrupted(event) => Some(event),
            Self::Seal | Self::Nothing => None,
        }
    }
}

/// Interrupts before orders: a slash waits for nobody.
async fn called(interrupts: &mut Interrupts, desk: &mut Desk) -> Heard {
    tokio::select! {
        biased;
        event = interrupts.next() => Heard::Interrupt(event),
        command = desk.next() => Heard::Command(command),
    }
}
