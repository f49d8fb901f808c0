use super::*;
use daas_types::{Address, Digest};
use sui_sdk_types::{Bls12381PublicKey, ValidatorCommittee, ValidatorCommitteeMember};

pub(crate) fn load_text(text: &str) -> Result<Loaded<Config>, ConfigError> {
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

    let mended =
        EXAMPLE.lines().filter(|l| !l.contains("tls_")).collect::<Vec<_>>().join("\n") + "\n  advertise: 10.0.0.1\n";
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
fn limits_are_the_gateways_own_unless_said_otherwise() {
    let load = |more: &str| load_text(&format!("api: {{advertise: 10.0.0.1}}\nsui: {{pins: /a}}\n{more}"));
    let limits = |more: &str| load(more).unwrap().config.gateway.limits();
    assert_eq!(limits(""), Limits::default());
    assert_eq!(limits("gateway: {stalled: 10}").stalled, Duration::from_secs(10));
    assert_eq!(limits("gateway: {streams: {super: 7}}").streams.super_user, 7);
    let viewer = limits("gateway: {requests: {viewer: 1}, burst: {viewer: 2}}").rates.viewer;
    assert_eq!(viewer, Rate { per_minute: 1, burst: 2 });
    assert!(load("gateway: {requests: {viewer: 0}}").is_err());
}

pub(crate) fn pinned() -> (ChainPins, Genesis) {
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
