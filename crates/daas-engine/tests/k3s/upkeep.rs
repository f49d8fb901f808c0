//! What is done to a server over the years: another version, snapshots of its datastore, new certificates.

use super::*;
use daas_engine::k3s::{Upkeep, UpkeepError, upkeep};
use daas_testkit::k3s::{JOIN, RESTART, ScriptedAgent, calls};

const OLD: &str = "v1.36.2+k3s1";
const PATCHED: &str = "v1.36.9+k3s1";
const NEW: &str = "v1.37.0+k3s1";

/// A server's state folder and port.
struct Place {
    state: tempfile::TempDir,
    api: u16,
}

// === impl Place ===

impl Place {
    fn new() -> Self {
        Self { state: tempfile::tempdir().unwrap(), api: port() }
    }

    fn path(&self) -> &Path {
        self.state.path()
    }

    async fn start(&self, version: &str, cluster_init: bool) -> Result<Server, EngineError> {
        let programs = programs_of(&self.path().join(version), version).await;
        let mut server = start_with(ServerConfig { cluster_init, ..config(self.path(), self.api) }, programs).await?;
        server.wait_ready(LIMIT).await.unwrap();
        Ok(server)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// What an upgrade must not touch.
    fn kept(&self) -> Vec<String> {
        let files = [
            "k3s-tokens/server-token",
            "k3s-tokens/agent-token",
            "k3s/server/tls/server-ca.crt",
            "k3s/server/tls/server-ca.key",
            "k3s/server/tls/client-ca.crt",
            "k3s/server/tls/request-header-ca.crt",
            "k3s/server/tls/service.key",
        ];
        files.map(|name| self.read(name)).into()
    }

    fn agent(&self) -> ScriptedAgent {
        let token = self.read("k3s-tokens/agent-token");
        ScriptedAgent::new((Ipv4Addr::LOCALHOST, self.api).into(), "worker-1", token.trim())
    }

    fn snapshots(&self) -> Vec<String> {
        let folder = std::fs::read_dir(self.path().join("k3s/server/db/snapshots")).unwrap();
        let mut names: Vec<_> = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }

    async fn upkeep(&self, what: Upkeep) -> Result<(), UpkeepError> {
        upkeep(self.path(), &what).await
    }
}

fn older(refused: Result<Server, EngineError>) -> String {
    match refused {
        Err(EngineError::Server(error @ ControlPlaneError::Older { .. })) => error.to_string(),
        other => panic!("it must be refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_newer_version_goes_on_and_an_older_one_does_not_begin() {
    let place = Place::new();
    let server = place.start(OLD, false).await.unwrap();
    let mut agent = place.agent();
    assert_eq!(agent.play(JOIN).await, calls(JOIN));
    let kept = place.kept();
    server.stop().await;

    let server = place.start(NEW, false).await.unwrap();
    assert_eq!(place.kept(), kept, "tokens and authorities");
    assert_eq!(place.read("k3s/server/db/state.db"), format!("{OLD}\n{NEW}\n"), "the datastore");
    // With what it had, as one that has lost its server; and as one that is started again.
    agent.tunnels.clear();
    assert_eq!(agent.call("GET /v1-k3s/connect pinned kubelet").await, "101");
    assert_eq!(agent.play(RESTART).await, calls(RESTART));
    server.stop().await;

    // What never began has written nothing.
    let held = TcpListener::bind((Ipv4Addr::LOCALHOST, place.api)).unwrap();
    let busy = place.start("v1.38.0+k3s1", false).await;
    assert!(matches!(busy, Err(EngineError::Server(ControlPlaneError::PortBusy { .. }))), "{busy:?}");
    drop(held);

    let said = older(place.start(PATCHED, false).await);
    assert!(said.contains(NEW) && said.contains(PATCHED), "{said}");
    assert_eq!(place.read("k3s/server/db/state.db"), format!("{OLD}\n{NEW}\n"), "it has run");
    nothing_is_left(place.path(), place.api).await;
    // The refusal is not in the way of the right one.
    place.start(NEW, false).await.unwrap().stop().await;
}

#[tokio::test]
async fn patches_go_either_way() {
    let place = Place::new();
    for version in [OLD, PATCHED, OLD] {
        place.start(version, false).await.unwrap().stop().await;
    }
    assert_eq!(place.read("k3s/server/db/state.db"), format!("{OLD}\n{PATCHED}\n{OLD}\n"));
}

#[tokio::test]
async fn snapshots_are_taken_of_etcd_by_the_running_k3s() {
    let place = Place::new();
    let save = |name: &str| Upkeep::Save { name: Some(name.to_owned()), compress: true };
    assert!(matches!(place.upkeep(save("x")).await, Err(UpkeepError::NeverRan { .. })));
    let server = place.start(OLD, true).await.unwrap();
    for name in ["before", "before", "after"] {
        place.upkeep(save(name)).await.unwrap();
    }
    assert_eq!(place.snapshots().len(), 3);
    place.upkeep(Upkeep::List { output: None }).await.unwrap();
    place.upkeep(Upkeep::Prune { name: Some("before".to_owned()), retention: Some(1) }).await.unwrap();
    let left = place.snapshots();
    assert_eq!(left.len(), 2, "{left:?}");
    place.upkeep(Upkeep::Delete { names: vec![left[0].clone()] }).await.unwrap();
    assert_eq!(place.snapshots(), left[1..]);
    let failed = place.upkeep(Upkeep::Delete { names: vec!["nobody".to_owned()] }).await.unwrap_err();
    assert!(matches!(failed, UpkeepError::Failed { .. }), "{failed}");
    server.stop().await;
    assert!(matches!(place.upkeep(save("x")).await, Err(UpkeepError::Stopped { .. })));
}

#[tokio::test]
async fn without_etcd_there_are_no_snapshots() {
    let place = Place::new();
    let server = place.start(OLD, false).await.unwrap();
    let refused = place.upkeep(Upkeep::Save { name: None, compress: false }).await.unwrap_err();
    assert!(matches!(refused, UpkeepError::NoEtcd), "{refused}");
    server.stop().await;
}

#[tokio::test]
async fn certificates_are_rotated_while_it_is_stopped_and_the_authorities_stay() {
    let place = Place::new();
    let rotate = || Upkeep::Rotate { services: vec![] };
    let check = || Upkeep::Check { services: vec![], output: None };
    let server = place.start(OLD, false).await.unwrap();
    let (kept, own) = (place.kept(), place.read("k3s/agent/client-kubelet.crt"));
    place.upkeep(check()).await.unwrap();
    assert!(matches!(place.upkeep(rotate()).await, Err(UpkeepError::Runs { .. })));
    assert_eq!(place.read("k3s/agent/client-kubelet.crt"), own);
    server.stop().await;
    place.upkeep(check()).await.unwrap();
    place.upkeep(rotate()).await.unwrap();
    let server = place.start(OLD, false).await.unwrap();
    assert_ne!(place.read("k3s/agent/client-kubelet.crt"), own, "a new one");
    assert_eq!(place.kept(), kept);
    server.stop().await;
}

/// Its supervisor holds nothing any more, but it would go on with what is put aside.
#[tokio::test]
async fn one_that_outlived_its_supervisor_runs_too() {
    let place = Place::new();
    let mut supervisor = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "supervise", "--nocapture"])
        .env(SUPERVISE, format!("{} {}", place.api, place.path().display()))
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut said = BufReader::new(supervisor.stderr.take().unwrap()).lines();
    while !timeout(LIMIT, said.next_line()).await.unwrap().unwrap().unwrap().starts_with("ready ") {}
    kill_hard(supervisor.id().unwrap());
    supervisor.wait().await.unwrap();
    let refused = place.upkeep(Upkeep::Rotate { services: vec![] }).await.unwrap_err();
    assert!(matches!(refused, UpkeepError::Runs { .. }), "{refused}");
    ENGINE.cleanup_server(place.path()).await.unwrap();
    place.upkeep(Upkeep::Rotate { services: vec![] }).await.unwrap();
}

#[tokio::test]
async fn only_what_ran_is_run() {
    let place = Place::new();
    place.start(OLD, false).await.unwrap().stop().await;
    let mut programs = std::fs::read_dir(place.path().join(OLD).join("cache")).unwrap();
    let placed = programs.next().unwrap().unwrap().path().join("k3s");
    let marker = place.path().join("ran");
    std::fs::write(&placed, format!("#!/bin/sh\ntouch {}\n", marker.display())).unwrap();
    let refused = place.upkeep(Upkeep::Check { services: vec![], output: None }).await.unwrap_err();
    assert!(matches!(refused, UpkeepError::Altered { .. }), "{refused}");
    assert!(!marker.exists());
}

#[tokio::test]
async fn two_servers_do_not_have_the_same_data() {
    let place = Place::new();
    let server = place.start(OLD, false).await.unwrap();
    let beside = start_with(config(place.path(), port()), programs_of(&place.path().join(NEW), NEW).await).await;
    assert!(matches!(beside, Err(EngineError::Server(ControlPlaneError::Held { .. }))), "{beside:?}");
    assert!(server.health().await.iter().all(|health| health.healthy), "the first one goes on");
    server.stop().await;
}
