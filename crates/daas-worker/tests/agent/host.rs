//! The worker's host in a process of its own, as it is killed with its worker: a copy of this test program.

use daas_client::SealFile;
use daas_engine::Engine;
use daas_testkit::k3s::simulated;
use daas_types::api::{ClusterSettings, RegisterWorkerResponse};
use daas_types::join::JoinFile;
use daas_worker::config::WorkerConfig;
use daas_worker::host::{Admission, Host};
use daas_worker::store::Store;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, Command};
use tokio::time::timeout;

/// Set for the copy: the folder of its files.
const FOLDER: &str = "DAAS_WORKER_TEST_AGENT";
const LIMIT: Duration = Duration::from_mins(2);
/// The node's own address, of which the gateway is told. Nothing is sent there.
pub(crate) const ADDRESS: &str = "10.0.0.9";

/// The socket of what is to run the pods, beside its other files, where that is not K3s' own.
pub(crate) const RUNTIME: &str = "containerd.sock";

/// Another that it may have.
const MOVED: &str = "10.0.0.10";

/// A copy that runs.
pub(crate) struct Hosting {
    child: Child,
    orders: ChildStdin,
    said: Lines<BufReader<ChildStderr>>,
}

/// Not a test of its own: the double of K3s, in a copy of this program.
#[tokio::test]
async fn simulated_k3s() {
    simulated::run().await;
}

/// Not a test of its own: the host.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosting() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let join: JoinFile = serde_json::from_slice(&std::fs::read(folder.join("join.json")).unwrap()).unwrap();
    let flag = |key: &str, name: &str| (key.to_owned(), folder.join(name).display().to_string());
    let mut flags = vec![
        flag("cluster", "join.json"),
        flag("state_dir", "state"),
        flag("k3s.data_dir", "data"),
        flag("engine.dir", "cache"),
    ];
    if folder.join(RUNTIME).exists() {
        flags.push(flag("container_runtime_endpoint", RUNTIME));
    }
    let config = WorkerConfig::load(None, BTreeMap::new(), flags).unwrap();
    let store = Store::open(&config.state_dir).unwrap();
    let mut host = Host::new(&config, &store, "worker-1".parse().unwrap(), join.engine).unwrap();
    let data = config.data_dir(join.engine);
    say("here");
    while let Some(order) = tokio::task::block_in_place(|| std::io::stdin().lines().next()).map(Result::unwrap) {
        let (order, seal) = order.split_once(' ').unwrap();
        let seal = SealFile::load(Path::new(seal)).unwrap();
        let ip = if order == "move" { MOVED } else { ADDRESS };
        let admission = Admission { join: &join, ip: ip.parse().unwrap(), answer: &answer(), seal: &seal };
        match order {
            "start" | "move" if !host.runs() => {
                // As a worker does before anything else.
                Engine::K3s.check_runtime(&config.runtime, &data).await.unwrap();
                Engine::K3s.check_place(&data).unwrap();
                host.start(&store, admission).await.unwrap();
            }
            "start" | "move" => host.start(&store, admission).await.unwrap(),
            "show" => host.show(&store, &join, &seal).unwrap(),
            "hide" => host.hide(&store).unwrap(),
            "restart" => host.restart().await.unwrap(),
            "stop" => host.stop(Duration::from_secs(1)).await.unwrap(),
            other => panic!("{other}"),
        }
        if host.runs() {
            host.wait_ready().await.unwrap();
        }
        assert_eq!(host.has_left(), host.runs() || order == "show");
        assert!(host.serving_csr(&store).unwrap().is_empty() && host.network().is_none());
        say(order);
    }
}

/// Past the capture of the test runner.
fn say(line: &str) {
    std::io::stderr().write_all(format!("did {line}\n").as_bytes()).unwrap();
}

fn answer() -> RegisterWorkerResponse {
    let empty = String::new;
    RegisterWorkerResponse {
        success: true,
        kubeconfig: empty(),
        ca_cert: empty(),
        api_server: empty(),
        serving_cert: empty(),
        kubelet_client_ca: empty(),
        cluster: ClusterSettings {
            cluster_cidr: empty(),
            service_cidr: empty(),
            cluster_dns: empty(),
            cluster_domain: empty(),
            version: empty(),
            attestation_interval: 3600,
        },
    }
}

// === impl Hosting ===

impl Hosting {
    /// Starts a copy, in an environment in which somebody has another K3s.
    pub(crate) async fn start(folder: &Path, k3s: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "host::hosting", "--nocapture"])
            .env(FOLDER, folder)
            .env("K3S_BIN", k3s)
            .env("K3S_TOKEN", "another's")
            .env("K3S_URL", "https://192.0.2.9:6443")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut hosting = Self { orders: child.stdin.take().unwrap(), said, child };
        hosting.until("here").await;
        hosting
    }

    /// Has it do something with a Seal, and waits until that is done.
    pub(crate) async fn does(&mut self, order: &str, seal: &Path) {
        self.orders.write_all(format!("{order} {}\n", seal.display()).as_bytes()).await.unwrap();
        self.until(order).await;
    }

    /// As the kernel does when memory is short.
    pub(crate) async fn kill(mut self) {
        self.child.start_kill().unwrap();
        self.child.wait().await.unwrap();
    }

    async fn until(&mut self, wanted: &str) {
        let mut heard = Vec::new();
        loop {
            let line = timeout(LIMIT, self.said.next_line()).await.unwrap().unwrap();
            let Some(line) = line else { panic!("it ended before {wanted}:\n{}", heard.join("\n")) };
            if line.strip_prefix("did ") == Some(wanted) {
                return;
            }
            heard.push(line);
        }
    }
}
