//! Every argument of `k3s server`, each with its reason where the name does not give it. No secret among them: they can be
//! read by everyone on the machine.

use super::server::Layout;
use super::tokens::Tokens;
use crate::control_plane::common;
use crate::pki::{CertFiles, GATEWAY_NAME, K3S_KUBELET_CLIENT, KUBELET_SERVING_CA, Pki};
use crate::settings::ServerConfig;

/// What K3s' own aggregator is called.
const AGGREGATOR: &str = "system:auth-proxy";
/// The server as a node.
pub(super) const NODE: &str = "k3s-server";
/// What K3s brings along that opens ports on nodes, mounts their disks, or asks every kubelet.
const NOT_PACKAGED: [&str; 4] = ["traefik", "servicelb", "local-storage", "metrics-server"];

pub(super) fn server(layout: &Layout, config: &ServerConfig, pki: &Pki, tokens: &Tokens) -> Vec<String> {
    let mut flags = vec!["server".to_owned(), "--disable-agent".to_owned()];
    flags.extend(places(layout, config, tokens));
    flags.extend(network(config));
    if config.cluster_init {
        flags.push("--cluster-init".to_owned());
    }
    flags.extend(NOT_PACKAGED.map(|name| format!("--disable={name}")));
    // What this one sets on a Node is the master's to decide: where it is, and whether it takes pods.
    flags.push("--disable-cloud-controller".to_owned());
    flags.push("--disable-helm-controller".to_owned());
    let arguments = |component: &'static str, all: Vec<String>| {
        all.into_iter().map(move |argument| format!("--{component}-arg={argument}"))
    };
    flags.extend(arguments("kube-apiserver", apiserver(layout, config, pki)));
    flags.extend(arguments("kube-controller-manager", controller_manager()));
    flags.push(format!("-v={}", config.log_level));
    flags
}

fn places(layout: &Layout, config: &ServerConfig, tokens: &Tokens) -> Vec<String> {
    let address = config.advertise_address;
    let mut flags = vec![
        // Empty, and in place of the machine's: what is there for another K3s would be added to all this.
        format!("--config={}", layout.config().display()),
        format!("--data-dir={}", layout.data().display()),
        // Nobody reaches it but the gateway, which stands on this machine.
        "--bind-address=127.0.0.1".to_owned(),
        format!("--https-listen-port={}", config.ports.api),
        // What agents keep of where servers are, and where they take their tunnels: the gateway alone.
        format!("--advertise-address={address}"),
        format!("--advertise-port={}", config.advertise_port),
        format!("--node-name={NODE}"),
        format!("--node-ip={address}"),
        format!("--token-file={}", tokens.server.display()),
        format!("--agent-token-file={}", tokens.agent.display()),
        format!("--write-kubeconfig={}", layout.kubeconfig().display()),
        "--write-kubeconfig-mode=0600".to_owned(),
    ];
    flags.extend(config.gateway_sans.iter().map(|name| format!("--tls-san={name}")));
    flags
}

fn network(config: &ServerConfig) -> [String; 6] {
    [
        format!("--cluster-cidr={}", config.cluster_cidr),
        format!("--service-cidr={}", config.service_cidr),
        format!("--cluster-dns={}", config.cluster_dns),
        format!("--cluster-domain={}", config.domain),
        // Between strangers' machines everything is read.
        "--flannel-backend=wireguard-native".to_owned(),
        // Kubelets are called through the tunnels that they have opened, and not where they say that they are.
        "--egress-selector-mode=agent".to_owned(),
    ]
}

fn apiserver(layout: &Layout, config: &ServerConfig, pki: &Pki) -> Vec<String> {
    let CertFiles { cert, key } = pki.files(K3S_KUBELET_CLIENT);
    let arguments = [
        "anonymous-auth=false".to_owned(),
        "authorization-mode=Node,RBAC".to_owned(),
        // A Service with external addresses would divert other machines' traffic, the gateway's too.
        "enable-admission-plugins=NodeRestriction,DenyServiceExternalIPs".to_owned(),
        format!("admission-control-config-file={}", layout.admission().display()),
        format!("requestheader-allowed-names={AGGREGATOR},{GATEWAY_NAME}"),
        "requestheader-uid-headers=X-Remote-Uid".to_owned(),
        // Not the administrator's, as K3s has it: a kubelet is called with what calls kubelets and nothing else.
        format!("kubelet-client-certificate={}", cert.display()),
        format!("kubelet-client-key={}", key.display()),
        // Not the server's, as K3s has it: agents believe that one, and would believe whoever has a kubelet's certificate.
        format!("kubelet-certificate-authority={}", pki.files(KUBELET_SERVING_CA).cert.display()),
        // Else exec and logs look a node's name up in DNS.
        "kubelet-preferred-address-types=InternalIP".to_owned(),
        "profiling=false".to_owned(),
        // A token that anyone with `admin` in a namespace can mint must not outlive its right for long.
        "service-account-extend-token-expiration=false".to_owned(),
        "service-account-max-token-expiration=1h".to_owned(),
    ];
    // The log's verbosity is K3s' own flag.
    let tls =
        common(config).into_iter().filter_map(|flag| flag.strip_prefix("--tls-").map(|rest| format!("tls-{rest}")));
    arguments.into_iter().chain(tls).collect()
}

/// No node and no user gets a client certificate from the cluster by asking the API: these are added to what K3s sets.
fn controller_manager() -> Vec<String> {
    let off = ["approving", "signing"];
    off.map(|which| format!("controllers+=-certificatesigningrequest-{which}-controller")).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{ServerPorts, TlsVersion};
    use std::path::{Path, PathBuf};
    use std::time::{Duration, UNIX_EPOCH};

    fn config(state_dir: PathBuf) -> ServerConfig {
        ServerConfig {
            state_dir,
            ports: ServerPorts { api: 16443, ..ServerPorts::default() },
            advertise_address: [192, 0, 2, 1].into(),
            advertise_port: 6443,
            gateway_sans: vec!["daas.example".to_owned(), "192.0.2.1".to_owned()],
            cluster_cidr: "10.42.0.0/16".parse().unwrap(),
            service_cidr: "10.43.0.0/16".parse().unwrap(),
            cluster_dns: [10, 43, 0, 10].into(),
            domain: "cluster.local".to_owned(),
            tls_min_version: TlsVersion::Tls12,
            cipher_suites: vec!["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384".to_owned()],
            log_level: 1,
            cluster_init: false,
        }
    }

    fn made() -> (tempfile::TempDir, Vec<String>, Tokens, Pki) {
        made_with(false)
    }

    fn made_with(cluster_init: bool) -> (tempfile::TempDir, Vec<String>, Tokens, Pki) {
        let folder = tempfile::tempdir().unwrap();
        let config = ServerConfig { cluster_init, ..config(folder.path().to_owned()) };
        let now = UNIX_EPOCH + Duration::from_hours(500_000);
        let pki = Pki::load_or_create(folder.path(), &config.pki_names(), now).unwrap();
        let layout = Layout { state: folder.path().to_owned() };
        let tokens = Tokens::load_or_create(&layout.tokens(), &layout.data().join("server/db")).unwrap();
        let flags = server(&layout, &config, &pki, &tokens);
        (folder, flags, tokens, pki)
    }

    #[test]
    fn the_arguments_are_these() {
        let (folder, flags, ..) = made();
        let state = folder.path().display().to_string();
        let text = flags.iter().map(|flag| flag.replace(&state, "STATE") + "\n").collect::<String>();
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/k3s/server.arguments");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &text).unwrap();
        }
        assert_eq!(text, std::fs::read_to_string(&golden).unwrap(), "UPDATE_GOLDEN=1 rewrites {}", golden.display());
    }

    #[test]
    fn a_cluster_with_etcd_has_one_argument_more() {
        let plain = |(folder, flags, ..): (tempfile::TempDir, Vec<String>, Tokens, Pki)| -> Vec<String> {
            let state = folder.path().display().to_string();
            flags.iter().map(|flag| flag.replace(&state, "STATE")).collect()
        };
        let (without, mut with) = (plain(made()), plain(made_with(true)));
        assert!(!without.iter().any(|flag| flag == "--cluster-init"));
        with.retain(|flag| flag != "--cluster-init");
        assert_eq!(with, without);
        assert_eq!(made_with(true).1.len(), without.len() + 1);
    }

    /// Apart from the golden file, so that rewriting it does not lose them.
    #[test]
    fn what_keeps_the_gateway_in_front_is_there() {
        let (_folder, flags, tokens, pki) = made();
        let has = |flag: &str| flags.iter().filter(|given| *given == flag).count() == 1;
        assert!(has("--bind-address=127.0.0.1"), "reachable past the gateway");
        assert!(has("--advertise-address=192.0.2.1") && has("--advertise-port=6443"), "agents are sent elsewhere");
        let allowed = "--kube-apiserver-arg=requestheader-allowed-names=system:auth-proxy,daas:gateway";
        assert!(has(allowed), "the gateway is not believed, or everyone is");
        assert!(has("--kube-apiserver-arg=anonymous-auth=false"));
        let kubelets =
            flags.iter().find_map(|flag| flag.strip_prefix("--kube-apiserver-arg=kubelet-certificate-authority="));
        let kubelets = std::fs::read_to_string(kubelets.expect("K3s' own is believed")).unwrap();
        assert_eq!(kubelets, pki.kubelet_serving_ca_pem(), "another authority's kubelets are believed");
        let config = flags.iter().find_map(|flag| flag.strip_prefix("--config=")).expect("the machine's own is read");
        assert!(!config.starts_with("/etc/"), "{config}");
        assert!(has(&format!("--token-file={}", tokens.server.display())));
        assert!(has(&format!("--agent-token-file={}", tokens.agent.display())));
        for forbidden in
            ["--secrets-encryption", "--token=", "--agent-token=", "--supervisor-port", "--datastore-endpoint"]
        {
            assert!(!flags.iter().any(|flag| flag.starts_with(forbidden)), "{forbidden}");
        }
        for secret in [&tokens.server, &tokens.agent].map(|path| std::fs::read_to_string(path).unwrap()) {
            assert!(!flags.iter().any(|flag| flag.contains(&secret)), "a secret is an argument");
        }
    }
}
