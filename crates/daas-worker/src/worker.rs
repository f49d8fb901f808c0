//! The worker itself: does the actions the state machine asks for, and what a joined node needs every few seconds.

mod actions;
mod departure;
mod doubt;
mod upkeep;

pub(crate) use departure::CORDONED;
pub use upkeep::{Duties, Duty};

use crate::api::command::Staked;
use crate::api::status::Board;
use crate::config::{WorkerConfig, seal_path};
use crate::heartbeat::Pulse;
use crate::host::Host;
use crate::kube::KubeApi;
use crate::preflight;
use crate::stake::{Live, Staker};
use crate::store::{Store, host_node_id};
use crate::usage::Machine;
use daas_chain::client::ChainClient;
use daas_chain::index::{Index, IndexIds, Snapshot};
use daas_chain::ops::Ops;
use daas_chain::wallet::Wallet;
use daas_client::{ClusterInfo, Masters, SealFile, VerifiedMaster};
use daas_types::join::JoinFile;
use daas_types::{ErrorCode, NodeId, Problem, UnixMs, WalletAddress};
use doubt::Doubt;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// Everything a worker works with.
pub struct Worker {
    cluster: ClusterInfo,
    chain: ChainClient,
    index: Index,
    staker: Staker,
    store: Store,
    board: Board,
    host: Host,
    machine: Machine,
    node_id: NodeId,
    node_ip: Option<IpAddr>,
    held: Option<Held>,
    /// What came of the last order for a Seal.
    made: Option<Result<Staked, Problem>>,
    master: Option<Verified>,
    pulse: Pulse,
    /// How long the master's proof counts: what the master says, and never longer than an hour.
    proof: Duration,
    doubt: Doubt,
    /// Whether this machine is to take another's place, and has not yet.
    replace: bool,
}

/// The Seal in use.
struct Held {
    seal: SealFile,
    renew: UnixMs,
    generation: u64,
}

/// The master, as long as its proof counts.
struct Verified {
    connection: VerifiedMaster,
    api: KubeApi,
    at: Instant,
}

// === impl Worker ===

impl Worker {
    /// Reads what the configuration names and connects to the chain.
    pub async fn new(config: &WorkerConfig, store: Store, board: Board) -> Result<Self, Problem> {
        let mut cluster = ClusterInfo::load(&config.cluster)?;
        config.apply_to(&mut cluster.join)?;
        // A stake is worth nothing without a master that can be verified.
        if !is_staked(store.folder()) {
            cluster.check_masters()?;
        }
        let wallet = load_wallet(config, store.folder())?;
        config.check_wallet(wallet.address())?;
        let node_id = own_node_id(config)?;
        let mut host = Host::new(config, &store, node_id.clone(), cluster.join.engine)?;
        host.check().await?;
        if !seal_path(store.folder()).exists() {
            preflight::before_money(config, cluster.join.engine)?;
        }
        // Whatever cannot be built or fetched is found out before any money is spent.
        host.prepare().await?;
        let doubt = Doubt::new(host.has_left());
        // Whoever speaks to a worker that starts again shows the Seal that it had.
        if let Ok(seal) = SealFile::load(&seal_path(store.folder())) {
            board.sealed(&seal);
        }
        let join = &cluster.join;
        let ids = ids(join);
        let chain = cluster.chain().await?;
        let ops = Ops::new(chain.clone(), wallet);
        let staker = Staker::new(ops, ids, join.clone(), node_id.clone(), config.stake, store.folder());
        Ok(Self {
            chain,
            index: Index::new(ids),
            staker,
            machine: Machine::new(store.folder()),
            store,
            board,
            host,
            node_id,
            node_ip: config.node_ip,
            cluster,
            held: None,
            made: None,
            master: None,
            pulse: Pulse::new(chance()?),
            proof: upkeep::PROOF,
            doubt,
            replace: config.replace,
        })
    }

    /// The index this worker reads its own position from; the caller keeps it at the tip.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The chain it reads.
    pub fn chain(&self) -> &ChainClient {
        &self.chain
    }

    /// Whose stake it runs on.
    pub fn owner(&self) -> WalletAddress {
        self.staker.owner()
    }

    /// Its node.
    pub fn node_id(&self) -> &NodeId {
        &self.node_id
    }

    /// What it tells of itself.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// Its state folder.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The Seal in use and the position's generation it was seen on.
    pub fn seal(&self) -> Option<(&SealFile, u64)> {
        self.held.as_ref().map(|held| (&held.seal, held.generation))
    }

    fn hold(&mut self, live: Live) {
        self.board.sealed(&live.seal);
        let generation = live.position.generation;
        self.held = Some(Held { seal: live.seal, renew: live.renew, generation });
        self.show();
    }

    /// Leaves for K3s' agent what it shows when it is started, as long as the master is believed, and nothing while it is not.
    fn show(&self) {
        let Some(held) = &self.held else { return };
        let done = if self.doubt.believes() {
            self.host.show(&self.store, &self.cluster.join, &held.seal)
        } else {
            self.host.hide(&self.store)
        };
        if let Err(problem) = done {
            // Written again before the node is started by the worker.
            tracing::warn!(%problem, believes = self.doubt.believes(), "what the agent shows at its next start is as it was");
        }
    }

    fn held(&self) -> Result<&SealFile, Problem> {
        let held = self.held.as_ref().map(|held| &held.seal);
        held.ok_or_else(|| Problem::new(ErrorCode::NotStaked, "there is no live Seal"))
    }

    /// What the chain last said of the masters, by the index that follows it.
    fn known_masters(&self) -> Option<Masters> {
        known_masters(&self.index.snapshot())
    }

    fn master(&mut self) -> Result<&mut Verified, Problem> {
        let none = || Problem::new(ErrorCode::MasterUnverified, "the master is not verified now");
        self.master.as_mut().ok_or_else(none)
    }
}

/// What tells this worker's pauses from others'.
fn chance() -> Result<u8, Problem> {
    let mut byte = [0];
    getrandom::fill(&mut byte).map_err(|e| Problem::new(ErrorCode::Internal, e))?;
    Ok(byte[0])
}

fn known_masters(snapshot: &Snapshot) -> Option<Masters> {
    let (nautilus, cluster, at) = (snapshot.nautilus()?, snapshot.cluster()?, snapshot.timestamp()?);
    Some(Masters { nautilus: nautilus.clone(), policy: cluster.policy.clone(), at })
}

/// Whether there is a Seal that was minted. What is only prepared has cost nothing yet.
fn is_staked(state_dir: &Path) -> bool {
    SealFile::load(&seal_path(state_dir)).is_ok_and(|seal| seal.seal.is_some())
}

/// The node id that is configured, else the host name.
pub(crate) fn own_node_id(config: &WorkerConfig) -> Result<NodeId, Problem> {
    config.node_id.clone().or_else(host_node_id).ok_or_else(|| {
        Problem::new(ErrorCode::ConfigInvalid, "the host name is not a node id: set node.id or --node-id")
    })
}

/// The cluster's objects.
pub(crate) fn ids(join: &JoinFile) -> IndexIds {
    IndexIds { package: join.package, cluster: join.cluster, registry: join.registry, nautilus: join.nautilus }
}

/// The wallet that is configured, else the one in the state folder.
pub(crate) fn load_wallet(config: &WorkerConfig, state_dir: &Path) -> Result<Wallet, Problem> {
    let path = config.wallet.clone().unwrap_or_else(|| state_dir.join("wallet.key"));
    Ok(Wallet::load(&path)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use daas_testkit::chain::Chain;

    #[test]
    fn what_is_kept_of_the_masters_is_as_old_as_the_last_checkpoint() {
        let at = UnixMs(1_000_000);
        let chain = Chain::made_at(at);
        assert!(known_masters(&chain.index.snapshot()).is_none(), "nothing is said of masters yet");
        chain.nautilus(|_| ());
        let snapshot = chain.index.snapshot();
        let known = known_masters(&snapshot).unwrap();
        assert_eq!((Some(&known.nautilus), &known.policy), (snapshot.nautilus(), snapshot.policy()));
        // An outage makes it older; the next checkpoint, young.
        let later = known.at.plus(Duration::from_mins(15));
        assert!(known.within_grace(later) && !known.within_grace(later.plus(Duration::from_millis(1))));
        chain.checkpoint_at(later, &[]);
        let known = known_masters(&chain.index.snapshot()).unwrap();
        assert_eq!(known.at, later);
    }
}
