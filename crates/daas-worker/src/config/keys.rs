use daas_daemon::config::{Key, Kind};

const CERTIFICATE: &str =
    "the node's serving certificate is issued at join, for a key that is made on the node and never leaves it";
const PRIVATE_KEY: &str = "a private key does not belong into this file; import it once with `k3s-daas wallet import` and name the wallet file with `wallet`";

/// Every key of `worker-config.yaml`.
pub const KEYS: &[Key] = &[
    key("cluster", Kind::Text, &["K3S_DAAS_CLUSTER"], "", "The cluster's join.json."),
    key(
        "state_dir",
        Kind::Text,
        &["K3S_DAAS_STATE_DIR"],
        "\"/var/lib/k3s-daas/worker\"",
        "Where the worker keeps its state.",
    ),
    key("wallet", Kind::Text, &["K3S_DAAS_WALLET"], "", "The owner's wallet file, mode 0600."),
    key(
        "sui.rpc_endpoint",
        Kind::Text,
        &["SUI_RPC_URL"],
        "",
        "Where the chain is read, several between commas; replaces the cluster file's.",
    ),
    key(
        "sui.staking_contract",
        Kind::Text,
        &["STAKING_CONTRACT"],
        "",
        "The Cluster object's id; must be the cluster file's.",
    ),
    key("sui.wallet_address", Kind::Text, &[], "", "The owner's address; must be the wallet's."),
    key("sui.private_key", Kind::Replaced(PRIVATE_KEY), &["SUI_PRIVATE_KEY"], "", ""),
    key(
        "k3s.master_endpoint",
        Kind::Text,
        &["MASTER_ENDPOINT"],
        "",
        "The master's address; replaces the cluster file's.",
    ),
    key(
        "k3s.data_dir",
        Kind::Text,
        &[],
        "",
        "Where the node's processes keep their data; `<state_dir>/node` by default.",
    ),
    key("node.id", Kind::Text, &["NODE_ID"], "", "The node's name; the host name by default."),
    key("node.ip", Kind::Ip, &[], "", "The address other nodes reach this machine by."),
    key("node.stake_amount", Kind::Number(1, u64::MAX), &[], "5000000000", "How much to stake, in MIST."),
    key("security.tls_cert", Kind::Ignored(CERTIFICATE), &[], "", ""),
    key("security.tls_key", Kind::Ignored(CERTIFICATE), &[], "", ""),
    key(
        "engine.dir",
        Kind::Text,
        &["K3S_DAAS_ENGINE_DIR"],
        "",
        "Where Kubernetes' programs are, if not in the usual cache.",
    ),
    key(
        "health.port",
        Kind::Number(0, 65_535),
        &[],
        "0",
        "Port on 127.0.0.1 for /health, /ready and /metrics; 0 for none.",
    ),
    key("log.format", Kind::OneOf(&["human", "json"]), &[], "\"human\"", "How log lines look."),
    key("log.level", Kind::Text, &["RUST_LOG"], "\"info\"", "Which log lines appear."),
];

const fn key(
    path: &'static str,
    kind: Kind,
    env: &'static [&'static str],
    default: &'static str,
    doc: &'static str,
) -> Key {
    Key { path, kind, env, default, doc }
}
