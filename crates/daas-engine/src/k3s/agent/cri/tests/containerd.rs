//! A real containerd, such as a node of upstream components has, with pods that a kubelet could have made; they have no network of
//! their own.

use std::collections::HashMap;
use std::io::Write as _;
use std::panic::AssertUnwindSafe;

use super::*;
use crate::build::{self, Binaries, Program};
use crate::engine::Engine;
use crate::images;
use crate::node::cleanup::{self, Record};
use crate::node::{Layout, cgroups, runtime};
use crate::prerequisites::Role;
use crate::process::Process;

const GRACE: Duration = Duration::from_secs(5);
/// Not one for a SIGTERM.
const DEAF: &str = "trap '' TERM; while :; do sleep 1; done";
/// The machine's own network.
const NODE: i32 = 2;
const RUNNING: i32 = 1;

#[derive(Clone, PartialEq, Message)]
struct Sandbox {
    #[prost(message, optional, tag = "1")]
    metadata: Option<SandboxName>,
    #[prost(map = "string, string", tag = "6")]
    labels: HashMap<String, String>,
    #[prost(message, optional, tag = "8")]
    linux: Option<SandboxLinux>,
}

#[derive(Clone, PartialEq, Message)]
struct SandboxName {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    uid: String,
    #[prost(string, tag = "3")]
    namespace: String,
}

#[derive(Clone, PartialEq, Message)]
struct SandboxLinux {
    #[prost(string, tag = "1")]
    cgroup_parent: String,
    #[prost(message, optional, tag = "2")]
    security: Option<SandboxSecurity>,
}

#[derive(Clone, PartialEq, Message)]
struct SandboxSecurity {
    #[prost(message, optional, tag = "1")]
    namespaces: Option<Namespaces>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Namespaces {
    #[prost(int32, tag = "1")]
    network: i32,
}

#[derive(Clone, PartialEq, Message)]
struct RunSandbox {
    #[prost(message, optional, tag = "1")]
    config: Option<Sandbox>,
}

#[derive(Clone, PartialEq, Message)]
struct CreateContainer {
    #[prost(string, tag = "1")]
    sandbox: String,
    #[prost(message, optional, tag = "2")]
    config: Option<Container>,
    #[prost(message, optional, tag = "3")]
    sandbox_config: Option<Sandbox>,
}

/// Its name, and its image's, are the first fields of messages of their own, as an id is.
#[derive(Clone, PartialEq, Message)]
struct Container {
    #[prost(message, optional, tag = "1")]
    name: Option<Named>,
    #[prost(message, optional, tag = "2")]
    image: Option<Named>,
    #[prost(string, repeated, tag = "3")]
    command: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct States {
    #[prost(message, repeated, tag = "1")]
    containers: Vec<State>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct State {
    #[prost(int32, tag = "6")]
    state: i32,
}

/// containerd, and what it has made.
struct Containerd {
    layout: Layout,
    process: Process,
    cri: Cri,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_containerd_is_free_again() {
    let Some(programs) = programs().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let life = async {
        let mut containerd = Containerd::start(folder.path(), &programs).await;
        lives(&containerd).await;
        containerd.process.stop(Duration::from_secs(10)).await;
    };
    // Whatever fails, nothing of it runs on.
    let done = futures::FutureExt::catch_unwind(AssertUnwindSafe(life)).await;
    let cleaned = cleanup::cleanup(folder.path()).await;
    if let Err(panic) = done {
        std::panic::resume_unwind(panic);
    }
    cleaned.unwrap();
}

async fn lives(containerd: &Containerd) {
    let runtime = Lent::Cri(containerd.cri.clone());
    runtime.answers().await.unwrap();
    runtime.is_free().await.unwrap();
    runtime.stop_pods(GRACE).await.unwrap();
    runtime.remove_pods().await.unwrap();

    for name in ["one", "two"] {
        containerd.runs_pod(name).await;
    }
    assert_eq!(containerd.running().await, 2);
    let refused = runtime.is_free().await;
    assert!(matches!(&refused, Err(NodeError::ForeignPods { found, .. }) if found == "2 pods"), "{refused:?}");
    runtime.answers().await.unwrap();
    let started = Instant::now();
    runtime.stop_pods(GRACE).await.unwrap();
    let took = started.elapsed();
    assert!(took >= GRACE && took < GRACE * 2, "one grace for all of them, not {took:?}");
    assert_eq!(containerd.running().await, 0);
    assert!(runtime.is_free().await.is_err(), "stopped is not removed");
    runtime.remove_pods().await.unwrap();
    runtime.is_free().await.unwrap();

    // One that runs goes as well; and what is not there is no error.
    containerd.runs_pod("three").await;
    runtime.remove_pods().await.unwrap();
    assert_eq!(containerd.running().await, 0);
    runtime.is_free().await.unwrap();
    containerd.cri.stop("none", Duration::ZERO).await.unwrap();
    containerd.cri.remove("none").await.unwrap();
}

/// The engine's own, or nothing and a loud line.
async fn programs() -> Option<Binaries> {
    let found = build::find(&build::default_cache_dir().unwrap()).await.unwrap();
    let why = match (Engine::Kubernetes.check(Role::Node), &found) {
        (Err(missing), _) => missing.to_string(),
        (Ok(()), None) => "no Kubernetes programs in the cache, `make engine` builds them".to_owned(),
        (Ok(()), Some(_)) => return found,
    };
    // Past the capture of the test runner: a skipped test must not look like one that passed.
    std::io::stderr().write_all(format!("\nSKIPPED (a real containerd): {why}\n").as_bytes()).unwrap();
    None
}

// === impl Containerd ===

impl Containerd {
    /// As a node has it, so that [`cleanup::cleanup`] takes it down, with everything that a failed test has left in it.
    async fn start(folder: &Path, programs: &Binaries) -> Self {
        let layout = Layout::new(folder).unwrap();
        Record::without_network("a test").write(&layout).unwrap();
        layout.make_folders().unwrap();
        cgroups::create(&layout).unwrap();
        let images = images::build(&folder.join("images"), &programs.path(Program::Kubectl)).await.unwrap();
        let process = runtime::start(&layout, &images[..1], programs).await.unwrap();
        Self { cri: Cri::at(&layout.runtime_socket()), layout, process }
    }

    /// A pod of one container.
    async fn runs_pod(&self, name: &str) {
        let namespaces = Some(Namespaces { network: NODE });
        let metadata = SandboxName { name: name.to_owned(), uid: name.to_owned(), namespace: "default".to_owned() };
        let config = Some(Sandbox {
            metadata: Some(metadata),
            labels: HashMap::from([("io.kubernetes.pod.uid".to_owned(), name.to_owned())]),
            linux: Some(SandboxLinux {
                cgroup_parent: format!("/{}", self.layout.cgroup_root()),
                security: Some(SandboxSecurity { namespaces }),
            }),
        });
        let request = RunSandbox { config: config.clone() };
        let Named { id: sandbox } = self.cri.ask("RunPodSandbox", request, REMOVAL).await.unwrap();
        let named = |id: &str| Some(Named { id: id.to_owned() });
        let command = ["/bin/sh", "-c", DEAF].map(str::to_owned).to_vec();
        let container = Some(Container { name: named("main"), image: named(images::PAUSE), command });
        let request = CreateContainer { sandbox, config: container, sandbox_config: config };
        let container: Named = self.cri.ask("CreateContainer", request, REMOVAL).await.unwrap();
        let Nothing {} = self.cri.ask("StartContainer", container, REMOVAL).await.unwrap();
    }

    /// How many containers run.
    async fn running(&self) -> usize {
        let States { containers } = self.cri.ask("ListContainers", Nothing {}, LIMIT).await.unwrap();
        containers.iter().filter(|container| container.state == RUNNING).count()
    }
}
