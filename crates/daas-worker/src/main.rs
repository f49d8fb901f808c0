//! `k3s-daas-worker`: joins this machine to a cluster as a node, for as long as its stake lasts.

mod args;

use args::{Cli, Command, Component, RunArgs};
use clap::Parser as _;
use daas_types::pop::Usage;
use daas_types::{ErrorCode, Problem};
use daas_worker::config::WorkerConfig;
use std::io::Write as _;
use std::process::ExitCode;
use tokio::task::JoinSet;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        // kubelet only tells success from failure.
        Some(Command::Credential { usage, state_dir }) => credential(usage, &state_dir).or_else(|problem| {
            tell(&problem);
            Ok(1)
        }),
        Some(Command::Run(args)) => run(args),
        None => run(cli.run),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(problem) => {
            tell(&problem);
            ExitCode::from(daas_worker::run::exit_code(problem.code))
        }
    }
}

fn run(args: RunArgs) -> Result<u8, Problem> {
    let (file, flags) = args.flags();
    let config = WorkerConfig::load(file, std::env::vars().collect(), flags)?;
    daas_daemon::logs::init(config.log_format, &config.log_level);
    daas_daemon::raise_open_files();
    config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let runtime = tokio::runtime::Runtime::new().map_err(Problem::of(ErrorCode::Internal))?;
    let ending = runtime.block_on(async {
        let mut signals = JoinSet::new();
        let shutdown = daas_daemon::shutdown_on_signals(&mut signals).map_err(Problem::of(ErrorCode::Internal))?;
        // Boxed: a worker's whole life is one large future.
        Box::pin(daas_worker::run::run(&config, shutdown)).await
    })?;
    if let Some(problem) = ending.problem() {
        tell(&problem);
    }
    Ok(ending.why.exit_code())
}

fn credential(usage: Component, state_dir: &std::path::Path) -> Result<u8, Problem> {
    let usage = match usage {
        Component::Kubelet => Usage::Kubelet,
        Component::KubeProxy => Usage::KubeProxy,
    };
    let info = std::env::var("KUBERNETES_EXEC_INFO").ok();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Problem::of(ErrorCode::Internal))?;
    let json = runtime.block_on(daas_worker::credential::credential(info.as_deref(), usage, state_dir))?;
    writeln!(std::io::stdout(), "{json}").map_err(Problem::of(ErrorCode::Internal))?;
    Ok(0)
}

/// Both languages, the cause, and what to do.
fn tell(problem: &Problem) {
    // Nobody is left to tell if standard error is closed.
    drop(writeln!(std::io::stderr(), "{}", problem.render()));
}
