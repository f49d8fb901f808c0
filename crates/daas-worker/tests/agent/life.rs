//! From its first start to its end.

use crate::host::{ADDRESS, Hosting, RUNTIME};
use crate::world::World;
use daas_engine::{AgentConfig, ContainerRuntime, Engine, EngineError, NodeError, Role, k3s};
use daas_testkit::cri::ScriptedCri;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_mins(1);

/// Whether there is nobody here who could run it.
pub(crate) fn skipped() -> bool {
    let why = match Engine::K3s.check(Role::Node) {
        // What that one has on the machine would be taken for what this one left.
        Ok(()) if Path::new("/run/k3s/containerd").exists() => "a K3s runs on this machine".to_owned(),
        Ok(()) => return false,
        Err(missing) => missing.to_string(),
    };
    // Past the capture of the test runner: a skipped test must not look like one that passed.
    std::io::stderr().write_all(format!("\nSKIPPED (K3s' agent): {why}\n").as_bytes()).unwrap();
    true
}

fn runs(pid: u32) -> bool {
    std::fs::read_link(format!("/proc/{pid}/exe")).is_ok()
}

/// Whether a file below the folder has this text in it.
fn has(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().map(Result::unwrap).any(|entry| {
        let path = entry.path();
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => has(&path, text),
            kind if kind.is_file() => String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains(text),
            _ => false,
        }
    })
}

async fn tunnels(world: &World, of: &[&str]) {
    timeout(LIMIT, world.supervisor.until_tunnels(of)).await.unwrap();
}

#[tokio::test]
async fn its_pods_are_in_the_containerd_that_is_given() {
    if skipped() {
        return;
    }
    let world = World::new().await;
    let cri = ScriptedCri::start(&world.path(RUNTIME), 0);
    let seal = world.seal();
    let mut hosting = Hosting::start(world.folder(), &world.k3s).await;
    hosting.does("start", &seal).await;
    tunnels(&world, &["system:node:worker-1"]).await;
    cri.starts_pod();
    hosting.does("restart", &seal).await;
    assert_eq!((cri.pods().len(), cri.running()), (1, 1), "it goes on");
    // With the node's data thrown away they are nobody else's.
    std::fs::remove_dir_all(world.path("data")).unwrap();
    std::fs::create_dir(world.path("data")).unwrap();
    hosting.kill().await;
    let mut hosting = Hosting::start(world.folder(), &world.k3s).await;
    hosting.does("start", &seal).await;
    assert!(cri.pods().is_empty());
    cri.starts_pod();
    hosting.does("stop", &seal).await;
    assert!(cri.pods().is_empty());
    assert!(cri.asked().iter().any(|line| line.starts_with("StopContainer ") && line.ends_with(" 1")));
}

#[tokio::test]
async fn it_joins_with_the_seal_and_leaves_nothing() {
    if skipped() {
        return;
    }
    let world = World::new().await;
    let seal = world.seal();
    let mut hosting = Hosting::start(world.folder(), &world.k3s).await;
    hosting.does("start", &seal).await;
    tunnels(&world, &["system:node:worker-1"]).await;
    assert_eq!(*world.local.0.lock().unwrap(), [("worker-1".to_owned(), ADDRESS.parse().unwrap())]);
    let (secret, token) = (world.staker.opaque(), world.path("state/k3s-token"));
    let written = std::fs::read_to_string(&token).unwrap();
    assert!(written.starts_with("K10") && written.ends_with(&format!("::node:{secret}")), "{written}");
    assert_eq!(std::fs::metadata(&token).unwrap().permissions().mode() & 0o777, 0o600);
    // What is thrown away with the node's data, and what its log says, has no Seal in it; and nobody reads it in the arguments.
    assert!(!has(&world.path("data"), &secret));
    let arguments = std::fs::read(format!("/proc/{}/cmdline", world.agent())).unwrap();
    let environment = std::fs::read(format!("/proc/{}/environ", world.agent())).unwrap();
    assert!(![arguments, environment].iter().any(|text| String::from_utf8_lossy(text).contains(&secret)));

    let pods = world.pods();
    assert_eq!(pods.len(), 2);
    // What it has on the machine is called as its cgroup is, of which its agent was told.
    let arguments = std::fs::read_to_string(format!("/proc/{}/environ", world.agent())).unwrap();
    let name = arguments.split_once("cgroup-root=/").unwrap().1.split(['\n', '\0']).next().unwrap().to_owned();
    let outside = ["/run", "/sys/fs/cgroup", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified"];
    let there = || outside.map(|folder| Path::new(folder).join(&name)).into_iter().filter(|path| path.exists());
    assert!(there().count() > 1, "{name}");
    hosting.does("stop", &seal).await;
    tunnels(&world, &[]).await;
    assert!(!pods.iter().any(|pid| runs(*pid)), "something of the pods runs on");
    assert_eq!(std::fs::read_dir(world.path("data/run")).unwrap().count(), 0);
    assert_eq!(there().collect::<Vec<_>>(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn pods_outlive_a_restart_a_kill_and_the_loss_of_the_agent() {
    if skipped() {
        return;
    }
    let world = World::new().await;
    let seal = world.seal();
    let mut hosting = Hosting::start(world.folder(), &world.k3s).await;
    hosting.does("start", &seal).await;
    let (pods, first) = (world.pods(), world.agent());
    assert_eq!(pods.len(), 2);
    hosting.does("start", &seal).await;
    assert_eq!(world.agent(), first, "it was to be as it is");
    // It keeps to the address that it was started with.
    hosting.does("move", &seal).await;
    let moved = world.agent();
    assert!(moved != first && !runs(first), "it is where it was");
    hosting.does("restart", &seal).await;
    let second = world.agent();
    assert!(second != moved && !runs(moved), "it is not another agent");
    assert_eq!(world.pods(), pods);
    // As the owner's `systemctl restart` does, or the kernel when memory is short.
    hosting.kill().await;
    assert!(runs(second), "a killed worker takes nothing with it");
    let mut hosting = Hosting::start(world.folder(), &world.k3s).await;
    hosting.does("start", &seal).await;
    assert!(!runs(second), "two agents run");
    assert_eq!(world.pods(), pods);
    tunnels(&world, &["system:node:worker-1"]).await;
    hosting.does("stop", &seal).await;
    assert!(!pods.iter().any(|pid| runs(*pid)));
}

/// `rm -rf /var/lib/k3s/*; systemctl restart k3s-worker`
#[tokio::test]
async fn a_node_whose_data_is_thrown_away_comes_back_with_its_seal() {
    if skipped() {
        return;
    }
    let world = World::new().await;
    let seal = world.seal();
    let mut hosting = Hosting::start(world.folder(), &world.k3s).await;
    hosting.does("start", &seal).await;
    let (pods, agent) = (world.pods(), world.agent());
    let data = world.path("data");
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::create_dir(&data).unwrap();
    hosting.kill().await;
    let mut hosting = Hosting::start(world.folder(), &world.k3s).await;
    hosting.does("start", &seal).await;
    tunnels(&world, &["system:node:worker-1"]).await;
    let former = pods.iter().chain([&agent]);
    assert_eq!(former.filter(|pid| runs(**pid)).count(), 0, "what nobody knows of any more runs on");
    assert_eq!(world.pods().len(), 2);
    hosting.does("stop", &seal).await;
}

#[tokio::test]
async fn one_that_waits_for_its_server_is_told_from_one_that_does_not_run() {
    if skipped() {
        return;
    }
    let world = World::new().await;
    let programs = k3s::find_at(&world.k3s, &world.path("cache")).await.unwrap();
    let config = AgentConfig {
        state_dir: world.path("data"),
        owner: "a test".to_owned(),
        node_name: "worker-1".to_owned(),
        node_ip: ADDRESS.parse().unwrap(),
        api_server: world.endpoint.clone(),
        runtime: ContainerRuntime::Own,
        token_file: world.path("token"),
        max_pods: 110,
        log_level: 1,
    };
    let told = async |token: &str, wanted: &str| {
        std::fs::write(&config.token_file, token).unwrap();
        let node = Engine::K3s.start_agent(&config, &programs).await.unwrap();
        let refused = async {
            loop {
                let EngineError::Node(error) = node.wait_ready(Duration::ZERO).await.unwrap_err() else { panic!() };
                if error.to_string().contains(wanted) {
                    return error;
                }
                tokio::task::yield_now().await;
            }
        };
        let error = timeout(LIMIT, refused).await.unwrap();
        node.stop(Duration::ZERO).await.unwrap();
        error
    };
    // Another cluster's CA: what answers there is not its server, and is shown no Seal.
    let waits = told(&k3s::token("another", &world.staker.opaque()), "CA certificate hash").await;
    assert!(matches!(waits, NodeError::Waiting { .. }), "{waits}");
    assert_eq!(world.supervisor.asked().len(), 0);
    let ended = told("none", "ended").await;
    assert!(matches!(ended, NodeError::NotReady { .. }), "{ended}");
}

#[tokio::test]
async fn an_agent_that_is_started_while_its_master_is_in_doubt_waits_and_shows_nothing() {
    if skipped() {
        return;
    }
    let world = World::new().await;
    let seal = world.seal();
    let mut hosting = Hosting::start(world.folder(), &world.k3s).await;
    hosting.does("start", &seal).await;
    tunnels(&world, &["system:node:worker-1"]).await;
    let (pods, first) = (world.pods(), world.agent());
    hosting.does("hide", &seal).await;
    assert!(runs(first) && world.agent() == first, "what runs goes on");
    assert!(!has(&world.path("state"), &format!("::node:{}", world.staker.opaque())));
    hosting.does("hide", &seal).await;
    kill(Pid::from_raw(first.try_into().unwrap()), Signal::SIGKILL).unwrap();
    tunnels(&world, &[]).await;
    let asked = world.supervisor.asked().len();
    let waits = async {
        while !std::fs::read_to_string(world.path("data/log/k3s-agent.log")).unwrap().contains("Waiting for ") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, waits).await.unwrap();
    assert_eq!(world.supervisor.asked().len(), asked, "it has spoken to its server");
    assert_eq!(world.pods(), pods);
    // The master has proven itself again.
    hosting.does("show", &seal).await;
    tunnels(&world, &["system:node:worker-1"]).await;
    assert_ne!(world.agent(), first);
    assert_eq!(world.pods(), pods);
    hosting.does("stop", &seal).await;
}

#[tokio::test]
async fn a_renewed_seal_is_for_the_next_start_and_a_new_one_for_now() {
    if skipped() {
        return;
    }
    let mut world = World::new().await;
    let former = world.seal();
    let mut hosting = Hosting::start(world.folder(), &world.k3s).await;
    hosting.does("start", &former).await;
    let (pods, first) = (world.pods(), world.agent());
    let renewed = world.renew();
    hosting.does("show", &renewed).await;
    assert_eq!(world.agent(), first, "what runs needs no new Seal");
    tunnels(&world, &["system:node:worker-1"]).await;
    // It is started again by itself, and shows the new one: the former would be refused.
    kill(Pid::from_raw(first.try_into().unwrap()), Signal::SIGKILL).unwrap();
    tunnels(&world, &[]).await;
    tunnels(&world, &["system:node:worker-1"]).await;
    hosting.does("show", &renewed).await;
    let second = world.agent();
    assert_ne!(second, first);
    // The worker joins anew with another Seal than the one that it has started the agent with.
    hosting.does("start", &renewed).await;
    assert_ne!(world.agent(), second, "what was bound by the former Seal is not bound anew");
    let third = world.agent();
    hosting.does("start", &renewed).await;
    assert_eq!(world.agent(), third, "it runs already");
    assert_eq!(world.pods(), pods);
    hosting.does("stop", &renewed).await;
}
