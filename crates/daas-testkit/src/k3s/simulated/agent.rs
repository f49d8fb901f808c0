//! `k3s agent`: joins as the scripted agent does, keeps what a node keeps open, and has one pod, which outlives it.

use super::super::{JOIN, RESTART, ScriptedAgent, calls};
use super::{Line, say_ready};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Arguments of `k3s agent`, as v1.36.2 has them, of those that are of use here. All have a value.
pub(super) const VALUED: [&str; 9] = [
    "config",
    "container-runtime-endpoint",
    "data-dir",
    "kubelet-arg",
    "node-ip",
    "node-name",
    "server",
    "token-file",
    "v",
];
/// And without.
pub(super) const BARE: [&str; 1] = ["docker"];
/// Where the machine's Docker listens, and where K3s speaks to it for its kubelet.
const DOCKER: &str = "/var/run/docker.sock";
const CRI_DOCKERD: &str = "/run/k3s/cri-dockerd";
/// What an agent's environment must not tell it.
const FOREIGN: [&str; 4] = ["K3S_TOKEN", "K3S_TOKEN_FILE", "K3S_URL", "K3S_DATA_DIR"];
/// How long it waits before it tries again what was refused; K3s waits for a few seconds.
const PAUSE: Duration = Duration::from_millis(100);
/// A container, and what supervises it, which runs on its own as containerd's shims do.
const POD: [&str; 2] = ["shim", "container"];

/// Is the agent, until it is killed.
pub(super) async fn run(line: &Line) {
    for name in FOREIGN {
        assert!(std::env::var_os(name).is_none(), "{name} is set, and K3s would listen to it");
    }
    let folder = PathBuf::from(line.one("data-dir")).join("agent");
    fs::create_dir_all(&folder).unwrap();
    // At its start, and never again.
    let text = token(line.one("token-file")).await;
    let (pinned, secret) = text.trim().strip_prefix("K10").and_then(|rest| rest.split_once("::node:")).unwrap();
    let server: SocketAddr = line.one("server").strip_prefix("https://").unwrap().parse().unwrap();
    let mut agent = ScriptedAgent::new(server, line.one("node-name"), secret);
    line.one("node-ip").clone_into(&mut agent.address);
    while !joined(&mut agent, &folder, pinned).await {
        tokio::time::sleep(PAUSE).await;
    }
    agent.keep(&folder);
    has_runtime(line, &folder);
    let _node = agent.live().await.expect("its processes must come up");
    say_ready();
    std::future::pending::<()>().await;
}

/// Where its pods are. K3s takes one of the three. Anothers' are named otherwise there, and flannel's configuration is written
/// in any case.
fn has_runtime(line: &Line, folder: &Path) {
    let endpoint = line.0.get("container-runtime-endpoint").map(|_| line.one("container-runtime-endpoint"));
    let cgroup = line.component("kubelet-arg", "cgroup-root");
    let network = folder.join("etc/cni/net.d");
    fs::create_dir_all(&network).unwrap();
    fs::write(network.join("10-flannel.conflist"), r#"{"name": "cbr0"}"#).unwrap();
    match (cgroup, endpoint, line.0.contains_key("docker")) {
        (Some(cgroup), None, false) => start_pod(folder, cgroup.trim_start_matches('/')),
        (None, Some(endpoint), false) => {
            let socket = endpoint.strip_prefix("unix://").expect("K3s takes what has no scheme for a path of its own");
            UnixStream::connect(socket).expect("failed to reach the container runtime");
        }
        (None, None, true) => {
            UnixStream::connect(DOCKER).expect("failed to get docker runtime info");
            fs::create_dir_all(CRI_DOCKERD).unwrap();
        }
        other => panic!("pods are nowhere, or in two places: {other:?}"),
    }
}

/// What it shows. K3s waits for the file, looking every two seconds, and gives up after four minutes.
async fn token(path: &str) -> String {
    if !Path::new(path).exists() {
        log(&format!("Waiting for {path} to be available"));
    }
    loop {
        match fs::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => tokio::time::sleep(PAUSE).await,
            text => return text.unwrap(),
        }
    }
}

/// Whether all calls ended as they should. What did not is in the log.
async fn joined(agent: &mut ScriptedAgent, folder: &Path, pinned: &str) -> bool {
    for call in ["GET /cacerts os -", "GET /cacerts any -"] {
        agent.call(call).await;
    }
    let Some(ca) = agent.ca() else { return false };
    let hash = Sha256::digest(ca).iter().fold(String::new(), |mut hash, byte| {
        write!(hash, "{byte:02x}").unwrap();
        hash
    });
    if hash != pinned {
        log(&format!("token CA hash does not match the Cluster CA certificate hash: {pinned} != {hash}"));
        return false;
    }
    let transcript = if agent.go_on(folder) { RESTART } else { JOIN };
    for wanted in calls(transcript) {
        let (call, _) = wanted.split_once(" -> ").unwrap();
        let ended = agent.call(call).await;
        if wanted != format!("{call} -> {ended}") {
            log(&format!("{call} -> {ended}: {}", agent.message));
            return false;
        }
    }
    true
}

fn log(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// Starts the pod, unless it runs: the container has nothing of the agent's but its cgroup.
fn start_pod(folder: &Path, cgroup: &str) {
    if pods(folder).len() == POD.len() {
        return;
    }
    for name in POD {
        let mut command = Command::new("/bin/sleep");
        command.arg("infinity").process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if name == "container" {
            command.env_clear();
        }
        let pid = command.spawn().unwrap().id();
        fs::write(folder.join(name), pid.to_string()).unwrap();
        if name == "container" {
            let hierarchies =
                ["", "unified", "pids", "memory", "systemd"].map(|name| Path::new("/sys/fs/cgroup").join(name));
            let roots = hierarchies.into_iter().map(|mount| mount.join(cgroup)).filter(|root| root.is_dir());
            let entered = roots.filter(|root| fs::write(root.join("cgroup.procs"), pid.to_string()).is_ok());
            assert!(entered.count() > 0, "the agent's cgroup {cgroup} is nowhere");
        }
    }
}

/// The process ids of what runs of the pod of the agent with this folder, `agent` in its data folder.
pub fn pods(folder: &Path) -> Vec<u32> {
    let pids = POD.iter().filter_map(|name| fs::read_to_string(folder.join(name)).ok()?.parse().ok());
    // Of what has ended a line may stay until somebody asks for it, but no program.
    let runs = |pid: &u32| fs::read_link(format!("/proc/{pid}/exe")).is_ok();
    pids.filter(runs).collect()
}
