//! Each process of the engine, killed: it comes back, and the cluster's state with it.

use crate::support::cluster::Cluster;
use crate::support::person::Person;
use crate::support::pods::{NAMESPACE, field, namespace, serve};
use crate::support::{eventually, processes, scenario, step};
use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use std::time::Duration;

const ENGINE: [&str; 7] =
    ["kine", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "containerd", "kubelet", "kube-proxy"];
/// From the kill to a new process of that name.
const RESTARTED: Duration = Duration::from_secs(15);
/// From the last kill to a cluster that works as before.
const WORKS: Duration = Duration::from_mins(1);

#[test]
fn each_engine_process_comes_back() {
    scenario("kill -9 of each engine process", Duration::from_mins(3), async {
        let cluster = Cluster::up().await?;
        let operator = cluster.operator();
        namespace(&operator).await?;
        operator.get(&["-n", NAMESPACE, "create", "configmap", "kept", "--from-literal=word=bond"]).await?;
        serve(&operator, &[("before", "operator")]).await?;
        let identity = "{.metadata.uid} {.status.containerStatuses[0].restartCount}";
        let before = field(&operator, "before", identity).await?;
        for program in ENGINE {
            step(&format!("{program} comes back, the state is kept"), killed(&cluster, &operator, program)).await?;
        }
        step("the node is Ready and runs a new pod", async {
            eventually(WORKS, async || node_ready(&operator).await).await?;
            serve(&operator, &[("after", "operator")]).await
        })
        .await?;
        let after = field(&operator, "before", identity).await?;
        ensure!(before == after, "the running pod was {before}, is {after}");
        cluster.finish().await
    });
}

async fn killed(cluster: &Cluster, operator: &Person, program: &str) -> Result<()> {
    let state = cluster.state();
    let old = processes::find(program, &state).with_context(|| format!("{program} does not run"))?;
    processes::signal(old, Signal::SIGKILL)?;
    eventually(RESTARTED, async || {
        let new = processes::find(program, &state).filter(|new| *new != old);
        new.with_context(|| format!("{program} has not come back"))
    })
    .await?;
    eventually(WORKS, async || {
        let word = operator.get(&["-n", NAMESPACE, "get", "configmap", "kept", "-o=jsonpath={.data.word}"]).await?;
        ensure!(word == "bond", "the ConfigMap says {word}");
        Ok(())
    })
    .await
}

async fn node_ready(operator: &Person) -> Result<()> {
    let path = "-o=jsonpath={.status.conditions[?(@.type=='Ready')].status}";
    let ready = operator.get(&["get", "node", "operator", path]).await?;
    ensure!(ready == "True", "Ready is {ready}");
    Ok(())
}
