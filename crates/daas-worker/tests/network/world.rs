//! A network with a cluster that has no master yet, and machine owners who type.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use daas_chain::client::ChainClient;
use daas_chain::clock;
use daas_chain::index::IndexIds;
use daas_chain::ops::{ClusterSpec, CompiledPackage, Ops, SealSpec, StakeSpec, faucet};
use daas_chain::wallet::Wallet;
use daas_devnet::{Config, Devnet, RunningDevnet};
use daas_testkit::pki::Ca;
use daas_types::join::{JoinFile, Joining};
use daas_types::onchain::{PositionKey, position_id};
use daas_types::{Mist, Permissions, SealSecret, UnixMs};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Longer than any command takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);
/// How far the network's clock can be moved either way.
const MIDDLE: Duration = Duration::from_hours(24);

pub(crate) struct World {
    devnet: RunningDevnet,
    client: ChainClient,
    operator: Ops,
    folder: TempDir,
    moved_ms: Arc<AtomicU64>,
    pub(crate) ids: IndexIds,
    pub(crate) join: JoinFile,
    pub(crate) endpoint: String,
}

/// Somebody with a home folder, a wallet and a configuration file.
pub(crate) struct Owner {
    pub(crate) home: PathBuf,
    pub(crate) address: String,
}

// === impl World ===

impl World {
    /// A network whose clock is this much behind.
    pub(crate) async fn start(behind: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let moved_ms = Arc::new(AtomicU64::new(ms(MIDDLE.checked_sub(behind).unwrap())));
        let read = moved_ms.clone();
        let time: daas_devnet::Clock =
            Arc::new(move || UnixMs(clock::now().0 + read.load(Ordering::SeqCst) - ms(MIDDLE)));
        let devnet = Devnet::start(Config::on_free_ports(folder.path().join("net"), [9; 32], time)).await.unwrap();
        let client = ChainClient::connect(&devnet.rpc_url(), &devnet.genesis).await.unwrap();
        let operator = Wallet::create(&folder.path().join("operator.key")).unwrap();
        let operator = Ops::new(client.clone(), operator);
        faucet(&client, &devnet.faucet_url(), operator.sender()).await.unwrap();
        let (package, _) = operator.publish(&compiled()).await.unwrap();
        let office = |n: u8| daas_types::WalletAddress(daas_types::Address::new([n; 32]));
        let spec = ClusterSpec::devnet("test", office(1), office(2), office(3));
        let (ids, _) = operator.create_cluster(package, &spec).await.unwrap();
        // Nothing listens there any more.
        let endpoint = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            format!("https://{}", listener.local_addr().unwrap())
        };
        let join = JoinFile {
            version: 1,
            genesis: devnet.genesis.digest(),
            genesis_summary: Some(STANDARD.encode(&devnet.genesis_summary)),
            committee: None,
            rpc: devnet.rpc_url().parse().unwrap(),
            package,
            cluster: ids.cluster,
            registry: ids.registry,
            nautilus: ids.nautilus,
            endpoint: endpoint.clone(),
            ca: Ca::new("cluster").pem(),
            engine: Joining::Kubernetes,
        };
        Self { devnet, client, operator, folder, moved_ms, ids, join, endpoint }
    }

    pub(crate) fn rpc(&self) -> String {
        self.devnet.rpc_url()
    }

    pub(crate) fn genesis(&self) -> String {
        self.devnet.genesis.digest().to_string()
    }

    pub(crate) fn ops(&self, wallet: Wallet) -> Ops {
        Ops::new(self.client.clone(), wallet)
    }

    /// Moves the network's clock, and lets it say so.
    pub(crate) async fn ahead(&self, by: Duration) {
        self.moved_ms.store(ms(MIDDLE + by), Ordering::SeqCst);
        faucet(&self.client, &self.devnet.faucet_url(), self.operator.sender()).await.unwrap();
    }

    pub(crate) fn owner(&self, name: &str) -> Owner {
        let home = self.folder.path().join(name);
        std::fs::create_dir_all(&home).unwrap();
        let address = Wallet::create(&home.join("wallet.key")).unwrap().address().to_string();
        let owner = Owner { home, address };
        owner.keeps("join.json", &serde_json::to_string(&self.join).unwrap());
        owner.configures("");
        owner
    }

    pub(crate) async fn fill(&self, owner: &Owner) {
        faucet(&self.client, &self.devnet.faucet_url(), wallet(owner).address()).await.unwrap();
    }

    pub(crate) async fn balance(&self, owner: &Owner) -> Mist {
        let coins = self.client.coins(wallet(owner).address()).await.unwrap();
        coins.iter().fold(Mist(0), |sum, coin| sum.saturating_add(coin.balance))
    }

    /// Stakes 5 SUI elsewhere, and answers the Seal's secret.
    pub(crate) async fn stakes(
        &self,
        owner: &Owner,
        node: &str,
        permissions: Permissions,
        lifetime: Duration,
    ) -> SealSecret {
        let ops = self.ops(wallet(owner));
        let secret = SealSecret::generate().unwrap();
        let position = position_id(self.ids.package, self.ids.registry, PositionKey(ops.sender(), 0));
        let seal = SealSpec {
            permissions,
            locator: secret.locator(),
            commitment: secret.commitment(self.ids.cluster, position),
            session: None,
            lifetime,
        };
        let node_id = Some(node.parse().unwrap());
        let spec = StakeSpec { amount: Mist::from_sui(5), salt: 0, node_id, seal };
        ops.stake_and_mint_seal(&self.ids, &spec).await.unwrap();
        secret
    }

    pub(crate) async fn seal_of(&self, owner: &Owner) -> String {
        self.client.seals(&self.ids, wallet(owner).address()).await.unwrap()[0].id.to_string()
    }
}

// === impl Owner ===

impl Owner {
    /// Writes the configuration that the page shows, with one more line.
    pub(crate) fn configures(&self, more: &str) {
        let known =
            format!("cluster: join.json\nwallet: wallet.key\nstate_dir: state\nnode: {{id: {}}}\n", super::NODE);
        self.keeps("worker-config.yaml", &format!("{known}{more}\n"));
    }

    /// A file of theirs alone.
    pub(crate) fn keeps(&self, name: &str, text: &str) {
        let path = self.home.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Runs what is typed in their home folder; answers all that is printed. Who they are is not changed.
    pub(crate) async fn types(&self, line: &str) -> String {
        let mut command = self.command(line);
        let output = tokio::time::timeout(PATIENCE, command.output()).await.unwrap().unwrap();
        assert!(!output.status.success(), "{line}");
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    }

    /// The same until this is said; then it is killed.
    pub(crate) async fn types_until(&self, line: &str, said: &str) {
        let mut worker = self.starts(line, said).await;
        worker.start_kill().unwrap();
        worker.wait().await.unwrap();
    }

    /// Has it run, once this is said.
    pub(crate) async fn starts(&self, line: &str, said: &str) -> Child {
        let mut command = self.command(line);
        command.env("RUST_LOG", "warn").stderr(Stdio::piped());
        let mut worker = command.spawn().unwrap();
        let mut lines = BufReader::new(worker.stderr.take().unwrap()).lines();
        let mut heard = Vec::new();
        loop {
            let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap();
            let Some(line) = line else { panic!("it ended before {said}:\n{}", heard.join("\n")) };
            if line.contains(said) {
                break;
            }
            heard.push(line);
        }
        // Whoever writes to a pipe that nobody reads stops when it is full, or is told so.
        worker.stderr = Some(lines.into_inner().into_inner());
        worker
    }

    fn command(&self, line: &str) -> Command {
        let args = line.strip_prefix("sudo k3s-daas-worker ").unwrap_or_else(|| panic!("{line}"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_k3s-daas-worker"));
        command
            .env_clear()
            .env("HOME", &self.home)
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("RUST_LOG", "error");
        // The K3s that they have, if they have one.
        let k3s = self.home.join("simulated-k3s");
        if k3s.exists() {
            command.env("K3S_BIN", k3s);
        }
        command.current_dir(&self.home).args(args.split_whitespace()).kill_on_drop(true);
        command
    }
}

pub(crate) fn wallet(owner: &Owner) -> Wallet {
    Wallet::load(&owner.home.join("wallet.key")).unwrap()
}

fn compiled() -> CompiledPackage {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/k3s_daas/compiled.json");
    CompiledPackage::parse(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}
