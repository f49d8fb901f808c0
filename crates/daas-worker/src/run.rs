//! Puts a worker together and runs it from its start to its end.

use crate::config::WorkerConfig;
use crate::driver::{Driver, Hands};
use crate::interrupts::Interrupts;
use crate::state::{Action, Ending, Event, State, Why};
use crate::store::Store;
use crate::worker::{Duty, Worker};
use daas_chain::follow::Follower;
use daas_daemon::admin::Admin;
use daas_daemon::{Readiness, Ready, Tasks};
use daas_types::{ErrorCode, PositionId, Problem, SealId};
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
        tasks.spawn("admin listener", admin.run(shutdown.clone(), tasks_end.clone()));
    }
    let follower = Follower::new(worker.chain().clone(), worker.index().clone());
    let until = tasks_end.clone();
    tasks.spawn("chain follower", async move { Ok(follower.run(until).await?) });

    let interrupts = Interrupts::new(worker.index().clone(), tasks, shutdown);
    let mut driver = Driver::new(state, Joining { worker, ready: Some(ready) }, interrupts);
    let ended = driver.drive().await;
    tasks_end.cancel();
    driver.into_interrupts().drain(TASKS_GRACE).await;
    ended
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

/// A worker, and who waits for its node.
struct Joining {
    worker: Worker,
    ready: Option<Ready>,
}

impl Hands for Joining {
    async fn perform(&mut self, action: Action, slashed: bool) -> Option<Event> {
        self.worker.perform(action, slashed).await
    }

    async fn duty(&mut self, duty: Duty) -> Option<Event> {
        self.worker.duty(duty).await
    }

    fn seal(&self) -> Option<(SealId, PositionId, u64)> {
        let (seal, generation) = self.worker.seal()?;
        Some((seal.seal?, seal.position, generation))
    }

    fn save(&self, state: &State) -> Result<(), Problem> {
        self.worker.store().save(state)
    }

    fn joined(&mut self) {
        self.ready = None;
    }
}
