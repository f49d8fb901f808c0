//! Starting, watching and stopping Kubernetes processes. Knows nothing of stake or chain.
//!
//! The rest of the product uses [`Engine`] with its [`Server`] and [`Node`], the [`pki`] of a cluster and the
//! [`build`] cache; how the processes are run lies in `control_plane` and `node`, one flag per line.
#![warn(missing_docs)]

pub mod build;
mod cidr;
mod command;
mod control_plane;
mod engine;
mod files;
pub mod images;
pub mod k3s;
mod links;
pub mod lock;
mod node;
pub mod pki;
mod prerequisites;
mod probe;
pub mod process;
pub mod routes;
mod settings;

pub use cidr::{Cidr, CidrError};
pub use command::CommandError;
pub use control_plane::{ControlPlane, ControlPlaneError};
pub use engine::{Engine, EngineError, EngineKind, Node, Server};
pub use files::FileError;
pub use node::{HeldFolder, KubernetesNode, NodeError};
pub use prerequisites::{Missing, Need, Role};
pub use settings::{
    AgentConfig, AgentEndpoints, ComponentHealth, ContainerRuntime, CredentialPlugin, JoinMaterial, NodeConfig,
    ServerConfig, ServerEndpoints, ServerPorts, Taint, TlsVersion,
};
