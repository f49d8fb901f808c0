//! However a cluster ends, the machine is as it was.

use crate::support::cluster::Cluster;
use crate::support::commands::{run, succeed};
use crate::support::pods::{namespace, serve};
use crate::support::{processes, say, scenario, step};
use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use std::hash::{BuildHasher as _, RandomState};
use std::process::Stdio;
use std::time::Duration;
use tokio::time::timeout;

#[test]
fn up_and_down_leave_nothing() {
    scenario("up, then down", Duration::from_secs(150), async {
        let cluster = Cluster::place()?;
        step("up", cluster.start(&[])).await?;
        step("a pod", with_a_pod(&cluster)).await?;
        step("down leaves nothing", cluster.down()).await?;
        step("a second down finds nothing to do", async {
            let said = succeed(cluster.daas(&["down"])).await?;
            ensure!(said.contains("nothing was running"), "{said}");
            Ok(())
        })
        .await?;
        cluster.finish().await
    });
}

#[test]
fn an_interrupted_up_leaves_nothing() {
    // One moment in each part of a start: checks, network and contract, control plane, node.
    const PARTS: [(u64, u64); 4] = [(50, 500), (500, 2500), (2500, 4500), (4500, 6500)];
    scenario("Ctrl-C of up", Duration::from_secs(150), async {
        let cluster = Cluster::place()?;
        for (from, to) in PARTS {
            let moment = Duration::from_millis(from + RandomState::new().hash_one(from) % (to - from));
            step(&format!("Ctrl-C after {moment:?}"), interrupt(&cluster, moment)).await?;
        }
        cluster.finish().await
    });
}

#[test]
fn a_killed_supervisor_leaves_nothing_after_down() {
    scenario("kill -9 of the supervisor, then down", Duration::from_secs(150), async {
        let cluster = Cluster::up().await?;
        with_a_pod(&cluster).await?;
        let supervisor = cluster.status()?["pid"].as_u64().context("status.json must name the supervisor")?;
        processes::signal(u32::try_from(supervisor)?, Signal::SIGKILL)?;
        step("down leaves nothing", cluster.down()).await?;
        step("up again from the same folder", cluster.start(&[])).await?;
        cluster.finish().await
    });
}

/// A pod makes mounts, a namespace, a cgroup and a link; a look that misses them would prove nothing.
async fn with_a_pod(cluster: &Cluster) -> Result<()> {
    let operator = cluster.operator();
    namespace(&operator).await?;
    serve(&operator, &[("web", "operator")]).await?;
    let now = cluster.look();
    let mount = format!("mount {}", cluster.state().display());
    for kind in ["process", &mount, "link daas", "table table ip kube-proxy", "cgroup", "/run k3s-daas-"] {
        ensure!(now.has(kind), "no `{kind}` was seen beside a running pod");
    }
    Ok(())
}

async fn interrupt(cluster: &Cluster, moment: Duration) -> Result<()> {
    let mut up = cluster.daas(&["up"]);
    // A terminal's Ctrl-C goes to the whole group.
    up.process_group(0).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = up.spawn()?;
    let pid = child.id().context("it has not ended yet")?;
    if let Ok(ended) = timeout(moment, child.wait()).await {
        // A fast machine was ready before: then this is an `up` and a `down`.
        ensure!(ended?.success(), "up failed by itself");
        say("    it was ready by then");
        return cluster.down().await;
    }
    processes::signal_group(pid, Signal::SIGINT)?;
    let status = timeout(Duration::from_mins(1), child.wait()).await.context("up outlives Ctrl-C")??;
    if status.success() {
        return cluster.down().await;
    }
    cluster.nothing_left().await?;
    let said = run(cluster.daas(&["status"])).await?;
    ensure!(said.code == 4, "status ended with {}: {}", said.code, said.said());
    Ok(())
}
