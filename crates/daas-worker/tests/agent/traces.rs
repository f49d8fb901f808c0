//! What K3s leaves on a machine at places of its own choosing: made here by hand, in namespaces that a copy of this program has for
//! itself, and gone when the node is.

use crate::host::ADDRESS;
use crate::life::skipped;
use daas_engine::build::Binaries;
use daas_engine::k3s::RuntimeError;
use daas_engine::{AgentConfig, ContainerRuntime, Engine, EngineError, NodeError, k3s};
use daas_testkit::cri::ScriptedCri;
use daas_testkit::docker::ScriptedDocker;
use daas_testkit::k3s::simulated;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// Set for the copy: the folder of its files.
const FOLDER: &str = "DAAS_WORKER_TEST_TRACES";

#[tokio::test]
async fn what_k3s_left_is_gone_and_what_others_have_stays() {
    if skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let copy = Command::new("unshare")
        .args(["--net", "--mount", "--propagation", "private"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "traces::alone", "--nocapture"])
        .env(FOLDER, folder.path())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let said = tokio::time::timeout(Duration::from_mins(2), copy).await.unwrap().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}

/// Not a test of its own: the machine.
#[tokio::test]
async fn alone() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    runs("mount -t tmpfs none /run").await;
    // What containers' networks keep is every network namespace's.
    if Path::new("/var/lib/cni").exists() {
        runs("mount -t tmpfs none /var/lib/cni").await;
    }
    runs("ip netns add cni-another").await;
    let rules = tries("iptables -N OTHER").await;

    std::fs::write(folder.join("token"), "none").unwrap();
    // Its data may lie on a disk of the owner's.
    let data = folder.join("data").display().to_string();
    runs(&format!("mkdir {data}")).await;
    runs(&format!("mount -t tmpfs none {data}")).await;
    let k3s = simulated::write(folder, "host::simulated_k3s");
    let config = AgentConfig {
        state_dir: folder.join("data"),
        owner: "a test".to_owned(),
        node_name: "worker-1".to_owned(),
        node_ip: ADDRESS.parse().unwrap(),
        api_server: "https://127.0.0.1:1".to_owned(),
        runtime: ContainerRuntime::Own,
        token_file: folder.join("token"),
        max_pods: 110,
        log_level: 1,
    };
    let programs = k3s::find_at(&k3s, &folder.join("cache")).await.unwrap();
    Engine::K3s.check_place(&config.state_dir).unwrap();
    let node = Engine::K3s.start_agent(&config, &programs).await.unwrap();
    for made in [
        "mkdir -p /run/k3s/containerd/rootfs /run/flannel /var/lib/cni/networks/cbr0",
        "mount -t tmpfs none /run/k3s/containerd/rootfs",
        "ip netns add cni-0b2c",
        "ip link add cni0 type bridge",
        "ip link add veth0 type veth peer name veth1",
        "ip link set veth0 master cni0",
        "ip link add flannel-wg type bridge",
    ] {
        runs(made).await;
    }
    assert_eq!(tries("iptables -N KUBE-SERVICES").await, rules);
    node.stop(Duration::ZERO).await.unwrap();

    let there = |path: &str| Path::new(path).exists();
    for gone in ["/run/k3s", "/run/flannel", "/run/netns/cni-0b2c", "/var/lib/cni/networks"] {
        assert!(!there(gone), "{gone}");
    }
    for gone in ["cni0", "flannel-wg", "veth0", "veth1"] {
        assert!(!there(&format!("/sys/class/net/{gone}")) && !tries(&format!("ip link show {gone}")).await, "{gone}");
    }
    assert!(there("/run/netns/cni-another"));
    assert!(!tries("iptables -L KUBE-SERVICES").await);
    assert_eq!(tries("iptables -L OTHER").await, rules);
    assert!(is_mounted(&data));
    anothers_stays(&config, &programs).await;
    let docker = AgentConfig { runtime: ContainerRuntime::Docker, ..config.clone() };
    pods_in_docker_go_and_others_stay(&docker, &programs).await;
    let runtime = ContainerRuntime::Socket("/run/another/containerd.sock".into());
    pods_in_a_given_containerd_go(&AgentConfig { runtime, ..config }, &programs).await;
}

/// Docker has no pods before the node, and none after it; who else uses it notices nothing.
async fn pods_in_docker_go_and_others_stay(config: &AgentConfig, programs: &Binaries) {
    let (place, engine) = (&config.state_dir, Engine::K3s);
    runs("umount /run/k3s/containerd/rootfs").await;
    std::fs::remove_dir_all("/run/k3s").unwrap();
    let socket = Path::new("/var/run/docker.sock");
    let refused = engine.check_runtime(&config.runtime, place).await;
    assert!(matches!(refused, Err(EngineError::Node(NodeError::Runtime(RuntimeError::Docker { .. })))), "{refused:?}");
    let anothers = ScriptedDocker::start(socket, 1, 1);
    for refused in
        [engine.check_runtime(&config.runtime, place).await, engine.start_agent(config, programs).await.map(drop)]
    {
        assert!(matches!(refused, Err(EngineError::Node(NodeError::ForeignPods { .. }))), "{refused:?}");
    }
    assert_eq!(anothers.running(), 2, "another's pod");
    drop(anothers);
    std::fs::remove_file(socket).unwrap();

    let docker = ScriptedDocker::start(socket, 0, 1);
    engine.check_runtime(&config.runtime, place).await.unwrap();
    let node = engine.start_agent(config, programs).await.unwrap();
    docker.starts_pod();
    // A worker that is killed leaves them, and the next one goes on.
    drop(node);
    let node = engine.start_agent(config, programs).await.unwrap();
    assert_eq!((docker.pods().len(), docker.running()), (1, 2));
    for made in ["mkdir -p /run/k3s/cri-dockerd", "ip link add cni0 type bridge"] {
        runs(made).await;
    }
    node.stop(Duration::from_secs(3)).await.unwrap();
    assert!(!Path::new("/run/k3s").exists() && !Path::new("/sys/class/net/cni0").exists());
    assert_eq!((docker.pods().len(), docker.running()), (0, 1));
    assert!(docker.asked().iter().any(|line| line.ends_with("/stop?t=3")), "{:?}", docker.asked());
    assert!(!engine.has_left_node(place));

    // With another runtime none of the former one's pods goes on; and what is left of a killed worker goes by its record.
    drop(engine.start_agent(config, programs).await.unwrap());
    docker.starts_pod();
    let node =
        engine.start_agent(&AgentConfig { runtime: ContainerRuntime::Own, ..config.clone() }, programs).await.unwrap();
    assert_eq!((docker.pods().len(), docker.running()), (0, 1));
    node.stop(Duration::ZERO).await.unwrap();
    drop(engine.start_agent(config, programs).await.unwrap());
    docker.starts_pod();
    engine.cleanup_node(place).await.unwrap();
    assert_eq!((docker.pods().len(), docker.running()), (0, 1));
    // A Docker that has stopped keeps nothing else from going, and is not forgotten.
    drop(engine.start_agent(config, programs).await.unwrap());
    for made in ["mkdir -p /run/k3s/cri-dockerd", "ip link add cni0 type bridge"] {
        runs(made).await;
    }
    drop(docker);
    std::fs::remove_file(socket).unwrap();
    let left = engine.cleanup_node(place).await;
    assert!(matches!(left, Err(EngineError::Node(NodeError::Runtime(RuntimeError::Docker { .. })))), "{left:?}");
    assert!(engine.has_left_node(place) && !tries("ip link show cni0").await);
    let _docker = ScriptedDocker::start(socket, 0, 1);
    engine.cleanup_node(place).await.unwrap();
    assert!(!engine.has_left_node(place));
}

/// The same of one that the owner names, of which nothing lies at K3s' own places.
async fn pods_in_a_given_containerd_go(config: &AgentConfig, programs: &Binaries) {
    let (place, engine) = (&config.state_dir, Engine::K3s);
    let ContainerRuntime::Socket(socket) = &config.runtime else { panic!("{config:?}") };
    let network = place.join("k3s/agent/etc/cni/net.d/10-flannel.conflist");
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    std::fs::create_dir_all(network.parent().unwrap()).unwrap();
    let refused = engine.check_runtime(&config.runtime, place).await;
    assert!(matches!(refused, Err(EngineError::Node(NodeError::Runtime(RuntimeError::Cri { .. })))), "{refused:?}");
    let anothers = ScriptedCri::start(socket, 1);
    for refused in
        [engine.check_runtime(&config.runtime, place).await, engine.start_agent(config, programs).await.map(drop)]
    {
        assert!(matches!(refused, Err(EngineError::Node(NodeError::ForeignPods { .. }))), "{refused:?}");
    }
    assert_eq!(anothers.running(), 1, "another's pod");
    drop(anothers);
    std::fs::remove_file(socket).unwrap();

    // One that never came to its network leaves others' alone, whatever a former one has left.
    let cri = ScriptedCri::start(socket, 0);
    std::fs::write(&network, "{}").unwrap();
    engine.check_runtime(&config.runtime, place).await.unwrap();
    let node = engine.start_agent(config, programs).await.unwrap();
    runs("ip link add flannel-wg type bridge").await;
    node.stop(Duration::ZERO).await.unwrap();
    runs("ip link delete flannel-wg").await;

    let node = engine.start_agent(config, programs).await.unwrap();
    cri.starts_pod();
    std::fs::write(&network, "{}").unwrap();
    runs("ip link add cni0 type bridge").await;
    // A worker that is killed leaves them, and the next one goes on.
    drop(node);
    let node = engine.start_agent(config, programs).await.unwrap();
    assert_eq!((cri.pods().len(), cri.running()), (1, 1));
    node.stop(Duration::from_secs(3)).await.unwrap();
    assert!(cri.pods().is_empty() && !tries("ip link show cni0").await);
    let stops = |asked: &[String]| asked.iter().any(|line| line.starts_with("StopContainer ") && line.ends_with(" 3"));
    assert!(stops(&cri.asked()), "{:?}", cri.asked());
    assert!(!engine.has_left_node(place));

    // With another runtime none of the former one's pods goes on; and what is left of a killed worker goes by its record.
    drop(engine.start_agent(config, programs).await.unwrap());
    cri.starts_pod();
    let other = AgentConfig { runtime: ContainerRuntime::Own, ..config.clone() };
    let node = engine.start_agent(&other, programs).await.unwrap();
    assert!(cri.pods().is_empty());
    node.stop(Duration::ZERO).await.unwrap();
    // One that has stopped keeps nothing else from going, and is not forgotten; what it needs to remove its pods stays.
    drop(engine.start_agent(config, programs).await.unwrap());
    cri.starts_pod();
    std::fs::write(&network, "{}").unwrap();
    runs("ip link add cni0 type bridge").await;
    drop(cri);
    std::fs::remove_file(socket).unwrap();
    let left = engine.cleanup_node(place).await;
    assert!(matches!(left, Err(EngineError::Node(NodeError::Runtime(RuntimeError::Cri { .. })))), "{left:?}");
    assert!(engine.has_left_node(place) && network.exists() && !tries("ip link show cni0").await);
    let cri = ScriptedCri::start(socket, 1);
    engine.cleanup_node(place).await.unwrap();
    assert!(cri.pods().is_empty() && !engine.has_left_node(place));
}

/// Another K3s' containers, which run on where that has been stopped: beside them no node is started, and none is cleared away.
async fn anothers_stays(config: &AgentConfig, programs: &Binaries) {
    const ROOTFS: &str = "/run/k3s/containerd/rootfs";
    let occupied = |result: Result<(), EngineError>| {
        assert!(matches!(result, Err(EngineError::Node(NodeError::Occupied { .. }))), "{result:?}");
        assert!(is_mounted(ROOTFS));
    };
    // Ours has died, and left what it had.
    drop(Engine::K3s.start_agent(config, programs).await.unwrap());
    runs(&format!("mkdir -p {ROOTFS}")).await;
    runs(&format!("mount -t tmpfs none {ROOTFS}")).await;
    let another = UnixListener::bind("/run/k3s/containerd/containerd.sock").unwrap();
    occupied(Engine::K3s.start_agent(config, programs).await.map(drop));
    occupied(Engine::K3s.cleanup_node(&config.state_dir).await);
    drop(another);
    Engine::K3s.cleanup_node(&config.state_dir).await.unwrap();
    assert!(!is_mounted(ROOTFS), "what ours has left stays");
    // And where nothing of ours is left, before any money is spent.
    runs(&format!("mkdir -p {ROOTFS}")).await;
    runs(&format!("mount -t tmpfs none {ROOTFS}")).await;
    occupied(Engine::K3s.check_place(&config.state_dir));
    occupied(Engine::K3s.start_agent(config, programs).await.map(drop));
}

fn is_mounted(place: &str) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    mounts.lines().any(|line| line.split(' ').nth(1) == Some(place))
}

async fn runs(line: &str) {
    assert!(tries(line).await, "{line}");
}

/// Whether it did what it says; also where there is no such program.
async fn tries(line: &str) -> bool {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap());
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.kill_on_drop(true).status().await.is_ok_and(|status| status.success())
}
