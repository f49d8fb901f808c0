//! Every argument of `k3s agent`, each with its reason where the name does not give it. No secret among them, and no label or
//! taint: the Node object is the master's, which puts on it what its owner wants.

use std::fmt::Display;

use serde_json::json;

use super::{config_file, data, kubelet};
use crate::node::Layout;
use crate::settings::{AgentConfig, ContainerRuntime};

pub(super) fn agent(layout: &Layout, config: &AgentConfig) -> Vec<String> {
    let kubelet_argument = |name: &str, value: &dyn Display| format!("--kubelet-arg={name}={value}");
    let folder = kubelet(layout);
    let runtime = match &config.runtime {
        // Pods are below it: who takes the node down finds them there.
        ContainerRuntime::Own => kubelet_argument("cgroup-root", &format_args!("/{}", layout.cgroup_root())),
        // Another's cgroups are where that puts them; its pods are found by asking it.
        ContainerRuntime::Docker => "--docker".to_owned(),
        ContainerRuntime::Socket(socket) => format!("--container-runtime-endpoint=unix://{}", socket.display()),
    };
    vec![
        "agent".to_owned(),
        // Empty, and in place of the machine's: what is there for another K3s would be added to all this.
        format!("--config={}", config_file(layout).display()),
        format!("--data-dir={}", data(layout).display()),
        format!("--server={}", config.api_server),
        format!("--token-file={}", config.token_file.display()),
        format!("--node-name={}", config.node_name),
        format!("--node-ip={}", config.node_ip),
        runtime,
        // What it mounts for pods is below the node's folder.
        kubelet_argument("root-dir", &folder.display()),
        kubelet_argument("cert-dir", &folder.join("pki").display()),
        // Machines that still have version 1 run pods as well.
        kubelet_argument("fail-cgroupv1", &false),
        kubelet_argument("max-pods", &config.max_pods),
        format!("-v={}", config.log_level),
    ]
}

/// What the kubelet is told by no flag.
pub(super) fn kubelet_settings(layout: &Layout) -> String {
    let settings = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "podLogsDir": layout.state.join("pods-log"),
    });
    format!("{settings:#}")
}
