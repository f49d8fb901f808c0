//! `k3s server` under the engine. Most of it with `simulated-k3s`, a double with the same command line; with K3s itself where
//! `K3S_BIN` or PATH has one, and elsewhere that test says loudly that it was skipped.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod upkeep;

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, SystemTime};

use daas_engine::build::Binaries;
use daas_engine::pki::Pki;
use daas_engine::{
    ControlPlaneError, Engine, EngineError, Role, Server, ServerConfig, ServerPorts, TlsVersion, k3s, process,
};
use daas_testkit::k3s::simulated;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_mins(1);
/// Of K3s itself, which makes its database first.
const READY: Duration = Duration::from_mins(3);
/// Set for a copy of this test program that supervises a server until it is killed: the server's port, and the state folder.
const SUPERVISE: &str = "DAAS_ENGINE_TEST_K3S";
const ENGINE: Engine = Engine::K3s;

/// Not a test of its own: the double, in a copy of this program.
#[tokio::test]
async fn simulated_k3s() {
    simulated::run().await;
}

/// Not a test of its own: what another starts and kills.
#[tokio::test]
async fn supervise() {
    let Ok(said) = std::env::var(SUPERVISE) else { return };
    let (port, state) = said.split_once(' ').unwrap();
    let mut server = start(Path::new(state), port.parse().unwrap()).await.unwrap();
    server.wait_ready(LIMIT).await.unwrap();
    std::io::stderr().write_all(format!("ready {}\n", server.pids()[0].1).as_bytes()).unwrap();
    std::future::pending::<()>().await;
}

fn config(state_dir: &Path, api: u16) -> ServerConfig {
    ServerConfig {
        state_dir: state_dir.to_owned(),
        ports: ServerPorts { api, ..ServerPorts::default() },
        advertise_address: Ipv4Addr::new(192, 0, 2, 1),
        advertise_port: 6443,
        gateway_sans: vec!["192.0.2.1".to_owned()],
        cluster_cidr: "10.42.0.0/16".parse().unwrap(),
        service_cidr: "10.43.0.0/16".parse().unwrap(),
        cluster_dns: Ipv4Addr::new(10, 43, 0, 10),
        domain: "cluster.local".to_owned(),
        tls_min_version: TlsVersion::Tls13,
        cipher_suites: Vec::new(),
        log_level: 1,
        cluster_init: false,
    }
}

#[expect(clippy::disallowed_methods, reason = "a test is where the clock begins")]
fn now() -> SystemTime {
    SystemTime::now()
}

async fn programs(folder: &Path) -> Binaries {
    programs_of(folder, simulated::VERSION).await
}

/// Another version is another program.
async fn programs_of(folder: &Path, version: &str) -> Binaries {
    std::fs::create_dir_all(folder).unwrap();
    let program = simulated::write_version(folder, "simulated_k3s", version);
    k3s::find_at(&program, &folder.join("cache")).await.unwrap()
}

async fn start(state: &Path, api: u16) -> Result<Server, EngineError> {
    start_with(config(state, api), programs(&state.join("programs")).await).await
}

async fn start_with(config: ServerConfig, programs: Binaries) -> Result<Server, EngineError> {
    let pki = Pki::load_or_create(&config.state_dir, &config.pki_names(), now()).unwrap();
    ENGINE.start_server(config, programs, &pki).await
}

async fn started(state: &Path, api: u16) -> Server {
    let mut server = start(state, api).await.unwrap();
    server.wait_ready(LIMIT).await.unwrap();
    server
}

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port that is free with the one after it, below those that the system gives away.
fn port() -> u16 {
    let first = 20_000 + u16::try_from(std::process::id() % 5_000).unwrap() * 2;
    let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    loop {
        let port = first + NEXT.fetch_add(2, Ordering::Relaxed);
        if free(port) && free(port + 1) {
            return port;
        }
    }
}

fn kill_hard(pid: u32) {
    kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGKILL).unwrap();
}

/// Of what has ended a line may stay until somebody asks for it, but no program.
fn runs(pid: u32) -> bool {
    std::fs::read_link(format!("/proc/{pid}/exe")).is_ok()
}

fn pid(server: &Server) -> u32 {
    server.pids()[0].1
}

/// Nothing runs, nothing is left that leads somewhere, and the ports are free.
async fn nothing_is_left(state: &Path, api: u16) {
    assert_eq!(process::kill_marked(&state.join("run")).await.unwrap(), Vec::<u32>::new());
    assert_eq!(std::fs::read_dir(state.join("run")).unwrap().count(), 0);
    TcpListener::bind((Ipv4Addr::LOCALHOST, api)).unwrap();
}

#[tokio::test]
async fn it_becomes_ready_says_where_it_is_and_leaves_nothing() {
    let (state, api) = (tempfile::tempdir().unwrap(), port());
    let server = started(state.path(), api).await;
    let health = server.health().await;
    assert_eq!(
        health.iter().map(|h| (h.component, h.healthy)).collect::<Vec<_>>(),
        [("K3s", true), ("API server", true)]
    );
    let endpoints = server.endpoints();
    assert_eq!(endpoints.api, (Ipv4Addr::LOCALHOST, api).into());
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    assert_eq!(read(&endpoints.server_ca), server.join_material().server_ca_pem);
    let agents = endpoints.agents.as_ref().unwrap();
    assert!(read(&agents.server_cert).contains("BEGIN CERTIFICATE"));
    assert_eq!(read(&agents.client_ca), read(&state.path().join("pki/client-ca.crt")));
    server.stop().await;
    nothing_is_left(state.path(), api).await;
}

#[tokio::test]
async fn a_crash_is_seen_and_the_next_one_is_ready_by_itself() {
    let (state, api) = (tempfile::tempdir().unwrap(), port());
    let mut server = started(state.path(), api).await;
    let first = pid(&server);
    kill_hard(first);
    let seen = async {
        loop {
            if let Some(wrong) = server.health().await.into_iter().find(|health| !health.healthy) {
                return wrong;
            }
        }
    };
    let wrong = timeout(LIMIT, seen).await.unwrap();
    assert!(!wrong.detail.is_empty());
    server.wait_ready(LIMIT).await.unwrap();
    assert_ne!(pid(&server), first);
    server.stop().await;
    nothing_is_left(state.path(), api).await;
}

#[tokio::test]
async fn after_the_supervisor_is_killed_the_next_start_begins_anew() {
    let (state, api) = (tempfile::tempdir().unwrap(), port());
    let mut supervisor = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "supervise", "--nocapture"])
        .env(SUPERVISE, format!("{api} {}", state.path().display()))
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut said = BufReader::new(supervisor.stderr.take().unwrap()).lines();
    let left = loop {
        let line = timeout(LIMIT, said.next_line()).await.unwrap().unwrap().expect("it must become ready");
        if let Some(pid) = line.strip_prefix("ready ") {
            break pid.parse::<u32>().unwrap();
        }
    };
    kill_hard(supervisor.id().unwrap());
    supervisor.wait().await.unwrap();
    assert!(runs(left), "it must have outlived its supervisor");
    let ca = std::fs::read(state.path().join("k3s/server/tls/server-ca.crt")).unwrap();
    let server = started(state.path(), api).await;
    assert_ne!(pid(&server), left);
    assert!(!runs(left), "the one before it still runs");
    assert_eq!(std::fs::read(&server.endpoints().server_ca).unwrap(), ca);
    server.stop().await;
    ENGINE.cleanup_server(state.path()).await.unwrap();
    nothing_is_left(state.path(), api).await;
}

#[tokio::test]
async fn it_does_not_start_beside_another_or_with_anothers_keys() {
    let (state, api) = (tempfile::tempdir().unwrap(), port());
    let held = TcpListener::bind((Ipv4Addr::LOCALHOST, api + 1)).unwrap();
    let refused = start(state.path(), api).await.unwrap_err();
    assert!(matches!(refused, EngineError::Server(ControlPlaneError::PortBusy { port, .. }) if port == api + 1));
    drop(held);
    let tls = state.path().join("k3s/server/tls");
    std::fs::create_dir_all(&tls).unwrap();
    std::fs::write(tls.join("server-ca.crt"), "another cluster's").unwrap();
    let refused = start(state.path(), api).await.unwrap_err();
    assert!(matches!(refused, EngineError::Server(ControlPlaneError::Authority { .. })), "{refused}");
    nothing_is_left(state.path(), api).await;
}

#[tokio::test]
async fn one_that_does_not_get_ready_says_why() {
    let (state, api) = (tempfile::tempdir().unwrap(), port());
    let config = ServerConfig { domain: "cluster.local\n--unknown=1".to_owned(), ..config(state.path(), api) };
    let programs = programs(&state.path().join("programs")).await;
    let pki = Pki::load_or_create(state.path(), &self::config(state.path(), api).pki_names(), now()).unwrap();
    let mut server = ENGINE.start_server(config, programs, &pki).await.unwrap();
    let refused = async {
        loop {
            let error = server.wait_ready(Duration::ZERO).await.unwrap_err().to_string();
            if error.contains("flag provided but not defined") {
                return error;
            }
        }
    };
    let said = timeout(LIMIT, refused).await.unwrap();
    assert!(said.contains("K3s is not ready"), "{said}");
    server.stop().await;
}

fn skipped(why: &dyn std::fmt::Display) {
    // Past the capture of the test runner: a skipped test must not look like one that passed.
    std::io::stderr().write_all(format!("\nSKIPPED (K3s itself): {why}\n").as_bytes()).unwrap();
}

fn named() -> bool {
    std::env::var_os("K3S_BIN").is_some_and(|name| !name.is_empty())
}

fn own_address() -> Ipv4Addr {
    // Connecting a datagram socket sends nothing; it only asks the routing table.
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let _ = socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9));
    match socket.local_addr().unwrap().ip() {
        std::net::IpAddr::V4(ip) => ip,
        std::net::IpAddr::V6(ip) => panic!("{ip} is not IPv4"),
    }
}

#[tokio::test]
async fn k3s_itself_becomes_ready_with_our_authorities_and_leaves_nothing() {
    let cache = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("k3s");
    let programs = match ENGINE.find_programs(&cache).await {
        Ok(Some(programs)) => programs,
        Ok(None) => return skipped(&"no `k3s` on PATH, K3S_BIN names none, and none was fetched"),
        // One that only lies on PATH was not meant for this.
        Err(error) if !named() => return skipped(&error),
        Err(error) => panic!("{error}"),
    };
    if let Err(missing) = ENGINE.check(Role::Server) {
        return skipped(&missing);
    }
    let (state, api) = (tempfile::tempdir().unwrap(), port());
    let config = ServerConfig { advertise_address: own_address(), ..config(state.path(), api) };
    let pki = Pki::load_or_create(state.path(), &config.pki_names(), now()).unwrap();
    for _ in 0..2 {
        let mut server = ENGINE.start_server(config.clone(), programs.clone(), &pki).await.unwrap();
        server.wait_ready(READY).await.unwrap();
        let endpoints = server.endpoints().clone();
        assert_eq!(
            std::fs::read_to_string(&endpoints.server_ca).unwrap(),
            pki.server_ca_pem(),
            "K3s made a CA of its own"
        );
        server.stop().await;
        nothing_is_left(state.path(), api).await;
    }
}
