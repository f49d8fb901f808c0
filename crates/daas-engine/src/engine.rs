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
use crate::node::{self, KubernetesNode, NodeError};
use crate::pki::Pki;
use crate::prerequisites::{self, Missing, Role};
use crate::process::ProcessError;
use crate::settings::{ComponentHealth, JoinMaterial, NodeConfig, ServerConfig, ServerEndpoints};

/// Which engine is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// Whichever suits the machine.
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
}

/// Why an engine does not run.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The K3s engine was asked for.
    #[error("the k3s engine is not in this release: use `--engine kubernetes`")]
    K3sNotInThisRelease,
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
}

/// A running node.
#[derive(Debug)]
pub enum Node {
    /// Upstream Kubernetes.
    Kubernetes(Box<KubernetesNode>),
}

// === impl EngineKind ===

impl EngineKind {
    /// The engine this machine will use.
    pub fn resolve(self) -> Result<Engine, EngineError> {
        match self {
            Self::Auto | Self::Kubernetes => Ok(Engine::Kubernetes),
            Self::K3s => Err(EngineError::K3sNotInThisRelease),
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
        }
    }

    /// Whether the machine has what the engine needs for a role.
    pub fn check(self, role: Role) -> Result<(), EngineError> {
        match self {
            Self::Kubernetes => Ok(prerequisites::check(role)?),
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
        }
    }

    /// Starts a node, going on with pods that were left running; see [`Node::set_pod_cidr`] for what it needs before it is
    /// ready.
    pub async fn start_node(self, config: NodeConfig, programs: &Binaries) -> Result<Node, EngineError> {
        match self {
            Self::Kubernetes => {
                let node = KubernetesNode::start(config, programs).await?;
                Ok(Node::Kubernetes(Box::new(node)))
            }
        }
    }

    /// Stops what a killed supervisor's control plane left; does nothing if there is nothing.
    pub async fn cleanup_server(self, state_dir: &Path) -> Result<(), EngineError> {
        match self {
            Self::Kubernetes => Ok(control_plane::cleanup(state_dir).await?),
        }
    }

    /// Stops and removes what a killed supervisor's node left; does nothing if there is nothing.
    pub async fn cleanup_node(self, state_dir: &Path) -> Result<(), EngineError> {
        match self {
            Self::Kubernetes => Ok(node::cleanup(state_dir).await?),
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
        }
    }

    /// The health of each component, now.
    pub async fn health(&self) -> Vec<ComponentHealth> {
        match self {
            Self::Kubernetes(server) => server.health().await,
        }
    }

    /// Where and how the API server is reached.
    pub fn endpoints(&self) -> &ServerEndpoints {
        match self {
            Self::Kubernetes(server) => server.endpoints(),
        }
    }

    /// What a node needs to know.
    pub fn join_material(&self) -> &JoinMaterial {
        match self {
            Self::Kubernetes(server) => server.join_material(),
        }
    }

    /// The process ids of the components that run.
    pub fn pids(&self) -> Vec<(&'static str, u32)> {
        match self {
            Self::Kubernetes(server) => server.pids(),
        }
    }

    /// Stops everything in order.
    pub async fn stop(self) {
        match self {
            Self::Kubernetes(server) => server.stop().await,
        }
    }
}

// === impl Node ===

impl Node {
    /// Waits until every component works. The node's own `Ready` also needs [`Self::set_pod_cidr`].
    pub async fn wait_ready(&self, limit: Duration) -> Result<(), EngineError> {
        match self {
            Self::Kubernetes(node) => Ok(node.wait_ready(limit).await?),
        }
    }

    /// The health of each component, now.
    pub async fn health(&self) -> Vec<ComponentHealth> {
        match self {
            Self::Kubernetes(node) => node.health().await,
        }
    }

    /// Gives the node its pods' addresses (`Node.spec.podCIDR`). Calling it again with the same is fine.
    pub async fn set_pod_cidr(&mut self, cidr: Cidr) -> Result<(), EngineError> {
        match self {
            Self::Kubernetes(node) => Ok(node.set_pod_cidr(cidr).await?),
        }
    }

    /// Makes the routes to other nodes' pods exactly these (pods' network → node).
    pub async fn set_routes(&self, wanted: &BTreeMap<Cidr, Ipv4Addr>) -> Result<(), EngineError> {
        match self {
            Self::Kubernetes(_) => Ok(crate::routes::apply(wanted).await.map_err(NodeError::from)?),
        }
    }

    /// The process ids of the components that run.
    pub fn pids(&self) -> Vec<(&'static str, u32)> {
        match self {
            Self::Kubernetes(node) => node.pids(),
        }
    }

    /// Stops the components and leaves the pods running, for a start that goes on with them.
    pub async fn halt(self) {
        match self {
            Self::Kubernetes(node) => node.halt().await,
        }
    }

    /// Stops the pods (SIGTERM, `grace`, SIGKILL), then the components, and removes all that they made outside
    /// the state folder.
    pub async fn stop(self, grace: Duration) -> Result<(), EngineError> {
        match self {
            Self::Kubernetes(node) => Ok(node.stop(grace).await?),
        }
    }
}
