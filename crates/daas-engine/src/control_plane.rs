//! kine, kube-apiserver, kube-controller-manager and kube-scheduler as supervised processes, on loopback only.

mod flags;
pub(crate) use flags::{admission, common, join_material, kubeconfig};

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::build::{Binaries, Program};
use crate::files::{self, FileError};
use crate::k3s::Version;
use crate::pki::Pki;
use crate::probe::Probe;
use crate::process::{self, Process, ProcessError, ProcessSpec, ProcessState, RestartPolicy};
use crate::settings::{ComponentHealth, JoinMaterial, ServerConfig, ServerEndpoints};

/// What is up already answers at once; what has to start first is asked less and less often.
pub(crate) const FIRST_POLL: Duration = Duration::from_millis(10);
pub(crate) const LONGEST_POLL: Duration = Duration::from_millis(250);
/// A Unix socket's path may have 107 bytes.
pub(crate) const LONGEST_SOCKET: usize = 107;
/// How many lines of a component's log an error shows.
pub(crate) const SHOWN: usize = 12;

/// Why the control plane does not run.
#[derive(Debug, thiserror::Error)]
pub enum ControlPlaneError {
    /// A file could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A process could not be supervised.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Someone else listens on a port that is needed.
    #[error("port {port} on 127.0.0.1, meant for the {component}, is in use: `ss -tlnp` shows by whom")]
    PortBusy {
        /// The port.
        port: u16,
        /// What would listen there.
        component: &'static str,
    },
    /// The state folder's path is too long for a Unix socket below it.
    #[error("the state folder's path is too long: {path} has {length} bytes, a socket may have 107")]
    PathTooLong {
        /// The socket's path.
        path: PathBuf,
        /// Its length.
        length: usize,
    },
    /// A program cannot be started at all.
    #[error("the {component} cannot be started: {reason}")]
    CannotStart {
        /// Which one.
        component: &'static str,
        /// Why.
        reason: String,
    },
    /// A component did not become ready in time.
    #[error("the {component} is not ready after {limit:?}: {detail}\n{log}")]
    NotReady {
        /// Which one.
        component: &'static str,
        /// The limit.
        limit: Duration,
        /// What it answered last.
        detail: String,
        /// The last lines of its log.
        log: String,
    },
    /// K3s was started with authorities of another cluster, or its own have been changed.
    #[error(
        "{path} is not this cluster's; K3s would serve with it: put its file back, or begin with an empty state folder"
    )]
    Authority {
        /// The file in K3s' data folder.
        path: PathBuf,
    },
    /// One of K3s' tokens is empty, or both are the same, or the server's is gone.
    #[error(
        "the tokens of K3s in {folder} are not two: `server-token` has to come back from a copy, the datastore is sealed with \
         it; without `agent-token` a new one is made"
    )]
    Tokens {
        /// The folder with both.
        folder: PathBuf,
    },
    /// An older K3s would read what a newer one has written.
    #[error("this is K3s {now}, and K3s {wrote} has written these data: a minor version is not gone back")]
    Older {
        /// What ran last.
        wrote: Version,
        /// What was to run.
        now: Version,
    },
    /// Another master has the data, or a command that wants no K3s there.
    #[error("{folder} is in use by another master, or by `k3s-daas-master k3s`")]
    Held {
        /// The state folder.
        folder: PathBuf,
    },
    /// There is no randomness.
    #[error("the system gives no random bytes")]
    Random,
    /// K3s cannot be heard of when it is ready.
    #[error("cannot listen on {path}")]
    Notify {
        /// The socket.
        path: PathBuf,
        /// What the operating system answered.
        #[source]
        source: std::io::Error,
    },
    /// The certificates just made cannot be used.
    #[error("the control plane's own certificates cannot be used: {0}")]
    Certificates(String),
}

/// A running control plane. [`ControlPlane::stop`] ends it in order; dropping it kills its processes.
#[derive(Debug)]
pub struct ControlPlane {
    config: ServerConfig,
    binaries: Binaries,
    endpoints: ServerEndpoints,
    join: JoinMaterial,
    probe: Probe,
    kine: Process,
    apiserver: Process,
    // These two leave in the absence of an API server, so they are started only when it is ready.
    controller_manager: Option<Process>,
    scheduler: Option<Process>,
}

/// Where the control plane keeps its files.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) state: PathBuf,
}

/// Stops what an earlier supervisor left running, from its records alone. Harmless when there is nothing.
pub(crate) async fn cleanup(state_dir: &Path) -> Result<(), ProcessError> {
    let run = Layout { state: state_dir.to_owned() }.run();
    process::reap_recorded(&run, STOP_GRACE).await?;
    process::kill_marked(&run).await?;
    Ok(())
}

const STOP_GRACE: Duration = Duration::from_secs(10);

// === impl ControlPlane ===

impl ControlPlane {
    /// Stops leftovers of an earlier run, then starts the datastore and the API server.
    /// The rest follows in [`Self::wait_ready`].
    pub async fn start(config: ServerConfig, binaries: Binaries, pki: &Pki) -> Result<Self, ControlPlaneError> {
        let layout = Layout { state: files::make_canonical_folder(&config.state_dir)? };
        layout.prepare()?;
        cleanup(&layout.state).await?;
        check_ports(&config)?;
        flags::write_kubeconfigs(&layout, &config, pki)?;
        flags::write_admission(&layout)?;
        let probe = Probe::new(pki).map_err(ControlPlaneError::Certificates)?;
        let kine = layout.process(Program::Kine, 1, flags::kine(&layout), &binaries)?;
        let arguments = flags::apiserver(&layout, &config, pki);
        let apiserver = layout.process(Program::KubeApiserver, 2, arguments, &binaries)?;
        Ok(Self {
            endpoints: flags::endpoints(&layout, &config, pki),
            join: join_material(&config, pki),
            config,
            binaries,
            probe,
            kine,
            apiserver,
            controller_manager: None,
            scheduler: None,
        })
    }

    /// Waits until every component is ready, at most `limit` (the usual one is 120 s).
    ///
    /// May be dropped and called again; [`Self::stop`] works at any time.
    pub async fn wait_ready(&mut self, limit: Duration) -> Result<(), ControlPlaneError> {
        let deadline = Instant::now() + limit;
        let mut poll = FIRST_POLL;
        loop {
            let Some(waiting) = self.first_unready().await else {
                return Ok(());
            };
            self.check_startable()?;
            if waiting.component != API_SERVER && self.scheduler.is_none() {
                self.start_controllers()?;
            }
            if Instant::now() >= deadline {
                let component = waiting.component;
                let log = self.process_of(component).map(|p| p.last_output(SHOWN)).unwrap_or_default();
                return Err(ControlPlaneError::NotReady { component, limit, detail: waiting.detail, log });
            }
            sleep(poll).await;
            poll = LONGEST_POLL.min(poll * 3 / 2);
        }
    }

    /// The health of each component, now.
    pub async fn health(&self) -> Vec<ComponentHealth> {
        let api = self.config.ports.api;
        let socket = self.layout().kine_socket();
        let (kine, api, kcm, scheduler) = tokio::join!(
            self.probe.socket(&socket),
            self.probe.https(api, "/readyz"),
            self.probe.https(self.config.ports.controller_manager, "/healthz"),
            self.probe.https(self.config.ports.scheduler, "/healthz"),
        );
        [(DATASTORE, kine), (API_SERVER, api), (CONTROLLER_MANAGER, kcm), (SCHEDULER, scheduler)]
            .into_iter()
            .map(|(component, result)| {
                let running = self.process_of(component).map(Process::state);
                ComponentHealth::of(component, result, running.as_ref())
            })
            .collect()
    }

    /// Where and how the API server is reached.
    pub fn endpoints(&self) -> &ServerEndpoints {
        &self.endpoints
    }

    /// What a node needs to know; nothing in it is secret.
    pub fn join_material(&self) -> &JoinMaterial {
        &self.join
    }

    /// The process ids of the components that run.
    pub fn pids(&self) -> Vec<(&'static str, u32)> {
        self.processes().filter_map(|p| Some((p.name(), p.pid()?))).collect()
    }

    /// Stops everything, the datastore last: an API server without it hangs.
    pub async fn stop(mut self) {
        for process in [&mut self.scheduler, &mut self.controller_manager].into_iter().flatten() {
            process.stop(STOP_GRACE).await;
        }
        self.apiserver.stop(STOP_GRACE).await;
        self.kine.stop(STOP_GRACE).await;
    }

    fn layout(&self) -> Layout {
        Layout { state: self.endpoints.state_dir.clone() }
    }

    fn processes(&self) -> impl Iterator<Item = &Process> {
        [Some(&self.kine), Some(&self.apiserver), self.controller_manager.as_ref(), self.scheduler.as_ref()]
            .into_iter()
            .flatten()
    }

    fn process_of(&self, component: &str) -> Option<&Process> {
        match component {
            DATASTORE => Some(&self.kine),
            API_SERVER => Some(&self.apiserver),
            CONTROLLER_MANAGER => self.controller_manager.as_ref(),
            _ => self.scheduler.as_ref(),
        }
    }

    async fn first_unready(&self) -> Option<ComponentHealth> {
        // The datastore has no health of its own that the API server's readiness does not include.
        self.health().await.into_iter().find(|h| h.component != DATASTORE && !h.healthy)
    }

    fn check_startable(&self) -> Result<(), ControlPlaneError> {
        for process in self.processes() {
            if let ProcessState::Failed { reason } = process.state() {
                return Err(ControlPlaneError::CannotStart { component: process.name(), reason });
            }
        }
        Ok(())
    }

    fn start_controllers(&mut self) -> Result<(), ControlPlaneError> {
        let layout = self.layout();
        let arguments = flags::controller_manager(&layout, &self.config);
        let program = Program::KubeControllerManager;
        self.controller_manager = Some(layout.process(program, 3, arguments, &self.binaries)?);
        let arguments = flags::scheduler(&layout, &self.config);
        self.scheduler = Some(layout.process(Program::KubeScheduler, 4, arguments, &self.binaries)?);
        Ok(())
    }
}

const DATASTORE: &str = "datastore";
pub(crate) const API_SERVER: &str = "API server";
const CONTROLLER_MANAGER: &str = "controller-manager";
const SCHEDULER: &str = "scheduler";

// === impl Layout ===

impl Layout {
    pub(crate) fn run(&self) -> PathBuf {
        self.state.join("run")
    }

    pub(crate) fn kine_socket(&self) -> PathBuf {
        self.state.join("db/kine.sock")
    }

    fn prepare(&self) -> Result<(), ControlPlaneError> {
        for folder in ["run", "log", "db", "kubeconfig"] {
            files::make_folder(&self.state.join(folder))?;
        }
        let path = self.kine_socket();
        match path.as_os_str().len() {
            length if length > LONGEST_SOCKET => Err(ControlPlaneError::PathTooLong { path, length }),
            _ => Ok(()),
        }
    }

    fn process(
        &self,
        program: Program,
        order: u32,
        args: Vec<String>,
        binaries: &Binaries,
    ) -> Result<Process, ControlPlaneError> {
        let name = program.file_name();
        let spec = ProcessSpec {
            name,
            order,
            program: binaries.path(program),
            args,
            env: Vec::new(),
            log: self.state.join("log").join(format!("{name}.log")),
            work_dir: self.state.clone(),
        };
        Ok(Process::start(spec, &self.run(), RestartPolicy::default())?)
    }
}

fn check_ports(config: &ServerConfig) -> Result<(), ControlPlaneError> {
    let ports = &config.ports;
    ports_free(&[(ports.api, API_SERVER), (ports.controller_manager, CONTROLLER_MANAGER), (ports.scheduler, SCHEDULER)])
}

/// Refuses to start beside whoever listens there already.
pub(crate) fn ports_free(ports: &[(u16, &'static str)]) -> Result<(), ControlPlaneError> {
    for &(port, component) in ports {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_err() {
            return Err(ControlPlaneError::PortBusy { port, component });
        }
    }
    Ok(())
}
