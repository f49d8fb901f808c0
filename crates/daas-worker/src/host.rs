//! The node on this machine: its programs, its serving key, starting and stopping it.

mod address;
mod agent;
mod material;
mod programs;
mod reserve;

use crate::config::WorkerConfig;
use crate::peers::Peers;
use crate::store::Store;
pub use address::node_ip;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use daas_client::SealFile;
use daas_engine::build::{Binaries, Program, Progress};
use daas_engine::pki::CertFiles;
use daas_engine::{AgentConfig, Cidr, ContainerRuntime, CredentialPlugin, Engine, HeldFolder, Node, NodeConfig, Role};
use daas_types::api::RegisterWorkerResponse;
use daas_types::join::{JoinFile, Joining};
use daas_types::{ErrorCode, NodeId, NodeMarks, Problem, SealId};
use material::{join_material, pem, taints};
use programs::{cache, engine, problem};
pub use programs::{check_programs, check_runtime, fetch};
use rcgen::{CertificateParams, DnType, KeyPair};
use reserve::hold;
pub(crate) use reserve::reserve;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::sleep;

/// How long the node's components may take to come up.
const READY: Duration = Duration::from_mins(2);
/// How often a node is started beside its former pods before it is started without them, and how long after another.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);
const MAX_PODS: u16 = 110;
const SERVING_KEY: &str = "serving.key";
const SERVING_CERT: &str = "serving.crt";

/// What runs, or could run, on this machine.
pub struct Host {
    engine: Engine,
    cache: PathBuf,
    data_dir: PathBuf,
    state_dir: PathBuf,
    /// This machine's identity, by which what it leaves in the data folder is told from another worker's.
    owner: String,
    node_id: NodeId,
    marks: NodeMarks,
    runtime: ContainerRuntime,
    programs: Option<Binaries>,
    /// Archives of what the node's containers are made of; K3s has its own.
    images: Vec<PathBuf>,
    plan: Option<Plan>,
    node: Option<Node>,
    applied: Peers,
    /// The Seal that K3s' agent was last started with.
    shown: Option<SealId>,
    /// The data folder, from the check on. Last: what runs there ends before it is anybody else's.
    held: Option<HeldFolder>,
}

/// What is started.
enum Plan {
    Node(Box<NodeConfig>),
    Agent(AgentConfig),
}

/// What a node is started with.
pub struct Admission<'a> {
    /// The cluster.
    pub join: &'a JoinFile,
    /// The node's address.
    pub ip: Ipv4Addr,
    /// What the master said.
    pub answer: &'a RegisterWorkerResponse,
    /// The Seal that it joins by.
    pub seal: &'a SealFile,
}

// === impl Host ===

impl Host {
    /// A host that runs nothing yet, for a cluster whose nodes join like this.
    pub fn new(config: &WorkerConfig, store: &Store, node_id: NodeId, joining: Joining) -> Result<Self, Problem> {
        let engine = engine(joining);
        let cache = cache(config)?;
        let data_dir =
            std::path::absolute(config.data_dir(joining)).map_err(Problem::of(ErrorCode::StateUnreadable))?;
        Ok(Self {
            engine,
            cache,
            data_dir,
            state_dir: store.folder().to_owned(),
            owner: store.instance_id()?,
            node_id,
            marks: config.marks.clone(),
            runtime: config.runtime.clone(),
            programs: None,
            images: Vec::new(),
            plan: None,
            node: None,
            applied: Peers::default(),
            shown: None,
            held: None,
        })
    }

    /// Refuses a machine that cannot run a node, and a data folder that another worker runs one from, before any money is spent.
    pub async fn check(&mut self) -> Result<(), Problem> {
        self.engine.check(Role::Node).map_err(problem)?;
        if self.held.is_none() {
            self.held = Some(hold(&self.data_dir, &self.state_dir)?);
        }
        self.engine.check_runtime(&self.runtime, &self.data_dir).await.map_err(problem)?;
        self.engine.check_place(&self.data_dir).map_err(problem)
    }

    /// The engine's programs and images, built first if they are not there. K3s is never built or fetched.
    pub async fn prepare(&mut self) -> Result<(), Problem> {
        if self.programs.is_none() {
            let mut tell = |progress: Progress| tracing::debug!(?progress, "engine programs");
            let programs = self.engine.programs(&self.cache, &mut tell).await.map_err(problem)?;
            if !self.engine.has_agents() {
                let kubectl = programs.path(Program::Kubectl);
                let images = daas_engine::images::build(&self.state_dir.join("images"), &kubectl).await;
                self.images = images.map_err(Problem::of(ErrorCode::NodeFailed))?;
            }
            self.programs = Some(programs);
        }
        Ok(())
    }

    /// Labels and taints that its owner wants on the node.
    pub fn marks(&self) -> &NodeMarks {
        &self.marks
    }

    /// Whether a node runs here.
    pub fn runs(&self) -> bool {
        self.node.is_some()
    }

    /// Whether an earlier worker's node was not taken down: its pods may run.
    pub fn has_left(&self) -> bool {
        self.engine.has_left_node(&self.data_dir)
    }

    /// A request for the kubelet's serving certificate, base64 DER. The key is made here and stays here. Empty if the node asks
    /// for it by itself.
    pub fn serving_csr(&self, store: &Store) -> Result<String, Problem> {
        if self.engine.has_agents() {
            return Ok(String::new());
        }
        let path = store.file(SERVING_KEY);
        let key = if let Ok(pem) = std::fs::read_to_string(&path) {
            KeyPair::from_pem(&pem).map_err(Problem::of(ErrorCode::StateUnreadable))?
        } else {
            let key = KeyPair::generate().map_err(Problem::of(ErrorCode::Internal))?;
            store.write(SERVING_KEY, key.serialize_pem().as_bytes())?;
            key
        };
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::OrganizationName, "system:nodes");
        params.distinguished_name.push(DnType::CommonName, format!("system:node:{}", self.node_id));
        let request = params.serialize_request(&key).map_err(Problem::of(ErrorCode::Internal))?;
        Ok(STANDARD.encode(request.der()))
    }

    /// Starts the node with what the master answered, unless it runs.
    pub async fn start(&mut self, store: &Store, admission: Admission<'_>) -> Result<(), Problem> {
        if self.engine.has_agents() {
            return self.start_agent(store, admission).await;
        }
        let Admission { join, ip, answer, .. } = admission;
        store.write(SERVING_CERT, pem(&answer.serving_cert, "serving_cert")?.as_bytes())?;
        if self.node.is_some() {
            return Ok(());
        }
        self.prepare().await?;
        self.plan = Some(Plan::Node(Box::new(NodeConfig {
            state_dir: self.data_dir.clone(),
            owner: self.owner.clone(),
            node_name: self.node_id.to_string(),
            node_ip: ip,
            api_server: join.endpoint.clone(),
            join: join_material(join, answer)?,
            kubelet_credential: self.plugin("kubelet")?,
            proxy_credential: self.plugin("kube-proxy")?,
            serving: CertFiles { cert: store.file(SERVING_CERT), key: store.file(SERVING_KEY) },
            labels: self.marks.labels().clone(),
            taints: taints(&self.marks),
            images: self.images.clone(),
            max_pods: MAX_PODS,
            log_level: 2,
        })));
        self.restart().await
    }

    /// Starts the node's processes, stopping them first if they run. Pods go on: those of this node, and those of one that
    /// was left running here.
    pub async fn restart(&mut self) -> Result<(), Problem> {
        self.applied = Peers::default();
        if let Some(node) = self.node.take() {
            node.halt().await;
        }
        match persist(async || self.launch().await).await {
            Err(problem) => {
                tracing::warn!(%problem, "the node does not start; starting it without its former pods");
                self.start_anew().await
            }
            started => started,
        }
    }

    /// Takes down all that is there, pods too, and starts the node.
    pub async fn start_anew(&mut self) -> Result<(), Problem> {
        self.stop(Duration::from_secs(10)).await?;
        self.launch().await
    }

    async fn launch(&mut self) -> Result<(), Problem> {
        let (Some(plan), Some(programs)) = (&self.plan, &self.programs) else {
            return Ok(());
        };
        let started = match plan {
            Plan::Node(config) => self.engine.start_node(config.as_ref().clone(), programs).await,
            Plan::Agent(config) => self.engine.start_agent(config, programs).await,
        };
        self.node = Some(started.map_err(problem)?);
        Ok(())
    }

    /// Waits until every component works.
    pub async fn wait_ready(&self) -> Result<(), Problem> {
        match &self.node {
            Some(node) => node.wait_ready(READY).await.map_err(problem),
            None => Ok(()),
        }
    }

    /// What of the node does not work, by name.
    pub async fn unhealthy(&self) -> Vec<String> {
        let Some(node) = &self.node else {
            return vec!["node".to_owned()];
        };
        let health = node.health().await;
        health.into_iter().filter(|c| !c.healthy).map(|c| format!("{}: {}", c.component, c.detail)).collect()
    }

    /// Gives the node its pod network and the routes to the others'. The same again changes nothing.
    pub async fn apply(&mut self, peers: &Peers) -> Result<(), Problem> {
        let Some(node) = &mut self.node else { return Ok(()) };
        if let Some(own) = peers.own
            && self.applied.own != Some(own)
        {
            node.set_pod_cidr(own).await.map_err(problem)?;
            self.applied.own = Some(own);
            tracing::info!(node.pod_cidr = %own, "pod network set");
        }
        // Without its own network a node has no pods that could need the others'.
        if self.applied.own.is_some() && self.applied.routes != peers.routes {
            node.set_routes(&peers.routes).await.map_err(problem)?;
            self.applied.routes.clone_from(&peers.routes);
        }
        Ok(())
    }

    /// The node's address and the network of all pods, once the node was started, if it is for the worker to connect them.
    pub fn network(&self) -> Option<(Ipv4Addr, Cidr)> {
        match self.plan.as_ref()? {
            Plan::Node(config) => Some((config.node_ip, config.join.cluster_cidr)),
            Plan::Agent(_) => None,
        }
    }

    /// Whether the node has its pod network, or sees to that itself.
    pub fn has_network(&self) -> bool {
        self.engine.has_agents() || self.applied.own.is_some()
    }

    /// Stops kubelet and pods, giving pods `grace`, and removes what they made outside the data folder. Also takes down
    /// what a killed worker left.
    pub async fn stop(&mut self, grace: Duration) -> Result<(), Problem> {
        self.applied = Peers::default();
        if let Some(node) = self.node.take() {
            match node.stop(grace).await {
                Ok(()) => return Ok(()),
                Err(error) => tracing::warn!(%error, "node did not stop in order; cleaning up"),
            }
        }
        self.engine.cleanup_node(&self.data_dir).await.map_err(problem)
    }

    fn plugin(&self, usage: &str) -> Result<CredentialPlugin, Problem> {
        let command = std::env::current_exe().map_err(Problem::of(ErrorCode::Internal))?;
        let folder = self.state_dir.display().to_string();
        let args = ["credential", "--usage", usage, "--state-dir", &folder].map(str::to_owned).to_vec();
        Ok(CredentialPlugin { command, args, env: BTreeMap::new() })
    }
}

/// Tries again what fails: a component that was killed half-way is no reason to give pods up.
async fn persist(mut launch: impl AsyncFnMut() -> Result<(), Problem>) -> Result<(), Problem> {
    for _ in 1..TRIES {
        let Err(problem) = launch().await else { return Ok(()) };
        tracing::warn!(%problem, "the node does not start; trying again");
        sleep(PAUSE).await;
    }
    launch().await
}

/// Where the credential plugin remembers verdicts.
pub fn verdict_dir(state_dir: &Path) -> PathBuf {
    state_dir.join("verified")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_start_that_fails_once_or_twice_costs_no_pods() {
        for (failures, expected) in [(0, Ok(1)), (1, Ok(2)), (2, Ok(3)), (3, Err(3)), (9, Err(3))] {
            let mut tried = 0;
            let told = persist(async || {
                tried += 1;
                if tried > failures { Ok(()) } else { Err(Problem::new(ErrorCode::NodeFailed, "killed")) }
            });
            let told = told.await;
            assert_eq!(told.map(|()| tried).map_err(|_| tried), expected, "{failures} failures");
        }
    }
}
