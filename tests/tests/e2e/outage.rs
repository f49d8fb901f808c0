//! The chain cannot be reached: nobody answers, neither yes nor no. Two nodes and their pods go on as if nothing were, and all
//! catch up within one heartbeat when it is there again.
//!
//! `DAAS_OUTAGE` says for how many seconds (`make outage` asks for a quarter of an hour).

use crate::support::cluster::Cluster;
use crate::support::commands::{succeed, tail};
use crate::support::network::{HOST, Machine, Network, Running};
use crate::support::pods::{identities, namespace, serve};
use crate::support::worker::Worker;
use crate::support::{eventually, processes, say, scenario, step};
use anyhow::{Context as _, Result, ensure};
use daas_chain::clock;
use daas_client::SealFile;
use daas_types::pop::Usage;
use daas_types::{Mist, UnixMs};
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const ONE: Machine = Machine { name: "daas-t-out1", address: Ipv4Addr::new(10, 98, 0, 6) };
const TWO: Machine = Machine { name: "daas-t-out2", address: Ipv4Addr::new(10, 98, 0, 7) };
/// In `make test`: what has been told to people for thirty seconds is stale then for ten more.
const SHORT: Duration = Duration::from_secs(40);
/// Without a checkpoint for so long the chain is stale, and the gateway has noticed a moment later.
const STALE: Duration = Duration::from_secs(35);
/// As long as the gateway keeps nodes without the chain; the last checkpoint is of some seconds before.
const GRACE: Duration = Duration::from_secs(15 * 60 - 10);
/// Until then all have caught up, or something has been lost; how long it took is said.
const CAUGHT_UP: Duration = Duration::from_mins(2);
const JOINED: Duration = Duration::from_mins(1);
/// How often it is looked whether somebody has noticed.
const LOOK: Duration = Duration::from_secs(5);
const TABLE: &str = "daas-t-outage";

#[test]
fn nodes_outlive_the_chain() {
    let time = std::env::var("DAAS_OUTAGE").map_or(SHORT, |text| {
        Duration::from_secs(text.parse().unwrap_or_else(|error| panic!("DAAS_OUTAGE={text}: {error}")))
    });
    scenario("an outage of the chain", Duration::from_mins(4) + time, async {
        let network = Network::make(&[ONE, TWO]).await?;
        let cluster = Cluster::place()?;
        step("up", cluster.start_on_bridge(&["--no-node"])).await?;
        namespace(&cluster.operator()).await?;
        let (one, two) = (ONE.start().await?, TWO.start().await?);
        let mut nodes = Vec::new();
        for machine in [&one, &two] {
            nodes.push(Node::start(&cluster, machine).await?);
        }
        let told = endured(&cluster, &mut nodes, time).await;
        told.with_context(|| tail(&cluster.state().join("logs/master.log"), 15))?;
        for node in &mut nodes {
            node.worker.stop(nix::sys::signal::Signal::SIGTERM).await?;
        }
        drop(nodes);
        drop((one, two));
        cluster.finish().await?;
        drop(network);
        Ok(())
    });
}

async fn endured(cluster: &Cluster, nodes: &mut [Node<'_>], time: Duration) -> Result<()> {
    let user = SealFile::load(&cluster.state().join("operator-seal.json"))?;
    let mut before = Vec::new();
    for node in nodes.iter_mut() {
        before.push(step(&format!("{} with a pod", node.worker.node()), node.kept()).await?);
    }
    let outage = Outage::begin()?;
    let began = Instant::now();
    let name = format!("{} s without the chain", time.as_secs());
    let told = step(&name, async {
        let mut refused = false;
        while began.elapsed() < time {
            for (node, kept) in nodes.iter_mut().zip(&before) {
                node.goes_on(kept).await?;
                let token = kept.seal.mint(Usage::Kubelet, clock::now())?;
                let asked = began.elapsed();
                let answer = cluster.answer(&token).await?;
                ensure!(answer == 200 || asked > GRACE, "{} is answered {answer}", node.worker.node());
            }
            let token = user.mint(Usage::User, clock::now())?;
            let asked = began.elapsed();
            let answer = cluster.answer(&token).await?;
            refused |= answer == 503;
            ensure!(asked < STALE || answer == 503, "people are answered {answer} without the chain");
            sleep(LOOK.min(time.saturating_sub(began.elapsed()))).await;
        }
        // However slow a turn was.
        let answer = cluster.answer(&user.mint(Usage::User, clock::now())?).await?;
        ensure!(refused || answer == 503, "people are answered {answer} at its end");
        Ok(())
    });
    let told = told.await;
    drop(outage);
    told?;
    let (again, at) = (clock::now(), Instant::now());
    for (node, kept) in nodes.iter_mut().zip(&before) {
        let limit = CAUGHT_UP.saturating_sub(at.elapsed());
        let name = format!("{} has caught up", node.worker.node());
        step(&name, eventually(limit, async || node.has_caught_up(kept, again).await)).await?;
    }
    say(&format!("    all have caught up {} ms after the chain was there again", at.elapsed().as_millis()));
    Ok(())
}

/// A worker and what runs on its node.
struct Node<'a> {
    cluster: &'a Cluster,
    worker: Worker<'a>,
    pods: [String; 1],
}

/// What an outage may not change.
struct Kept {
    seal: SealFile,
    money: Mist,
    pods: Vec<String>,
    /// Worker, containerd, kubelet and kube-proxy.
    processes: Vec<Option<u32>>,
}

// === impl Node ===

impl<'a> Node<'a> {
    async fn start(cluster: &'a Cluster, machine: &'a Running) -> Result<Self> {
        let mut worker = Worker::new(cluster, machine, machine.name());
        succeed(worker.person().daas(&["faucet"])).await?;
        worker.start()?;
        Ok(Self { cluster, pods: [format!("on-{}", worker.node())], worker })
    }

    async fn kept(&mut self) -> Result<Kept> {
        let joined = self.worker.joined(JOINED).await;
        joined.with_context(|| self.worker.log())?;
        let operator = self.cluster.operator();
        serve(&operator, &[(&self.pods[0], self.worker.node())]).await?;
        Ok(Kept {
            seal: self.worker.seal()?,
            money: self.worker.balance().await?,
            pods: identities(&operator, &self.pods).await?,
            processes: self.processes(),
        })
    }

    fn processes(&self) -> Vec<Option<u32>> {
        let folder = self.worker.folder();
        let engine = ["containerd", "kubelet", "kube-proxy"].map(|program| processes::find(program, &folder));
        [&[self.worker.pid()][..], &engine].concat()
    }

    /// The same processes run, and the worker calls itself joined.
    async fn goes_on(&mut self, kept: &Kept) -> Result<()> {
        let told = self.worker.is_joined();
        told.with_context(|| self.worker.log())?;
        let (was, is) = (&kept.processes, self.processes());
        ensure!(*was == is, "the processes of {} were {was:?}, are {is:?}", self.worker.node());
        let (status, said) = self.worker.api(&kept.seal, "GET", "/api/v1/staking").await?;
        ensure!(status == 200 && said["phase"] == "joined", "{status} {said}");
        Ok(())
    }

    /// Heartbeat and lease are of after the outage, the node is Ready, and nothing was done to its stake.
    async fn has_caught_up(&mut self, kept: &Kept, again: UnixMs) -> Result<()> {
        self.goes_on(kept).await?;
        let (_, said) = self.worker.api(&kept.seal, "GET", "/api/v1/staking").await?;
        let last = said["last_heartbeat"].as_u64().context("no heartbeat")?;
        ensure!(last >= again.secs() && said["heartbeat_failures"] == 0, "its last heartbeat: {said}");
        self.worker.node_is_ready().await?;
        ensure!(self.worker.renewed().await? >= again.secs(), "its kubelet was not heard since");
        self.worker.unchanged(&kept.seal, kept.money).await?;
        let pods = identities(&self.cluster.operator(), &self.pods).await?;
        ensure!(pods == kept.pods, "pods were {:?}, are {pods:?}", kept.pods);
        Ok(())
    }
}

/// Nobody reaches the chain's endpoint: what is sent there is lost, of open connections too. Over when dropped.
struct Outage;

// === impl Outage ===

impl Outage {
    fn begin() -> Result<Self> {
        let outage = Self;
        outage.end();
        let host = HOST.to_string();
        for words in [
            vec!["add", "table", "inet", TABLE],
            vec!["add", "chain", "inet", TABLE, "in", "{ type filter hook input priority -10; }"],
            vec!["add", "rule", "inet", TABLE, "in", "ip", "daddr", &host, "tcp", "dport", "9000", "drop"],
        ] {
            let output = Command::new("nft").args(words).output()?;
            ensure!(output.status.success(), "nft: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(outage)
    }

    fn end(&self) {
        let Self = self;
        drop(Command::new("nft").args(["delete", "table", "inet", TABLE]).output());
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        self.end();
    }
}
