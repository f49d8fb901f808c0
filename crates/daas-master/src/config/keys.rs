use daas_daemon::config::{Key, Kind};

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
    key(
        "k3s.engine",
        Kind::OneOf(&["auto", "kubernetes", "k3s"]),
        "\"auto\"",
        "How Kubernetes is run: `auto` is `kubernetes`, `k3s` wants one that `K3S_BIN` names, that is on PATH, or that was fetched.",
    ),
    key("k3s.data_dir", Kind::Text, "\"/var/lib/k3s-daas/master\"", "Keys, certificates and datastore."),
    key("k3s.bind_address", Kind::Ip, "\"127.0.0.1\"", "Where the API server behind the gateway listens."),
    key(
        "k3s.https_port",
        Kind::Number(1, 65_535),
        "16444",
        "Port of the API server behind the gateway; K3s takes the next one too.",
    ),
    key(
        "k3s.cluster_init",
        Kind::Bool,
        "false",
        "With the engine `k3s`: etcd is the datastore, which takes snapshots. There is no way back.",
    ),
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
    key(
        "gateway.stalled",
        Kind::Number(10, 3_600),
        "300",
        "Seconds after which an answer ends of whose waiting bytes the client takes none. An idle watch has none.",
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
        "Requests that are not let through and tokens not seen before, a minute, from one address or /64; most refusals count for ten.",
    ),
    key(
        "gateway.requests.strangers",
        RATE,
        "120000",
        "Tokens not seen before, a minute, from all addresses from which nobody was admitted yet.",
    ),
    key(
        "gateway.requests.handshakes",
        RATE,
        "60000",
        "New connections a minute from one address or /64 from which nobody was let in who still has that right.",
    ),
    key("gateway.burst.viewer", RATE, "300", "How many of `gateway.requests.viewer` may come at once."),
    key("gateway.burst.developer", RATE, "600", "How many of `gateway.requests.developer` may come at once."),
    key("gateway.burst.admin", RATE, "1500", "How many of `gateway.requests.admin` may come at once."),
    key("gateway.burst.super", RATE, "3000", "How many of `gateway.requests.super` may come at once."),
    key("gateway.burst.node", RATE, "3000", "How many of `gateway.requests.node` may come at once."),
    key("gateway.burst.address", RATE, "3000", "How many of `gateway.requests.address` may come at once."),
    key("gateway.burst.strangers", RATE, "4000", "How many of `gateway.requests.strangers` may come at once."),
    key("gateway.burst.handshakes", RATE, "3000", "How many of `gateway.requests.handshakes` may come at once."),
    key(
        "gateway.streams.viewer",
        STREAMS,
        "150",
        "Streams and tunnels of a viewer at once; of its node as many, and of its pods.",
    ),
    key("gateway.streams.developer", STREAMS, "300", "The same of a developer."),
    key("gateway.streams.admin", STREAMS, "500", "The same of an admin."),
    key("gateway.streams.super", STREAMS, "800", "The same of a super."),
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
/// At most a quarter of what the gateway's connections to the API server carry.
const STREAMS: Kind = Kind::Number(1, 3_000);

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
