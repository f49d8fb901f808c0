use super::*;
use crate::settings::ContainerRuntime;
use std::path::Path;

fn config(state_dir: PathBuf) -> AgentConfig {
    AgentConfig {
        state_dir,
        owner: "a worker".to_owned(),
        node_name: "worker-1".to_owned(),
        node_ip: [192, 0, 2, 7].into(),
        api_server: "https://192.0.2.1:6443".to_owned(),
        runtime: ContainerRuntime::Own,
        token_file: "TOKEN".into(),
        max_pods: 110,
        log_level: 1,
    }
}

fn made() -> (tempfile::TempDir, Layout, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path()).unwrap();
    let arguments = arguments::agent(&layout, &config(layout.state.clone()));
    (folder, layout, arguments)
}

#[test]
fn the_arguments_are_these() {
    let (_folder, layout, arguments) = made();
    let (state, root) = (layout.state.display().to_string(), layout.cgroup_root());
    let plain = |argument: &String| argument.replace(&state, "STATE").replace(&root, "CGROUP") + "\n";
    let text = arguments.iter().map(plain).collect::<String>();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/k3s/agent.arguments");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&golden).unwrap(), "UPDATE_GOLDEN=1 rewrites {}", golden.display());
}

/// Another's driver of cgroups decides how they are called: a root of ours would not be found.
#[test]
fn with_anothers_runtime_one_argument_is_another() {
    let (_folder, layout, without) = made();
    let socket = ContainerRuntime::Socket("/run/containerd/containerd.sock".into());
    for (runtime, wanted) in [
        (ContainerRuntime::Docker, "--docker"),
        (socket, "--container-runtime-endpoint=unix:///run/containerd/containerd.sock"),
    ] {
        let with = arguments::agent(&layout, &AgentConfig { runtime, ..config(layout.state.clone()) });
        let differ: Vec<_> = without.iter().zip(&with).filter(|(one, other)| one != other).collect();
        assert_eq!(with.len(), without.len());
        let [(cgroups, given)] = differ[..] else { panic!("{differ:?}") };
        assert!(cgroups.starts_with("--kubelet-arg=cgroup-root=") && given == wanted, "{given}");
    }
}

/// A worker that was replaced by a newer one finds what its predecessor left, and the other way round for what both know.
#[test]
fn a_record_says_what_runs_the_pods() {
    let read = |text: &str| serde_json::from_str::<Traces>(text).unwrap();
    let [own, docker] =
        [r#"{"links":[],"namespaces":[]}"#, r#"{"links":[],"namespaces":[],"docker":true}"#].map(|old| {
            let traces = read(old);
            assert_eq!(serde_json::to_string(&traces).unwrap(), old);
            traces.runtime()
        });
    assert_eq!((own, docker), (ContainerRuntime::Own, ContainerRuntime::Docker));
    let socket = read(r#"{"links":[],"namespaces":[],"socket":"/run/c.sock"}"#);
    assert_eq!(socket.runtime(), ContainerRuntime::Socket("/run/c.sock".into()));
}

/// Apart from the golden file, so that rewriting it does not lose them.
#[test]
fn what_keeps_it_behind_the_gateway_and_removable_is_there() {
    let (_folder, layout, arguments) = made();
    let has = |flag: &str| arguments.iter().filter(|given| *given == flag).count() == 1;
    assert!(has("--server=https://192.0.2.1:6443") && has("--token-file=TOKEN"));
    assert!(has("--node-name=worker-1") && has("--node-ip=192.0.2.7"));
    assert!(has(&format!("--kubelet-arg=cgroup-root=/{}", layout.cgroup_root())), "pods are not found again");
    let config = arguments.iter().find_map(|flag| flag.strip_prefix("--config=")).expect("the machine's own is read");
    assert!(!config.starts_with("/etc/"), "{config}");
    // Labels and taints are the master's to put on.
    for forbidden in ["--token=", "--node-label", "--node-taint", "--kubelet-arg=node-labels", "--disable-apiserver-lb"]
    {
        assert!(!arguments.iter().any(|flag| flag.starts_with(forbidden)), "{forbidden}");
    }
}

#[test]
fn a_token_pins_the_ca() {
    // `printf CA | sha256sum`
    let expected = "K104b650e5c4785025dee7bd65e3c5c527356717d7a1c0bfef5b4ada8ca1e9cbe17::node:seal";
    assert_eq!(*token("CA", "seal"), expected);
    assert_ne!(token("CA", "seal"), token("CA\n", "seal"), "byte for byte");
}

#[test]
fn nothing_of_another_k3s_is_read_and_logs_lie_in_its_folder() {
    let (_folder, layout, _) = made();
    prepare(&layout).unwrap();
    assert_eq!(std::fs::read_to_string(config_file(&layout)).unwrap(), "");
    let settings = data(&layout).join("agent/etc/kubelet.conf.d/50-daas.conf");
    let settings: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(settings).unwrap()).unwrap();
    assert_eq!(settings["podLogsDir"], layout.state.join("pods-log").display().to_string());
}
