//! The gateway as the master sets it up before a K3s that the engine has started: a double, in a program with K3s' command line.

use super::*;
use crate::config::tests::{load_text, pinned};
use crate::control_plane;
use crate::local::agents_certificate;
use async_trait::async_trait;
use daas_chain::clock;
use daas_engine::build::Binaries;
use daas_engine::pki::Pki;
use daas_engine::{Engine, Role, Server, k3s};
use daas_gateway::{ConnectionInfo, Gateway, LocalEndpoints, NodeCaller, Refusal};
use daas_testkit::audit::Trail;
use daas_testkit::chain::{Chain, cluster};
use daas_testkit::k3s::{JOIN, ScriptedAgent, basic, calls, simulated};
use daas_types::api::{
    AttestationRequest, AttestationResponse, HeartbeatRequest, HeartbeatResponse, RegisterWorkerRequest,
    RegisterWorkerResponse,
};
use daas_types::{ErrorCode, Permissions};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{ServerName, UnixTime};
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const LIMIT: Duration = Duration::from_mins(2);

/// Not a test of its own: the double, in a copy of this program.
#[tokio::test]
async fn simulated_k3s() {
    simulated::run().await;
}

/// A master's part in a join, and nothing else: it knows every node.
struct Joins(Pki);

#[async_trait]
impl LocalEndpoints for Joins {
    async fn attest(&self, _: &ConnectionInfo, _: AttestationRequest, _: bool) -> Result<AttestationResponse, Refusal> {
        Err(Refusal::unavailable(ErrorCode::Internal, "not asked here"))
    }

    async fn register_worker(
        &self,
        _: &ConnectionInfo,
        _: &NodeCaller,
        _: RegisterWorkerRequest,
    ) -> Result<RegisterWorkerResponse, Refusal> {
        Err(Refusal::unavailable(ErrorCode::Internal, "not asked here"))
    }

    async fn agent_serves(
        &self,
        _: &ConnectionInfo,
        caller: &NodeCaller,
        address: IpAddr,
        request: &[u8],
    ) -> Result<String, Refusal> {
        agents_certificate(&self.0, caller, address, request)
    }

    async fn agent_joins(&self, _: &ConnectionInfo, _: &NodeCaller, _: IpAddr) -> Result<(), Refusal> {
        Ok(())
    }

    async fn heartbeat(
        &self,
        _: &ConnectionInfo,
        _: &NodeCaller,
        _: HeartbeatRequest,
    ) -> Result<HeartbeatResponse, Refusal> {
        Err(Refusal::unavailable(ErrorCode::Internal, "not asked here"))
    }

    fn kubectl_config(&self) -> String {
        String::new()
    }
}

/// A server of the engine's, and the master's gateway before it.
struct Running {
    folder: TempDir,
    server: Server,
    chain: Chain,
    gateway: SocketAddr,
    _trail: Trail,
    _serving: JoinSet<()>,
}

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port that is free with the one after it, below those that the system gives away.
fn port() -> u16 {
    let first = 31_000 - u16::try_from(std::process::id() % 400).unwrap() * 2;
    let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    loop {
        let port = first + NEXT.fetch_add(2, Ordering::Relaxed);
        if free(port) && free(port + 1) {
            return port;
        }
    }
}

impl Running {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let programs = simulated::write(folder.path(), "serving::tests::simulated_k3s");
        let programs = k3s::find_at(&programs, &folder.path().join("cache")).await.unwrap();
        Self::with(folder, programs, Ipv4Addr::new(192, 0, 2, 1)).await
    }

    async fn with(folder: TempDir, programs: Binaries, address: Ipv4Addr) -> Self {
        let (data_dir, api) = (folder.path().join("master"), port());
        let text = format!(
            "api: {{advertise: {address}, bind: 127.0.0.1, sans: [gateway.example, worker-7]}}\nsui: {{pins: /a}}\n\
             k3s: {{engine: k3s, data_dir: {}, https_port: {api}}}\n",
            data_dir.display()
        );
        let config = load_text(&text).unwrap().config;
        let (settings, pki) = control_plane::settings(&config).unwrap();
        let mut server = Engine::K3s.start_server(settings, programs, &pki).await.unwrap();
        server.wait_ready(LIMIT).await.unwrap();
        let (chain, trail) = (Chain::new(), Trail::open());
        let pins = ChainPins { cluster: cluster(), ..pinned().0 };
        let endpoints = server.endpoints();
        let gateway = gateway(&config, &pins, endpoints, Namespaces::default(), trail.log.clone()).unwrap();
        let gateway = GatewayConfig { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..gateway };
        let bound =
            Gateway::bind(gateway, tls(endpoints).unwrap(), chain.index.clone(), Arc::new(Joins(pki))).await.unwrap();
        let gateway = bound.local_addr();
        let mut serving = JoinSet::new();
        serving.spawn(bound.run(CancellationToken::new(), Duration::from_millis(100)));
        Self { folder, server, chain, gateway, _trail: trail, _serving: serving }
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("master/k3s")
    }
}

#[tokio::test]
async fn a_stock_agent_joins_through_the_gateway_of_an_engine_that_runs_k3s() {
    let world = Running::start().await;
    let staker = world.chain.staker(1, "5", Permissions::NODE);
    let mut agent = ScriptedAgent::new(world.gateway, &staker.state.node_id, &staker.opaque());
    assert_eq!(timeout(LIMIT, agent.play(JOIN)).await.unwrap(), calls(JOIN));
    assert!(world.folder.path().join("master").join(KEYS).is_file());

    // The API server calls its kubelet where it is, by an authority that agents do not take a gateway's for.
    let serving = agent.leaf("serving").chain;
    let believed = |ca: &str, by: &str| {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(world.folder.path().join("master").join(ca)).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let (name, now) = (ServerName::try_from(by).unwrap(), Duration::from_millis(clock::now().0));
        let now = UnixTime::since_unix_epoch(now);
        verifier.verify_server_cert(&serving[0], &serving[1..], &name, &[], now).is_ok()
    };
    assert!(believed("pki/kubelet-serving-ca.crt", &agent.address));
    for name in ["127.0.0.1", "localhost", "10.0.0.8"] {
        assert!(!believed("pki/kubelet-serving-ca.crt", name), "{name}");
    }
    assert!(!believed("k3s/server/tls/server-ca.crt", &agent.address), "it can be a gateway");

    // K3s' own server has its tunnel, by its certificate and under its name.
    assert_eq!(timeout(LIMIT, simulated::own_tunnel(world.gateway, &world.data(), "x")).await.unwrap(), 101);

    // Neither of K3s' tokens opens anything at the gateway.
    for name in ["server-token", "agent-token"] {
        let token = std::fs::read_to_string(world.folder.path().join("master/k3s-tokens").join(name)).unwrap();
        assert_ne!(basic(&token), basic(&staker.opaque()));
        agent.token = Some(token);
        assert_eq!(timeout(LIMIT, agent.call("GET /v1-k3s/config pinned seal")).await.unwrap(), "401", "{name}");
    }
    world.server.stop().await;
}

fn skipped(why: &dyn std::fmt::Display) {
    // Past the capture of the test runner: a skipped test must not look like one that passed.
    std::io::stderr().write_all(format!("\nSKIPPED (K3s itself): {why}\n").as_bytes()).unwrap();
}

/// As the double says, so K3s says: but for what only a Node that there is can do.
#[tokio::test]
async fn k3s_itself_lets_an_agent_join_through_the_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let programs = match Engine::K3s.find_programs(&folder.path().join("cache")).await {
        Ok(Some(programs)) => programs,
        Ok(None) => return skipped(&"no `k3s` on PATH, K3S_BIN names none, and none was fetched"),
        // One that only lies on PATH was not meant for this.
        Err(error) if std::env::var_os("K3S_BIN").is_none_or(|name| name.is_empty()) => return skipped(&error),
        Err(error) => panic!("{error}"),
    };
    if let Err(missing) = Engine::K3s.check(Role::Server) {
        return skipped(&missing);
    }
    // Connecting a datagram socket sends nothing; it only asks the routing table.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).unwrap();
    let IpAddr::V4(address) = socket.local_addr().unwrap().ip() else { panic!("no IPv4 address") };
    let world = Running::with(folder, programs, address).await;
    let staker = world.chain.staker(1, "5", Permissions::NODE);
    let mut agent = ScriptedAgent::new(world.gateway, &staker.state.node_id, &staker.opaque());
    let wanted: Vec<_> = calls(JOIN).into_iter().filter(|call| !call.contains(" /api")).collect();
    assert_eq!(timeout(LIMIT, agent.play(&wanted.join("\n"))).await.unwrap(), wanted);
    world.server.stop().await;
}

#[tokio::test]
async fn no_node_is_named_or_found_where_the_gateway_is() {
    let world = Running::start().await;
    let staker = world.chain.staker(7, "5", Permissions::NODE);
    let secret = staker.opaque();
    // By its name, which is one of the gateway's.
    let mut agent = ScriptedAgent::new(world.gateway, &staker.state.node_id, &secret);
    let cacerts = "GET /cacerts any -";
    let serving = "POST /v1-k3s/serving-kubelet.crt pinned seal";
    assert_eq!(timeout(LIMIT, agent.call(cacerts)).await.unwrap(), "200");
    assert_eq!(timeout(LIMIT, agent.call(serving)).await.unwrap(), "401");
    // By an address: the gateway's as people reach it, and the one by which pods do.
    let staker = world.chain.staker(8, "5", Permissions::NODE);
    let mut agent = ScriptedAgent::new(world.gateway, &staker.state.node_id, &staker.opaque());
    assert_eq!(timeout(LIMIT, agent.call(cacerts)).await.unwrap(), "200");
    for (address, ended) in [("192.0.2.1", "401"), ("10.43.0.1", "401"), ("192.0.2.2", "200")] {
        address.clone_into(&mut agent.address);
        assert_eq!(timeout(LIMIT, agent.call(serving)).await.unwrap(), ended, "{address}");
    }
    world.server.stop().await;
}
