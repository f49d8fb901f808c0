//! What cannot wait for whatever the worker is doing: its own position on chain, a signal, a task that died.

#[cfg(test)]
pub(crate) mod tests;

use crate::stake::{Standing, jail_cause, standing};
use crate::state::Event;
use daas_chain::index::{Index, Snapshot};
use daas_daemon::{TaskEnd, Tasks};
use daas_types::{ErrorCode, Mist, PositionId, SealId};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Where interrupts come from.
pub struct Interrupts {
    index: Index,
    checkpoints: watch::Receiver<u64>,
    tasks: Tasks,
    shutdown: CancellationToken,
    stop_told: bool,
    own: Option<Own>,
}

/// What is known of the worker's own position.
#[derive(Clone, Copy, Debug)]
struct Own {
    position: PositionId,
    /// The Seal that has to be on it, once there is one.
    seal: Option<SealId>,
    /// States up to this one have been dealt with.
    generation: u64,
}

// === impl Interrupts ===

impl Interrupts {
    /// Interrupts of a process whose `tasks` keep `index` at the tip and which `shutdown` asks to stop.
    pub fn new(index: Index, tasks: Tasks, shutdown: CancellationToken) -> Self {
        let checkpoints = index.checkpoints();
        Self { index, checkpoints, tasks, shutdown, stop_told: false, own: None }
    }

    /// Which position to watch. What is known of the same one stays known.
    pub fn watch(&mut self, position: PositionId) {
        if self.own.is_none_or(|own| own.position != position) {
            self.own = Some(Own { position, seal: None, generation: 0 });
        }
    }

    /// The worker knows the position's state of this generation, with this Seal on it.
    pub fn known(&mut self, position: PositionId, generation: u64, seal: SealId) {
        // What was dealt with stays dealt with, or one lost Seal would interrupt for ever.
        let same = self.own.filter(|own| (own.position, own.seal) == (position, Some(seal)));
        let generation = generation.max(same.map_or(0, |own| own.generation));
        self.own = Some(Own { position, seal: Some(seal), generation });
    }

    /// The next interrupt. Nothing is lost if this is dropped while it waits.
    pub async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.look() {
                return event;
            }
            tokio::select! {
                () = self.shutdown.cancelled(), if !self.stop_told => {
                    self.stop_told = true;
                    return Event::StopAsked;
                }
                // The index lives as long as this does, so the sender does too.
                _ = self.checkpoints.changed() => {}
                end = self.tasks.run() => return ended(end),
            }
        }
    }

    /// Ends the process's tasks.
    pub async fn drain(self, grace: Duration) {
        self.tasks.drain(grace).await;
    }

    fn look(&mut self) -> Option<Event> {
        let own = self.own.as_mut()?;
        own.look(&self.index.snapshot())
    }
}

// === impl Own ===

impl Own {
    fn look(&mut self, snapshot: &Snapshot) -> Option<Event> {
        let live = snapshot.position(self.position)?;
        let minimum = snapshot.policy().node_minimum;
        // A gap is read again in a moment; without a policy nothing can be judged.
        if live.gap || minimum == Mist(u64::MAX) || live.state.generation <= self.generation {
            return None;
        }
        self.generation = live.state.generation;
        match standing(&live.state, minimum) {
            Standing::Slashed(cause) => Some(Event::Slashed(cause)),
            Standing::Lost(code, cause) => Some(Event::StakeLost(code, cause)),
            Standing::Good => {
                let seal = self.seal?;
                if let Some(cause) = jail_cause(&live.state) {
                    return Some(Event::Jailed(cause));
                }
                let there = live.state.seals.iter().any(|record| record.id == seal);
                (!there).then_some(Event::SealLost)
            }
        }
    }
}

fn ended(end: TaskEnd) -> Event {
    match end {
        TaskEnd::Shutdown => Event::StopAsked,
        TaskEnd::Task { name, result } => {
            let how = result.map_or_else(|error| format!("{error:#}"), |()| "without a reason".to_owned());
            Event::Failed(ErrorCode::Internal, format!("task {name} ended: {how}"))
        }
    }
}
