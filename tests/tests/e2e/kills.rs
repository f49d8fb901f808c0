//! Kill -9 in random orders and at random moments of all that runs a node and its cluster: the node is Ready again, its pods
//! have not noticed, and there is one stake with one Seal.
//!
//! `DAAS_KILLS` says how many orders (`make kills` asks for 200), `DAAS_KILLS_SEED` which ones; the seed is printed. Without either they
//! are always the same.

mod plan;

use crate::support::cluster::Cluster;
use crate::support::commands::succeed;
use crate::support::network::{Machine, Network, Running};
use crate::support::pods::{NAMESPACE, field, identities, namespace, serve};
use crate::support::worker::{STAKE, Worker};
use crate::support::{eventually, processes, say, scenario, step};
use anyhow::{Context as _, Result, ensure};
use daas_chain::clock;
use daas_client::SealFile;
use daas_types::Mist;
use daas_types::pop::Usage;
use nix::sys::signal::Signal;
use plan::{Order, Plan, Victim};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const HOME: Machine = Machine { name: "daas-t-kills", address: Ipv4Addr::new(10, 98, 0, 5) };
/// Orders in `make test`.
const FEW: usize = 3;
/// Orders between two births of a worker.
const PER_LIFE: usize = 20;
/// From the last kill to a cluster that works as before. Delays before restarts grow to ten seconds.
const WORKS: Duration = Duration::from_mins(2);
/// A victim that is being restarted is waited for, and killed as soon as it is there.
const THERE: Duration = Duration::from_secs(5);
/// Between two looks whether the worker has to be started again.
const LOOK: Duration = Duration::from_millis(50);
/// What the transaction that stakes may cost, and two do cost more than one stake.
const MOST_GAS: u64 = 500_000_000;
const PODS: [&str; 2] = ["first", "second"];

#[test]
fn nothing_is_lost_whatever_is_killed() {
    let orders = plan::number("DAAS_KILLS").map_or(FEW, |count| usize::try_from(count).unwrap_or(FEW));
    let limit = Duration::from_mins(2) + WORKS * u32::try_from(orders).unwrap_or(u32::MAX);
    scenario("kill -9 in random orders", limit, async {
        let plan = Plan::new();
        say(&format!("  {orders} orders, DAAS_KILLS_SEED={}", plan.seed()));
        let network = Network::make(&[HOME]).await?;
        let cluster = Cluster::place()?;
        step("up", cluster.start_on_bridge(&["--no-node"])).await?;
        namespace(&cluster.operator()).await?;
        let machine = HOME.start().await?;
        lives(&cluster, &machine, plan, orders).await?;
        drop(machine);
        cluster.finish().await?;
        drop(network);
        Ok(())
    });
}

/// One worker after the other, each killed from its first moment on.
async fn lives(cluster: &Cluster, machine: &Running, mut plan: Plan, orders: usize) -> Result<()> {
    let (mut done, mut kills) = (0, 0);
    while done < orders {
        let mut life = Life::new(cluster, machine, done / PER_LIFE);
        let these = PER_LIFE.min(orders - done);
        let lived = life.live(&mut plan, done, these).await;
        lived.with_context(|| life.worker.log())?;
        (done, kills) = (done + these, kills + life.kills);
    }
    say(&format!("  {done} orders, {kills} kills"));
    Ok(())
}

struct Life<'a> {
    cluster: &'a Cluster,
    worker: Worker<'a>,
    pods: Vec<String>,
    kills: usize,
    /// Workers that ended without being killed: the service manager started them again.
    ended: BTreeMap<String, usize>,
}

/// What may not change.
struct Kept {
    seal: SealFile,
    money: Mist,
    pods: Vec<String>,
}

// === impl Life ===

impl<'a> Life<'a> {
    fn new(cluster: &'a Cluster, machine: &'a Running, number: usize) -> Self {
        let worker = Worker::new(cluster, machine, &format!("{}-{number}", HOME.name));
        let pods = PODS.iter().map(|pod| format!("{pod}-{number}")).collect();
        Self { cluster, worker, pods, kills: 0, ended: BTreeMap::new() }
    }

    /// From the first stake to a departure in order.
    async fn live(&mut self, plan: &mut Plan, first: usize, orders: usize) -> Result<()> {
        succeed(self.worker.person().daas(&["faucet"])).await?;
        let before = self.worker.balance().await?;
        self.worker.start()?;
        let order = plan.order();
        step(&format!("order {first}, in its first moments: {order}"), self.carry_out(&order, false)).await?;
        let kept = step("staked once, joined, with pods", self.begun(before)).await?;
        for number in first + 1..first + orders {
            let order = if number == first + 1 { Order::known() } else { plan.order() };
            let told = async {
                self.carry_out(&order, true).await?;
                self.works(&kept).await
            };
            step(&format!("order {number}: {order}"), told).await?;
        }
        for (how, times) in &self.ended {
            say(&format!("    started again by the service manager: {times} times after {how}"));
        }
        // With its stake: the machine's address is a node's for as long as that has one.
        step("it leaves", self.worker.leave(&kept.seal, WORKS)).await
    }

    /// `works`: all that there is to kill is there, so the first of an order is.
    async fn carry_out(&mut self, order: &Order, works: bool) -> Result<()> {
        for (n, (pause, victim)) in order.kills().iter().enumerate() {
            self.wait(*pause).await?;
            let killed = self.kill(*victim).await?;
            ensure!(killed || n > 0 || !works, "there is no {victim:?} to kill");
        }
        Ok(())
    }

    /// What is not there at all, as a kubelet before its node has begun, is not killed.
    async fn kill(&mut self, victim: Victim) -> Result<bool> {
        let end = Instant::now() + THERE;
        loop {
            if let Some(pid) = self.find(victim) {
                // It may just have ended.
                if processes::signal(pid, Signal::SIGKILL).is_ok() {
                    self.kills += 1;
                    return Ok(true);
                }
            }
            if Instant::now() >= end {
                return Ok(false);
            }
            self.wait(LOOK).await?;
        }
    }

    fn find(&self, victim: Victim) -> Option<u32> {
        match victim {
            Victim::Worker => self.worker.pid(),
            Victim::Agent(program) => processes::find(program, &self.worker.folder()),
            Victim::Gateway => processes::find("k3s-daas-master", &self.cluster.state()),
            Victim::Server(program) => processes::find(program, &self.cluster.state().join("master")),
            Victim::Devnet => processes::find_doing("k3s-daas-devnet", "serve", &self.cluster.state()),
        }
    }

    /// Lets time go by, and starts a worker again that was killed.
    async fn wait(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        loop {
            self.revive()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            sleep(left.min(LOOK)).await;
        }
    }

    fn revive(&mut self) -> Result<()> {
        if let Some(how) = self.worker.revive()?.filter(|how| !how.contains("signal: 9")) {
            *self.ended.entry(how).or_default() += 1;
        }
        Ok(())
    }

    /// However often it was killed on the way, it staked once. Its pods are what has to last from here on.
    async fn begun(&mut self, before: Mist) -> Result<Kept> {
        self.ready().await?;
        // The network may still be on its way back.
        let money = eventually(WORKS, async || self.worker.balance().await).await?;
        let seal = self.worker.seal()?;
        let spent = before.0 - money.0;
        ensure!((STAKE..STAKE + MOST_GAS).contains(&spent), "{spent} MIST went for a stake of {STAKE}");
        let operator = self.cluster.operator();
        let node = self.worker.node().to_owned();
        let pods: Vec<_> = self.pods.iter().map(|pod| (pod.as_str(), node.as_str())).collect();
        serve(&operator, &pods).await?;
        let kept = Kept { seal, money, pods: identities(&self.cluster.operator(), &self.pods).await? };
        self.works(&kept).await?;
        Ok(kept)
    }

    /// The worker has joined, and its kubelet is heard.
    async fn ready(&mut self) -> Result<()> {
        let since = clock::now().secs();
        eventually(WORKS, async || {
            self.revive()?;
            self.worker.is_joined()?;
            self.worker.node_is_ready().await?;
            let at = self.worker.renewed().await?;
            ensure!(at >= since, "its kubelet was last heard {} s before", since - at);
            Ok(())
        })
        .await
    }

    /// The node is Ready and says so since now, its credential opens the gateway, its pods are what they were and can be
    /// reached, there is one stake with the Seal, and nothing was spent.
    async fn works(&mut self, kept: &Kept) -> Result<()> {
        self.ready().await?;
        eventually(WORKS, async || {
            let token = kept.seal.mint(Usage::Kubelet, clock::now())?;
            let answer = self.cluster.answer(&token).await?;
            ensure!(answer == 200, "the node's credential is answered {answer}");
            self.pods_serve().await?;
            self.worker.unchanged(&kept.seal, kept.money).await
        })
        .await?;
        let pods = identities(&self.cluster.operator(), &self.pods).await?;
        ensure!(pods == kept.pods, "pods were {:?}, are {pods:?}", kept.pods);
        Ok(())
    }

    async fn pods_serve(&self) -> Result<()> {
        let operator = self.cluster.operator();
        for pod in &self.pods {
            let said = operator.get(&["-n", NAMESPACE, "exec", pod, "--", "hostname"]).await?;
            ensure!(said == *pod, "the pod {pod} says {said:?}");
            let ready = "{.status.conditions[?(@.type=='Ready')].status}";
            let ready = field(&operator, pod, ready).await?;
            ensure!(ready == "True", "the pod {pod} is not ready: {ready}");
        }
        Ok(())
    }
}
