//! Stops the cluster of this machine, whether or not its supervisor still lives.

use crate::cli::DownArgs;
use crate::context::Context;
use crate::machine::ProcessId;
use crate::output::done;
use crate::paths::{StateDir, node_data, worker_record};
use crate::supervise::lock;
use crate::supervise::report::{Phase, Report};
use daas_client::write_private;
use daas_engine::{EngineKind, process};
use daas_types::{ErrorCode, Problem};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, interval};

/// The supervisor drains the node and stops the rest in order; each part of that has its own bound.
const SUPERVISOR: Duration = Duration::from_secs(150);
/// A master or worker whose supervisor was killed still stops its own processes in order.
const LEFTOVER: Duration = Duration::from_secs(90);
const AFTER_KILL: Duration = Duration::from_secs(10);

pub(crate) async fn run(context: &Context, args: &DownArgs) -> Result<(), Problem> {
    let stopped = stop(context, None).await?;
    if args.purge {
        purge(&context.state)?;
    }
    let place = context.state.path().display();
    let text = match (stopped, args.purge) {
        (true, true) => format!("stopped; {place} is removed"),
        (true, false) => format!("stopped; {place} is kept (`k3s-daas down --purge` removes it)"),
        (false, true) => format!("nothing was running; {place} is removed"),
        (false, false) => format!("nothing was running from {place}"),
    };
    context.output.result(done(text), &json!({ "stopped": stopped, "purged": args.purge }));
    Ok(())
}

/// Stops the supervisor (the recorded one, or `started`, which may not have come so far) and whatever is left. Returns
/// whether anything ran.
pub(crate) async fn stop(context: &Context, started: Option<ProcessId>) -> Result<bool, Problem> {
    let alive = lock::holder(&context.state).or(started).filter(|process| process.is_alive());
    if let Some(supervisor) = alive {
        context.output.note(format!("stopping (pid {})", supervisor.pid));
        stop_process(supervisor).await?;
    }
    let mut joined = false;
    for folder in joined_nodes(&context.state) {
        if let Some(worker) = ProcessId::recorded(&worker_record(&folder)) {
            context.output.note(format!("stopping the node {} (pid {})", folder.display(), worker.pid));
            stop_process(worker).await?;
            joined = true;
        }
    }
    leftovers(context).await?;
    Ok(settle_report(&context.state) || alive.is_some() || joined)
}

/// Stops what a killed supervisor left, from its records and its children's.
pub(crate) async fn leftovers(context: &Context) -> Result<(), Problem> {
    let state = &context.state;
    if !state.path().is_dir() {
        return Ok(());
    }
    let failed = |error: &dyn std::fmt::Display| Problem::new(ErrorCode::NodeFailed, format!("a leftover: {error}"));
    let reaped = process::reap_recorded(&state.run(), LEFTOVER).await.map_err(|e| failed(&e))?;
    for process in &reaped {
        context.output.note(format!("stopped {} (pid {}), left without its supervisor", process.name, process.pid));
    }
    process::kill_marked(&state.run()).await.map_err(|e| failed(&e))?;
    let engine = recorded_engine(state).resolve();
    // Nodes first: their pods go while the control plane's data is still on disk, and nothing restarts them.
    for folder in node_folders(state) {
        engine.cleanup_node(&folder).await.map_err(|e| failed(&e))?;
    }
    engine.cleanup_server(&state.master()).await.map_err(|e| failed(&e))?;
    for file in [state.supervisor(), state.nsm_socket()] {
        remove_file(&file)?;
    }
    Ok(())
}

/// The engine that the supervisor said it runs.
fn recorded_engine(state: &StateDir) -> EngineKind {
    let report = Report::read(&state.status()).ok().flatten();
    report.and_then(|report| report.engine.parse().ok()).unwrap_or_default()
}

async fn stop_process(supervisor: ProcessId) -> Result<(), Problem> {
    for (signal, limit) in [(Signal::SIGTERM, SUPERVISOR), (Signal::SIGKILL, AFTER_KILL)] {
        match kill(raw(supervisor.pid), signal) {
            Ok(()) | Err(nix::Error::ESRCH) => {}
            Err(error) => {
                let cause = format!("pid {} cannot be signalled: {error}", supervisor.pid);
                return Err(Problem::new(ErrorCode::RootNeeded, cause));
            }
        }
        if gone_within(supervisor, limit).await {
            return Ok(());
        }
    }
    Err(Problem::new(ErrorCode::Internal, format!("the supervisor (pid {}) outlives SIGKILL", supervisor.pid)))
}

async fn gone_within(process: ProcessId, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    let mut look = interval(Duration::from_millis(50));
    while process.is_alive() {
        if Instant::now() >= deadline {
            return false;
        }
        look.tick().await;
    }
    true
}

fn node_folders(state: &StateDir) -> Vec<PathBuf> {
    joined_nodes(state).iter().map(|folder| node_data(folder)).filter(|folder| folder.is_dir()).collect()
}

fn joined_nodes(state: &StateDir) -> Vec<PathBuf> {
    std::fs::read_dir(state.nodes()).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path()).collect()
}

/// A report that says something runs is wrong by now. A failure's words are kept. Returns whether it said so.
fn settle_report(state: &StateDir) -> bool {
    let Ok(Some(mut report)) = Report::read(&state.status()) else {
        return false;
    };
    if matches!(report.phase, Phase::Failed | Phase::Stopped) {
        return false;
    }
    report.phase = Phase::Stopped;
    report.children.clear();
    let written = serde_json::to_vec_pretty(&report).map(|text| write_private(&state.status(), &text));
    if !matches!(written, Ok(Ok(()))) {
        tracing::warn!("status not written");
    }
    true
}

fn purge(state: &StateDir) -> Result<(), Problem> {
    let path = state.path();
    if !path.exists() {
        return Ok(());
    }
    // A mistyped --state-dir must not cost somebody's home folder.
    if !ours(state) {
        let cause = format!("{} is not a state folder of k3s-daas; it is left alone", path.display());
        return Err(Problem::new(ErrorCode::StateUnreadable, cause));
    }
    std::fs::remove_dir_all(path)
        .map_err(|error| Problem::new(ErrorCode::StateUnreadable, format!("{}: {error}", path.display())))
}

fn ours(state: &StateDir) -> bool {
    let empty = std::fs::read_dir(state.path()).is_ok_and(|mut entries| entries.next().is_none());
    // A machine that only joined a cluster has no supervisor, but its nodes have records.
    empty || state.lock().is_file() || joined_nodes(state).iter().any(|node| worker_record(node).is_file())
}

fn remove_file(path: &Path) -> Result<(), Problem> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Problem::new(ErrorCode::StateUnreadable, format!("{}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

/// Zero and negative ids mean groups to the kernel; no recorded process can have one.
fn raw(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).expect("a process id must fit in an i32"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purge_touches_only_what_up_made() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(&dir.path().join("state")).unwrap();
        purge(&state).unwrap();
        std::fs::create_dir(state.path()).unwrap();
        std::fs::write(state.path().join("thesis.txt"), "words").unwrap();
        assert_eq!(purge(&state).unwrap_err().code, ErrorCode::StateUnreadable);
        assert!(state.path().join("thesis.txt").is_file());
        std::fs::write(state.lock(), "").unwrap();
        purge(&state).unwrap();
        assert!(!state.path().exists());
    }

    #[tokio::test]
    async fn a_process_that_ends_is_seen_to_end() {
        let mut child = tokio::process::Command::new("sleep").arg("60").spawn().unwrap();
        let id = ProcessId::of(child.id().unwrap()).unwrap();
        assert!(!gone_within(id, Duration::from_millis(60)).await);
        stop_process(id).await.unwrap();
        assert!(!child.wait().await.unwrap().success());
    }
}
