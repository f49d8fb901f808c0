//! containerd, kubelet and kube-proxy as supervised processes, and everything they leave on a machine.
//!
//! What a node makes outside its state folder bears names derived from that folder ([`Layout`]), so two nodes
//! do not meet and a killed one can be cleaned up from its folder alone (`cleanup`).

pub(crate) mod cgroups;
pub(crate) mod cleanup;
mod config;
mod held;
mod kubelets;
mod network;
pub(crate) mod runtime;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, sleep, timeout};

use crate::build::{Binaries, Program};
use crate::cidr::Cidr;
use crate::command::{CommandError, SYSTEM_PATH};
use crate::engine::Engine;
use crate::files::{self, FileError};
use crate::k3s::RuntimeError;
use crate::prerequisites;
use crate::process::{Process, ProcessError, ProcessSpec, RestartPolicy};
use crate::settings::{ComponentHealth, NodeConfig};
pub(crate) use cleanup::cleanup;
pub use held::HeldFolder;

pub(crate) const POLL: Duration = Duration::from_millis(200);
const PROBE_LIMIT: Duration = Duration::from_secs(4);
pub(crate) const STOP_GRACE: Duration = Duration::from_secs(10);
/// How many lines of a component's log an error shows.
pub(crate) const SHOWN: usize = 12;
/// The programs whose processes a start replaces. The containers' own supervisors are not among them.
const COMPONENTS: [&str; 3] = ["containerd", "kubelet", "kube-proxy"];

/// Why a node does not run, or cannot be taken down.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A file could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A process could not be supervised.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A helper program failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A program of the system is gone.
    #[error("`{name}` is not installed")]
    NoProgram {
        /// Its name.
        name: &'static str,
    },
    /// A component did not become ready in time.
    #[error("the {component} is not ready after {limit:?}: {detail}\n{log}")]
    NotReady {
        /// Which one.
        component: &'static str,
        /// The limit.
        limit: Duration,
        /// What it answered last.
        detail: String,
        /// The last lines of its log.
        log: String,
    },
    /// A component runs, and waits for the control plane: nothing of the node is known to be wrong.
    #[error("the {component} runs and is not ready after {limit:?}: {detail}\n{log}")]
    Waiting {
        /// Which one.
        component: &'static str,
        /// The limit.
        limit: Duration,
        /// What it answered last.
        detail: String,
        /// The last lines of its log.
        log: String,
    },
    /// Another K3s has what there is once on a machine.
    #[error("another K3s, or its pods, are on this machine: {} is theirs", place.display())]
    Occupied {
        /// Its container runtime's socket, or a mount of a container's.
        place: PathBuf,
    },
    /// The Docker or containerd that pods are in does not do what is asked of it.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// It cannot be heard.
    #[error("the agent's notification socket cannot be opened")]
    Notify {
        /// What the operating system answered.
        #[source]
        source: std::io::Error,
    },
    /// It has pods that nobody here knows of.
    #[error(
        "{runtime} has {found}, which a kubelet would take for its own; if they are a former node's, remove them: {fix}"
    )]
    ForeignPods {
        /// What has them, and where it listens.
        runtime: String,
        /// How many.
        found: String,
        /// A command line that removes them.
        fix: String,
    },
    /// Another worker has it.
    #[error("{} is the data folder of {by}", place.display())]
    Taken {
        /// The data folder.
        place: PathBuf,
        /// Who it says it is.
        by: String,
    },
    /// Something could not be removed.
    #[error("still there after the node was stopped: {}", left.join(", "))]
    Left {
        /// What is left.
        left: Vec<String>,
    },
}

/// A running node. [`KubernetesNode::stop`] takes it down with everything it made; dropping it only kills its
/// processes, and `cleanup` does the rest later, or another start goes on with its pods.
#[derive(Debug)]
pub struct KubernetesNode {
    config: NodeConfig,
    layout: Layout,
    containerd: Process,
    kubelet: Process,
    proxy: Process,
}

/// Where a node's files lie and how its things on the machine are called.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// The state folder, without links.
    pub(crate) state: PathBuf,
    id: String,
}

// === impl KubernetesNode ===

impl KubernetesNode {
    /// Starts the node. Pods of an earlier run go on if they are whole: their files are there, and the machine has not been
    /// started anew. Else what is left of them is removed. It takes pods after [`Self::set_pod_cidr`].
    pub async fn start(config: NodeConfig, binaries: &Binaries) -> Result<Self, NodeError> {
        let layout = Layout::new(&config.state_dir)?;
        if cleanup::can_go_on(&layout, Engine::Kubernetes, &config.owner)? {
            cleanup::stop_components(&layout, &COMPONENTS).await?;
            tracing::info!(node.state = %layout.state.display(), "going on with what an earlier run left");
        } else {
            cleanup(&layout.state).await?;
            cleanup::Record::look(&config.owner).await?.write(&layout)?;
        }
        layout.make_folders()?;
        cgroups::create(&layout)?;
        config::write_all(&layout, &config)?;
        let containerd = runtime::start(&layout, &config.images, binaries).await?;
        let kubelet = layout.process(Program::Kubelet, 2, config::kubelet_args(&layout, &config), binaries)?;
        let proxy = layout.process(Program::KubeProxy, 3, config::proxy_args(&layout, &config), binaries)?;
        Ok(Self { config, layout, containerd, kubelet, proxy })
    }

    /// Waits until every component works.
    pub async fn wait_ready(&self, limit: Duration) -> Result<(), NodeError> {
        let deadline = Instant::now() + limit;
        loop {
            let Some(waiting) = self.health().await.into_iter().find(|h| !h.healthy) else {
                return Ok(());
            };
            if Instant::now() >= deadline {
                let component = waiting.component;
                let log = self.processes().find(|p| p.name() == component).map(|p| p.last_output(SHOWN));
                let log = log.unwrap_or_default();
                return Err(NodeError::NotReady { component, limit, detail: waiting.detail, log });
            }
            sleep(POLL).await;
        }
    }

    /// The health of each component, now.
    pub async fn health(&self) -> Vec<ComponentHealth> {
        let socket = self.layout.runtime_socket();
        let (runtime, kubelet, proxy) = tokio::join!(
            UnixStream::connect(&socket),
            http_ok(config::KUBELET_HEALTH_PORT),
            http_ok(config::PROXY_HEALTH_PORT),
        );
        let runtime = runtime.map(drop).map_err(|e| e.to_string());
        let answers = [runtime, kubelet, proxy];
        self.processes()
            .zip(answers)
            .map(|(process, answer)| ComponentHealth::of(process.name(), answer, Some(&process.state())))
            .collect()
    }

    /// Gives the node its pods' addresses. The same again changes nothing.
    pub async fn set_pod_cidr(&mut self, cidr: Cidr) -> Result<(), NodeError> {
        network::set(&self.layout, cidr, self.config.join.cluster_cidr).await
    }

    /// The process ids of the components that run.
    pub fn pids(&self) -> Vec<(&'static str, u32)> {
        self.processes().filter_map(|p| Some((p.name(), p.pid()?))).collect()
    }

    /// Stops the components, the containers' own supervisors not among them.
    pub async fn halt(mut self) {
        self.kubelet.stop(STOP_GRACE).await;
        self.proxy.stop(STOP_GRACE).await;
        self.containerd.stop(STOP_GRACE).await;
    }

    /// Stops the kubelet, then the pods (SIGTERM, `grace`, SIGKILL), then the rest, and removes what they made.
    pub async fn stop(mut self, grace: Duration) -> Result<(), NodeError> {
        // First, or it would start the pods anew.
        self.kubelet.stop(STOP_GRACE).await;
        cgroups::stop_all(&self.layout, grace).await?;
        self.proxy.stop(STOP_GRACE).await;
        self.containerd.stop(STOP_GRACE).await;
        cleanup(&self.layout.state).await
    }

    fn processes(&self) -> impl Iterator<Item = &Process> {
        [&self.containerd, &self.kubelet, &self.proxy].into_iter()
    }
}

// === impl Layout ===

impl Layout {
    pub(crate) fn new(state_dir: &Path) -> Result<Self, FileError> {
        Ok(Self::of(files::make_canonical_folder(state_dir)?))
    }

    /// Of a folder that is there; makes none.
    pub(crate) fn existing(state_dir: &Path) -> Option<Self> {
        state_dir.canonicalize().ok().map(Self::of)
    }

    fn of(state: PathBuf) -> Self {
        let id = hex::encode(Sha256::digest(state.as_os_str().as_encoded_bytes()))[..8].to_owned();
        Self { state, id }
    }

    pub(crate) fn run(&self) -> PathBuf {
        self.state.join("run")
    }

    /// The parent of all pods' cgroups, relative to each hierarchy. Two kubelets in one would delete each
    /// other's pods.
    pub(crate) fn cgroup_root(&self) -> String {
        format!("k3s-daas-{}", self.id)
    }

    /// An interface name has at most 15 bytes.
    pub(crate) fn bridge(&self) -> String {
        format!("daas{}", self.id)
    }

    pub(crate) fn nft_table(&self) -> String {
        format!("k3s-daas-{}", self.id)
    }

    /// Sockets lie here: containerd's shims allow their folder 42 bytes, whatever the state folder is called.
    pub(crate) fn sockets(&self) -> PathBuf {
        PathBuf::from(format!("/run/k3s-daas-{}", self.id))
    }

    /// Beside it: what is removed with the folder or its sockets ends no lock.
    fn lock(&self) -> PathBuf {
        self.sockets().with_extension("lock")
    }

    pub(crate) fn runtime_socket(&self) -> PathBuf {
        self.sockets().join("containerd.sock")
    }

    pub(crate) fn make_folders(&self) -> Result<(), FileError> {
        let inside = ["run", "log", "etc", "cni", "containerd", "kubelet", "pods-log", "volume-plugins"];
        for folder in inside {
            files::make_folder(&self.state.join(folder))?;
        }
        files::make_folder(&self.state.join("cni/conf"))
    }

    fn process(
        &self,
        program: Program,
        order: u32,
        args: Vec<String>,
        binaries: &Binaries,
    ) -> Result<Process, NodeError> {
        let name = program.file_name();
        // containerd finds its shim and runc here, kubelet mount, kube-proxy nft.
        let path = format!("{}:{SYSTEM_PATH}", binaries.folder().display());
        let spec = ProcessSpec {
            name,
            order,
            program: binaries.path(program),
            args,
            env: vec![("PATH".to_owned(), path)],
            log: self.state.join("log").join(format!("{name}.log")),
            work_dir: self.state.clone(),
        };
        Ok(Process::start(spec, &self.run(), RestartPolicy::default())?)
    }
}

/// `Ok` if `/healthz` on a loopback port answers 200.
async fn http_ok(port: u16) -> Result<(), String> {
    let get = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n").await?;
        let mut answer = Vec::new();
        stream.take(4096).read_to_end(&mut answer).await?;
        std::io::Result::Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = match timeout(PROBE_LIMIT, get).await {
        Ok(answer) => answer.map_err(|e| e.to_string())?,
        Err(_) => return Err(format!("no answer within {PROBE_LIMIT:?}")),
    };
    let status = answer.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) == Some("200") { Ok(()) } else { Err(status.to_owned()) }
}

fn system_program(name: &'static str) -> Result<PathBuf, NodeError> {
    prerequisites::find_program(name).ok_or(NodeError::NoProgram { name })
}
