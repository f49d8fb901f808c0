//! `k3s-daas-master`: reads its configuration, runs, and says what went wrong in a way that helps.

use clap::{Parser, Subcommand};
use daas_daemon::service::Target;
use daas_daemon::{logs, shutdown_on_signals};
use daas_master::k3s::K3sArgs;
use daas_master::{app, config, install, k3s};
use daas_types::{ErrorCode, Problem};
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::task::JoinSet;

/// Every request allocates some dozens of times; with this it costs a ninth less than with the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The control plane's front: gateway, attestation and engine. Usually started by `k3s-daas up`.
#[derive(Parser)]
#[command(version, name = "k3s-daas-master", args_conflicts_with_subcommands = true)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Configuration file, YAML or JSON
    #[arg(long, env = "NAUTILUS_CONFIG_PATH", default_value = "nautilus-config.yaml")]
    config: PathBuf,
    /// Overrides a key, such as `--set api.port=7443`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
    /// Prints the configuration reference and ends
    #[arg(long)]
    reference: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Make it the systemd service `k3s-master`, which starts with the machine
    Install {
        /// The master's configuration file
        #[arg(long, value_name = "FILE", default_value = install::CONFIG)]
        config: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// K3s' own commands on this master's data: snapshots of the datastore, and certificates
    K3s(K3sArgs),
    /// Stop the service `k3s-master` and take it away; its data stay
    Uninstall(Place),
}

#[derive(clap::Args)]
struct Place {
    /// Root of the file system to write into; systemd is told of `/` alone
    #[arg(long, value_name = "DIR", default_value = "/")]
    prefix: PathBuf,
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("must be KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn main() -> ExitCode {
    daas_daemon::no_core_dumps();
    let args = Args::parse();
    if let Some(command) = args.command {
        return service(command);
    }
    if args.reference {
        #[expect(clippy::print_stdout, reason = "the reference is this call's result")]
        {
            print!("{}", daas_daemon::config::reference(config::KEYS));
        }
        return ExitCode::SUCCESS;
    }
    let loaded = match config::load(Some(args.config), args.set) {
        Ok(loaded) => loaded,
        Err(error) => {
            complain(&Problem::new(ErrorCode::ConfigInvalid, error).into());
            return ExitCode::from(2);
        }
    };
    logs::init(loaded.config.logging.format, &loaded.config.logging.level);
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    match serve(loaded) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn service(command: Command) -> ExitCode {
    let target = |place: Place| Target { prefix: place.prefix, dry_run: place.dry_run };
    let done = match command {
        Command::Install { config, place } => install::install(&target(place), &config).await,
        Command::K3s(args) => k3s::run(&args).await,
        Command::Uninstall(place) => install::uninstall(&target(place)).await,
    };
    match done {
        Ok(text) => {
            #[expect(clippy::print_stdout, reason = "what was done is this call's result")]
            if !text.is_empty() {
                println!("{text}");
            }
            ExitCode::SUCCESS
        }
        Err(problem) => {
            let usage = problem.code == ErrorCode::ConfigInvalid;
            complain(&problem.into());
            if usage { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

#[tokio::main]
async fn serve(loaded: daas_daemon::config::Loaded<config::Config>) -> anyhow::Result<()> {
    let mut signals = JoinSet::new();
    let shutdown = shutdown_on_signals(&mut signals)?;
    app::run(loaded, shutdown).await
}

#[expect(clippy::print_stderr, reason = "the one place where this program speaks to a person")]
fn complain(error: &anyhow::Error) {
    match error.downcast_ref::<Problem>() {
        Some(problem) => eprintln!("{}", problem.render()),
        None => eprintln!("error: {error:#}"),
    }
}
