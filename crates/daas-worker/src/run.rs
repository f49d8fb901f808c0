//! Runs a worker from its start to its end: state machine, actions, interrupts.

use crate::config::WorkerConfig;
use crate::interrupts::Interrupts;
use crate::state::{Action, Ending, Event, Phase, State, Why, step};
use crate::store::Store;
use crate::worker::{Duties, Worker};
use daas_chain::follow::Follower;
use daas_daemon::admin::Admin;
use daas_daemon::{Readiness, Ready, Tasks};
use daas_types::{ErrorCode, Problem};
use std::collections::VecDeque;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const TASKS_GRACE: Duration = Duration::from_secs(5);

/// Runs until the worker is gone; answers why it went. `shutdown` asks it to leave in order.
pub async fn run(config: &WorkerConfig, shutdown: CancellationToken) -> Result<Ending, Problem> {
    let store = Store::open(&config.state_dir)?;
    let state = store.load()?;
    let worker = Worker::new(config, store).await?;
    // Apart from `shutdown`: the position is watched to the very end.
    let tasks_end = CancellationToken::new();
    let mut tasks = Tasks::new(tasks_end.clone());
    let readiness = Readiness::default();
    let ready = readiness.awaits("node");
    if let Some(address) = config.health {
        let admin = Admin::bind(address, readiness).await;
        let admin = admin.map_err(|e| Problem::new(ErrorCode::PortBusy, format!("{address}: {e}")))?;
        tasks.spawn("admin listener", admin.run(tasks_end.clone()));
    }
    let follower = Follower::new(worker.chain().clone(), worker.index().clone());
    let until = tasks_end.clone();
    tasks.spawn("chain follower", async move { Ok(follower.run(until).await?) });

    let interrupts = Interrupts::new(worker.index().clone(), tasks, shutdown);
    let mut driver = Driver { state, worker, interrupts, queue: VecDeque::new(), ready: Some(ready) };
    let ended = driver.drive().await;
    tasks_end.cancel();
    driver.interrupts.drain(TASKS_GRACE).await;
    ended
}

struct Driver {
    state: State,
    worker: Worker,
    interrupts: Interrupts,
    queue: VecDeque<Action>,
    ready: Option<Ready>,
}

// === impl Driver ===

impl Driver {
    async fn drive(&mut self) -> Result<Ending, Problem> {
        self.take(Event::Started)?;
        loop {
            let event = match self.queue.pop_front() {
                Some(action) => self.act(action).await,
                None if self.state.phase == Phase::Gone => break,
                None => Some(self.serve().await),
            };
            if let Some(event) = event {
                self.take(event)?;
            }
        }
        let gone = || Problem::new(ErrorCode::Internal, "the worker is gone without a reason");
        self.state.ending.clone().ok_or_else(gone)
    }

    /// Does one action. While it is not yet leaving, an interrupt goes before it; once it is, only a slash does, and
    /// only before waiting for pods.
    async fn act(&mut self, action: Action) -> Option<Event> {
        let slashed = self.state.ending.as_ref().is_some_and(|ending| ending.why == Why::Slashed);
        let leaving = self.state.phase >= Phase::Draining;
        if leaving && action != Action::Cordon {
            return self.worker.perform(action, slashed).await;
        }
        tokio::select! {
            biased;
            event = interrupt(&mut self.interrupts, leaving) => Some(event),
            event = self.worker.perform(action, slashed) => event,
        }
    }

    /// What a joined node does until something happens.
    async fn serve(&mut self) -> Event {
        if self.state.phase == Phase::Joined {
            self.ready = None;
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
                event = self.worker.duty(duty) => event,
            };
            self.tell_interrupts();
            if let Some(event) = done {
                return event;
            }
        }
    }

    /// Moves on, and saves before anything is done about it.
    fn take(&mut self, event: Event) -> Result<(), Problem> {
        let before = self.state.phase;
        let why = event.to_string();
        let (state, actions) = step(self.state.clone(), event);
        if state.phase == before {
            tracing::info!(worker.phase = %before, actions = ?actions, "{why}");
        } else {
            tracing::info!(worker.from = %before, worker.to = %state.phase, actions = ?actions, "{why}");
        }
        if state != self.state {
            self.state = state;
            self.worker.store().save(&self.state)?;
        }
        if !actions.is_empty() {
            // New orders replace old ones: whatever was queued belonged to the former state.
            self.queue = actions.into();
        }
        self.tell_interrupts();
        Ok(())
    }

    fn tell_interrupts(&mut self) {
        if let Some(position) = self.state.position {
            self.interrupts.watch(position);
        }
        if let Some((seal, generation)) = self.worker.seal()
            && let Some(id) = seal.seal
        {
            self.interrupts.known(seal.position, generation, id);
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

/// The exit code of a worker that could not run at all.
pub fn exit_code(code: ErrorCode) -> u8 {
    match code {
        ErrorCode::ConfigInvalid
        | ErrorCode::ClusterFileMissing
        | ErrorCode::ClusterFileBad
        | ErrorCode::MockModeRefused => 2,
        ErrorCode::StakeSlashed => Why::Slashed.exit_code(),
        _ => Why::Failed.exit_code(),
    }
}
