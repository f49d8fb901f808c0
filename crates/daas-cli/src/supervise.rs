//! The process that keeps a cluster running: `up` starts it and leaves, `down` ends it.
//!
//! It starts the programs in order, each a child that is restarted when it dies, records every one of them so that
//! `down` finds them even if this process is killed, and stops them in reverse order: the worker first, so that its pods
//! go while the control plane can still be told.

mod children;
pub(crate) mod lock;
pub(crate) mod report;
mod steps;

pub(crate) use steps::operator_node;

use crate::cli::SuperviseArgs;
use crate::commands::up;
use crate::context::Context;
use crate::paths::StateDir;
use children::Children;
use daas_chain::clock;
use daas_daemon::{logs, raise_open_files, shutdown_on_signals};
use daas_types::{ErrorCode, Problem};
use report::{Phase, Recorded, Report, Reporter};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

const LOOK: Duration = Duration::from_secs(1);

pub(crate) async fn run(context: &Context, args: &SuperviseArgs) -> Result<(), Problem> {
    logs::init(logs::Format::Human, "info");
    raise_open_files();
    if nix::unistd::setsid().is_err() {
        // It leads a group already, as when a person started it by hand: then the terminal is wanted.
        tracing::info!("staying in this session");
    }
    let held = lock::acquire(&context.state)?;
    let mut tasks = JoinSet::new();
    let shutdown = shutdown_on_signals(&mut tasks).map_err(Problem::of(ErrorCode::Internal))?;
    let result = Box::pin(supervise(&context.state, args, &shutdown)).await;
    if let Err(problem) = &result {
        tracing::error!(%problem, "the cluster is not running");
    }
    drop(held);
    result
}

async fn supervise(state: &StateDir, args: &SuperviseArgs, shutdown: &CancellationToken) -> Result<(), Problem> {
    let settings = &args.settings;
    let engine = up::chosen_engine(settings.engine).name().to_owned();
    let mut report = Report::new(settings.no_node, engine, clock::now());
    report.admin = settings.admin.to_string();
    let reporter = Reporter::create(state.status(), report)?;
    let mut children = Children::new(state.clone(), reporter.clone());
    let started = tokio::select! {
        started = steps::run(state, args, &mut children, &reporter) => started,
        () = shutdown.cancelled() => Err(Problem::new(ErrorCode::NotRunning, "asked to stop before it was ready")),
    };
    let ended = match started {
        Ok(endpoint) => {
            tracing::info!(%endpoint, "ready");
            reporter.change(|report| {
                report.endpoint = Some(endpoint);
                report.phase = Phase::Ready;
            });
            watch(&mut children, shutdown).await;
            Ok(())
        }
        Err(problem) => Err(problem),
    };
    // What failed is said before the stop, which takes a while; but nobody may take a half-stopped machine for done.
    let failure = ended.as_ref().err().filter(|_| !shutdown.is_cancelled()).map(Recorded::from);
    reporter.change(|report| {
        report.phase = Phase::Stopping;
        report.problem.clone_from(&failure);
    });
    children.stop().await;
    reporter.change(|report| report.phase = if failure.is_some() { Phase::Failed } else { Phase::Stopped });
    if failure.is_some() { ended } else { Ok(()) }
}

/// Shows what the children do until the end is asked for. They are restarted by themselves, but for a slashed worker.
async fn watch(children: &mut Children, shutdown: &CancellationToken) {
    let mut look = interval(LOOK);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = children.given_up() => {}
            _ = look.tick() => children.show(),
        }
    }
}
