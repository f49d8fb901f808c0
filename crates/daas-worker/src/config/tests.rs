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

#[test]
fn the_documented_example_loads() {
    let config = load(EXAMPLE, &[], &[("cluster", "join.json")]).unwrap();
    assert_eq!(config.node_id, Some("worker-001".parse().unwrap()));
    assert_eq!(config.stake, Mist::from_sui(5));
    assert_eq!(config.data_dir(Joining::Kubernetes), Path::new("/var/lib/k3s"));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let api = config.api.clone().unwrap();
    assert_eq!((api.address, api.asked), ("127.0.0.1:8080".parse().unwrap(), false));
    let (cert, key) = ("/etc/k3s/certs/worker.crt".into(), "/etc/k3s/certs/worker.key".into());
    assert_eq!(api.tls, Some(Tls { cert, key, clients: None }));
    let mut join = daas_testkit::join::file();
    config.apply_to(&mut join).unwrap();
    assert_eq!(join.rpc.to_string(), "https://fullnode.testnet.sui.io:443");
    assert_eq!(join.endpoint, "https://tee-master:6443");
    config.check_wallet(daas_types::Address::new([9; 32]).into()).unwrap();
}

#[test]
fn nothing_is_needed_beside_the_cluster_file() {
    let config = WorkerConfig::load(None, BTreeMap::new(), pairs(&[("cluster", "join.json")])).unwrap();
    assert_eq!((config.stake, config.health), (Mist::from_sui(5), None));
    assert_eq!(config.data_dir(Joining::Kubernetes), Path::new("/var/lib/k3s-daas/worker/node"));
    assert_eq!(config.data_dir(Joining::K3s), Path::new("/var/lib/k3s"));
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
    assert_eq!(config.apply_to(&mut daas_testkit::join::file()).unwrap_err().code, ErrorCode::ConfigInvalid);
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
fn the_flat_file_of_old_loads() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("staker-config.json");
    let text = r#"{
        "node_id": "worker-1", "stake_amount": 1000000000, "min_stake_amount": 500000000,
        "sui_rpc_endpoint": "https://fullnode.testnet.sui.io:443", "sui_wallet_address": "0x9",
        "contract_address": "0x2", "nautilus_endpoint": "https://tee-master:6443", "container_runtime": "containerd"
    }"#;
    std::fs::write(&file, text).unwrap();
    let env = pairs(&[("STAKER_CONFIG_PATH", &file.display().to_string())]);
    let config = WorkerConfig::load(None, env.into_iter().collect(), pairs(&[("cluster", "j")])).unwrap();
    assert_eq!(config.node_id, Some("worker-1".parse().unwrap()));
    assert_eq!(config.stake, Mist::from_sui(1));
    assert!(matches!(&config.warnings[..], [warning] if warning.contains("min_stake_amount")), "{:?}", config.warnings);
    config.check_wallet("0x9".parse().unwrap()).unwrap();
    assert!(config.check_wallet("0x8".parse().unwrap()).is_err());
    let mut join = daas_testkit::join::file();
    join.cluster = "0x2".parse().unwrap();
    config.apply_to(&mut join).unwrap();
    assert_eq!(join.endpoint, "https://tee-master:6443");
    assert_eq!(config.runtime, ContainerRuntime::Own);
    assert!(load("container_runtime: rkt\ncluster: j", &[], &[]).is_err());
    let problem = load("sui_private_key: suiprivkey1secret", &[], &[]).unwrap_err();
    assert!(problem.cause.contains("sui.private_key") && !problem.cause.contains("1secret"), "{problem}");
}

#[test]
fn a_file_is_looked_for_where_the_worker_is_started() {
    let dir = tempfile::tempdir().unwrap();
    let (json, yaml) = (dir.path().join("staker-config.json"), dir.path().join("worker-config.yaml"));
    assert_eq!(find(dir.path()), (None, None));
    std::fs::write(&yaml, "").unwrap();
    assert_eq!(find(dir.path()), (Some(yaml.clone()), None));
    std::fs::write(&json, "{}").unwrap();
    let (found, warning) = find(dir.path());
    assert_eq!(found, Some(json));
    assert!(warning.unwrap().contains("worker-config.yaml is not read"));
}

#[test]
fn containers_run_where_the_owner_says() {
    let runtime = |text: &str| load(&format!("cluster: j\n{text}"), &[], &[]).map(|config| config.runtime);
    assert_eq!(runtime("container_runtime: docker").unwrap(), ContainerRuntime::Docker);
    let given = ContainerRuntime::Socket("/run/c.sock".into());
    for named in ["unix:///run/c.sock", "/run/c.sock", "/run/c.sock\ncontainer_runtime: containerd"] {
        assert_eq!(runtime(&format!("container_runtime_endpoint: {named}")).unwrap(), given, "{named}");
    }
    for bad in ["run/c.sock", "unix://run/c.sock", "unix:/run/c.sock", "tcp://127.0.0.1:1", "unix:///", "''"] {
        let problem = runtime(&format!("container_runtime_endpoint: {bad}")).unwrap_err();
        assert_eq!(problem.code, ErrorCode::ConfigInvalid, "{bad}");
    }
    let both = runtime("container_runtime: docker\ncontainer_runtime_endpoint: /run/c.sock").unwrap_err();
    assert!(both.code == ErrorCode::ConfigInvalid && both.cause.contains("leave one of them out"), "{both}");
}

#[test]
fn the_api_listens_where_it_may() {
    let api = |text: &str| load(&format!("cluster: j\n{text}"), &[], &[]).map(|config| config.api);
    assert_eq!(api("api: {port: 0}").unwrap(), None);
    assert!(api("api: {port: 9000}").unwrap().unwrap().asked);
    assert_eq!(api("api: {bind: 0.0.0.0}").unwrap_err().code, ErrorCode::ApiExposed);
    assert_eq!(api("api: {port: 10250}").unwrap_err().code, ErrorCode::ApiPortReserved);
    assert!(api("security: {tls_cert: /c}").unwrap_err().cause.contains("belong together"));
    let open = api("api: {bind: 0.0.0.0, names: [edge-1]}\nsecurity: {tls_cert: /c, tls_key: /k}").unwrap().unwrap();
    assert_eq!((open.address.port(), open.names), (8080, vec!["edge-1".to_owned()]));
    assert!(api("security: {client_ca: /a}").unwrap_err().cause.contains("needs security.tls_cert"));
    let mutual = api("security: {tls_cert: /c, tls_key: /k, client_ca: /a}").unwrap().unwrap();
    assert_eq!(mutual.tls.unwrap().clients, Some("/a".into()));
}

#[test]
fn labels_and_taints_are_the_owners_and_mistakes_are_named() {
    let text = "cluster: j\nnode: {labels: ['gpu=true', 'edge='], taints: ['gpu=true:NoSchedule']}";
    let marks = load(text, &[], &[]).unwrap().marks;
    assert_eq!((marks.labels().len(), marks.taints().len()), (2, 1));
    let text = "cluster: j\nnode: {id: 'A B', labels: ['daas/x=y', gpu], taints: ['gpu']}";
    let problem = load(text, &[], &[]).unwrap_err();
    assert_eq!(problem.code, ErrorCode::ConfigInvalid);
    for part in ["node.id", "`daas/x`", "`gpu` is not a label", "`gpu` is not a taint"] {
        assert!(problem.cause.contains(part), "{part} is not in {problem}");
    }
}

#[test]
fn keys_of_rpc_providers_are_not_shown() {
    let text =
        "cluster: j\nsui: {rpc_endpoint: 'https://rpc.example/v1/KEY, https://me:KEY@b.example:443, http://c:9000'}";
    let settings = load(text, &[], &[]).unwrap().settings;
    assert_eq!(settings["sui.rpc_endpoint"], "https://rpc.example/***,https://b.example:443/***,http://c:9000");
    assert_eq!(settings["node.stake_amount"], 5_000_000_000_u64);
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
