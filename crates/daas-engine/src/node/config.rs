//! The configuration files and flags of a node's components, each setting with its reason where the name does
//! not give it.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, statfs};
use serde_json::{Value, json};

use super::{Layout, NodeError, system_program};
use crate::build::Binaries;
use crate::files::{self, FileError};
use crate::images;
use crate::settings::{CredentialPlugin, NodeConfig};

pub(super) const KUBELET_HEALTH_PORT: u16 = 10248;
pub(super) const PROXY_HEALTH_PORT: u16 = 10256;
const KUBELET_PORT: u16 = 10250;
/// CAP_SYS_RESOURCE in the kernel's numbering.
const SYS_RESOURCE: u32 = 24;

pub(super) fn write_all(layout: &Layout, config: &NodeConfig) -> Result<(), NodeError> {
    let etc = layout.state.join("etc");
    let ca = etc.join("server-ca.crt");
    let kubelet_client_ca = etc.join("kubelet-client-ca.crt");
    files::write_private(&ca, &config.join.server_ca_pem)?;
    files::write_private(&kubelet_client_ca, &config.join.kubelet_client_ca_pem)?;
    for (name, plugin) in [("kubelet", &config.kubelet_credential), ("kube-proxy", &config.proxy_credential)] {
        let text = kubeconfig(&config.api_server, &ca, plugin);
        files::write_private(&etc.join(format!("{name}.kubeconfig")), text)?;
    }
    files::write_private(&etc.join("kubelet.yaml"), kubelet(layout, config, &kubelet_client_ca))?;
    files::write_private(&etc.join("kube-proxy.yaml"), proxy(layout, config))?;
    Ok(())
}

pub(super) fn write_containerd(layout: &Layout, binaries: &Binaries) -> Result<(), NodeError> {
    let runc = system_program("runc")?;
    Ok(files::write_private(&containerd_path(layout), containerd(layout, binaries.folder(), &runc)?)?)
}

fn containerd_path(layout: &Layout) -> PathBuf {
    layout.state.join("etc/containerd.toml")
}

pub(super) fn containerd_args(layout: &Layout) -> Vec<String> {
    vec![format!("--config={}", containerd_path(layout).display())]
}

pub(super) fn kubelet_args(layout: &Layout, config: &NodeConfig) -> Vec<String> {
    let etc = layout.state.join("etc");
    let mut args = vec![
        format!("--config={}", etc.join("kubelet.yaml").display()),
        format!("--kubeconfig={}", etc.join("kubelet.kubeconfig").display()),
        format!("--root-dir={}", layout.state.join("kubelet").display()),
        format!("--cert-dir={}", layout.state.join("kubelet/pki").display()),
        format!("--hostname-override={}", config.node_name),
        format!("--node-ip={}", config.node_ip),
        format!("--v={}", config.log_level),
    ];
    if !config.labels.is_empty() {
        let labels: Vec<String> = config.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        args.push(format!("--node-labels={}", labels.join(",")));
    }
    args
}

pub(super) fn proxy_args(layout: &Layout, config: &NodeConfig) -> Vec<String> {
    let file = layout.state.join("etc/kube-proxy.yaml");
    vec![format!("--config={}", file.display()), format!("--v={}", config.log_level)]
}

/// A kubeconfig whose user is a credential plugin: no secret lies in a file.
fn kubeconfig(server: &str, ca: &Path, plugin: &CredentialPlugin) -> String {
    let env: Vec<Value> = plugin.env.iter().map(|(k, v)| json!({ "name": k, "value": v })).collect();
    let user = json!({ "exec": {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": plugin.command,
        "args": plugin.args,
        "env": env,
        // The plugin compares the CA it is told with the one it verified.
        "provideClusterInfo": true,
        "interactiveMode": "Never",
    }});
    crate::control_plane::kubeconfig(server, ca, &user)
}

fn kubelet(layout: &Layout, config: &NodeConfig, client_ca: &Path) -> String {
    let taints: Vec<Value> =
        config.taints.iter().map(|t| json!({ "key": t.key, "value": t.value, "effect": t.effect })).collect();
    let settings = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": config.node_ip,
        "port": KUBELET_PORT,
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": KUBELET_HEALTH_PORT,
        "authentication": {
            "anonymous": { "enabled": false },
            "x509": { "clientCAFile": client_ca },
            "webhook": { "enabled": true },
        },
        "authorization": { "mode": "Webhook" },
        // The certificate was issued at join, for an address the node did not choose.
        "tlsCertFile": config.serving.cert,
        "tlsPrivateKeyFile": config.serving.key,
        "serverTLSBootstrap": false,
        "rotateCertificates": false,
        "containerRuntimeEndpoint": format!("unix://{}", layout.runtime_socket().display()),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}", layout.cgroup_root()),
        "failCgroupV1": false,
        "failSwapOn": false,
        "clusterDomain": config.join.domain,
        "clusterDNS": [config.join.cluster_dns],
        "podLogsDir": layout.state.join("pods-log"),
        "volumePluginDir": layout.state.join("volume-plugins"),
        "maxPods": config.max_pods,
        // Else one pod's fork bomb takes the machine's.
        "podPidsLimit": 1024,
        "registerWithTaints": taints,
        // kube-proxy speaks nftables; a kubelet's iptables chains would be left behind.
        "makeIPTablesUtilChains": false,
        // Development machines run with nearly full disks.
        "evictionHard": { "memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%" },
        "imageGCHighThresholdPercent": 99,
        "imageGCLowThresholdPercent": 98,
    });
    format!("{settings:#}")
}

fn proxy(layout: &Layout, config: &NodeConfig) -> String {
    let settings = json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": { "kubeconfig": layout.state.join("etc/kube-proxy.kubeconfig") },
        "mode": "nftables",
        "clusterCIDR": config.join.cluster_cidr,
        "hostnameOverride": config.node_name,
        "healthzBindAddress": format!("127.0.0.1:{PROXY_HEALTH_PORT}"),
        "metricsBindAddress": "127.0.0.1:10249",
        // Zero leaves the machine's own settings: many containers and VMs forbid to change them.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    });
    format!("{settings:#}")
}

fn containerd(layout: &Layout, plugins: &Path, runc: &Path) -> Result<String, FileError> {
    let folder = layout.state.join("containerd");
    let text = |path: &Path| json!(path).to_string();
    let sandbox = json!(images::PAUSE);
    Ok(format!(
        r#"version = 3
root = {root}
state = {state}
[grpc]
  address = {socket}
[plugins."io.containerd.internal.v1.opt"]
  path = {opt}
[plugins."io.containerd.nri.v1.nri"]
  disable = true
[plugins."io.containerd.shim.v1.manager"]
  socket_dir = {shim_sockets}
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "{snapshotter}"
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = {sandbox}
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = {restricted}
  netns_mounts_under_state_dir = true
  enable_cdi = false
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = [{plugins}]
    conf_dir = {cni}
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      BinaryName = {runc}
      Root = {runc_root}
      SystemdCgroup = false
"#,
        root = text(&folder.join("root")),
        state = text(&folder.join("state")),
        socket = text(&layout.runtime_socket()),
        opt = text(&folder.join("opt")),
        shim_sockets = text(&layout.sockets().join("s")),
        snapshotter = snapshotter(&folder)?,
        restricted = !may_lower_oom_score(),
        plugins = text(plugins),
        cni = text(&layout.state.join("cni/conf")),
        runc = text(runc),
        runc_root = text(&folder.join("runc")),
    ))
}

/// An overlay cannot lie on an overlay, as in most containers.
fn snapshotter(folder: &Path) -> Result<&'static str, FileError> {
    let kind = statfs(folder).map_err(|e| FileError::of("look at", folder)(e.into()))?.filesystem_type();
    Ok(if kind == OVERLAYFS_SUPER_MAGIC { "native" } else { "overlayfs" })
}

/// Without the capability runc dies on a container that asks for a lower score than the caller's.
fn may_lower_oom_score() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .is_some_and(|bits| bits & (1 << SYS_RESOURCE) != 0)
}
