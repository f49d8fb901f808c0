//! One worker from its stake to its money back: killed, its node's files removed, killed again on the way out.

use crate::support::cluster::Cluster;
use crate::support::commands::{command, run, succeed, tail};
use crate::support::network::{HOST, Machine, Network, Running};
use crate::support::person::Person;
use crate::support::pods::{NAMESPACE, field, namespace, ready, serve};
use crate::support::{eventually, processes, say, scenario, step};
use anyhow::{Context as _, Result, ensure};
use daas_chain::wallet::Wallet;
use daas_client::SealFile;
use daas_types::Mist;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Child;
use tokio::time::timeout;

const HOME: Machine = Machine { name: "daas-t-life", address: Ipv4Addr::new(10, 98, 0, 4) };
/// The port of the worker's API.
const API: u16 = 8080;
const STAKE: u64 = 5_000_000_000;
/// From a start to a node that has joined.
const JOINED: Duration = Duration::from_mins(1);
/// From the word to a stake that is on its way, and from there to the wallet.
const OUT: Duration = Duration::from_mins(1);

#[test]
fn a_workers_life() {
    scenario("a worker's life", Duration::from_mins(4), async {
        let network = Network::make(&[HOME]).await?;
        let cluster = Cluster::place()?;
        let (rpc, faucet) = (format!("{HOST}:9000"), format!("{HOST}:9123"));
        let flags = ["--bind", &HOST.to_string(), "--devnet-listen", &rpc, "--devnet-faucet", &faucet];
        step("up", cluster.start(&flags)).await?;
        step("stake may be taken out after ten seconds", hurry(&cluster)).await?;
        let mut life = Life::new(&cluster).await?;
        let told = step("from a wallet to a node", life.begin()).await;
        told.with_context(|| life.log())?;
        for (name, part) in [("killed", Part::Killed), ("its data removed", Part::Repaired), ("unstaked", Part::Left)] {
            let told = step(name, life.live(part)).await;
            told.with_context(|| life.log())?;
        }
        drop(life);
        cluster.finish().await?;
        drop(network);
        Ok(())
    });
}

/// On a development network rules change without a delay.
async fn hurry(cluster: &Cluster) -> Result<()> {
    let wallet = cluster.state().join("wallets/operator.key").display().to_string();
    for words in [&["announce", "--unbonding", "10s", "--evidence-max-age", "10s"][..], &["apply"]] {
        let policy = [&["--wallet", &wallet, "chain", "policy"], words, &["--yes"]].concat();
        succeed(cluster.operator().daas(&policy)).await?;
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Part {
    Killed,
    Repaired,
    Left,
}

struct Life<'a> {
    cluster: &'a Cluster,
    person: Person,
    machine: Running,
    worker: Option<Child>,
    starts: usize,
}

impl<'a> Life<'a> {
    async fn new(cluster: &'a Cluster) -> Result<Self> {
        let machine = HOME.start().await?;
        Ok(Self { cluster, person: cluster.person("life"), machine, worker: None, starts: 0 })
    }

    /// The worker stakes by itself, and a pod runs on its node.
    async fn begin(&mut self) -> Result<()> {
        succeed(self.person.daas(&["faucet"])).await?;
        self.start()?;
        self.joined().await?;
        let operator = self.cluster.operator();
        namespace(&operator).await?;
        serve(&operator, &[("kept", HOME.name)]).await
    }

    async fn live(&mut self, part: Part) -> Result<()> {
        match part {
            Part::Killed => self.killed().await,
            Part::Repaired => self.repaired().await,
            Part::Left => self.left().await,
        }
    }

    /// kill -9 of the worker alone: the pod does not notice, nothing is staked or minted again.
    async fn killed(&mut self) -> Result<()> {
        let operator = self.cluster.operator();
        let identity =
            "{.metadata.uid} {.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}";
        let (pod, seal, money) = (field(&operator, "kept", identity).await?, self.seal()?, self.balance().await?);
        self.kill().await?;
        self.start()?;
        self.joined().await?;
        eventually(JOINED, async || self.node_is_ready().await).await?;
        // The kubelet that has just begun has to find it first.
        eventually(JOINED, async || {
            let said = operator.get(&["-n", NAMESPACE, "exec", "kept", "--", "hostname"]).await?;
            ensure!(said == "kept", "the pod says {said:?}");
            Ok(())
        })
        .await?;
        let after = field(&operator, "kept", identity).await?;
        ensure!(pod == after && pod.ends_with(" 0"), "the pod was {pod}, is {after}");
        self.unchanged(&seal, money).await
    }

    /// The documented repair: everything in the data folder goes, and the worker is restarted. Stake and Seal lie elsewhere.
    async fn repaired(&mut self) -> Result<()> {
        let (seal, money) = (self.seal()?, self.balance().await?);
        let removal = format!("rm -rf {}/*", self.folder().join("node").display());
        // What is mounted there stays until the worker takes it down, and rm says so.
        run(self.machine.run(&command("sh", &["-c", &removal]))).await?;
        // What the service manager sends for a restart.
        self.stop(Signal::SIGHUP).await?;
        self.start()?;
        self.joined().await?;
        eventually(JOINED, async || self.node_is_ready().await).await?;
        let operator = self.cluster.operator();
        serve(&operator, &[("after", HOME.name)]).await?;
        ready(&operator, "kept").await?;
        self.unchanged(&seal, money).await
    }

    /// The owner's word, a kill on the way, and the money is back.
    async fn left(&mut self) -> Result<()> {
        let (seal, money) = (self.seal()?, self.balance().await?);
        let (status, body) = self.api(&seal, "POST", "/api/v1/unstake").await?;
        ensure!(status == 200 && body["status"] == "unbonding", "{status} {body}");
        ensure!(body["withdrawable_at"].as_u64() > Some(0), "{body}");
        self.kill().await?;
        self.start()?;
        let operator = self.cluster.operator();
        eventually(OUT, async || {
            let (status, body) = self.api(&seal, "POST", "/api/v1/unstake").await?;
            ensure!(status == 200 && body["status"] == "unstaked", "{status} {body}");
            Ok(())
        })
        .await?;
        eventually(OUT, async || {
            let nodes = operator.get(&["get", "nodes", "-o=name"]).await?;
            ensure!(!nodes.contains(HOME.name), "the cluster has {nodes}");
            Ok(())
        })
        .await?;
        let log = std::fs::read_to_string(self.log_path())?;
        let gas = [spent(&log, "unstaked")?, spent(&log, "withdrawn")?];
        let expected = i128::from(money.0) + i128::from(STAKE) - gas[0] - gas[1];
        let after = self.balance().await?;
        say(&format!("    {STAKE} MIST are back, {} went to gas", gas[0] + gas[1]));
        ensure!(i128::from(after.0) == expected, "{} MIST, expected {expected}", after.0);
        let state = self.position(&seal).await?;
        ensure!(state.active.0 + state.unbonding.0 + state.frozen.0 == 0 && state.node_id.is_empty(), "{state:?}");
        let node = self.folder().join("node").display().to_string();
        ensure!(processes::saying(&node).is_empty(), "of the node are left: {:?}", processes::saying(&node));
        self.stop(Signal::SIGTERM).await
    }

    fn start(&mut self) -> Result<()> {
        std::fs::create_dir_all(self.folder())?;
        let address = HOME.address.to_string();
        let join = self.person.daas(&["join", "--node-id", HOME.name, "--node-ip", &address, "--stake", "5"]);
        let mut worker = self.machine.run(&join);
        let log: File = OpenOptions::new().create(true).append(true).open(self.log_path())?;
        worker.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.worker = Some(worker.spawn()?);
        self.starts += 1;
        Ok(())
    }

    /// Waits until the worker of the last start has joined, by its own account.
    async fn joined(&mut self) -> Result<()> {
        let path = self.folder().join("worker-state.json");
        let (starts, worker) = (self.starts, self.worker.as_mut().context("no worker runs")?);
        eventually(JOINED, async || {
            ensure!(worker.try_wait()?.is_none(), "the worker has ended");
            let state: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
            let history = state["history"].as_array().context("no history")?;
            let started = history.iter().filter(|entry| entry["reason"] == "the worker started").count();
            ensure!(started == starts && state["phase"] == "joined", "{started} starts, {}", state["phase"]);
            Ok(())
        })
        .await
    }

    async fn kill(&mut self) -> Result<()> {
        let mut worker = self.worker.take().context("no worker runs")?;
        processes::signal(worker.id().context("the worker has ended")?, Signal::SIGKILL)?;
        worker.wait().await?;
        Ok(())
    }

    async fn stop(&mut self, signal: Signal) -> Result<()> {
        let mut worker = self.worker.take().context("no worker runs")?;
        processes::signal(worker.id().context("the worker has ended")?, signal)?;
        let status = timeout(Duration::from_secs(30), worker.wait()).await.context("the worker goes on")??;
        ensure!(status.success(), "the worker left with {status}");
        Ok(())
    }

    async fn unchanged(&self, seal: &SealFile, money: Mist) -> Result<()> {
        let now = self.seal()?;
        ensure!((now.position, now.seal) == (seal.position, seal.seal), "another stake or Seal");
        let (state, after) = (self.position(seal).await?, self.balance().await?);
        ensure!(state.active == Mist(STAKE) && after == money, "{} SUI active, {after} left of {money}", state.active);
        Ok(())
    }

    async fn node_is_ready(&self) -> Result<()> {
        let path = "-o=jsonpath={.status.conditions[?(@.type=='Ready')].status}";
        let ready = self.cluster.operator().get(&["get", "node", HOME.name, path]).await?;
        ensure!(ready == "True", "Ready is {ready}");
        Ok(())
    }

    async fn api(&self, seal: &SealFile, method: &str, path: &str) -> Result<(u16, Value)> {
        let secret = seal.secret().expose_hex();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Length: 0\r\n\r\n",
            secret.as_str()
        );
        let (status, body) = self.machine.http(API, &request).await?;
        Ok((status, serde_json::from_str(&body).with_context(|| body.clone())?))
    }

    async fn position(&self, seal: &SealFile) -> Result<daas_types::onchain::PositionState> {
        let info = self.cluster.info()?;
        let state = info.chain().await?.position(&info.ids(), seal.position).await?;
        state.context("the position is not on chain")
    }

    async fn balance(&self) -> Result<Mist> {
        let owner = Wallet::load(&self.person.wallet_path())?.address();
        Ok(self.cluster.info()?.chain().await?.balance(owner).await?)
    }

    fn seal(&self) -> Result<SealFile> {
        Ok(SealFile::load(&self.folder().join("seal.json"))?)
    }

    fn folder(&self) -> PathBuf {
        self.cluster.state().join("nodes").join(HOME.name)
    }

    fn log_path(&self) -> PathBuf {
        self.folder().join("worker.log")
    }

    fn log(&self) -> String {
        tail(&self.log_path(), 15)
    }
}

/// What the one transaction cost that the worker says is done.
fn spent(log: &str, done: &str) -> Result<i128> {
    let mut lines = log.lines().filter(|line| line.split_whitespace().any(|word| word == done));
    let (Some(line), None) = (lines.next(), lines.next()) else { anyhow::bail!("not once {done} in the log") };
    let gas = line.split("gas.mist=").nth(1).and_then(|rest| rest.split_whitespace().next());
    Ok(gas.with_context(|| format!("no gas in {line}"))?.parse()?)
}
