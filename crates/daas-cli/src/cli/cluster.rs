//! Arguments of the commands about machines and clusters.

use clap::{Args, ValueEnum};
use daas_engine::k3s::{Place, RELEASES, Release};
use daas_types::{Mist, NodeId};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// How Kubernetes is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    Auto,
    Kubernetes,
    K3s,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// What `up` hands to its supervisor.
#[derive(Args, Clone, Debug)]
pub(crate) struct Settings {
    /// Port of the gateway
    #[arg(long, default_value_t = 6443)]
    pub(crate) port: u16,
    /// Address other machines reach the gateway by; by default this machine's on its default route
    #[arg(long, value_name = "IP")]
    pub(crate) bind: Option<IpAddr>,
    /// Control plane only; needs no root, unless the engine is k3s
    #[arg(long)]
    pub(crate) no_node: bool,
    /// How Kubernetes is started
    #[arg(long, value_enum, default_value_t = Engine::Auto)]
    pub(crate) engine: Engine,
    /// Address of the development network's gRPC services
    #[arg(long, value_name = "IP:PORT", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 9000)))]
    pub(crate) devnet_listen: SocketAddr,
    /// Address of the development network's faucet
    #[arg(long, value_name = "IP:PORT", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 9123)))]
    pub(crate) devnet_faucet: SocketAddr,
    /// Address of the master's health, readiness and metrics
    #[arg(long, value_name = "IP:PORT", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 6444)))]
    pub(crate) admin: SocketAddr,
    /// Allow this master's measurement on chain, after the programs were replaced
    #[arg(long)]
    pub(crate) allow_measurement: bool,
    /// Configuration file of the master; these flags win over it
    #[arg(long, value_name = "FILE", env = "NAUTILUS_CONFIG_PATH")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct EngineArgs {
    /// Fetch this release of K3s instead, such as v1.36.2+k3s1, and check its checksum
    #[arg(long, value_name = "VERSION")]
    pub(crate) k3s: Option<Release>,
    /// Where releases of K3s lie; HTTPS, or HTTP on this machine
    #[arg(long, value_name = "URL", env = "K3S_DAAS_K3S_RELEASES", default_value = RELEASES)]
    pub(crate) k3s_releases: Place,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct SuperviseArgs {
    #[command(flatten)]
    pub(crate) settings: Settings,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct DownArgs {
    /// Also remove the state folder: the network, the wallet's stake, the cluster's data
    #[arg(long)]
    pub(crate) purge: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct StatusArgs {
    /// Print only the namespace of your position
    #[arg(long, conflicts_with = "json")]
    pub(crate) namespace: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct JoinArgs {
    /// Name of this node in the cluster
    #[arg(long, value_name = "NAME")]
    pub(crate) node_id: NodeId,
    /// SUI to stake if this node has no stake yet
    #[arg(long, value_name = "SUI", default_value = "5")]
    pub(crate) stake: Mist,
    /// Address other nodes reach this machine by
    #[arg(long, value_name = "IP")]
    pub(crate) node_ip: Option<IpAddr>,
    /// Take the place of the machine that holds the node id; its Seal ends
    #[arg(long)]
    pub(crate) replace: bool,
    /// Return once the worker is started, and leave it running
    #[arg(long)]
    pub(crate) background: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct KubeconfigArgs {
    /// Name a token file instead of the exec plugin; the token is the Seal's secret
    #[arg(long = "static")]
    pub(crate) static_token: bool,
    /// Write here, readable by you alone, instead of printing
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The Seal's file; by default the one `stake` wrote
    #[arg(long, value_name = "FILE")]
    pub(crate) seal: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct CredentialArgs {
    /// The Seal's file
    #[arg(long, value_name = "FILE")]
    pub(crate) seal: Option<PathBuf>,
}
