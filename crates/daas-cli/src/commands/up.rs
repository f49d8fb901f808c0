//! Checks the machine, builds the engine if it must, starts the supervisor, and follows it until the cluster is ready.
//! Whoever interrupts it before that finds the machine as it was.

mod checks;
mod engine;
mod follow;

pub(crate) use engine::{problem as build_problem, programs, run as engine};

use super::down;
use crate::cli::{DEFAULT_STATE_DIR, Engine, Settings, UpArgs};
use crate::context::Context;
use crate::machine::ProcessId;
use crate::output::done;
use crate::paths::StateDir;
use crate::supervise::lock;
use crate::supervise::report::{DATASTORE, Report};
use clap::ValueEnum as _;
use daas_engine::EngineKind;
use daas_types::{ErrorCode, Problem};
use serde_json::json;
use std::cell::Cell;
use std::ffi::OsString;
use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::process::Stdio;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

pub(crate) async fn run(context: &Context, args: &UpArgs) -> Result<(), Problem> {
    if lock::holder(&context.state).is_some() {
        return already_running(context);
    }
    let (mut interrupt, mut terminate) = signals()?;
    // Known from the moment it is started, before it has recorded itself.
    let supervisor = Cell::new(None);
    let result = tokio::select! {
        result = start(context, args, &supervisor) => result,
        _ = interrupt.recv() => Err(interrupted(context)),
        _ = terminate.recv() => Err(interrupted(context)),
    };
    match result {
        Ok(report) => {
            ready(context, args, &report);
            Ok(())
        }
        // What was started for nothing is not left behind.
        Err(problem) => {
            if let Some(supervisor) = supervisor.get() {
                down::stop(context, Some(supervisor)).await?;
            }
            Err(problem)
        }
    }
}

async fn start(context: &Context, args: &UpArgs, supervisor: &Cell<Option<ProcessId>>) -> Result<Report, Problem> {
    let settings = &args.settings;
    checks::before_build(&context.state, settings)?;
    engine::ensure(context, chosen_engine(settings.engine)).await?;
    // Left by a supervisor that was killed: its children still hold the ports.
    down::leftovers(context).await?;
    checks::before_start(settings)?;
    let mut child = spawn(&context.state, settings)?;
    if let Some(id) = child.id().and_then(ProcessId::of) {
        supervisor.set(Some(id));
    }
    follow::until_ready(context, &mut child).await
}

/// Starts the supervisor. It leaves this session by itself, so that closing the terminal does not end it.
fn spawn(state: &StateDir, settings: &Settings) -> Result<Child, Problem> {
    let unusable =
        |path: &Path, error| Problem::new(ErrorCode::StateUnreadable, format!("{}: {error}", path.display()));
    DirBuilder::new().recursive(true).mode(0o700).create(state.path()).map_err(|e| unusable(state.path(), e))?;
    // The status of the run before must not be taken for this one's.
    match std::fs::remove_file(state.status()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(unusable(&state.status(), error));
        }
        _ => {}
    }
    let log = state.supervisor_log();
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&log).map_err(|e| unusable(&log, e))?;
    let errors = file.try_clone().map_err(|e| unusable(&log, e))?;
    let own = std::env::current_exe().map_err(Problem::of(ErrorCode::Internal))?;
    Command::new(own)
        .args(arguments(state, settings))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(errors)
        .spawn()
        .map_err(Problem::of(ErrorCode::Internal))
}

fn arguments(state: &StateDir, settings: &Settings) -> Vec<OsString> {
    let mut all: Vec<OsString> = vec!["supervise".into()];
    let mut flag = |name: &str, value: OsString| all.extend([name.into(), value]);
    flag("--state-dir", state.path().into());
    flag("--port", settings.port.to_string().into());
    flag("--devnet-listen", settings.devnet_listen.to_string().into());
    flag("--devnet-faucet", settings.devnet_faucet.to_string().into());
    flag("--admin", settings.admin.to_string().into());
    if let Some(engine) = settings.engine.to_possible_value() {
        flag("--engine", engine.get_name().into());
    }
    if let Some(bind) = settings.bind {
        flag("--bind", bind.to_string().into());
    }
    if let Some(config) = &settings.config {
        flag("--config", config.into());
    }
    if settings.no_node {
        all.push("--no-node".into());
    }
    if settings.allow_measurement {
        all.push("--allow-measurement".into());
    }
    all
}

fn ready(context: &Context, args: &UpArgs, report: &Report) {
    let endpoint = report.endpoint.as_deref().unwrap_or_default();
    let kubeconfig = context.state.kubeconfig();
    // Commands that can be copied: without the flag they would look in the usual place.
    let here = if context.state.path() == Path::new(DEFAULT_STATE_DIR) {
        String::new()
    } else {
        format!(" --state-dir {}", context.state.path().display())
    };
    let caveats = chosen_engine(args.settings.engine).caveats().join("\n  ");
    let text = format!(
        "{}\n  {caveats}\n\n  kubectl --kubeconfig {} get nodes\n  k3s-daas{here} status\n  \
         k3s-daas{here} stake 5\n  k3s-daas{here} down",
        done(format!("the cluster is ready at {endpoint}")),
        kubeconfig.display()
    );
    let value = json!({
        "endpoint": endpoint, "datastore": DATASTORE, "kubeconfig": kubeconfig, "cluster": context.state.join(),
        "already_running": false, "steps": report.steps,
    });
    context.output.result(text, &value);
}

/// Not a failure: what was asked for is there.
fn already_running(context: &Context) -> Result<(), Problem> {
    let report = Report::read(&context.state.status())?;
    let endpoint = report.and_then(|report| report.endpoint);
    let place = context.state.path().display();
    let problem = Problem::new(
        ErrorCode::AlreadyRunning,
        format!(
            "{place}{}",
            match &endpoint {
                Some(endpoint) => format!(", {endpoint}"),
                None => String::new(),
            }
        ),
    );
    context.output.result(problem.render(), &json!({ "endpoint": endpoint, "already_running": true }));
    Ok(())
}

fn interrupted(context: &Context) -> Problem {
    context.output.note("interrupted: undoing what was started");
    Problem::new(ErrorCode::NotRunning, "interrupted before the cluster was ready; nothing is left running")
}

type Signals = (tokio::signal::unix::Signal, tokio::signal::unix::Signal);

fn signals() -> Result<Signals, Problem> {
    let listen = |kind| signal(kind).map_err(Problem::of(ErrorCode::Internal));
    Ok((listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?))
}

/// The engine that was asked for.
pub(crate) fn chosen_engine(asked: Engine) -> daas_engine::Engine {
    EngineKind::from(asked).resolve()
}

impl From<Engine> for EngineKind {
    fn from(asked: Engine) -> Self {
        match asked {
            Engine::Auto => Self::Auto,
            Engine::Kubernetes => Self::Kubernetes,
            Engine::K3s => Self::K3s,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command as Typed};
    use clap::Parser as _;

    #[test]
    fn the_supervisor_is_told_exactly_what_up_was_told() {
        let typed = "k3s-daas up --port 7443 --bind 10.0.0.1 --no-node --state-dir /s --engine kubernetes \
                     --devnet-listen 10.0.0.1:9001 --devnet-faucet 10.0.0.1:9124 --admin 127.0.0.1:7 \
                     --allow-measurement --config /c";
        let typed = typed.split_whitespace();
        let Typed::Up(up) = Cli::parse_from(typed).command else { panic!("must be up") };
        let state = StateDir::new(Path::new("/s")).unwrap();
        let mut line = vec![OsString::from("k3s-daas")];
        line.extend(arguments(&state, &up.settings));
        let cli = Cli::parse_from(line);
        assert_eq!(cli.global.state_dir, Path::new("/s"));
        let Typed::Supervise(told) = cli.command else { panic!("must be supervise") };
        assert_eq!(format!("{:?}", told.settings), format!("{:?}", up.settings));
    }
}
