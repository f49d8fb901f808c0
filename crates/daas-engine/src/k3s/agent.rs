//! `k3s agent` as one supervised process: kubelet, kube-proxy and the pods' network are in it, containerd is its child. Pods
//! outlive it, and the next one goes on with them, as K3s has it.

mod arguments;
mod cri;
mod docker;
mod lent;
#[cfg(test)]
mod tests;
mod token;
mod traces;

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::notify::{Notify, Socket};
use crate::build::{Binaries, Program};
use crate::command::SYSTEM_PATH;
use crate::engine::Engine;
use crate::files::{self, FileError};
use crate::node::cleanup::{self, Record};
use crate::node::{Layout, NodeError, POLL, SHOWN, STOP_GRACE, cgroups};
use crate::process::{Process, ProcessSpec, ProcessState, RestartPolicy};
use crate::settings::{AgentConfig, ComponentHealth};
pub(crate) use lent::Lent;
pub use lent::RuntimeError;
pub use token::token;
pub(crate) use traces::Traces;

const AGENT: &str = "K3s agent";
/// The programs whose processes a start replaces: K3s is its own containerd, as that is only another name of its file. The
/// containers' supervisors are another file.
const COMPONENTS: [&str; 2] = ["k3s", "containerd"];

/// A running `k3s agent`. [`K3sAgent::stop`] takes it down with everything it made; dropping it only kills it.
#[derive(Debug)]
pub struct K3sAgent {
    layout: Layout,
    notify: Notify,
    process: Process,
}

// === impl K3sAgent ===

impl K3sAgent {
    /// Starts it. Pods of an earlier run go on if they are whole; else what is left of them is removed.
    pub async fn start(config: &AgentConfig, binaries: &Binaries) -> Result<Self, NodeError> {
        let layout = Layout::new(&config.state_dir)?;
        let same_runtime = cleanup::former_runtime(&layout)? == config.runtime;
        if same_runtime && cleanup::can_go_on(&layout, Engine::K3s, &config.owner)? {
            cleanup::stop_components(&layout, &COMPONENTS).await?;
            Traces::refuse_another()?;
            tracing::info!(node.state = %layout.state.display(), "going on with what an earlier run left");
        } else {
            cleanup::cleanup(&layout.state).await?;
            Traces::refuse_others_pods()?;
            if let Some(lent) = Lent::of(&config.runtime) {
                lent.is_free().await?;
            }
            Traces::forget_network(&layout)?;
            Record::of_k3s(&config.owner, &config.runtime).await?.write(&layout)?;
        }
        prepare(&layout)?;
        cgroups::create(&layout)?;
        let socket = Socket::bind(&notify_socket(&layout)).map_err(|source| NodeError::Notify { source })?;
        let process = process(&layout, config, binaries)?;
        let notify = socket.hear(process.watch());
        Ok(Self { layout, notify, process })
    }

    /// Waits until it has said that it is ready, at most `limit`.
    pub async fn wait_ready(&self, limit: Duration) -> Result<(), NodeError> {
        let deadline = Instant::now() + limit;
        loop {
            let health = self.look();
            if health.healthy {
                return Ok(());
            }
            let state = self.process.state();
            if matches!(state, ProcessState::Failed { .. }) || Instant::now() >= deadline {
                let (component, detail, log) = (AGENT, health.detail, self.process.last_output(SHOWN));
                // It says that it is ready when it has reached its server: one that runs may only wait for that.
                return Err(match state {
                    ProcessState::Running { .. } => NodeError::Waiting { component, limit, detail, log },
                    _ => NodeError::NotReady { component, limit, detail, log },
                });
            }
            sleep(POLL).await;
        }
    }

    /// Its health, now.
    pub fn health(&self) -> Vec<ComponentHealth> {
        vec![self.look()]
    }

    /// Its process id, while it runs.
    pub fn pids(&self) -> Vec<(&'static str, u32)> {
        self.process.pid().into_iter().map(|pid| (AGENT, pid)).collect()
    }

    /// Stops it and leaves the pods running.
    pub async fn halt(mut self) {
        self.process.stop(STOP_GRACE).await;
    }

    /// Stops it, then the pods (SIGTERM, `grace`, SIGKILL), and removes what they made.
    pub async fn stop(mut self, grace: Duration) -> Result<(), NodeError> {
        // First, or it would start the pods anew.
        self.process.stop(STOP_GRACE).await;
        if let Some(lent) = Lent::of(&cleanup::former_runtime(&self.layout)?) {
            lent.stop_pods(grace).await?;
        }
        cgroups::stop_all(&self.layout, grace).await?;
        cleanup::cleanup(&self.layout.state).await
    }

    fn look(&self) -> ComponentHealth {
        let ready = self.notify.is_ready(self.process.pid());
        let answer = if ready { Ok(()) } else { Err("it has not said yet that it is ready".to_owned()) };
        ComponentHealth::of(AGENT, answer, Some(&self.process.state()))
    }
}

/// K3s' own folder.
fn data(layout: &Layout) -> PathBuf {
    layout.state.join("k3s")
}

fn kubelet(layout: &Layout) -> PathBuf {
    layout.state.join("kubelet")
}

fn config_file(layout: &Layout) -> PathBuf {
    layout.state.join("k3s-config.yaml")
}

/// Beside the other sockets: the state folder's name may be longer than a socket's may.
fn notify_socket(layout: &Layout) -> PathBuf {
    layout.sockets().join("notify.sock")
}

fn prepare(layout: &Layout) -> Result<(), FileError> {
    let settings = data(layout).join("agent/etc/kubelet.conf.d");
    for folder in [layout.run(), layout.state.join("log"), data(layout), kubelet(layout), settings.clone()] {
        files::make_folder(&folder)?;
    }
    files::write_private(&config_file(layout), "")?;
    // No flag says it. K3s' own file there sorts before this one.
    files::write_private(&settings.join("50-daas.conf"), arguments::kubelet_settings(layout))
}

fn process(layout: &Layout, config: &AgentConfig, binaries: &Binaries) -> Result<Process, NodeError> {
    let variable = |name: &str, value: String| (name.to_owned(), value);
    let spec = ProcessSpec {
        name: "k3s-agent",
        order: 1,
        program: binaries.path(Program::K3s),
        args: arguments::agent(layout, config),
        // And nothing else: what is set for another K3s, K3S_TOKEN or K3S_URL, is not for this one.
        env: vec![
            variable("PATH", SYSTEM_PATH.to_owned()),
            variable("HOME", layout.state.display().to_string()),
            variable("NOTIFY_SOCKET", notify_socket(layout).display().to_string()),
        ],
        log: layout.state.join("log/k3s-agent.log"),
        work_dir: layout.state.clone(),
    };
    Ok(Process::start(spec, &layout.run(), RestartPolicy::default())?)
}
