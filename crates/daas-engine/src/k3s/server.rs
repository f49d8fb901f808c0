use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::authorities;
use super::flags::{self, NODE};
use super::last::{self, LastRun};
use super::notify::{Notify, Socket};
use super::tokens::Tokens;
use crate::build::{Binaries, Program};
use crate::command::SYSTEM_PATH;
use crate::control_plane::{
    self, API_SERVER, ControlPlaneError, FIRST_POLL, LONGEST_POLL, LONGEST_SOCKET, SHOWN, admission, join_material,
    kubeconfig, ports_free,
};
use crate::files::{self, FileError};
use crate::pki::{CertFiles, Pki};
use crate::probe::Probe;
use crate::process::{Process, ProcessError, ProcessSpec, ProcessState, RestartPolicy};
use crate::settings::{AgentEndpoints, ComponentHealth, JoinMaterial, ServerConfig, ServerEndpoints};

/// It ends its controllers and writes its database out first.
const STOP_GRACE: Duration = Duration::from_secs(20);
const K3S: &str = "K3s";
/// What K3s links its kubeconfig to, wherever that is.
const LINK: &str = "/etc/rancher/k3s/k3s.yaml";

/// A running `k3s server`. [`K3sServer::stop`] ends it in order; dropping it kills it.
#[derive(Debug)]
pub struct K3sServer {
    layout: Layout,
    endpoints: ServerEndpoints,
    join: JoinMaterial,
    tokens: Tokens,
    probe: Probe,
    notify: Notify,
    process: Process,
    /// Nobody else uses its folder.
    _held: File,
}

/// Where it keeps its files.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) state: PathBuf,
}

/// Stops what an earlier supervisor left running, from its records alone. Harmless when there is nothing.
pub(crate) async fn cleanup(state_dir: &Path) -> Result<(), ProcessError> {
    control_plane::cleanup(state_dir).await?;
    Layout { state: state_dir.to_owned() }.remove_traces();
    Ok(())
}

// === impl K3sServer ===

impl K3sServer {
    /// Stops leftovers of an earlier run, then starts K3s with this cluster's authorities; see [`Self::wait_ready`].
    pub async fn start(config: ServerConfig, binaries: &Binaries, pki: &Pki) -> Result<Self, ControlPlaneError> {
        let layout = Layout { state: files::make_canonical_folder(&config.state_dir)? };
        layout.prepare()?;
        let held = last::take(&layout.state)?;
        let held = held.ok_or_else(|| ControlPlaneError::Held { folder: layout.state.clone() })?;
        cleanup(&layout.state).await?;
        let run = LastRun::of(binaries, config.ports.api);
        run.may_follow(&layout.state)?;
        // Not before: an earlier run's K3s may still run it.
        layout.forget_unpacked()?;
        // The next one is its API server's.
        ports_free(&[(config.ports.api, K3S), (config.ports.api.saturating_add(1), API_SERVER)])?;
        authorities::place(pki, &layout.data())?;
        let tokens = Tokens::load_or_create(&layout.tokens(), &layout.data().join("server/db"))?;
        files::write_private(&layout.admission(), admission())?;
        let endpoints = endpoints(&layout, &config, pki, &tokens);
        write_kubeconfig(&endpoints)?;
        let probe = Probe::new(pki).map_err(ControlPlaneError::Certificates)?;
        let path = layout.notify();
        let socket = Socket::bind(&path).map_err(|source| ControlPlaneError::Notify { path, source })?;
        run.write(&layout.state)?;
        let process = layout.process(binaries, flags::server(&layout, &config, pki, &tokens))?;
        let notify = socket.hear(process.watch());
        let join = join_material(&config, pki);
        Ok(Self { endpoints, join, layout, tokens, probe, notify, process, _held: held })
    }

    /// Waits until it is ready, at most `limit`.
    ///
    /// May be dropped and called again; [`Self::stop`] works at any time.
    pub async fn wait_ready(&self, limit: Duration) -> Result<(), ControlPlaneError> {
        let deadline = Instant::now() + limit;
        let mut poll = FIRST_POLL;
        loop {
            let Some(waiting) = self.health().await.into_iter().find(|health| !health.healthy) else {
                return Ok(());
            };
            if let ProcessState::Failed { reason } = self.process.state() {
                return Err(ControlPlaneError::CannotStart { component: K3S, reason });
            }
            if Instant::now() >= deadline {
                let (component, log) = (waiting.component, self.process.last_output(SHOWN));
                return Err(ControlPlaneError::NotReady { component, limit, detail: waiting.detail, log });
            }
            sleep(poll).await;
            poll = LONGEST_POLL.min(poll * 3 / 2);
        }
    }

    /// The health of K3s, and of the API server in it, now.
    pub async fn health(&self) -> Vec<ComponentHealth> {
        let port = self.endpoints.api.port();
        let (k3s, api) = tokio::join!(self.supervisor(port), self.probe.https(port, "/readyz"));
        let state = self.process.state();
        vec![ComponentHealth::of(K3S, k3s, Some(&state)), ComponentHealth::of(API_SERVER, api, Some(&state))]
    }

    /// Where and how it is reached.
    pub fn endpoints(&self) -> &ServerEndpoints {
        &self.endpoints
    }

    /// What a node needs to know; nothing in it is secret.
    pub fn join_material(&self) -> &JoinMaterial {
        &self.join
    }

    /// Its process id, while it runs.
    pub fn pids(&self) -> Vec<(&'static str, u32)> {
        self.process.pid().into_iter().map(|pid| (K3S, pid)).collect()
    }

    /// Stops it.
    pub async fn stop(mut self) {
        self.process.stop(STOP_GRACE).await;
        self.layout.remove_traces();
    }

    /// Whether agents can join.
    async fn supervisor(&self, port: u16) -> Result<(), String> {
        if !self.notify.is_ready(self.process.pid()) {
            return Err("it has not said yet that it is ready".to_owned());
        }
        let agents = self.tokens.authorization().map_err(|error| error.to_string())?;
        self.probe.https_with(port, "/v1-k3s/readyz", &agents).await?;
        // Without it the gateway does not know K3s' own tunnel from another's. Written a little later than all else.
        let own = self.layout.server_cert();
        if own.is_file() { Ok(()) } else { Err(format!("{} is not there yet", own.display())) }
    }
}

// === impl Layout ===

impl Layout {
    /// K3s' own folder.
    pub(super) fn data(&self) -> PathBuf {
        self.state.join("k3s")
    }

    pub(super) fn tokens(&self) -> PathBuf {
        self.state.join("k3s-tokens")
    }

    /// An administrator's, which K3s writes.
    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.state.join("kubeconfig/k3s.yaml")
    }

    pub(super) fn config(&self) -> PathBuf {
        self.state.join("k3s-config.yaml")
    }

    pub(super) fn admission(&self) -> PathBuf {
        self.state.join("admission.json")
    }

    fn server_cert(&self) -> PathBuf {
        self.data().join("agent/client-kubelet.crt")
    }

    fn notify(&self) -> PathBuf {
        self.state.join("run/notify.sock")
    }

    fn prepare(&self) -> Result<(), ControlPlaneError> {
        for folder in ["run", "log", "k3s", "kubeconfig"] {
            files::make_folder(&self.state.join(folder))?;
        }
        files::write_private(&self.config(), "")?;
        for path in [self.notify(), self.data().join("server/kine.sock")] {
            let length = path.as_os_str().len();
            if length > LONGEST_SOCKET {
                return Err(ControlPlaneError::PathTooLong { path, length });
            }
        }
        Ok(())
    }

    /// K3s unpacks there what it runs, and what it finds there it runs: it is to be what was hashed.
    pub(super) fn forget_unpacked(&self) -> Result<(), FileError> {
        let unpacked = self.data().join("data");
        match fs::remove_dir_all(&unpacked) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(FileError::of("empty", &unpacked)(error)),
            _ => Ok(()),
        }
    }

    fn process(&self, binaries: &Binaries, args: Vec<String>) -> Result<Process, ControlPlaneError> {
        let variable = |name: &str, value: String| (name.to_owned(), value);
        let spec = ProcessSpec {
            name: "k3s",
            order: 1,
            program: binaries.path(Program::K3s),
            args,
            env: vec![
                variable("PATH", SYSTEM_PATH.to_owned()),
                variable("HOME", self.state.display().to_string()),
                variable("NOTIFY_SOCKET", self.notify().display().to_string()),
            ],
            log: self.state.join("log/k3s.log"),
            work_dir: self.state.clone(),
        };
        Ok(Process::start(spec, &self.state.join("run"), RestartPolicy::default())?)
    }

    /// Takes away what is of use only while it runs.
    fn remove_traces(&self) {
        let kubeconfig = self.kubeconfig();
        let _ = fs::remove_file(self.notify());
        // Another K3s' link is not ours to remove.
        if fs::read_link(LINK).is_ok_and(|leads| leads == kubeconfig) {
            let _ = fs::remove_file(LINK);
        }
    }
}

fn endpoints(layout: &Layout, config: &ServerConfig, pki: &Pki, tokens: &Tokens) -> ServerEndpoints {
    let tls = layout.data().join("server/tls");
    ServerEndpoints {
        state_dir: layout.state.clone(),
        api: (std::net::Ipv4Addr::LOCALHOST, config.ports.api).into(),
        server_ca: tls.join("server-ca.crt"),
        front_proxy: pki.files("gateway"),
        gateway_serving: pki.files("gateway-serving"),
        controller: pki.files("controller"),
        controller_kubeconfig: layout.state.join("kubeconfig/controller.json"),
        service_account_public_key_pem: pki.service_account_public_key_pem().to_owned(),
        service_account_issuer: format!("https://kubernetes.default.svc.{}", config.domain),
        agents: Some(AgentEndpoints {
            token: tokens.agent.clone(),
            client_ca: tls.join("client-ca.crt"),
            server_node: NODE.to_owned(),
            server_cert: layout.server_cert(),
        }),
    }
}

fn write_kubeconfig(endpoints: &ServerEndpoints) -> Result<(), ControlPlaneError> {
    let CertFiles { cert, key } = &endpoints.controller;
    let user = serde_json::json!({ "client-certificate": cert, "client-key": key });
    let text = kubeconfig(&format!("https://{}", endpoints.api), &endpoints.server_ca, &user);
    Ok(files::write_private(&endpoints.controller_kubeconfig, text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_where_k3s_unpacks_is_not_run() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout { state: folder.path().to_owned() };
        layout.forget_unpacked().expect("there is nothing yet");
        let (planted, kept) = (layout.data().join("data/current/bin/k3s"), layout.data().join("server/db/state.db"));
        for file in [&planted, &kept] {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        layout.forget_unpacked().unwrap();
        assert!(!planted.exists() && kept.exists());
    }
}
