use crate::cli::JoinArgs;
use crate::context::Context;
use crate::machine::{self, ProcessId};
use crate::output::done;
use crate::paths::{StateDir, node_data, sibling, worker_record};
use crate::supervise::{lock, operator_node};
use daas_types::{ErrorCode, NodeId, Problem};
use serde_json::json;
use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// Becomes the worker, or starts it and leaves it running.
pub(crate) fn run(context: &Context, args: &JoinArgs) -> Result<(), Problem> {
    if !machine::is_root() {
        return Err(Problem::new(ErrorCode::RootNeeded, "a node starts containers"));
    }
    // A bad trust anchor is this command's to refuse, before anything runs.
    let cluster_path = context.cluster_path();
    context.cluster()?;
    not_the_operators(&context.state, &args.node_id)?;
    let program = sibling("k3s-daas-worker")?;
    let state = context.state.node(&args.node_id);
    let mut command = Command::new(&program);
    command.args(arguments(args, &cluster_path, &state, &context.wallet_path()?));
    std::fs::create_dir_all(&state)
        .map_err(|e| Problem::new(ErrorCode::StateUnreadable, format!("{}: {e}", state.display())))?;
    if args.background {
        in_background(context, command, &state)
    } else {
        // `exec` keeps the process: this record is the worker's.
        record(std::process::id(), &state)?;
        become_worker(command).map(|never| match never {})
    }
}

/// The cluster that runs on this machine has a node already, under a name of its own.
fn not_the_operators(state: &StateDir, node: &NodeId) -> Result<(), Problem> {
    if *node != operator_node() || lock::holder(state).is_none() {
        return Ok(());
    }
    let cause =
        format!("`{node}` is the operator's own node, which runs with the cluster of {}", state.path().display());
    Err(Problem::new(ErrorCode::NodeIdTaken, cause))
}

fn arguments(args: &JoinArgs, cluster: &Path, state: &Path, wallet: &Path) -> Vec<OsString> {
    let mut all: Vec<OsString> = vec!["run".into()];
    let mut flag = |name: &str, value: OsString| all.extend([name.into(), value]);
    flag("--cluster", cluster.into());
    flag("--state-dir", state.into());
    // Also where it would lie elsewhere: `down` looks for it there.
    flag("--data-dir", node_data(state).into());
    flag("--node-id", args.node_id.as_str().into());
    flag("--stake", args.stake.to_string().into());
    flag("--wallet", wallet.into());
    if let Some(ip) = args.node_ip {
        flag("--node-ip", ip.to_string().into());
    }
    if args.replace {
        all.push("--replace".into());
    }
    all
}

/// So that `down` can stop it.
fn record(pid: u32, state: &Path) -> Result<(), Problem> {
    match ProcessId::of(pid) {
        Some(process) => process.record(&worker_record(state)),
        None => Ok(()),
    }
}

fn become_worker(mut command: Command) -> Result<Infallible, Problem> {
    let error = command.exec();
    Err(Problem::new(ErrorCode::NodeFailed, format!("{}: {error}", command.get_program().display())))
}

fn in_background(context: &Context, mut command: Command, state: &Path) -> Result<(), Problem> {
    let unusable = |error| Problem::new(ErrorCode::StateUnreadable, format!("{}: {error}", state.display()));
    let log = state.join("worker.log");
    let file = OpenOptions::new().create(true).append(true).open(&log).map_err(unusable)?;
    let errors = file.try_clone().map_err(unusable)?;
    // A group of its own: the terminal's Ctrl-C is not for it.
    command.process_group(0).stdin(Stdio::null()).stdout(file).stderr(errors);
    let mut child = command.spawn().map_err(unusable)?;
    let (pid, shown) = (child.id(), log.display());
    record(pid, state)?;
    if let Some(status) = ended_early(&mut child)? {
        let cause = format!("the worker ended at once with {status}; its words are in {shown}");
        return Err(Problem::new(ErrorCode::NodeFailed, cause));
    }
    let text = done(format!("the worker runs (pid {pid}); log: {shown}\n  stop it with `kill {pid}`"));
    context.output.result(text, &json!({ "pid": pid, "log": log, "state_dir": state }));
    Ok(())
}

/// A worker that cannot start says so within moments; one that lives that long has begun its work.
fn ended_early(child: &mut Child) -> Result<Option<ExitStatus>, Problem> {
    let internal = Problem::of::<std::io::Error>(ErrorCode::Internal);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(internal)?;
    runtime.block_on(async {
        let mut look = tokio::time::interval(Duration::from_millis(100));
        for _ in 0..20 {
            look.tick().await;
            if let Some(status) = child.try_wait().map_err(Problem::of(ErrorCode::Internal))? {
                return Ok(Some(status));
            }
        }
        Ok(None)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_node_is_not_joined_again() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::new(folder.path()).unwrap();
        let other: NodeId = "n1".parse().unwrap();
        not_the_operators(&state, &operator_node()).unwrap();
        ProcessId::own().unwrap().record(&state.supervisor()).unwrap();
        let refused = not_the_operators(&state, &operator_node()).unwrap_err();
        assert_eq!(refused.code, ErrorCode::NodeIdTaken);
        assert!(refused.cause.contains("operator's own node"), "{refused}");
        not_the_operators(&state, &other).unwrap();
    }

    #[test]
    fn the_worker_gets_files_not_secrets() {
        let args = JoinArgs {
            node_id: "n1".parse().unwrap(),
            stake: "5".parse().unwrap(),
            node_ip: Some("10.0.0.2".parse().unwrap()),
            replace: true,
            background: false,
        };
        let all = arguments(&args, Path::new("/j"), Path::new("/s"), Path::new("/w"));
        let expected = "run --cluster /j --state-dir /s --data-dir /s/node --node-id n1 --stake 5 --wallet /w --node-ip 10.0.0.2 --replace";
        assert_eq!(all.join(" ".as_ref()), *expected);
    }
}
