use crate::callers::Callers;
use crate::checkpoint::Sealer;
use crate::control::{Control, Socket};
use crate::execute::Executor;
use crate::faucet::{self, Faucet};
use crate::faults::Faults;
use crate::ledger::{Free, Ledger, free_on_disk_of};
use crate::node::Node;
use crate::time::Time;
use crate::{Config, DevnetError, files, genesis, keys, rpc};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use core::time::Duration;
use daas_types::UnixMs;
use daas_types::genesis::Genesis;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use sui_sdk_types::ValidatorCommittee;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// An empty checkpoint follows the last one after this time, so that a reader knows the network lives.
const IDLE: Duration = Duration::from_millis(900);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How long open requests may take to end.
const GRACE: Duration = Duration::from_secs(2);
/// When a network with a seed begins: 2026-01-01T00:00:00Z.
const SEEDED_GENESIS_MS: u64 = 1_767_225_600_000;

/// The embedded network.
#[derive(Debug)]
pub struct Devnet;

/// A started network. Dropping it ends it at once; [`RunningDevnet::stop`] lets open requests end first.
pub struct RunningDevnet {
    /// Where the gRPC services listen.
    pub rpc_addr: SocketAddr,
    /// Where the faucet listens.
    pub faucet_addr: SocketAddr,
    /// The trust anchor.
    pub genesis: Genesis,
    /// BCS of checkpoint 0's summary: what the anchor's digest covers.
    pub genesis_summary: Vec<u8>,
    /// Who signs the checkpoints of epoch 0.
    pub committee: ValidatorCommittee,
    /// Moves its clock, ends its epochs, makes it fail.
    pub control: Control,
    shutdown: CancellationToken,
    tasks: JoinSet<Result<(), DevnetError>>,
}

// === impl Devnet ===

impl Devnet {
    /// Opens or makes the state folder and serves from it. The sockets are bound when this returns.
    pub async fn start(config: Config) -> Result<RunningDevnet, DevnetError> {
        let dir = config.state_dir.as_path();
        let file = |source| DevnetError::File { path: dir.to_owned(), source };
        std::fs::create_dir_all(dir).map_err(file)?;
        let sealer = Sealer::new(keys::validator(dir, config.seed)?);
        let faucet_key = keys::faucet(dir, config.seed)?;
        let faucet_address = faucet_key.public_key().derive_address();
        let faults = Arc::new(Faults::new());
        let ledger = Ledger::open(&dir.join("ledger.redb"), room_in(dir, &faults))?;
        let time = Arc::new(Time::load(config.clock.clone(), ledger.clone(), still_at(&config))?);
        let now = UnixMs(time.now_ms());
        let (genesis, checkpoint) = genesis::establish(&ledger, &sealer, faucet_address, config.tee_root, now)?;
        let genesis_summary = bcs::to_bytes(&checkpoint.summary).expect("summaries must serialize");
        let committee = sealer.committee(0);
        let clock = time.clone();
        let clock = Arc::new(move || UnixMs(clock.now_ms()));
        let executor = Arc::new(Executor::new(ledger, sealer, &genesis, clock));
        let shutdown = CancellationToken::new();
        let node = Node { executor, time, faults, shutdown: shutdown.clone() };
        // Before anyone can ask: a restarted network is fresh at once.
        node.keep_fresh(0).await?;

        let rpc_listener = bind(config.listen).await?;
        let faucet_listener = bind(config.faucet).await?;
        let socket = Socket::bind(dir)?;
        let control = Control::new(node.clone());
        let mut running = RunningDevnet {
            rpc_addr: local(&rpc_listener, config.listen)?,
            faucet_addr: local(&faucet_listener, config.faucet)?,
            genesis,
            genesis_summary,
            committee,
            control: control.clone(),
            shutdown: shutdown.clone(),
            tasks: JoinSet::new(),
        };
        running.write_down(dir)?;
        let callers = Callers::new(config.allow_origins);
        running.tasks.spawn(rpc::serve(node.clone(), rpc_listener, callers.clone()));
        let faucet = Faucet::new(node.clone(), faucet_key);
        running.tasks.spawn(faucet::serve(faucet, faucet_listener, callers, shutdown.clone()));
        running.tasks.spawn(socket.serve(control, shutdown));
        running.tasks.spawn(until_the_ledger_fails(node.clone()));
        running.tasks.spawn(keep_fresh(node));
        tracing::info!(
            rpc = %running.rpc_addr,
            faucet = %running.faucet_addr,
            genesis = %running.genesis.digest(),
            "devnet started"
        );
        Ok(running)
    }
}

/// Where the clock of a new ledger stands still, if it does.
fn still_at(config: &Config) -> Option<u64> {
    match config.seed {
        Some(_) => Some(SEEDED_GENESIS_MS),
        None => config.manual_clock.then(|| (config.clock)().0),
    }
}

// === impl RunningDevnet ===

impl RunningDevnet {
    /// `http://` and the gRPC address.
    pub fn rpc_url(&self) -> String {
        format!("http://{}", self.rpc_addr)
    }

    /// `http://` and the faucet's address.
    pub fn faucet_url(&self) -> String {
        format!("http://{}", self.faucet_addr)
    }

    /// What others need of this network: `genesis.json`, as a join file takes it over, and `endpoints.json`.
    fn write_down(&self, dir: &Path) -> Result<(), DevnetError> {
        let summary = STANDARD.encode(&self.genesis_summary);
        let genesis = serde_json::json!({ "digest": self.genesis.digest(), "summary": summary });
        let endpoints = serde_json::json!({ "rpc": self.rpc_url(), "faucet": self.faucet_url() });
        for (name, content) in [("genesis.json", genesis), ("endpoints.json", endpoints)] {
            let path = dir.join(name);
            let text = format!("{content:#}\n");
            files::keep(&path, text.as_bytes(), 0o644).map_err(|source| DevnetError::File { path, source })?;
        }
        Ok(())
    }

    /// Serves until `shutdown`, or until one of the servers fails.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), DevnetError> {
        let ended = tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            ended = self.tasks.join_next() => flatten(ended),
        };
        ended.and(self.stop().await)
    }

    /// Ends it: no new requests, a moment for open ones, then the rest is cut.
    pub async fn stop(mut self) -> Result<(), DevnetError> {
        self.shutdown.cancel();
        let drain = async {
            let mut first_error = Ok(());
            while let Some(ended) = self.tasks.join_next().await {
                first_error = first_error.and(flatten(Some(ended)));
            }
            first_error
        };
        if let Ok(ended) = tokio::time::timeout(GRACE, drain).await {
            return ended;
        }
        tracing::warn!("open requests did not end in time and were cut");
        self.tasks.shutdown().await;
        Ok(())
    }
}

/// What the disk has left, or nothing if that fault is asked for.
fn room_in(dir: &Path, faults: &Arc<Faults>) -> Free {
    let (dir, faults) = (dir.to_owned(), faults.clone());
    Arc::new(move || if faults.disk_is_full() { Ok(0) } else { free_on_disk_of(&dir) })
}

/// A network that can write nothing any more ends, for whoever looks after it to start it anew.
async fn until_the_ledger_fails(node: Node) -> Result<(), DevnetError> {
    tokio::select! {
        () = node.shutdown.cancelled() => Ok(()),
        cause = node.executor.ledger().failure() => Err(DevnetError::Ledger { cause }),
    }
}

async fn keep_fresh(node: Node) -> Result<(), DevnetError> {
    let mut look = tokio::time::interval(LOOK);
    let idle_ms = u64::try_from(IDLE.as_millis()).expect("the idle time must fit");
    loop {
        tokio::select! {
            () = node.shutdown.cancelled() => return Ok(()),
            _ = look.tick() => {}
        }
        node.keep_fresh(idle_ms).await?;
    }
}

type Ended = Option<Result<Result<(), DevnetError>, tokio::task::JoinError>>;

fn flatten(ended: Ended) -> Result<(), DevnetError> {
    match ended {
        None | Some(Ok(Ok(()))) => Ok(()),
        Some(Ok(Err(error))) => Err(error),
        Some(Err(panic)) => Err(DevnetError::Server { server: "a task", cause: panic.to_string() }),
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, DevnetError> {
    TcpListener::bind(address).await.map_err(|source| DevnetError::Listen { address, source })
}

fn local(listener: &TcpListener, address: SocketAddr) -> Result<SocketAddr, DevnetError> {
    listener.local_addr().map_err(|source| DevnetError::Listen { address, source })
}
