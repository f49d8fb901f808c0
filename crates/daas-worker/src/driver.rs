//! Connects the state machine with what does its actions and with what interrupts them.

#[cfg(test)]
mod tests;

use crate::interrupts::Interrupts;
use crate::state::{Action, Ending, Event, Phase, State, Why, step};
use crate::worker::{Duties, Duty};
use daas_types::{ErrorCode, PositionId, Problem, SealId};
use std::collections::VecDeque;

/// What does the work. Futures of it may be dropped half-way.
pub(crate) trait Hands {
    /// Does one action; `slashed` if there is no time to lose.
    async fn perform(&mut self, action: Action, slashed: bool) -> Option<Event>;
    /// Does one of a joined node's regular duties.
    async fn duty(&mut self, duty: Duty) -> Option<Event>;
    /// The Seal in use, its position, and the generation of the position it was seen on.
    fn seal(&self) -> Option<(SealId, PositionId, u64)>;
    /// Saves where the worker stands.
    fn save(&self, state: &State) -> Result<(), Problem>;
    /// Told once the node has joined.
    fn joined(&mut self);
}

/// One worker's life.
pub(crate) struct Driver<H> {
    state: State,
    hands: H,
    interrupts: Interrupts,
    queue: VecDeque<Action>,
}

// === impl Driver ===

impl<H: Hands> Driver<H> {
    /// A worker that goes on from `state`.
    pub(crate) fn new(state: State, hands: H, interrupts: Interrupts) -> Self {
        Self { state, hands, interrupts, queue: VecDeque::new() }
    }

    /// Lives it to its end.
    pub(crate) async fn drive(&mut self) -> Result<Ending, Problem> {
        self.take(Event::Started);
        loop {
            let event = match self.queue.pop_front() {
                Some(action) => self.act(action).await,
                None if self.state.phase == Phase::Gone => break,
                None => Some(self.serve().await),
            };
            if let Some(event) = event {
                self.take(event);
            }
        }
        let gone = || Problem::new(ErrorCode::Internal, "the worker is gone without a reason");
        self.state.ending.clone().ok_or_else(gone)
    }

    /// What is left when it is over.
    pub(crate) fn into_interrupts(self) -> Interrupts {
        self.interrupts
    }

    /// Does one action. Interrupts go before it; once the worker leaves, only a slash does, and only before the wait for
    /// pods to go by themselves.
    async fn act(&mut self, action: Action) -> Option<Event> {
        let slashed = self.state.ending.as_ref().is_some_and(|ending| ending.why == Why::Slashed);
        let leaving = self.state.phase >= Phase::Draining;
        if leaving && action != Action::Cordon {
            return self.hands.perform(action, slashed).await;
        }
        tokio::select! {
            biased;
            event = interrupt(&mut self.interrupts, leaving) => {
                // Unless the event leads elsewhere, what it interrupted is still to be done.
                self.queue.push_front(action);
                Some(event)
            }
            event = self.hands.perform(action, slashed) => event,
        }
    }

    /// What a joined node does until something happens.
    async fn serve(&mut self) -> Event {
        if self.state.phase == Phase::Joined {
            self.hands.joined();
        }
        let mut duties = Duties::default();
        loop {
            let duty = tokio::select! {
                biased;
                event = self.interrupts.next() => return event,
                duty = duties.next() => duty,
            };
            let done = tokio::select! {
                biased;
                event = self.interrupts.next() => return event,
                event = self.hands.duty(duty) => event,
            };
            self.tell_interrupts();
            if let Some(event) = done {
                return event;
            }
        }
    }

    /// Moves on, and saves before anything is done about it.
    fn take(&mut self, event: Event) {
        let before = self.state.phase;
        let why = event.to_string();
        let (state, actions) = step(self.state.clone(), event);
        if state.phase == before {
            tracing::info!(worker.phase = %before, ?actions, "{why}");
        } else {
            tracing::info!(worker.from = %before, worker.to = %state.phase, ?actions, "{why}");
        }
        if state != self.state {
            self.state = state;
            // A full disk must not keep a slashed node running; what a later start needs most is in the Seal file.
            if let Err(problem) = self.hands.save(&self.state) {
                tracing::error!(%problem, "state not saved");
            }
        }
        if !actions.is_empty() {
            // New orders replace old ones: whatever was queued belonged to the former state.
            self.queue = actions.into();
        }
        self.tell_interrupts();
    }

    fn tell_interrupts(&mut self) {
        if let Some(position) = self.state.position {
            self.interrupts.watch(position);
        }
        if let Some((seal, position, generation)) = self.hands.seal() {
            self.interrupts.known(position, generation, seal);
        }
    }
}

async fn interrupt(interrupts: &mut Interrupts, slashes_only: bool) -> Event {
    loop {
        let event = interrupts.next().await;
        if !slashes_only || matches!(event, Event::Slashed(_)) {
            return event;
        }
    }
}
