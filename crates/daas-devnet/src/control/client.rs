//! `k3s-daas-devnet control`.

use super::protocol::Request;
use super::socket;
use crate::faults::{Fault, Fit, Lie, LieKind};
use clap::Subcommand;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::time::timeout;

/// Longer than any command takes.
const DEADLINE: Duration = Duration::from_secs(30);

/// `k3s-daas-devnet control`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// State folder of the running network
    #[arg(long, value_name = "DIR")]
    pub state_dir: PathBuf,
    /// What to do
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Newest checkpoint, clock and faults
    Status,
    /// Show or move the clock
    Clock {
        /// What to do with it; without it, it is shown
        #[command(subcommand)]
        command: Option<ClockCommand>,
    },
    /// Make an empty checkpoint
    Checkpoint,
    /// End the epoch: its last checkpoint names the next one's committee
    Epoch,
    /// Make the network fail
    Fault {
        /// What to do
        #[command(subcommand)]
        command: FaultCommand,
    },
}

#[derive(Debug, Subcommand)]
enum ClockCommand {
    /// Move it on by a time such as 10s, 5m or 2h30m
    Advance {
        /// How far
        #[arg(value_name = "TIME", value_parser = duration)]
        by: Duration,
    },
    /// Move it on to a time; it never goes back
    Set {
        /// Such as 2026-12-24T18:00:00Z, or Unix milliseconds
        #[arg(value_name = "TIME", value_parser = time)]
        to: u64,
    },
    /// Stop it: it moves when told to, and checkpoints without transactions are made on demand
    Manual,
    /// Let it run again
    Real,
}

#[derive(Debug, Subcommand)]
enum FaultCommand {
    /// Add a fault
    Add(Add),
    /// End faults
    Clear {
        /// Number of the fault; without it, all
        id: Option<u64>,
    },
    /// List the faults there are
    List,
}

#[derive(Debug, clap::Args)]
struct Add {
    /// Which
    #[command(subcommand)]
    fault: Kind,
    /// Only for calls of this method, such as GetCheckpoint
    #[arg(long, global = true, value_name = "METHOD")]
    method: Option<String>,
    /// Only for so long, such as 30s
    #[arg(long = "for", global = true, value_name = "TIME", value_parser = duration)]
    lasting: Option<Duration>,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// End every open subscription, once
    DropStreams,
    /// Hold back every answer, and every frame of a stream
    Delay {
        /// Such as 250ms
        #[arg(value_name = "TIME", value_parser = duration)]
        time: Duration,
    },
    /// Refuse calls with UNAVAILABLE
    Unavailable {
        /// So many, then no more
        #[arg(long)]
        calls: Option<u64>,
        /// Each with this chance
        #[arg(long, value_parser = clap::value_parser!(u8).range(0..=100))]
        percent: Option<u8>,
        /// Of the chance: the same seed refuses the same calls
        #[arg(long, default_value_t = 0)]
        seed: u64,
    },
    /// Send every frame of a subscription twice
    Duplicates,
    /// Execute nothing and make no checkpoint; transactions wait
    Stall,
    /// Refuse transactions with RESOURCE_EXHAUSTED and make no checkpoint, as on a full disk
    DiskFull,
    /// Answer what the ledger does not say
    Lie {
        /// About what
        lie: LieKind,
        /// Only in this checkpoint
        #[arg(long, value_name = "NUMBER")]
        checkpoint: Option<u64>,
        /// How far up the digests are made to fit
        #[arg(long, default_value = "nothing")]
        fit: Fit,
    },
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody answers.
    #[error("no network answers in {dir}: {source}")]
    Connect {
        /// The state folder.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The conversation broke off.
    #[error("the network did not answer: {0}")]
    Answer(#[from] io::Error),
    /// The network said no.
    #[error("{0}")]
    Refused(String),
}

/// Carries out the command and answers what to print.
pub async fn run(args: Args) -> Result<String, ClientError> {
    let dir = args.state_dir.clone();
    let answer = timeout(DEADLINE, ask(&dir, &args.into_request())).await;
    let answer = answer.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    match answer.get("error").and_then(Value::as_str) {
        Some(error) => Err(ClientError::Refused(error.to_owned())),
        None => Ok(format!("{:#}", answer["ok"])),
    }
}

async fn ask(dir: &Path, request: &Request) -> Result<Value, ClientError> {
    let connected = socket::connect(dir).await;
    let mut stream = connected.map_err(|source| ClientError::Connect { dir: dir.to_owned(), source })?;
    let mut line = serde_json::to_vec(request).map_err(io::Error::other)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).await?;
    Ok(serde_json::from_str(&answer).map_err(io::Error::other)?)
}

// === impl Args ===

impl Args {
    pub(super) fn into_request(self) -> Request {
        self.command.into_request()
    }
}

// === impl Command ===

impl Command {
    fn into_request(self) -> Request {
        match self {
            Self::Status => Request::Status,
            Self::Clock { command: None } => Request::Clock,
            Self::Clock { command: Some(command) } => match command {
                ClockCommand::Advance { by } => Request::ClockAdvance { ms: millis(by) },
                ClockCommand::Set { to } => Request::ClockSet { ms: to },
                ClockCommand::Manual => Request::ClockManual,
                ClockCommand::Real => Request::ClockReal,
            },
            Self::Checkpoint => Request::Checkpoint,
            Self::Epoch => Request::Epoch,
            Self::Fault { command } => match command {
                FaultCommand::Add(Add { fault, method, lasting }) => {
                    Request::FaultAdd { fault: fault.into_fault(), method, for_ms: lasting.map(millis) }
                }
                FaultCommand::Clear { id } => Request::FaultClear { id },
                FaultCommand::List => Request::FaultList,
            },
        }
    }
}

// === impl Kind ===

impl Kind {
    fn into_fault(self) -> Fault {
        match self {
            Self::DropStreams => Fault::DropStreams,
            Self::Delay { time } => Fault::Delay { ms: millis(time) },
            Self::Unavailable { calls, percent, seed } => Fault::Unavailable { calls, percent, seed },
            Self::Duplicates => Fault::Duplicates,
            Self::Stall => Fault::Stall,
            Self::DiskFull => Fault::DiskFull,
            Self::Lie { lie, checkpoint, fit } => Fault::Lie(Lie { lie, checkpoint, fit }),
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed: SignedDuration = text.parse().map_err(|e| format!("not a time: {e}"))?;
    Duration::try_from(parsed).map_err(|_| "a time that has passed already".to_owned())
}

fn time(text: &str) -> Result<u64, String> {
    if let Ok(ms) = text.parse() {
        return Ok(ms);
    }
    let parsed: Timestamp = text.parse().map_err(|e| format!("neither a time nor milliseconds: {e}"))?;
    u64::try_from(parsed.as_millisecond()).map_err(|_| "a time before 1970".to_owned())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
