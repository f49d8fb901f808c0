//! The configuration as it is written, before it is checked.

use core::net::IpAddr;
use daas_daemon::logs::Format;
use daas_types::Mist;
use serde::Deserialize;
use std::path::PathBuf;

#[derive(Deserialize)]
pub(super) struct Raw {
    pub(super) cluster: Option<PathBuf>,
    pub(super) state_dir: PathBuf,
    pub(super) wallet: Option<PathBuf>,
    pub(super) container_runtime: String,
    pub(super) container_runtime_endpoint: Option<String>,
    #[serde(default)]
    pub(super) sui: RawSui,
    #[serde(default)]
    pub(super) k3s: RawK3s,
    pub(super) node: RawNode,
    pub(super) api: RawApi,
    #[serde(default)]
    pub(super) security: RawSecurity,
    pub(super) engine: Option<RawEngine>,
    pub(super) health: RawHealth,
    pub(super) log: RawLog,
}

#[derive(Default, Deserialize)]
pub(super) struct RawSui {
    pub(super) rpc_endpoint: Option<String>,
    pub(super) staking_contract: Option<String>,
    pub(super) wallet_address: Option<String>,
}

#[derive(Default, Deserialize)]
pub(super) struct RawK3s {
    pub(super) master_endpoint: Option<String>,
    pub(super) data_dir: Option<PathBuf>,
}

#[derive(Deserialize)]
pub(super) struct RawNode {
    pub(super) id: Option<String>,
    pub(super) ip: Option<IpAddr>,
    pub(super) stake_amount: Mist,
    #[serde(default)]
    pub(super) labels: Vec<String>,
    #[serde(default)]
    pub(super) taints: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct RawApi {
    pub(super) bind: IpAddr,
    pub(super) port: Option<u16>,
    #[serde(default)]
    pub(super) names: Vec<String>,
}

#[derive(Default, Deserialize)]
pub(super) struct RawSecurity {
    pub(super) tls_cert: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    pub(super) client_ca: Option<PathBuf>,
}

#[derive(Deserialize)]
pub(super) struct RawEngine {
    pub(super) dir: Option<PathBuf>,
}

#[derive(Deserialize)]
pub(super) struct RawHealth {
    pub(super) port: u16,
}

#[derive(Deserialize)]
pub(super) struct RawLog {
    pub(super) format: Format,
    pub(super) level: String,
}
