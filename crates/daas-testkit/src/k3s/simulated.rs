//! `simulated-k3s`, a program with the command line of `k3s server` and `k3s agent`: what runs in it is the double, in a copy of the
//! test's own program. It refuses arguments that K3s does not know, takes its CAs and tokens from where K3s does, and says when it
//! is ready.

mod agent;
mod upkeep;

pub use agent::pods;

use super::{Authorities, ScriptedAgent, ScriptedSupervisor, Settings};
use crate::pki::Leaf;
use http::Request;
use http_body_util::Full;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// Holds the arguments, one a line, in the copy that is to be a K3s.
const ARGUMENTS: &str = "SIMULATED_K3S";
/// Holds its version there.
const SAID: &str = "SIMULATED_K3S_VERSION";
/// The version that it gives itself, if nothing else is said.
pub const VERSION: &str = "v1.36.2+simulated";

/// Arguments of `k3s server` with a value, as v1.36.2 has them, of those that are of use here.
const VALUED: [&str; 24] = [
    "advertise-address",
    "advertise-port",
    "agent-token-file",
    "bind-address",
    "cluster-cidr",
    "cluster-dns",
    "cluster-domain",
    "config",
    "data-dir",
    "disable",
    "egress-selector-mode",
    "flannel-backend",
    "https-listen-port",
    "kube-apiserver-arg",
    "kube-controller-manager-arg",
    "kube-scheduler-arg",
    "node-ip",
    "node-name",
    "service-cidr",
    "tls-san",
    "token-file",
    "v",
    "write-kubeconfig",
    "write-kubeconfig-mode",
];
/// And without.
const BARE: [&str; 5] =
    ["cluster-init", "disable-agent", "disable-cloud-controller", "disable-helm-controller", "disable-network-policy"];

/// A command line, read.
struct Line(BTreeMap<String, Vec<String>>);

/// Writes the program into a folder. `test` is the test that calls [`run`], by its whole name.
pub fn write(folder: &Path, test: &str) -> PathBuf {
    write_version(folder, test, VERSION)
}

/// The same of another version.
pub fn write_version(folder: &Path, test: &str, version: &str) -> PathBuf {
    let path = folder.join("simulated-k3s");
    let own = std::env::current_exe().unwrap();
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = --version ] && {{ echo 'k3s version {version} (0)'; exit; }}\n\
         {SAID}='{version}' {ARGUMENTS}=$(printf '%s\\n' \"$@\") exec '{}' --exact {test} --nocapture\n",
        own.display()
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    path
}

/// Is the K3s, until it is killed, if this is such a copy; else there is nothing to do.
pub async fn run() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else { return };
    match arguments.split_once('\n') {
        Some(("server", rest)) => server(Line::parse(rest, &VALUED, &BARE)).await,
        Some(("agent", rest)) => agent::run(&Line::parse(rest, &agent::VALUED, &agent::BARE)).await,
        Some(("etcd-snapshot", rest)) => upkeep::etcd_snapshot(rest),
        Some(("certificate", rest)) => upkeep::certificate(rest),
        _ => panic!("what is simulated is the server, the agent, and what keeps a server up"),
    }
}

async fn server(line: Line) {
    assert!(line.0.contains_key("disable-agent"), "a server that is an agent as well runs pods");
    let data = PathBuf::from(line.one("data-dir"));
    let token = |name: &str| fs::read_to_string(line.one(name)).unwrap().trim().to_owned();
    let authorities = Authorities::load(&data.join("server/tls"));
    upkeep::keep(&data, line.0.contains_key("cluster-init"), &token("token-file"));
    let settings = Settings {
        listen: format!("{}:{}", line.one("bind-address"), line.one("https-listen-port")).parse().unwrap(),
        token: token("token-file"),
        agent_token: token("agent-token-file"),
        allowed_names: line.apiserver("requestheader-allowed-names").split(',').map(str::to_owned).collect(),
        advertised: format!("{}:{}", line.one("advertise-address"), line.one("advertise-port")),
    };
    let _supervisor = ScriptedSupervisor::with(&authorities, settings).await;
    let kubeconfig = PathBuf::from(line.one("write-kubeconfig"));
    fs::write(kubeconfig, "an administrator's").unwrap();
    say_ready();
    // A little later than all else.
    let node = format!("system:node:{}", line.one("node-name"));
    let (cert, key) = authorities.client.member(&node, &["system:nodes"]).pem();
    fs::create_dir_all(data.join("agent")).unwrap();
    fs::write(data.join("agent/client-kubelet.key"), key).unwrap();
    fs::write(data.join("agent/client-kubelet.new"), cert).unwrap();
    fs::rename(data.join("agent/client-kubelet.new"), data.join("agent/client-kubelet.crt")).unwrap();
    std::future::pending::<()>().await;
}

fn say_ready() {
    if let Some(socket) = std::env::var_os("NOTIFY_SOCKET") {
        UnixDatagram::unbound().unwrap().send_to(b"READY=1\n", socket).unwrap();
    }
}

/// What the gateway says to the server of this data folder when it takes its own tunnel there.
pub async fn own_tunnel(gateway: SocketAddr, data: &Path, node: &str) -> u16 {
    let read = |name: &str| fs::read(data.join("agent").join(name)).unwrap();
    let chain = CertificateDer::pem_slice_iter(&read("client-kubelet.crt")).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(&read("client-kubelet.key")).unwrap();
    let request = Request::get("/v1-k3s/connect").header("host", "127.0.0.1").header("connection", "Upgrade");
    let request = request.header("upgrade", "websocket").body(Full::default()).unwrap();
    let agent = ScriptedAgent::new(gateway, node, "");
    let (response, _driver) = agent.send(request, "any", Some(Leaf { chain, key })).await.unwrap();
    response.status().as_u16()
}

// === impl Line ===

impl Line {
    fn parse(arguments: &str, valued: &[&str], bare_ones: &[&str]) -> Self {
        let mut read: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for argument in arguments.lines() {
            let bare = argument.trim_start_matches('-');
            match bare.split_once('=') {
                Some((name, value)) if valued.contains(&name) => {
                    read.entry(name.to_owned()).or_default().push(value.to_owned());
                }
                None if bare_ones.contains(&bare) => drop(read.entry(bare.to_owned()).or_default()),
                _ => panic!("flag provided but not defined: {argument}"),
            }
        }
        Self(read)
    }

    fn one(&self, name: &str) -> &str {
        match self.0.get(name).map(Vec::as_slice) {
            Some([value]) => value,
            other => panic!("--{name} is {other:?}"),
        }
    }

    /// The API server's argument; K3s' own, if it is not said.
    fn apiserver(&self, name: &str) -> String {
        self.component("kube-apiserver-arg", name).unwrap_or("system:auth-proxy").to_owned()
    }

    /// The argument of a component.
    fn component(&self, component: &str, name: &str) -> Option<&str> {
        let given = self.0.get(component).into_iter().flatten();
        let values: Vec<_> = given.filter_map(|given| given.strip_prefix(name)?.strip_prefix('=')).collect();
        match values[..] {
            [] => None,
            [value] => Some(value),
            _ => panic!("{name} is {values:?}"),
        }
    }
}
