//! K3s itself on both sides: its server behind a master, its agent on a stranger's machine. Runs where `K3S_BIN` or PATH has a
//! K3s, and says loudly where not.

use crate::support::agent::{Agent, pods_cgroups};
use crate::support::cluster::Cluster;
use crate::support::commands::{Stream, command, run, succeed};
use crate::support::network::{Machine, Network};
use crate::support::person::Person;
use crate::support::pods::{NAMESPACE, identities, namespace, serve};
use crate::support::{eventually, processes, say, scenario, step};
use anyhow::{Context as _, Result, ensure};
use daas_chain::clock;
use daas_engine::build::Program;
use daas_engine::{Engine, Role};
use nix::sys::signal::Signal;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

const HOME: Machine = Machine { name: "daas-t-agent", address: Ipv4Addr::new(10, 98, 0, 6) };
const JOINED: Duration = Duration::from_mins(2);
/// What a slashed position holds open ends within this of its checkpoint.
const CUT: Duration = Duration::from_secs(1);
const WIREGUARD: &str = "daas-t-wg";
const POD: &str = "web";
const NOBODYS: &str = "deadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeef";

#[test]
fn k3s_itself() {
    scenario("K3s itself", Duration::from_mins(8), async {
        let (_folder, program) = match k3s().await? {
            Ok(found) => found,
            Err(why) => {
                say(&format!("SKIPPED: K3s itself: {why}"));
                return Ok(());
            }
        };
        let network = Network::make(&[HOME]).await?;
        let cluster = Cluster::place()?;
        step("up", cluster.start_on_bridge(&["--engine", "k3s", "--no-node"])).await?;
        let machine = HOME.start().await?;
        let owner = cluster.person("owner");
        owner.arrive(&["5", "--permissions", "user,node", "--node-id", HOME.name]).await?;
        let mut agent = Agent::new(&cluster, &machine, &program).await?;
        let told = story(&cluster, &owner, &mut agent).await;
        told.with_context(|| agent.last_words())?;
        drop(agent);
        drop(machine);
        cluster.finish().await?;
        drop(network);
        Ok(())
    });
}

/// The one to try, in a folder that lasts as long as it; or why there is nothing to try.
async fn k3s() -> Result<Result<(TempDir, PathBuf), String>> {
    let folder = tempfile::tempdir()?;
    let found = match Engine::K3s.find_programs(folder.path()).await {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(Err("no `k3s` on PATH, and K3S_BIN names none".to_owned())),
        // One that only lies on PATH was not meant for this.
        Err(error) if std::env::var_os("K3S_BIN").is_none_or(|name| name.is_empty()) => {
            return Ok(Err(error.to_string()));
        }
        Err(error) => return Err(error.into()),
    };
    if let Err(missing) = Engine::K3s.check(Role::Server) {
        return Ok(Err(missing.to_string()));
    }
    if run(command("ip", &["link", "add", WIREGUARD, "type", "wireguard"])).await?.code != 0 {
        return Ok(Err("this kernel has no WireGuard, by which pods reach each other".to_owned()));
    }
    succeed(command("ip", &["link", "del", WIREGUARD])).await?;
    if !pods_cgroups().is_empty() {
        return Ok(Err("another Kubernetes has pods on this machine".to_owned()));
    }
    let program = found.path(Program::K3s);
    Ok(Ok((folder, program)))
}

async fn story(cluster: &Cluster, owner: &Person, agent: &mut Agent<'_>) -> Result<()> {
    let operator = cluster.operator();
    let seal = owner.seal()?;
    agent.start_with(&seal)?;
    step("an agent joins by its Seal", async {
        eventually(JOINED, async || operator.node_is_ready(HOME.name).await).await
    })
    .await?;
    let pods = step("a pod, its log and a command in it, through the tunnel", async {
        namespace(&operator).await?;
        serve(&operator, &[(POD, HOME.name)]).await?;
        through(&operator).await?;
        identities(&operator, &[POD]).await
    })
    .await?;
    step("a token that is none, beside certificates that are", async {
        agent.stop().await?;
        agent.start(NOBODYS)?;
        eventually(JOINED, async || {
            let log = std::fs::read_to_string(agent.log())?;
            ensure!(log.contains("No live Seal answers to this token"), "it is not told why");
            Ok(())
        })
        .await?;
        ensure!(through(&operator).await.is_err(), "its tunnel stands");
        agent.stop().await
    })
    .await?;
    step("the agent starts again", async {
        agent.start_with(&seal)?;
        eventually(JOINED, async || through(&operator).await).await?;
        let now = identities(&operator, &[POD]).await?;
        ensure!(now == pods, "the pod was {pods:?}, is {now:?}");
        Ok(())
    })
    .await?;
    step("the master is killed", async {
        let master = processes::find("k3s-daas-master", &cluster.state()).context("no master")?;
        processes::signal(master, Signal::SIGKILL)?;
        eventually(JOINED, async || through(&operator).await).await?;
        let now = identities(&operator, &[POD]).await?;
        ensure!(now == pods, "the pod was {pods:?}, is {now:?}");
        Ok(())
    })
    .await?;
    step("its owner is slashed", slashed(cluster, owner, &operator)).await
}

/// What the API server asks of a kubelet goes through the tunnel that its agent holds open.
async fn through(operator: &Person) -> Result<()> {
    let log = operator.get(&["-n", NAMESPACE, "logs", POD]).await?;
    ensure!(log == "serving", "the log is {log:?}");
    let said = operator.get(&["-n", NAMESPACE, "exec", POD, "--", "hostname"]).await?;
    ensure!(said == POD, "the pod says {said:?}");
    Ok(())
}

/// Whoever is in a pod of the node is out of it, and the agent gets nothing any more.
async fn slashed(cluster: &Cluster, owner: &Person, operator: &Person) -> Result<()> {
    let words = ["-n", NAMESPACE, "exec", "-i", POD, "--", "sh", "-c", "echo open; exec sleep 1000"];
    let mut inside = Stream::start(operator.kubectl(&words).await?)?;
    inside.until("open", Duration::from_secs(15)).await?;
    let published = cluster.propose_slash(owner.seal()?.position).await?;
    inside.ended(Duration::from_secs(10)).await?;
    let took = clock::now().since(published);
    say(&format!("    a command in its pod ended {} ms after the checkpoint", took.as_millis()));
    ensure!(took <= CUT, "cut {took:?} after the checkpoint");
    let answer = cluster.answer(&owner.seal()?.secret().expose_hex()).await?;
    ensure!(matches!(answer, 401 | 403), "the Seal is answered {answer}");
    eventually(JOINED, async || {
        let pods = operator.get(&["-n", NAMESPACE, "get", "pods", "-o=name"]).await?;
        ensure!(pods.is_empty(), "there are {pods}");
        Ok(())
    })
    .await
}
