//! `k3s-daas-worker`: joins this machine to a cluster as a node, for as long as its stake lasts.

mod args;

use args::{Cli, Command, Component, EngineArgs, InstallArgs, PlaceArgs, RunArgs, Settings};
use clap::Parser as _;
use daas_types::pop::Usage;
use daas_types::{ErrorCode, Problem};
use daas_worker::preflight;
use std::io::Write as _;
use std::process::ExitCode;
use tokio::task::JoinSet;

fn main() -> ExitCode {
    daas_daemon::no_core_dumps();
    let cli = Cli::parse();
    let done = match cli.command {
        // kubelet only tells success from failure.
        Some(Command::Credential { usage, state_dir }) => credential(usage, &state_dir).or_else(|problem| {
            tell(&problem);
            Ok(1)
        }),
        Some(Command::Run(args)) => run(args),
        Some(Command::Preflight(settings)) => preflight(settings),
        Some(Command::Install(args)) => install(args),
        Some(Command::Engine(args)) => engine(&args),
        Some(Command::Uninstall(place)) => uninstall(place),
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

fn run(mut args: RunArgs) -> Result<u8, Problem> {
    let typed = args.token.is_some();
    let secret = args.secret()?;
    let mut config = args.settings.load()?;
    config.replace = args.replace;
    daas_daemon::logs::init(config.log_format, &config.log_level);
    daas_daemon::raise_open_files();
    config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    // One thread is plenty for a node's owner, and each one more is memory that the node's pods do not have.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ending = runtime.map_err(Problem::of(ErrorCode::Internal))?.block_on(async {
        let mut signals = JoinSet::new();
        let shutdown = daas_daemon::shutdown_on_signals(&mut signals).map_err(Problem::of(ErrorCode::Internal))?;
        if typed {
            tracing::warn!(
                "--token can be read by others on this machine, and stays in the shell's history: use --token-file"
            );
        }
        match secret {
            Some(secret) => daas_worker::adopt::adopt(&config, secret).await?,
            None if config.replace => daas_worker::adopt::replace(&config).await?,
            None => {}
        }
        // Boxed: a worker's whole life is one large future.
        Box::pin(daas_worker::run::run(&config, shutdown)).await
    })?;
    if let Some(problem) = ending.problem() {
        tell(&problem);
    }
    Ok(ending.why.exit_code())
}

/// All that is wrong at once. The exit code is that of the first.
fn preflight(settings: Settings) -> Result<u8, Problem> {
    let config = settings.load()?;
    let mut first = None;
    print(async {
        let findings = preflight::preflight(&config).await;
        let text = preflight::render(&findings);
        first = preflight::first_problem(findings);
        Ok(text)
    })?;
    Ok(first.map_or(0, daas_worker::run::exit_code))
}

fn credential(usage: Component, state_dir: &std::path::Path) -> Result<u8, Problem> {
    let usage = match usage {
        Component::Kubelet => Usage::Kubelet,
        Component::KubeProxy => Usage::KubeProxy,
    };
    let info = std::env::var("KUBERNETES_EXEC_INFO").ok();
    print(daas_worker::credential::credential(info.as_deref(), usage, state_dir))
}

fn install(args: InstallArgs) -> Result<u8, Problem> {
    let (target, env) = (args.place.target(), std::env::vars().collect());
    print(daas_worker::install::install(&target, &args.config, env))
}

fn engine(args: &EngineArgs) -> Result<u8, Problem> {
    // One line for each ten megabytes: it may be a log.
    let (mut said, step) = (0, 10);
    let tell = |megabytes: u64| {
        if megabytes >= said + step {
            said = megabytes;
            drop(writeln!(std::io::stderr(), "{megabytes} MB"));
        }
    };
    drop(writeln!(std::io::stderr(), "fetching K3s {} from {}", args.k3s.version(), args.k3s_releases));
    print(daas_worker::host::fetch(&args.k3s, &args.k3s_releases, args.engine_dir.as_deref(), tell))
}

fn uninstall(place: PlaceArgs) -> Result<u8, Problem> {
    print(daas_worker::install::uninstall(&place.target()))
}

/// Prints what a short piece of work results in.
fn print(work: impl Future<Output = Result<String, Problem>>) -> Result<u8, Problem> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let text = runtime.map_err(Problem::of(ErrorCode::Internal))?.block_on(work)?;
    writeln!(std::io::stdout(), "{text}").map_err(Problem::of(ErrorCode::Internal))?;
    Ok(0)
}

/// Both languages, the cause, and what to do.
fn tell(problem: &Problem) {
    // Nobody is left to tell if standard error is closed.
    drop(writeln!(std::io::stderr(), "{}", problem.render()));
}
