//! A running network, a cluster on it, and its people.

use core::time::Duration;
use daas_chain::client::ChainClient;
use daas_chain::follow::{FollowError, Follower};
use daas_chain::index::{Index, IndexIds, LivePosition};
use daas_chain::ops::{
    ClusterSpec, CompiledPackage, Ops, PositionOutcome, SealSpec, SlashSpec, StakeSpec, TxError, faucet,
};
use daas_chain::wallet::Wallet;
use daas_devnet::{Config, Devnet, RunningDevnet};
use daas_types::onchain::{PositionKey, position_id};
use daas_types::{Mist, Permissions, PositionId, SealSecret, UnixMs};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use sui_crypto::ed25519::Ed25519PrivateKey;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Longer than anything here may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Seeds of the wallets that hold a cluster's offices.
const PROPOSER: u8 = 0xb1;
const JUDGE: u8 = 0xb2;
const BENEFICIARY: u8 = 0xb3;

/// A network whose clock a test can move.
pub(crate) struct Net {
    pub(crate) devnet: RunningDevnet,
    pub(crate) folder: TempDir,
    ahead_ms: Arc<AtomicU64>,
}

/// A cluster on it, and whoever has an office there.
pub(crate) struct World {
    pub(crate) net: Net,
    pub(crate) client: ChainClient,
    pub(crate) operator: Ops,
    pub(crate) proposer: Ops,
    pub(crate) judge: Ops,
    pub(crate) ids: IndexIds,
}

/// An index that follows, until dropped.
pub(crate) struct Following {
    pub(crate) index: Index,
    shutdown: CancellationToken,
    tasks: JoinSet<Result<(), FollowError>>,
}

// === impl Net ===

impl Net {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ahead_ms = Arc::default();
        let devnet = serve(folder.path(), &ahead_ms, None).await;
        Self { devnet, folder, ahead_ms }
    }

    /// Stops it, and starts it again from its folder at the same address.
    pub(crate) async fn restart(self) -> Self {
        let Self { devnet, folder, ahead_ms } = self;
        let address = devnet.rpc_addr;
        devnet.stop().await.unwrap();
        let devnet = serve(folder.path(), &ahead_ms, Some(address)).await;
        Self { devnet, folder, ahead_ms }
    }

    /// Two networks with the same past and the same keys: at the address of this one, and at another.
    pub(crate) async fn fork(self) -> (Self, Self) {
        let Self { devnet, folder, ahead_ms } = self;
        let address = devnet.rpc_addr;
        devnet.stop().await.unwrap();
        let other = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            if file.file_type().unwrap().is_file() {
                std::fs::copy(file.path(), other.path().join(file.file_name())).unwrap();
            }
        }
        let twin = serve(other.path(), &ahead_ms, None).await;
        let twin = Self { devnet: twin, folder: other, ahead_ms: ahead_ms.clone() };
        let devnet = serve(folder.path(), &ahead_ms, Some(address)).await;
        (Self { devnet, folder, ahead_ms }, twin)
    }

    /// Another network, at the address of this one.
    pub(crate) async fn replace(self) -> Self {
        let address = self.devnet.rpc_addr;
        self.devnet.stop().await.unwrap();
        let (folder, ahead_ms) = (tempfile::tempdir().unwrap(), Arc::default());
        let devnet = serve(folder.path(), &ahead_ms, Some(address)).await;
        Self { devnet, folder, ahead_ms }
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.ahead_ms.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> UnixMs {
        ahead(&self.ahead_ms)
    }

    pub(crate) async fn connect(&self) -> ChainClient {
        ChainClient::connect(&self.devnet.rpc_url(), &self.devnet.genesis).await.unwrap()
    }

    /// A wallet with the faucet's money.
    pub(crate) async fn rich(&self, client: &ChainClient, seed: u8) -> Ops {
        let ops = Ops::new(client.clone(), wallet(seed));
        let got = faucet(client, &self.devnet.faucet_url(), ops.wallet().address()).await.unwrap();
        assert!(got >= Mist::from_sui(100), "{got}");
        ops
    }
}

// === impl World ===

impl World {
    pub(crate) async fn start() -> Self {
        let net = Net::start().await;
        let client = net.connect().await;
        let operator = net.rich(&client, 1).await;
        let (proposer, judge) = (net.rich(&client, PROPOSER).await, net.rich(&client, JUDGE).await);
        let (package, _) = operator.publish(&compiled()).await.unwrap();
        let (ids, _) = operator.create_cluster(package, &spec()).await.unwrap();
        Self { net, client, operator, proposer, judge, ids }
    }

    pub(crate) async fn rich(&self, seed: u8) -> Ops {
        self.net.rich(&self.client, seed).await
    }

    pub(crate) fn position_of(&self, ops: &Ops, salt: u64) -> PositionId {
        position_id(self.ids.package, self.ids.registry, PositionKey(ops.wallet().address(), salt))
    }

    pub(crate) fn seal(&self, secret: &SealSecret, position: PositionId) -> SealSpec {
        SealSpec {
            permissions: Permissions::BOTH,
            locator: secret.locator(),
            commitment: secret.commitment(self.ids.cluster, position),
            session: None,
            lifetime: Duration::from_hours(1),
        }
    }

    pub(crate) fn stake_spec(&self, ops: &Ops, sui: u64, node: &str, secret: &SealSecret) -> StakeSpec {
        let seal = self.seal(secret, self.position_of(ops, 0));
        StakeSpec { amount: Mist::from_sui(sui), salt: 0, node_id: Some(node.parse().unwrap()), seal }
    }

    pub(crate) async fn stake(&self, ops: &Ops, sui: u64, node: &str) -> Result<PositionOutcome, TxError> {
        let secret = SealSecret::generate().unwrap();
        ops.stake_and_mint_seal(&self.ids, &self.stake_spec(ops, sui, node, &secret)).await
    }

    pub(crate) fn slash(&self) -> SlashSpec {
        SlashSpec { reason: 1, evidence_hash: [7; 32], evidence: self.net.now(), uri: "ipfs://evidence".into() }
    }

    pub(crate) fn follow(&self) -> Following {
        Following::of(Follower::new(self.client.clone(), Index::new(self.ids)))
    }
}

// === impl Following ===

impl Following {
    pub(crate) fn of(follower: Follower) -> Self {
        let index = follower.index().clone();
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(follower.run(shutdown.clone()));
        Self { index, shutdown, tasks }
    }

    /// Waits until the index has this checkpoint.
    pub(crate) async fn reaches(&self, checkpoint: u64) {
        let mut checkpoints = self.index.checkpoints();
        let wait = checkpoints.wait_for(|at| *at >= checkpoint);
        tokio::time::timeout(PATIENCE, wait).await.expect("the index must get there").unwrap();
    }

    /// The position after `outcome`.
    pub(crate) async fn sees(&self, outcome: &PositionOutcome) -> Arc<LivePosition> {
        self.reaches(outcome.outcome.checkpoint).await;
        let live = self.index.snapshot().position(outcome.position.position).unwrap().clone();
        assert_eq!(live.state, outcome.position);
        assert!(!live.gap);
        live
    }

    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        let ended = tokio::time::timeout(PATIENCE, self.tasks.join_next()).await;
        ended.expect("the follower must stop").unwrap().unwrap().unwrap();
    }
}

/// The cluster.
pub(crate) fn spec() -> ClusterSpec {
    let [beneficiary, proposer, judge] = [BENEFICIARY, PROPOSER, JUDGE].map(|seed| wallet(seed).address());
    ClusterSpec::devnet("test", beneficiary, proposer, judge)
}

pub(crate) fn wallet(seed: u8) -> Wallet {
    Wallet::of(Ed25519PrivateKey::new([seed; 32]).into())
}

pub(crate) fn compiled() -> CompiledPackage {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/k3s_daas/compiled.json");
    CompiledPackage::parse(&std::fs::read_to_string(path).unwrap()).unwrap()
}

async fn serve(folder: &Path, ahead_ms: &Arc<AtomicU64>, address: Option<SocketAddr>) -> RunningDevnet {
    let shared = ahead_ms.clone();
    let mut config = Config::on_free_ports(folder.to_owned(), [9; 32], Arc::new(move || ahead(&shared)));
    if let Some(address) = address {
        config.listen = address;
    }
    Devnet::start(config).await.unwrap()
}

fn ahead(by_ms: &AtomicU64) -> UnixMs {
    daas_chain::clock::now().plus(Duration::from_millis(by_ms.load(Ordering::SeqCst)))
}
