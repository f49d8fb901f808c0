//! What the rest of the product sees of an engine: settings in, running processes and addresses out. Nothing
//! here is particular to one engine; a new one is a new arm of the `match`es in this file.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::build::{self, Binaries, BuildError, Progress};
use crate::cidr::Cidr;
use crate::control_plane::{self, ControlPlane, ControlPlaneError};
use crate::k3s::{self, K3sAgent, K3sError, K3sServer};
use crate::node::{self, KubernetesNode, NodeError};
use crate::pki::Pki;
use crate::prerequisites::{self, Missing, Role};
use crate::process::ProcessError;
use crate::settings::{
    AgentConfig, ComponentHealth, ContainerRuntime, JoinMaterial, NodeConfig, ServerConfig, ServerEndpoints,
};

/// Which engine is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// The one that needs nothing but what this machine can build.
    #[default]
    Auto,
    /// Upstream Kubernetes built from its Go modules.
    Kubernetes,
    /// The official K3s release.
    K3s,
}

/// An engine that this machine can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Upstream Kubernetes built from its Go modules.
    Kubernetes,
    /// The official K3s release.
    K3s,
}

/// Why an engine does not run.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// There is no K3s that can be used.
    #[error(transparent)]
    K3s(#[from] K3sError),
    /// A node was to join as those of the other engine do.
    #[error("a node of the {0} engine does not join that way")]
    OtherWay(Engine),
    /// Pods were to run in what is not the node's.
    #[error("nodes of the kubernetes engine run their containers in a containerd of their own, not in {}", match .0 {
        ContainerRuntime::Socket(socket) => format!("the one at {}", socket.display()),
        ContainerRuntime::Docker | ContainerRuntime::Own => "Docker".to_owned(),
    })]
    NoRuntime(ContainerRuntime),
    /// An engine nobody knows.
    #[error("unknown engine {0:?}: expected auto, kubernetes or k3s")]
    Unknown(String),
    /// The machine lacks something.
    #[error(transparent)]
    Prerequisites(#[from] Missing),
    /// The programs are not there.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The control plane does not run.
    #[error(transparent)]
    Server(#[from] ControlPlaneError),
    /// The node does not run.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Leftovers cannot be stopped.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// A running control plane.
#[derive(Debug)]
pub enum Server {
    /// Upstream Kubernetes.
    Kubernetes(Box<ControlPlane>),
    /// K3s.
    K3s(Box<K3sServer>),
}

/// A running node.
#[derive(Debug)]
pub enum Node {
    /// Upstream Kubernetes.
    Kubernetes(Box<KubernetesNode>),
    /// K3s' agent.
    K3s(Box<K3sAgent>),
}

// === impl EngineKind ===

impl EngineKind {
    /// The engine that is meant. `auto` is the one that needs nothing which is not there already.
    pub fn resolve(self) -> Engine {
        match self {
            Self::Auto | Self::Kubernetes => Engine::Kubernetes,
            Self::K3s => Engine::K3s,
        }
    }
}

impl FromStr for EngineKind {
    type Err = EngineError;

    fn from_str(text: &str) -> Result<Self, EngineError> {
        match text {
            "auto" => Ok(Self::Auto),
            "kubernetes" => Ok(Self::Kubernetes),
            "k3s" => Ok(Self::K3s),
            other => Err(EngineError::Unknown(other.to_owned())),
        }
    }
}

// === impl Engine ===

impl Engine {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes",
            Self::K3s => "k3s",
        }
    }

    /// What people should know before they rely on it.
    pub const fn caveats(self) -> &'static [&'static str] {
        match self {
            Self::Kubernetes => &[
                "datastore: not encrypted",
                "NetworkPolicy is not enforced",
                "nodes must be able to route to each other",
            ],
            Self::K3s => &["datastore: not encrypted"],
        }
    }

    /// Whether the machine has what the engine needs for a role.
    pub fn check(self, role: Role) -> Result<(), EngineError> {
        match self {
            Self::Kubernetes => Ok(prerequisites::check(role)?),
            Self::K3s => Ok(prerequisites::check_k3s(role)?),
        }
    }

    /// The engine's programs, made or fetched first if they are not there.
    pub async fn programs(
        self,
        cache_dir: &Path,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Binaries, EngineError> {
        match self {
            Self::Kubernetes => Ok(build::ensure(cache_dir, progress).await?),
            Self::K3s => Ok(k3s::find(cache_dir).await?.ok_or(K3sError::NotFound)?),
        }
    }

    /// The engine's programs if they are there; never builds.
    pub async fn find_programs(self, cache_dir: &Path) -> Result<Option<Binaries>, EngineError> {
        match self {
            Self::Kubernetes => Ok(build::find(cache_dir).await?),
            Self::K3s => Ok(k3s::find(cache_dir).await?),
        }
    }

    /// Starts a control plane; see [`Server::wait_ready`].
    pub async fn start_server(
        self,
        config: ServerConfig,
        programs: Binaries,
        pki: &Pki,
    ) -> Result<Server, EngineError> {
        match self {
            Self::Kubernetes => {
                let server = ControlPlane::start(config, programs, pki).await?;
                Ok(Server::Kubernetes(Box::new(server)))
            }
            Self::K3s => Ok(Server::K3s(Box::new(K3sServer::start(config, &programs, pki).await?))),
        }
    }

    /// Whether its nodes join by K3s' own protocol, which is [`Self::start_agent`], or by [`Self::start_node`].
    pub const fn has_agents(self) -> bool {
        matches!(self, Self::K3s)
    }

    /// Starts a node, going on with pods that were left running; see [`Node::set_pod_cidr`] for what it needs before it is
    /// ready.
    pub async fn start_node(self, config: NodeConfig, programs: &Binaries) -> Result<Node, EngineError> {
        match self {
            Self::Kubernetes => {
                let node = KubernetesNode::start(config, programs).await?;
                Ok(Node::Kubernetes(Box::new(node)))
            }
            Self::K3s => Err(EngineError::OtherWay(self)),
        }
    }

    /// Starts a node that joins by itself, going on with pods that were left running. It reads its token at each start.
    pub async fn start_agent(self, config: &AgentConfig, programs: &Binaries) -> Result<Node, EngineError> {
        match self {
            Self::Kubernetes => Err(EngineError::OtherWay(self)),
            Self::K3s => Ok(Node::K3s(Box::new(K3sAgent::start(config, programs).await?))),
        }
    }

    /// Stops what a killed supervisor's control plane left; does nothing if there is nothing.
    pub async fn cleanup_server(self, state_dir: &Path) -> Result<(), EngineError> {
        match self {
            Self::Kubernetes => Ok(control_plane::cleanup(state_dir).await?),
            Self::K3s => Ok(k3s::cleanup(state_dir).await?),
        }
    }

    /// Whether a node was started in this folder, and not taken down since: its pods may run, whoever supervises them.
    pub fn has_left_node(self, state_dir: &Path) -> bool {
        match self {
            Self::Kubernetes | Self::K3s => node::cleanup::is_left(state_dir),
        }
    }

    /// Refuses a machine on which another's node is where this one would be. What was left in this folder is none.
    pub fn check_place(self, state_dir: &Path) -> Result<(), EngineError> {
        match self {
            Self::K3s if !self.has_left_node(state_dir) => Ok(k3s::Traces::refuse_others_pods()?),
            Self::Kubernetes | Self::K3s => Ok(()),
        }
    }

    /// Refuses a machine whose Docker or containerd does not answer, or has pods already, for a node whose pods are to run there. What
    /// was left in this folder may have its own in it.
    pub async fn check_runtime(self, runtime: &ContainerRuntime, state_dir: &Path) -> Result<(), EngineError> {
        let Some(lent) = k3s::Lent::of(runtime) else { return Ok(()) };
        if self == Self::Kubernetes {
            return Err(EngineError::NoRuntime(runtime.clone()));
        }
        let left = node::cleanup::is_left_in(state_dir, runtime).map_err(NodeError::from)?;
        let fit = if left { lent.answers().await } else { lent.is_free().await };
        Ok(fit?)
    }

    /// Stops and removes what a killed supervisor's node left; does nothing if there is nothing.
    pub async fn cleanup_node(self, state_dir: &Path) -> Result<(), EngineError> {
        match self {
            // Which engine's node was here, its record says.
            Self::Kubernetes | Self::K3s => Ok(node::cleanup(state_dir).await?),
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

// === impl Server ===

impl Server {
    /// Waits until every component is ready.
    pub async fn wait_ready(&mut self, limit: Duration) -> Result<(), EngineError> {
        match self {
            Self::Kubernetes(server) => Ok(server.wait_ready(limit).await?),
            Self::K3s(server) => Ok(server.wait_ready(limit).await?),
        }
    }

    /// The health of each component, now.
    pub async fn health(&self) -> Vec<ComponentHealth> {
        match self {
            Self::Kubernetes(server) => server.health().await,
            Self::K3s(server) => server.health().await,
        }
    }

    /// Where and how the API server is reached.
    pub fn endpoints(&self) -> &ServerEndpoints {
        match self {
            Self::Kubernetes(server) => server.endpoints(),
            Self::K3s(server) => server.endpoints(),
        }
    }

    /// What a node needs to know.
    pub fn join_material(&self) -> &JoinMaterial {
        match self {
            Self::Kubernetes(server) => server.join_material(),
            Self::K3s(server) => server.join_material(),
        }
    }

    /// The process ids of the components that run.
    pub fn pids(&self) -> Vec<(&'static str, u32)> {
        match self {
            Self::Kubernetes(server) => server.pids(),
            Self::K3s(server) => server.pids(),
        }
    }

    /// Stops everything in order.
    pub async fn stop(self) {
        match self {
            Self::Kubernetes(server) => server.stop().await,
            Self::K3s(server) => server.stop().await,
        }
    }
}

// === impl Node ===

impl Node {
    /// Waits until every component works. The node's own `Ready` also needs [`Self::set_pod_cidr`].
    pub async fn wait_ready(&self, limit: Duration) -> Result<(), EngineError> {
        match self {
            Self::Kubernetes(node) => Ok(node.wait_ready(limit).await?),
            Self::K3s(agent) => Ok(agent.wait_ready(limit).await?),
        }
    }

    /// The health of each component, now.
    pub async fn health(&self) -> Vec<ComponentHealth> {
        match self {
            Self::Kubernetes(node) => node.health().await,
            Self::K3s(agent) => agent.health(),
        }
    }

    /// Gives the node its pods' addresses (`Node.spec.podCIDR`). Calling it again with the same is fine. K3s' agent finds them,
    /// and the other nodes', by itself.
    pub async fn set_pod_cidr(&mut self, cidr: Cidr) -> Result<(), EngineError> {
        match self {
            Self::Kubernetes(node) => Ok(node.set_pod_cidr(cidr).await?),
            Self::K3s(_) => Ok(()),
        }
    }

    /// Makes the routes to other nodes' pods exactly these (pods' network → node).
    pub async fn set_routes(&self, wanted: &BTreeMap<Cidr, Ipv4Addr>) -> Result<(), EngineError> {
        match self {
            Self::Kubernetes(_) => Ok(crate::routes::apply(wanted).await.map_err(NodeError::from)?),
            Self::K3s(_) => Ok(()),
        }
    }

    /// The process ids of the components that run.
    pub fn pids(&self) -> Vec<(&'static str, u32)> {
        match self {
            Self::Kubernetes(node) => node.pids(),
            Self::K3s(agent) => agent.pids(),
        }
    }

    /// Stops the components and leaves the pods running, for a start that goes on with them.
    pub async fn halt(self) {
        match self {
            Self::Kubernetes(node) => node.halt().await,
            Self::K3s(agent) => agent.halt().await,
        }
    }

    /// Stops the pods (SIGTERM, `grace`, SIGKILL), then the components, and removes all that they made outside
    /// the state folder.
    pub async fn stop(self, grace: Duration) -> Result<(), EngineError> {
        match self {
            Self::Kubernetes(node) => Ok(node.stop(grace).await?),
            Self::K3s(agent) => Ok(agent.stop(grace).await?),
        }
    }
}
