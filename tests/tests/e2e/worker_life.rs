//! One worker from its stake to its money back: killed, its node's files removed, its machine lost, killed again on the way out.

use crate::support::cluster::Cluster;
use crate::support::commands::{command, run, succeed};
use crate::support::network::{Machine, Network, Running};
use crate::support::pods::{NAMESPACE, field, namespace, ready, serve};
use crate::support::worker::{STAKE, Worker};
use crate::support::{eventually, processes, say, scenario, step};
use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use std::net::Ipv4Addr;
use std::time::Duration;

const HOME: Machine = Machine { name: "daas-t-life", address: Ipv4Addr::new(10, 98, 0, 4) };
/// From a start to a node that has joined.
const JOINED: Duration = Duration::from_mins(1);
/// From the word to a stake that is on its way, and from there to the wallet.
const OUT: Duration = Duration::from_mins(1);

#[test]
fn a_workers_life() {
    scenario("a worker's life", Duration::from_mins(6), async {
        let network = Network::make(&[HOME]).await?;
        let cluster = Cluster::place()?;
        step("up", cluster.start_on_bridge(&[])).await?;
        step("stake may be taken out after ten seconds", hurry(&cluster)).await?;
        let machine = HOME.start().await?;
        let mut life = Life::new(&cluster, &machine);
        let told = step("from a wallet to a node", life.begin()).await;
        told.with_context(|| life.worker.log())?;
        for (name, part) in [
            ("killed", Part::Killed),
            ("its data removed", Part::Repaired),
            ("moved", Part::Moved),
            ("unstaked", Part::Left),
        ] {
            let told = step(name, life.live(part)).await;
            told.with_context(|| life.worker.log())?;
        }
        drop(life);
        drop(machine);
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
    Moved,
    Left,
}

struct Life<'a> {
    cluster: &'a Cluster,
    machine: &'a Running,
    worker: Worker<'a>,
}

impl<'a> Life<'a> {
    fn new(cluster: &'a Cluster, machine: &'a Running) -> Self {
        Self { cluster, machine, worker: Worker::new(cluster, machine, HOME.name) }
    }

    /// The worker stakes by itself, and a pod runs on its node.
    async fn begin(&mut self) -> Result<()> {
        succeed(self.worker.person().daas(&["faucet"])).await?;
        self.worker.start()?;
        self.worker.joined(JOINED).await?;
        let operator = self.cluster.operator();
        namespace(&operator).await?;
        serve(&operator, &[("kept", HOME.name)]).await
    }

    async fn live(&mut self, part: Part) -> Result<()> {
        match part {
            Part::Killed => self.killed().await,
            Part::Repaired => self.repaired().await,
            Part::Moved => self.moved().await,
            Part::Left => self.left().await,
        }
    }

    /// kill -9 of the worker alone: the pod does not notice, nothing is staked or minted again.
    async fn killed(&mut self) -> Result<()> {
        let operator = self.cluster.operator();
        let identity =
            "{.metadata.uid} {.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}";
        let (pod, seal, money) =
            (field(&operator, "kept", identity).await?, self.worker.seal()?, self.worker.balance().await?);
        self.worker.kill().await?;
        self.worker.start()?;
        self.worker.joined(JOINED).await?;
        eventually(JOINED, async || self.worker.node_is_ready().await).await?;
        // The kubelet that has just begun has to find it first.
        eventually(JOINED, async || {
            let said = operator.get(&["-n", NAMESPACE, "exec", "kept", "--", "hostname"]).await?;
            ensure!(said == "kept", "the pod says {said:?}");
            Ok(())
        })
        .await?;
        let after = field(&operator, "kept", identity).await?;
        ensure!(pod == after && pod.ends_with(" 0"), "the pod was {pod}, is {after}");
        self.worker.unchanged(&seal, money).await
    }

    /// The documented repair: everything in the data folder goes, and the worker is restarted. Stake and Seal lie elsewhere.
    async fn repaired(&mut self) -> Result<()> {
        let (seal, money) = (self.worker.seal()?, self.worker.balance().await?);
        let removal = format!("rm -rf {}/*", self.worker.folder().join("node").display());
        // What is mounted there stays until the worker takes it down, and rm says so.
        run(self.machine.run(&command("sh", &["-c", &removal]))).await?;
        // What the service manager sends for a restart.
        self.worker.stop(Signal::SIGHUP).await?;
        self.worker.start()?;
        self.worker.joined(JOINED).await?;
        eventually(JOINED, async || self.worker.node_is_ready().await).await?;
        let operator = self.cluster.operator();
        serve(&operator, &[("after", HOME.name)]).await?;
        ready(&operator, "kept").await?;
        self.worker.unchanged(&seal, money).await
    }

    /// All that the machine had is lost. What comes next is another machine, and with the owner's wallet alone the same node.
    async fn moved(&mut self) -> Result<()> {
        let lost = self.worker.seal()?;
        self.worker.stop(Signal::SIGTERM).await?;
        std::fs::remove_dir_all(self.worker.folder())?;
        // Without the owner's word it is somebody else's name, and nothing is staked for it.
        self.worker.start()?;
        eventually(JOINED, async || {
            let log = self.worker.log();
            ensure!(log.contains("D207"), "{log}");
            Ok(())
        })
        .await?;
        eventually(JOINED, async || self.worker.has_ended(2)).await?;
        self.worker.start_with(&["--replace"])?;
        self.worker.joined(JOINED).await?;
        eventually(JOINED, async || self.worker.node_is_ready().await).await?;
        let operator = self.cluster.operator();
        serve(&operator, &[("moved", HOME.name)]).await?;
        let (seal, state) = (self.worker.seal()?, self.worker.position(&lost).await?);
        ensure!(seal.position == lost.position && state.active.0 == STAKE, "{state:?}");
        ensure!(state.seals.iter().all(|record| Some(record.id) == seal.seal), "the lost Seal lives: {state:?}");
        // From then on it is the machine: it needs no word to start again.
        self.worker.stop(Signal::SIGHUP).await?;
        self.worker.start()?;
        self.worker.joined(JOINED).await
    }

    /// The owner's word, a kill on the way, and the money is back.
    async fn left(&mut self) -> Result<()> {
        let (seal, money) = (self.worker.seal()?, self.worker.balance().await?);
        let (status, body) = self.worker.api(&seal, "POST", "/api/v1/unstake").await?;
        ensure!(status == 200 && body["status"] == "unbonding", "{status} {body}");
        ensure!(body["withdrawable_at"].as_u64() > Some(0), "{body}");
        self.worker.kill().await?;
        self.worker.start()?;
        let operator = self.cluster.operator();
        eventually(OUT, async || {
            let (status, body) = self.worker.api(&seal, "POST", "/api/v1/unstake").await?;
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
        let log = std::fs::read_to_string(self.worker.log_path())?;
        let gas = [spent(&log, "unstaked")?, spent(&log, "withdrawn")?];
        let expected = i128::from(money.0) + i128::from(STAKE) - gas[0] - gas[1];
        let after = self.worker.balance().await?;
        say(&format!("    {STAKE} MIST are back, {} went to gas", gas[0] + gas[1]));
        ensure!(i128::from(after.0) == expected, "{} MIST, expected {expected}", after.0);
        let state = self.worker.position(&seal).await?;
        ensure!(state.active.0 + state.unbonding.0 + state.frozen.0 == 0 && state.node_id.is_empty(), "{state:?}");
        // The worker has been told where the node is.
        self.worker.stop(Signal::SIGTERM).await?;
        let node = self.worker.folder().join("node").display().to_string();
        let left = processes::saying(&node);
        ensure!(left.is_empty(), "of the node are left: {left:?}");
        Ok(())
    }
}

/// What the one transaction cost that the worker says is done.
fn spent(log: &str, done: &str) -> Result<i128> {
    let mut lines = log.lines().filter(|line| line.split_whitespace().any(|word| word == done));
    let (Some(line), None) = (lines.next(), lines.next()) else { anyhow::bail!("not once {done} in the log") };
    let gas = line.split("gas.mist=").nth(1).and_then(|rest| rest.split_whitespace().next());
    Ok(gas.with_context(|| format!("no gas in {line}"))?.parse()?)
}
