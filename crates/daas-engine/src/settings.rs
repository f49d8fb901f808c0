//! The settings and answers that every engine has in common.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::cidr::Cidr;
use crate::pki::{CertFiles, PkiNames};
use crate::process::ProcessState;

/// A TLS version as a lower bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlsVersion {
    /// TLS 1.2
    Tls12,
    /// TLS 1.3
    Tls13,
}

/// Loopback ports of the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerPorts {
    /// The API server's.
    pub api: u16,
    /// The controller-manager's, for its health.
    pub controller_manager: u16,
    /// The scheduler's, for its health.
    pub scheduler: u16,
}

/// A control plane to run.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where all its files lie.
    pub state_dir: PathBuf,
    /// Where it listens; never on anything but 127.0.0.1.
    pub ports: ServerPorts,
    /// The machine's own address as the API server names it; must not be loopback.
    pub advertise_address: Ipv4Addr,
    /// The port of the gateway at that address.
    pub advertise_port: u16,
    /// Names and addresses by which clients reach the gateway.
    pub gateway_sans: Vec<String>,
    /// Pod addresses.
    pub cluster_cidr: Cidr,
    /// Service addresses.
    pub service_cidr: Cidr,
    /// The cluster's DNS server.
    pub cluster_dns: Ipv4Addr,
    /// The cluster's DNS domain.
    pub domain: String,
    /// Lowest TLS version.
    pub tls_min_version: TlsVersion,
    /// Allowed cipher suites by their IANA names; empty for the default ones.
    pub cipher_suites: Vec<String>,
    /// Verbosity of the components' logs, 0 to 10.
    pub log_level: u8,
    /// Whether the datastore is etcd, which K3s has in it; with K3s alone.
    pub cluster_init: bool,
}

/// Where and how the gateway and the controllers reach the API server. Keys are named by file, never carried.
#[derive(Clone, Debug)]
pub struct ServerEndpoints {
    /// The state folder, without links.
    pub state_dir: PathBuf,
    /// The API server.
    pub api: SocketAddr,
    /// The CA of its certificate, and of the gateway's.
    pub server_ca: PathBuf,
    /// Shows the API server that a request's identity headers are the gateway's.
    pub front_proxy: CertFiles,
    /// What the gateway shows its clients.
    pub gateway_serving: CertFiles,
    /// The master's own controllers; `system:masters`, never to leave the machine.
    pub controller: CertFiles,
    /// The same as a kubeconfig.
    pub controller_kubeconfig: PathBuf,
    /// Verifies service-account tokens.
    pub service_account_public_key_pem: String,
    /// Their issuer.
    pub service_account_issuer: String,
    /// What the gateway needs where nodes join by the control plane's own protocol, which is K3s'.
    pub agents: Option<AgentEndpoints>,
}

/// What stands behind a gateway through which K3s' agents join.
#[derive(Clone, Debug)]
pub struct AgentEndpoints {
    /// The token that agents join with. Another than the server's, which opens everything.
    pub token: PathBuf,
    /// The CA of agents' certificates.
    pub client_ca: PathBuf,
    /// The name of the server as a node: it takes a tunnel to where its agents take theirs.
    pub server_node: String,
    /// The certificate by which it does.
    pub server_cert: PathBuf,
}

/// What a node needs to know of a cluster; nothing in it is secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JoinMaterial {
    /// The CA of the gateway's certificate.
    pub server_ca_pem: String,
    /// The CA of those who may call kubelets.
    pub kubelet_client_ca_pem: String,
    /// Pod addresses.
    pub cluster_cidr: Cidr,
    /// The cluster's DNS server.
    pub cluster_dns: Ipv4Addr,
    /// The cluster's DNS domain.
    pub domain: String,
}

/// The program that answers a client's request for a credential. No secret among its arguments.
#[derive(Clone, Debug)]
pub struct CredentialPlugin {
    /// The program, as a full path.
    pub command: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its environment.
    pub env: BTreeMap<String, String>,
}

/// A taint that a node registers with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value, may be empty.
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

/// A node to run.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Where all its files lie; two nodes on one machine have two.
    pub state_dir: PathBuf,
    /// Which worker's it is, in its own words: what another's left is not gone on with.
    pub owner: String,
    /// The node's name.
    pub node_name: String,
    /// Its address towards the API server and other nodes.
    pub node_ip: Ipv4Addr,
    /// The gateway, `https://host:port`.
    pub api_server: String,
    /// The cluster.
    pub join: JoinMaterial,
    /// How the kubelet shows who it is.
    pub kubelet_credential: CredentialPlugin,
    /// How kube-proxy shows who it is.
    pub proxy_credential: CredentialPlugin,
    /// The kubelet's serving certificate, issued at join.
    pub serving: CertFiles,
    /// Labels to register with.
    pub labels: BTreeMap<String, String>,
    /// Taints to register with.
    pub taints: Vec<Taint>,
    /// Image archives to import before the kubelet starts.
    pub images: Vec<PathBuf>,
    /// The most pods it takes.
    pub max_pods: u16,
    /// Verbosity of the components' logs, 0 to 10.
    pub log_level: u8,
}

/// What runs the pods of a node that joins by K3s' own protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ContainerRuntime {
    /// The containerd that K3s brings along.
    #[default]
    Own,
    /// The machine's Docker.
    Docker,
    /// A containerd, or another that speaks CRI, at this socket.
    Socket(PathBuf),
}

/// A node to run that joins by K3s' own protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentConfig {
    /// Where all its files lie but the token's.
    pub state_dir: PathBuf,
    /// Which worker's it is, in its own words: what another's left is not gone on with.
    pub owner: String,
    /// The node's name.
    pub node_name: String,
    /// Its address towards the gateway and other nodes.
    pub node_ip: Ipv4Addr,
    /// The gateway, `https://host:port`.
    pub api_server: String,
    /// What runs its pods.
    pub runtime: ContainerRuntime,
    /// What it shows at each start, in a file that nobody else reads; made by [`crate::k3s::token`].
    pub token_file: PathBuf,
    /// The most pods it takes.
    pub max_pods: u16,
    /// Verbosity of its log, 0 to 10.
    pub log_level: u8,
}

/// How one component is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentHealth {
    /// Its name for people.
    pub component: &'static str,
    /// Whether it works.
    pub healthy: bool,
    /// What is wrong; empty if nothing is.
    pub detail: String,
}

// === impl ServerConfig ===

impl ServerConfig {
    /// What the cluster's certificates must be valid for.
    pub fn pki_names(&self) -> PkiNames {
        PkiNames {
            gateway_sans: self.gateway_sans.clone(),
            service_ip: self.service_cidr.nth(1).unwrap_or(self.service_cidr.network()),
            domain: self.domain.clone(),
        }
    }
}

impl Default for ServerPorts {
    fn default() -> Self {
        Self { api: 16444, controller_manager: 16457, scheduler: 16459 }
    }
}

// === impl ComponentHealth ===

impl ComponentHealth {
    /// Joins what a component answers with what its process does.
    pub(crate) fn of(component: &'static str, answer: Result<(), String>, process: Option<&ProcessState>) -> Self {
        let wrong = match (answer, process) {
            (Ok(()), Some(ProcessState::Running { .. })) => None,
            (_, None) => Some("not started yet".to_owned()),
            (_, Some(ProcessState::Backoff { exits, reason })) => {
                Some(format!("ended {exits} times, last with {reason}"))
            }
            (_, Some(ProcessState::Failed { reason })) => Some(format!("cannot be started: {reason}")),
            (_, Some(ProcessState::Starting)) => Some("starting".to_owned()),
            (_, Some(ProcessState::Stopped)) => Some("stopped".to_owned()),
            (Err(detail), Some(ProcessState::Running { .. })) => Some(detail),
        };
        Self { component, healthy: wrong.is_none(), detail: wrong.unwrap_or_default() }
    }
}
