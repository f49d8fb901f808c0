use std::collections::BTreeMap;
use std::future::Future;
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use daas_engine::build::{self, Binaries, Program};
use daas_engine::pki::{CertFiles, Pki};
use daas_engine::{
    Cidr, CredentialPlugin, Engine, JoinMaterial, Node, NodeConfig, Role, Server, ServerConfig, ServerPorts,
    TlsVersion, images,
};
use tokio::process::Command;
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_mins(2);
pub(crate) const PORTS: ServerPorts = ServerPorts { api: 26444, controller_manager: 26457, scheduler: 26459 };
const PODS: &str = r#"
{"apiVersion": "v1", "kind": "List", "items": [
 {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
  "replicas": 2, "selector": {"matchLabels": {"app": "web"}},
  "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [
   {"name": "web", "image": "local/busybox:1", "imagePullPolicy": "Never", "ports": [{"containerPort": 8080}],
    "command": ["sh", "-c", "echo hello > /tmp/index.html; exec httpd -f -p 8080 -h /tmp"]}]}}}},
 {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {
  "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}}]}
"#;

/// The programs, or nothing and a loud line.
pub(crate) async fn programs(what: &str) -> Option<Binaries> {
    let found = build::find(&build::default_cache_dir().unwrap()).await.unwrap();
    if let Err(missing) = Engine::Kubernetes.check(Role::Node) {
        skipped(what, &missing);
        return None;
    }
    if found.is_none() {
        skipped(what, &"no Kubernetes programs in the cache, `make engine` builds them");
    }
    found
}

/// Past the capture of the test runner: a skipped test must not look like one that passed.
fn skipped(what: &str, why: &dyn std::fmt::Display) {
    std::io::stderr().write_all(format!("\nSKIPPED ({what}): {why}\n").as_bytes()).unwrap();
}

/// Waits until `condition` holds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let deadline = Instant::now() + LIMIT;
    while !condition().await {
        assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Held while a test has the machine's fixed ports and names to itself: also against another test process.
pub(crate) struct Alone(std::fs::File);

pub(crate) async fn alone() -> Alone {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("engine.lock");
    let lock = move || {
        let file = std::fs::File::create(path).unwrap();
        file.lock().unwrap();
        file
    };
    Alone(tokio::task::spawn_blocking(lock).await.unwrap())
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.0.unlock().unwrap();
    }
}

/// Always the same, so that what a failed run left is taken away by the next.
pub(crate) async fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("engine");
    let paths = Paths::of(&folder);
    Engine::Kubernetes.cleanup_node(&paths.node()).await.unwrap();
    Engine::Kubernetes.cleanup_node(&paths.second_node()).await.unwrap();
    Engine::Kubernetes.cleanup_server(&paths.server()).await.unwrap();
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

pub(crate) struct Paths(PathBuf);

impl Paths {
    pub(crate) fn of(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    pub(crate) fn server(&self) -> PathBuf {
        self.0.join("master")
    }

    pub(crate) fn node(&self) -> PathBuf {
        self.0.join("node")
    }

    pub(crate) fn second_node(&self) -> PathBuf {
        self.0.join("node-2")
    }

    pub(crate) async fn try_kubectl(&self, programs: &Binaries, args: &[&str]) -> Result<String, String> {
        let output = Command::new(programs.path(Program::Kubectl))
            .env("KUBECONFIG", self.server().join("kubeconfig/controller.json"))
            .env("HOME", &self.0)
            .args(args)
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    pub(crate) async fn kubectl(&self, programs: &Binaries, args: &[&str]) -> String {
        self.try_kubectl(programs, args).await.unwrap_or_else(|e| panic!("kubectl {args:?}: {e}"))
    }
}

#[expect(clippy::disallowed_methods, reason = "a test has no other clock")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

fn address() -> Ipv4Addr {
    // No packet is sent: the kernel only chooses the address it would send from.
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect("192.0.2.254:9").unwrap();
    match socket.local_addr().unwrap().ip() {
        std::net::IpAddr::V4(ip) => ip,
        std::net::IpAddr::V6(ip) => panic!("{ip} is not IPv4"),
    }
}

fn server_config(paths: &Paths) -> ServerConfig {
    ServerConfig {
        state_dir: paths.server(),
        ports: PORTS,
        advertise_address: address(),
        advertise_port: 6443,
        gateway_sans: vec![address().to_string()],
        cluster_cidr: "10.42.0.0/16".parse().unwrap(),
        service_cidr: "10.43.0.0/16".parse().unwrap(),
        cluster_dns: Ipv4Addr::new(10, 43, 0, 10),
        domain: "cluster.local".to_owned(),
        tls_min_version: TlsVersion::Tls12,
        cipher_suites: Vec::new(),
        log_level: 1,
        cluster_init: false,
    }
}

pub(crate) async fn start_server(paths: &Paths, programs: &Binaries) -> Server {
    let config = server_config(paths);
    let pki = Pki::load_or_create(&config.state_dir, &config.pki_names(), now()).unwrap();
    let started = Instant::now();
    let mut server = Engine::Kubernetes.start_server(config, programs.clone(), &pki).await.unwrap();
    server.wait_ready(LIMIT).await.unwrap();
    println!("control plane ready in {:?}", started.elapsed());
    server
}

pub(crate) struct Cluster {
    pub(crate) paths: Paths,
    pub(crate) programs: Binaries,
    pub(crate) server: Server,
    pub(crate) node: Node,
}

impl Cluster {
    pub(crate) async fn start(folder: &Path, programs: &Binaries) -> Self {
        let paths = Paths::of(folder);
        let server = start_server(&paths, programs).await;
        let bind = "create clusterrolebinding";
        for (name, role, subject) in [
            ("kubelet-api", "system:kubelet-api-admin", "user=daas:kubelet-client"),
            ("node-proxier", "system:node-proxier", "group=system:nodes"),
        ] {
            let line = format!("{bind} {name} --clusterrole={role} --{subject}");
            paths.kubectl(programs, &line.split(' ').collect::<Vec<_>>()).await;
        }
        let place = Place { name: "worker-001", ip: address(), state_dir: paths.node() };
        let node = start_node(&paths, programs, server.join_material(), &place).await;
        Self { paths, programs: programs.clone(), server, node }
    }

    pub(crate) async fn run_pods(&self) {
        let started = Instant::now();
        let file = self.paths.0.join("pods.json");
        std::fs::write(&file, PODS).unwrap();
        self.kubectl(&["apply", "-f", file.to_str().unwrap()]).await;
        self.kubectl(&["rollout", "status", "deployment/web", "--timeout=120s"]).await;
        println!("two pods Running in {:?}", started.elapsed());
    }

    /// From within a pod, so that logs and exec go through the kubelet's certificate as well.
    pub(crate) async fn check_service(&self) {
        let started = Instant::now();
        let address = self.kubectl(&["get", "service", "web", "-o", "jsonpath={.spec.clusterIP}"]).await;
        let get = format!("http://{address}/index.html");
        // Often enough that each of the two pods, the asking one among them, is picked.
        for _ in 0..6 {
            let args = ["exec", "deployment/web", "--", "wget", "-q", "-O", "-", &get];
            until("the Service answers", || async {
                self.paths.try_kubectl(&self.programs, &args).await.is_ok_and(|answer| answer == "hello\n")
            })
            .await;
        }
        println!("Service answered in {:?}", started.elapsed());
    }

    pub(crate) async fn pod_restarts(&self) -> String {
        let path = "jsonpath={.items[*].status.containerStatuses[*].restartCount}";
        self.kubectl(&["get", "pods", "-l", "app=web", "-o", path]).await
    }

    pub(crate) async fn stop(self) {
        let started = Instant::now();
        self.node.stop(Duration::from_secs(2)).await.unwrap();
        println!("node stopped in {:?}", started.elapsed());
        self.server.stop().await;
    }

    pub(crate) async fn kubectl(&self, args: &[&str]) -> String {
        self.paths.kubectl(&self.programs, args).await
    }
}

/// Which node, and where it runs.
pub(crate) struct Place {
    pub(crate) name: &'static str,
    pub(crate) ip: Ipv4Addr,
    pub(crate) state_dir: PathBuf,
}

/// Starts a node and waits until the cluster has it as Ready.
pub(crate) async fn start_node(paths: &Paths, programs: &Binaries, join: &JoinMaterial, place: &Place) -> Node {
    let started = Instant::now();
    let server = server_config(paths);
    let pki = Pki::load_or_create(&server.state_dir, &server.pki_names(), now()).unwrap();
    let images = images::build(&paths.0.join("images"), &programs.path(Program::Kubectl)).await.unwrap();
    let plugin = credential_plugin(paths, place.name, &pki.issue_node_client(place.name, now()).unwrap());
    let config = NodeConfig {
        state_dir: place.state_dir.clone(),
        owner: place.name.to_owned(),
        node_name: place.name.to_owned(),
        node_ip: place.ip,
        api_server: format!("https://127.0.0.1:{}", PORTS.api),
        join: join.clone(),
        kubelet_credential: plugin.clone(),
        proxy_credential: plugin,
        serving: serving(paths, &pki, place),
        labels: BTreeMap::from([("daas.test/label".to_owned(), "yes".to_owned())]),
        taints: Vec::new(),
        images,
        max_pods: 110,
        log_level: 1,
    };
    let mut node = Engine::Kubernetes.start_node(config, programs).await.unwrap();
    node.wait_ready(LIMIT).await.unwrap();
    node.set_pod_cidr(pod_cidr(paths, programs, place.name).await).await.unwrap();
    let resource = format!("node/{}", place.name);
    paths.kubectl(programs, &["wait", "--for=condition=Ready", &resource, "--timeout=120s"]).await;
    println!("{resource} Ready in {:?}", started.elapsed());
    node
}

pub(crate) async fn pod_cidr(paths: &Paths, programs: &Binaries, node: &str) -> Cidr {
    let args = ["get", "node", node, "-o", "jsonpath={.spec.podCIDR}"];
    let get = || async { paths.try_kubectl(programs, &args).await.unwrap_or_default() };
    until("the node has a pod network", || async { !get().await.is_empty() }).await;
    get().await.parse().unwrap()
}

fn serving(paths: &Paths, pki: &Pki, place: &Place) -> CertFiles {
    let key = rcgen::KeyPair::generate().unwrap();
    let request = rcgen::CertificateParams::new(Vec::new()).unwrap().serialize_request(&key).unwrap();
    let files = CertFiles {
        cert: paths.0.join(format!("{}.crt", place.name)),
        key: paths.0.join(format!("{}.key", place.name)),
    };
    let cert = pki.issue_kubelet_serving(request.der(), place.name, place.ip.into(), now()).unwrap();
    std::fs::write(&files.cert, cert).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    files
}

/// A script that answers with a client certificate, in place of the product's plugin.
fn credential_plugin(paths: &Paths, name: &str, client: &CertFiles) -> CredentialPlugin {
    let credential = serde_json::json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {
            "clientCertificateData": std::fs::read_to_string(&client.cert).unwrap(),
            "clientKeyData": std::fs::read_to_string(&client.key).unwrap(),
        },
    });
    let answer = paths.0.join(format!("{name}.json"));
    std::fs::write(&answer, credential.to_string()).unwrap();
    let command = paths.0.join("credential");
    std::fs::write(&command, "#!/bin/sh\nexec cat \"$1\"\n").unwrap();
    std::fs::set_permissions(&command, std::fs::Permissions::from_mode(0o700)).unwrap();
    CredentialPlugin { command, args: vec![answer.display().to_string()], env: BTreeMap::new() }
}
