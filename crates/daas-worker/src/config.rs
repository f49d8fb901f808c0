//! What a worker can be told, and where from.

mod keys;
mod raw;
mod runtime;
#[cfg(test)]
mod tests;

use crate::api::listen::{Listen, Tls};
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use daas_daemon::config::{ConfigError, Loaded, Mistake, Sources};
use daas_daemon::logs::Format;
use daas_engine::ContainerRuntime;
use daas_types::join::{JoinFile, Joining};
use daas_types::{ClusterId, ErrorCode, Mist, NodeId, NodeMarks, Problem, WalletAddress};
use raw::{Raw, RawApi, RawK3s, RawNode, RawSecurity, RawSui};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use keys::KEYS;

/// What the original examples write where a person is to put an id of their own.
const PLACEHOLDER: &str = "0x...";

/// Where the file is looked for when no flag names it.
const CONFIG_PATH_ENV: &str = "STAKER_CONFIG_PATH";
/// And where in the folder the worker is started in, when that is not set: the first one that is there.
const FILES: [&str; 2] = ["staker-config.json", "worker-config.yaml"];
/// Where K3s' agent keeps its data, if nothing else is said.
const K3S_DATA: &str = "/var/lib/k3s";
/// The HTTP API's port, where none is asked for.
const API_PORT: u16 = 8080;

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
    /// Labels and taints of the node.
    pub marks: NodeMarks,
    /// How much to stake.
    pub stake: Mist,
    data_dir: Option<PathBuf>,
    /// What is to run the pods.
    pub runtime: ContainerRuntime,
    /// Where Kubernetes' programs are, if not in the usual cache.
    pub engine_dir: Option<PathBuf>,
    /// Where the HTTP API listens, if it is wanted.
    pub api: Option<Listen>,
    /// Every key that has a value, secrets masked.
    pub settings: BTreeMap<String, Value>,
    /// The loopback admin listener, if it is wanted.
    pub health: Option<SocketAddr>,
    /// How log lines look.
    pub log_format: Format,
    /// Which log lines appear.
    pub log_level: String,
    /// Things accepted without effect.
    pub warnings: Vec<String>,
    /// Whether this machine takes the place of another. Said for one start, never in a file.
    pub replace: bool,
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

// === impl WorkerConfig ===

impl WorkerConfig {
    /// Loads file, environment and flags, and reports every mistake at once.
    pub fn load(
        file: Option<PathBuf>,
        env: BTreeMap<String, String>,
        flags: Vec<(String, String)>,
    ) -> Result<Self, Problem> {
        refuse_mock_mode(&env)?;
        let named = file.or_else(|| env.get(CONFIG_PATH_ENV).map(PathBuf::from));
        let (file, warning) = match named {
            Some(file) => (Some(file), None),
            None => find(Path::new(".")),
        };
        let mut loaded = Sources { file, env, flags }.load::<Raw>(KEYS).map_err(invalid)?;
        loaded.warnings.extend(warning);
        Self::checked(loaded)
    }

    fn checked(loaded: Loaded<Raw>) -> Result<Self, Problem> {
        let Loaded { config: raw, warnings, shown } = loaded;
        let (node_id, marks) = node(&raw.node)?;
        let api = listen(raw.api, raw.security)?;
        let runtime = runtime::named(&raw.container_runtime, raw.container_runtime_endpoint.as_deref())?;
        let Some(cluster) = raw.cluster else {
            return Err(no_cluster_file(&raw.sui, &raw.k3s));
        };
        let health = (raw.health.port > 0).then(|| SocketAddr::from(([127, 0, 0, 1], raw.health.port)));
        Ok(Self {
            cluster,
            state_dir: raw.state_dir,
            wallet: raw.wallet,
            node_id,
            node_ip: raw.node.ip,
            marks,
            stake: raw.node.stake_amount,
            data_dir: raw.k3s.data_dir,
            runtime,
            engine_dir: raw.engine.and_then(|engine| engine.dir),
            api,
            settings: shown.into_iter().map(masked).collect(),
            health,
            log_format: raw.log.format,
            log_level: raw.log.level,
            warnings,
            replace: false,
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

    /// Where the node's processes keep their data, in a cluster whose nodes join like this.
    pub fn data_dir(&self, joining: Joining) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(|| match joining {
            Joining::Kubernetes => self.state_dir.join("node"),
            Joining::K3s => PathBuf::from(K3S_DATA),
        })
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

/// The file of a folder, and what to say of another one there.
fn find(folder: &Path) -> (Option<PathBuf>, Option<String>) {
    let mut there = FILES.into_iter().map(|name| folder.join(name)).filter(|path| path.is_file());
    let (found, other) = (there.next(), there.next());
    let warning = found
        .as_ref()
        .zip(other)
        .map(|(found, other)| format!("{} is not read, because {} is there, too", other.display(), found.display()));
    (found, warning)
}

/// What is wrong with the node's own keys is said all at once.
fn node(raw: &RawNode) -> Result<(Option<NodeId>, NodeMarks), Problem> {
    let mistake = |key: &str, text: &dyn fmt::Display| Mistake {
        key: key.to_owned(),
        origin: "configuration".to_owned(),
        text: text.to_string(),
    };
    let mut mistakes = Vec::new();
    let id = raw.id.as_ref().map(|id| id.parse::<NodeId>()).transpose();
    let id = id.unwrap_or_else(|error| {
        mistakes.push(mistake("node.id", &error));
        None
    });
    let marks = NodeMarks::parse(&raw.labels, &raw.taints).unwrap_or_else(|errors| {
        mistakes.extend(errors.iter().map(|error| mistake("node.labels, node.taints", error)));
        NodeMarks::default()
    });
    if mistakes.is_empty() { Ok((id, marks)) } else { Err(invalid(ConfigError(mistakes))) }
}

fn listen(api: RawApi, security: RawSecurity) -> Result<Option<Listen>, Problem> {
    let invalid = |cause: &str| Err(Problem::new(ErrorCode::ConfigInvalid, cause));
    let RawSecurity { tls_cert, tls_key, client_ca: clients } = security;
    let tls = match (tls_cert, tls_key) {
        (Some(cert), Some(key)) => Some(Tls { cert, key, clients }),
        (None, None) if clients.is_some() => {
            return invalid("security.client_ca needs security.tls_cert and security.tls_key");
        }
        (None, None) => None,
        _ => return invalid("security.tls_cert and security.tls_key belong together: set both or none"),
    };
    let port = api.port.unwrap_or(API_PORT);
    if port == 0 {
        return Ok(None);
    }
    let address = SocketAddr::new(api.bind, port);
    Listen { address, asked: api.port.is_some(), tls, names: api.names }.checked().map(Some)
}

/// Keys of RPC providers stand in the address' path, query or user: what is shown ends with the host.
fn masked((key, value): (String, Value)) -> (String, Value) {
    if key != "sui.rpc_endpoint" {
        return (key, value);
    }
    let text = value.as_str().unwrap_or_default();
    let hosts: Vec<_> = text.split(',').map(|url| origin(url.trim())).collect();
    (key, hosts.join(",").into())
}

fn origin(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let hidden = if host == rest.trim_end_matches('/') { "" } else { "/***" };
    format!("{scheme}://{host}{hidden}")
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
