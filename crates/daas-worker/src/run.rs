//! Puts a worker together and runs it from its start to its end.

use crate::api::command::{self, Commands, Staked};
use crate::api::routes::{About, Api};
use crate::api::server::Server;
use crate::api::status::Board;
use crate::config::WorkerConfig;
use crate::driver::{Desk, Driver, Hands};
use crate::interrupts::Interrupts;
use crate::state::{Action, Ending, Event, Journal, Phase, StakeOrder, State, Why};
use crate::store::Store;
use crate::worker::{Duty, Worker};
use daas_chain::follow::Follower;
use daas_daemon::admin::Admin;
use daas_daemon::{Notifier, Readiness, Ready, Tasks};
use daas_types::{ErrorCode, Mist, PositionId, Problem, SealId};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

const TASKS_GRACE: Duration = Duration::from_secs(5);

/// Runs until the worker is gone; answers why it went. `shutdown` asks it to leave in order; SIGHUP ends the process alone, so
/// that another can go on with its pods.
pub async fn run(config: &WorkerConfig, shutdown: CancellationToken) -> Result<Ending, Problem> {
    let store = Store::open(&config.state_dir)?;
    let journal = store.load()?;
    // Apart from `shutdown`: the position is watched to the very end.
    let tasks_end = CancellationToken::new();
    let mut tasks = Tasks::new(tasks_end.clone());
    let readiness = Readiness::default();
    let ready = readiness.awaits("node");
    // Before all that takes long, so that the service manager has patience with it.
    let notifier = Notifier::from_env();
    let telling = notifier.clone().run(readiness.clone(), shutdown.clone(), tasks_end.clone());
    tasks.spawn("service manager", telling);
    let worker = Worker::new(config, store, Board::default()).await?;
    let (commands, inbox) = command::channel();
    if let Some((server, api)) = api(config, &worker, commands).await? {
        tasks.spawn("HTTP API", server.run(api, tasks_end.clone()));
    }
    if let Some(address) = config.health {
        let admin = Admin::bind(address, readiness).await;
        let admin = admin.map_err(|e| Problem::new(ErrorCode::PortBusy, format!("{address}: {e}")))?;
        tasks.spawn("admin listener", admin.run(shutdown.clone(), tasks_end.clone()));
    }
    let follower = Follower::new(worker.chain().clone(), worker.index().clone());
    let until = tasks_end.clone();
    tasks.spawn("chain follower", async move { Ok(follower.run(until).await?) });

    let interrupts = Interrupts::new(worker.index().clone(), tasks, shutdown);
    let hands = Joining { worker, stake: config.stake, ready: Some(ready), notifier };
    let mut driver = Driver::new(journal, hands, interrupts, Desk::new(inbox));
    let mut handover = signal(SignalKind::hangup()).map_err(Problem::of(ErrorCode::Internal))?;
    let ended = tokio::select! {
        ended = driver.drive() => ended,
        // As if it were killed: where it stands is on disk, its pods go on, and so does whoever is started next.
        _ = handover.recv() => Ok(Ending::asked("asked to leave all to the next start")),
    };
    tasks_end.cancel();
    driver.into_interrupts().drain(TASKS_GRACE).await;
    ended
}

/// The owner's HTTP API, if it is wanted and its port is free.
async fn api(config: &WorkerConfig, worker: &Worker, commands: Commands) -> Result<Option<(Server, Api)>, Problem> {
    let Some(listen) = &config.api else {
        return Ok(None);
    };
    let Some(server) = Server::bind(listen).await? else {
        return Ok(None);
    };
    let settings = config.settings.clone();
    let about = About { node_id: worker.node_id().clone(), owner: worker.owner(), settings };
    let (store, index, board) = (worker.store(), worker.index().clone(), worker.board().clone());
    Ok(Some((server, Api::new(about, listen, store, index, board, commands)?)))
}

/// The exit code of a worker that could not run at all.
pub fn exit_code(code: ErrorCode) -> u8 {
    match code {
        ErrorCode::ConfigInvalid
        | ErrorCode::ClusterFileMissing
        | ErrorCode::ClusterFileBad
        | ErrorCode::ApiExposed
        | ErrorCode::ApiPortReserved
        | ErrorCode::MockModeRefused => 2,
        ErrorCode::StakeSlashed => Why::Slashed.exit_code(),
        _ => Why::Failed.exit_code(),
    }
}

/// A worker, and who waits for its node.
struct Joining {
    worker: Worker,
    /// What is staked where nobody says otherwise.
    stake: Mist,
    ready: Option<Ready>,
    notifier: Notifier,
}

impl Hands for Joining {
    async fn perform(&mut self, action: Action, why: Option<Why>) -> Option<Event> {
        self.worker.perform(action, why).await
    }

    async fn reseal(&mut self, order: StakeOrder) -> Result<Staked, Problem> {
        self.worker.reseal(order).await
    }

    fn made(&mut self) -> Option<Result<Staked, Problem>> {
        self.worker.made()
    }

    async fn duty(&mut self, duty: Duty) -> Option<Event> {
        self.worker.duty(duty).await
    }

    fn seal(&self) -> Option<(SealId, PositionId, u64)> {
        let (seal, generation) = self.worker.seal()?;
        Some((seal.seal?, seal.position, generation))
    }

    fn save(&self, journal: &Journal) -> Result<(), Problem> {
        self.worker.store().save(journal)
    }

    fn noted(&mut self, journal: &Journal, moved: bool) {
        if moved {
            self.moved(&journal.state);
        }
        self.worker.board().noted(journal, moved);
    }

    fn joined(&mut self) {
        self.ready = None;
    }
}

impl Joining {
    /// Tells the service manager, and who is asked for an amount.
    fn moved(&mut self, state: &State) {
        match &state.ending {
            None => self.notifier.status(&state.phase.to_string()),
            Some(ending) => {
                if ending.why != Why::Unstaked {
                    self.notifier.stopping();
                }
                self.notifier.status(&format!("{}: {}", state.phase, ending.cause));
            }
        }
        // What waits for months is as ready as it will be; whoever started it need not wait along.
        if matches!(state.phase, Phase::Jailed | Phase::Unbonding | Phase::Withdrawn) {
            self.ready = None;
        }
        let ordered = state.order.map(|order| order.amount.unwrap_or(self.stake));
        self.worker.board().tell(|status| status.ordered = ordered);
    }
}
