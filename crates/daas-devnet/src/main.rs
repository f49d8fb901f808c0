//! `k3s-daas-devnet`: a Sui network of one's own, and the simulated security module. For development and tests only.

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use daas_devnet::{Clock, Config, Devnet, Origin, control, nsm};
use daas_types::UnixMs;
use sha2::{Digest as _, Sha256};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const START: &str = "\
To begin: `k3s-daas-devnet serve --state-dir ./net`, then open http://127.0.0.1:9000 in a browser. docs/devnet.md explains the rest.";

/// A Sui development network with the k3s_daas contracts, and the simulated TEE. Never for production.
#[derive(Parser)]
#[command(name = "k3s-daas-devnet", version, after_help = START)]
struct Args {
    /// What to run
    #[command(subcommand)]
    command: Command,
    /// Log level, or a filter such as `daas_devnet=debug,info`
    #[arg(long, global = true, default_value = "info")]
    log_level: String,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the network: gRPC, gRPC-web, pages to look at and a faucet
    Serve(Serve),
    /// Serve the simulated Nitro Security Module on a Unix socket
    Nsm(nsm::Args),
    /// Move the clock of a running network, end its epoch, make it fail
    Control(control::Args),
}

#[derive(clap::Args)]
struct Serve {
    /// Where keys and ledger are kept
    #[arg(long, value_name = "DIR")]
    state_dir: PathBuf,
    /// Address of the gRPC services; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9000")]
    listen: SocketAddr,
    /// Address of the faucet; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9123")]
    faucet: SocketAddr,
    /// The simulated TEE root's SubjectPublicKeyInfo (DER), or its SHA-256 in hex; without it, the root of the state folder
    #[arg(long, value_name = "FILE")]
    tee_root: Option<PathBuf>,
    /// Make all keys, and so every id and digest, follow from this number; the clock stands still until told to move
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Let a new network's clock stand still until told to move
    #[arg(long)]
    manual_clock: bool,
    /// Let web pages of this origin call network and faucet, and answer to its host's name; repeat for more. Pages of this
    /// machine are let in anyway
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<Origin>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// One line, whatever the environment says about backtraces. A cause that the error quotes is not said again.
#[expect(clippy::print_stderr, reason = "it concerns whoever started the program, also one who wants no log")]
fn complain(error: &anyhow::Error) {
    let mut line = String::from("error");
    for cause in error.chain().map(ToString::to_string) {
        if !line.ends_with(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    eprintln!("{line}");
}

async fn run(args: Args) -> anyhow::Result<()> {
    daas_daemon::logs::init(daas_daemon::logs::Format::Human, &args.log_level);
    daas_daemon::raise_open_files();
    let mut signals = JoinSet::new();
    let shutdown = daas_daemon::shutdown_on_signals(&mut signals).context("cannot listen for signals")?;
    let clock: Clock = Arc::new(machine_time);
    match args.command {
        Command::Serve(args) => serve(args, clock, shutdown).await,
        Command::Nsm(args) => Ok(nsm::run(args, clock, shutdown).await?),
        Command::Control(args) => control(args).await,
    }
}

#[expect(clippy::print_stdout, reason = "the answer is what was asked for")]
async fn control(args: control::Args) -> anyhow::Result<()> {
    println!("{}", control::run(args).await?);
    Ok(())
}

async fn serve(args: Serve, clock: Clock, shutdown: CancellationToken) -> anyhow::Result<()> {
    std::fs::create_dir_all(&args.state_dir).with_context(|| format!("cannot make {}", args.state_dir.display()))?;
    let tee_root = match &args.tee_root {
        Some(file) => root_hash(file)?,
        None => match args.seed {
            Some(seed) => nsm::root::load_or_seed(&args.state_dir, seed)?.key_hash(),
            None => nsm::root::load_or_create(&args.state_dir)?.key_hash(),
        },
    };
    let Serve { state_dir, listen, faucet, seed, manual_clock, allow_origin: allow_origins, .. } = args;
    let config = Config { state_dir, listen, faucet, tee_root, clock, seed, manual_clock, allow_origins };
    let devnet = Devnet::start(config).await?;
    Ok(devnet.run(shutdown).await?)
}

/// The network's time is the machine's, for every client to read off the checkpoints.
#[expect(clippy::disallowed_methods, reason = "a network is where time comes from; it is no client of another")]
fn machine_time() -> UnixMs {
    UnixMs::from(std::time::SystemTime::now())
}

/// The hash itself, or the hash of the key in the file.
fn root_hash(file: &Path) -> anyhow::Result<[u8; 32]> {
    let content = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut hash = [0; 32];
    if hex::decode_to_slice(content.trim_ascii(), &mut hash).is_ok() {
        return Ok(hash);
    }
    Ok(Sha256::digest(&content).into())
}

#[cfg(test)]
mod tests;
