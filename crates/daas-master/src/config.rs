//! The master's configuration, `nautilus-config.yaml` (or `NAUTILUS_CONFIG_PATH`).

use daas_daemon::config::{ConfigError, Key, Kind, Loaded, Sources};
use daas_daemon::logs::Format;
use daas_gateway::{Rate, Rates};
use daas_types::genesis::Genesis;
use daas_types::join::ChainPins;
use daas_types::{ErrorCode, PositionId, Problem};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Every key, in the order of the reference.
pub const KEYS: &[Key] = &[
    key("tee.type", Kind::OneOf(&["AWS_NITRO", "SIMULATED_NITRO"]), "\"AWS_NITRO\"", "Which TEE the master runs in."),
    key("tee.device", Kind::Text, "\"/dev/nsm\"", "The NSM device, or the simulated one's Unix socket."),
    key(
        "tee.attestation_interval",
        Kind::Number(60, 86_400),
        "3600",
        "Seconds after which clients ask for evidence again.",
    ),
    key("sui.pins", Kind::Text, "", "File with genesis, package and object ids, written when the cluster was created."),
    key(
        "sui.rpc_endpoint",
        Kind::Text,
        "\"\"",
        "Overrides the pins' RPC; several between commas, of different people. Not trusted, but measured.",
    ),
    key(
        "sui.position",
        Kind::Text,
        "\"\"",
        "The operator's position that answers for this master. Empty: any that endorses it.",
    ),
    key("sui.event_filter", Kind::Ignored("every checkpoint is read, so that nothing can be left out"), "", ""),
    key("k3s.engine", Kind::OneOf(&["auto", "kubernetes", "k3s"]), "\"auto\"", "How Kubernetes is run."),
    key("k3s.data_dir", Kind::Text, "\"/var/lib/k3s-daas/master\"", "Keys, certificates and datastore."),
    key("k3s.bind_address", Kind::Ip, "\"127.0.0.1\"", "Where the API server behind the gateway listens."),
    key("k3s.https_port", Kind::Number(1, 65_535), "16444", "Port of the API server behind the gateway."),
    key("k3s.cluster_cidr", Kind::Cidr, "\"10.42.0.0/16\"", "Pod network."),
    key("k3s.service_cidr", Kind::Cidr, "\"10.43.0.0/16\"", "Service network."),
    key("k3s.cluster_dns", Kind::Ip, "\"10.43.0.10\"", "Address of the DNS service."),
    key("k3s.cluster_domain", Kind::Text, "\"cluster.local\"", "DNS domain."),
    key(
        "k3s.tls_min_version",
        Kind::OneOf(&["VersionTLS12", "VersionTLS13"]),
        "\"VersionTLS13\"",
        "Least TLS version of the API server behind the gateway; the gateway itself is TLS 1.3.",
    ),
    key("k3s.cipher_suites", Kind::List, "[]", "TLS 1.2 cipher suites of the API server behind the gateway."),
    key("k3s.bootstrap_token", Kind::Replaced("nodes join with their Seal; see `k3s-daas join`"), "", ""),
    key(
        "k3s.encrypt_secrets",
        Kind::Replaced("state encryption by KMS replaces it; this release runs on a devnet only"),
        "",
        "",
    ),
    key("api.bind", Kind::Ip, "\"0.0.0.0\"", "Where the gateway listens."),
    key("api.port", Kind::Number(1, 65_535), "6443", "Port of the gateway."),
    key("api.advertise", Kind::Ip, "", "The address by which nodes and users reach the gateway."),
    key("api.sans", Kind::List, "[]", "Further names in the gateway's certificate."),
    key(
        "api.tls_cert",
        Kind::Replaced("the gateway's certificate comes from the cluster's CA; add names with api.sans"),
        "",
        "",
    ),
    key("api.tls_key", Kind::Replaced("the gateway's key never is in a file; add names with api.sans"), "", ""),
    key("admin.listen", Kind::SocketAddr, "\"127.0.0.1:6444\"", "Health, readiness and metrics."),
    key(
        "gateway.node_stale_grace",
        Kind::Number(30, 86_400),
        "900",
        "Seconds that nodes keep their traffic while the chain cannot be read.",
    ),
    key("gateway.requests.viewer", RATE, "100", "Requests a minute of a viewer, and as many of its pods."),
    key("gateway.requests.developer", RATE, "600", "The same of a developer."),
    key("gateway.requests.admin", RATE, "3000", "The same of an admin."),
    key("gateway.requests.super", RATE, "12000", "The same of a super."),
    key("gateway.requests.node", RATE, "6000", "Requests a minute of a node."),
    key(
        "gateway.requests.address",
        RATE,
        "6000",
        "Tokens not seen before, a minute, from one address or /64; one that is refused counts for ten.",
    ),
    key(
        "gateway.requests.strangers",
        RATE,
        "120000",
        "The same from all addresses from which nobody was admitted yet.",
    ),
    key("gateway.burst.viewer", RATE, "300", "How many of `gateway.requests.viewer` may come at once."),
    key("gateway.burst.developer", RATE, "600", "How many of `gateway.requests.developer` may come at once."),
    key("gateway.burst.admin", RATE, "1500", "How many of `gateway.requests.admin` may come at once."),
    key("gateway.burst.super", RATE, "3000", "How many of `gateway.requests.super` may come at once."),
    key("gateway.burst.node", RATE, "3000", "How many of `gateway.requests.node` may come at once."),
    key("gateway.burst.address", RATE, "3000", "How many of `gateway.requests.address` may come at once."),
    key("gateway.burst.strangers", RATE, "4000", "How many of `gateway.requests.strangers` may come at once."),
    key(
        "audit.when_full",
        Kind::OneOf(&["refuse_changes", "refuse_all"]),
        "\"refuse_changes\"",
        "What is refused while the disk has no space for the audit log: what changes something, or everything.",
    ),
    key("logging.level", Kind::Text, "\"info\"", "Log level or filter."),
    key("logging.format", Kind::OneOf(&["human", "json"]), "\"human\"", "Form of log lines."),
];

const RATE: Kind = Kind::Number(1, 10_000_000);

const fn key(path: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key { path, kind, env: env_of(path), default, doc }
}

const fn env_of(path: &'static str) -> &'static [&'static str] {
    // What a container is told by its environment; all else comes from the file or flags.
    match path.as_bytes() {
        b"sui.rpc_endpoint" => &["SUI_RPC_URL"],
        b"sui.pins" => &["NAUTILUS_PINS"],
        _ => &[],
    }
}

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
    pub requests: Requests,
    pub burst: Requests,
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
    /// How fast requests may come.
    pub fn rates(&self) -> Rates {
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
mod tests {
    use super::*;
    use daas_types::{Address, Digest};
    use sui_sdk_types::{Bls12381PublicKey, ValidatorCommittee, ValidatorCommitteeMember};

    fn load_text(text: &str) -> Result<Loaded<Config>, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("nautilus-config.yaml");
        std::fs::write(&file, text).unwrap();
        Sources { file: Some(file), ..Sources::default() }.load(KEYS)
    }

    /// The example of the first documents, word for word.
    const EXAMPLE: &str = r#"
tee:
  type: "AWS_NITRO"
  attestation_interval: 3600

sui:
  rpc_endpoint: "https://fullnode.testnet.sui.io:443"
  event_filter: "k3s_daas::events"

k3s:
  cluster_cidr: "10.42.0.0/16"
  service_cidr: "10.43.0.0/16"

api:
  port: 6443
  tls_cert: "/etc/k3s/certs/server.crt"
  tls_key: "/etc/k3s/certs/server.key"
"#;

    #[test]
    fn the_first_documents_example_is_answered_key_by_key() {
        let error = load_text(EXAMPLE).unwrap_err();
        let keys: Vec<_> = error.0.iter().map(|m| m.key.as_str()).collect();
        assert_eq!(keys, ["api.tls_cert", "api.tls_key"], "{error}");
        assert!(error.0.iter().all(|m| m.text.contains("api.sans")));

        let mended = EXAMPLE.lines().filter(|l| !l.contains("tls_")).collect::<Vec<_>>().join("\n")
            + "\n  advertise: 10.0.0.1\n";
        let loaded = load_text(&mended.replace("sui:", "sui:\n  pins: /tmp/pins.json")).unwrap();
        assert_eq!(loaded.config.tee.attestation_interval, 3600);
        assert_eq!(loaded.config.endpoint(), "https://10.0.0.1:6443");
        assert!(loaded.warnings.iter().any(|w| w.contains("sui.event_filter")));
    }

    #[test]
    fn the_digest_covers_rules_and_not_places() {
        let base = "api: {advertise: 10.0.0.1}\nsui: {pins: /a}\n";
        let (pins, genesis) = pinned();
        let of = |more: &str| digest(&load_text(&format!("{base}{more}")).unwrap().shown, &pins, &genesis);
        assert_eq!(of(""), of("logging: {level: debug}"));
        assert_eq!(of(""), of("k3s: {data_dir: /elsewhere}"));
        assert_eq!(of(""), of("logging: {level: info}"));
        assert_ne!(of(""), of("gateway: {node_stale_grace: 901}"));
    }

    #[test]
    fn rates_are_the_gateways_own_unless_said_otherwise() {
        let load = |more: &str| load_text(&format!("api: {{advertise: 10.0.0.1}}\nsui: {{pins: /a}}\n{more}"));
        let rates = |more: &str| load(more).unwrap().config.gateway.rates();
        assert_eq!(rates(""), Rates::default());
        let viewer = rates("gateway: {requests: {viewer: 1}, burst: {viewer: 2}}").viewer;
        assert_eq!(viewer, Rate { per_minute: 1, burst: 2 });
        assert!(load("gateway: {requests: {viewer: 0}}").is_err());
    }

    fn pinned() -> (ChainPins, Genesis) {
        let id = |n: u8| Address::new([n; 32]);
        let pins = ChainPins {
            version: 1,
            genesis: Digest::ZERO,
            genesis_summary: None,
            committee: None,
            rpc: "http://a".parse().unwrap(),
            package: id(1).into(),
            cluster: id(2).into(),
            registry: id(3).into(),
            nautilus: id(4).into(),
        };
        (pins, Genesis::of_digest(Digest::ZERO))
    }

    #[test]
    fn the_digest_covers_whom_belief_starts_from() {
        let (pins, genesis) = pinned();
        let shown = BTreeMap::new();
        let plain = digest(&shown, &pins, &genesis);
        let other = Address::new([9; 32]);
        for pins in
            [ChainPins { registry: other.into(), ..pins.clone() }, ChainPins { nautilus: other.into(), ..pins.clone() }]
        {
            assert_ne!(digest(&shown, &pins, &genesis), plain);
        }
        let asking = |rpc: &str| digest(&shown, &ChainPins { rpc: rpc.parse().unwrap(), ..pins.clone() }, &genesis);
        assert_eq!(asking("http://A:80/"), plain);
        assert_ne!(asking("http://b"), plain);
        assert_ne!(asking("http://a,http://b"), plain);
        assert_eq!(asking("http://a,http://b"), asking("http://b,http://a"));
        let member = |stake| ValidatorCommitteeMember { public_key: Bls12381PublicKey::new([7; 96]), stake };
        let of = |epoch, stake| {
            let committee = ValidatorCommittee { epoch, members: vec![member(stake)] };
            digest(&shown, &pins, &genesis.clone().with_committee(committee).unwrap())
        };
        assert_ne!(of(1, 10_000), plain);
        assert_ne!(of(1, 10_000), of(2, 10_000));
        assert_ne!(of(1, 10_000), of(1, 9_999));
    }

    #[test]
    fn the_reference_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/master-config.md");
        let text = format!("# Keys of `nautilus-config.yaml`\n\n{}", daas_daemon::config::reference(KEYS));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), text, "rewrite it with UPDATE_GOLDEN=1");
    }
}
