use daas_daemon::config::{Key, Kind};

const PRIVATE_KEY: &str = "a private key does not belong into this file; import it once with `k3s-daas wallet import` and name the wallet file with `wallet`";

const MINIMUM: &str = "the least stake of a node is the cluster's policy, on chain";

/// Every key of `worker-config.yaml`, and the flat ones of `staker-config.json`.
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
        "Where the node's processes keep their data; `<state_dir>/node` by default, and `/var/lib/k3s` where they are K3s' agent.",
    ),
    key("node.id", Kind::Text, &["NODE_ID"], "", "The node's name; the host name by default."),
    key("node.ip", Kind::Ip, &[], "", "The address other nodes reach this machine by."),
    key("node.stake_amount", Kind::Number(1, u64::MAX), &[], "5000000000", "How much to stake, in MIST."),
    key(
        "node.labels",
        Kind::List,
        &[],
        "",
        "Labels of the node as `key=value`, such as `nvidia.com/gpu.present=true`; keys of Kubernetes and of the cluster are refused.",
    ),
    key(
        "node.taints",
        Kind::List,
        &[],
        "",
        "Taints of the node as `key=value:Effect`, by the same rules; both are put on when it joins, and what is there stays.",
    ),
    key(
        "api.bind",
        Kind::Ip,
        &[],
        "\"127.0.0.1\"",
        "Address of the HTTP API; any but loopback needs `security.tls_cert` and `security.tls_key`.",
    ),
    key(
        "api.port",
        Kind::Number(0, 65_535),
        &[],
        "",
        "Port of the HTTP API; 0 for none. Without this key 8080, and none where something else has that.",
    ),
    key(
        "api.names",
        Kind::List,
        &[],
        "",
        "What requests to the HTTP API may call this machine, beside `localhost`, the host name, the node's name and the address they came to.",
    ),
    key("security.tls_cert", Kind::Text, &[], "", "Certificate chain of the HTTP API, PEM. With it the API is HTTPS."),
    key("security.tls_key", Kind::Text, &[], "", "Its private key, PEM."),
    key(
        "security.client_ca",
        Kind::Text,
        &[],
        "",
        "Certificates of authorities, PEM: a client that shows one of theirs needs no token for the HTTP API. They should sign nothing else.",
    ),
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
    same("node_id", "node.id"),
    same("stake_amount", "node.stake_amount"),
    same("sui_rpc_endpoint", "sui.rpc_endpoint"),
    same("sui_wallet_address", "sui.wallet_address"),
    same("sui_private_key", "sui.private_key"),
    same("contract_address", "sui.staking_contract"),
    same("nautilus_endpoint", "k3s.master_endpoint"),
    key(
        "container_runtime",
        Kind::OneOf(&["containerd", "docker"]),
        &[],
        "\"containerd\"",
        "What runs the node's containers: a containerd that the node brings along, or the machine's Docker, where nodes are K3s' agents.",
    ),
    key(
        "container_runtime_endpoint",
        Kind::Text,
        &[],
        "",
        "The socket of a containerd of this machine that is to run the containers instead, such as `unix:///run/containerd/containerd.sock`, where nodes are K3s' agents.",
    ),
    key("min_stake_amount", Kind::Ignored(MINIMUM), &[], "", ""),
];

/// A key of `staker-config.json`.
const fn same(path: &'static str, other: &'static str) -> Key {
    key(path, Kind::Same(other), &[], "", "")
}

const fn key(
    path: &'static str,
    kind: Kind,
    env: &'static [&'static str],
    default: &'static str,
    doc: &'static str,
) -> Key {
    Key { path, kind, env, default, doc }
}
