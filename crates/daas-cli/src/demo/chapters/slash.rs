use crate::demo::chapters::work::{one_pod, pod_nodes};
use crate::demo::manifests::NAMESPACE;
use crate::paths::Office;
use crate::stage::person::{run, start, succeed};
use crate::stage::{STAKER_NODE, Stage, eventually, grounds};
use anyhow::{Context as _, bail, ensure};
use daas_chain::clock;
use daas_client::SealFile;
use daas_types::{Mist, UnixMs};
use std::time::Duration;
use tokio::process::Child;
use tokio::time::timeout;

/// Everything of a slashed position is cut within this, counted from its checkpoint.
const CUT: Duration = Duration::from_secs(1);
/// What its pods did is done elsewhere within this.
const REPLACED: Duration = Duration::from_secs(5);
/// The devnet's appeal window is 5 s.
const WINDOW: Duration = Duration::from_secs(20);
/// How long a worker has to stop.
const WORKER: Duration = Duration::from_secs(45);

/// A slash of 10 % is proposed: what is open ends, what ran there runs elsewhere.
pub(crate) async fn propose(stage: &mut Stage) -> anyhow::Result<()> {
    let (proposer, seal) = (stage.office(Office::Proposer).await?, seal(stage)?);
    let pod = one_pod(stage).await?;
    let watch = start(stage.staker.kubectl(&["-n", NAMESPACE, "get", "pods", "-w"]).await?)?;
    let exec = start(stage.staker.kubectl(&["-n", NAMESPACE, "exec", "-i", &pod, "--", "sleep", "600"]).await?)?;
    // Open means answered: until then there is nothing to cut.
    let before = eventually(Duration::from_secs(10), async || {
        let open = gauge("daas_gateway_tunnels_open").await?;
        ensure!(open >= 1.0, "{open} tunnels open");
        cuts().await
    })
    .await?;
    let proposed = proposer.ops.propose_slash(&proposer.ids, seal.position, &grounds(0)).await?;
    let published = proposed.outcome.timestamp;
    let watched = stage.step("`get -w` closed", ended(watch, published));
    let executed = stage.step("`exec` closed", ended(exec, published));
    let moved = stage.step("its pods run on the operator's node", replaced(stage, published));
    let (watched, executed, moved) = tokio::join!(watched, executed, moved);
    watched?;
    executed?;
    moved?;
    stage
        .step("streams cut, the kubelet's among them", async {
            let cut = cuts().await? - before;
            ensure!(cut >= 3.0, "{cut} streams cut");
            Ok(format!("{cut}"))
        })
        .await?;
    let worker = stage.worker.take().context("no worker")?;
    stage.step("the worker stopped, and says why and how to appeal", worker_ended(stage, worker)).await?;
    let whoami = ["get", "nodes"];
    stage.step("the Seal opens nothing", stage.staker.refused(&whoami, &[])).await.map(drop)
}

/// After the appeal window anyone executes it: 4.5 SUI remain, and still no access.
pub(crate) async fn execute(stage: &mut Stage) -> anyhow::Result<()> {
    let (anyone, seal) = (stage.office(Office::Operator).await?, seal(stage)?);
    let executed = Box::pin(async {
        eventually(WINDOW, async || {
            anyone.ops.execute_slash(&anyone.ids, seal.position).await.map_err(anyhow::Error::from)
        })
        .await?;
        let active = anyone.position(seal.position).await?.active;
        ensure!(active == Mist(4_500_000_000), "{active} SUI remain");
        Ok(format!("{active} SUI remain"))
    });
    stage.step("after the appeal window the slash is executed", executed).await?;
    stage.step("and still no access", stage.staker.refused(&["get", "nodes"], &[])).await.map(drop)
}

/// `restake` and a fresh Seal bring it back.
pub(crate) async fn restore(stage: &mut Stage) -> anyhow::Result<()> {
    let path = stage.staker_node().join("seal.json");
    let staker = &stage.staker;
    stage
        .step("`restake 0.5` alone opens nothing", async {
            succeed(with_seal(stage, &["restake", "0.5"])).await?;
            staker.refused(&["get", "nodes"], &[]).await.map(drop)
        })
        .await?;
    stage
        .step("with a fresh Seal it is an admin again", async {
            succeed(with_seal(stage, &["token", "--refresh"])).await?;
            ensure!(path.exists(), "the Seal file is gone");
            eventually(Duration::from_secs(10), async || staker.get(&["get", "nodes", "-o=name"]).await).await.map(drop)
        })
        .await
}

fn with_seal(stage: &Stage, args: &[&str]) -> tokio::process::Command {
    let mut command = stage.staker.daas(args);
    command.arg("--seal").arg(stage.staker_node().join("seal.json"));
    command
}

fn seal(stage: &Stage) -> anyhow::Result<SealFile> {
    Ok(SealFile::load(&stage.staker_node().join("seal.json"))?)
}

/// Waits for a command's end and says how long after the checkpoint it came.
async fn ended(mut child: Child, published: UnixMs) -> anyhow::Result<String> {
    timeout(Duration::from_secs(10), child.wait()).await.context("still open after 10 s")??;
    within(published, CUT)
}

fn within(published: UnixMs, limit: Duration) -> anyhow::Result<String> {
    let took = clock::now().since(published);
    ensure!(took <= limit, "{} ms after the checkpoint", took.as_millis());
    Ok(format!("{} ms after the checkpoint", took.as_millis()))
}

async fn replaced(stage: &Stage, published: UnixMs) -> anyhow::Result<String> {
    eventually(Duration::from_secs(15), async || {
        let nodes = pod_nodes(stage).await?;
        let elsewhere = nodes.split_whitespace().filter(|node| *node == "operator").count();
        ensure!(elsewhere >= 2 && !nodes.contains(STAKER_NODE), "pods are on {nodes}");
        Ok(())
    })
    .await?;
    within(published, REPLACED)
}

async fn worker_ended(stage: &Stage, mut worker: Child) -> anyhow::Result<String> {
    let status = timeout(WORKER, worker.wait()).await.context("the worker still runs")??;
    let said = std::fs::read_to_string(stage.staker_node().join("worker.log"))?;
    ensure!(status.code() == Some(3), "the worker ended with {status}");
    ensure!(said.contains("D406") && said.contains("k3s-daas appeal"), "the worker did not say why");
    Ok("exit code 3".to_owned())
}

/// Cuts for a lost right, as the master counts them.
async fn cuts() -> anyhow::Result<f64> {
    let metrics = metrics().await?;
    Ok(sum(&metrics, |line| line.starts_with("daas_gateway_cuts_total") && line.contains("right_lost")))
}

async fn gauge(name: &str) -> anyhow::Result<f64> {
    Ok(sum(&metrics().await?, |line| line.starts_with(name)))
}

fn sum(metrics: &str, wanted: impl Fn(&str) -> bool) -> f64 {
    metrics.lines().filter(|line| wanted(line)).filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

async fn metrics() -> anyhow::Result<String> {
    let mut command = tokio::process::Command::new("busybox");
    command.args(["wget", "-q", "-O", "-", "http://127.0.0.1:6444/metrics"]).kill_on_drop(true);
    let ran = run(command).await?;
    if ran.code != 0 {
        bail!("metrics: {}", ran.stderr);
    }
    Ok(ran.stdout)
}
