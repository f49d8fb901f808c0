//! What a worker can be told, and where from.

mod keys;
#[cfg(test)]
mod tests;

use core::net::{IpAddr, SocketAddr};
use daas_daemon::config::{ConfigError, Mistake, Sources};
use daas_daemon::logs::Format;
use daas_types::join::JoinFile;
use daas_types::{ClusterId, ErrorCode, Mist, NodeId, Problem, WalletAddress};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use keys::KEYS;

/// What the original examples write where a person is to put an id of their own.
const PLACEHOLDER: &str = "0x...";

/// Where the file is looked for when no flag names it.
const CONFIG_PATH_ENV: &str = "STAKER_CONFIG_PATH";

/// A worker's configuration, checked.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// `join.json` of the cluster.
    pub cluster: PathBuf,
    /// Where this worker keeps everything.
    pub state_dir: PathBuf,
    /// The owner's wallet file.
    pub wallet: Option<PathBuf>,
    /// The node id, if it was given.
    pub node_id: Option<NodeId>,
    /// The address other nodes reach this machine by, if it was given.
    pub node_ip: Option<IpAddr>,
    /// How much to stake.
    pub stake: Mist,
    /// Where the node's processes keep their data.
    pub data_dir: PathBuf,
    /// Where Kubernetes' programs are, if not in the usual cache.
    pub engine_dir: Option<PathBuf>,
    /// The loopback admin listener, if it is wanted.
    pub health: Option<SocketAddr>,
    /// How log lines look.
    pub log_format: Format,
    /// Which log lines appear.
    pub log_level: String,
    /// Things accepted without effect.
    pub warnings: Vec<String>,
    expectations: Expectations,
}

/// What the configuration says about things that the cluster file and the wallet say too.
#[derive(Clone, Debug, Default)]
struct Expectations {
    rpc: Option<String>,
    endpoint: Option<String>,
    cluster: Option<String>,
    wallet: Option<String>,
}

#[derive(Deserialize)]
struct Raw {
    cluster: Option<PathBuf>,
    state_dir: PathBuf,
    wallet: Option<PathBuf>,
    #[serde(default)]
    sui: RawSui,
    #[serde(default)]
    k3s: RawK3s,
    node: RawNode,
    engine: Option<RawEngine>,
    health: RawHealth,
    log: RawLog,
}

#[derive(Default, Deserialize)]
struct RawSui {
    rpc_endpoint: Option<String>,
    staking_contract: Option<String>,
    wallet_address: Option<String>,
}

#[derive(Default, Deserialize)]
struct RawK3s {
    master_endpoint: Option<String>,
    data_dir: Option<PathBuf>,
}

#[derive(Deserialize)]
struct RawNode {
    id: Option<String>,
    ip: Option<IpAddr>,
    stake_amount: Mist,
}

#[derive(Deserialize)]
struct RawEngine {
    dir: Option<PathBuf>,
}

#[derive(Deserialize)]
struct RawHealth {
    port: u16,
}

#[derive(Deserialize)]
struct RawLog {
    format: Format,
    level: String,
}

// === impl WorkerConfig ===

impl WorkerConfig {
    /// Loads file, environment and flags, and reports every mistake at once.
    pub fn load(
        file: Option<PathBuf>,
        env: BTreeMap<String, String>,
        flags: Vec<(String, String)>,
    ) -> Result<Self, Problem> {
        refuse_mock_mode(&env)?;
        let file = file.or_else(|| env.get(CONFIG_PATH_ENV).map(PathBuf::from));
        let loaded = Sources { file, env, flags }.load::<Raw>(KEYS).map_err(invalid)?;
        Self::checked(loaded.config, loaded.warnings)
    }

    fn checked(raw: Raw, warnings: Vec<String>) -> Result<Self, Problem> {
        let node_id = raw.node.id.map(|id| id.parse::<NodeId>()).transpose();
        let node_id = node_id.map_err(|e| {
            let mistake = Mistake { key: "node.id".into(), origin: "configuration".into(), text: e.to_string() };
            invalid(ConfigError(vec![mistake]))
        })?;
        let Some(cluster) = raw.cluster else {
            return Err(no_cluster_file(&raw.sui, &raw.k3s));
        };
        let data_dir = raw.k3s.data_dir.unwrap_or_else(|| raw.state_dir.join("node"));
        let health = (raw.health.port > 0).then(|| SocketAddr::from(([127, 0, 0, 1], raw.health.port)));
        Ok(Self {
            cluster,
            state_dir: raw.state_dir,
            wallet: raw.wallet,
            node_id,
            node_ip: raw.node.ip,
            stake: raw.node.stake_amount,
            data_dir,
            engine_dir: raw.engine.and_then(|engine| engine.dir),
            health,
            log_format: raw.log.format,
            log_level: raw.log.level,
            warnings,
            expectations: Expectations {
                rpc: raw.sui.rpc_endpoint,
                endpoint: raw.k3s.master_endpoint,
                cluster: given(raw.sui.staking_contract),
                wallet: given(raw.sui.wallet_address),
            },
        })
    }

    /// Puts the configured addresses into the cluster's file: where a thing is reached is not what it is trusted by.
    /// A `staking_contract` other than the file's cluster is refused.
    pub fn apply_to(&self, join: &mut JoinFile) -> Result<(), Problem> {
        if let Some(expected) = &self.expectations.cluster {
            let same = expected.parse::<ClusterId>().is_ok_and(|id| id == join.cluster);
            if !same {
                let got = join.cluster;
                let cause = format!("sui.staking_contract is {expected}, the cluster file is of {got}");
                return Err(Problem::new(ErrorCode::ConfigInvalid, cause));
            }
        }
        if let Some(rpc) = &self.expectations.rpc {
            join.rpc = rpc.parse().map_err(Problem::of(ErrorCode::ConfigInvalid))?;
        }
        if let Some(endpoint) = &self.expectations.endpoint {
            join.endpoint.clone_from(endpoint);
        }
        Ok(())
    }

    /// Whether the wallet is the one the configuration names, if it names one.
    pub fn check_wallet(&self, address: WalletAddress) -> Result<(), Problem> {
        match &self.expectations.wallet {
            Some(expected) if expected.parse::<WalletAddress>() != Ok(address) => Err(Problem::new(
                ErrorCode::ConfigInvalid,
                format!("sui.wallet_address is {expected}, the wallet's address is {address}"),
            )),
            _ => Ok(()),
        }
    }

    /// Where the worker's own files are.
    pub fn file(&self, name: &str) -> PathBuf {
        self.state_dir.join(name)
    }
}

/// A worker's Seal file inside its state folder; the `credential` subcommand reads the same one.
pub fn seal_path(state_dir: &Path) -> PathBuf {
    state_dir.join("seal.json")
}

/// The cluster file as this worker uses it: configured addresses applied. What the `credential` subcommand reads.
pub fn cluster_path(state_dir: &Path) -> PathBuf {
    state_dir.join("cluster.json")
}

fn refuse_mock_mode(env: &BTreeMap<String, String>) -> Result<(), Problem> {
    match env.get("MOCK_MODE").map(String::as_str) {
        None | Some("" | "0" | "false") => Ok(()),
        Some(_) => Err(Problem::new(ErrorCode::MockModeRefused, "the environment variable MOCK_MODE is set")),
    }
}

fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| text != PLACEHOLDER && !text.is_empty())
}

fn no_cluster_file(sui: &RawSui, k3s: &RawK3s) -> Problem {
    let named = [
        ("SUI_RPC_URL", sui.rpc_endpoint.is_some()),
        ("STAKING_CONTRACT", sui.staking_contract.is_some()),
        ("MASTER_ENDPOINT", k3s.master_endpoint.is_some()),
    ];
    let named: Vec<_> = named.into_iter().filter_map(|(name, set)| set.then_some(name)).collect();
    let cause = if named.is_empty() {
        "no cluster file was named".to_owned()
    } else {
        format!("{} say where things are, not what to trust: a cluster file must", named.join(", "))
    };
    Problem::new(ErrorCode::ClusterFileMissing, cause)
}

fn invalid(error: ConfigError) -> Problem {
    Problem::new(ErrorCode::ConfigInvalid, error)
}
