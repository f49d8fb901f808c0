//! Every flag of the control plane, each with its reason where the name does not give it.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{ControlPlaneError, Layout};
use crate::files;
use crate::pki::{AGGREGATOR_NAME, GATEWAY_NAME, Pki};
use crate::settings::{JoinMaterial, ServerConfig, ServerEndpoints, TlsVersion};

pub(super) fn kine(layout: &Layout) -> Vec<String> {
    let database = layout.state.join("db/state.db");
    let options = "_journal=WAL&cache=shared&_busy_timeout=30000";
    vec![
        format!("--listen-address=unix://{}", layout.kine_socket().display()),
        format!("--endpoint=sqlite://{}?{options}", database.display()),
        "--metrics-bind-address=0".to_owned(),
    ]
}

pub(super) fn apiserver(layout: &Layout, config: &ServerConfig, pki: &Pki) -> Vec<String> {
    let issuer = format!("https://kubernetes.default.svc.{}", config.domain);
    let mut flags = vec![
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={}", config.ports.api),
        format!("--advertise-address={}", config.advertise_address),
        format!("--etcd-servers=unix://{}", layout.kine_socket().display()),
        format!("--service-cluster-ip-range={}", config.service_cidr),
        // The `kubernetes` Service points at the gateway; whoever runs that writes its endpoints.
        "--endpoint-reconciler-type=none".to_owned(),
        // Nodes do not have the API server's own view of Service addresses.
        "--enable-aggregator-routing=true".to_owned(),
        "--allow-privileged=true".to_owned(),
        "--profiling=false".to_owned(),
        format!("--service-account-issuer={issuer}"),
        // A token that anyone with `admin` in a namespace can mint must not outlive its right for long.
        "--service-account-extend-token-expiration=false".to_owned(),
        "--service-account-max-token-expiration=1h".to_owned(),
        // Else exec and logs look a node's name up in DNS.
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
    ];
    flags.extend(api_identity(layout, pki));
    flags.extend(common(config));
    flags
}

/// Who the API server is, and whom it believes.
fn api_identity(layout: &Layout, pki: &Pki) -> Vec<String> {
    let file = |name: &str| layout.state.join("pki").join(name).display().to_string();
    let aggregator = pki.files("aggregator");
    let kubelet = pki.files("kubelet-client");
    vec![
        "--anonymous-auth=false".to_owned(),
        "--authorization-mode=Node,RBAC".to_owned(),
        // A Service with external addresses would divert other machines' traffic, the gateway's too.
        "--enable-admission-plugins=NodeRestriction,DenyServiceExternalIPs".to_owned(),
        format!("--admission-control-config-file={}", admission_path(layout).display()),
        format!("--client-ca-file={}", file("client-ca.crt")),
        format!("--requestheader-client-ca-file={}", file("request-header-ca.crt")),
        format!("--requestheader-allowed-names={GATEWAY_NAME},{AGGREGATOR_NAME}"),
        "--requestheader-username-headers=X-Remote-User".to_owned(),
        "--requestheader-uid-headers=X-Remote-Uid".to_owned(),
        "--requestheader-group-headers=X-Remote-Group".to_owned(),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
        format!("--proxy-client-cert-file={}", aggregator.cert.display()),
        format!("--proxy-client-key-file={}", aggregator.key.display()),
        // A kubelet is believed only with a certificate issued at join.
        format!("--kubelet-certificate-authority={}", file("kubelet-serving-ca.crt")),
        format!("--kubelet-client-certificate={}", kubelet.cert.display()),
        format!("--kubelet-client-key={}", kubelet.key.display()),
        format!("--service-account-key-file={}", file("service-account.pub")),
        format!("--service-account-signing-key-file={}", file("service-account.key")),
    ]
    .into_iter()
    .chain(serving(layout))
    .collect()
}

pub(super) fn controller_manager(layout: &Layout, config: &ServerConfig) -> Vec<String> {
    let file = |name: &str| layout.state.join("pki").join(name).display().to_string();
    let mut flags = vec![
        // No node and no user gets a client certificate from the cluster: identities come from the gateway.
        concat!(
            "--controllers=*,-certificatesigningrequest-approving-controller,",
            "-certificatesigningrequest-signing-controller"
        )
        .to_owned(),
        "--allocate-node-cidrs=true".to_owned(),
        format!("--cluster-cidr={}", config.cluster_cidr),
        format!("--service-cluster-ip-range={}", config.service_cidr),
        "--use-service-account-credentials=true".to_owned(),
        format!("--service-account-private-key-file={}", file("service-account.key")),
        format!("--root-ca-file={}", file("server-ca.crt")),
    ];
    flags.extend(component(layout, "kcm", config.ports.controller_manager));
    flags.extend(common(config));
    flags
}

pub(super) fn scheduler(layout: &Layout, config: &ServerConfig) -> Vec<String> {
    let mut flags = component(layout, "scheduler", config.ports.scheduler);
    flags.extend(common(config));
    flags
}

fn component(layout: &Layout, name: &str, port: u16) -> Vec<String> {
    let kubeconfig = kubeconfig_path(layout, name);
    ["kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"]
        .into_iter()
        .map(|flag| format!("--{flag}={}", kubeconfig.display()))
        .chain([
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={port}"),
            "--profiling=false".to_owned(),
            // One supervisor, one process: a lease would only delay the restart after a crash.
            "--leader-elect=false".to_owned(),
        ])
        .chain(serving(layout))
        .collect()
}

fn serving(layout: &Layout) -> [String; 2] {
    let pki = layout.state.join("pki");
    [
        format!("--tls-cert-file={}", pki.join("loopback-serving.crt").display()),
        format!("--tls-private-key-file={}", pki.join("loopback-serving.key").display()),
    ]
}

/// What every component is told.
pub(crate) fn common(config: &ServerConfig) -> Vec<String> {
    let version = match config.tls_min_version {
        TlsVersion::Tls12 => "VersionTLS12",
        TlsVersion::Tls13 => "VersionTLS13",
    };
    let mut flags = vec![format!("--tls-min-version={version}"), format!("--v={}", config.log_level)];
    if !config.cipher_suites.is_empty() {
        flags.push(format!("--tls-cipher-suites={}", config.cipher_suites.join(",")));
    }
    flags
}

fn kubeconfig_path(layout: &Layout, name: &str) -> PathBuf {
    layout.state.join("kubeconfig").join(format!("{name}.json"))
}

pub(super) fn write_kubeconfigs(layout: &Layout, config: &ServerConfig, pki: &Pki) -> Result<(), ControlPlaneError> {
    for name in ["controller", "kcm", "scheduler"] {
        let client = pki.files(name);
        let user = json!({ "client-certificate": client.cert, "client-key": client.key });
        let server = format!("https://127.0.0.1:{}", config.ports.api);
        let text = kubeconfig(&server, &layout.state.join("pki/server-ca.crt"), &user);
        files::write_private(&kubeconfig_path(layout, name), text)?;
    }
    Ok(())
}

fn admission_path(layout: &Layout) -> PathBuf {
    layout.state.join("admission.json")
}

pub(super) fn write_admission(layout: &Layout) -> Result<(), ControlPlaneError> {
    Ok(files::write_private(&admission_path(layout), admission())?)
}

/// What pods may ask of a node where a namespace says nothing stricter: no host paths, no host network, no privileges.
/// The engine's own namespaces are exempt; who may write there is the caller's rule.
pub(crate) fn admission() -> String {
    let pod_security = json!({
        "apiVersion": "pod-security.admission.config.k8s.io/v1",
        "kind": "PodSecurityConfiguration",
        "defaults": { "enforce": "baseline", "enforce-version": "latest" },
        "exemptions": { "namespaces": ["kube-system"] },
    });
    let config = json!({
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": [{ "name": "PodSecurity", "configuration": pod_security }],
    });
    config.to_string()
}

/// A kubeconfig with one cluster and one user (JSON is YAML).
pub(crate) fn kubeconfig(server: &str, ca: &Path, user: &serde_json::Value) -> String {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "default",
        "contexts": [{ "name": "default", "context": { "cluster": "default", "user": "default" } }],
        "clusters": [{ "name": "default", "cluster": { "server": server, "certificate-authority": ca } }],
        "users": [{ "name": "default", "user": user }],
    });
    format!("{config:#}")
}

pub(super) fn endpoints(layout: &Layout, config: &ServerConfig, pki: &Pki) -> ServerEndpoints {
    ServerEndpoints {
        state_dir: layout.state.clone(),
        api: (std::net::Ipv4Addr::LOCALHOST, config.ports.api).into(),
        server_ca: layout.state.join("pki/server-ca.crt"),
        front_proxy: pki.files("gateway"),
        gateway_serving: pki.files("gateway-serving"),
        controller: pki.files("controller"),
        controller_kubeconfig: kubeconfig_path(layout, "controller"),
        service_account_public_key_pem: pki.service_account_public_key_pem().to_owned(),
        service_account_issuer: format!("https://kubernetes.default.svc.{}", config.domain),
        agents: None,
    }
}

pub(crate) fn join_material(config: &ServerConfig, pki: &Pki) -> JoinMaterial {
    JoinMaterial {
        server_ca_pem: pki.server_ca_pem().to_owned(),
        kubelet_client_ca_pem: pki.kubelet_client_ca_pem().to_owned(),
        cluster_cidr: config.cluster_cidr,
        cluster_dns: config.cluster_dns,
        domain: config.domain.clone(),
    }
}
