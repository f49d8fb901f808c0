//! A thousand nodes behind K3s, each with an address of its own: they join, keep their tunnels, connections and watches, and say
//! every ten seconds that they live. Then two hundred more join in the same moment.
//!
//! K3s is the scripted one. It answers as many at once as K3s does and refuses the others, so that whoever is refused shows.

use crate::clients::runtime;
use crate::k3s;
use crate::support::gateway;
use daas_testkit::bench::process::{self, Process};
use daas_testkit::bench::{Report, chart, quantile};
use daas_testkit::k3s::{Authorities, Beat, JOIN, ScriptedAgent, ScriptedNode, ScriptedSupervisor, calls};
use futures::future::join_all;
use futures::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Nodes that live all the time.
const LIVING: u16 = 1_000;
/// Nodes that join in one moment; with the others, all that there are.
const STORM: u16 = k3s::NODES - LIVING;
/// Agents that join at once while nobody is in a hurry.
const CALM: usize = 20;
/// A kubelet renews its lease, and says how its node is, so often.
const INTERVAL: Duration = Duration::from_secs(10);
/// How often that is measured.
const BEATS: u32 = 6;
/// What K3s' server takes for a question, and for a certificate, for which it hashes the node's password.
const READ: Duration = Duration::from_millis(5);
const WRITE: Duration = Duration::from_millis(50);
/// No answer takes longer, unless it never comes.
const PATIENCE: Duration = Duration::from_mins(2);
/// How long a heartbeat may take, of a hundred ninety-nine.
const WANTED_MS: f64 = 50.0;

/// An agent that has joined, and its node.
struct Worker {
    _agent: ScriptedAgent,
    node: ScriptedNode,
}

/// Milliseconds of every heartbeat that was taken, and how many were not.
#[derive(Default)]
struct Heartbeats {
    took: Vec<f64>,
    failed: usize,
}

/// What is measured.
struct Figures {
    joined: usize,
    join: Duration,
    calm: Heartbeats,
    cpu: f64,
    resident: u64,
    kept: (usize, Value),
    stormed: usize,
    storm: Duration,
    beside: Heartbeats,
    after: Value,
}

/// Whether this process was started to be the gateway or K3s, which it then was.
pub(crate) fn was_role(arguments: &[String]) -> bool {
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["k3s-gateway", folder, upstream] => gateway::run(Path::new(folder), upstream, k3s::for_nodes),
        ["k3s-server", folder] => supervise(Path::new(folder)),
        _ => return false,
    }
    true
}

fn supervise(folder: &Path) {
    runtime().block_on(async {
        let authorities = Authorities::new();
        k3s::material(folder, &authorities);
        let server = Arc::new(ScriptedSupervisor::start(&authorities).await);
        server.takes(READ, WRITE);
        process::hello(&json!({ "addr": server.addr.to_string() }));
        process::asked(move |_| seen(&server)).await;
    });
}

/// What K3s has open, has answered at once at most, and has refused.
fn seen(server: &ScriptedSupervisor) -> Value {
    let (tunnels, watches) = server.open();
    let (reads, writes) = server.peaks();
    let refused = server.asked().iter().filter(|asked| asked.status == 429).count();
    json!({ "tunnels": tunnels, "watches": watches, "reads": reads, "writes": writes, "refused": refused })
}

pub(crate) fn run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    let mut server = Process::role("k3s-server", &[folder]);
    let gateway = Process::role("k3s-gateway", &[folder, server.hello("addr")]);
    let begun = gateway.resident();
    let figures = runtime().block_on(measure(&mut server, &gateway));
    report(begun, &figures);
}

async fn measure(server: &mut Process, gateway: &Process) -> Figures {
    let addr: SocketAddr = gateway.hello("addr").parse().unwrap();
    let at = Instant::now();
    let joining = stream::iter(1..=LIVING).map(|n| tokio::time::timeout(PATIENCE, join_and_live(addr, n)));
    let joined: Vec<_> = joining.buffer_unordered(CALM).collect().await;
    let mut workers: Vec<_> = joined.into_iter().filter_map(Result::ok).flatten().collect();
    let join = at.elapsed();

    let (before, at) = (gateway.cpu(), Instant::now());
    let calm = beat(&workers, BEATS).await;
    let cpu = gateway.cpu().saturating_sub(before).as_secs_f64() / at.elapsed().as_secs_f64() * 100.0;
    let resident = gateway.resident();
    let kept = (workers.iter_mut().map(|worker| worker.node.watches()).sum(), server.ask("seen"));

    let at = Instant::now();
    let storm = async {
        let all = join_all((LIVING + 1..=LIVING + STORM).map(|n| tokio::time::timeout(PATIENCE, join_one(addr, n))));
        let agents: Vec<_> = all.await.into_iter().filter_map(Result::ok).flatten().collect();
        (agents, at.elapsed())
    };
    let ((agents, storm), beside) = tokio::join!(storm, beat(&workers, 2));
    let after = server.ask("seen");
    Figures { joined: workers.len(), join, calm, cpu, resident, kept, stormed: agents.len(), storm, beside, after }
}

/// Every call of a join, in K3s' order, from this node's own address.
async fn join_one(addr: SocketAddr, n: u16) -> Option<ScriptedAgent> {
    let staker = k3s::node(n);
    let mut agent = ScriptedAgent::new(addr, &staker.state.node_id, &staker.opaque());
    let [high, low] = n.to_be_bytes();
    agent.from = IpAddr::from([127, 1, high, low]);
    let played = agent.play(JOIN).await;
    let refused = played.iter().zip(calls(JOIN)).find(|(played, expected)| *played != expected);
    if let Some((played, expected)) = &refused {
        let said = format!("{}: {played}, expected {expected}: {}\n", agent.node, agent.message);
        std::io::stderr().write_all(said.as_bytes()).unwrap();
    }
    refused.is_none().then_some(agent)
}

async fn join_and_live(addr: SocketAddr, n: u16) -> Option<Worker> {
    let agent = join_one(addr, n).await?;
    let node = agent.live().await?;
    Some(Worker { _agent: agent, node })
}

/// Heartbeats of all nodes, so many of each, evenly spread. They are due at times fixed beforehand, and latency is counted from
/// there.
async fn beat(workers: &[Worker], times: u32) -> Heartbeats {
    let start = Instant::now();
    let count = u32::try_from(workers.len()).unwrap();
    let all = workers.iter().zip(0_u32..).map(|(worker, n)| async move {
        let mut own = Heartbeats::default();
        for time in 0..times {
            let due = start + INTERVAL * time + INTERVAL * n / count;
            sleep_until(due).await;
            let one = async |beat| (worker.node.beat(beat).await, due.elapsed());
            let both = tokio::time::timeout(PATIENCE, async { tokio::join!(one(Beat::Lease), one(Beat::Status)) });
            let (lease, status) = both.await.unwrap_or(((false, PATIENCE), (false, PATIENCE)));
            for (taken, took) in [lease, status] {
                if taken {
                    own.took.push(took.as_secs_f64() * 1e3);
                } else {
                    own.failed += 1;
                }
            }
        }
        own
    });
    let mut sum = Heartbeats::default();
    for own in join_all(all).await {
        sum.took.extend(own.took);
        sum.failed += own.failed;
    }
    sum
}

#[expect(clippy::cast_precision_loss, reason = "a report")]
fn report(begun: u64, figures: &Figures) {
    let Figures { joined, join, calm, cpu, resident, kept, stormed, storm, beside, after } = figures;
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let number = |value: &Value, key: &str| value[key].as_f64().unwrap();
    let (watches, open) = kept;
    let mut report = Report::new("workers", &["1,000 workers behind K3s", "value"]);
    let mut tell = |name: &str, key: &str, value: f64, digits: usize| {
        report.row(&[name.to_owned(), format!("{value:.digits$}")]);
        report.figure(key, value);
    };
    let (p99, storm_p99) = (quantile(&calm.took, 0.99), quantile(&beside.took, 0.99));
    tell("joined", "joined", *joined as f64, 0);
    tell("… within, s", "join_s", join.as_secs_f64(), 1);
    tell("heartbeats", "heartbeats", calm.took.len() as f64, 0);
    tell("… not taken", "heartbeats_failed", calm.failed as f64, 0);
    tell("… p50, ms", "heartbeat_p50_ms", quantile(&calm.took, 0.5), 2);
    tell("… p99, ms", "heartbeat_p99_ms", p99, 2);
    tell("gateway: CPU meanwhile, % of a core", "gateway_cpu_percent", *cpu, 1);
    tell("gateway: memory, MB", "gateway_rss_mb", megabytes(*resident), 1);
    tell("… before anybody came", "gateway_begun_mb", megabytes(begun), 1);
    tell("tunnels open at K3s", "tunnels", number(open, "tunnels"), 0);
    tell("watches open at their nodes", "watches", *watches as f64, 0);
    tell("storm: joined of 200 at once", "storm_joined", *stormed as f64, 0);
    tell("… within, s", "storm_s", storm.as_secs_f64(), 1);
    tell("… p99 of the others' heartbeats, ms", "storm_heartbeat_p99_ms", storm_p99, 2);
    tell("… their heartbeats not taken", "storm_heartbeats_failed", beside.failed as f64, 0);
    tell("K3s: most reads at once (of 20)", "k3s_reads", number(after, "reads"), 0);
    tell("K3s: most writes at once (of 10)", "k3s_writes", number(after, "writes"), 0);
    tell("K3s: refused", "k3s_refused", number(after, "refused"), 0);
    let bars = [("p99, 1,000 nodes", p99), ("p99, 200 more joining", storm_p99), ("wanted", WANTED_MS)];
    chart::bars("workers", "A node's heartbeat through the gateway", "ms", &bars);
    report.finish();
}
