//! The master's configuration, `nautilus-config.yaml` (or `NAUTILUS_CONFIG_PATH`).

mod keys;

pub use keys::KEYS;

use daas_daemon::config::{ConfigError, Loaded, Sources};
use daas_daemon::logs::Format;
use daas_gateway::{Limits, Rate, Rates, Streams};
use daas_types::genesis::Genesis;
use daas_types::join::ChainPins;
use daas_types::{ErrorCode, PositionId, Problem};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// The typed configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The TEE.
    pub tee: Tee,
    /// The chain.
    pub sui: Sui,
    /// Kubernetes.
    pub k3s: K3s,
    /// The gateway's listener.
    pub api: Api,
    /// The admin listener.
    pub admin: Admin,
    /// The gateway's rules.
    pub gateway: Gateway,
    /// The audit log.
    pub audit: Audit,
    /// Logs.
    pub logging: Logging,
}

/// `tee.*`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each field is the key of that name in KEYS")]
pub struct Tee {
    #[serde(rename = "type")]
    pub kind: String,
    pub device: PathBuf,
    pub attestation_interval: u64,
}

/// `sui.*`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each field is the key of that name in KEYS")]
pub struct Sui {
    pub pins: PathBuf,
    pub rpc_endpoint: String,
    pub position: String,
}

/// `k3s.*`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each field is the key of that name in KEYS")]
pub struct K3s {
    pub engine: String,
    pub data_dir: PathBuf,
    pub bind_address: IpAddr,
    pub https_port: u16,
    pub cluster_init: bool,
    pub cluster_cidr: String,
    pub service_cidr: String,
    pub cluster_dns: Ipv4Addr,
    pub cluster_domain: String,
    pub tls_min_version: String,
    pub cipher_suites: Vec<String>,
}

/// `api.*`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each field is the key of that name in KEYS")]
pub struct Api {
    pub bind: IpAddr,
    pub port: u16,
    pub advertise: IpAddr,
    pub sans: Vec<String>,
}

/// `admin.*`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each field is the key of that name in KEYS")]
pub struct Admin {
    pub listen: SocketAddr,
}

/// `gateway.*`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each field is the key of that name in KEYS")]
pub struct Gateway {
    pub node_stale_grace: u64,
    pub stalled: u64,
    pub requests: Requests,
    pub burst: Requests,
    pub streams: StreamsOf,
}

/// `gateway.streams.*`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each field is the key of that name in KEYS")]
pub struct StreamsOf {
    pub viewer: usize,
    pub developer: usize,
    pub admin: usize,
    #[serde(rename = "super")]
    pub super_user: usize,
}

/// `gateway.requests.*`, `gateway.burst.*`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each field is the key of that name in KEYS")]
pub struct Requests {
    pub viewer: u32,
    pub developer: u32,
    pub admin: u32,
    #[serde(rename = "super")]
    pub super_user: u32,
    pub node: u32,
    pub address: u32,
    pub strangers: u32,
    pub handshakes: u32,
}

/// `audit.*`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each field is the key of that name in KEYS")]
pub struct Audit {
    pub when_full: WhenFull,
}

/// What is refused while there is no space for the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// What changes something.
    RefuseChanges,
    /// Everything.
    RefuseAll,
}

/// `logging.*`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each field is the key of that name in KEYS")]
pub struct Logging {
    pub level: String,
    pub format: Format,
}

/// Loads and checks the configuration of `file` and `flags`.
pub fn load(file: Option<PathBuf>, flags: Vec<(String, String)>) -> Result<Loaded<Config>, ConfigError> {
    Sources::process(file, flags).load(KEYS)
}

/// What of the configuration is measured: everything a client relies on, nothing that only this machine's operator does.
/// Of the pins that is what the binding does not name by itself: from whom all belief in the chain starts, which endpoints
/// are asked what is newest, and which of the cluster's objects are read.
pub fn digest(shown: &BTreeMap<String, Value>, pins: &ChainPins, genesis: &Genesis) -> [u8; 32] {
    const LOCAL: [&str; 6] = ["logging.", "admin.", "k3s.data_dir", "sui.rpc_endpoint", "sui.pins", "sui.position"];
    let rules = shown.iter().filter(|(path, _)| !LOCAL.iter().any(|local| path.starts_with(local)));
    let mut measured: BTreeMap<&str, Value> = rules.map(|(path, value)| (path.as_str(), value.clone())).collect();
    measured.insert("pins.committee", json!(genesis.committee()));
    // As used: `sui.rpc_endpoint` has taken the place of the file's.
    measured.insert("pins.rpc", json!(pins.rpc.places()));
    measured.insert("pins.registry", json!(pins.registry));
    measured.insert("pins.nautilus", json!(pins.nautilus));
    // A sorted map of JSON values has one text.
    let text = serde_json::to_vec(&measured).expect("a map of JSON values must serialize");
    Sha256::digest(text).into()
}

impl Gateway {
    /// What clients may take.
    pub fn limits(&self) -> Limits {
        let (stalled, rates) = (Duration::from_secs(self.stalled), self.rates());
        let StreamsOf { viewer, developer, admin, super_user } = self.streams;
        let streams = Streams { viewer, developer, admin, super_user };
        Limits { stalled, streams, rates, ..Limits::default() }
    }

    fn rates(&self) -> Rates {
        let Self { requests, burst, .. } = self;
        let rate = |of: fn(&Requests) -> u32| Rate { per_minute: of(requests), burst: of(burst) };
        Rates {
            viewer: rate(|of| of.viewer),
            developer: rate(|of| of.developer),
            admin: rate(|of| of.admin),
            super_user: rate(|of| of.super_user),
            node: rate(|of| of.node),
            address: rate(|of| of.address),
            strangers: rate(|of| of.strangers),
            handshakes: rate(|of| of.handshakes),
        }
    }
}

impl Config {
    /// Where clients reach the gateway.
    pub fn endpoint(&self) -> String {
        format!("https://{}", SocketAddr::new(self.api.advertise, self.api.port))
    }

    /// The only position that may answer for this master, if it is said.
    pub fn position(&self) -> Result<Option<PositionId>, Problem> {
        let said = Some(&self.sui.position).filter(|said| !said.is_empty());
        let parsed = said.map(|said| said.parse()).transpose();
        parsed.map_err(|error| Problem::new(ErrorCode::ConfigInvalid, format!("sui.position: {error}")))
    }
}

#[cfg(test)]
pub(crate) mod tests;
