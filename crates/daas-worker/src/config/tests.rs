use super::*;

/// The source documents' example, to the letter.
const EXAMPLE: &str = r#"sui:
  rpc_endpoint: "https://fullnode.testnet.sui.io:443"
  staking_contract: "0x..."
  wallet_address: "0x..."

k3s:
  master_endpoint: "https://tee-master:6443"
  data_dir: "/var/lib/k3s"
  
node:
  id: "worker-001"
  stake_amount: 5000000000  # 5 SUI
  
security:
  tls_cert: "/etc/k3s/certs/worker.crt"
  tls_key: "/etc/k3s/certs/worker.key"
"#;

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

fn load(text: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<WorkerConfig, Problem> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("worker-config.yaml");
    std::fs::write(&file, text).unwrap();
    WorkerConfig::load(Some(file), pairs(env).into_iter().collect(), pairs(flags))
}

fn join() -> JoinFile {
    let id = |n: u8| daas_types::Address::new([n; 32]);
    JoinFile {
        version: 1,
        genesis: daas_types::Digest::ZERO,
        genesis_summary: None,
        committee: None,
        rpc: "http://127.0.0.1:9000".parse().unwrap(),
        package: id(1).into(),
        cluster: id(2).into(),
        registry: id(3).into(),
        nautilus: id(4).into(),
        endpoint: "https://127.0.0.1:6443".into(),
        ca: String::new(),
    }
}

#[test]
fn the_documented_example_loads() {
    let config = load(EXAMPLE, &[], &[("cluster", "join.json")]).unwrap();
    assert_eq!(config.node_id, Some("worker-001".parse().unwrap()));
    assert_eq!(config.stake, Mist::from_sui(5));
    assert_eq!(config.data_dir, Path::new("/var/lib/k3s"));
    assert_eq!(config.warnings.len(), 2, "{:?}", config.warnings);
    for (warning, key) in config.warnings.iter().zip(["security.tls_cert", "security.tls_key"]) {
        assert!(warning.contains(key) && warning.contains("issued at join"), "{warning}");
    }
    let mut join = join();
    config.apply_to(&mut join).unwrap();
    assert_eq!(join.rpc.to_string(), "https://fullnode.testnet.sui.io:443");
    assert_eq!(join.endpoint, "https://tee-master:6443");
    config.check_wallet(daas_types::Address::new([9; 32]).into()).unwrap();
}

#[test]
fn nothing_is_needed_beside_the_cluster_file() {
    let config = WorkerConfig::load(None, BTreeMap::new(), pairs(&[("cluster", "join.json")])).unwrap();
    assert_eq!((config.stake, config.health), (Mist::from_sui(5), None));
    assert_eq!(config.data_dir, Path::new("/var/lib/k3s-daas/worker/node"));
    assert!(config.warnings.is_empty());
}

#[test]
fn addresses_alone_do_not_make_trust() {
    let env = [
        ("SUI_RPC_URL", "https://fullnode.testnet.sui.io:443"),
        ("STAKING_CONTRACT", "0x2"),
        ("MASTER_ENDPOINT", "https://tee-master:6443"),
    ];
    let problem = load("", &env, &[]).unwrap_err();
    assert_eq!(problem.code, ErrorCode::ClusterFileMissing);
    assert!(problem.cause.contains("SUI_RPC_URL, STAKING_CONTRACT, MASTER_ENDPOINT"), "{problem}");
    assert_eq!(load("", &[], &[]).unwrap_err().code, ErrorCode::ClusterFileMissing);
}

#[test]
fn another_cluster_or_wallet_is_refused() {
    let env = [("STAKING_CONTRACT", "0x77")];
    let config = load("sui: {wallet_address: '0x9'}", &env, &[("cluster", "join.json")]).unwrap();
    assert_eq!(config.apply_to(&mut join()).unwrap_err().code, ErrorCode::ConfigInvalid);
    assert!(config.check_wallet("0x8".parse().unwrap()).is_err());
    config.check_wallet("0x9".parse().unwrap()).unwrap();
}

#[test]
fn mock_mode_is_refused_whatever_else_is_wrong() {
    for value in ["true", "1", "yes"] {
        assert_eq!(load("x: 1", &[("MOCK_MODE", value)], &[]).unwrap_err().code, ErrorCode::MockModeRefused);
    }
    assert!(load("cluster: join.json", &[("MOCK_MODE", "false")], &[]).is_ok());
}

#[test]
fn three_mistakes_are_named_and_a_private_key_is_not_repeated() {
    let text = "node: {stake_amount: five, ipp: 10.0.0.1}\nsui: {private_key: suiprivkey1secret}";
    let problem = load(text, &[], &[]).unwrap_err();
    assert_eq!(problem.code, ErrorCode::ConfigInvalid);
    for part in ["node.stake_amount", "node.ipp", "sui.private_key", "k3s-daas wallet import"] {
        assert!(problem.cause.contains(part), "{part} is not in {problem}");
    }
    assert!(!problem.cause.contains("suiprivkey1secret"));
}

#[test]
fn a_node_id_must_be_a_label() {
    let problem = load("node: {id: 'system:masters'}\ncluster: j", &[], &[]).unwrap_err();
    assert_eq!(problem.code, ErrorCode::ConfigInvalid);
    assert!(problem.cause.contains("node.id") && problem.cause.contains("system:masters"), "{problem}");
}

#[test]
fn the_reference_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/worker-config.md");
    let text = format!("# Keys of `worker-config.yaml`\n\n{}", daas_daemon::config::reference(KEYS));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), text, "rewrite it with UPDATE_GOLDEN=1");
}
