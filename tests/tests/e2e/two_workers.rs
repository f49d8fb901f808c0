//! Two stakers with a machine each: their pods reach each other, and a slash of one is nothing to the other.

use crate::support::cluster::Cluster;
use crate::support::commands::{Stream, tail};
use crate::support::network::{Machine, Network};
use crate::support::person::Person;
use crate::support::pods::{NAMESPACE, field, namespace, serve};
use crate::support::{eventually, say, scenario, step};
use anyhow::{Context as _, Result, ensure};
use daas_chain::clock;
use daas_types::UnixMs;
use std::fs::File;
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Child;
use tokio::time::timeout;

const ONE: Machine = Machine { name: "daas-t-one", address: Ipv4Addr::new(10, 98, 0, 2) };
const TWO: Machine = Machine { name: "daas-t-two", address: Ipv4Addr::new(10, 98, 0, 3) };
/// What a slashed position holds open ends within this of its checkpoint.
const CUT: Duration = Duration::from_secs(1);
/// A slashed worker has stopped its pods and itself.
const STOPPED: Duration = Duration::from_secs(30);
/// Pods beside those that serve, on the node that is slashed.
const CROWD: usize = 20;

#[test]
fn two_workers() {
    scenario("two workers, one slashed", Duration::from_mins(4), async {
        let network = Network::make(&[ONE, TWO]).await?;
        let cluster = Cluster::place()?;
        step("up", cluster.start_on_bridge(&[])).await?;
        let (one, two) = (cluster.person("one"), cluster.person("two"));
        let (first, second) =
            step("two stakers join", async { Ok((join(&one, ONE).await?, join(&two, TWO).await?)) }).await?;
        let operator = cluster.operator();
        let pods = [("pod-one", ONE.name), ("pod-two", TWO.name)];
        step("a pod on each", async {
            for machine in [ONE, TWO] {
                ready(&operator, machine).await.with_context(|| tail(&log(&cluster, machine), 12))?;
            }
            namespace(&operator).await?;
            serve(&operator, &pods).await?;
            crowd(&operator, ONE.name).await
        })
        .await?;
        step("they reach each other", reach(&operator)).await?;
        step("one is slashed", slashed(&cluster, &one, &two, first)).await?;
        step("the other leaves", leave(second)).await.with_context(|| tail(&log(&cluster, TWO), 12))?;
        cluster.finish().await?;
        drop(network);
        Ok(())
    });
}

/// Stakes, and joins the machine under its own name.
async fn join(person: &Person, machine: Machine) -> Result<Child> {
    person.arrive(&["5", "--permissions", "user,node", "--node-id", machine.name]).await?;
    let folder = person.home().parent().and_then(|p| p.parent()).context("a home folder must be in the cluster's")?;
    let node = folder.join("s/nodes").join(machine.name);
    std::fs::create_dir_all(&node)?;
    std::fs::copy(person.seal_path(), node.join("seal.json"))?;
    let address = machine.address.to_string();
    let mut worker = machine.run(&person.daas(&["join", "--node-id", machine.name, "--node-ip", &address]));
    let log = File::create(node.join("worker.log"))?;
    worker.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    Ok(worker.spawn()?)
}

fn log(cluster: &Cluster, machine: Machine) -> std::path::PathBuf {
    cluster.state().join("nodes").join(machine.name).join("worker.log")
}

async fn ready(operator: &Person, machine: Machine) -> Result<()> {
    eventually(Duration::from_mins(1), async || operator.node_is_ready(machine.name).await).await
}

/// Each pod fetches the other's page by the pod's own address, across the bridge between the machines.
async fn reach(operator: &Person) -> Result<()> {
    for (from, to) in [("pod-one", "pod-two"), ("pod-two", "pod-one")] {
        let url = format!("http://{}:8080/", field(operator, to, "{.status.podIP}").await?);
        eventually(Duration::from_secs(15), async || {
            let said = operator
                .get(&["-n", NAMESPACE, "exec", from, "--", "timeout", "3", "wget", "-q", "-O", "-", &url])
                .await?;
            ensure!(said == to, "{from} fetched {said:?} from {to}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Many pods that only run, on one node.
async fn crowd(operator: &Person, node: &str) -> Result<()> {
    let manifest = format!(
        r#"
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: crowd, namespace: {NAMESPACE} }}
spec:
  replicas: {CROWD}
  selector: {{ matchLabels: {{ app: crowd }} }}
  template:
    metadata: {{ labels: {{ app: crowd }} }}
    spec:
      nodeSelector: {{ kubernetes.io/hostname: {node} }}
      tolerations: [{{ key: node-restriction.kubernetes.io/daas-owner, operator: Exists, effect: NoSchedule }}]
      containers: [{{ name: idle, image: local/busybox:1, imagePullPolicy: Never, command: [sleep, "86400"] }}]
"#
    );
    operator.apply(&manifest, &[]).await?;
    operator.get(&["-n", NAMESPACE, "rollout", "status", "deployment/crowd", "--timeout=90s"]).await.map(drop)
}

/// The slashed staker's token opens nothing any more.
async fn refused(cluster: &Cluster, one: &Person, published: UnixMs) -> Result<()> {
    let token = one.seal()?.secret().expose_hex();
    let answer = eventually(Duration::from_secs(5), async || match cluster.ask(&token).await {
        Err(kube::Error::Api(status)) => Ok(status),
        other => anyhow::bail!("still answered: {other:?}"),
    })
    .await?;
    let took = clock::now().since(published);
    say(&format!(
        "    the slashed staker was refused ({}) {} ms after the checkpoint",
        answer.reason,
        took.as_millis()
    ));
    ensure!(took <= CUT && matches!(answer.code, 401 | 403), "{answer:?} after {took:?}");
    Ok(())
}

/// No process, socket, cgroup or mount of the node is on the machine any more.
fn nothing_of(cluster: &Cluster, machine: Machine) -> Result<()> {
    let node = cluster.state().join("nodes").join(machine.name).join("node");
    let left = crate::support::processes::saying(&node.display().to_string());
    ensure!(left.is_empty(), "processes of {} are left: {left:?}", machine.name);
    ensure!(!node.join("run/node.json").exists(), "the node's record is still there");
    let names = std::fs::read_dir("/run")?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let ours = names.filter_map(|name| name.strip_prefix("k3s-daas-").map(str::to_owned));
    let (locks, sockets): (Vec<_>, Vec<_>) = ours.partition(|name| name.contains(".lock"));
    // A worker that was killed, by another test for example, may have left its file, but holds nothing.
    let is_held =
        |name: &String| File::open(format!("/run/k3s-daas-{name}")).is_ok_and(|file| file.try_lock().is_err());
    let locks: Vec<_> = locks.into_iter().filter(is_held).collect();
    ensure!(sockets.len() == 2, "the operator's and the other staker's nodes have folders in /run, not {sockets:?}");
    ensure!(locks.len() == 2, "their workers hold their data folders, and nobody else does: {locks:?}");
    Ok(())
}

async fn slashed(cluster: &Cluster, one: &Person, two: &Person, mut worker: Child) -> Result<()> {
    let operator = cluster.operator();
    let watch = ["-n", NAMESPACE, "get", "configmaps", "-w", "-o=name"];
    let mut of_one = Stream::start(one.kubectl(&watch).await?)?;
    let mut of_two = Stream::start(two.kubectl(&watch).await?)?;
    for stream in [&mut of_one, &mut of_two] {
        stream.until("kube-root-ca.crt", Duration::from_secs(15)).await?;
    }
    let inside = two.kubectl(&["-n", NAMESPACE, "exec", "-i", "pod-two", "--", "sh", "-c", "echo open; cat"]).await?;
    let mut inside = Stream::start({
        let mut command = inside;
        command.stdin(Stdio::piped());
        command
    })?;
    inside.until("open", Duration::from_secs(15)).await?;
    let identity = "{.metadata.uid} {.status.containerStatuses[0].restartCount} {.status.phase}";
    let before = field(&operator, "pod-two", identity).await?;

    let published = cluster.propose_slash(one.seal()?.position).await?;
    refused(cluster, one, published).await?;
    of_one.ended(Duration::from_secs(10)).await.context("the watch of the slashed staker")?;
    let took = clock::now().since(published);
    say(&format!("    the slashed staker's watch closed {} ms after the checkpoint", took.as_millis()));
    ensure!(took <= CUT, "closed {took:?} after the checkpoint");

    let status = timeout(STOPPED, worker.wait()).await.context("the slashed worker still runs")??;
    ensure!(status.code() == Some(3), "the slashed worker ended with {status}: {}", tail(&log(cluster, ONE), 12));
    say(&format!("    its worker was gone {} ms after the checkpoint", clock::now().since(published).as_millis()));
    let said = tail(&log(cluster, ONE), 12);
    for word in ["D406", "k3s-daas appeal", "an audit root signed twice"] {
        ensure!(said.contains(word), "`{word}` is not in the slashed worker's last words: {said}");
    }
    nothing_of(cluster, ONE).with_context(|| tail(&log(cluster, ONE), 30))?;
    operator.get(&["-n", NAMESPACE, "create", "configmap", "later"]).await?;
    of_two.until("configmap/later", Duration::from_secs(5)).await.context("the watch of the other staker")?;
    ensure!(inside.child.try_wait()?.is_none(), "the other staker's exec ended");
    let after = field(&operator, "pod-two", identity).await?;
    ensure!(before == after && after.ends_with(" 0 Running"), "the other's pod was {before}, is {after}");
    ready(&operator, TWO).await?;
    of_two.stop().await?;
    inside.stop().await
}

/// SIGTERM: the worker drains and leaves in order.
async fn leave(mut worker: Child) -> Result<()> {
    let pid = worker.id().context("the other worker has ended")?;
    crate::support::processes::signal(pid, nix::sys::signal::Signal::SIGTERM)?;
    let status = timeout(Duration::from_mins(1), worker.wait()).await.context("the worker outlives SIGTERM")??;
    ensure!(status.success(), "the worker left with {status}");
    Ok(())
}
